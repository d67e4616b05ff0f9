use ike_crypto::{
    AuthenticationFailed, Prf, Secret,
    auth::{shared_key_mac, signed_octets, verify_shared_key},
};

#[test]
fn signed_octets_are_message_nonce_and_mac_of_the_identity() {
    let sk_p = Secret::from_slice(b"sk_p");
    let octets = signed_octets(Prf::HmacSha2_256, &sk_p, b"message", b"nonce", b"id", b"");
    let (head, mac) = octets.split_at(12);
    assert_eq!(head, b"messagenonce");
    assert_eq!(Prf::HmacSha2_256.compute(b"sk_p", &[b"id"]).expose(), mac);
    let more = signed_octets(
        Prf::HmacSha2_256,
        &sk_p,
        b"message",
        b"nonce",
        b"id",
        b"int",
    );
    assert_eq!(more, [octets.as_slice(), b"int"].concat());
}

#[test]
fn a_shared_key_auth_verifies_only_with_the_same_key_and_octets() {
    let (key, other) = (
        Secret::from_slice(b"a shared key"),
        Secret::from_slice(b"another"),
    );
    for prf in [
        Prf::HmacSha1,
        Prf::HmacSha2_256,
        Prf::HmacSha2_384,
        Prf::HmacSha2_512,
    ] {
        let auth = shared_key_mac(prf, &key, b"octets");
        assert_eq!(auth.len(), prf.len());
        assert_eq!(verify_shared_key(prf, &key, b"octets", &auth), Ok(()));
        let failed = Err(AuthenticationFailed);
        assert_eq!(verify_shared_key(prf, &other, b"octets", &auth), failed);
        assert_eq!(verify_shared_key(prf, &key, b"octetz", &auth), failed);
        assert_eq!(verify_shared_key(prf, &key, b"octets", &auth[1..]), failed);
        assert_eq!(verify_shared_key(prf, &key, b"octets", &[]), failed);
        for at in 0..auth.len() {
            let mut changed = auth.clone();
            changed[at] ^= 1;
            assert_eq!(verify_shared_key(prf, &key, b"octets", &changed), failed);
        }
    }
}
