//! What an observer on the outer link can tell from a frame: ESP, IKE, or
//! something in clear. It reads the octets itself instead of using `ike-wire`,
//! so that a mistake there cannot hide here, and it refuses nothing: what it
//! does not understand is [`Seen::Other`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// INVALID_KE_PAYLOAD (RFC 7296 §3.10.1).
pub const INVALID_KE_PAYLOAD: u16 = 17;
/// COOKIE (RFC 7296 §3.10.1).
pub const COOKIE: u16 = 16390;
/// IKE_SA_INIT.
pub const IKE_SA_INIT: u8 = 34;
/// IKE_AUTH.
pub const IKE_AUTH: u8 = 35;
/// CREATE_CHILD_SA.
pub const CREATE_CHILD_SA: u8 = 36;

/// A frame on the outer link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The sender.
    pub source: IpAddr,
    /// The destination.
    pub destination: IpAddr,
    /// What it is.
    pub seen: Seen,
}

/// The kinds of traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// ESP, IP protocol 50.
    Esp(u32),
    /// ESP in UDP 4500.
    EspInUdp(u32),
    /// An IKE message.
    Ike(Ike),
    /// A NAT keepalive.
    Keepalive,
    /// Any other protocol, by number.
    Other(u8),
}

/// The unencrypted part of an IKE message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ike {
    /// Exchange type.
    pub exchange: u8,
    /// The response flag.
    pub response: bool,
    /// Message ID.
    pub message_id: u32,
    /// Both SPIs.
    pub spis: [u8; 16],
    /// Types of the notifications outside of encryption.
    pub notifies: Vec<u16>,
    /// The whole message, without non-ESP marker.
    pub octets: Vec<u8>,
}

impl Frame {
    /// Whether either address lies in one of the networks.
    pub fn touches(&self, networks: &[Network]) -> bool {
        networks
            .iter()
            .any(|net| net.contains(self.source) || net.contains(self.destination))
    }
}

/// Reads an Ethernet frame; `None` for anything but IP.
pub fn read(frame: &[u8]) -> Option<Frame> {
    let ethertype = be16(frame, 12)?;
    let ip = frame.get(14..)?;
    match ethertype {
        0x0800 => ipv4(ip),
        0x86dd => ipv6(ip),
        _ => None,
    }
}

/// An address block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

impl Network {
    /// Reads `10.1.0.0/24`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        Some(Self {
            address: address.parse().ok()?,
            length: length.parse().ok()?,
        })
    }

    /// Whether an address lies inside.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (mine, theirs, width) = match (self.address, address) {
            (IpAddr::V4(mine), IpAddr::V4(theirs)) => (
                u128::from(mine.to_bits()),
                u128::from(theirs.to_bits()),
                32_u8,
            ),
            (IpAddr::V6(mine), IpAddr::V6(theirs)) => (mine.to_bits(), theirs.to_bits(), 128),
            _ => return false,
        };
        let shift = u32::from(width.saturating_sub(self.length));
        mine.checked_shr(shift).unwrap_or(0) == theirs.checked_shr(shift).unwrap_or(0)
    }
}

fn ipv4(ip: &[u8]) -> Option<Frame> {
    let header = usize::from(ip.first()? & 0x0f) * 4;
    let protocol = *ip.get(9)?;
    let source = Ipv4Addr::from_bits(be32(ip, 12)?);
    let destination = Ipv4Addr::from_bits(be32(ip, 16)?);
    Some(Frame {
        source: source.into(),
        destination: destination.into(),
        seen: upper(protocol, ip.get(header..)?),
    })
}

fn ipv6(ip: &[u8]) -> Option<Frame> {
    let protocol = *ip.get(6)?;
    let source: [u8; 16] = ip.get(8..24)?.try_into().ok()?;
    let destination: [u8; 16] = ip.get(24..40)?.try_into().ok()?;
    Some(Frame {
        source: Ipv6Addr::from(source).into(),
        destination: Ipv6Addr::from(destination).into(),
        seen: upper(protocol, ip.get(40..)?),
    })
}

fn upper(protocol: u8, payload: &[u8]) -> Seen {
    let seen = match protocol {
        50 => be32(payload, 0).map(Seen::Esp),
        17 => udp(payload),
        _ => None,
    };
    seen.unwrap_or(Seen::Other(protocol))
}

fn udp(datagram: &[u8]) -> Option<Seen> {
    let (from, to) = (be16(datagram, 0)?, be16(datagram, 2)?);
    let body = datagram.get(8..)?;
    // Behind a NAT only one of the ports is still the well-known one.
    if from == 4500 || to == 4500 {
        if body == [0xff] {
            return Some(Seen::Keepalive);
        }
        return match be32(body, 0)? {
            0 => ike(body.get(4..)?).map(Seen::Ike),
            spi => Some(Seen::EspInUdp(spi)),
        };
    }
    if from == 500 || to == 500 {
        return ike(body).map(Seen::Ike);
    }
    None
}

fn ike(message: &[u8]) -> Option<Ike> {
    Some(Ike {
        exchange: *message.get(18)?,
        response: message.get(19)? & 0x20 != 0,
        message_id: be32(message, 20)?,
        spis: message.get(..16)?.try_into().ok()?,
        notifies: notifies(message),
        octets: message.to_vec(),
    })
}

/// Walks the payloads in clear.
fn notifies(message: &[u8]) -> Vec<u16> {
    let mut found = Vec::new();
    let mut kind = message.get(16).copied().unwrap_or(0);
    let mut rest = message.get(28..).unwrap_or_default();
    while kind != 0 && kind != 46 && kind != 53 {
        let (Some(&next), Some(length)) = (rest.first(), be16(rest, 2)) else {
            break;
        };
        if kind == 41 {
            found.extend(be16(rest, 6));
        }
        let Some(after) = rest.get(usize::from(length.max(4))..) else {
            break;
        };
        (kind, rest) = (next, after);
    }
    found
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An Ethernet frame around an IPv4 packet, checksums left out.
    pub(crate) fn frame(
        protocol: u8,
        source: [u8; 4],
        destination: [u8; 4],
        body: &[u8],
    ) -> Vec<u8> {
        let mut bytes = vec![0; 12];
        bytes.extend([0x08, 0x00, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0]);
        bytes.extend(source);
        bytes.extend(destination);
        bytes.extend(body);
        bytes
    }

    fn udp_body(from: u16, to: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = [from.to_be_bytes(), to.to_be_bytes()].concat();
        bytes.extend([0; 4]);
        bytes.extend(body);
        bytes
    }

    fn invalid_ke_response() -> Vec<u8> {
        let mut message = vec![1; 16];
        message.extend([41, 0x20, IKE_SA_INIT, 0x20, 0, 0, 0, 0, 0, 0, 0, 38]);
        message.extend([0, 0, 0, 10, 0, 0, 0, 17, 0, 31]);
        message
    }

    #[test]
    fn esp_is_told_from_udp_encapsulated_esp_and_ike() {
        let (a, b) = ([192, 0, 2, 1], [192, 0, 2, 2]);
        let esp = read(&frame(50, a, b, &[0xc0, 0, 0, 1, 0, 0, 0, 1])).unwrap();
        assert_eq!(esp.seen, Seen::Esp(0xc000_0001));
        let body = udp_body(4500, 4500, &[0xc0, 0, 0, 2, 0, 0, 0, 1]);
        assert_eq!(
            read(&frame(17, a, b, &body)).unwrap().seen,
            Seen::EspInUdp(0xc000_0002)
        );
        let body = udp_body(4500, 33000, &[0xff]);
        assert_eq!(read(&frame(17, a, b, &body)).unwrap().seen, Seen::Keepalive);
    }

    #[test]
    fn the_notification_in_an_initial_response_is_found() {
        let body = udp_body(500, 500, &invalid_ke_response());
        let seen = read(&frame(17, [192, 0, 2, 2], [192, 0, 2, 1], &body))
            .unwrap()
            .seen;
        let Seen::Ike(ike) = seen else {
            panic!("{seen:?}")
        };
        assert!(ike.response);
        assert_eq!(
            (ike.exchange, ike.notifies),
            (IKE_SA_INIT, vec![INVALID_KE_PAYLOAD])
        );
    }

    #[test]
    fn a_ping_between_the_lans_touches_them() {
        let lans = [
            Network::parse("10.1.0.0/24").unwrap(),
            Network::parse("10.2.0.0/24").unwrap(),
        ];
        let clear = read(&frame(1, [10, 1, 0, 10], [10, 2, 0, 10], &[8, 0])).unwrap();
        assert!(clear.touches(&lans));
        assert_eq!(clear.seen, Seen::Other(1));
        let outer = read(&frame(1, [192, 0, 2, 1], [192, 0, 2, 2], &[8, 0])).unwrap();
        assert!(!outer.touches(&lans));
    }

    #[test]
    fn cut_frames_are_not_worth_a_panic() {
        let whole = frame(
            17,
            [1, 2, 3, 4],
            [5, 6, 7, 8],
            &udp_body(500, 500, &invalid_ke_response()),
        );
        for length in 0..whole.len() {
            let _ = read(&whole[..length]);
        }
    }

    #[test]
    fn ipv6_networks_compare_by_prefix() {
        let net = Network::parse("2001:db8:1::/64").unwrap();
        assert!(net.contains("2001:db8:1::10".parse().unwrap()));
        assert!(!net.contains("2001:db8::1".parse().unwrap()));
        assert!(!net.contains("192.0.2.1".parse().unwrap()));
    }
}
