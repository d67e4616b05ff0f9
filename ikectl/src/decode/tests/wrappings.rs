//! Link layers, VLAN tags, IP versions and fragments, file formats and byte orders: the same message is
//! found in each.
use super::build::*;
use super::files::{own, own_keys};
use super::*;
use ike_crypto::{Cipher, Integ};
use ike_wire::ExchangeType;

fn message() -> Vec<u8> {
    let header = head(ExchangeType::INFORMATIONAL, 5, From::Initiator);
    sealed((CHACHA, 0), &header, identity("found.example.org"), None).remove(0)
}

fn finds(link: u32, frames: &[Vec<u8>]) {
    let out = text(Some(&row(CHACHA, 0)), &pcap(link, frames));
    assert!(out.contains("found.example.org"), "link type {link}: {out}");
    assert!(!out.contains("note:"), "{out}");
}

#[test]
fn every_link_type_is_taken_off() {
    let v4 = udp4([500, 40000], &message());
    let v6 = udp6([40000, 500], &message());
    for packet in [&v4, &v6] {
        let (kind, family): ([u8; 2], u8) = if packet[0] >> 4 == 4 {
            ([0x08, 0x00], 2)
        } else {
            ([0x86, 0xdd], 10)
        };
        let before = |head: &[u8]| vec![[head, packet].concat()];
        finds(0, &before(&[family, 0, 0, 0]));
        finds(108, &before(&[0, 0, 0, family]));
        finds(1, &before(&[&[2; 12][..], &kind].concat()));
        let vlan = [0x81, 0x00, 0x00, 0x05];
        finds(1, &before(&[&[2; 12][..], &vlan, &kind].concat()));
        let stacked = [0x88, 0xa8, 0x00, 0x07, 0x81, 0x00, 0x00, 0x05];
        finds(1, &before(&[&[2; 12][..], &stacked, &kind].concat()));
        finds(113, &before(&[&[0; 14][..], &kind].concat()));
        finds(276, &before(&[&kind[..], &[0; 18]].concat()));
        for raw in [12, 14, 101, 228, 229] {
            finds(raw, &before(&[]));
        }
        // Padding of Ethernet.
        finds(1, &[[&ethernet(packet)[..], &[0; 12]].concat()]);
    }
    let out = text(None, &pcap(147, &[v4]));
    assert!(out.contains("link type that is not known here"), "{out}");
}

#[test]
fn ip_fragments_are_put_together_in_any_order() {
    let v4 = udp4_fragments([4500, 4500], 1, &marked(&message()), 24);
    let v6 = udp6_fragments([4500, 4500], 1, &marked(&message()), 24);
    for mut fragments in [v4, v6] {
        assert!(fragments.len() >= 5);
        finds(101, &fragments);
        fragments.reverse();
        finds(101, &fragments);
        fragments.swap(0, 2);
        fragments.insert(1, fragments[3].clone());
        finds(101, &fragments);
        fragments.pop();
        fragments.pop();
        let out = text(Some(&row(CHACHA, 0)), &pcap(101, &fragments));
        assert!(
            out.contains("1 IP packets of which fragments are missing"),
            "{out}"
        );
    }
}

#[test]
fn ip_fragments_that_overlap_are_refused() {
    let mut fragments = udp4_fragments([4500, 4500], 1, &marked(&message()), 24);
    let mut other = fragments[1].clone();
    *other.last_mut().unwrap() ^= 1;
    fragments.insert(2, other);
    let out = text(Some(&row(CHACHA, 0)), &pcap(101, &fragments));
    assert!(out.contains("fragments that overlap"), "{out}");
    assert!(!out.contains("found.example.org"));
}

#[test]
fn wrong_checksums_are_noted_but_not_those_left_to_the_card() {
    let key = row(CHACHA, 0);
    let good = udp4([500, 500], &message());
    let mut udp = good.clone();
    udp[26] ^= 1;
    let out = text(Some(&key), &pcap(101, &[udp]));
    assert!(out.contains("note: UDP checksum is wrong"), "{out}");
    assert!(out.contains("found.example.org"));
    let mut ip = good.clone();
    ip[8] = 63;
    let out = text(Some(&key), &pcap(101, &[ip]));
    assert!(out.contains("note: IPv4 header checksum is wrong"), "{out}");
    // None, and the sum of the pseudo header alone.
    let length = u32::try_from(good.len() - 20).unwrap();
    let addresses: u32 = [0xc000, 0x0201, 0xc000, 0x0202].iter().sum();
    let mut partial = addresses + 17 + length;
    partial = (partial >> 16) + (partial & 0xffff);
    for checksum in [0, partial as u16] {
        let mut left = good.clone();
        left[26..28].copy_from_slice(&checksum.to_be_bytes());
        finds(101, &[left]);
    }
}

#[test]
fn a_message_that_the_capture_cut_is_told_with_its_header() {
    let whole = pcap(101, &[udp4([500, 500], &message())]);
    // The captured length is the third number of the record.
    let mut cut = whole[..whole.len() - 10].to_vec();
    let captured = u32::try_from(cut.len() - 40).unwrap();
    cut[32..36].copy_from_slice(&captured.to_le_bytes());
    let out = text(Some(&row(CHACHA, 0)), &cut);
    assert!(out.contains("INFORMATIONAL"), "{out}");
    assert!(
        out.contains("the capture lacks its last 10 octets"),
        "{out}"
    );
}

#[test]
fn a_file_that_ends_early_or_lies_gives_what_was_before_and_an_error() {
    let file = own();
    let (out, error) = decode(Form::Text, None, &file[..file.len() - 1]);
    assert!(out.contains("frame 1,"));
    assert!(error.unwrap().starts_with("the file is cut after frame"));
    let mut lies = file;
    lies[32..36].copy_from_slice(&[0xff; 4]);
    let (_, error) = decode(Form::Text, None, &lies);
    assert_eq!(error.unwrap(), "a length behind frame 0 cannot be right");
    for no_capture in [&b""[..], b"GIF89a", &[0xa1, 0xb2, 0xc3, 0xd4, 0]] {
        let (_, error) = decode(Form::Text, None, no_capture);
        assert!(error.unwrap().starts_with("not a capture"));
    }
}

/// The same with the other byte order, and with nanoseconds.
#[test]
fn both_byte_orders_and_both_units_of_time_are_read() {
    let packet = udp4([500, 500], &message());
    let len = u32::try_from(packet.len()).unwrap();
    let mut shown = Vec::new();
    for (magic, fraction) in [(0xa1b2_c3d4_u32, 123_456_u32), (0xa1b2_3c4d, 123_456_000)] {
        for big in [false, true] {
            let number = |n: u32| {
                if big {
                    n.to_be_bytes()
                } else {
                    n.to_le_bytes()
                }
            };
            let head = [magic, 0x0002_0004, 0, 0, 65535, 101];
            let fields = head.into_iter().chain([1_800_000_000, fraction, len, len]);
            let mut file: Vec<u8> = fields.flat_map(number).collect();
            file.extend(&packet);
            shown.push(text(Some(&row(CHACHA, 0)), &file));
        }
    }
    assert!(shown[0].contains("found.example.org"));
    assert!(
        shown[0].contains("2027-01-15 08:00:00.123456 UTC"),
        "{}",
        shown[0]
    );
    shown.dedup();
    assert_eq!(shown.len(), 1);
}

#[test]
fn pcapng_blocks_of_every_kind_are_read_in_both_byte_orders() {
    let packet = udp4([500, 500], &message());
    let len = u32::try_from(packet.len()).unwrap();
    for big in [false, true] {
        let n32 = |n: u32| {
            if big {
                n.to_be_bytes()
            } else {
                n.to_le_bytes()
            }
        };
        let n16 = |n: u16| {
            if big {
                n.to_be_bytes()
            } else {
                n.to_le_bytes()
            }
        };
        let block = |kind: u32, body: &[u8]| {
            let mut body = body.to_vec();
            body.resize(body.len().next_multiple_of(4), 0);
            let length = n32(u32::try_from(body.len() + 12).unwrap());
            [&n32(kind)[..], &length, &body, &length].concat()
        };
        let section = [&n32(0x1a2b_3c4d)[..], &n32(0x0001_0000), &[0xff; 8]].concat();
        // Two interfaces: raw IP with milliseconds and an offset, loopback with microseconds.
        let milli = [&n16(9)[..], &n16(1), &[3, 0, 0, 0]].concat();
        let mut offset = 1_700_000_000_u64.to_le_bytes();
        if big {
            offset.reverse();
        }
        let offset = [&n16(14)[..], &n16(8), &offset].concat();
        let raw = [&n16(101)[..], &[0; 2], &n32(0), &milli, &offset, &[0; 4]].concat();
        let loopback = [&n16(0)[..], &[0; 2], &n32(0)].concat();
        let on = |interface: &[u8], octets: &[u8]| {
            let len = n32(u32::try_from(octets.len()).unwrap());
            let ticks = [n32(0), n32(100_000_500)].concat();
            [interface, &ticks, &len, &len, octets].concat()
        };
        let looped = [&[2, 0, 0, 0][..], &packet].concat();
        let file = [
            block(0x0a0d_0d0a, &section),
            block(1, &raw),
            block(1, &loopback),
            block(5, &[0; 12]),
            block(6, &on(&n32(0), &packet)),
            block(2, &on(&[n16(1), n16(0)].concat(), &looped)),
            block(3, &[&n32(len)[..], &packet].concat()),
            // A section of its own has its own interfaces.
            block(0x0a0d_0d0a, &section),
            block(1, &loopback),
            block(6, &on(&n32(0), &looped)),
        ]
        .concat();
        let out = text(Some(&row(CHACHA, 0)), &file);
        assert_eq!(out.matches("found.example.org").count(), 4, "{out}");
        assert!(
            out.contains("frame 1, 2023-11-16 02:00:00.500000 UTC"),
            "{out}"
        );
        assert!(
            out.contains("frame 2, 1970-01-01 00:01:40.000500 UTC"),
            "{out}"
        );
        assert!(out.contains("frame 3, 192.0.2.1:500"), "{out}");
        let strange = block(6, &on(&n32(7), &packet));
        let (_, error) = decode(Form::Text, None, &[file, strange].concat());
        let error = error.unwrap();
        assert!(
            error.contains("an interface that is not described"),
            "{error}"
        );
    }
}

#[test]
fn keys_are_read_as_everybody_writes_them() {
    let rows = own_keys();
    let spaced = rows.replace(',', " , ").to_uppercase().replace('"', "");
    let (_, errors) = Keys::parse(&format!("\u{feff}\r\n{spaced}"));
    assert_eq!(errors, []);
    assert!(text(Some(&spaced), &own()).contains("client.example.org"));
}

#[test]
fn rows_in_error_are_told_by_line_and_without_their_keys() {
    let good = row(GCM, 0);
    let file = format!(
        "{}{}{}{}{}{}",
        good.replacen(',', ";", 1),
        good.replacen("69", "6", 1),
        good.replacen("0001", "000g", 1),
        good.replacen("0001", "00", 1),
        good.replace("AES-GCM-256 with 16 octet ICV", "CAMELLIA-CBC-256"),
        good
    );
    let (keys, errors) = Keys::parse(&file);
    let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "line 1: a row has eight fields, separated by commas",
            "line 2: an SPI has 16 hexadecimal digits",
            "line 3: a key is not hexadecimal",
            "line 4: a key has not the length that its algorithm needs",
            "line 5: an algorithm that is not supported here",
        ]
    );
    let lines: Vec<usize> = keys.of(SPI_I, SPI_R).map(|row| row.line).collect();
    assert_eq!(lines, [6, 5]);
    assert!(!format!("{keys:?}").contains("00010203"));
}

#[test]
fn a_key_of_an_algorithm_that_is_not_there_is_named() {
    let keys = row(GCM, 0).replace("AES-GCM-256 with 16 octet ICV", "CAMELLIA-CBC-256");
    let mut decoder = Decoder::new(Form::Text, Some(Keys::parse(&keys).0));
    let mut out = String::new();
    for frame in Capture::open(&own()[..]).unwrap() {
        decoder.frame(&frame.unwrap(), &mut out);
    }
    assert!(
        out.contains(
            "not opened: CAMELLIA-CBC-256 with NONE (line 1 of the keys) is not supported"
        ),
        "{out}"
    );
}

/// iked writes rows of AES-XCBC and AES-CMAC so, because Wireshark has no names for them.
#[test]
fn a_mac_that_wireshark_cannot_name_is_found_and_checked() {
    for integ in [Integ::AesXcbc96, Integ::AesCmac96, Integ::HmacSha1_96] {
        let cipher = Cipher::AesCbc {
            key_bits: 128,
            integ,
        };
        let header = head(ExchangeType::INFORMATIONAL, 5, From::Initiator);
        let message = sealed((cipher, 1), &header, identity("found.example.org"), None).remove(0);
        let named = row(cipher, 1);
        assert!(named.contains("HMAC_SHA2_256_128"));
        let any = "ANY 96-bits of Authentication [No Checking]";
        let any = named.replace("HMAC_SHA2_256_128 [RFC4868]", any);
        let out = text(Some(&any), &pcap(101, &[udp4([500, 500], &message)]));
        assert!(out.contains("found.example.org"), "{out}");
        let mut changed = message;
        *changed.last_mut().unwrap() ^= 1;
        let out = text(Some(&any), &pcap(101, &[udp4([500, 500], &changed)]));
        assert!(out.contains("integrity check failed"), "{out}");
    }
}
