use ike_crypto::{ChildSuite, Cipher, Integ, Secret};
use ike_wire::ProtocolId;

#[test]
fn debug_output_shows_only_the_length() {
    let secret = Secret::from_slice(b"hunter2");
    assert_eq!(format!("{secret:?}"), "Secret(7)");
    assert_eq!(format!("{secret:#?}"), "Secret(7)");
}

#[test]
fn secrets_are_equal_when_their_octets_are() {
    let secret = Secret::from_slice(&[1, 2, 3]);
    assert_eq!(secret, secret.duplicate());
    assert_ne!(secret, Secret::from_slice(&[1, 2, 4]));
    assert_ne!(secret, Secret::from_slice(&[1, 2]));
    assert_ne!(secret, Secret::empty());
    assert_eq!((secret.len(), secret.is_empty()), (3, false));
    assert!(Secret::empty().is_empty());
}

#[test]
fn a_secret_is_serialized_as_its_length_and_octets() {
    let octets: Vec<u8> = (0..200).collect();
    let written = postcard::to_stdvec(&Secret::from_slice(&octets)).unwrap();
    // A two-octet length, then nothing but the octets.
    assert_eq!(written.len(), 202);
    assert_eq!(written[2..], octets);
    let read: Secret = postcard::from_bytes(&written).unwrap();
    assert_eq!(read.expose(), octets);
}

#[test]
fn a_secret_cut_short_does_not_deserialize() {
    let written = postcard::to_stdvec(&Secret::from_slice(&[7; 40])).unwrap();
    for len in 0..written.len() {
        assert!(postcard::from_bytes::<Secret>(&written[..len]).is_err());
    }
}

#[test]
fn a_secret_survives_formats_without_octet_strings() {
    for len in [0, 1, 63, 64, 65, 5000] {
        let secret = Secret::new((0..len).map(|n| n as u8).collect());
        let written = serde_json::to_string(&secret).unwrap();
        assert_eq!(serde_json::from_str::<Secret>(&written).unwrap(), secret);
    }
}

#[test]
fn suites_survive_serialization() {
    let suite = ChildSuite {
        protocol: ProtocolId::ESP,
        cipher: Cipher::AesCbc {
            key_bits: 256,
            integ: Integ::HmacSha2_512_256,
        },
        esn: true,
    };
    let written = postcard::to_stdvec(&suite).unwrap();
    assert_eq!(postcard::from_bytes::<ChildSuite>(&written), Ok(suite));
}

/// Slow key exchanges run on other threads; packet keys are shared by several.
#[test]
fn keys_can_go_to_other_threads() {
    fn send<T: Send + 'static>() {}
    fn sync<T: Sync>() {}
    send::<ike_crypto::ke::Initiator>();
    send::<ike_crypto::SkCipher>();
    send::<ike_crypto::CipherKeys>();
    sync::<ike_crypto::CipherKeys>();
    send::<Secret>();
}
