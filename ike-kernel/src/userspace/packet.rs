//! What the plane needs to know of an inner packet: addresses, protocol, ports, traffic class (RFC 791,
//! RFC 8200), and whether it is inside a traffic selector (RFC 4301 §4.4.1.1, RFC 7296 §3.13.1).
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ike_ts::TrafficSelector;

use crate::Flow;

/// What selectors and forwarding look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Summary {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) protocol: u8,
    /// Source and destination port, or twice ICMP type and code; `None` where they cannot be seen.
    pub(super) ports: Option<(u16, u16)>,
}

/// A packet's summary and what only this packet has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) summary: Summary,
    /// Whole length by its own header.
    pub(super) len: usize,
    pub(super) tos: u8,
    /// Whether routers must not fragment it.
    pub(super) dont_fragment: bool,
    /// Whether it is a fragment other than the first.
    pub(super) later_fragment: bool,
}

/// Reads the headers of an IPv4 or IPv6 packet; `None` if it is not a whole one.
pub(super) fn parse(packet: &[u8]) -> Option<Parsed> {
    parse_headers(packet).filter(|parsed| parsed.len <= packet.len())
}

/// The same where the end of the packet may lie elsewhere.
pub(super) fn parse_headers(packet: &[u8]) -> Option<Parsed> {
    match packet.first()? >> 4 {
        4 => parse_v4(packet),
        6 => parse_v6(packet),
        _ => None,
    }
}

fn parse_v4(packet: &[u8]) -> Option<Parsed> {
    let header: &[u8; 20] = packet.first_chunk()?;
    let header_len = usize::from(header[0] & 15) * 4;
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header_len < 20 || len < header_len {
        return None;
    }
    let fragment = u16::from_be_bytes([header[6], header[7]]);
    let later_fragment = fragment & 0x1fff != 0;
    let protocol = header[9];
    let ports = if later_fragment {
        None
    } else {
        ports_of(protocol, packet.get(header_len..len.min(packet.len()))?)
    };
    Some(Parsed {
        summary: Summary {
            src: Ipv4Addr::new(header[12], header[13], header[14], header[15]).into(),
            dst: Ipv4Addr::new(header[16], header[17], header[18], header[19]).into(),
            protocol,
            ports,
        },
        len,
        tos: header[1],
        dont_fragment: fragment & 0x4000 != 0,
        later_fragment,
    })
}

fn parse_v6(packet: &[u8]) -> Option<Parsed> {
    let header: &[u8; 40] = packet.first_chunk()?;
    let len = 40 + usize::from(u16::from_be_bytes([header[4], header[5]]));
    let address = |at: usize| -> Option<IpAddr> {
        let octets: [u8; 16] = header.get(at..at + 16)?.try_into().ok()?;
        Some(Ipv6Addr::from(octets).into())
    };
    let (protocol, ports, later_fragment) =
        upper_layer(header[6], packet.get(40..len.min(packet.len()))?);
    Some(Parsed {
        summary: Summary {
            src: address(8)?,
            dst: address(24)?,
            protocol,
            ports,
        },
        len,
        tos: header[0] << 4 | header[1] >> 4,
        dont_fragment: true,
        later_fragment,
    })
}

/// Walks over extension headers.
fn upper_layer(first: u8, mut rest: &[u8]) -> (u8, Option<(u16, u16)>, bool) {
    let mut protocol = first;
    loop {
        let header_len = match protocol {
            // Hop-by-hop options, routing, destination options.
            0 | 43 | 60 => rest.get(1).map(|&len| 8 + usize::from(len) * 8),
            44 => {
                let Some(fragment) = rest.first_chunk::<8>() else {
                    return (protocol, None, false);
                };
                if u16::from_be_bytes([fragment[2], fragment[3]]) >> 3 != 0 {
                    return (fragment[0], None, true);
                }
                Some(8)
            }
            _ => return (protocol, ports_of(protocol, rest), false),
        };
        let Some(next) = header_len.and_then(|len| rest.get(len..)) else {
            return (protocol, None, false);
        };
        protocol = rest.first().copied().unwrap_or(59);
        rest = next;
    }
}

fn ports_of(protocol: u8, payload: &[u8]) -> Option<(u16, u16)> {
    match protocol {
        TCP | UDP | SCTP | UDPLITE | DCCP => {
            let [a, b, c, d] = *payload.first_chunk::<4>()?;
            Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
        }
        ICMP | ICMPV6 => {
            let [kind, code] = *payload.first_chunk::<2>()?;
            let packed = u16::from_be_bytes([kind, code]);
            Some((packed, packed))
        }
        _ => None,
    }
}

/// Whether one end of a packet is inside a selector.
fn matches_end(selector: &TrafficSelector, addr: IpAddr, protocol: u8, port: Option<u16>) -> bool {
    (selector.protocol == 0 || selector.protocol == protocol)
        && selector.addrs.contains_addr(addr)
        && match port {
            Some(port) => selector.ports.is_any() || selector.ports.contains_port(port),
            //= rfc4301#4.4.1.1: OPAQUE (or ANY) is what matches where a port cannot be seen
            None => selector.ports.is_any() || selector.ports.is_opaque(),
        }
}

/// Whether we may send this packet in a flow.
pub(super) fn matches_outbound((local, peer): &Flow, packet: &Summary) -> bool {
    matches_end(
        local,
        packet.src,
        packet.protocol,
        packet.ports.map(|p| p.0),
    ) && matches_end(peer, packet.dst, packet.protocol, packet.ports.map(|p| p.1))
}

/// Whether the peer may send this packet in a flow.
pub(super) fn matches_inbound((local, peer): &Flow, packet: &Summary) -> bool {
    matches_end(peer, packet.src, packet.protocol, packet.ports.map(|p| p.0))
        && matches_end(
            local,
            packet.dst,
            packet.protocol,
            packet.ports.map(|p| p.1),
        )
}

/// Changes the two ECN bits of an inner header, and the IPv4 checksum with them (RFC 1624).
pub(super) fn set_ecn(packet: &mut [u8], ecn: u8) {
    match packet {
        [first, ..] if *first >> 4 == 6 => {
            if let Some(octet) = packet.get_mut(1) {
                *octet = *octet & 0b1100_1111 | (ecn & 3) << 4;
            }
        }
        [first, tos, rest @ ..] if *first >> 4 == 4 => {
            let new = *tos & !3 | ecn & 3;
            if let Some(sum) = rest.get_mut(8..10) {
                let before = u16::from_be_bytes([sum[0], sum[1]]);
                let total = u32::from(!before)
                    + u32::from(!u16::from_be_bytes([*first, *tos]))
                    + u32::from(u16::from_be_bytes([*first, new]));
                sum.copy_from_slice(&(!fold(total)).to_be_bytes());
            }
            *tos = new;
        }
        _ => {}
    }
}

/// The Internet checksum of some octets, on top of a partial sum.
pub(super) fn checksum(partial: u32, octets: &[u8]) -> u16 {
    !fold(add_octets(partial.into(), octets))
}

/// Adds octets to a partial Internet checksum.
pub(super) fn add_octets(partial: u64, octets: &[u8]) -> u32 {
    let (words, rest) = octets.as_chunks::<4>();
    let mut sum = partial
        + words
            .iter()
            .map(|w| u64::from(u32::from_be_bytes(*w)))
            .sum::<u64>();
    let mut tail = [0; 4];
    tail[..rest.len()].copy_from_slice(rest);
    sum += u64::from(u32::from_be_bytes(tail));
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    u32::from(fold(((sum >> 16) + (sum & 0xffff)) as u32))
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
const DCCP: u8 = 33;
pub(super) const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
const UDPLITE: u8 = 136;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ike_ts::{AddrRange, PortRange};
    use proptest::prelude::*;

    /// An IPv4 packet with a right checksum.
    pub(crate) fn v4(src: [u8; 4], dst: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0];
        packet.extend(((20 + payload.len()) as u16).to_be_bytes());
        packet.extend([0x12, 0x34, 0x40, 0, 64, protocol, 0, 0]);
        packet.extend(src);
        packet.extend(dst);
        let sum = checksum(0, &packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend(payload);
        packet
    }

    pub(crate) fn v6(src: &str, dst: &str, next: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend((payload.len() as u16).to_be_bytes());
        packet.extend([next, 64]);
        packet.extend(src.parse::<Ipv6Addr>().unwrap().octets());
        packet.extend(dst.parse::<Ipv6Addr>().unwrap().octets());
        packet.extend(payload);
        packet
    }

    #[test]
    fn ports_are_found_behind_ipv6_extension_headers_but_not_in_later_fragments() {
        let mut payload = vec![60, 0, 0, 0, 0, 0, 0, 0];
        payload.extend([44, 0, 0, 0, 0, 0, 0, 0]);
        payload.extend([17, 0, 0, 1, 0, 0, 0, 9]);
        payload.extend([0, 53, 0x12, 0x34, 0, 8, 0, 0]);
        let packet = v6("2001:db8::1", "2001:db8::2", 0, &payload);
        let parsed = parse(&packet).unwrap();
        assert_eq!(parsed.summary.protocol, 17);
        assert_eq!(parsed.summary.ports, Some((53, 0x1234)));
        assert!(!parsed.later_fragment);

        let mut later = packet;
        later[40 + 16 + 3] = 8;
        let parsed = parse(&later).unwrap();
        assert_eq!((parsed.summary.protocol, parsed.summary.ports), (17, None));
        assert!(parsed.later_fragment);
    }

    #[test]
    fn a_port_selector_does_not_match_where_ports_cannot_be_seen() {
        let http = TrafficSelector {
            protocol: TCP,
            ports: PortRange::single(80),
            addrs: AddrRange::ANY_V4,
        };
        let any = TrafficSelector::any_protocol(AddrRange::ANY_V4);
        let packet = v4(
            [10, 0, 0, 1],
            [10, 0, 0, 2],
            TCP,
            &[0x30, 0x39, 0, 80, 0, 0, 0, 0],
        );
        let mut summary = parse(&packet).unwrap().summary;
        assert!(matches_outbound(&(any, http), &summary));
        assert!(!matches_inbound(&(any, http), &summary));
        summary.ports = None;
        assert!(!matches_outbound(&(any, http), &summary));
        assert!(matches_outbound(&(any, any), &summary));
        summary.protocol = UDP;
        assert!(!matches_outbound(&(any, http), &summary));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let good = v4([1; 4], [2; 4], UDP, &[0; 8]);
        assert!(parse(&good).is_some());
        for (at, value) in [(0, 0x44), (0, 0x4f), (3, 19), (3, 29), (0, 0x55)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(parse(&bad), None, "octet {at} = {value:#x}");
        }
        assert_eq!(parse(&good[..27]), None);
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&v6("::1", "::2", 59, &[])[..39]), None);
    }

    #[test]
    fn changing_ecn_keeps_the_checksum_right() {
        for ecn in 0..4 {
            let mut packet = v4([10, 1, 0, 1], [10, 2, 0, 1], ICMP, &[8, 0, 0, 0]);
            set_ecn(&mut packet, ecn);
            assert_eq!(packet[1] & 3, ecn);
            assert_eq!(checksum(0, &packet[..20]), 0);
            let mut packet = v6("::1", "::2", 59, &[]);
            set_ecn(&mut packet, ecn);
            assert_eq!(parse(&packet).unwrap().tos, ecn);
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..128), version in 0_u8..16) {
            let mut octets = octets;
            if let Some(first) = octets.first_mut() { *first = *first & 15 | version << 4; }
            let _ = parse(&octets);
            set_ecn(&mut octets, 3);
        }

        #[test]
        fn the_checksum_is_that_of_rfc_1071(octets in proptest::collection::vec(any::<u8>(), 0..1500)) {
            let mut sum: u64 = 0;
            for pair in octets.chunks(2) {
                sum += u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
            }
            while sum > 0xffff { sum = (sum & 0xffff) + (sum >> 16); }
            prop_assert_eq!(checksum(0, &octets), !(sum as u16));
        }
    }
}
