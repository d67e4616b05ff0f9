//! Address and port ranges (RFC 7296 §3.13.1).
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An inclusive range of addresses of one family; start is never after end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AddrRange {
    start: IpAddr,
    end: IpAddr,
}

impl AddrRange {
    /// Every IPv4 address.
    pub const ANY_V4: Self = Self {
        start: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        end: IpAddr::V4(Ipv4Addr::BROADCAST),
    };
    /// Every IPv6 address.
    pub const ANY_V6: Self = Self {
        start: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        end: IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
    };

    /// A range; `None` if the families differ or `start > end`.
    pub fn new(start: IpAddr, end: IpAddr) -> Option<Self> {
        (start.is_ipv4() == end.is_ipv4() && start <= end).then_some(Self { start, end })
    }
    /// One address.
    pub fn host(addr: IpAddr) -> Self {
        Self {
            start: addr,
            end: addr,
        }
    }
    /// First address.
    pub fn start(&self) -> IpAddr {
        self.start
    }
    /// Last address.
    pub fn end(&self) -> IpAddr {
        self.end
    }
}

/// Ports of a selector, or ICMP type and code packed as in RFC 7296 §3.13.1.
/// `start <= end`, or exactly [`PortRange::OPAQUE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PortRange {
    start: u16,
    end: u16,
}

impl PortRange {
    /// Any port, OPAQUE included.
    pub const ANY: Self = Self {
        start: 0,
        end: 65535,
    };
    /// Ports cannot be seen (RFC 4301 §4.4.1.1), written 65535-0 on the wire.
    pub const OPAQUE: Self = Self {
        start: 65535,
        end: 0,
    };

    /// A range; `None` if `start > end` and it is not OPAQUE.
    pub fn new(start: u16, end: u16) -> Option<Self> {
        (start <= end || (start == 65535 && end == 0)).then_some(Self { start, end })
    }
    /// First port.
    pub fn start(&self) -> u16 {
        self.start
    }
    /// Last port.
    pub fn end(&self) -> u16 {
        self.end
    }
}
