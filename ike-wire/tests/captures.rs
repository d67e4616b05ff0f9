//! Captures of other implementations (tests/captures/README.md) against a listing of their
//! messages that other software made.
#![allow(clippy::unwrap_used)]

use ike_wire::{Datagram, DecodeErrorKind, Message, PayloadType, classify};

struct Udp {
    frame: usize,
    ports: [u16; 2],
    data: Vec<u8>,
}

/// UDP datagrams of a little-endian pcap file with IPv4 inside; fragments are left out.
fn datagrams(pcap: &[u8]) -> Vec<Udp> {
    let long = |at: usize| u32::from_le_bytes(pcap[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(long(0), 0xa1b2_c3d4);
    let link_header = match long(20) {
        0 => 4,
        1 => 14,
        101 => 0,
        other => panic!("link type {other}"),
    };
    let mut found = Vec::new();
    let (mut at, mut frame) = (24, 0);
    while at < pcap.len() {
        let size = long(at + 8);
        let ip = &pcap[at + 16 + link_header..at + 16 + size];
        at += 16 + size;
        frame += 1;
        assert_eq!((ip[0] >> 4, ip[9]), (4, 17), "IPv4 and UDP");
        if ip[6] & 0x3f != 0 || ip[7] != 0 {
            continue;
        }
        let udp = &ip[usize::from(ip[0] & 15) * 4..];
        let short = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
        found.push(Udp {
            frame,
            ports: [short(0), short(2)],
            data: udp[8..usize::from(short(4))].to_vec(),
        });
    }
    found
}

fn capture(file: &str) -> Vec<Udp> {
    let path = format!("{}/tests/captures/{file}", env!("CARGO_MANIFEST_DIR"));
    datagrams(&std::fs::read(path).unwrap())
}

fn ike(udp: &Udp) -> &[u8] {
    match classify(&udp.data, udp.ports.contains(&4500)) {
        Datagram::Ike(message) => message,
        other => panic!("{other:?}"),
    }
}

fn short_name(kind: PayloadType) -> &'static str {
    match kind {
        PayloadType::SA => "SA",
        PayloadType::KE => "KE",
        PayloadType::NONCE => "Nonce",
        PayloadType::NOTIFY => "N",
        PayloadType::VENDOR_ID => "V",
        PayloadType::SK => "SK",
        PayloadType::SKF => "SKF",
        other => panic!("{other}"),
    }
}

#[test]
fn messages_of_other_implementations_are_shown_as_others_show_them() {
    let mut listing = String::new();
    let files = include_str!("captures/expected.txt").lines();
    let mut files: Vec<_> = files.filter_map(|line| line.split(' ').next()).collect();
    files.dedup();
    for file in files {
        for udp in &capture(file) {
            let frame = udp.frame;
            let message =
                Message::decode(ike(udp)).unwrap_or_else(|error| panic!("{file} {frame}: {error}"));
            let header = &message.header;
            let types: Vec<_> = message
                .payloads
                .iter()
                .map(|p| short_name(p.kind()))
                .collect();
            listing += &format!(
                "{file} {frame} {} {:02x} {} {} {} {} {}\n",
                header.exchange.0,
                header.flags.octet(),
                header.message_id.0,
                header.spi_i,
                header.spi_r,
                header.length,
                types.join(" ")
            );
        }
    }
    assert_eq!(listing, include_str!("captures/expected.txt"));
}

#[test]
fn captured_messages_are_written_as_they_were_read() {
    let mut seen = 0;
    for line in include_str!("captures/expected.txt").lines() {
        let mut words = line.split(' ');
        let file = words.next().unwrap();
        let frame: usize = words.next().unwrap().parse().unwrap();
        let capture = capture(file);
        let captured = capture.iter().find(|udp| udp.frame == frame).unwrap();
        let mut again = Vec::new();
        Message::decode(ike(captured)).unwrap().encode(&mut again);
        assert_eq!(again, ike(captured), "{line}");
        seen += 1;
    }
    assert_eq!(seen, 33);
}

#[test]
fn the_offset_of_sk_is_where_its_contents_start() {
    let captured = capture("zeek-plugin-ikev2-tests-Traces-ikev2.pcap");
    let fragment = Message::decode(ike(&captured[4])).unwrap();
    assert_eq!(fragment.sk_body_offset(), Some(28 + 4 + 4));
    let whole = Message::decode(ike(&captured[6])).unwrap();
    assert_eq!(whole.sk_body_offset(), Some(28 + 4));
    let clear = Message::decode(ike(&captured[0])).unwrap();
    assert_eq!(clear.sk_body_offset(), None);
}

#[test]
fn captured_malformed_messages_are_refused() {
    let error = |file| Message::decode(ike(&capture(file)[0])).unwrap_err();
    let short = error("tcpdump-ikev2-id-short.pcap");
    assert_eq!(
        (short.kind, short.within),
        (DecodeErrorKind::ShortPayload, PayloadType::IDI)
    );
    let trailing = error("tcpdump-ikev2-id-normal.pcap");
    assert_eq!(
        (trailing.kind, trailing.offset),
        (DecodeErrorKind::TrailingOctets, 37)
    );
}
