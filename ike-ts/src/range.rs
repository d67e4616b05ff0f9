//! Address and port ranges (RFC 7296 §3.13.1). A range that exists is valid: start is
//! never after end, both ends are of one family. OPAQUE ports are the one exception.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An inclusive range of addresses of one family; start is never after end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(try_from = "(IpAddr, IpAddr)", into = "(IpAddr, IpAddr)")
)]
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

    /// The addresses that share the first `len` bits of `addr`, whose other bits may be
    /// anything; `None` if the family has no such length.
    pub fn from_prefix(addr: IpAddr, len: u8) -> Option<Self> {
        let host_bits = u32::from(width(addr).checked_sub(len)?);
        let host_mask = 1u128
            .checked_shl(host_bits)
            .map_or(u128::MAX, |one| one.wrapping_sub(1));
        let start = bits(addr) & !host_mask;
        Some(Self {
            start: from_bits(addr.is_ipv4(), start),
            end: from_bits(addr.is_ipv4(), start | host_mask),
        })
    }

    /// First address.
    pub fn start(&self) -> IpAddr {
        self.start
    }

    /// Last address.
    pub fn end(&self) -> IpAddr {
        self.end
    }

    /// Whether these are IPv4 addresses.
    pub fn is_ipv4(&self) -> bool {
        self.start.is_ipv4()
    }

    /// Whether this is every address of its family.
    pub fn is_any(&self) -> bool {
        *self == Self::ANY_V4 || *self == Self::ANY_V6
    }

    /// Whether this is a single address.
    pub fn is_host(&self) -> bool {
        self.start == self.end
    }

    /// Whether the address is in the range.
    pub fn contains_addr(&self, addr: IpAddr) -> bool {
        self.contains(&Self::host(addr))
    }

    /// Whether every address of `other` is in the range.
    pub fn contains(&self, other: &Self) -> bool {
        self.is_ipv4() == other.is_ipv4() && self.start <= other.start && other.end <= self.end
    }

    /// The addresses in both; `None` if there are none.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        if self.is_ipv4() != other.is_ipv4() {
            return None;
        }
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// The range as one prefix, if it is one.
    pub fn as_prefix(&self) -> Option<crate::Prefix> {
        let mut prefixes = crate::prefix::of_range(*self);
        let first = prefixes.next()?;
        prefixes.next().is_none().then_some(first)
    }

    /// The smallest list of prefixes that covers the range exactly, in ascending order.
    pub fn prefixes(&self) -> impl Iterator<Item = crate::Prefix> + use<> {
        crate::prefix::of_range(*self)
    }

    pub(crate) fn bits(&self) -> (u128, u128) {
        (bits(self.start), bits(self.end))
    }
}

impl From<AddrRange> for (IpAddr, IpAddr) {
    fn from(range: AddrRange) -> Self {
        (range.start, range.end)
    }
}

impl TryFrom<(IpAddr, IpAddr)> for AddrRange {
    type Error = InvalidRange;
    fn try_from((start, end): (IpAddr, IpAddr)) -> Result<Self, InvalidRange> {
        Self::new(start, end).ok_or(InvalidRange)
    }
}

/// Ports of a selector, or ICMP type and code packed as in RFC 7296 §3.13.1.
/// `start <= end`, or exactly [`PortRange::OPAQUE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "(u16, u16)", into = "(u16, u16)"))]
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

    /// One port.
    pub fn single(port: u16) -> Self {
        Self {
            start: port,
            end: port,
        }
    }

    /// One ICMP type with every code (RFC 7296 §3.13.1: type in the upper octet).
    pub fn icmp_type(kind: u8) -> Self {
        Self {
            start: u16::from_be_bytes([kind, 0]),
            end: u16::from_be_bytes([kind, 255]),
        }
    }

    /// One ICMP type and code.
    pub fn icmp(kind: u8, code: u8) -> Self {
        Self::single(u16::from_be_bytes([kind, code]))
    }

    /// First port.
    pub fn start(&self) -> u16 {
        self.start
    }

    /// Last port.
    pub fn end(&self) -> u16 {
        self.end
    }

    /// Whether this is any port, OPAQUE included.
    pub fn is_any(&self) -> bool {
        *self == Self::ANY
    }

    /// Whether this is OPAQUE.
    pub fn is_opaque(&self) -> bool {
        *self == Self::OPAQUE
    }

    /// Whether the port is in the range; OPAQUE has none.
    pub fn contains_port(&self, port: u16) -> bool {
        self.start <= port && port <= self.end
    }

    /// Whether everything of `other` is in `self`.
    pub fn contains(&self, other: &Self) -> bool {
        self.is_any()
            || *self == *other
            || (self.start <= other.start && other.end <= self.end && !other.is_opaque())
    }

    /// What is in both; `None` if that is nothing.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        if self.is_any() || *self == *other {
            return Some(*other);
        }
        if other.is_any() {
            return Some(*self);
        }
        if self.is_opaque() || other.is_opaque() {
            return None;
        }
        let (start, end) = (self.start.max(other.start), self.end.min(other.end));
        (start <= end).then_some(Self { start, end })
    }

    /// The range on a line where 65536 stands for OPAQUE.
    pub(crate) fn line(&self) -> (u32, u32) {
        match *self {
            Self::ANY => (0, 65536),
            Self::OPAQUE => (65536, 65536),
            Self { start, end } => (start.into(), end.into()),
        }
    }
}

impl From<PortRange> for (u16, u16) {
    fn from(range: PortRange) -> Self {
        (range.start, range.end)
    }
}

impl TryFrom<(u16, u16)> for PortRange {
    type Error = InvalidRange;
    fn try_from((start, end): (u16, u16)) -> Result<Self, InvalidRange> {
        Self::new(start, end).ok_or(InvalidRange)
    }
}

/// Start after end, or two address families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidRange;

impl core::fmt::Display for InvalidRange {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the start of the range is after its end")
    }
}

impl core::error::Error for InvalidRange {}

/// Bits of an address of this family.
pub(crate) fn width(addr: IpAddr) -> u8 {
    if addr.is_ipv4() { 32 } else { 128 }
}

pub(crate) fn bits(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address of these bits; for IPv4 only the low 32 count.
pub(crate) fn from_bits(v4: bool, bits: u128) -> IpAddr {
    if v4 {
        let [.., a, b, c, d] = bits.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_its_host_bits_cleared_and_set() {
        let range = AddrRange::from_prefix("10.1.2.3".parse().unwrap(), 24).unwrap();
        assert_eq!(range.start(), "10.1.2.0".parse::<IpAddr>().unwrap());
        assert_eq!(range.end(), "10.1.2.255".parse::<IpAddr>().unwrap());
        assert_eq!(
            AddrRange::from_prefix("1.2.3.4".parse().unwrap(), 0),
            Some(AddrRange::ANY_V4)
        );
        assert_eq!(
            AddrRange::from_prefix("::1".parse().unwrap(), 0),
            Some(AddrRange::ANY_V6)
        );
        assert_eq!(AddrRange::from_prefix("1.2.3.4".parse().unwrap(), 33), None);
        assert_eq!(AddrRange::from_prefix("::".parse().unwrap(), 129), None);
    }

    #[test]
    fn any_port_holds_opaque_and_other_ranges_do_not() {
        let ports = |a, b| PortRange::new(a, b).unwrap();
        assert!(PortRange::ANY.contains(&PortRange::OPAQUE));
        assert!(!PortRange::OPAQUE.contains(&PortRange::ANY));
        assert!(!ports(0, 65534).contains(&PortRange::OPAQUE));
        assert!(!ports(1, 65535).contains(&PortRange::OPAQUE));
        assert!(!ports(65535, 65535).contains(&PortRange::OPAQUE));
        assert!(!PortRange::OPAQUE.contains(&ports(65535, 65535)));
        assert!(!PortRange::OPAQUE.contains(&ports(0, 0)));
        assert_eq!(PortRange::OPAQUE.intersect(&ports(0, 65534)), None);
        assert_eq!(
            PortRange::OPAQUE.intersect(&PortRange::ANY),
            Some(PortRange::OPAQUE)
        );
        assert_eq!(PortRange::new(2, 1), None);
        assert_eq!(PortRange::new(65535, 0), Some(PortRange::OPAQUE));
    }
}
