//! Addresses: flows as pairs of selectors, and the two ends of the IKE SA.
use super::super::ast::{Family, Flow, Host, HostSpec, PolicyStatement};
use super::super::diagnostic::Diagnostic;
use super::super::source::Spanned;
use super::Lowering;
use ike_sa::Initiation;
use ike_ts::{AddrRange, PortRange, TrafficSelector};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Where the IKE SA runs; `None` is anywhere.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ends {
    pub(super) local: Option<AddrRange>,
    pub(super) peer: Option<AddrRange>,
}

/// What a host stands for, before the family of `any` is known.
enum Addrs {
    Any,
    These(Vec<AddrRange>),
}

impl Lowering<'_> {
    /// All pairs of a policy, protocols and lists multiplied out.
    pub(super) fn flows(
        &mut self,
        policy: &PolicyStatement,
    ) -> Vec<(TrafficSelector, TrafficSelector)> {
        let family = policy.family.map(|f| f.value);
        let ports_make_sense =
            !policy.protos.is_empty() && policy.protos.iter().all(|p| matches!(p.value, TCP | UDP));
        let protocols: Vec<u8> = match policy.protos.is_empty() {
            true => vec![0],
            false => policy.protos.iter().map(|p| p.value).collect(),
        };
        let mut out = Vec::new();
        for flow in &policy.flows {
            for port in [flow.from_port, flow.to_port].into_iter().flatten() {
                if !ports_make_sense && !policy.damaged {
                    let mut fault = Diagnostic::error(
                        port.span,
                        "`port` without `proto tcp` or `proto udp`",
                    )
                    .label("only these two have ports")
                    .help("add `proto tcp`, `proto udp` or `proto { tcp, udp }` to the policy");
                    if let Some(other) =
                        policy.protos.iter().find(|p| !matches!(p.value, TCP | UDP))
                    {
                        fault = fault
                            .related(other.span, "has no ports")
                            .help("write a policy of its own for this protocol, without ports");
                    }
                    self.report.push(fault);
                }
            }
            let pairs = self.pairs(flow, family);
            for protocol in &protocols {
                out.extend(pairs.iter().map(|(from, to)| {
                    let selector =
                        |addrs: &AddrRange, port: Option<Spanned<u16>>| TrafficSelector {
                            protocol: *protocol,
                            ports: port
                                .and_then(|p| PortRange::new(p.value, p.value))
                                .unwrap_or(PortRange::ANY),
                            addrs: *addrs,
                        };
                    (selector(from, flow.from_port), selector(to, flow.to_port))
                }));
            }
        }
        let mut seen: Vec<(TrafficSelector, TrafficSelector)> = Vec::new();
        out.retain(|pair| {
            let new = !seen.contains(pair);
            seen.extend(new.then_some(*pair));
            new
        });
        out
    }

    /// The address pairs of one flow.
    fn pairs(&mut self, flow: &Flow, family: Option<Family>) -> Vec<(AddrRange, AddrRange)> {
        let from: Vec<_> = flow
            .from
            .iter()
            .filter_map(|h| self.flow_host(h, family))
            .collect();
        let to: Vec<_> = flow
            .to
            .iter()
            .filter_map(|h| self.flow_host(h, family))
            .collect();
        if from.len() != flow.from.len() || to.len() != flow.to.len() {
            return Vec::new();
        }
        let mut out = Vec::new();
        for (from_host, from) in flow.from.iter().zip(&from) {
            for (to_host, to) in flow.to.iter().zip(&to) {
                let before = out.len();
                for a in candidates(from, to, family) {
                    let opposite = candidates(to, from, family);
                    out.extend(
                        opposite
                            .into_iter()
                            .filter(|b| b.is_ipv4() == a.is_ipv4())
                            .map(|b| (a, b)),
                    );
                }
                if out.len() == before {
                    self.mixed(from_host, from, to_host);
                }
            }
        }
        out
    }

    fn mixed(&mut self, from: &Host, from_addrs: &Addrs, to: &Host) {
        let family = |addrs: &Addrs| match addrs {
            Addrs::These(list) if list.first().is_some_and(|r| !r.is_ipv4()) => Family::V6,
            _ => Family::V4,
        };
        let one = family(from_addrs);
        let other = if one == Family::V4 {
            Family::V6
        } else {
            Family::V4
        };
        self.report.push(
            Diagnostic::error(to.spec.span, "a flow from one address family to the other")
                .label(format!("this is {}", other.name()))
                .related(from.spec.span, format!("this is {}", one.name()))
                .help("write one `from … to …` for IPv4 and another for IPv6"),
        );
    }

    fn flow_host(&mut self, host: &Host, family: Option<Family>) -> Option<Addrs> {
        if let Some(nat) = &host.srcnat {
            self.not_yet(
                nat.span,
                "address translation before the tunnel (`srcnat`)",
                None,
            );
            return None;
        }
        match &host.spec.value {
            HostSpec::Any => Some(Addrs::Any),
            _ => self.ranges(&host.spec, family).map(Addrs::These),
        }
    }

    /// The addresses of a host that is not `any`.
    fn ranges(
        &mut self,
        host: &Spanned<HostSpec>,
        family: Option<Family>,
    ) -> Option<Vec<AddrRange>> {
        let ranges = match &host.value {
            HostSpec::Any => return None,
            HostSpec::Dynamic => {
                self.not_yet(
                    host.span,
                    "addresses assigned by the peer (`dynamic`)",
                    None,
                );
                return None;
            }
            HostSpec::Addr(addr) => vec![AddrRange::host(*addr)],
            HostSpec::Net(addr, len) => {
                let range = AddrRange::from_prefix(*addr, *len)?;
                if range.start() != *addr {
                    let (start, len) = (range.start(), *len);
                    self.report.push(
                        Diagnostic::warning(
                            host.span,
                            format!("`{addr}/{len}` is taken as {start}/{len}"),
                        )
                        .label("bits are set after the prefix")
                        .help(format!(
                            "write `{start}/{len}`, or `{addr}` for the one address"
                        )),
                    );
                }
                vec![range]
            }
            HostSpec::Name(name) => {
                let addrs = match self.loader.resolve(name) {
                    Ok(addrs) => addrs,
                    Err(error) => {
                        self.report.push(
                            Diagnostic::error(
                                host.span,
                                format!("`{name}` has no address: {}", error.message),
                            )
                            .label("looked up as a host name")
                            .maybe_help(error.help)
                            .maybe_help(Some("check the name, or write the address".into())),
                        );
                        return None;
                    }
                };
                let wanted: Vec<_> = addrs
                    .iter()
                    .filter(|a| family.is_none_or(|f| f == Family::of(**a)))
                    .map(|a| AddrRange::host(*a))
                    .collect();
                if let Some(family) = family.filter(|_| wanted.is_empty()) {
                    self.report.push(
                        Diagnostic::error(
                            host.span,
                            format!("`{name}` has no {} address", family.name()),
                        )
                        .label("looked up as a host name")
                        .help("remove `inet` or `inet6`, or write the address"),
                    );
                    return None;
                }
                wanted
            }
        };
        if let Some(family) = family
            && let Some(other) = ranges.iter().find(|r| Family::of(r.start()) != family)
        {
            let found = Family::of(other.start()).name();
            self.report.push(
                Diagnostic::error(
                    host.span,
                    format!("an {found} address in a policy for {}", family.name()),
                )
                .label(format!("this is {found}"))
                .help(match family {
                    Family::V4 => "write an IPv4 address, or remove `inet`",
                    Family::V6 => "write an IPv6 address, or remove `inet6`",
                }),
            );
            return None;
        }
        Some(ranges)
    }

    /// `local` and `peer`, given or derived.
    pub(super) fn ends(
        &mut self,
        policy: &PolicyStatement,
        flows: &[(TrafficSelector, TrafficSelector)],
    ) -> Ends {
        let mut wrong = false;
        let mut end = |this: &mut Self, host: &Option<Spanned<HostSpec>>| match host {
            None
            | Some(Spanned {
                value: HostSpec::Any,
                ..
            }) => Vec::new(),
            Some(host) => this.ranges(host, None).unwrap_or_else(|| {
                wrong = true;
                Vec::new()
            }),
        };
        let (local, peer) = (end(self, &policy.local), end(self, &policy.peer));
        if wrong {
            return Ends::default();
        }
        // Of several addresses of a name the first that fits the other end.
        let same = |a: &AddrRange, b: &AddrRange| a.is_ipv4() == b.is_ipv4();
        let mut ends = Ends {
            local: local
                .iter()
                .find(|l| peer.is_empty() || peer.iter().any(|p| same(l, p)))
                .copied(),
            peer: None,
        };
        ends.peer = peer
            .iter()
            .find(|p| ends.local.is_none_or(|l| same(&l, p)))
            .copied();
        if let (Some(l), Some(p), true, true) = (
            &policy.local,
            &policy.peer,
            !local.is_empty() && !peer.is_empty(),
            ends.local.is_none(),
        ) {
            self.report.push(
                Diagnostic::error(
                    p.span,
                    "`local` and `peer` are of different address families",
                )
                .label(format!("this is {}", family_of(&peer).name()))
                .related(l.span, format!("this is {}", family_of(&local).name()))
                .help(
                    "IPv4 and IPv6 traffic both fit in a tunnel of either, but its ends must agree",
                ),
            );
            return ends;
        }
        derive(policy, flows, &mut ends);
        self.check_active(policy, &ends);
        ends
    }

    fn check_active(&mut self, policy: &PolicyStatement, ends: &Ends) {
        let active = policy.initiation.filter(|i| i.value == Initiation::Active);
        let Some(active) = active.filter(|_| !policy.damaged) else {
            return;
        };
        let fault = match ends.peer {
            Some(peer) if peer.is_host() => return,
            Some(_) => "`active` with a whole network as peer",
            None => "`active` without a peer's address",
        };
        let place = policy.peer.as_ref().map_or(active.span, |p| p.span);
        let mut diagnostic = Diagnostic::error(place, fault)
            .label("no single address to connect to")
            .help("write `peer ADDRESS`, or `passive` to wait for the peer");
        if place != active.span {
            diagnostic = diagnostic.related(active.span, "connects at once");
        }
        self.report.push(diagnostic);
    }
}

/// Host to host: the ends of the flow are the ends of the IKE SA.
fn derive(policy: &PolicyStatement, flows: &[(TrafficSelector, TrafficSelector)], ends: &mut Ends) {
    let Some((from, to)) = flows.first() else {
        return;
    };
    let one_pair = flows
        .iter()
        .all(|(f, t)| f.addrs == from.addrs && t.addrs == to.addrs);
    if !one_pair || !from.addrs.is_host() || !to.addrs.is_host() {
        return;
    }
    if policy.peer.is_none() {
        ends.peer =
            Some(to.addrs).filter(|p| ends.local.is_none_or(|l| l.is_ipv4() == p.is_ipv4()));
    }
    if policy.local.is_none() && ends.peer == Some(to.addrs) {
        ends.local = Some(from.addrs);
    }
}

fn family_of(ranges: &[AddrRange]) -> Family {
    ranges.first().map_or(Family::V4, |r| Family::of(r.start()))
}

/// The ranges of one end, given the other: `any` takes the other's family.
fn candidates(this: &Addrs, other: &Addrs, family: Option<Family>) -> Vec<AddrRange> {
    let any = |v4: bool| {
        if v4 {
            AddrRange::ANY_V4
        } else {
            AddrRange::ANY_V6
        }
    };
    match (this, other) {
        (Addrs::These(list), _) => list.clone(),
        (Addrs::Any, Addrs::Any) => vec![any(family != Some(Family::V6))],
        (Addrs::Any, Addrs::These(list)) => {
            let mut out: Vec<_> = list.iter().map(|r| any(r.is_ipv4())).collect();
            out.dedup();
            out
        }
    }
}
