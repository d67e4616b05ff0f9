//! Parts of transforms on their own, for test vectors and tools: encryption without a MAC, and GMAC
//! of a whole message. No protocol may be built of these; [`crate::CipherKeys`] is for that.
use alloc::vec::Vec;

use subtle::ConstantTimeEq;

use crate::{
    AuthenticationFailed, CryptoError,
    cipher::{aead::AeadKey, block::BlockKey},
};

/// A cipher without authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawCipher {
    /// AES-CBC; the key's length says which AES. Whole blocks only.
    AesCbc,
    /// 3DES-CBC with three keys. Whole blocks only.
    TripleDesCbc,
    /// AES-CTR of RFC 3686: key | 4 octets nonce, an IV of 8 octets.
    AesCtr,
}

impl RawCipher {
    /// Encrypts in place, without padding.
    pub fn encrypt(self, key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), CryptoError> {
        self.key(key)?.encrypt(iv, data)
    }

    /// Decrypts in place.
    pub fn decrypt(self, key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), CryptoError> {
        self.key(key)?.decrypt(iv, data)
    }

    fn key(self, key: &[u8]) -> Result<BlockKey, CryptoError> {
        match self {
            Self::AesCbc => BlockKey::aes_cbc(key),
            Self::TripleDesCbc => BlockKey::triple_des_cbc(key),
            Self::AesCtr => BlockKey::aes_ctr(key),
        }
    }
}

/// AES-GMAC of a message: `key` is the AES key | 4 octets salt, `iv` has 8 octets (RFC 4543 §3.2).
pub fn gmac(key: &[u8], iv: &[u8], message: &[u8]) -> Result<[u8; 16], CryptoError> {
    let mut icv = [0; 16];
    AeadKey::gcm16(key)?.seal(iv, message, &mut [], &mut icv)?;
    Ok(icv)
}

/// Checks an [`gmac`] in constant time.
pub fn verify_gmac(key: &[u8], iv: &[u8], message: &[u8], icv: &[u8]) -> Result<(), CryptoError> {
    let expected: Vec<u8> = gmac(key, iv, message)?.to_vec();
    if bool::from(expected.ct_eq(icv)) {
        Ok(())
    } else {
        Err(AuthenticationFailed.into())
    }
}
