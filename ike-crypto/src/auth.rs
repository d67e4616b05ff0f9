//! AUTH (RFC 7296 §2.15): the octets both ends sign, and the shared-key MAC.
use crate::{AuthenticationFailed, Prf, Secret};
use alloc::vec::Vec;

/// RealMessage | NonceData | prf(SK_p, RestOfID) [| IntAuth (RFC 9242)]: `message` is the signer's own IKE_SA_INIT message
/// from the IKE header on, `nonce` the other end's, `id_body` the signer's ID payload after its generic header.
pub fn signed_octets(
    _prf: Prf,
    _sk_p: &Secret,
    _message: &[u8],
    _nonce: &[u8],
    _id_body: &[u8],
    _int_auth: &[u8],
) -> Vec<u8> {
    todo!()
}

/// AUTH = prf(prf(shared, "Key Pad for IKEv2"), octets).
pub fn shared_key_mac(_prf: Prf, _shared: &Secret, _octets: &[u8]) -> Vec<u8> {
    todo!()
}

/// Checks a shared-key AUTH in constant time.
pub fn verify_shared_key(
    _prf: Prf,
    _shared: &Secret,
    _octets: &[u8],
    _auth: &[u8],
) -> Result<(), AuthenticationFailed> {
    todo!()
}
