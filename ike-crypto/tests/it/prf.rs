use ike_crypto::{CryptoError, Prf, Secret};
use ike_wire::PrfId;
use proptest::prelude::*;

use crate::support::{cases, list, number, octets, secret, text, vectors};

const ALL: [Prf; 7] = [
    Prf::HmacMd5,
    Prf::Aes128Xcbc,
    Prf::Aes128Cmac,
    Prf::HmacSha1,
    Prf::HmacSha2_256,
    Prf::HmacSha2_384,
    Prf::HmacSha2_512,
];

#[test]
fn transform_ids_round_trip() {
    for prf in ALL {
        assert_eq!(Prf::from_id(prf.id()), Some(prf));
    }
    assert_eq!(Prf::from_id(PrfId(3)), None);
    assert_eq!(Prf::from_id(PrfId(0)), None);
}

#[test]
fn rfc_4231_and_rfc_4868_vectors() {
    let file = vectors!("rfc_vectors.json");
    let mut checked = 0;
    for v in list(&file["rfc4231_hmac"], "vectors") {
        for (prf, field) in [
            (Prf::HmacSha2_256, "HMAC-SHA-256"),
            (Prf::HmacSha2_384, "HMAC-SHA-384"),
            (Prf::HmacSha2_512, "HMAC-SHA-512"),
        ] {
            let expected = octets(v, field);
            let mac = prf.compute(&octets(v, "Key"), &[&octets(v, "Data")]);
            // Case 5 is truncated.
            assert_eq!(mac.expose()[..expected.len()], expected);
            checked += 1;
        }
    }
    for v in list(&file["rfc4868_hmac"], "vectors") {
        for (prf, field) in [
            (Prf::HmacSha2_256, "PRF-HMAC-SHA-256"),
            (Prf::HmacSha2_384, "PRF-HMAC-SHA-384"),
            (Prf::HmacSha2_512, "PRF-HMAC-SHA-512"),
        ] {
            if v[field].is_string() {
                let mac = prf.compute(&octets(v, "Key"), &[&octets(v, "Data")]);
                assert_eq!(mac, secret(v, field), "{v}");
                checked += 1;
            }
        }
    }
    for v in list(&file["rfc2202_hmac"], "vectors") {
        let prf = match text(v, "hash") {
            "sha1" => Prf::HmacSha1,
            _ => Prf::HmacMd5,
        };
        let mac = prf.compute(&octets(v, "key"), &[&octets(v, "data")]);
        assert_eq!(mac, secret(v, "digest"), "{v}");
        checked += 1;
    }
    assert!(checked >= 18 + 18 + 14, "{checked}");
}

//= rfc4434#2: a shorter key is padded with zeros at its end
//= rfc4434#2: a longer key is replaced by its MAC under the all-zero key
//= rfc4615#3: a key of any other length is replaced by its MAC under the all-zero key
#[test]
fn rfc_4434_and_rfc_4615_vectors() {
    let file = vectors!("rfc_vectors.json");
    for (prf, name) in [
        (Prf::Aes128Xcbc, "rfc4434_aes_xcbc_prf_128"),
        (Prf::Aes128Cmac, "rfc4615_aes_cmac_prf_128"),
    ] {
        let vectors = list(&file[name], "vectors");
        assert_eq!(vectors.len(), 3);
        for v in vectors {
            let out = prf.compute(&octets(v, "key"), &[&octets(v, "message")]);
            assert_eq!(out, secret(v, "prf"), "{v}");
        }
    }
}

//= rfc7296#2.14: of the nonces only the first 64 bits each are used with these two PRFs
#[test]
fn fixed_key_prfs_take_eight_octets_of_each_nonce() {
    let (ni, nr) = ([1; 16], [2; 32]);
    let eight = [[1; 8], [2; 8]].concat();
    for prf in ALL {
        let expected = match prf {
            Prf::Aes128Xcbc | Prf::Aes128Cmac => eight.clone(),
            _ => [&ni[..], &nr].concat(),
        };
        assert_eq!(prf.nonce_key(&ni, &nr), expected);
    }
    assert_eq!(Prf::Aes128Cmac.nonce_key(b"ab", b"c"), b"abc");
}

#[test]
fn wycheproof_hmac() {
    for (prf, file) in [
        (Prf::HmacSha1, vectors!("wycheproof/hmac_sha1_test.json")),
        (
            Prf::HmacSha2_256,
            vectors!("wycheproof/hmac_sha256_test.json"),
        ),
    ] {
        let mut checked = 0;
        for (group, case) in cases(&file, "tests") {
            let mac = prf.compute(&octets(case, "key"), &[&octets(case, "msg")]);
            let truncated = &mac.expose()[..number(group, "tagSize") as usize / 8];
            assert_eq!(
                truncated == octets(case, "tag"),
                text(case, "result") == "valid",
                "{case}"
            );
            checked += 1;
        }
        assert_eq!(checked, number(&file, "numberOfTests"));
    }
}

#[test]
fn acvp_hmac_sha2_256() {
    let file = vectors!("acvp/HMAC-SHA2-256-2.0.json");
    let mut checked = 0;
    for (_, case) in cases(&file, "tests") {
        // Whole octets only, as everything in IKE.
        if number(case, "msgLen").is_multiple_of(8) && number(case, "keyLen").is_multiple_of(8) {
            let mac = Prf::HmacSha2_256.compute(&octets(case, "key"), &[&octets(case, "msg")]);
            let expected = octets(case, "mac");
            assert_eq!(mac.expose()[..expected.len()], expected, "{case}");
            checked += 1;
        }
    }
    assert!(checked >= 100, "{checked}");
}

#[test]
fn strongswan_prf_and_prf_plus_vectors() {
    let file = vectors!("ikev2_kdf.json");
    let mut checked = 0;
    for v in list(&file, "prf_and_prfplus") {
        let prf = match text(v, "prf") {
            "PRF_HMAC_SHA2_256" => Prf::HmacSha2_256,
            "PRF_HMAC_SHA2_384" => Prf::HmacSha2_384,
            "PRF_HMAC_SHA2_512" => Prf::HmacSha2_512,
            other => panic!("{other}"),
        };
        let (key, salt, out) = (octets(v, "key"), octets(v, "salt"), secret(v, "out"));
        let computed = match text(v, "kind") {
            // The key is the data and the salt (the nonces) the key, as for SKEYSEED.
            "KDF_PRF" => prf.compute(&salt, &[&key]),
            "KDF_PRF_PLUS" => prf.plus(&key, &[&salt], out.len()).unwrap(),
            other => panic!("{other}"),
        };
        assert_eq!(computed, out, "{v}");
        checked += 1;
    }
    assert_eq!(checked, 6);
}

//= rfc7296#2.13: prf+ is defined for up to 255 outputs of the prf, as the counter is one octet
#[test]
fn prf_plus_ends_after_255_outputs() {
    for prf in ALL {
        let most = 255 * prf.len();
        assert_eq!(prf.plus(b"key", &[b"seed"], most).unwrap().len(), most);
        for len in [most + 1, 2 * most, usize::MAX] {
            assert_eq!(
                prf.plus(b"key", &[b"seed"], len).unwrap_err(),
                CryptoError::TooLong
            );
        }
        assert!(prf.plus(b"key", &[b"seed"], 0).unwrap().is_empty());
    }
}

proptest! {
    #[test]
    fn data_in_parts_is_the_same_as_in_one(
        key in prop::collection::vec(any::<u8>(), 0..200),
        data in prop::collection::vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
    ) {
        let (a, b) = data.split_at(at.index(data.len() + 1));
        for prf in ALL {
            prop_assert_eq!(prf.compute(&key, &[a, b]), prf.compute(&key, &[&data]));
        }
    }

    #[test]
    fn prf_plus_is_the_chain_of_rfc_7296(
        key in prop::collection::vec(any::<u8>(), 0..100),
        seed in prop::collection::vec(any::<u8>(), 0..100),
        len in 0..300usize,
    ) {
        for prf in ALL {
            let mut chain = Vec::new();
            let mut block = Secret::empty();
            for counter in 1u8.. {
                if chain.len() >= len {
                    break;
                }
                block = prf.compute(&key, &[block.expose(), &seed, &[counter]]);
                chain.extend_from_slice(block.expose());
            }
            chain.truncate(len);
            prop_assert_eq!(prf.plus(&key, &[&seed], len).unwrap(), Secret::new(chain));
        }
    }
}
