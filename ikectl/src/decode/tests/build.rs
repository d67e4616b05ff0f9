//! Makes messages, packets and files, each time the same.
use ike_crypto::{Cipher, Integ, Secret, SkCipher};
use ike_wire::payload::{Identification, Notify};
use ike_wire::{
    Chain, ExchangeType, Flags, Header, IdType, Message, MessageId, NotifyType, Payload,
    PayloadType, SkKind, Spi, encode_sk_prefix,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

pub(super) const SPI_I: Spi = Spi(*b"initiate");
pub(super) const SPI_R: Spi = Spi(*b"responds");

pub(super) const GCM: Cipher = Cipher::AesGcm16 { key_bits: 256 };
pub(super) const CBC: Cipher = Cipher::AesCbc {
    key_bits: 128,
    integ: Integ::HmacSha2_256_128,
};
pub(super) const CHACHA: Cipher = Cipher::ChaCha20Poly1305;

/// SK_ei, SK_er, SK_ai, SK_ar of a generation: octets that count on.
pub(super) fn keys(cipher: Cipher, generation: u8) -> [Secret; 4] {
    let key = |which: u8, len: usize| {
        let first = generation * 64 + which * 16;
        Secret::new((0..len).map(|i| first.wrapping_add(i as u8)).collect())
    };
    let (e, a) = (cipher.encr_key_len(), cipher.integ_key_len());
    [key(0, e), key(1, e), key(2, a), key(3, a)]
}

/// The row of a generation.
pub(super) fn row(cipher: Cipher, generation: u8) -> String {
    let hex = |secret: &Secret| -> String {
        let digits = secret.expose().iter();
        digits.map(|octet| format!("{octet:02x}")).collect()
    };
    let [ei, er, ai, ar] = keys(cipher, generation);
    let (encr, integ) = match cipher {
        Cipher::AesGcm16 { key_bits } => (
            format!("AES-GCM-{key_bits} with 16 octet ICV [RFC5282]"),
            "NONE [RFC4306]",
        ),
        Cipher::AesCbc { key_bits, .. } => (
            format!("AES-CBC-{key_bits} [RFC3602]"),
            "HMAC_SHA2_256_128 [RFC4868]",
        ),
        _ => ("ChaCha20-Poly1305 [RFC7634]".into(), "NONE [RFC4306]"),
    };
    let (ei, er, ai, ar) = (hex(&ei), hex(&er), hex(&ai), hex(&ar));
    format!("{SPI_I},{SPI_R},{ei},{er},\"{encr}\",{ai},{ar},\"{integ}\"\n")
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum From {
    Initiator,
    Responder,
}

pub(super) fn head(exchange: ExchangeType, id: u32, from: From) -> Header {
    // Every request is the initiator's here.
    let flags = Flags {
        initiator: from == From::Initiator,
        response: from == From::Responder,
        ..Flags::default()
    };
    Header::new(SPI_I, SPI_R, exchange, flags, MessageId(id))
}

/// Inner payloads that are easy to know again.
pub(super) fn identity(name: &'static str) -> Vec<Payload<'static>> {
    let id = Identification::new(IdType::FQDN, name.as_bytes());
    let contact = Notify::new(NotifyType::INITIAL_CONTACT, &b""[..]);
    vec![ike_wire::payload::Body::IdI(id).into(), contact.into()]
}

pub(super) fn init(from: From) -> Vec<u8> {
    let mut header = head(ExchangeType::IKE_SA_INIT, 0, from);
    if from == From::Initiator {
        header.spi_r = Spi::ZERO;
    }
    let nonce = ike_wire::payload::Body::Nonce(vec![7; 32].into());
    let fragments = Notify::new(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED, &b""[..]);
    let mut out = Vec::new();
    let payloads = vec![nonce.into(), fragments.into()];
    Message { header, payloads }.encode(&mut out);
    out
}

/// One SK message, or as many SKF as `size` makes of the inner payloads.
pub(super) fn sealed(
    (cipher, generation): (Cipher, u8),
    header: &Header,
    payloads: Vec<Payload<'static>>,
    size: Option<usize>,
) -> Vec<Vec<u8>> {
    let mut plain = Vec::new();
    let next = Chain { payloads }.encode(&mut plain);
    let [ei, er, ai, ar] = keys(cipher, generation);
    let (e, a) = if header.flags.initiator {
        (ei, ai)
    } else {
        (er, ar)
    };
    let mut sealer = SkCipher::new(cipher, &e, &a).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(header.message_id.0.into());
    let pieces: Vec<&[u8]> = match size {
        None => vec![&plain],
        Some(size) => plain.chunks(size).collect(),
    };
    let total = u16::try_from(pieces.len()).unwrap();
    let mut messages = Vec::new();
    for (number, piece) in (1..).zip(pieces) {
        let kind = match size {
            None => SkKind::Sk { next },
            Some(_) => SkKind::Skf {
                next: if number == 1 { next } else { PayloadType::NONE },
                number,
                total,
            },
        };
        let mut out = Vec::new();
        let len = piece.len() + sealer.overhead(piece.len());
        encode_sk_prefix(header, &[], kind, len, &mut out).unwrap();
        sealer.seal(&mut out, piece, &mut rng).unwrap();
        messages.push(out);
    }
    messages
}

fn sum(octets: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in octets.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

/// A UDP datagram without addresses, checksum as it should be for IPv4 or IPv6.
fn udp(addresses: &[u8], ports: [u16; 2], data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len() + 8).unwrap();
    let mut out = Vec::new();
    out.extend(ports[0].to_be_bytes());
    out.extend(ports[1].to_be_bytes());
    out.extend(len.to_be_bytes());
    out.extend([0, 0]);
    out.extend(data);
    let pseudo = [addresses, &[0, 17], &len.to_be_bytes(), &out].concat();
    out[6..8].copy_from_slice(&sum(&pseudo).to_be_bytes());
    out
}

const V4: [u8; 8] = [192, 0, 2, 1, 192, 0, 2, 2];

/// IPv4 with protocol and payload.
pub(super) fn ipv4(protocol: u8, id: u16, place: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x45, 0];
    out.extend(u16::try_from(payload.len() + 20).unwrap().to_be_bytes());
    out.extend(id.to_be_bytes());
    out.extend(place.to_be_bytes());
    out.extend([64, protocol, 0, 0]);
    out.extend(V4);
    let checksum = sum(&out);
    out[10..12].copy_from_slice(&checksum.to_be_bytes());
    out.extend(payload);
    out
}

pub(super) fn udp4(ports: [u16; 2], data: &[u8]) -> Vec<u8> {
    ipv4(17, 1, 0x4000, &udp(&V4, ports, data))
}

/// The same in fragments of `size` octets.
pub(super) fn udp4_fragments(ports: [u16; 2], id: u16, data: &[u8], size: usize) -> Vec<Vec<u8>> {
    let whole = udp(&V4, ports, data);
    let last = whole.len().div_ceil(size) - 1;
    let fragment = |(at, piece): (usize, &[u8])| {
        let more = if at < last { 0x2000 } else { 0 };
        ipv4(17, id, more | u16::try_from(at * size / 8).unwrap(), piece)
    };
    whole.chunks(size).enumerate().map(fragment).collect()
}

const V6: [u8; 32] = {
    let mut addresses = [0; 32];
    let prefix = [0x20, 0x01, 0x0d, 0xb8];
    let mut i = 0;
    while i < 4 {
        addresses[i] = prefix[i];
        addresses[16 + i] = prefix[i];
        i += 1;
    }
    addresses[15] = 1;
    addresses[31] = 2;
    addresses
};

fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x60, 0, 0, 0];
    out.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    out.extend([next, 64]);
    out.extend(V6);
    out.extend(payload);
    out
}

/// Behind a hop-by-hop header, so that one is there.
pub(super) fn udp6(ports: [u16; 2], data: &[u8]) -> Vec<u8> {
    let hop_by_hop = [17, 0, 1, 4, 0, 0, 0, 0];
    ipv6(0, &[&hop_by_hop[..], &udp(&V6, ports, data)].concat())
}

pub(super) fn udp6_fragments(ports: [u16; 2], id: u32, data: &[u8], size: usize) -> Vec<Vec<u8>> {
    let whole = udp(&V6, ports, data);
    let last = whole.len().div_ceil(size) - 1;
    let fragment = |(at, piece): (usize, &[u8])| {
        let place = u16::try_from(at * size).unwrap() | u16::from(at < last);
        let header = [&[17, 0][..], &place.to_be_bytes(), &id.to_be_bytes()].concat();
        ipv6(44, &[&header[..], piece].concat())
    };
    whole.chunks(size).enumerate().map(fragment).collect()
}

/// With the non-ESP marker.
pub(super) fn marked(message: &[u8]) -> Vec<u8> {
    [&[0; 4][..], message].concat()
}

pub(super) fn ethernet(packet: &[u8]) -> Vec<u8> {
    let kind: &[u8] = if packet[0] >> 4 == 6 {
        &[0x86, 0xdd]
    } else {
        &[0x08, 0x00]
    };
    [&[2; 12], kind, packet].concat()
}

/// A pcap file, a frame each second.
pub(super) fn pcap(link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(0xa1b2_c3d4_u32.to_le_bytes());
    out.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0]);
    out.extend(link.to_le_bytes());
    for (second, frame) in (1_800_000_000_u32..).zip(frames) {
        let len = u32::try_from(frame.len()).unwrap();
        for field in [second, 123_456, len, len] {
            out.extend(field.to_le_bytes());
        }
        out.extend(frame);
    }
    out
}
