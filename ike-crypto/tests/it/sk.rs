use ike_crypto::{AuthenticationFailed, Cipher, CipherKeys, CryptoError, Integ, Secret, SkCipher};
use proptest::prelude::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::{
    cipher::{all, keys_of},
    support::{Script, list, octets, secret, vectors},
};

/// Both ends of one direction.
fn pair(cipher: Cipher) -> (SkCipher, SkCipher) {
    let (e, a) = keys_of(cipher, 0x42);
    (
        SkCipher::new(cipher, &e, &a).unwrap(),
        SkCipher::new(cipher, &e, &a).unwrap(),
    )
}

//= rfc5282#3: no padding is needed for an AEAD, but the Pad Length octet is there
//= rfc5282#5.1: the associated data is everything from the IKE header to before the IV
#[test]
fn the_message_of_rfc_7634_opens() {
    let file = vectors!("rfc_vectors.json");
    let v = &list(&file["rfc7634_chacha20poly1305_ike"], "vectors")[0];
    let key = Secret::new([octets(v, "key"), octets(v, "salt")].concat());
    let sk = SkCipher::new(Cipher::ChaCha20Poly1305, &key, &Secret::empty()).unwrap();
    let plain = sk
        .open(&octets(v, "message"), octets(v, "aad").len())
        .unwrap();
    // Without its one octet of pad length.
    let padded = octets(v, "plaintext");
    assert_eq!(plain.expose(), &padded[..padded.len() - 1]);
    assert_eq!(padded.last(), Some(&0));
}

//= rfc5282#3.1: the IV is unique for each use of a key
#[test]
fn aead_ivs_count_and_never_repeat() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (mut sender, receiver) = pair(Cipher::AesGcm16 { key_bits: 256 });
    for expected in 1..=300u64 {
        let mut message = b"header".to_vec();
        sender.seal(&mut message, b"payloads", &mut rng).unwrap();
        assert_eq!(message[6..14], expected.to_be_bytes());
        assert_eq!(receiver.open(&message, 6).unwrap().expose(), b"payloads");
    }
}

//= rfc7296#3.14: the IV of a CBC cipher is unpredictable
#[test]
fn cbc_ivs_come_from_the_generator() {
    let (mut sender, _) = pair(Cipher::AesCbc {
        key_bits: 128,
        integ: Integ::HmacSha2_256_128,
    });
    let mut message = b"header".to_vec();
    sender
        .seal(&mut message, b"payloads", &mut Script(vec![0xab; 16]))
        .unwrap();
    assert_eq!(message[6..22], [0xab; 16]);
}

/// Sealed by hand, since our own padding is always zeros and minimal.
//= rfc7296#3.14: the recipient accepts any padding of any length that gives whole blocks
#[test]
fn any_padding_is_accepted_up_to_255_octets() {
    for cipher in confidential() {
        let (e, a) = keys_of(cipher, 0x42);
        let keys = CipherKeys::new(cipher, &e, &a).unwrap();
        let receiver = SkCipher::new(cipher, &e, &a).unwrap();
        for pad in 0..=255usize {
            let block = cipher.block_len();
            let plain = vec![0x11; (pad + 1).next_multiple_of(block) - (pad + 1) + block];
            let iv = vec![3; cipher.iv_len()];
            let mut body = [plain.clone(), (0..pad).map(|n| n as u8 ^ 0x5a).collect()].concat();
            body.push(pad as u8);
            keys.seal(&iv, b"header", &[], &mut body, 0).unwrap();
            let message = [b"header".as_slice(), &iv, &body].concat();
            assert_eq!(
                receiver.open(&message, 6).unwrap(),
                Secret::new(plain),
                "{cipher:?} {pad}"
            );
        }
    }
}

#[test]
fn a_pad_length_beyond_the_contents_fails() {
    for cipher in confidential() {
        let (e, a) = keys_of(cipher, 0x42);
        let keys = CipherKeys::new(cipher, &e, &a).unwrap();
        let receiver = SkCipher::new(cipher, &e, &a).unwrap();
        let iv = vec![3; cipher.iv_len()];
        for (len, pad) in [(16, 16), (16, 255), (32, 32), (0, 0)] {
            let mut body = vec![0; len];
            if let Some(last) = body.last_mut() {
                *last = pad;
            }
            keys.seal(&iv, b"header", &[], &mut body, 0).unwrap();
            let message = [b"header".as_slice(), &iv, &body].concat();
            assert_eq!(receiver.open(&message, 6), Err(AuthenticationFailed));
        }
    }
}

#[test]
fn keys_of_the_wrong_length_are_refused() {
    for cipher in confidential() {
        let (e, _) = keys_of(cipher, 1);
        assert!(SkCipher::new(cipher, &e, &Secret::new(vec![0; 7])).is_err());
        assert!(SkCipher::new(cipher, &Secret::new(vec![0; 7]), &Secret::empty()).is_err());
    }
}

/// IKE_AUTH keys of a real run: what the engine seals with them, a fresh receiver opens.
#[test]
fn real_keys_work_in_both_directions() {
    let file = vectors!("rfc9370_vectors.json");
    let round = &list(&file, "rounds")[2];
    let cipher = Cipher::AesGcm16 { key_bits: 256 };
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let sk = |field| SkCipher::new(cipher, &secret(round, field), &Secret::empty()).unwrap();
    let mut message = b"header".to_vec();
    sk("sk_ei")
        .seal(&mut message, b"payloads", &mut rng)
        .unwrap();
    assert_eq!(sk("sk_ei").open(&message, 6).unwrap().expose(), b"payloads");
    assert_eq!(sk("sk_er").open(&message, 6), Err(AuthenticationFailed));
}

fn confidential() -> Vec<Cipher> {
    all().into_iter().filter(|c| c.is_confidential()).collect()
}

//= rfc7296#5: NULL is not an encryption algorithm for an IKE SA
#[test]
fn ciphers_that_hide_nothing_protect_no_sk_payload() {
    for cipher in all().into_iter().filter(|c| !c.is_confidential()) {
        let (e, a) = keys_of(cipher, 1);
        assert_eq!(
            SkCipher::new(cipher, &e, &a).unwrap_err(),
            CryptoError::Unsupported
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    //= rfc7296#3.14: the integrity checksum covers everything from the IKE header to before itself
    #[test]
    fn sealed_messages_open_and_changed_or_cut_ones_do_not(
        cipher in prop::sample::select(confidential()),
        header in prop::collection::vec(any::<u8>(), 0..60),
        plain in prop::collection::vec(any::<u8>(), 0..120),
        seed in any::<u64>(),
        flip in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let (mut sender, receiver) = pair(cipher);
        let mut message = header.clone();
        let overhead = sender.overhead(plain.len());
        sender.seal(&mut message, &plain, &mut rng).unwrap();
        prop_assert_eq!(&message[..header.len()], header.as_slice());
        prop_assert_eq!(message.len(), header.len() + plain.len() + overhead);
        let opened = receiver.open(&message, header.len()).unwrap();
        prop_assert_eq!(opened.expose(), plain.as_slice());

        let mut changed = message.clone();
        changed[flip.index(message.len())] ^= 1 << bit;
        prop_assert_eq!(receiver.open(&changed, header.len()), Err(AuthenticationFailed));
        for len in 0..message.len() {
            prop_assert_eq!(receiver.open(&message[..len], header.len()), Err(AuthenticationFailed));
        }
        for from in (0..message.len() + 2).filter(|&from| from != header.len()) {
            let opened = receiver.open(&message, from);
            // A MAC over everything does not say where the IV starts; the lengths it covers do.
            if cipher.is_aead() || from.abs_diff(header.len()) % cipher.block_len() != 0 {
                prop_assert_eq!(opened, Err(AuthenticationFailed));
            }
        }
    }

    #[test]
    fn arbitrary_messages_never_panic(
        cipher in prop::sample::select(confidential()),
        message in prop::collection::vec(any::<u8>(), 0..100),
        from in any::<usize>(),
        near in 0..100usize,
    ) {
        let (_, receiver) = pair(cipher);
        prop_assert_eq!(receiver.open(&message, from), Err(AuthenticationFailed));
        prop_assert_eq!(receiver.open(&message, near), Err(AuthenticationFailed));
    }
}
