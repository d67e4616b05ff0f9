//! From a frame to what it carries: link layer, VLAN tags, IPv4 and IPv6 with extension headers,
//! fragments of IP, UDP.
//!
//! Checksums that are wrong are told, not acted on: a capture made where they are left to the
//! network card has no right ones. Anything but UDP, ESP and AH is only counted.
use super::{ip_fragments::IpFragments, ip_fragments::Piece, ip_fragments::Set};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What a frame is.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet {
    /// A UDP datagram, put together if it came in fragments.
    Udp(Udp),
    /// ESP right over IP.
    Esp,
    /// AH.
    Ah,
    /// A fragment of a packet that is not complete yet.
    Fragment,
    /// Something else, by what it is.
    Other,
    /// Not to be understood.
    Malformed(&'static str),
}

/// A UDP datagram.
#[derive(Debug, PartialEq, Eq)]
pub struct Udp {
    /// From.
    pub source: SocketAddr,
    /// To.
    pub destination: SocketAddr,
    /// The contents that were captured.
    pub data: Vec<u8>,
    /// Octets that were not captured.
    pub missing: usize,
    /// Frames that it came in: one, or one for each fragment.
    pub frames: Vec<u64>,
    /// What is strange about it.
    pub notes: Vec<&'static str>,
}

/// Takes frames apart.
#[derive(Debug, Default)]
pub struct Packets {
    fragments: IpFragments,
}

impl Packets {
    /// What the frame `number` carries; `original` is its length on the wire.
    pub fn packet(&mut self, number: u64, link: u16, original: usize, frame: &[u8]) -> Packet {
        let cut = original.saturating_sub(frame.len());
        match network(link, frame) {
            Network::Ip(packet) => self.ip(number, packet, cut),
            Network::Other => Packet::Other,
            Network::Unknown => Packet::Malformed("link type that is not known here"),
            Network::Short => Packet::Malformed("shorter than its link header"),
        }
    }

    /// Packets whose fragments never were complete.
    pub fn incomplete(&self) -> u64 {
        self.fragments.incomplete()
    }

    fn ip(&mut self, number: u64, packet: &[u8], cut: usize) -> Packet {
        let parsed = match packet.first().map(|first| first >> 4) {
            Some(4) => ipv4(packet, cut),
            Some(6) => ipv6(packet, cut),
            _ => return Packet::Malformed("neither IPv4 nor IPv6"),
        };
        let mut ip = match parsed {
            Ok(ip) => ip,
            Err(why) => return Packet::Malformed(why),
        };
        let mut whole = None;
        let mut frames = vec![number];
        if let Some(place) = ip.fragment {
            if ip.missing > 0 {
                return Packet::Malformed("a fragment that the capture cut");
            }
            let set = Set {
                source: ip.source,
                destination: ip.destination,
                protocol: ip.protocol,
                id: place.id,
            };
            let piece = Piece {
                frame: number,
                offset: place.offset,
                more: place.more,
                data: ip.payload,
            };
            match self.fragments.add(set, &piece) {
                Ok(Some((data, from))) => {
                    whole = Some(data);
                    frames = from;
                }
                Ok(None) => return Packet::Fragment,
                Err(why) => return Packet::Malformed(why),
            }
        }
        if let Some(whole) = &whole {
            ip.payload = whole;
        }
        match ip.protocol {
            UDP => udp(&ip, frames).map_or_else(Packet::Malformed, Packet::Udp),
            ESP => Packet::Esp,
            AH => Packet::Ah,
            _ => Packet::Other,
        }
    }
}

enum Network<'b> {
    Ip(&'b [u8]),
    Other,
    Unknown,
    Short,
}

/// The network layer of a frame, by link type.
fn network(link: u16, frame: &[u8]) -> Network<'_> {
    let after = |octets: usize| frame.get(octets..).map_or(Network::Short, Network::Ip);
    match link {
        // BSD loopback: an address family in the byte order of whoever captured.
        0 | 108 => match frame.get(4..) {
            Some(packet) if matches!(packet.first().map(|first| first >> 4), Some(4 | 6)) => {
                Network::Ip(packet)
            }
            Some(_) => Network::Other,
            None => Network::Short,
        },
        1 => by_ether_type(frame, 12),
        12 | 14 | 101 | 228 | 229 => after(0),
        // Linux cooked: the protocol is at the end of the first version, at the start of the second.
        113 => by_ether_type(frame, 14),
        276 => match frame.split_at_checked(20) {
            Some((&[high, low, ..], packet)) => tagged([high, low], packet),
            _ => Network::Short,
        },
        _ => Network::Unknown,
    }
}

fn by_ether_type(frame: &[u8], at: usize) -> Network<'_> {
    match frame.split_at_checked(at).map(|(_, rest)| rest) {
        Some([high, low, packet @ ..]) => tagged([*high, *low], packet),
        _ => Network::Short,
    }
}

/// Behind VLAN tags, of which there may be a few.
fn tagged(mut kind: [u8; 2], mut packet: &[u8]) -> Network<'_> {
    for _ in 0..4 {
        match (u16::from_be_bytes(kind), packet) {
            (0x0800 | 0x86dd, _) => return Network::Ip(packet),
            (0x8100 | 0x88a8 | 0x9100 | 0x9200, [_, _, high, low, rest @ ..]) => {
                kind = [*high, *low];
                packet = rest;
            }
            // PPPoE session: header of 6 octets, then the protocol of PPP.
            (0x8864, [_, _, _, _, _, _, 0x00, 0x21 | 0x57, rest @ ..]) => return Network::Ip(rest),
            _ => return Network::Other,
        }
    }
    Network::Other
}

struct Ip<'b> {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    payload: &'b [u8],
    missing: usize,
    fragment: Option<Place>,
    notes: Vec<&'static str>,
}

#[derive(Clone, Copy)]
struct Place {
    id: u32,
    offset: usize,
    more: bool,
}

fn ipv4(packet: &[u8], cut: usize) -> Result<Ip<'_>, &'static str> {
    const SHORT: &str = "IPv4 header is not all there";
    let &[
        first,
        _,
        l0,
        l1,
        i0,
        i1,
        f0,
        f1,
        _,
        protocol,
        _,
        _,
        s0,
        s1,
        s2,
        s3,
        d0,
        d1,
        d2,
        d3,
        ..,
    ] = packet
    else {
        return Err(SHORT);
    };
    let header_len = usize::from(first & 0x0f) * 4;
    let header = packet.get(..header_len).ok_or(SHORT)?;
    if header_len < 20 {
        return Err("IPv4 header length is less than 20");
    }
    let mut notes = Vec::new();
    // No checksum at all: left to the network card.
    if sum(&[header]) != 0xffff && header.get(10..12) != Some(&[0, 0]) {
        notes.push("IPv4 header checksum is wrong");
    }
    let (payload, missing) = body(packet, header_len, u16::from_be_bytes([l0, l1]).into(), cut)
        .ok_or("IPv4 total length is less than the header's")?;
    let flags = u16::from_be_bytes([f0, f1]);
    let fragment = (flags & 0x3fff != 0).then(|| Place {
        id: u16::from_be_bytes([i0, i1]).into(),
        offset: usize::from(flags & 0x1fff) * 8,
        more: flags & 0x2000 != 0,
    });
    Ok(Ip {
        source: Ipv4Addr::new(s0, s1, s2, s3).into(),
        destination: Ipv4Addr::new(d0, d1, d2, d3).into(),
        protocol,
        payload,
        missing,
        fragment,
        notes,
    })
}

fn ipv6(packet: &[u8], cut: usize) -> Result<Ip<'_>, &'static str> {
    const SHORT: &str = "IPv6 header is not all there";
    let (header, _) = packet.split_first_chunk::<40>().ok_or(SHORT)?;
    let &[_, _, _, _, l0, l1, next, _, ref addresses @ ..] = header;
    let (source, destination) = addresses.split_at(16);
    let address = |octets: &[u8]| <[u8; 16]>::try_from(octets).map(Ipv6Addr::from);
    let (Ok(source), Ok(destination)) = (address(source), address(destination)) else {
        return Err(SHORT);
    };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    // No length: a jumbogram, or segmentation that is left to the network card.
    let total = if length == 0 { 0 } else { length + 40 };
    let (mut payload, missing) = body(packet, 40, total, cut).ok_or(SHORT)?;
    let mut protocol = next;
    let mut fragment = None;
    for _ in 0..8 {
        let length = match (protocol, payload) {
            // Hop-by-hop, routing, destination options, mobility, shim6.
            (0 | 43 | 60 | 135 | 140, [_, length, ..]) => 8 + usize::from(*length) * 8,
            (44, &[_, _, o0, o1, i0, i1, i2, i3, ..]) => {
                let offset = u16::from_be_bytes([o0, o1]);
                // An atomic fragment (RFC 6946) is a whole packet.
                if offset & 0xfff9 != 0 {
                    fragment = Some(Place {
                        id: u32::from_be_bytes([i0, i1, i2, i3]),
                        offset: usize::from(offset & 0xfff8),
                        more: offset & 1 != 0,
                    });
                }
                8
            }
            (0 | 43 | 44 | 60 | 135 | 140, _) => {
                return Err("IPv6 extension header is not all there");
            }
            _ => break,
        };
        protocol = payload.first().copied().unwrap_or(59);
        payload = payload
            .get(length..)
            .ok_or("IPv6 extension header is not all there")?;
        if fragment.is_some() {
            break;
        }
    }
    Ok(Ip {
        source: source.into(),
        destination: destination.into(),
        protocol,
        payload,
        missing,
        fragment,
        notes: Vec::new(),
    })
}

/// The octets from `header_len` to `total`, and how many of them are not there. What is behind is
/// padding of the link layer; a total of 0 means all.
fn body(packet: &[u8], header_len: usize, total: usize, cut: usize) -> Option<(&[u8], usize)> {
    if total == 0 {
        return Some((packet.get(header_len..)?, cut));
    }
    if total < header_len {
        return None;
    }
    let missing = total.saturating_sub(packet.len());
    let end = total.min(packet.len());
    Some((packet.get(header_len..end)?, missing))
}

fn udp(ip: &Ip<'_>, frames: Vec<u64>) -> Result<Udp, &'static str> {
    let &[s0, s1, d0, d1, l0, l1, c0, c1, ref rest @ ..] = ip.payload else {
        return Err("UDP header is not all there");
    };
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    // 0: segmentation that is left to the network card.
    let length = if length == 0 {
        ip.payload.len() + ip.missing
    } else {
        length
    };
    let Some(contents) = length.checked_sub(8) else {
        return Err("UDP length is less than 8");
    };
    let missing = contents.saturating_sub(rest.len());
    if missing > ip.missing {
        return Err("UDP length is more than what IP carries");
    }
    let data = rest.get(..contents).unwrap_or(rest);
    let mut notes = ip.notes.clone();
    if missing == 0 && [c0, c1] != [0, 0] {
        let pseudo = pseudo_header(ip, length);
        let datagram = ip.payload.get(..length).unwrap_or_default();
        // What the sum would be over the pseudo header alone is left for the card to complete.
        let offloaded = sum(&[&pseudo]) == u16::from_be_bytes([c0, c1]);
        if !offloaded && sum(&[&pseudo, datagram]) != 0xffff {
            notes.push("UDP checksum is wrong");
        }
    }
    Ok(Udp {
        source: SocketAddr::new(ip.source, u16::from_be_bytes([s0, s1])),
        destination: SocketAddr::new(ip.destination, u16::from_be_bytes([d0, d1])),
        data: data.to_vec(),
        missing,
        frames,
        notes,
    })
}

fn pseudo_header(ip: &Ip<'_>, length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(40);
    for address in [ip.source, ip.destination] {
        match address {
            IpAddr::V4(v4) => out.extend(v4.octets()),
            IpAddr::V6(v6) => out.extend(v6.octets()),
        }
    }
    // The layouts of IPv4 and IPv6 give the same sum.
    out.extend([0, UDP]);
    out.extend(u32::try_from(length).unwrap_or(0).to_be_bytes());
    out
}

/// The Internet checksum's sum (RFC 1071) before it is inverted; parts but the last have an even
/// number of octets.
fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    for part in parts {
        let (pairs, odd) = part.as_chunks();
        for pair in pairs {
            sum += u64::from(u16::from_be_bytes(*pair));
        }
        if let [last] = odd {
            sum += u64::from(u16::from_be_bytes([*last, 0]));
        }
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

const UDP: u8 = 17;
const ESP: u8 = 50;
const AH: u8 = 51;
