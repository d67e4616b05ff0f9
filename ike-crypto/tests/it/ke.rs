use ike_crypto::{
    CryptoError, Secret,
    ke::{self, Initiator},
};
use ike_wire::KeMethod;
use num_bigint::BigUint;
use proptest::prelude::*;
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};
use serde_json::Value;

use crate::support::{Script, cases, has_flag, list, number, octets, secret, text, vectors};

const ALL: [KeMethod; 22] = [
    KeMethod::CURVE25519,
    KeMethod::ML_KEM_512,
    KeMethod::ML_KEM_768,
    KeMethod::ML_KEM_1024,
    KeMethod::ECP192,
    KeMethod::ECP224,
    KeMethod::BRAINPOOL256,
    KeMethod::BRAINPOOL384,
    KeMethod::MODP768,
    KeMethod::MODP1024,
    KeMethod::MODP1536,
    KeMethod::MODP1024_160,
    KeMethod::MODP2048_224,
    KeMethod::MODP2048_256,
    KeMethod::ECP256,
    KeMethod::ECP384,
    KeMethod::ECP521,
    KeMethod::MODP2048,
    KeMethod::MODP3072,
    KeMethod::MODP4096,
    KeMethod::MODP6144,
    KeMethod::MODP8192,
];

const ML_KEM: [KeMethod; 3] = [
    KeMethod::ML_KEM_512,
    KeMethod::ML_KEM_768,
    KeMethod::ML_KEM_1024,
];

fn with_key(method: KeMethod, private: &[u8]) -> Initiator {
    Initiator::generate(method, &mut Script(private.to_vec())).unwrap()
}

#[test]
fn both_ends_agree_with_every_method() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for method in ALL {
        assert!(ke::is_supported(method));
        let initiator = Initiator::generate(method, &mut rng).unwrap();
        assert_eq!(initiator.method(), method);
        let (public, shared) = ke::respond(method, initiator.public(), &mut rng).unwrap();
        if !ML_KEM.contains(&method) {
            assert_eq!(initiator.public().len(), public.len());
        }
        assert_ne!(initiator.public(), public);
        assert_eq!(initiator.finish(&public).unwrap(), shared, "{method:?}");
    }
}

#[test]
fn methods_that_are_not_built_in_are_refused() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for method in [0, 3, 4, 27, 30, 32, 38, 1024, 65535].map(KeMethod) {
        assert!(!ke::is_supported(method));
        assert_eq!(
            Initiator::generate(method, &mut rng).unwrap_err(),
            CryptoError::Unsupported
        );
        assert_eq!(
            ke::respond(method, &[], &mut rng).unwrap_err(),
            CryptoError::Unsupported
        );
    }
}

#[test]
fn only_large_modp_groups_are_slow() {
    let slow: Vec<KeMethod> = ALL.into_iter().filter(|&m| ke::is_slow(m)).collect();
    assert_eq!(
        slow,
        [KeMethod::MODP4096, KeMethod::MODP6144, KeMethod::MODP8192]
    );
}

#[test]
fn debug_output_does_not_show_the_private_key() {
    let shown = format!("{:?}", with_key(KeMethod::CURVE25519, &[0x5a; 32]));
    assert!(!shown.contains("90") && !shown.contains("5a"), "{shown}");
}

/// Public values of the wrong length, in particular without leading zeros, and empty ones.
//= rfc7296#3.4: a public value has the length of the prime, with zeros prepended if need be
//= rfc8031#3.1: public values are 32 octets
#[test]
fn public_values_of_another_length_are_refused() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    for method in &ALL[..17] {
        let public = Initiator::generate(*method, &mut rng)
            .unwrap()
            .public()
            .to_vec();
        let mut longer = vec![0];
        longer.extend_from_slice(&public);
        for bad in [&public[1..], &public[..public.len() - 1], &longer, &[]] {
            assert_eq!(
                ke::respond(*method, bad, &mut rng).unwrap_err(),
                CryptoError::InvalidPublicValue,
                "{method:?}"
            );
        }
    }
}

//= rfc5903#7: the KE data is x followed by y, each as long as the prime
//= rfc5903#7: the shared secret is the x coordinate alone
#[test]
fn rfc_5903_vectors_for_the_ecp_groups() {
    let file = vectors!("rfc_vectors.json");
    for v in list(&file["rfc5903_ecp"], "vectors") {
        let method = KeMethod(number(v, "group") as u16);
        let width = match method {
            KeMethod::ECP256 => 32,
            KeMethod::ECP384 => 48,
            _ => 66,
        };
        let field = |name| {
            let octets = octets(v, name);
            [vec![0; width - octets.len()], octets].concat()
        };
        let initiator = with_key(method, &field("i"));
        assert_eq!(initiator.public(), [field("gix"), field("giy")].concat());
        // The payloads have a generic header, the group and two reserved octets.
        assert_eq!(initiator.public(), &octets(v, "KEi_payload")[8..]);
        let (public, shared) =
            ke::respond(method, initiator.public(), &mut Script(field("r"))).unwrap();
        assert_eq!(public, octets(v, "KEr_payload")[8..]);
        assert_eq!(shared, Secret::new(field("shared_secret")));
        assert_eq!(initiator.finish(&public).unwrap(), shared);
    }
}

#[test]
fn rfc_8031_and_rfc_7748_vectors_for_curve25519() {
    let file = vectors!("rfc_vectors.json");
    let v = &list(&file["rfc8031_x25519"], "vectors")[0];
    for key in ["random_i", "fixed_i"] {
        let initiator = with_key(KeMethod::CURVE25519, &octets(v, key));
        assert_eq!(initiator.public(), octets(v, "pub_i"));
        assert_eq!(
            initiator.finish(&octets(v, "pub_r")).unwrap(),
            secret(v, "SHARED_SECRET")
        );
    }
    let v = &list(&file["rfc7748_dh"], "vectors")[0];
    assert_eq!(number(v, "group"), 31);
    let (public, shared) = ke::respond(
        KeMethod::CURVE25519,
        &octets(v, "B"),
        &mut Script(octets(v, "a")),
    )
    .unwrap();
    assert_eq!(public, octets(v, "A"));
    assert_eq!(shared, secret(v, "K"));
}

//= rfc7748#6.1: the all-zero shared secret, of a public value of small order, is refused
//= rfc8031#3.2: the most significant bit is masked and non-canonical values are accepted
#[test]
fn wycheproof_x25519() {
    let file = vectors!("wycheproof/x25519_test.json");
    let mut checked = 0;
    for (_, case) in cases(&file, "tests") {
        let result = with_key(KeMethod::CURVE25519, &octets(case, "private"))
            .finish(&octets(case, "public"));
        // "Acceptable" are points on the twist and non-canonical ones, which RFC 8031 §3.2 wants
        // accepted, and low-order ones, whose zero secret RFC 7748 §6.1 lets one refuse.
        if has_flag(case, "ZeroSharedSecret") {
            assert_eq!(
                result.unwrap_err(),
                CryptoError::InvalidPublicValue,
                "{case}"
            );
        } else {
            assert_eq!(result.unwrap(), secret(case, "shared"), "{case}");
        }
        checked += 1;
    }
    assert_eq!(checked, number(&file, "numberOfTests"));
}

#[test]
fn wycheproof_ecdh_p256() {
    wycheproof_ecdh(
        KeMethod::ECP256,
        32,
        &vectors!("wycheproof/ecdh_secp256r1_ecpoint_test.json"),
    );
}

#[test]
fn wycheproof_ecdh_p384() {
    wycheproof_ecdh(
        KeMethod::ECP384,
        48,
        &vectors!("wycheproof/ecdh_secp384r1_ecpoint_test.json"),
    );
}

fn wycheproof_ecdh(method: KeMethod, width: usize, file: &Value) {
    let mut checked = 0;
    for (_, case) in cases(file, "tests") {
        let private = octets(case, "private");
        // Some have more or fewer leading zeros than the field has octets.
        let significant = &private[private.iter().take_while(|&&b| b == 0).count()..];
        let private = [vec![0; width - significant.len()], significant.to_vec()].concat();
        // KE data is the point without the leading 04; compressed points have no such form.
        let public = octets(case, "public");
        let data = match public.split_first() {
            Some((4, data)) => data,
            _ => public.as_slice(),
        };
        let result = with_key(method, &private).finish(data);
        if text(case, "result") == "valid" {
            assert_eq!(result.unwrap(), secret(case, "shared"), "{case}");
        } else {
            assert_eq!(
                result.unwrap_err(),
                CryptoError::InvalidPublicValue,
                "{case}"
            );
        }
        checked += 1;
    }
    assert_eq!(checked, number(file, "numberOfTests"));
}

//= rfc6989#2.3: the peer's point has coordinates in range and lies on the curve
#[test]
fn points_off_the_curve_and_out_of_range_are_refused() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    for (method, width) in [
        (KeMethod::ECP256, 32),
        (KeMethod::ECP384, 48),
        (KeMethod::ECP521, 66),
    ] {
        let good = Initiator::generate(method, &mut rng)
            .unwrap()
            .public()
            .to_vec();
        let mut off = good.clone();
        *off.last_mut().unwrap() ^= 1;
        for bad in [off, vec![0; 2 * width], vec![0xff; 2 * width]] {
            assert_eq!(
                ke::respond(method, &bad, &mut rng).unwrap_err(),
                CryptoError::InvalidPublicValue
            );
        }
        ke::respond(method, &good, &mut rng).unwrap();
    }
}

/// The scalar after one that is not below the group order.
#[test]
fn scalars_out_of_range_are_drawn_again() {
    let mut script = vec![0xff; 32];
    script.extend([0; 32]);
    script.extend([[0; 31].as_slice(), &[1]].concat());
    let generator = with_key(KeMethod::ECP256, &script);
    assert_eq!(hex::encode(&generator.public()[..4]), "6b17d1f2");
}

/// Bits of the prime and of our exponents.
const MODP: [(KeMethod, usize, usize); 5] = [
    (KeMethod::MODP2048, 2048, 320),
    (KeMethod::MODP3072, 3072, 448),
    (KeMethod::MODP4096, 4096, 512),
    (KeMethod::MODP6144, 6144, 576),
    (KeMethod::MODP8192, 8192, 640),
];
const SMALL_MODP: [(KeMethod, usize, usize); 3] = [
    (KeMethod::MODP768, 768, 256),
    (KeMethod::MODP1024, 1024, 256),
    (KeMethod::MODP1536, 1536, 256),
];

/// The prime as RFC 3526 prints it, from the vector file, not from the crate.
fn prime(method: KeMethod) -> BigUint {
    let file = vectors!("rfc_vectors.json");
    let v = list(&file["modp_primes"], "vectors")
        .iter()
        .find(|v| number(v, "group") == u64::from(method.0))
        .unwrap();
    assert_eq!(number(v, "g"), 2);
    BigUint::from_bytes_be(&octets(v, "p"))
}

fn fixed_width(value: &BigUint, bits: usize) -> Vec<u8> {
    let octets = value.to_bytes_be();
    [vec![0; bits / 8 - octets.len()], octets].concat()
}

/// 2^x mod p and y^x mod p by num-bigint, with the exponent that the generator was given.
fn agrees_with_the_oracle(method: KeMethod, bits: usize, mut exponent: Vec<u8>, peer: &BigUint) {
    let p = prime(method);
    let initiator = with_key(method, &exponent);
    exponent[0] |= 0x80;
    let x = BigUint::from_bytes_be(&exponent);
    assert_eq!(
        initiator.public(),
        fixed_width(&BigUint::from(2u8).modpow(&x, &p), bits)
    );
    let shared = initiator.finish(&fixed_width(peer, bits)).unwrap();
    assert_eq!(shared, Secret::new(fixed_width(&peer.modpow(&x, &p), bits)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn modp_2048_agrees_with_num_bigint(
        exponent in prop::collection::vec(any::<u8>(), 320 / 8),
        peer in prop::collection::vec(any::<u8>(), 2048 / 8),
    ) {
        let peer = BigUint::from_bytes_be(&peer) % (prime(KeMethod::MODP2048) - 4u8) + 2u8;
        agrees_with_the_oracle(KeMethod::MODP2048, 2048, exponent, &peer);
    }
}

#[test]
fn every_modp_group_agrees_with_num_bigint() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    for (method, bits, exponent_bits) in MODP.into_iter().chain(SMALL_MODP) {
        let mut exponent = vec![0; exponent_bits / 8];
        rng.fill_bytes(&mut exponent);
        // A peer's value with many leading zeros.
        agrees_with_the_oracle(method, bits, exponent, &BigUint::from(3u8));
    }
}

//= rfc7296#2.14: the shared secret has the length of the prime, with zeros prepended if need be
#[test]
fn a_shared_secret_with_leading_zeros_keeps_them() {
    // Found by trying: 5^(2^319 + 714) mod p is the first with a leading zero octet.
    let peer = BigUint::from(5u8);
    let mut exponent = vec![0; 320 / 8];
    exponent[38..].copy_from_slice(&714u16.to_be_bytes());
    let shared = with_key(KeMethod::MODP2048, &exponent)
        .finish(&fixed_width(&peer, 2048))
        .unwrap();
    assert_eq!(shared.len(), 256);
    assert_eq!(shared.expose()[0], 0);
    agrees_with_the_oracle(KeMethod::MODP2048, 2048, exponent, &peer);
}

//= rfc6989#2.1: a public value y satisfies 1 < y < p - 1
#[test]
fn modp_public_values_outside_the_open_range_are_refused() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    for (method, bits, _) in &MODP[..3] {
        let p = prime(*method);
        let all_ones = (BigUint::from(1u8) << *bits) - 1u8;
        for bad in [
            BigUint::ZERO,
            BigUint::from(1u8),
            &p - 1u8,
            p.clone(),
            &p + 1u8,
            all_ones,
        ] {
            assert_eq!(
                ke::respond(*method, &fixed_width(&bad, *bits), &mut rng).unwrap_err(),
                CryptoError::InvalidPublicValue
            );
        }
        for good in [BigUint::from(2u8), &p - 2u8] {
            ke::respond(*method, &fixed_width(&good, *bits), &mut rng).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_public_values_never_panic(
        index in 0..4usize,
        peer in prop::collection::vec(any::<u8>(), 0..140),
    ) {
        let mut rng = ChaCha20Rng::seed_from_u64(6);
        let _ = ke::respond(ALL[index], &peer, &mut rng);
    }
}

//= rfc6989#2.2: a public value is in the subgroup: y^q = 1
#[test]
fn rfc_5114_vectors_for_the_groups_with_a_subgroup() {
    let file = vectors!("rfc_vectors.json");
    let vectors = list(&file["rfc5114_modp_subgroup"], "vectors");
    assert_eq!(vectors.len(), 3);
    for v in vectors {
        let method = KeMethod(number(v, "group") as u16);
        let p = BigUint::from_bytes_be(&octets(v, "p"));
        let bits = p.bits() as usize;
        let wide = |field| fixed_width(&BigUint::from_bytes_be(&octets(v, field)), bits);
        let key = |field| Initiator::from_private(method, &octets(v, field)).unwrap();
        assert_eq!(key("xA").public(), wide("yA"));
        assert_eq!(key("xB").public(), wide("yB"));
        let shared = Secret::new(wide("Z"));
        assert_eq!(key("xA").finish(&wide("yB")).unwrap(), shared);
        assert_eq!(key("xB").finish(&wide("yA")).unwrap(), shared);
        // 2 generates more than the subgroup, and p - yA is outside of it.
        for outside in [BigUint::from(2u8), &p - BigUint::from_bytes_be(&wide("yA"))] {
            assert_eq!(
                key("xA").finish(&fixed_width(&outside, bits)).unwrap_err(),
                CryptoError::InvalidPublicValue
            );
        }
    }
}

#[test]
fn rfc_6932_vectors_for_brainpool() {
    let file = vectors!("rfc_vectors.json");
    let mut checked = 0;
    for v in list(&file["rfc6932_brainpool"], "vectors") {
        let method = KeMethod(number(v, "group") as u16);
        let width = match method {
            KeMethod::BRAINPOOL256 => 32,
            KeMethod::BRAINPOOL384 => 48,
            // No crate has group 30.
            _ => continue,
        };
        let field = |name| fixed_width(&BigUint::from_bytes_be(&octets(v, name)), 8 * width);
        let a = Initiator::from_private(method, &field("dA")).unwrap();
        let b = Initiator::from_private(method, &field("dB")).unwrap();
        assert_eq!(a.public(), [field("x_qA"), field("y_qA")].concat());
        assert_eq!(b.public(), [field("x_qB"), field("y_qB")].concat());
        let shared = Secret::new(field("x_Z"));
        let (for_b, for_a) = (a.public().to_vec(), b.public().to_vec());
        assert_eq!(a.finish(&for_a).unwrap(), shared);
        assert_eq!(b.finish(&for_b).unwrap(), shared);
        checked += 1;
    }
    assert_eq!(checked, 2);
}

#[test]
fn given_private_keys_out_of_range_are_refused() {
    for (method, bad) in [
        (KeMethod::MODP1024, vec![0; 128]),
        (KeMethod::MODP1024, vec![0xff; 128]),
        (KeMethod::MODP1024, vec![1; 129]),
        (KeMethod::ECP256, vec![0; 32]),
        (KeMethod::ECP256, vec![0xff; 32]),
        (KeMethod::ECP256, vec![1; 31]),
        (KeMethod::CURVE25519, vec![1; 31]),
        (KeMethod::ML_KEM_768, vec![1; 63]),
    ] {
        assert_eq!(
            Initiator::from_private(method, &bad).unwrap_err(),
            CryptoError::InvalidKey,
            "{method:?}"
        );
    }
}

#[test]
fn wycheproof_ml_kem_768() {
    let file = vectors!("wycheproof/mlkem_768_test.json");
    let mut checked = 0;
    for (_, case) in cases(&file, "tests") {
        let valid = text(case, "result") == "valid";
        let shared =
            Initiator::from_private(KeMethod::ML_KEM_768, &octets(case, "seed")).and_then(|key| {
                if valid {
                    assert_eq!(key.public(), octets(case, "ek"), "{case}");
                }
                key.finish(&octets(case, "c"))
            });
        match shared {
            Ok(shared) => assert_eq!(shared == secret(case, "K"), valid, "{case}"),
            Err(_) => assert!(!valid, "{case}"),
        }
        checked += 1;
    }
    assert_eq!(checked, number(&file, "numberOfTests"));
}

//= fips203#7.2: the encapsulation key has the right length and coefficients below the modulus
#[test]
fn wycheproof_ml_kem_768_encapsulation() {
    let file = vectors!("wycheproof/mlkem_768_encaps_test.json");
    let mut checked = 0;
    for (_, case) in cases(&file, "tests") {
        let mut random = octets(case, "m");
        random.resize(32, 0);
        let answer = ke::respond(
            KeMethod::ML_KEM_768,
            &octets(case, "ek"),
            &mut Script(random),
        );
        if text(case, "result") == "valid" {
            let (ciphertext, shared) = answer.unwrap();
            assert_eq!(ciphertext, octets(case, "c"), "{case}");
            assert_eq!(shared, secret(case, "K"), "{case}");
        } else {
            assert_eq!(
                answer.unwrap_err(),
                CryptoError::InvalidPublicValue,
                "{case}"
            );
        }
        checked += 1;
    }
    assert_eq!(checked, number(&file, "numberOfTests"));
}

#[test]
fn a_damaged_ciphertext_gives_another_secret_and_no_error() {
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    for method in ML_KEM {
        let seed = [7; 64];
        let key = || Initiator::from_private(method, &seed).unwrap();
        let (mut ciphertext, shared) = ke::respond(method, key().public(), &mut rng).unwrap();
        assert_eq!(key().finish(&ciphertext).unwrap(), shared);
        ciphertext[0] ^= 1;
        assert_ne!(key().finish(&ciphertext).unwrap(), shared);
        assert_eq!(
            key().finish(&ciphertext[1..]).unwrap_err(),
            CryptoError::InvalidPublicValue
        );
    }
}

/// The cases of group 14; those of ffdhe2048 are no IKE group. A key pair that does not fit fails.
#[test]
fn acvp_safe_primes() {
    let file = vectors!("acvp/safePrimes-keyVer-1.0.json");
    let mut checked = 0;
    for (group, case) in cases(&file, "tests") {
        if text(group, "safePrimeGroup") != "MODP-2048" {
            continue;
        }
        let y = fixed_width(&BigUint::from_bytes_be(&octets(case, "y")), 2048);
        let fits = Initiator::from_private(KeMethod::MODP2048, &octets(case, "x"))
            .is_ok_and(|key| key.public() == y);
        assert_eq!(fits, case["testPassed"].as_bool().unwrap(), "{case}");
        checked += 1;
    }
    assert_eq!(checked, 10);
}
