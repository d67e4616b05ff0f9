use ike_crypto::{CryptoError, Integ, IntegKey, raw};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{cases, list, number, octets, text, vectors};

fn vectors_fit(integ: Integ, vectors: &[Value], mac: &str) {
    for v in vectors {
        let key = IntegKey::new(integ, &octets(v, "key")).unwrap();
        let (message, icv) = (octets(v, "message"), octets(v, mac));
        assert_eq!(key.sign(&[&message]), icv, "{v}");
        key.verify(&[&message], &icv).unwrap();
    }
}

#[test]
fn rfc_3566_aes_xcbc_vectors() {
    let file = vectors!("rfc_vectors.json");
    let vectors = list(&file["rfc3566_aes_xcbc_mac_96"], "vectors");
    assert_eq!(vectors.len(), 7);
    vectors_fit(Integ::AesXcbc96, vectors, "mac96");
}

#[test]
fn rfc_4494_aes_cmac_vectors() {
    let file = vectors!("rfc_vectors.json");
    let vectors = list(&file["rfc4494_aes_cmac_96"], "vectors");
    assert_eq!(vectors.len(), 4);
    vectors_fit(Integ::AesCmac96, vectors, "mac96");
}

/// All cases with the key length that IKE has; the tag is cut to 96 bits. What is invalid is so
/// because of a changed tag; some are changed only behind the 96 bits.
#[test]
fn wycheproof_aes_cmac() {
    let file = vectors!("wycheproof/aes_cmac_test.json");
    let mut checked = 0;
    for (group, case) in cases(&file, "tests") {
        let key = IntegKey::new(Integ::AesCmac96, &octets(case, "key"));
        if number(group, "keySize") != 128 {
            assert_eq!(key.unwrap_err(), CryptoError::KeyLength);
            continue;
        }
        let Ok(key) = key else {
            assert_eq!(text(case, "result"), "invalid", "{case}");
            continue;
        };
        let (message, tag) = (octets(case, "msg"), octets(case, "tag"));
        let full = ike_crypto::Prf::Aes128Cmac.compute(&octets(case, "key"), &[&message]);
        let valid = text(case, "result") == "valid";
        assert_eq!(full.expose() == tag, valid, "{case}");
        assert_eq!(
            key.verify(&[&message], &tag[..12]).is_ok(),
            full.expose()[..12] == tag[..12],
            "{case}"
        );
        checked += 1;
    }
    assert!(checked >= 90, "{checked}");
}

#[test]
fn icvs_of_another_length_are_wrong() {
    let key = IntegKey::new(Integ::HmacSha2_256_128, &[1; 32]).unwrap();
    let icv = key.sign(&[b"message"]);
    key.verify(&[b"mess", b"age"], &icv).unwrap();
    for bad in [&icv[..15], &icv[..0], &[icv.as_slice(), &[0]].concat()] {
        key.verify(&[b"message"], bad).unwrap_err();
    }
}

#[test]
fn rfc_3686_aes_ctr_vectors() {
    let file = vectors!("rfc_vectors.json");
    let vectors = list(&file["rfc3686_aes_ctr"], "vectors");
    assert_eq!(vectors.len(), 9);
    for v in vectors {
        let key = [octets(v, "key"), octets(v, "nonce")].concat();
        let mut data = octets(v, "plaintext");
        raw::RawCipher::AesCtr
            .encrypt(&key, &octets(v, "iv"), &mut data)
            .unwrap();
        assert_eq!(data, octets(v, "ciphertext"), "{v}");
    }
}

/// NIST SP 800-67's example of three keys, in CBC with a zero IV its first block is the same.
#[test]
fn triple_des_encrypts_as_sp_800_67_says() {
    let key = hex::decode("0123456789abcdef23456789abcdef01456789abcdef0123").unwrap();
    let mut data = b"The qufck".to_vec();
    data.truncate(8);
    raw::RawCipher::TripleDesCbc
        .encrypt(&key, &[0; 8], &mut data)
        .unwrap();
    assert_eq!(hex::encode(&data), "a826fd8ce53b855f");
    raw::RawCipher::TripleDesCbc
        .decrypt(&key, &[0; 8], &mut data)
        .unwrap();
    assert_eq!(data, b"The qufc");
}

/// GMAC is GCM of nothing: cases of the GCM files without plaintext.
#[test]
fn wycheproof_gcm_cases_without_plaintext_are_gmac() {
    let file = vectors!("wycheproof/aes_gcm_test.json");
    let mut checked = 0;
    for (_, case) in cases(&file, "tests") {
        let (nonce, tag) = (octets(case, "iv"), octets(case, "tag"));
        if !text(case, "msg").is_empty() || nonce.len() != 12 || tag.len() != 16 {
            continue;
        }
        let key = [octets(case, "key"), nonce[..4].to_vec()].concat();
        let fits = raw::verify_gmac(&key, &nonce[4..], &octets(case, "aad"), &tag).is_ok();
        assert_eq!(fits, text(case, "result") == "valid", "{case}");
        checked += 1;
    }
    assert!(checked >= 3, "{checked}");
}

#[test]
fn texts_that_are_no_whole_blocks_are_refused() {
    for (cipher, key, block) in [
        (raw::RawCipher::AesCbc, vec![1; 16], 16),
        (raw::RawCipher::TripleDesCbc, vec![1; 24], 8),
    ] {
        for len in [1, block - 1, block + 1] {
            let mut data = vec![0; len];
            for result in [
                cipher.encrypt(&key, &vec![0; block], &mut data),
                cipher.decrypt(&key, &vec![0; block], &mut data),
                cipher.encrypt(&key, &[0; 5], &mut vec![0; block]),
            ] {
                assert_eq!(result, Err(CryptoError::CiphertextLength));
            }
        }
    }
}

proptest! {
    #[test]
    fn parts_make_no_difference_to_xcbc(
        data in prop::collection::vec(any::<u8>(), 0..100),
        at in any::<prop::sample::Index>(),
    ) {
        let key = IntegKey::new(Integ::AesXcbc96, &[7; 16]).unwrap();
        let (a, b) = data.split_at(at.index(data.len() + 1));
        prop_assert_eq!(key.sign(&[a, b]), key.sign(&[&data]));
    }
}
