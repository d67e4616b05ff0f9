//! AUTH (RFC 7296 §2.15): the octets both ends sign, and the shared-key MAC. Signatures over these
//! octets are made elsewhere, where the private keys are.
use alloc::vec::Vec;

use subtle::ConstantTimeEq;

use crate::{AuthenticationFailed, Prf, Secret};

/// RealMessage | NonceData | prf(SK_p, RestOfID) [| IntAuth (RFC 9242)]: `message` is the signer's own IKE_SA_INIT message
/// from the IKE header on, `nonce` the other end's, `id_body` the signer's ID payload after its generic header.
pub fn signed_octets(
    prf: Prf,
    sk_p: &Secret,
    message: &[u8],
    nonce: &[u8],
    id_body: &[u8],
    int_auth: &[u8],
) -> Vec<u8> {
    //= rfc7296#2.15: the signed octets end with prf(SK_p, RestOfIDPayload), so that the identity is covered
    let maced_id = prf.compute(sk_p.expose(), &[id_body]);
    [message, nonce, maced_id.expose(), int_auth].concat()
}

/// AUTH = prf(prf(shared, "Key Pad for IKEv2"), octets).
pub fn shared_key_mac(prf: Prf, shared: &Secret, octets: &[u8]) -> Vec<u8> {
    //= rfc7296#2.15: a shared secret is padded with these 17 ASCII characters, without a terminating zero
    let key = prf.compute(shared.expose(), &[KEY_PAD]);
    prf.compute(key.expose(), &[octets]).expose().to_vec()
}

/// Checks a shared-key AUTH in constant time.
pub fn verify_shared_key(
    prf: Prf,
    shared: &Secret,
    octets: &[u8],
    auth: &[u8],
) -> Result<(), AuthenticationFailed> {
    let expected = Secret::new(shared_key_mac(prf, shared, octets));
    if bool::from(expected.expose().ct_eq(auth)) {
        Ok(())
    } else {
        Err(AuthenticationFailed)
    }
}

const KEY_PAD: &[u8] = b"Key Pad for IKEv2";
