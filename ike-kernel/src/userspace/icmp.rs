//! "Packet too big" answers to inner senders: ICMP type 3 code 4 (RFC 1191) and ICMPv6 type 2
//! (RFC 4443 §3.2). Written back into the TUN device, so that path MTU discovery works through the tunnel.
use std::net::IpAddr;

use super::packet::{self, ICMP, ICMPV6, Parsed};

/// Replaces `out` by an answer saying that `packet` must not be longer than `mtu`; `false` if there must
/// be none: to an ICMP error, a later fragment, or a packet to or from a group.
pub(super) fn too_big(parsed: &Parsed, packet: &[u8], mtu: u16, out: &mut Vec<u8>) -> bool {
    out.clear();
    let summary = &parsed.summary;
    let icmp_error = match (summary.protocol, summary.ports) {
        (ICMP, Some((kind, _))) => !matches!(kind >> 8, 0 | 8 | 13 | 14),
        (ICMPV6, Some((kind, _))) => kind >> 8 < 128,
        _ => false,
    };
    //= rfc1122#3.2.2: no ICMP error about an ICMP error, a later fragment or a multicast
    if icmp_error || parsed.later_fragment || is_group(summary.src) || is_group(summary.dst) {
        return false;
    }
    match (summary.src, summary.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let quoted = &packet[..packet.len().min(548)];
            let len = (28 + quoted.len()) as u16;
            out.extend([0x45, 0xc0]);
            out.extend(len.to_be_bytes());
            out.extend([0, 0, 0, 0, 64, ICMP, 0, 0]);
            out.extend(dst.octets());
            out.extend(src.octets());
            let sum = packet::checksum(0, out);
            put(out, 10, sum);
            out.extend([3, 4, 0, 0, 0, 0]);
            out.extend(mtu.to_be_bytes());
            out.extend(quoted);
            let sum = packet::checksum(0, out.get(20..).unwrap_or(&[]));
            put(out, 22, sum);
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let quoted = &packet[..packet.len().min(1280 - 48)];
            let len = (8 + quoted.len()) as u16;
            out.extend([0x60, 0, 0, 0]);
            out.extend(len.to_be_bytes());
            out.extend([ICMPV6, 64]);
            out.extend(dst.octets());
            out.extend(src.octets());
            out.extend([2, 0, 0, 0]);
            out.extend(u32::from(mtu).to_be_bytes());
            out.extend(quoted);
            let pseudo = u64::from(len) + u64::from(ICMPV6);
            let sum = packet::add_octets(pseudo, out.get(8..40).unwrap_or(&[]));
            let sum = packet::checksum(sum, out.get(40..).unwrap_or(&[]));
            put(out, 42, sum);
        }
        _ => return false,
    }
    true
}

fn put(out: &mut [u8], at: usize, value: u16) {
    if let Some(place) = out.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

fn is_group(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => addr.is_multicast() || addr.is_broadcast() || addr.is_unspecified(),
        IpAddr::V6(addr) => addr.is_multicast() || addr.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::tests::{v4, v6};
    use super::super::packet::{UDP, checksum, parse};
    use super::*;

    #[test]
    fn a_long_ipv4_packet_is_answered_to_its_sender_with_the_mtu() {
        let packet = v4([10, 1, 0, 7], [10, 2, 0, 9], UDP, &[7; 1472]);
        let mut out = Vec::new();
        assert!(too_big(&parse(&packet).unwrap(), &packet, 1384, &mut out));
        assert_eq!(out.len(), 576);
        let parsed = parse(&out).unwrap();
        assert_eq!(parsed.summary.src, "10.2.0.9".parse::<IpAddr>().unwrap());
        assert_eq!(parsed.summary.dst, "10.1.0.7".parse::<IpAddr>().unwrap());
        assert_eq!(checksum(0, &out[..20]), 0);
        assert_eq!(checksum(0, &out[20..]), 0);
        assert_eq!((out[20], out[21]), (3, 4));
        assert_eq!(u16::from_be_bytes([out[26], out[27]]), 1384);
        assert_eq!(out[28..], packet[..548]);
    }

    #[test]
    fn a_long_ipv6_packet_is_answered_and_the_answer_fits_the_minimum_mtu() {
        let packet = v6("2001:db8:1::7", "2001:db8:2::9", UDP, &[7; 1400]);
        let mut out = Vec::new();
        assert!(too_big(&parse(&packet).unwrap(), &packet, 1380, &mut out));
        assert_eq!(out.len(), 1280);
        let mut pseudo = out[8..40].to_vec();
        pseudo.extend((out.len() as u32 - 40).to_be_bytes());
        pseudo.extend([0, 0, 0, ICMPV6]);
        pseudo.extend(&out[40..]);
        assert_eq!(checksum(0, &pseudo), 0);
        assert_eq!((out[40], out[41]), (2, 0));
        assert_eq!(u32::from_be_bytes(out[44..48].try_into().unwrap()), 1380);
        assert_eq!(out[24..40], packet[8..24]);
    }

    #[test]
    fn icmp_errors_later_fragments_and_groups_are_not_answered() {
        let mut out = Vec::new();
        let error = v4(
            [10, 1, 0, 7],
            [10, 2, 0, 9],
            ICMP,
            &[3, 1, 0, 0, 0, 0, 0, 0],
        );
        assert!(!too_big(&parse(&error).unwrap(), &error, 1000, &mut out));
        let ping = v4(
            [10, 1, 0, 7],
            [10, 2, 0, 9],
            ICMP,
            &[8, 0, 0, 0, 0, 0, 0, 0],
        );
        assert!(too_big(&parse(&ping).unwrap(), &ping, 1000, &mut out));
        let mut fragment = ping;
        fragment[7] = 5;
        assert!(!too_big(
            &parse(&fragment).unwrap(),
            &fragment,
            1000,
            &mut out
        ));
        let group = v4([10, 1, 0, 7], [224, 0, 0, 9], UDP, &[0; 8]);
        assert!(!too_big(&parse(&group).unwrap(), &group, 1000, &mut out));
    }
}
