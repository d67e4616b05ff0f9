//! Everything once.
use ike_crypto::{Cipher, IkeSuite, Integ, Prf, SkCipher, ke, schedule::*};
use ike_wire::{KeMethod, Spi};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

#[test]
fn both_ends_agree_with_every_method() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for method in [14, 15, 16, 19, 20, 21, 31].map(KeMethod) {
        let initiator = ke::Initiator::generate(method, &mut rng).unwrap();
        let (public, shared) = ke::respond(method, initiator.public(), &mut rng).unwrap();
        assert_eq!(initiator.finish(&public).unwrap(), shared, "{method:?}");
    }
}

#[test]
fn sk_payloads_open_with_the_peers_keys() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for cipher in [
        Cipher::AesGcm16 { key_bits: 128 },
        Cipher::AesGcm12 { key_bits: 192 },
        Cipher::AesGcm8 { key_bits: 256 },
        Cipher::ChaCha20Poly1305,
        Cipher::AesCbc {
            key_bits: 256,
            integ: Integ::HmacSha2_384_192,
        },
    ] {
        let suite = IkeSuite {
            cipher,
            prf: Prf::HmacSha2_256,
            ke: KeMethod::CURVE25519,
        };
        let keys = SkKeys::initial(
            &suite,
            &ike_crypto::Secret::from_slice(b"x"),
            b"ni",
            b"nr",
            Spi([1; 8]),
            Spi([2; 8]),
        )
        .unwrap();
        let mut send = SkCipher::new(cipher, &keys.ei, &keys.ai).unwrap();
        let receive = SkCipher::new(cipher, &keys.ei, &keys.ai).unwrap();
        for len in 0..40 {
            let plain = vec![7; len];
            let mut message = b"header".to_vec();
            let overhead = send.overhead(len);
            send.seal(&mut message, &plain, &mut rng).unwrap();
            assert_eq!(message.len(), 6 + len + overhead);
            assert_eq!(receive.open(&message, 6).unwrap().expose(), plain);
        }
    }
}
