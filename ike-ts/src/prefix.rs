//! Ranges as prefixes.
use crate::AddrRange;
use crate::range::{bits, from_bits, width};
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

impl core::fmt::Display for Prefix {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.addr, self.len)
    }
}

pub(crate) fn of_range(range: AddrRange) -> impl Iterator<Item = Prefix> + use<> {
    let width = width(range.start());
    let last = bits(range.end());
    let mut next = Some(bits(range.start()));
    core::iter::from_fn(move || {
        let start = next?;
        // The largest block that is aligned at `start` and does not go past `last`.
        let aligned = start.trailing_zeros().min(width.into());
        let fits = match (last.wrapping_sub(start)).checked_add(1) {
            Some(count) => count.ilog2(),
            None => 128,
        };
        let host_bits = aligned.min(fits);
        let size_less_one = 1u128
            .checked_shl(host_bits)
            .map_or(u128::MAX, |n| n.wrapping_sub(1));
        let end = start | size_less_one;
        next = if end >= last {
            None
        } else {
            end.checked_add(1)
        };
        Some(Prefix {
            addr: from_bits(width == 32, start),
            len: width.saturating_sub(u8::try_from(host_bits).unwrap_or(128)),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    fn texts(start: &str, end: &str) -> Vec<String> {
        AddrRange::new(start.parse().unwrap(), end.parse().unwrap())
            .unwrap()
            .prefixes()
            .map(|p| p.to_string())
            .collect()
    }

    #[test]
    fn whole_families_are_one_prefix() {
        assert_eq!(texts("0.0.0.0", "255.255.255.255"), ["0.0.0.0/0"]);
        assert_eq!(
            texts("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ["::/0"]
        );
    }

    #[test]
    fn an_odd_range_is_the_minimal_list() {
        assert_eq!(
            texts("10.0.0.1", "10.0.0.9"),
            ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/30", "10.0.0.8/31"]
        );
        assert_eq!(
            texts("255.255.255.255", "255.255.255.255"),
            ["255.255.255.255/32"]
        );
        assert_eq!(
            texts("2001:db8::", "2001:db8::2"),
            ["2001:db8::/127", "2001:db8::2/128"]
        );
    }

    #[test]
    fn the_longest_list_ends() {
        let list = texts("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
        assert_eq!(list.len(), 254);
    }
}
