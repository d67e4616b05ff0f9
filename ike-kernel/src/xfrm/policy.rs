//! Flows as kernel policies: selectors the kernel can express, directions, and precedence. Narrow flows
//! come before wide ones, and of equal ones the child's before the block's.
use std::net::IpAddr;

use ike_ts::{PortRange, Prefix};

use crate::{Flow, Packet};

/// Numbered as in `linux/xfrm.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    In = 0,
    Out = 1,
    Forward = 2,
}

/// struct xfrm_selector, as far as we use it. Ports are value and mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Selector {
    pub(super) src: Prefix,
    pub(super) dst: Prefix,
    pub(super) src_port: (u16, u16),
    pub(super) dst_port: (u16, u16),
    pub(super) protocol: u8,
}

/// What a policy demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) priority: u32,
    pub(super) action: Action,
}

/// Dropped, or protected by the SA of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Block,
    Protect(Template),
}

/// struct xfrm_user_tmpl, as far as we use it. SPI 0 is any of this reqid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) spi: u32,
    pub(super) protocol: u8,
    pub(super) reqid: u32,
    pub(super) mode: u8,
}

impl Selector {
    /// The outbound selectors of a flow.
    pub(super) fn of_flow((local, peer): &Flow) -> Vec<Self> {
        let mut selectors = Vec::new();
        let protocol = match (local.protocol, peer.protocol) {
            (a, b) if a == b || b == 0 => a,
            (0, b) => b,
            // No packet has two protocols.
            _ => return selectors,
        };
        let ports = ports(protocol, &local.ports, &peer.ports);
        for src in local.prefixes() {
            for dst in peer.prefixes() {
                if src.addr.is_ipv6() == dst.addr.is_ipv6() {
                    selectors.extend(ports.iter().map(|&(src_port, dst_port)| Self {
                        src,
                        dst,
                        src_port,
                        dst_port,
                        protocol,
                    }));
                }
            }
        }
        selectors
    }

    /// The same packets on the way back.
    pub(super) fn reversed(&self) -> Self {
        // In the kernel an ICMP type stands in the source port, both ways.
        let icmp = is_icmp(self.protocol);
        let (src_port, dst_port) = if icmp {
            (self.src_port, self.dst_port)
        } else {
            (self.dst_port, self.src_port)
        };
        Self {
            src: self.dst,
            dst: self.src,
            src_port,
            dst_port,
            protocol: self.protocol,
        }
    }

    /// Precedence: a smaller number is looked at first.
    pub(super) fn priority(&self, block: bool) -> u32 {
        let bits = |prefix: &Prefix| {
            let len = u32::from(prefix.len);
            if prefix.addr.is_ipv6() {
                128 - len
            } else {
                (32 - len) * 4
            }
        };
        let open_ports = u32::from(self.src_port.1 == 0) + u32::from(self.dst_port.1 == 0);
        let open = open_ports + u32::from(self.protocol == 0);
        PRIORITIES + ((bits(&self.src) + bits(&self.dst)) * 4 + open) * 2 + u32::from(block)
    }

    /// The packet an acquire is about: selectors there are made of one.
    pub(super) fn packet(&self) -> Packet {
        let icmp = is_icmp(self.protocol);
        let packed = self.src_port.0 << 8 | self.dst_port.0 & 0xff;
        Packet {
            src: self.src.addr,
            dst: self.dst.addr,
            protocol: self.protocol,
            src_port: if icmp { packed } else { self.src_port.0 },
            dst_port: if icmp { packed } else { self.dst_port.0 },
        }
    }
}

/// Whether a priority is one of ours: this is how an earlier run's policies are found.
pub(super) fn is_ours(priority: u32) -> bool {
    priority & !0xffff == PRIORITIES
}

type Masked = (u16, u16);

/// Pairs of source and destination ports as value and mask.
fn ports(protocol: u8, local: &PortRange, peer: &PortRange) -> Vec<(Masked, Masked)> {
    if is_icmp(protocol) {
        let range = if local.is_any() { peer } else { local };
        let (kind, code) = (range.start() >> 8, range.start() & 0xff);
        return vec![if range.start() == range.end() {
            ((kind, u16::MAX), (code, u16::MAX))
        } else if range.start() == kind << 8 && range.end() == kind << 8 | 0xff {
            ((kind, u16::MAX), ANY)
        } else {
            // Other ranges cannot be expressed: any ICMP.
            (ANY, ANY)
        }];
    }
    if !has_ports(protocol) {
        return vec![(ANY, ANY)];
    }
    let (sources, destinations) = (masks(local), masks(peer));
    sources
        .iter()
        .flat_map(|&src| destinations.iter().map(move |&dst| (src, dst)))
        .collect()
}

/// A range as the fewest blocks of value and mask.
fn masks(range: &PortRange) -> Vec<Masked> {
    if range.is_any() || range.is_opaque() {
        return vec![ANY];
    }
    let (mut start, end) = (u32::from(range.start()), u32::from(range.end()));
    let mut blocks = Vec::new();
    while start <= end {
        let aligned = if start == 0 {
            16
        } else {
            start.trailing_zeros()
        };
        let fitting = (end - start + 1).ilog2();
        let size = 1_u32 << aligned.min(fitting);
        blocks.push((start as u16, !(size - 1) as u16));
        start += size;
    }
    blocks
}

fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 33 | 132 | 136)
}

fn is_icmp(protocol: u8) -> bool {
    matches!(protocol, 1 | 58)
}

const ANY: Masked = (0, 0);
const PRIORITIES: u32 = 0x0069_0000;

#[cfg(test)]
mod tests {
    use super::*;
    use ike_ts::{AddrRange, TrafficSelector};
    use proptest::prelude::*;

    pub(crate) fn net(text: &str, len: u8) -> TrafficSelector {
        TrafficSelector::any_protocol(AddrRange::from_prefix(text.parse().unwrap(), len).unwrap())
    }

    proptest! {
        #[test]
        fn masks_cover_exactly_the_range(a: u16, b: u16, port: u16) {
            let (start, end) = (a.min(b), a.max(b));
            let range = PortRange::new(start, end).unwrap();
            let blocks = masks(&range);
            prop_assert!(blocks.len() <= 30);
            let covered = blocks.iter().filter(|(value, mask)| port & mask == *value).count();
            prop_assert_eq!(covered, usize::from(range.contains_port(port)));
        }
    }

    #[test]
    fn a_narrow_block_comes_before_a_wide_child_and_behind_its_own() {
        let flow = |len| Selector::of_flow(&(net("10.1.0.0", len), net("10.2.0.0", len)))[0];
        let (narrow, wide) = (flow(24), flow(16));
        assert!(narrow.priority(false) < narrow.priority(true));
        assert!(narrow.priority(true) < wide.priority(false));
        for selector in [narrow, wide] {
            assert!(is_ours(selector.priority(true)));
        }
        assert!(!is_ours(0) && !is_ours(u32::MAX));
    }

    #[test]
    fn ports_and_icmp_types_become_what_the_kernel_compares() {
        let with = |protocol, ports| TrafficSelector {
            protocol,
            ports,
            ..net("10.2.0.0", 16)
        };
        let one = |peer| Selector::of_flow(&(net("10.1.0.0", 16), peer));
        let [https] = one(with(6, PortRange::single(443)))[..] else {
            panic!();
        };
        assert_eq!((https.src_port, https.dst_port), ((0, 0), (443, 0xffff)));
        assert_eq!(https.reversed().src_port, (443, 0xffff));
        let [echo] = one(with(1, PortRange::icmp_type(8)))[..] else {
            panic!();
        };
        assert_eq!((echo.src_port, echo.dst_port), ((8, 0xffff), (0, 0)));
        assert_eq!(echo.reversed().src_port, (8, 0xffff));
        assert_eq!(one(with(6, PortRange::new(1024, 65535).unwrap())).len(), 6);
        assert_eq!(one(net("2001:db8::", 32)), []);
    }
}
