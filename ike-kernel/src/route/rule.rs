//! What lies in the kernel's routing policy database on our behalf: rules and routes as ordered values,
//! made from flows, written as and read from rtnetlink messages.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ike_ts::{PortRange, Prefix, TrafficSelector};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage, RulePortRange};
use netlink_packet_route::{AddressFamily, IpProtocol};

use super::RouterConfig;
use crate::Flow;

/// Who made a rule or route (`ip rule` shows it as `proto 210`).
pub(super) const OWNER: RouteProtocol = RouteProtocol::Other(210);

/// What a rule does. The order is that of adding; removing goes backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    /// Nothing: the place others jump to.
    Land,
    /// Jumps there.
    Skip,
    /// Looks up our table.
    Lookup,
}

/// A rule of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rule {
    pub(super) action: Action,
    pub(super) ipv6: bool,
    /// Offset to our first priority.
    pub(super) place: u32,
    pub(super) marked: bool,
    pub(super) locally_sent: bool,
    pub(super) src: Option<Prefix>,
    pub(super) dst: Option<Prefix>,
    pub(super) protocol: u8,
    pub(super) src_ports: Option<(u16, u16)>,
    pub(super) dst_ports: Option<(u16, u16)>,
}

impl Rule {
    fn new(action: Action, ipv6: bool, place: u32) -> Self {
        Self {
            action,
            ipv6,
            place,
            marked: false,
            locally_sent: false,
            src: None,
            dst: None,
            protocol: 0,
            src_ports: None,
            dst_ports: None,
        }
    }

    /// The rules every family in use needs: our own outer packets pass.
    pub(super) fn frame(ipv6: bool) -> [Self; 2] {
        [
            Self::new(Action::Land, ipv6, LAND),
            Self {
                marked: true,
                ..Self::new(Action::Skip, ipv6, MARKED)
            },
        ]
    }

    /// The rules of one flow. `source` is a local address inside the local selector, if there is one.
    pub(super) fn of_flow((local, peer): &Flow, source: Option<IpAddr>) -> Vec<Self> {
        let mut rules = Vec::new();
        let protocol = match (local.protocol, peer.protocol) {
            (a, b) if a == b || b == 0 => a,
            (0, b) => b,
            // No packet has two protocols.
            _ => return rules,
        };
        for dst in peer.prefixes() {
            let ipv6 = dst.addr.is_ipv6();
            let base = Self {
                dst: nontrivial(dst),
                protocol,
                src_ports: ports(protocol, local),
                dst_ports: ports(protocol, peer),
                ..Self::new(Action::Lookup, ipv6, PROTECTED)
            };
            let sources = local.prefixes().filter(|p| p.addr.is_ipv6() == ipv6);
            for src in sources {
                rules.push(Self {
                    src: nontrivial(src),
                    ..base.clone()
                });
            }
            let any_source = rules.iter().any(|r| r.ipv6 == ipv6 && r.src.is_none());
            if source.is_none_or(|source| source.is_ipv6() != ipv6) || any_source {
                continue;
            }
            // A sender that has not chosen its source yet: led by the route to an address inside.
            let unbound = Self {
                place: UNBOUND,
                locally_sent: true,
                ..base
            };
            if ipv6 {
                // IPv6 rules cannot match "no source", but these two match exactly any other.
                for (addr, len) in [
                    (Ipv6Addr::UNSPECIFIED, 1),
                    (Ipv6Addr::from(1_u128 << 127), 1),
                ] {
                    rules.push(Self {
                        locally_sent: true,
                        src: Some(Prefix {
                            addr: addr.into(),
                            len,
                        }),
                        ..Self::new(Action::Skip, true, BOUND)
                    });
                }
                rules.push(unbound);
            } else {
                rules.push(Self {
                    src: Some(Prefix {
                        addr: Ipv4Addr::UNSPECIFIED.into(),
                        len: 32,
                    }),
                    ..unbound
                });
            }
        }
        rules
    }

    pub(super) fn to_message(&self, config: &RouterConfig) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header.family = family(self.ipv6);
        let attributes = &mut message.attributes;
        attributes.push(RuleAttribute::Priority(config.priority + self.place));
        attributes.push(RuleAttribute::Protocol(OWNER));
        message.header.action = match self.action {
            Action::Land => RuleAction::Nop,
            Action::Skip => {
                attributes.push(RuleAttribute::Goto(config.priority + LAND));
                RuleAction::Goto
            }
            Action::Lookup => {
                attributes.push(RuleAttribute::Table(config.table));
                RuleAction::ToTable
            }
        };
        if self.marked {
            attributes.push(RuleAttribute::FwMark(config.mark));
            attributes.push(RuleAttribute::FwMask(u32::MAX));
        }
        if self.locally_sent {
            attributes.push(RuleAttribute::Iifname("lo".into()));
        }
        if let Some(src) = self.src {
            message.header.src_len = src.len;
            attributes.push(RuleAttribute::Source(src.addr));
        }
        if let Some(dst) = self.dst {
            message.header.dst_len = dst.len;
            attributes.push(RuleAttribute::Destination(dst.addr));
        }
        if self.protocol != 0 {
            attributes.push(RuleAttribute::IpProtocol(IpProtocol::from(self.protocol)));
        }
        let range = |(start, end)| RulePortRange { start, end };
        if let Some(ports) = self.src_ports {
            attributes.push(RuleAttribute::SourcePortRange(range(ports)));
        }
        if let Some(ports) = self.dst_ports {
            attributes.push(RuleAttribute::DestinationPortRange(range(ports)));
        }
        message
    }

    /// The rule a message shows, if it is one of ours; `Err` if it is one this version does not make.
    pub(super) fn from_message(
        message: &RuleMessage,
        config: &RouterConfig,
    ) -> Option<Result<Self, ()>> {
        let mut rule = Self::new(
            Action::Land,
            message.header.family == AddressFamily::Inet6,
            u32::MAX,
        );
        let mut owned = false;
        let prefix = |addr: &IpAddr, len| Some(Prefix { addr: *addr, len });
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Priority(at) => {
                    rule.place = at.checked_sub(config.priority).filter(|p| *p <= LAND)?;
                }
                RuleAttribute::Protocol(by) => owned = *by == OWNER,
                RuleAttribute::FwMark(mark) => rule.marked = *mark != 0,
                RuleAttribute::Iifname(_) => rule.locally_sent = true,
                RuleAttribute::Source(addr) => rule.src = prefix(addr, message.header.src_len),
                RuleAttribute::Destination(addr) => rule.dst = prefix(addr, message.header.dst_len),
                RuleAttribute::IpProtocol(number) => rule.protocol = u8::from(*number),
                RuleAttribute::SourcePortRange(r) => rule.src_ports = Some((r.start, r.end)),
                RuleAttribute::DestinationPortRange(r) => rule.dst_ports = Some((r.start, r.end)),
                _ => {}
            }
        }
        if !owned || rule.place > LAND {
            return None;
        }
        rule.action = match message.header.action {
            RuleAction::Nop => Action::Land,
            RuleAction::Goto => Action::Skip,
            RuleAction::ToTable => Action::Lookup,
            _ => return Some(Err(())),
        };
        // Written again it must be the same: another mark or table is another configuration's.
        let mark = message.attributes.iter().find_map(|a| match a {
            RuleAttribute::FwMark(mark) => Some(*mark),
            _ => None,
        });
        let table = message.attributes.iter().find_map(|a| match a {
            RuleAttribute::Table(table) => Some(*table),
            _ => None,
        });
        let same = (!rule.marked || mark == Some(config.mark))
            && (rule.action != Action::Lookup || table == Some(config.table));
        Some(same.then_some(rule).ok_or(()))
    }
}

/// A route of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Route {
    pub(super) dst: Prefix,
    pub(super) kind: Kind,
}

/// Where a route leads. The order is that of adding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Nowhere, if there is no better one.
    Unreachable,
    /// Into TUN, with this source for those who have none.
    Tun(Option<IpAddr>),
}

impl Route {
    pub(super) fn default(ipv6: bool, kind: Kind) -> Self {
        let addr = if ipv6 {
            Ipv6Addr::UNSPECIFIED.into()
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        };
        Self {
            dst: Prefix { addr, len: 0 },
            kind,
        }
    }

    pub(super) fn to_message(&self, config: &RouterConfig, tun: u32) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header = RouteHeader {
            address_family: family(self.dst.addr.is_ipv6()),
            destination_prefix_length: self.dst.len,
            protocol: OWNER,
            scope: RouteScope::Universe,
            kind: RouteType::Unicast,
            ..RouteHeader::default()
        };
        let attributes = &mut message.attributes;
        attributes.push(RouteAttribute::Table(config.table));
        if self.dst.len > 0 {
            attributes.push(RouteAttribute::Destination(self.dst.addr.into()));
        }
        let metric = match self.kind {
            Kind::Unreachable => {
                message.header.kind = RouteType::Unreachable;
                METRIC_UNREACHABLE
            }
            Kind::Tun(source) => {
                if !self.dst.addr.is_ipv6() {
                    message.header.scope = RouteScope::Link;
                }
                attributes.push(RouteAttribute::Oif(tun));
                if let Some(source) = source {
                    attributes.push(RouteAttribute::PrefSource(source.into()));
                    METRIC_SOURCE
                } else {
                    METRIC_TUN
                }
            }
        };
        attributes.push(RouteAttribute::Priority(metric));
        message
    }

    /// The route a message shows, with its device, if it is one of ours.
    pub(super) fn from_message(
        message: &RouteMessage,
        config: &RouterConfig,
    ) -> Option<(Self, u32)> {
        let ipv6 = message.header.address_family == AddressFamily::Inet6;
        let mut route = Self::default(ipv6, Kind::Unreachable);
        route.dst.len = message.header.destination_prefix_length;
        let (mut table, mut device, mut source) = (0, 0, None);
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Table(number) => table = *number,
                RouteAttribute::Destination(addr) => route.dst.addr = address(addr)?,
                RouteAttribute::PrefSource(addr) => source = Some(address(addr)?),
                RouteAttribute::Oif(index) => device = *index,
                _ => {}
            }
        }
        if table != config.table || message.header.protocol != OWNER {
            return None;
        }
        if message.header.kind == RouteType::Unicast {
            route.kind = Kind::Tun(source);
        }
        Some((route, device))
    }
}

fn address(addr: &RouteAddress) -> Option<IpAddr> {
    match addr {
        RouteAddress::Inet(addr) => Some((*addr).into()),
        RouteAddress::Inet6(addr) => Some((*addr).into()),
        _ => None,
    }
}

fn family(ipv6: bool) -> AddressFamily {
    if ipv6 {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    }
}

/// The prefix of everything is written as none.
fn nontrivial(prefix: Prefix) -> Option<Prefix> {
    (prefix.len > 0).then_some(prefix)
}

/// Port ranges a rule can select by; what it cannot (ICMP types, OPAQUE) the plane decides.
fn ports(protocol: u8, selector: &TrafficSelector) -> Option<(u16, u16)> {
    let ports: &PortRange = &selector.ports;
    let has_ports = matches!(protocol, TCP | UDP | DCCP | SCTP);
    // The kernel has no port 0 in a range; a range from 0 that is not everything begins with 1 there.
    let (start, end) = (ports.start().max(1), ports.end());
    (has_ports && !ports.is_any() && !ports.is_opaque() && start <= end).then_some((start, end))
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const DCCP: u8 = 33;
const SCTP: u8 = 132;

const MARKED: u32 = 0;
const PROTECTED: u32 = 1;
const BOUND: u32 = 2;
const UNBOUND: u32 = 3;
const LAND: u32 = 9;

const METRIC_SOURCE: u32 = 5;
const METRIC_TUN: u32 = 10;
const METRIC_UNREACHABLE: u32 = 0xffff;

#[cfg(test)]
mod tests {
    use super::*;
    use ike_ts::AddrRange;

    fn net(text: &str, len: u8) -> TrafficSelector {
        TrafficSelector::any_protocol(AddrRange::from_prefix(text.parse().unwrap(), len).unwrap())
    }

    #[test]
    fn rules_and_routes_survive_the_way_through_messages() {
        let config = RouterConfig::default();
        let https = TrafficSelector {
            protocol: 6,
            ports: PortRange::single(443),
            ..net("2001:db8:2::", 48)
        };
        let flows = [
            (net("10.1.0.0", 24), net("10.2.0.0", 24)),
            (net("2001:db8:1::", 48), https),
            (net("0.0.0.0", 0), net("0.0.0.0", 0)),
        ];
        let mut rules: Vec<_> = [false, true]
            .iter()
            .flat_map(|v6| Rule::frame(*v6))
            .collect();
        for flow in &flows {
            let source = flow.0.addrs.start();
            rules.extend(Rule::of_flow(flow, Some(source)));
        }
        // Two of the frame per family; protected and unbound; the same with two that skip; one.
        assert_eq!(rules.len(), 4 + 2 + 4 + 1);
        for rule in rules {
            let message = rule.to_message(&config);
            assert_eq!(
                Rule::from_message(&message, &config),
                Some(Ok(rule.clone()))
            );
            let other = RouterConfig {
                mark: 1,
                table: 1,
                ..config.clone()
            };
            let same = rule.action != Action::Lookup && !rule.marked;
            let seen = Rule::from_message(&message, &other);
            assert_eq!(seen, Some(if same { Ok(rule) } else { Err(()) }));
        }
        for kind in [
            Kind::Unreachable,
            Kind::Tun(None),
            Kind::Tun(Some("10.1.0.1".parse().unwrap())),
        ] {
            let route = Route::default(false, kind);
            let message = route.to_message(&config, 7);
            let device = if route.kind == Kind::Unreachable {
                0
            } else {
                7
            };
            assert_eq!(
                Route::from_message(&message, &config),
                Some((route, device))
            );
        }
    }

    #[test]
    fn a_range_that_is_no_prefix_becomes_several_rules() {
        let range =
            AddrRange::new("10.2.0.1".parse().unwrap(), "10.2.0.6".parse().unwrap()).unwrap();
        let flow = (net("10.1.0.0", 24), TrafficSelector::any_protocol(range));
        let rules = Rule::of_flow(&flow, None);
        assert_eq!(rules.len(), 4);
        assert!(
            rules
                .iter()
                .all(|r| r.action == Action::Lookup && !r.locally_sent)
        );
    }

    #[test]
    fn other_programs_rules_are_not_ours() {
        let config = RouterConfig::default();
        let rule = Rule::frame(false)[0].clone();
        let mut foreign = rule.to_message(&config);
        foreign
            .attributes
            .retain(|a| !matches!(a, RuleAttribute::Protocol(_)));
        assert_eq!(Rule::from_message(&foreign, &config), None);
        let far = RouterConfig {
            priority: 9000,
            ..config.clone()
        };
        assert_eq!(Rule::from_message(&rule.to_message(&config), &far), None);
    }
}
