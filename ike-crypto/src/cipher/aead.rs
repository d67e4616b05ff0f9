//! AEADs with a 4-octet salt and an 8-octet explicit IV: AES-GCM (RFC 4106 §4, RFC 5282 §4) and
//! ChaCha20-Poly1305 (RFC 7634 §2). Works in place and never allocates.
use ::aead::{
    self as aead, AeadInOut, KeyInit, Tag,
    array::{Array, ArraySize},
    consts::{U8, U12, U16},
};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::{AesGcm, TagSize};
use chacha20poly1305::ChaCha20Poly1305;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{AuthenticationFailed, CryptoError};

/// An AEAD key with its salt.
pub(crate) struct AeadKey {
    salt: Salt,
    key: Algorithm,
}

#[derive(Zeroize, ZeroizeOnDrop)]
struct Salt([u8; super::SALT_LEN]);

enum Algorithm {
    Gcm16(Gcm<U16>),
    Gcm12(Gcm<U12>),
    Gcm8(Gcm<U8>),
    ChaCha20Poly1305(ChaCha20Poly1305),
}

enum Gcm<T: TagSize> {
    Aes128(AesGcm<Aes128, U12, T>),
    Aes192(AesGcm<Aes192, U12, T>),
    Aes256(AesGcm<Aes256, U12, T>),
}

impl AeadKey {
    pub(crate) fn gcm16(material: &[u8]) -> Result<Self, CryptoError> {
        Self::new(material, |key| Gcm::new(key).map(Algorithm::Gcm16))
    }

    pub(super) fn gcm12(material: &[u8]) -> Result<Self, CryptoError> {
        Self::new(material, |key| Gcm::new(key).map(Algorithm::Gcm12))
    }

    pub(super) fn gcm8(material: &[u8]) -> Result<Self, CryptoError> {
        Self::new(material, |key| Gcm::new(key).map(Algorithm::Gcm8))
    }

    pub(super) fn chacha20_poly1305(material: &[u8]) -> Result<Self, CryptoError> {
        Self::new(material, |key| init(key).map(Algorithm::ChaCha20Poly1305))
    }

    //= rfc5282#7.1: the salt is the last four octets of the keying material
    fn new(
        material: &[u8],
        algorithm: impl FnOnce(&[u8]) -> Result<Algorithm, CryptoError>,
    ) -> Result<Self, CryptoError> {
        let (key, salt) = material
            .split_last_chunk::<{ super::SALT_LEN }>()
            .ok_or(CryptoError::KeyLength)?;
        Ok(Self {
            salt: Salt(*salt),
            key: algorithm(key)?,
        })
    }

    pub(crate) fn seal(
        &self,
        iv: &[u8],
        aad: &[u8],
        data: &mut [u8],
        icv: &mut [u8],
    ) -> Result<(), CryptoError> {
        let nonce = self.nonce(iv).ok_or(CryptoError::CiphertextLength)?;
        match &self.key {
            Algorithm::Gcm16(key) => key.seal(&nonce, aad, data, icv),
            Algorithm::Gcm12(key) => key.seal(&nonce, aad, data, icv),
            Algorithm::Gcm8(key) => key.seal(&nonce, aad, data, icv),
            Algorithm::ChaCha20Poly1305(key) => seal(key, &nonce, aad, data, icv),
        }
    }

    pub(super) fn open(
        &self,
        iv: &[u8],
        aad: &[u8],
        data: &mut [u8],
        icv: &[u8],
    ) -> Result<(), AuthenticationFailed> {
        let nonce = self.nonce(iv).ok_or(AuthenticationFailed)?;
        match &self.key {
            Algorithm::Gcm16(key) => key.open(&nonce, aad, data, icv),
            Algorithm::Gcm12(key) => key.open(&nonce, aad, data, icv),
            Algorithm::Gcm8(key) => key.open(&nonce, aad, data, icv),
            Algorithm::ChaCha20Poly1305(key) => open(key, &nonce, aad, data, icv),
        }
    }

    //= rfc5282#4: the nonce is the salt followed by the IV
    fn nonce(&self, iv: &[u8]) -> Option<Nonce> {
        let iv: [u8; super::AEAD_IV_LEN] = iv.try_into().ok()?;
        let mut nonce = Nonce::default();
        let (salt, rest) = nonce.split_at_mut(super::SALT_LEN);
        salt.copy_from_slice(&self.salt.0);
        rest.copy_from_slice(&iv);
        Some(nonce)
    }
}

impl<T: TagSize + ArraySize> Gcm<T> {
    fn new(key: &[u8]) -> Result<Self, CryptoError> {
        match key.len() {
            16 => init(key).map(Self::Aes128),
            24 => init(key).map(Self::Aes192),
            32 => init(key).map(Self::Aes256),
            _ => Err(CryptoError::KeyLength),
        }
    }

    fn seal(
        &self,
        nonce: &Nonce,
        aad: &[u8],
        data: &mut [u8],
        icv: &mut [u8],
    ) -> Result<(), CryptoError> {
        match self {
            Self::Aes128(key) => seal(key, nonce, aad, data, icv),
            Self::Aes192(key) => seal(key, nonce, aad, data, icv),
            Self::Aes256(key) => seal(key, nonce, aad, data, icv),
        }
    }

    fn open(
        &self,
        nonce: &Nonce,
        aad: &[u8],
        data: &mut [u8],
        icv: &[u8],
    ) -> Result<(), AuthenticationFailed> {
        match self {
            Self::Aes128(key) => open(key, nonce, aad, data, icv),
            Self::Aes192(key) => open(key, nonce, aad, data, icv),
            Self::Aes256(key) => open(key, nonce, aad, data, icv),
        }
    }
}

type Nonce = Array<u8, U12>;

pub(super) fn init<K: KeyInit>(key: &[u8]) -> Result<K, CryptoError> {
    K::new_from_slice(key).map_err(|_| CryptoError::KeyLength)
}

pub(super) fn seal<A: AeadInOut>(
    key: &A,
    nonce: &aead::Nonce<A>,
    aad: &[u8],
    data: &mut [u8],
    icv: &mut [u8],
) -> Result<(), CryptoError> {
    let tag = key
        .encrypt_inout_detached(nonce, aad, data.into())
        .map_err(|_| CryptoError::CiphertextLength)?;
    if icv.len() != tag.len() {
        return Err(CryptoError::CiphertextLength);
    }
    icv.copy_from_slice(&tag);
    Ok(())
}

pub(super) fn open<A: AeadInOut>(
    key: &A,
    nonce: &aead::Nonce<A>,
    aad: &[u8],
    data: &mut [u8],
    icv: &[u8],
) -> Result<(), AuthenticationFailed> {
    let tag = <&Tag<A>>::try_from(icv).map_err(|_| AuthenticationFailed)?;
    key.decrypt_inout_detached(nonce, aad, data.into(), tag)
        .map_err(|_| AuthenticationFailed)
}
