//! Key exchange methods (RFC 7296 §3.4, RFC 5903, RFC 8031, RFC 3526; checks of RFC 6989).
use crate::{CryptoError, Secret};
use alloc::vec::Vec;
use ike_wire::KeMethod;
use rand_core::CryptoRng;

/// Whether a method is built in.
pub fn is_supported(_method: KeMethod) -> bool {
    todo!()
}

/// Whether a method is so slow that a daemon should run it outside its event loop.
pub fn is_slow(_method: KeMethod) -> bool {
    todo!()
}

/// Our private half, made by the initiator.
#[derive(Debug)]
pub struct Initiator {
    _todo: (),
}

impl Initiator {
    /// A fresh key pair. Errors: method not built in.
    pub fn generate(_method: KeMethod, _rng: &mut dyn CryptoRng) -> Result<Self, CryptoError> {
        todo!()
    }
    /// The method.
    pub fn method(&self) -> KeMethod {
        todo!()
    }
    /// KE payload data.
    pub fn public(&self) -> &[u8] {
        todo!()
    }
    /// The shared secret from the responder's KE data; consumes the key (RFC 7296 §2.12).
    pub fn finish(self, _peer: &[u8]) -> Result<Secret, CryptoError> {
        todo!()
    }
}

/// The responder's whole turn: KE data to answer with, and the shared secret. Works for
/// Diffie-Hellman and for KEMs alike (encapsulation).
pub fn respond(
    _method: KeMethod,
    _peer: &[u8],
    _rng: &mut dyn CryptoRng,
) -> Result<(Vec<u8>, Secret), CryptoError> {
    todo!()
}
