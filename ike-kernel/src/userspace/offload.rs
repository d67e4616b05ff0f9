//! Many packets per read and write of the TUN device (`IFF_VNET_HDR`): TCP super-packets from the kernel
//! are cut into segments on their way to ESP, and runs of TCP segments that came out of ESP are joined
//! before they are written. Checksums that offloading left open are completed, and only segments with right
//! ones are joined, so nothing a receiver would have noticed gets lost.
use super::packet::{self, TCP};

/// Octets of struct virtio_net_hdr in front of every packet.
pub(super) const HEADER_LEN: usize = 10;

/// A packet as read, to be sealed piece by piece.
#[derive(Debug)]
pub(super) enum Incoming<'p> {
    /// One packet.
    Whole(&'p mut [u8]),
    /// Headers to be adapted for each piece, and the payload of all pieces.
    Segments(Segments<'p>),
}

/// The headers of the first segment, its payload, and what the following ones need.
#[derive(Debug)]
pub(super) struct Segments<'p> {
    /// IP and TCP header.
    pub(super) headers: &'p mut [u8],
    payload: &'p [u8],
    size: usize,
    ip_len: usize,
    flags: u8,
}

/// Reads the header in front of a packet; `None` if it does not fit the packet.
pub(super) fn incoming(octets: &mut [u8]) -> Option<Incoming<'_>> {
    let (header, packet) = octets.split_first_chunk_mut::<HEADER_LEN>()?;
    let half = |at: usize| usize::from(u16::from_ne_bytes([header[at], header[at + 1]]));
    let (needs_checksum, kind) = (header[0] & NEEDS_CSUM != 0, header[1]);
    let (size, start, offset) = (half(4), half(6), half(8));
    match kind {
        GSO_NONE => {
            if needs_checksum {
                // The field holds the sum of the pseudo header already.
                let part = packet.get_mut(start..)?;
                let sum = packet::checksum(0, part);
                // UDP has no checksum 0: that means none.
                let sum = if sum == 0 { 0xffff } else { sum };
                part.get_mut(offset..offset + 2)?
                    .copy_from_slice(&sum.to_be_bytes());
            }
            Some(Incoming::Whole(packet))
        }
        GSO_TCPV4 | GSO_TCPV6 => {
            let data_offset = usize::from(packet.get(start + 12)? >> 4) * 4;
            let version = if kind == GSO_TCPV4 { 4 } else { 6 };
            let minimum = if kind == GSO_TCPV4 { 20 } else { 40 };
            if size == 0 || data_offset < 20 || start < minimum || packet.first()? >> 4 != version {
                return None;
            }
            let (headers, payload) = packet.split_at_mut_checked(start + data_offset)?;
            let flags = *headers.get(start + 13)?;
            Some(Incoming::Segments(Segments {
                headers,
                payload,
                size,
                ip_len: start,
                flags,
            }))
        }
        _ => None,
    }
}

impl<'p> Segments<'p> {
    /// Cuts the next segment off: adapts the headers and returns its payload.
    pub(super) fn next(&mut self) -> Option<&'p [u8]> {
        if self.payload.is_empty() {
            return None;
        }
        let (piece, rest) = self.payload.split_at(self.size.min(self.payload.len()));
        let first = self.flags & SEEN == 0;
        let flags = self.flags & !SEEN;
        self.payload = rest;
        self.flags |= SEEN;
        let ip_len = self.ip_len;
        let (ip, tcp) = self.headers.split_at_mut_checked(ip_len)?;
        let tcp_len = tcp.len() + piece.len();
        let fixed: &mut [u8; 20] = tcp.first_chunk_mut()?;
        if !first {
            let number = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
            let number = number.wrapping_add(self.size as u32);
            fixed[4..8].copy_from_slice(&number.to_be_bytes());
        }
        // The end belongs to the last segment alone.
        fixed[13] = if rest.is_empty() {
            flags
        } else {
            flags & !(FIN | PSH)
        };
        fixed[16..18].fill(0);
        set_lengths(ip, tcp_len, !first);
        let sum = packet::add_octets(pseudo(ip, tcp_len), tcp);
        let sum = packet::checksum(sum, piece);
        tcp.get_mut(16..18)?.copy_from_slice(&sum.to_be_bytes());
        Some(piece)
    }
}

/// Sets the length fields of an IP header for a TCP part of this length; IPv4 also gets a new
/// identification, if asked for, and its checksum.
fn set_lengths(ip: &mut [u8], tcp_len: usize, next_identification: bool) {
    let whole = ip.len() + tcp_len;
    if ip.first().is_some_and(|first| first >> 4 == 4) {
        let Some(fixed) = ip.first_chunk_mut::<20>() else {
            return;
        };
        fixed[2..4].copy_from_slice(&(whole as u16).to_be_bytes());
        if next_identification {
            let id = u16::from_be_bytes([fixed[4], fixed[5]]).wrapping_add(1);
            fixed[4..6].copy_from_slice(&id.to_be_bytes());
        }
        fixed[10..12].fill(0);
        let sum = packet::checksum(0, ip);
        if let Some(place) = ip.get_mut(10..12) {
            place.copy_from_slice(&sum.to_be_bytes());
        }
    } else if let Some(place) = ip.get_mut(4..6) {
        place.copy_from_slice(&((whole - 40) as u16).to_be_bytes());
    }
}

/// The partial checksum of the TCP pseudo header.
fn pseudo(ip: &[u8], tcp_len: usize) -> u64 {
    let v4 = ip.first().is_some_and(|first| first >> 4 == 4);
    let addresses = if v4 { ip.get(12..20) } else { ip.get(8..40) };
    let sum = packet::add_octets(tcp_len as u64, addresses.unwrap_or(&[]));
    u64::from(sum) + u64::from(TCP)
}

/// Joins runs of TCP segments.
#[derive(Debug)]
pub(super) struct Joiner {
    /// Header and packet so far.
    buf: Vec<u8>,
    run: Option<Run>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    ip_len: usize,
    headers: usize,
    /// Payload of each segment but perhaps the last.
    size: usize,
    segments: usize,
    next_number: u32,
}

/// What can be joined of a packet.
struct Candidate {
    ip_len: usize,
    headers: usize,
    number: u32,
    push: bool,
}

impl Joiner {
    pub(super) fn new() -> Self {
        Self {
            buf: Vec::new(),
            run: None,
        }
    }

    /// Takes a packet; `write` gets whatever is complete now, header in front.
    pub(super) fn push(&mut self, packet: &[u8], mut write: impl FnMut(&[u8])) {
        let candidate = candidate(packet);
        if let (Some(candidate), Some(run)) = (&candidate, self.run)
            && self.fits(packet, candidate, &run)
        {
            let payload = packet.get(candidate.headers..).unwrap_or(&[]);
            self.buf.extend_from_slice(payload);
            if candidate.push
                && let Some(flags) = self.buf.get_mut(HEADER_LEN + run.ip_len + 13)
            {
                *flags |= PSH;
            }
            self.run = Some(Run {
                segments: run.segments + 1,
                next_number: run.next_number.wrapping_add(payload.len() as u32),
                ..run
            });
            // A short one, or one that pushes, is the last.
            if payload.len() < run.size || candidate.push {
                self.flush(&mut write);
            }
            return;
        }
        self.flush(&mut write);
        self.buf.extend_from_slice(&[0; HEADER_LEN]);
        self.buf.extend_from_slice(packet);
        match candidate {
            Some(candidate) if !candidate.push => {
                let size = packet.len() - candidate.headers;
                self.run = Some(Run {
                    ip_len: candidate.ip_len,
                    headers: candidate.headers,
                    size,
                    segments: 1,
                    next_number: candidate.number.wrapping_add(size as u32),
                });
            }
            _ => self.flush(&mut write),
        }
    }

    /// Writes what is held back.
    pub(super) fn flush(&mut self, mut write: impl FnMut(&[u8])) {
        if let Some(run) = self.run.take()
            && run.segments > 1
        {
            self.finish(&run);
        }
        if !self.buf.is_empty() {
            write(&self.buf);
            self.buf.clear();
        }
    }

    fn fits(&self, packet: &[u8], candidate: &Candidate, run: &Run) -> bool {
        let Some(held) = self.buf.get(HEADER_LEN..HEADER_LEN + run.headers) else {
            return false;
        };
        let payload = packet.len() - candidate.headers;
        candidate.number == run.next_number
            && (candidate.ip_len, candidate.headers) == (run.ip_len, run.headers)
            && payload <= run.size
            && run.segments < MAX_SEGMENTS
            && self.buf.len() + payload <= MAX_JOINED
            && same_headers(held, packet, run.ip_len, run.headers)
    }

    fn finish(&mut self, run: &Run) {
        let (header, packet) = self.buf.split_at_mut(HEADER_LEN);
        let (ip, tcp) = packet.split_at_mut(run.ip_len);
        set_lengths(ip, tcp.len(), false);
        // The kernel completes the checksum if it ever needs it.
        let partial = !packet::checksum(packet::add_octets(pseudo(ip, tcp.len()), &[]), &[]);
        if let Some(place) = tcp.get_mut(16..18) {
            place.copy_from_slice(&partial.to_be_bytes());
        }
        let v4 = ip.first().is_some_and(|first| first >> 4 == 4);
        header[0] = NEEDS_CSUM;
        header[1] = if v4 { GSO_TCPV4 } else { GSO_TCPV6 };
        for (at, value) in [(2, run.headers), (4, run.size), (6, run.ip_len), (8, 16)] {
            header[at..at + 2].copy_from_slice(&(value as u16).to_ne_bytes());
        }
    }
}

/// A plain TCP data segment with a right checksum and nothing special in its headers.
fn candidate(packet: &[u8]) -> Option<Candidate> {
    let ip_len = match packet.first()? {
        0x45 => {
            let header: &[u8; 20] = packet.first_chunk()?;
            // No fragment of any kind.
            if header[9] != TCP || header[6] & 0x3f != 0 || header[7] != 0 {
                return None;
            }
            20
        }
        first if first >> 4 == 6 => {
            if *packet.get(6)? != TCP {
                return None;
            }
            40
        }
        _ => return None,
    };
    let tcp = packet.get(ip_len..)?;
    let fixed: &[u8; 20] = tcp.first_chunk()?;
    let data_offset = usize::from(fixed[12] >> 4) * 4;
    let flags = fixed[13];
    if flags & !PSH != ACK || data_offset < 20 || tcp.len() <= data_offset {
        return None;
    }
    let sum = packet::add_octets(pseudo(packet.get(..ip_len)?, tcp.len()), &[]);
    if packet::checksum(sum, tcp) != 0 {
        return None;
    }
    Some(Candidate {
        ip_len,
        headers: ip_len + data_offset,
        number: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        push: flags & PSH != 0,
    })
}

/// Whether two packets differ only in lengths, identification, checksums, sequence number and PSH.
fn same_headers(held: &[u8], packet: &[u8], ip_len: usize, headers: usize) -> bool {
    let same = |from: usize, to: usize| held.get(from..to) == packet.get(from..to);
    let ip = if ip_len == 20 {
        same(0, 2) && same(6, 10) && same(12, 20)
    } else {
        same(0, 4) && same(6, 40)
    };
    // Ports; acknowledgement number and data offset; window; urgent pointer and options.
    ip && same(ip_len, ip_len + 4)
        && same(ip_len + 8, ip_len + 13)
        && same(ip_len + 14, ip_len + 16)
        && same(ip_len + 18, headers)
}

const NEEDS_CSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const FIN: u8 = 1;
const PSH: u8 = 8;
const ACK: u8 = 16;
/// In our copy of the flags: not the first segment. (CWR never comes: its offload is not asked for.)
const SEEN: u8 = 128;
const MAX_SEGMENTS: usize = 64;
const MAX_JOINED: usize = 65_000;

#[cfg(test)]
mod tests {
    use super::super::packet::parse;
    use super::super::packet::tests::{v4, v6};
    use super::*;
    use proptest::prelude::*;

    /// A TCP packet with a right checksum.
    fn tcp(ipv6: bool, number: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut segment = vec![0x12, 0x34, 0, 80];
        segment.extend(number.to_be_bytes());
        segment.extend([0, 0, 0, 9, 0x80, flags, 1, 0, 0, 0, 0, 0]);
        segment.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
        segment.extend(payload);
        let (mut packet, ip_len) = if ipv6 {
            (v6("2001:db8:1::1", "2001:db8:2::1", TCP, &segment), 40)
        } else {
            (v4([10, 1, 0, 1], [10, 2, 0, 1], TCP, &segment), 20)
        };
        let sum = packet::add_octets(pseudo(&packet[..ip_len], segment.len()), &[]);
        let sum = packet::checksum(sum, &packet[ip_len..]);
        packet[ip_len + 16..ip_len + 18].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    fn right(packet: &[u8]) -> bool {
        let ip_len = if packet[0] >> 4 == 4 { 20 } else { 40 };
        let sum = packet::add_octets(pseudo(&packet[..ip_len], packet.len() - ip_len), &[]);
        parse(packet).is_some_and(|parsed| parsed.len == packet.len())
            && packet::checksum(sum, &packet[ip_len..]) == 0
            && (ip_len == 40 || packet::checksum(0, &packet[..20]) == 0)
    }

    /// What a TUN device would show its reader, joined by us.
    fn join(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut joiner = Joiner::new();
        let mut written = Vec::new();
        for packet in packets {
            joiner.push(packet, |octets| written.push(octets.to_vec()));
        }
        joiner.flush(|octets| written.push(octets.to_vec()));
        written
    }

    fn cut(octets: &[u8]) -> Vec<Vec<u8>> {
        let mut octets = octets.to_vec();
        match incoming(&mut octets).unwrap() {
            Incoming::Whole(packet) => vec![packet.to_vec()],
            Incoming::Segments(mut segments) => {
                let mut packets = Vec::new();
                while let Some(piece) = segments.next() {
                    packets.push([&*segments.headers, piece].concat());
                }
                packets
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn what_is_joined_and_cut_again_is_what_was(
            ipv6: bool, start: u32, size in 1_usize..1400, count in 1_usize..20, last in 0_usize..1400, push: bool,
        ) {
            let mut packets = Vec::new();
            let mut number = start;
            for i in 0..count {
                packets.push(tcp(ipv6, number, ACK, &vec![i as u8; size]));
                number = number.wrapping_add(size as u32);
            }
            packets.push(tcp(ipv6, number, if push { ACK | PSH } else { ACK }, &vec![7; last.clamp(1, size)]));
            let mut identification = 0x1234_u16;
            if !ipv6 {
                for packet in &mut packets {
                    packet[4..6].copy_from_slice(&identification.to_be_bytes());
                    packet[10..12].fill(0);
                    let sum = packet::checksum(0, &packet[..20]);
                    packet[10..12].copy_from_slice(&sum.to_be_bytes());
                    identification += 1;
                }
            }
            let joined = join(&packets);
            prop_assert_eq!(joined.len(), 1);
            let again = cut(&joined[0]);
            prop_assert!(again.iter().all(|packet| right(packet)));
            prop_assert_eq!(again, packets);
        }

        #[test]
        fn any_octets_in_front_of_any_packet_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..200), kind in 0_u8..6) {
            let mut octets = octets;
            if let Some(place) = octets.get_mut(1) { *place = kind; }
            if let Some(Incoming::Segments(mut segments)) = incoming(&mut octets) {
                while segments.next().is_some() {}
            }
            let _ = join(&[octets.clone(), octets]);
        }
    }

    #[test]
    fn what_differs_is_not_joined_and_order_is_kept() {
        let base = tcp(false, 1000, ACK, &[1; 100]);
        let next = tcp(false, 1100, ACK, &[2; 100]);
        assert_eq!(join(&[base.clone(), next.clone()]).len(), 1);
        let mut wrong_checksum = next.clone();
        wrong_checksum[60] ^= 1;
        let mut other_ttl = next.clone();
        other_ttl[8] -= 1;
        let mut other_window = tcp(false, 1100, ACK, &[2; 100]);
        other_window[34] ^= 1;
        let cases = [
            wrong_checksum,
            other_ttl,
            other_window,
            tcp(false, 1101, ACK, &[2; 100]),
            tcp(false, 1100, ACK, &[2; 101]),
            tcp(false, 1100, ACK | FIN, &[2; 100]),
            tcp(false, 1100, ACK, &[]),
            tcp(true, 1100, ACK, &[2; 100]),
            v4([10, 1, 0, 1], [10, 2, 0, 1], 17, &[0; 30]),
        ];
        for other in cases {
            let written = join(&[base.clone(), other.clone()]);
            assert_eq!(written.len(), 2, "{other:02x?}");
            for (octets, packet) in written.iter().zip([&base, &other]) {
                assert_eq!(octets[..HEADER_LEN], [0; HEADER_LEN]);
                assert_eq!(octets[HEADER_LEN..], packet[..]);
            }
        }
    }

    #[test]
    fn a_checksum_left_open_is_completed() {
        let whole = tcp(false, 5, ACK, &[3; 77]);
        let mut open = vec![NEEDS_CSUM, GSO_NONE, 0, 0, 0, 0, 20, 0, 16, 0];
        open.extend(&whole);
        let partial = !packet::checksum(packet::add_octets(pseudo(&whole[..20], 109), &[]), &[]);
        open[HEADER_LEN + 36..HEADER_LEN + 38].copy_from_slice(&partial.to_be_bytes());
        assert_eq!(cut(&open), [whole]);
    }
}
