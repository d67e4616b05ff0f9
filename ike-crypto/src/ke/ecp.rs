//! The NIST curves (RFC 5903, and 192 and 224 bits by the same rules) and Brainpool's (RFC 6932). KE data is x | y, without the 0x04 of SEC 1; the shared secret is
//! the x coordinate alone (RFC 5903 §7).
use alloc::vec::Vec;

use bp256::BrainpoolP256r1;
use bp384::BrainpoolP384r1;
use p192::NistP192;
use p224::NistP224;
use p256::{
    NistP256,
    elliptic_curve::{
        AffinePoint, CurveArithmetic, FieldBytes, FieldBytesSize, PublicKey, SecretKey,
        sec1::{FromSec1Point, ModulusSize, Sec1Point, ToSec1Point},
    },
};
use p384::NistP384;
use p521::NistP521;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{CryptoError, Secret};

/// A private key on curve `C`.
pub(super) struct Private<C: CurveArithmetic>(SecretKey<C>);

/// What elliptic-curve does not say about a curve.
pub(super) trait EcpGroup: CurveArithmetic {
    /// Bits of a scalar's first octet that can be set.
    const FIRST_OCTET: u8;
}

impl EcpGroup for NistP192 {
    const FIRST_OCTET: u8 = 0xff;
}
impl EcpGroup for NistP224 {
    const FIRST_OCTET: u8 = 0xff;
}
impl EcpGroup for NistP256 {
    const FIRST_OCTET: u8 = 0xff;
}
impl EcpGroup for NistP384 {
    const FIRST_OCTET: u8 = 0xff;
}
impl EcpGroup for BrainpoolP256r1 {
    const FIRST_OCTET: u8 = 0xff;
}
impl EcpGroup for BrainpoolP384r1 {
    const FIRST_OCTET: u8 = 0xff;
}
impl EcpGroup for NistP521 {
    const FIRST_OCTET: u8 = 0x01;
}

impl<C> Private<C>
where
    C: EcpGroup,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    /// Takes scalars from `rng` until one is in range, which the first nearly always is.
    pub(super) fn generate(rng: &mut dyn CryptoRng) -> (Self, Vec<u8>) {
        let mut octets = Zeroizing::new(FieldBytes::<C>::default());
        let private = loop {
            rng.fill_bytes(&mut octets);
            if let Some(first) = octets.first_mut() {
                *first &= C::FIRST_OCTET;
            }
            if let Ok(private) = SecretKey::from_bytes(&octets) {
                break private;
            }
        };
        Self::with_public(private)
    }

    /// From a scalar in the length of the field, for test vectors.
    pub(super) fn from_scalar(octets: &[u8]) -> Result<(Self, Vec<u8>), CryptoError> {
        let octets = octets.try_into().map_err(|_| CryptoError::InvalidKey)?;
        let private = SecretKey::from_bytes(octets).map_err(|_| CryptoError::InvalidKey)?;
        Ok(Self::with_public(private))
    }

    fn with_public(private: SecretKey<C>) -> (Self, Vec<u8>) {
        let point = private.public_key().to_sec1_point(false);
        //= rfc5903#7: the KE data is x followed by y, each as long as the prime
        let public = point.as_bytes().iter().skip(1).copied().collect();
        (Self(private), public)
    }

    pub(super) fn agree(&self, peer: &[u8]) -> Result<Secret, CryptoError> {
        //= rfc6989#2.3: the peer's point has coordinates in range and lies on the curve
        let point = peer
            .try_into()
            .map(Sec1Point::<C>::from_untagged_bytes)
            .map_err(|_| CryptoError::InvalidPublicValue)?;
        let peer = PublicKey::<C>::from_sec1_point(&point)
            .into_option()
            .ok_or(CryptoError::InvalidPublicValue)?;
        //= rfc5903#7: the shared secret is the x coordinate alone
        let shared = self.0.diffie_hellman(&peer);
        Ok(Secret::from_slice(shared.raw_secret_bytes()))
    }
}
