//! Ranges as prefixes.
use crate::AddrRange;
use core::net::IpAddr;

/// A CIDR prefix; host bits are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Prefix {
    /// Network address.
    pub addr: IpAddr,
    /// Prefix length in bits.
    pub len: u8,
}

pub(crate) fn of_range(_range: AddrRange) -> impl Iterator<Item = Prefix> + use<> {
    core::iter::once_with(|| todo!())
}
