//! Public keys of SubjectPublicKeyInfo, private ones of PKCS #8.
use alloc::{boxed::Box, vec::Vec};

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use pkcs8::{DecodePrivateKey, DecodePublicKey};
use rand_core::CryptoRng;
use rsa::{RsaPrivateKey, RsaPublicKey, traits::PublicKeyParts};
use spki::SubjectPublicKeyInfoRef;
use spki::der::{Decode, asn1::ObjectIdentifier};

use super::{
    Curve, Scheme,
    ecdsa::{on_p256, on_p384, on_p521},
    rsa as rsa_scheme,
};
use crate::CryptoError;

/// A public key that verifies signatures.
#[derive(Debug, Clone, PartialEq)]
pub struct PublicKey(Public);

#[derive(Debug, Clone, PartialEq)]
enum Public {
    Rsa(Box<RsaPublicKey>),
    P256(p256::PublicKey),
    P384(p384::PublicKey),
    P521(p521::PublicKey),
    Ed25519(VerifyingKey),
}

impl PublicKey {
    /// From the DER of a SubjectPublicKeyInfo. Errors: `InvalidKey` if it is none or the key is
    /// invalid, `Unsupported` for other algorithms and curves.
    pub fn from_spki(der: &[u8]) -> Result<Self, CryptoError> {
        let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| CryptoError::InvalidKey)?;
        let invalid = |_| CryptoError::InvalidKey;
        Ok(Self(match spki.algorithm.oid {
            RSA => Public::Rsa(Box::new(
                RsaPublicKey::from_public_key_der(der).map_err(invalid)?,
            )),
            EC => match spki
                .algorithm
                .parameters_oid()
                .map_err(|_| CryptoError::InvalidKey)?
            {
                P256 => Public::P256(DecodePublicKey::from_public_key_der(der).map_err(invalid)?),
                P384 => Public::P384(DecodePublicKey::from_public_key_der(der).map_err(invalid)?),
                P521 => Public::P521(DecodePublicKey::from_public_key_der(der).map_err(invalid)?),
                _ => return Err(CryptoError::Unsupported),
            },
            ED25519 => Public::Ed25519(DecodePublicKey::from_public_key_der(der).map_err(invalid)?),
            _ => return Err(CryptoError::Unsupported),
        }))
    }

    /// The curve of an ECDSA key.
    pub fn curve(&self) -> Option<Curve> {
        match self.0 {
            Public::P256(_) => Some(Curve::P256),
            Public::P384(_) => Some(Curve::P384),
            Public::P521(_) => Some(Curve::P521),
            Public::Rsa(_) | Public::Ed25519(_) => None,
        }
    }

    /// Bits of an RSA key's modulus.
    pub fn rsa_bits(&self) -> Option<u32> {
        match &self.0 {
            Public::Rsa(key) => Some(key.n().bits()),
            _ => None,
        }
    }

    /// Whether it is an Ed25519 key.
    pub fn is_ed25519(&self) -> bool {
        matches!(self.0, Public::Ed25519(_))
    }

    /// Checks a signature. Errors: `AuthenticationFailed` for a wrong one, `KeyMismatch` if the key is
    /// of another algorithm.
    pub fn verify(
        &self,
        scheme: Scheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        match &self.0 {
            Public::Rsa(key) => rsa_scheme::verify(key, scheme, message, signature),
            Public::P256(key) => on_p256::verify(key, scheme, message, signature),
            Public::P384(key) => on_p384::verify(key, scheme, message, signature),
            Public::P521(key) => on_p521::verify(key, scheme, message, signature),
            Public::Ed25519(key) if scheme == Scheme::Ed25519 => {
                let signature = Signature::from_slice(signature)
                    .map_err(|_| CryptoError::AuthenticationFailed)?;
                //= rfc8032#5.1.7: s is in range; keys and points of small order are refused, too
                key.verify_strict(message, &signature)
                    .map_err(|_| CryptoError::AuthenticationFailed)
            }
            Public::Ed25519(_) => Err(CryptoError::KeyMismatch),
        }
    }
}

/// A private key that signs; wiped on drop, never printed.
pub struct PrivateKey(Private);

enum Private {
    Rsa(Box<RsaPrivateKey>),
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    P521(p521::SecretKey),
    Ed25519(Box<SigningKey>),
}

impl core::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PrivateKey")
    }
}

impl PrivateKey {
    /// From the DER of a PKCS #8 PrivateKeyInfo. Errors as of [`PublicKey::from_spki`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, CryptoError> {
        let info = pkcs8::PrivateKeyInfoRef::try_from(der).map_err(|_| CryptoError::InvalidKey)?;
        let invalid = |_| CryptoError::InvalidKey;
        Ok(Self(match info.algorithm.oid {
            RSA => Private::Rsa(Box::new(
                RsaPrivateKey::from_pkcs8_der(der).map_err(invalid)?,
            )),
            EC => match info
                .algorithm
                .parameters_oid()
                .map_err(|_| CryptoError::InvalidKey)?
            {
                P256 => Private::P256(DecodePrivateKey::from_pkcs8_der(der).map_err(invalid)?),
                P384 => Private::P384(DecodePrivateKey::from_pkcs8_der(der).map_err(invalid)?),
                P521 => Private::P521(DecodePrivateKey::from_pkcs8_der(der).map_err(invalid)?),
                _ => return Err(CryptoError::Unsupported),
            },
            ED25519 => Private::Ed25519(Box::new(
                DecodePrivateKey::from_pkcs8_der(der).map_err(invalid)?,
            )),
            _ => return Err(CryptoError::Unsupported),
        }))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(match &self.0 {
            Private::Rsa(key) => Public::Rsa(Box::new(key.to_public_key())),
            Private::P256(key) => Public::P256(key.public_key()),
            Private::P384(key) => Public::P384(key.public_key()),
            Private::P521(key) => Public::P521(key.public_key()),
            Private::Ed25519(key) => Public::Ed25519(key.verifying_key()),
        })
    }

    /// Signs; `rng` blinds RSA and salts PSS, the others are deterministic. Errors: `KeyMismatch`.
    pub fn sign(
        &self,
        scheme: Scheme,
        message: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, CryptoError> {
        match &self.0 {
            Private::Rsa(key) => rsa_scheme::sign(key, scheme, message, rng),
            Private::P256(key) => on_p256::sign(key, scheme, message),
            Private::P384(key) => on_p384::sign(key, scheme, message),
            Private::P521(key) => on_p521::sign(key, scheme, message),
            Private::Ed25519(key) if scheme == Scheme::Ed25519 => {
                Ok(key.sign(message).to_bytes().to_vec())
            }
            Private::Ed25519(_) => Err(CryptoError::KeyMismatch),
        }
    }
}

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
