use ike_crypto::{
    CryptoError, Hash,
    sign::{Curve, PrivateKey, PublicKey, Scheme},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use serde_json::Value;

use crate::support::{cases, list, number, octets, text, vectors};

/// Every case: valid ones verify, invalid ones do not, "acceptable" ones may do either.
fn wycheproof(file: &Value, scheme: Scheme) {
    let mut checked = 0;
    for (group, case) in cases(file, "tests") {
        let key = PublicKey::from_spki(&octets(group, "publicKeyDer")).unwrap();
        let result = key.verify(scheme, &octets(case, "msg"), &octets(case, "sig"));
        match text(case, "result") {
            "valid" => assert_eq!(result, Ok(()), "{case}"),
            "invalid" => assert_eq!(result, Err(CryptoError::AuthenticationFailed), "{case}"),
            _ => {}
        }
        checked += 1;
    }
    assert_eq!(checked, number(file, "numberOfTests"));
}

#[test]
fn wycheproof_ecdsa_p256_der() {
    let file = vectors!("wycheproof/ecdsa_secp256r1_sha256_test.json");
    wycheproof(&file, Scheme::Ecdsa(Hash::Sha2_256));
}

//= rfc4754#7: the signature is r | s, each as long as the field
#[test]
fn wycheproof_ecdsa_p256_raw() {
    let file = vectors!("wycheproof/ecdsa_secp256r1_sha256_p1363_test.json");
    wycheproof(&file, Scheme::EcdsaRaw(Curve::P256));
}

#[test]
fn wycheproof_ed25519() {
    let file = vectors!("wycheproof/ed25519_test.json");
    wycheproof(&file, Scheme::Ed25519);
}

#[test]
fn wycheproof_rsa_pkcs1() {
    let file = vectors!("wycheproof/rsa_signature_2048_sha256_test.json");
    wycheproof(&file, Scheme::RsaPkcs1(Hash::Sha2_256));
}

#[test]
fn wycheproof_rsa_pss() {
    let file = vectors!("wycheproof/rsa_pss_2048_sha256_mgf1_32_test.json");
    wycheproof(&file, Scheme::rsa_pss(Hash::Sha2_256));
}

/// The SubjectPublicKeyInfo of a point.
fn spki(curve: Curve, x: &[u8], y: &[u8]) -> Vec<u8> {
    let (prefix, width) = match curve {
        Curve::P256 => ("3059301306072a8648ce3d020106082a8648ce3d030107034200", 32),
        Curve::P384 => ("3076301006072a8648ce3d020106052b81040022036200", 48),
        Curve::P521 => ("30819b301006072a8648ce3d020106052b8104002303818600", 66),
    };
    let wide = |n: &[u8]| [vec![0; width - n.len()], n.to_vec()].concat();
    [hex::decode(prefix).unwrap(), vec![4], wide(x), wide(y)].concat()
}

#[test]
fn rfc_4754_signatures_verify() {
    let file = vectors!("rfc_vectors.json");
    let vectors = list(&file["rfc4754_ecdsa_auth"], "vectors");
    assert_eq!(vectors.len(), 3);
    for v in vectors {
        let (curve, width) = match number(v, "auth_method") {
            9 => (Curve::P256, 32),
            10 => (Curve::P384, 48),
            _ => (Curve::P521, 66),
        };
        let field = |name| {
            let n = octets(v, name);
            [vec![0; width - n.len()], n].concat()
        };
        let key = PublicKey::from_spki(&spki(curve, &field("gwx"), &field("gwy"))).unwrap();
        assert_eq!(key.curve(), Some(curve));
        let mut signature = [field("r"), field("s")].concat();
        let message = octets(v, "message");
        key.verify(Scheme::EcdsaRaw(curve), &message, &signature)
            .unwrap();
        signature[width] ^= 1;
        for (message, signature) in [
            (&message[..], &signature[..]),
            (b"abd", &signature),
            (&message, &signature[1..]),
        ] {
            assert_eq!(
                key.verify(Scheme::EcdsaRaw(curve), message, signature),
                Err(CryptoError::AuthenticationFailed)
            );
        }
    }
}

/// NIST's cases for the curves and hashes that are built in, SHA-256 with P-521 among them.
#[test]
fn acvp_ecdsa_verification() {
    let file = vectors!("acvp/ECDSA-SigVer-FIPS186-5.json");
    let mut checked = 0;
    for (group, case) in cases(&file, "tests") {
        let (curve, width) = match text(group, "curve") {
            "P-256" => (Curve::P256, 32),
            "P-384" => (Curve::P384, 48),
            "P-521" => (Curve::P521, 66),
            _ => continue,
        };
        let hash = match text(group, "hashAlg") {
            "SHA2-256" => Hash::Sha2_256,
            "SHA2-512" => Hash::Sha2_512,
            _ => continue,
        };
        let passed = case["testPassed"].as_bool().unwrap();
        let wide = |name| {
            let n = octets(case, name);
            [vec![0; width - n.len()], n].concat()
        };
        let result = PublicKey::from_spki(&spki(curve, &wide("qx"), &wide("qy"))).and_then(|key| {
            let signature = der_signature(&wide("r"), &wide("s"));
            key.verify(Scheme::Ecdsa(hash), &octets(case, "message"), &signature)
        });
        assert_eq!(result.is_ok(), passed, "{case}");
        checked += 1;
    }
    assert_eq!(checked, 3 * 2 * 7);
}

fn der_signature(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |n: &[u8]| {
        let n = &n[n.iter().take_while(|&&octet| octet == 0).count()..];
        let pad: &[u8] = if n.first().is_none_or(|&first| first >= 0x80) {
            &[0]
        } else {
            &[]
        };
        [&[2, (n.len() + pad.len()) as u8], pad, n].concat()
    };
    let contents = [integer(r), integer(s)].concat();
    match contents.len() {
        short @ 0..0x80 => [vec![0x30, short as u8], contents].concat(),
        long => [vec![0x30, 0x81, long as u8], contents].concat(),
    }
}

/// RFC 6979 appendix A.2.5, message "sample" with SHA-256.
#[test]
fn ecdsa_nonces_are_those_of_rfc_6979() {
    let scalar = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    let key = PrivateKey::from_pkcs8(&p256_pkcs8(scalar)).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let signature = key
        .sign(Scheme::EcdsaRaw(Curve::P256), b"sample", &mut rng)
        .unwrap();
    assert_eq!(
        hex::encode(signature),
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
         f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    );
}

fn p256_pkcs8(scalar: &str) -> Vec<u8> {
    let hex =
        format!("3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420{scalar}");
    hex::decode(hex).unwrap()
}

#[test]
fn what_is_signed_verifies_with_every_scheme_of_the_key() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let ed25519 = hex::decode(
        "302e020100300506032b657004220420000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    )
    .unwrap();
    let p256 = p256_pkcs8(&"17".repeat(32));
    for (der, schemes) in [
        (ed25519, vec![Scheme::Ed25519]),
        (
            p256,
            vec![
                Scheme::EcdsaRaw(Curve::P256),
                Scheme::Ecdsa(Hash::Sha1),
                Scheme::Ecdsa(Hash::Sha2_256),
                Scheme::Ecdsa(Hash::Sha2_384),
                Scheme::Ecdsa(Hash::Sha2_512),
            ],
        ),
    ] {
        let key = PrivateKey::from_pkcs8(&der).unwrap();
        for &scheme in &schemes {
            let signature = key.sign(scheme, b"message", &mut rng).unwrap();
            let public = key.public();
            public.verify(scheme, b"message", &signature).unwrap();
            assert_eq!(
                public.verify(scheme, b"massage", &signature),
                Err(CryptoError::AuthenticationFailed)
            );
        }
        for scheme in [
            Scheme::rsa_pss(Hash::Sha2_256),
            Scheme::EcdsaRaw(Curve::P384),
        ] {
            assert_eq!(
                key.sign(scheme, b"", &mut rng),
                Err(CryptoError::KeyMismatch)
            );
            assert_eq!(
                key.public().verify(scheme, b"", b""),
                Err(CryptoError::KeyMismatch)
            );
        }
    }
}

#[test]
fn algorithm_identifiers_of_rfc_7427_and_rfc_8420_round_trip() {
    let file = vectors!("rfc_vectors.json");
    let mut known = 0;
    for list_name in [
        "rfc7427_algorithm_identifiers",
        "rfc8420_eddsa_algorithm_identifiers",
    ] {
        for v in list(&file[list_name], "vectors") {
            let der = octets(v, "der");
            match Scheme::from_algorithm_id(&der) {
                Ok(scheme) => {
                    let ours = scheme.algorithm_id().unwrap();
                    assert_eq!(Scheme::from_algorithm_id(&ours), Ok(scheme));
                    // The RFC writes out PSS parameters that have their default, which DER forbids.
                    if !matches!(scheme, Scheme::RsaPss { .. }) {
                        assert_eq!(ours, der, "{v}");
                    }
                    known += 1;
                }
                // DSA and Ed448 are not built in.
                Err(error) => {
                    assert_eq!(error, CryptoError::Unsupported);
                    let name = text(v, "name").to_lowercase();
                    assert!(name.contains("dsa") || name.contains("448"), "{v}");
                }
            }
        }
    }
    assert!(known >= 10, "{known}");
}

//= rfc4055#3.1: what has its default value (SHA-1, a salt of 20 octets) is left out
#[test]
fn pss_parameters_are_exact() {
    for (hash, salt_len) in [
        (Hash::Sha1, 20),
        (Hash::Sha1, 0),
        (Hash::Sha2_256, 32),
        (Hash::Sha2_384, 20),
        (Hash::Sha2_512, 300),
        (Hash::Sha2_512, 128),
    ] {
        let scheme = Scheme::RsaPss { hash, salt_len };
        let der = scheme.algorithm_id().unwrap();
        assert_eq!(Scheme::from_algorithm_id(&der), Ok(scheme));
        for at in 0..der.len() {
            let mut changed = der.clone();
            changed[at] ^= 1;
            assert_ne!(Scheme::from_algorithm_id(&changed), Ok(scheme), "{at}");
            assert!(Scheme::from_algorithm_id(&der[..at]).is_err());
        }
    }
    // MGF1 over another hash than the message's.
    let mixed = "303d06092a864886f70d01010a3030a00d300b0609608648016503040201a11a301806092a864886f70d010108300b0609608648016503040202a203020120";
    assert_eq!(
        Scheme::from_algorithm_id(&hex::decode(mixed).unwrap()),
        Err(CryptoError::Unsupported)
    );
    for bad in ["", "00", "3000", "300506032b657000", "300706032b65700500"] {
        assert_eq!(
            Scheme::from_algorithm_id(&hex::decode(bad).unwrap()),
            Err(CryptoError::InvalidAlgorithm)
        );
    }
}

#[test]
fn keys_that_are_none_are_refused() {
    for bad in [&[][..], &[0x30, 0], &[0x30, 0x80], b"nonsense"] {
        assert_eq!(
            PublicKey::from_spki(bad).unwrap_err(),
            CryptoError::InvalidKey
        );
        assert_eq!(
            PrivateKey::from_pkcs8(bad).unwrap_err(),
            CryptoError::InvalidKey
        );
    }
}
