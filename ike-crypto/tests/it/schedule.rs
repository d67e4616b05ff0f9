use ike_crypto::{
    ChildSuite, Cipher, IkeSuite, Integ, Prf, Secret,
    schedule::{ChildKeys, SkKeys},
};
use ike_wire::{KeMethod, ProtocolId, Spi};
use serde_json::Value;

use crate::support::{list, octets, secret, text, vectors};

fn spi(value: &Value, field: &str) -> Spi {
    Spi(octets(value, field).try_into().unwrap())
}

fn suite(cipher: Cipher, prf: Prf) -> IkeSuite {
    IkeSuite {
        cipher,
        prf,
        ke: KeMethod::CURVE25519,
    }
}

/// The octets of prf+ that the keys were cut from.
fn joined(keys: &SkKeys) -> Vec<u8> {
    [
        &keys.d, &keys.ai, &keys.ar, &keys.ei, &keys.er, &keys.pi, &keys.pr,
    ]
    .map(Secret::expose)
    .concat()
}

/// A vector is longer or shorter than what a suite takes: the common part must be the same.
fn common_part_agrees(ours: &[u8], theirs: &[u8], what: &Value) {
    let len = ours.len().min(theirs.len());
    assert!(len >= 40);
    assert_eq!(ours[..len], theirs[..len], "{what}");
}

//= rfc7296#2.14: SKEYSEED = prf(Ni | Nr, g^ir)
//= rfc7296#2.14: the keys are cut from prf+(SKEYSEED, Ni | Nr | SPIi | SPIr) in the order d, ai, ar, ei, er, pi, pr
//= rfc7296#2.17: keys for initiator to responder come first; encryption keys before integrity keys
#[test]
fn nist_ikev2_kdf_vectors() {
    let file = vectors!("ikev2_kdf.json");
    let mut checked = 0;
    for v in list(&file, "kdf") {
        let prf = match text(v, "hash") {
            "SHA-1" => Prf::HmacSha1,
            "SHA2-256" => Prf::HmacSha2_256,
            "SHA2-384" => Prf::HmacSha2_384,
            "SHA2-512" => Prf::HmacSha2_512,
            other => panic!("{other}"),
        };
        let (ni, nr) = (octets(v, "nInit"), octets(v, "nResp"));
        let (spi_i, spi_r) = (spi(v, "spiInit"), spi(v, "spiResp"));
        let material = octets(v, "derivedKeyingMaterial");
        let gir_new = secret(v, "girNew");
        for cipher in [
            Cipher::AesGcm16 { key_bits: 256 },
            Cipher::AesCbc {
                key_bits: 192,
                integ: Integ::HmacSha2_512_256,
            },
        ] {
            let suite = suite(cipher, prf);
            let keys = SkKeys::initial(&suite, &secret(v, "gir"), &ni, &nr, spi_i, spi_r).unwrap();
            assert_eq!(joined(&keys).len(), suite.key_material_len());
            common_part_agrees(&joined(&keys), &material, v);

            // The vector's SKEYSEED of the rekey, expanded by the prf+ tested elsewhere.
            let rekeyed =
                SkKeys::rekeyed(&suite, prf, &keys.d, &gir_new, &ni, &nr, &[], spi_i, spi_r)
                    .unwrap();
            let expected = prf
                .plus(
                    &octets(v, "sKeySeedReKey"),
                    &[&ni, &nr, &spi_i.0, &spi_r.0],
                    suite.key_material_len(),
                )
                .unwrap();
            assert_eq!(joined(&rekeyed), expected.expose());
        }
        // SK_d is the first part whatever the cipher.
        let d = Secret::from_slice(&material[..prf.len()]);
        for (shared, field) in [
            (None, "derivedKeyingMaterialChild"),
            (Some(&gir_new), "derivedKeyingMaterialDh"),
        ] {
            let cipher = Cipher::AesCbc {
                key_bits: 256,
                integ: Integ::HmacSha2_256_128,
            };
            let keys = ChildKeys::derive(prf, &d, cipher, shared, &ni, &nr, &[]).unwrap();
            let ours = [&keys.encr_i, &keys.integ_i, &keys.encr_r, &keys.integ_r]
                .map(Secret::expose)
                .concat();
            common_part_agrees(&ours, &octets(v, field), v);
        }
        checked += 1;
    }
    assert_eq!(checked, 17);
}

#[test]
fn keys_are_cut_at_the_lengths_of_the_suite() {
    let cipher = Cipher::AesCbc {
        key_bits: 192,
        integ: Integ::HmacSha2_384_192,
    };
    let keys = SkKeys::initial(
        &suite(cipher, Prf::HmacSha1),
        &Secret::from_slice(b"shared"),
        b"ni",
        b"nr",
        Spi([1; 8]),
        Spi([2; 8]),
    )
    .unwrap();
    let lengths = [
        &keys.d, &keys.ai, &keys.ar, &keys.ei, &keys.er, &keys.pi, &keys.pr,
    ];
    assert_eq!(lengths.map(Secret::len), [20, 48, 48, 24, 24, 20, 20]);
    let child = ChildKeys::derive(Prf::HmacSha1, &keys.d, cipher, None, b"ni", b"nr", &[]).unwrap();
    let lengths = [&child.encr_i, &child.integ_i, &child.encr_r, &child.integ_r];
    assert_eq!(lengths.map(Secret::len), [24, 48, 24, 48]);
    let suite = ChildSuite {
        protocol: ProtocolId::ESP,
        cipher,
        esn: true,
    };
    assert_eq!(
        suite.key_material_len(),
        lengths.map(Secret::len).iter().sum::<usize>()
    );
}

/// A whole run of two strongSwan: X25519, then ML-KEM-768 and P-256 in IKE_INTERMEDIATE.
struct Run {
    file: Value,
    suite: IkeSuite,
}

impl Run {
    fn load() -> Self {
        Self {
            file: vectors!("rfc9370_vectors.json"),
            suite: suite(Cipher::AesGcm16 { key_bits: 256 }, Prf::HmacSha2_256),
        }
    }

    /// SK keys of rounds 0, 1 and 2.
    fn rounds(&self) -> Vec<SkKeys> {
        let f = &self.file;
        let (ni, nr) = (octets(f, "ni"), octets(f, "nr"));
        let (spi_i, spi_r) = (spi(f, "spi_i"), spi(f, "spi_r"));
        let mut keys: Vec<SkKeys> = Vec::new();
        for round in list(f, "rounds") {
            let shared = secret(round, "shared");
            keys.push(
                match keys.last() {
                    None => SkKeys::initial(&self.suite, &shared, &ni, &nr, spi_i, spi_r),
                    Some(last) => last.intermediate(&self.suite, &shared, &ni, &nr, spi_i, spi_r),
                }
                .unwrap(),
            );
        }
        keys
    }
}

fn agrees(keys: &SkKeys, v: &Value) {
    assert_eq!(keys.d, secret(v, "sk_d"), "sk_d");
    assert!(keys.ai.is_empty() && keys.ar.is_empty());
    assert_eq!(keys.ei, secret(v, "sk_ei"), "sk_ei");
    assert_eq!(keys.er, secret(v, "sk_er"), "sk_er");
    assert_eq!(keys.pi, secret(v, "sk_pi"), "sk_pi");
    assert_eq!(keys.pr, secret(v, "sk_pr"), "sk_pr");
}

fn child_agrees(keys: &ChildKeys, v: &Value) {
    assert_eq!(keys.encr_i, secret(v, "keymat_i_to_r"));
    assert_eq!(keys.encr_r, secret(v, "keymat_r_to_i"));
    assert!(keys.integ_i.is_empty() && keys.integ_r.is_empty());
}

#[test]
fn keys_of_every_intermediate_round_agree_with_strongswan() {
    let run = Run::load();
    let rounds = run.rounds();
    assert_eq!(rounds.len(), 3);
    for (keys, v) in rounds.iter().zip(list(&run.file, "rounds")) {
        agrees(keys, v);
    }
}

//= rfc7296#2.15: the signed octets end with prf(SK_p, RestOfIDPayload), so that the identity is covered
//= rfc7296#2.15: a shared secret is padded with these 17 ASCII characters, without a terminating zero
#[test]
fn auth_after_intermediate_rounds_agrees_with_strongswan() {
    use ike_crypto::auth::{shared_key_mac, signed_octets, verify_shared_key};
    let run = Run::load();
    let (f, prf) = (&run.file, run.suite.prf);
    let rounds = run.rounds();
    // RFC 9242 §3.3.2: each round's MAC covers the one before, then the message.
    let (mut int_i, mut int_r) = (Secret::empty(), Secret::empty());
    for (v, keys) in list(f, "intermediate").iter().zip(&rounds) {
        int_i = prf.compute(
            keys.pi.expose(),
            &[int_i.expose(), &octets(v, "request_a_p")],
        );
        int_r = prf.compute(
            keys.pr.expose(),
            &[int_r.expose(), &octets(v, "response_a_p")],
        );
        assert_eq!(int_i, secret(v, "intauth_i"));
        assert_eq!(int_r, secret(v, "intauth_r"));
    }
    let int_auth = [int_i.expose(), int_r.expose(), &octets(f, "ike_auth_mid")].concat();
    let last = rounds.last().unwrap();
    let psk = secret(f, "psk");
    for (sk_p, message, nonce, id, auth) in [
        (&last.pi, "real_message_1", "nr", "id_i_body", "auth_i"),
        (&last.pr, "real_message_2", "ni", "id_r_body", "auth_r"),
    ] {
        let signed = signed_octets(
            prf,
            sk_p,
            &octets(f, message),
            &octets(f, nonce),
            &octets(f, id),
            &int_auth,
        );
        let mac = shared_key_mac(prf, &psk, &signed);
        assert_eq!(mac, octets(f, auth));
        verify_shared_key(prf, &psk, &signed, &mac).unwrap();
    }
}

#[test]
fn child_keys_agree_with_strongswan() {
    let run = Run::load();
    let (f, suite) = (&run.file, &run.suite);
    let rounds = run.rounds();
    let d = &rounds.last().unwrap().d;
    let first = ChildKeys::derive(
        suite.prf,
        d,
        suite.cipher,
        None,
        &octets(f, "ni"),
        &octets(f, "nr"),
        &[],
    )
    .unwrap();
    child_agrees(&first, &f["first_child"]);
    let v = &f["child_rekey"];
    let rekeyed = ChildKeys::derive(
        suite.prf,
        d,
        suite.cipher,
        Some(&secret(v, "shared0")),
        &octets(v, "ni"),
        &octets(v, "nr"),
        &[secret(v, "shared1")],
    )
    .unwrap();
    child_agrees(&rekeyed, v);
}

#[test]
fn keys_of_a_rekeyed_ike_sa_agree_with_strongswan() {
    let run = Run::load();
    let rounds = run.rounds();
    let v = &run.file["ike_rekey"];
    let keys = SkKeys::rekeyed(
        &run.suite,
        run.suite.prf,
        &rounds.last().unwrap().d,
        &secret(v, "shared0"),
        &octets(v, "ni"),
        &octets(v, "nr"),
        &[secret(v, "shared1"), secret(v, "shared2")],
        spi(v, "spi_i"),
        spi(v, "spi_r"),
    )
    .unwrap();
    agrees(&keys, v);
}

//= rfc7296#2.18: the PRF of the old IKE SA makes SKEYSEED of the new one
#[test]
fn a_rekey_uses_the_old_prf_for_skeyseed_and_the_new_one_for_the_rest() {
    let suite = suite(Cipher::AesGcm16 { key_bits: 128 }, Prf::HmacSha2_512);
    let (d, shared) = (Secret::new(vec![1; 32]), Secret::new(vec![2; 32]));
    let keys = SkKeys::rekeyed(
        &suite,
        Prf::HmacSha2_256,
        &d,
        &shared,
        b"ni",
        b"nr",
        &[],
        Spi([3; 8]),
        Spi([4; 8]),
    )
    .unwrap();
    let skeyseed = Prf::HmacSha2_256.compute(d.expose(), &[shared.expose(), b"ni", b"nr"]);
    let expected = Prf::HmacSha2_512
        .plus(
            skeyseed.expose(),
            &[b"ni", b"nr", &[3; 8], &[4; 8]],
            suite.key_material_len(),
        )
        .unwrap();
    assert_eq!(joined(&keys), expected.expose());
}

//= rfc8784#3: the PPK is mixed into SK_d, SK_pi and SK_pr by prf+, and into nothing else
#[test]
fn a_ppk_changes_d_pi_and_pr_only() {
    for prf in [Prf::HmacSha2_256, Prf::HmacSha2_512, Prf::Aes128Cmac] {
        let cipher = Cipher::AesCbc {
            key_bits: 256,
            integ: Integ::HmacSha2_384_192,
        };
        let shared = Secret::new(vec![7; 32]);
        let (spi_i, spi_r) = (Spi([1; 8]), Spi([2; 8]));
        let suite = suite(cipher, prf);
        let plain = SkKeys::initial(&suite, &shared, &[3; 32], &[4; 32], spi_i, spi_r).unwrap();
        let ppk = Secret::new(b"a postquantum preshared key".to_vec());
        let mixed = plain.with_ppk(prf, &ppk).unwrap();
        for (mixed, plain) in [
            (&mixed.d, &plain.d),
            (&mixed.pi, &plain.pi),
            (&mixed.pr, &plain.pr),
        ] {
            // One output of the PRF is all that prf+ gives here.
            let expected = prf.compute(ppk.expose(), &[plain.expose(), &[1]]);
            assert_eq!(*mixed, expected);
        }
        for (mixed, plain) in [
            (&mixed.ai, &plain.ai),
            (&mixed.ar, &plain.ar),
            (&mixed.ei, &plain.ei),
            (&mixed.er, &plain.er),
        ] {
            assert_eq!(mixed, plain);
        }
    }
}
