//! ESP packets (RFC 4303 §2): header, IV, padding, trailer and ICV around a payload. Pure functions over
//! octets; sequence numbers and selectors are the callers'.
use ike_crypto::{Cipher, CipherKeys};

/// Octets of SPI and sequence number.
pub(super) const HEADER_LEN: usize = 8;
/// Next header: IPv4 inside.
pub(super) const NEXT_IPV4: u8 = 4;
/// Next header: IPv6 inside.
pub(super) const NEXT_IPV6: u8 = 41;
/// Next header: a dummy packet (RFC 4303 §2.6).
pub(super) const NEXT_NONE: u8 = 59;

/// Why a packet was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenError {
    /// Not even header, IV, trailer and ICV.
    Short,
    /// Wrong ICV.
    Authentication,
    /// Authenticated, but the padding is not 1, 2, 3, … or longer than the packet.
    Padding,
}

/// Appends a whole ESP packet to `out`; its payload comes in two pieces. `iv` has the cipher's length and was never used with this key.
pub(super) fn seal(
    keys: &CipherKeys,
    spi: u32,
    number: u64,
    esn: bool,
    iv: &[u8],
    (next_header, payload): (u8, [&[u8]; 2]),
    out: &mut Vec<u8>,
) -> Result<(), ike_crypto::CryptoError> {
    let start = out.len();
    out.extend_from_slice(&spi.to_be_bytes());
    out.extend_from_slice(&(number as u32).to_be_bytes());
    out.extend_from_slice(iv);
    let plain_from = out.len();
    let [head, tail] = payload;
    out.extend_from_slice(head);
    out.extend_from_slice(tail);
    let padding = padding(keys.cipher(), head.len() + tail.len());
    //= rfc4303#2.4: padding octets are 1, 2, 3, … unless the cipher says otherwise
    out.extend_from_slice(&PADDING[..padding]);
    out.extend_from_slice(&[padding as u8, next_header]);
    let aad = Aad::new(keys.cipher(), spi, number, esn);
    let sealed = keys.seal(iv, aad.aad(), aad.mac_suffix(), out, plain_from);
    if sealed.is_err() {
        out.truncate(start);
    }
    sealed
}

/// The SPI and the lower half of the sequence number, if this can be an ESP packet.
pub(super) fn header(packet: &[u8]) -> Option<(u32, u32)> {
    let [a, b, c, d, e, f, g, h] = *packet.first_chunk::<HEADER_LEN>()?;
    Some((
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    ))
}

/// Verifies and decrypts a whole ESP packet in place: next header and payload (TFC padding included).
pub(super) fn open<'p>(
    keys: &CipherKeys,
    number: u64,
    esn: bool,
    packet: &'p mut [u8],
) -> Result<(u8, &'p mut [u8]), OpenError> {
    let (spi, _) = header(packet).ok_or(OpenError::Short)?;
    let cipher = keys.cipher();
    let (head, body) = packet
        .split_at_mut_checked(HEADER_LEN + cipher.iv_len())
        .ok_or(OpenError::Short)?;
    let iv = head.get(HEADER_LEN..).ok_or(OpenError::Short)?;
    let aad = Aad::new(cipher, spi, number, esn);
    let plain = keys
        .open(iv, aad.aad(), aad.mac_suffix(), body)
        .map_err(|_| OpenError::Authentication)?;
    let (rest, &mut [padding, next_header]) =
        plain.split_last_chunk_mut::<2>().ok_or(OpenError::Short)?;
    let payload_len = rest
        .len()
        .checked_sub(padding.into())
        .ok_or(OpenError::Padding)?;
    let (payload, pad) = rest
        .split_at_mut_checked(payload_len)
        .ok_or(OpenError::Padding)?;
    //= rfc4303#2.4: the receiver inspects the padding
    if pad != &PADDING[..pad.len()] {
        return Err(OpenError::Padding);
    }
    Ok((next_header, payload))
}

/// Octets of padding a payload gets.
fn padding(cipher: Cipher, payload: usize) -> usize {
    let align = alignment(cipher);
    (payload + 2).next_multiple_of(align) - payload - 2
}

/// The longest payload of a packet of at most `len` octets, ESP header included.
pub(super) fn largest_payload(cipher: Cipher, len: usize) -> usize {
    let room = len.saturating_sub(HEADER_LEN + cipher.iv_len() + cipher.icv_len());
    (room - room % alignment(cipher)).saturating_sub(2)
}

fn alignment(cipher: Cipher) -> usize {
    //= rfc4303#2.4: the trailer ends on a four-octet boundary, whatever the cipher's block
    cipher.block_len().max(4)
}

/// Additional authenticated data and what a MAC covers behind the ciphertext.
struct Aad {
    octets: [u8; 12],
    len: usize,
    suffix: [u8; 4],
    suffix_len: usize,
}

impl Aad {
    fn new(cipher: Cipher, spi: u32, number: u64, esn: bool) -> Self {
        let mut octets = [0; 12];
        octets[..4].copy_from_slice(&spi.to_be_bytes());
        let suffix = ((number >> 32) as u32).to_be_bytes();
        //= rfc4106#5: with ESN an AEAD authenticates SPI and all 64 bits of the number
        //= rfc4303#2.2.1: a separate MAC has the upper 32 bits behind the packet instead
        let (len, suffix_len) = if esn && cipher.is_aead() {
            octets[4..].copy_from_slice(&number.to_be_bytes());
            (12, 0)
        } else {
            octets[4..8].copy_from_slice(&(number as u32).to_be_bytes());
            (8, if esn { 4 } else { 0 })
        };
        Self {
            octets,
            len,
            suffix,
            suffix_len,
        }
    }
    fn aad(&self) -> &[u8] {
        &self.octets[..self.len]
    }
    fn mac_suffix(&self) -> &[u8] {
        &self.suffix[..self.suffix_len]
    }
}

const PADDING: [u8; 255] = {
    let mut octets = [0; 255];
    let mut i = 0;
    while i < octets.len() {
        octets[i] = i as u8 + 1;
        i += 1;
    }
    octets
};

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;
    use ike_crypto::{Integ, Secret};
    use proptest::prelude::*;

    fn ciphers() -> impl Strategy<Value = Cipher> {
        let bits = prop::sample::select(vec![128_u16, 192, 256]);
        let integ = prop::sample::select(vec![
            Integ::HmacSha2_256_128,
            Integ::HmacSha2_384_192,
            Integ::HmacSha2_512_256,
        ]);
        prop_oneof![
            bits.clone()
                .prop_map(|key_bits| Cipher::AesGcm16 { key_bits }),
            Just(Cipher::ChaCha20Poly1305),
            (bits, integ).prop_map(|(key_bits, integ)| Cipher::AesCbc { key_bits, integ }),
        ]
    }

    fn keys(cipher: Cipher, seed: u8) -> CipherKeys {
        CipherKeys::new(
            cipher,
            &Secret::new(vec![seed; cipher.encr_key_len()]),
            &Secret::new(vec![!seed; cipher.integ_key_len()]),
        )
        .unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn what_is_sealed_opens_and_any_changed_bit_is_noticed(
            cipher in ciphers(), esn: bool, number in 1..u64::MAX, spi: u32,
            payload in proptest::collection::vec(any::<u8>(), 0..200), next: u8,
            flip in any::<prop::sample::Index>(), bit in 0_u8..8,
        ) {
            let keys = keys(cipher, 3);
            let iv = vec![9; cipher.iv_len()];
            let mut sealed = vec![0xee; 3];
            seal(&keys, spi, number, esn, &iv, (next, [&payload, &[]]), &mut sealed).unwrap();
            prop_assert_eq!(&sealed[..3], [0xee; 3]);
            let mut packet = sealed.split_off(3);
            prop_assert_eq!(packet.len() % 4, 0);
            prop_assert!(largest_payload(cipher, packet.len()) >= payload.len());
            prop_assert_eq!(header(&packet), Some((spi, number as u32)));
            let mut changed = packet.clone();
            let (got_next, got) = open(&keys, number, esn, &mut packet).unwrap();
            prop_assert_eq!((got_next, &*got), (next, &*payload));
            let at = flip.index(changed.len());
            changed[at] ^= 1_u8 << bit;
            // The number is not read from the packet here: what matters is what was authenticated.
            let expected = if (4..8).contains(&at) { number ^ u64::from(u32::from_be_bytes(core::array::from_fn(|i| if i == at - 4 { 1_u8 << bit } else { 0 }))) } else { number };
            prop_assert_eq!(open(&keys, expected, esn, &mut changed).unwrap_err(), OpenError::Authentication);
        }

        #[test]
        fn the_upper_half_of_the_number_is_authenticated(cipher in ciphers(), number in 1..u64::MAX >> 1) {
            let keys = keys(cipher, 3);
            let iv = vec![9; cipher.iv_len()];
            let mut packet = Vec::new();
            seal(&keys, 1, number, true, &iv, (4, [b"pay", b"load"]), &mut packet).unwrap();
            prop_assert!(open(&keys, number + (1 << 32), true, &mut packet.clone()).is_err());
            prop_assert!(open(&keys, number, true, &mut packet).is_ok());
        }

        #[test]
        fn the_largest_payload_fits_and_one_more_does_not(cipher in ciphers(), len in 100_usize..1600) {
            let keys = keys(cipher, 1);
            let iv = vec![0; cipher.iv_len()];
            let sealed_len = |payload: usize| {
                let mut out = Vec::new();
                seal(&keys, 1, 1, false, &iv, (4, [&vec![0; payload], &[]]), &mut out).unwrap();
                out.len()
            };
            let largest = largest_payload(cipher, len);
            prop_assert!(sealed_len(largest) <= len);
            prop_assert!(sealed_len(largest + 1) > len);
        }

        #[test]
        fn garbage_never_panics(cipher in ciphers(), mut octets in proptest::collection::vec(any::<u8>(), 0..120)) {
            prop_assert!(open(&keys(cipher, 5), 1, false, &mut octets).is_err());
        }
    }

    #[test]
    fn padding_that_is_not_counted_up_is_refused_though_authentic() {
        let cipher = Cipher::AesGcm16 { key_bits: 128 };
        let keys = keys(cipher, 7);
        let mut packet = vec![0, 0, 0, 1, 0, 0, 0, 1];
        packet.extend([0; 8]);
        packet.extend([1, 2, 9, 3, 4]);
        let aad = packet[..8].to_vec();
        keys.seal(&[0; 8], &aad, &[], &mut packet, 16).unwrap();
        assert_eq!(open(&keys, 1, false, &mut packet), Err(OpenError::Padding));
        let mut packet = vec![0, 0, 0, 1, 0, 0, 0, 1];
        packet.extend([0; 8]);
        packet.extend([200, 4]);
        keys.seal(&[0; 8], &aad, &[], &mut packet, 16).unwrap();
        assert_eq!(open(&keys, 1, false, &mut packet), Err(OpenError::Padding));
    }

    #[test]
    fn the_packet_of_rfc_7634_appendix_a_is_made_and_read() {
        //= rfc7634#A: an ESP packet with ChaCha20-Poly1305
        let keymat: Vec<u8> = (0x80..=0xa3).collect();
        let cipher = Cipher::ChaCha20Poly1305;
        let keys = CipherKeys::new(cipher, &Secret::new(keymat), &Secret::new(vec![])).unwrap();
        let source = hex!(
            "45000054a6f200004001e778c6336405c000020508005b7a3a080000553bec10"
            "0007362708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223"
            "2425262728292a2b2c2d2e2f3031323334353637"
        );
        let expected = hex!(
            "01020304000000051011121314151617240394 28b97f417e3c13753a4f05087b"
            "67c352e6a7fab1b982d466ef407ae5c614ee8099d52844eb61aa95dfab4c02f7"
            "2aa71e7c4c4f64c9befe2facc638e8f3cbec163fac469b502773f6fb94e664da"
            "9165b82829f641e076aaa8266b7fb0f7b11b369907e1ad43"
        );
        let iv: Vec<u8> = (0x10..=0x17).collect();
        let mut packet = Vec::new();
        let payload = (NEXT_IPV4, [&source[..20], &source[20..]]);
        seal(&keys, 0x0102_0304, 5, false, &iv, payload, &mut packet).unwrap();
        assert_eq!(packet, expected);
        let (next, opened) = open(&keys, 5, false, &mut packet).unwrap();
        assert_eq!((next, &*opened), (NEXT_IPV4, &source[..]));
    }
}
