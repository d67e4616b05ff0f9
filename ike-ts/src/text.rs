//! Text form of selectors: `10.1.0.0/24`, `10.0.0.1-10.0.0.9`, `10.1.0.0/24[tcp/443]`.
//!
//! ```text
//! selector = addresses [ "[" protocol [ "/" ports ] "]" ]
//! addresses = address | address "/" length | address "-" address
//! protocol = name | number | "any"
//! ports    = port | port "-" port | "any" | "opaque"
//! ```
//! For ICMP and ICMPv6 a port is `type` (with every code) or `type/code`. A prefix with
//! host bits set is taken as the network it is in.
use crate::{AddrRange, PortRange, TrafficSelector};
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

const NAMES: [(u8, &str); 11] = [
    (1, "icmp"),
    (2, "igmp"),
    (4, "ipencap"),
    (6, "tcp"),
    (17, "udp"),
    (41, "ipv6"),
    (47, "gre"),
    (50, "esp"),
    (58, "icmp6"),
    (115, "l2tp"),
    (132, "sctp"),
];

/// Why a text is no selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseSelectorError {
    /// No address, or an address that cannot be read.
    Address,
    /// A prefix length that the family does not have.
    PrefixLength,
    /// Start after end, or two address families.
    Range,
    /// A protocol that is no name known here and no number of 8 bits.
    Protocol,
    /// Ports, or an ICMP type and code, that cannot be read.
    Ports,
    /// No closing bracket.
    Bracket,
}

impl fmt::Display for ParseSelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "not an address",
            Self::PrefixLength => "no prefix length of this address family",
            Self::Range => "the start of the range is after its end",
            Self::Protocol => "unknown protocol",
            Self::Ports => "not a port or range of ports",
            Self::Bracket => "the closing bracket is missing",
        })
    }
}

impl core::error::Error for ParseSelectorError {}

impl fmt::Display for AddrRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_prefix() {
            Some(prefix) => prefix.fmt(f),
            None => write!(f, "{}-{}", self.start(), self.end()),
        }
    }
}

impl FromStr for AddrRange {
    type Err = ParseSelectorError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let addr = |text: &str| {
            text.parse::<IpAddr>()
                .map_err(|_| ParseSelectorError::Address)
        };
        if let Some((network, len)) = text.split_once('/') {
            let network = addr(network)?;
            let len = number(len).ok_or(ParseSelectorError::PrefixLength)?;
            Self::from_prefix(network, len).ok_or(ParseSelectorError::PrefixLength)
        } else if let Some((start, end)) = text.split_once('-') {
            Self::new(addr(start)?, addr(end)?).ok_or(ParseSelectorError::Range)
        } else {
            Ok(Self::host(addr(text)?))
        }
    }
}

impl fmt::Display for TrafficSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addrs.fmt(f)?;
        if self.protocol == 0 && self.ports.is_any() {
            return Ok(());
        }
        match NAMES.iter().find(|(number, _)| *number == self.protocol) {
            _ if self.protocol == 0 => f.write_str("[any")?,
            Some((_, name)) => write!(f, "[{name}")?,
            None => write!(f, "[{}", self.protocol)?,
        }
        if self.ports.is_opaque() {
            f.write_str("/opaque")?;
        } else if !self.ports.is_any() {
            f.write_str("/")?;
            if is_icmp(self.protocol) {
                icmp_ports(self.ports, f)?;
            } else if self.ports.start() == self.ports.end() {
                write!(f, "{}", self.ports.start())?;
            } else {
                write!(f, "{}-{}", self.ports.start(), self.ports.end())?;
            }
        }
        f.write_str("]")
    }
}

impl FromStr for TrafficSelector {
    type Err = ParseSelectorError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((addrs, rest)) = text.split_once('[') else {
            return Ok(Self::any_protocol(text.parse()?));
        };
        let inside = rest.strip_suffix(']').ok_or(ParseSelectorError::Bracket)?;
        let (protocol, ports) = match inside.split_once('/') {
            Some((protocol, ports)) => (protocol, Some(ports)),
            None => (inside, None),
        };
        let protocol = protocol_of(protocol).ok_or(ParseSelectorError::Protocol)?;
        let ports = match ports {
            None | Some("any") => Some(PortRange::ANY),
            Some("opaque") => Some(PortRange::OPAQUE),
            Some(ports) => ports_of(protocol, ports),
        };
        Ok(Self {
            protocol,
            ports: ports.ok_or(ParseSelectorError::Ports)?,
            addrs: addrs.parse()?,
        })
    }
}

fn is_icmp(protocol: u8) -> bool {
    protocol == 1 || protocol == 58
}

fn icmp_ports(ports: PortRange, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let ([first, from], [last, to]) = (ports.start().to_be_bytes(), ports.end().to_be_bytes());
    match (from, to) {
        (0, 255) if first == last => write!(f, "{first}"),
        (0, 255) => write!(f, "{first}-{last}"),
        _ if ports.start() == ports.end() => write!(f, "{first}/{from}"),
        _ => write!(f, "{first}/{from}-{last}/{to}"),
    }
}

fn protocol_of(text: &str) -> Option<u8> {
    match text {
        "any" => Some(0),
        "ipv6-icmp" | "icmpv6" => Some(58),
        _ => NAMES
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(number, _)| *number)
            .or_else(|| number(text)),
    }
}

fn ports_of(protocol: u8, text: &str) -> Option<PortRange> {
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let (start, end) = if is_icmp(protocol) {
        (icmp_bounds(start)?.0, icmp_bounds(end)?.1)
    } else {
        (number(start)?, number(end)?)
    };
    // 65535-0 has the name "opaque": a range that runs backwards is more likely a mistake.
    (start <= end).then(|| PortRange::new(start, end)).flatten()
}

/// The first and last value of `type` or `type/code`.
fn icmp_bounds(text: &str) -> Option<(u16, u16)> {
    let ports = match text.split_once('/') {
        Some((kind, code)) => PortRange::icmp(number(kind)?, number(code)?),
        None => PortRange::icmp_type(number(text)?),
    };
    Some((ports.start(), ports.end()))
}

/// Digits only: `FromStr` of the integers would take a sign.
fn number<T: FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn canonical_texts_survive() {
        for text in [
            "10.1.0.0/24",
            "10.0.0.1-10.0.0.9",
            "10.0.0.1/32",
            "0.0.0.0/0",
            "::/0",
            "2001:db8::/32[udp/500-4500]",
            "10.1.0.0/24[tcp/443]",
            "10.1.0.0/24[tcp]",
            "10.1.0.0/24[any/443]",
            "10.1.0.0/24[tcp/opaque]",
            "10.1.0.0/24[any/opaque]",
            "10.1.0.0/24[200]",
            "10.1.0.0/24[icmp/8]",
            "10.1.0.0/24[icmp/8/0]",
            "10.1.0.0/24[icmp/8-10]",
            "::/0[icmp6/3/1-3/4]",
            "::/0[icmp6/128]",
        ] {
            let parsed: TrafficSelector = text.parse().expect(text);
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn icmp_type_and_code_are_packed_into_the_ports() {
        let echo: TrafficSelector = "10.0.0.0/8[icmp/8/0]".parse().unwrap();
        assert_eq!((echo.ports.start(), echo.ports.end()), (0x0800, 0x0800));
        let unreachable: TrafficSelector = "10.0.0.0/8[icmp/3]".parse().unwrap();
        assert_eq!(
            (unreachable.ports.start(), unreachable.ports.end()),
            (0x0300, 0x03ff)
        );
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| text.parse::<TrafficSelector>().unwrap_err();
        assert_eq!(error(""), ParseSelectorError::Address);
        assert_eq!(error("10.0.0/8"), ParseSelectorError::Address);
        assert_eq!(error("10.0.0.0/33"), ParseSelectorError::PrefixLength);
        assert_eq!(error("10.0.0.0/+8"), ParseSelectorError::PrefixLength);
        assert_eq!(error("10.0.0.0/"), ParseSelectorError::PrefixLength);
        assert_eq!(error("10.0.0.9-10.0.0.1"), ParseSelectorError::Range);
        assert_eq!(error("10.0.0.9-::1"), ParseSelectorError::Range);
        assert_eq!(error("10.0.0.0/8[ftp]"), ParseSelectorError::Protocol);
        assert_eq!(error("10.0.0.0/8[256]"), ParseSelectorError::Protocol);
        assert_eq!(error("10.0.0.0/8[tcp/65536]"), ParseSelectorError::Ports);
        assert_eq!(error("10.0.0.0/8[tcp/9-8]"), ParseSelectorError::Ports);
        assert_eq!(error("10.0.0.0/8[tcp"), ParseSelectorError::Bracket);
    }
}
