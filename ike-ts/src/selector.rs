//! One traffic selector (RFC 7296 §3.13.1).
use crate::{AddrRange, PortRange};

/// A set of packets: one protocol (or any), one port range, one address range.
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
    pub fn intersect(&self, _other: &Self) -> Option<Self> {
        todo!()
    }
    /// Whether every packet of `other` is in `self`.
    pub fn contains(&self, _other: &Self) -> bool {
        todo!()
    }
    /// The smallest list of prefixes that covers the address range exactly.
    pub fn prefixes(&self) -> impl Iterator<Item = crate::Prefix> + use<> {
        crate::prefix::of_range(self.addrs)
    }
}
