//! Curve25519 (RFC 8031, RFC 7748).
use alloc::vec::Vec;

use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use crate::{CryptoError, Secret};

/// A private key.
pub(super) struct Private(StaticSecret);

impl Private {
    pub(super) fn generate(rng: &mut dyn CryptoRng) -> (Self, Vec<u8>) {
        let mut octets = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *octets);
        Self::from_octets(&octets)
    }

    /// From the octets before clamping.
    pub(super) fn from_octets(octets: &[u8; 32]) -> (Self, Vec<u8>) {
        let private = StaticSecret::from(*octets);
        let public = PublicKey::from(&private).as_bytes().to_vec();
        (Self(private), public)
    }

    pub(super) fn agree(&self, peer: &[u8]) -> Result<Secret, CryptoError> {
        //= rfc8031#3.1: public values are 32 octets
        let peer: [u8; 32] = peer
            .try_into()
            .map_err(|_| CryptoError::InvalidPublicValue)?;
        //= rfc8031#3.2: the most significant bit is masked and non-canonical values are accepted
        let shared = self.0.diffie_hellman(&PublicKey::from(peer));
        //= rfc7748#6.1: the all-zero shared secret, of a public value of small order, is refused
        if !shared.was_contributory() {
            return Err(CryptoError::InvalidPublicValue);
        }
        Ok(Secret::from_slice(shared.as_bytes()))
    }
}
