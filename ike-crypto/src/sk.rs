//! The SK and SKF payloads (RFC 7296 §3.14, RFC 5282, RFC 7383 §2.5): IV, padding, ICV.
use crate::{AuthenticationFailed, Cipher, CipherKeys, CryptoError, Secret};
use alloc::vec::Vec;
use rand_core::CryptoRng;

/// Which end sends with these keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkDirection {
    /// SK_ei, SK_ai.
    Initiator,
    /// SK_er, SK_ar.
    Responder,
}

/// Protection of one direction of an IKE SA.
#[derive(Debug)]
pub struct SkCipher {
    _keys: CipherKeys,
    _counter: u64,
}

impl SkCipher {
    /// From SK_e and SK_a of the direction.
    pub fn new(_cipher: Cipher, _sk_e: &Secret, _sk_a: &Secret) -> Result<Self, CryptoError> {
        todo!()
    }
    /// Octets that protection adds to a plaintext of `plain_len` octets: IV, padding, pad length, ICV.
    pub fn overhead(&self, _plain_len: usize) -> usize {
        todo!()
    }
    /// Appends IV | ciphertext | ICV to `message`, which so far holds everything from the IKE header
    /// to the end of the SK (or SKF) payload's own header, all lengths already final.
    /// AEAD IVs are a counter; CBC IVs are random.
    pub fn seal(
        &mut self,
        _message: &mut Vec<u8>,
        _plaintext: &[u8],
        _rng: &mut dyn CryptoRng,
    ) -> Result<(), CryptoError> {
        todo!()
    }
    /// Opens the last payload of `message`: its contents (IV on) start at `body_from`.
    /// Returns the plaintext without padding.
    pub fn open(&self, _message: &[u8], _body_from: usize) -> Result<Secret, AuthenticationFailed> {
        todo!()
    }
}
