//! One traffic selector (RFC 7296 §3.13.1).
use crate::{AddrRange, PortRange};

/// A set of packets: one protocol (or any), one port range, one address range.
///
/// Protocol 0 is any protocol. Ports 0-65535 are any port, OPAQUE included; 65535-0 is
/// OPAQUE and no other port. ICMP type and code are in the ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TrafficSelector {
    /// IP protocol number; 0 is any.
    pub protocol: u8,
    /// Ports, or ICMP type and code.
    pub ports: PortRange,
    /// Addresses.
    pub addrs: AddrRange,
}

impl TrafficSelector {
    /// Any protocol and port of these addresses.
    pub fn any_protocol(addrs: AddrRange) -> Self {
        Self {
            protocol: 0,
            ports: PortRange::ANY,
            addrs,
        }
    }

    /// The packets in both; `None` if there are none.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        let protocol = match (self.protocol, other.protocol) {
            (0, theirs) => theirs,
            (ours, 0) => ours,
            (ours, theirs) if ours == theirs => ours,
            _ => return None,
        };
        Some(Self {
            protocol,
            ports: self.ports.intersect(&other.ports)?,
            addrs: self.addrs.intersect(&other.addrs)?,
        })
    }

    /// Whether every packet of `other` is in `self`.
    pub fn contains(&self, other: &Self) -> bool {
        (self.protocol == 0 || self.protocol == other.protocol)
            && self.ports.contains(&other.ports)
            && self.addrs.contains(&other.addrs)
    }

    /// The smallest list of prefixes that covers the address range exactly.
    pub fn prefixes(&self) -> impl Iterator<Item = crate::Prefix> + use<> {
        crate::prefix::of_range(self.addrs)
    }
}
