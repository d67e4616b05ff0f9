//! AES-CCM with a 3-octet salt and an 8-octet explicit IV (RFC 4309 §4, RFC 5282 §4).
use ::aead::{
    array::{Array, ArraySize},
    consts::{U8, U11, U12, U16},
};
use ::ccm::{Ccm as Aead, TagSize};
use aes::{Aes128, Aes192, Aes256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::aead::{init, open, seal};
use crate::{AuthenticationFailed, CryptoError};

/// An AES-CCM key with its salt.
pub(super) struct CcmKey {
    salt: Salt,
    key: Algorithm,
}

#[derive(Zeroize, ZeroizeOnDrop)]
struct Salt([u8; SALT_LEN]);

enum Algorithm {
    Ccm16(Ccm<U16>),
    Ccm12(Ccm<U12>),
    Ccm8(Ccm<U8>),
}

enum Ccm<T: TagSize + ArraySize> {
    Aes128(Aead<Aes128, T, U11>),
    Aes192(Aead<Aes192, T, U11>),
    Aes256(Aead<Aes256, T, U11>),
}

impl CcmKey {
    pub(super) fn ccm16(material: &[u8]) -> Result<Self, CryptoError> {
        Self::new(material, |key| Ccm::new(key).map(Algorithm::Ccm16))
    }

    pub(super) fn ccm12(material: &[u8]) -> Result<Self, CryptoError> {
        Self::new(material, |key| Ccm::new(key).map(Algorithm::Ccm12))
    }

    pub(super) fn ccm8(material: &[u8]) -> Result<Self, CryptoError> {
        Self::new(material, |key| Ccm::new(key).map(Algorithm::Ccm8))
    }

    //= rfc5282#7.1: the salt of AES-CCM is the last three octets of the keying material
    fn new(
        material: &[u8],
        algorithm: impl FnOnce(&[u8]) -> Result<Algorithm, CryptoError>,
    ) -> Result<Self, CryptoError> {
        let (key, salt) = material
            .split_last_chunk::<SALT_LEN>()
            .ok_or(CryptoError::KeyLength)?;
        Ok(Self {
            salt: Salt(*salt),
            key: algorithm(key)?,
        })
    }

    pub(super) fn seal(
        &self,
        iv: &[u8],
        aad: &[u8],
        data: &mut [u8],
        icv: &mut [u8],
    ) -> Result<(), CryptoError> {
        let nonce = self.nonce(iv).ok_or(CryptoError::CiphertextLength)?;
        match &self.key {
            Algorithm::Ccm16(key) => key.seal(&nonce, aad, data, icv),
            Algorithm::Ccm12(key) => key.seal(&nonce, aad, data, icv),
            Algorithm::Ccm8(key) => key.seal(&nonce, aad, data, icv),
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
            Algorithm::Ccm16(key) => key.open(&nonce, aad, data, icv),
            Algorithm::Ccm12(key) => key.open(&nonce, aad, data, icv),
            Algorithm::Ccm8(key) => key.open(&nonce, aad, data, icv),
        }
    }

    //= rfc5282#4: the nonce is the salt followed by the IV
    fn nonce(&self, iv: &[u8]) -> Option<Nonce> {
        let iv: [u8; super::AEAD_IV_LEN] = iv.try_into().ok()?;
        let mut nonce = Nonce::default();
        let (salt, rest) = nonce.split_at_mut(SALT_LEN);
        salt.copy_from_slice(&self.salt.0);
        rest.copy_from_slice(&iv);
        Some(nonce)
    }
}

impl<T: TagSize + ArraySize> Ccm<T> {
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

type Nonce = Array<u8, U11>;

pub(super) const SALT_LEN: usize = 3;
