//! Encryption with integrity, as the SK payload and ESP use it: an AEAD, or a cipher with a MAC.
//! The same code protects both; only nonces, AAD and padding differ, and those are the callers'.
use crate::{AuthenticationFailed, CryptoError, Secret};
use alloc::vec::Vec;
use ike_wire::{EncrId, IntegId};

/// A pair of transforms. An AEAD with a separate integrity transform cannot be expressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Cipher {
    /// AES-GCM with a 16-octet ICV (RFC 4106, 5282).
    AesGcm16 {
        /// 128, 192 or 256.
        key_bits: u16,
    },
    /// AES-CBC with a MAC.
    AesCbc {
        /// 128, 192 or 256.
        key_bits: u16,
        /// The MAC.
        integ: Integ,
    },
}

/// A negotiable integrity algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Integ {
    /// HMAC-SHA2-256-128.
    HmacSha2_256_128,
    /// HMAC-SHA2-384-192.
    HmacSha2_384_192,
    /// HMAC-SHA2-512-256.
    HmacSha2_512_256,
}

impl Integ {
    /// The algorithm of a transform, if built in.
    pub fn from_id(_id: IntegId) -> Option<Self> {
        todo!()
    }
    /// Its transform ID.
    pub fn id(self) -> IntegId {
        todo!()
    }
    /// Key octets.
    pub fn key_len(self) -> usize {
        todo!()
    }
    /// ICV octets.
    pub fn icv_len(self) -> usize {
        todo!()
    }
}

impl Cipher {
    /// The pair for chosen transforms; `None` if unknown, or an AEAD with a MAC, or a cipher without.
    pub fn from_transforms(
        _encr: EncrId,
        _key_bits: Option<u16>,
        _integ: Option<IntegId>,
    ) -> Option<Self> {
        todo!()
    }
    /// Encryption transform ID and key length attribute.
    pub fn encr(self) -> (EncrId, Option<u16>) {
        todo!()
    }
    /// Integrity transform ID, NONE for an AEAD.
    pub fn integ(self) -> IntegId {
        todo!()
    }
    /// Whether this is an AEAD.
    pub fn is_aead(self) -> bool {
        matches!(self, Self::AesGcm16 { .. })
    }
    /// Octets of encryption keying material, salt included (RFC 4106 §8.1).
    pub fn encr_key_len(self) -> usize {
        todo!()
    }
    /// Octets of integrity keying material; 0 for an AEAD.
    pub fn integ_key_len(self) -> usize {
        todo!()
    }
    /// Octets of explicit IV on the wire.
    pub fn iv_len(self) -> usize {
        todo!()
    }
    /// Octets of ICV on the wire.
    pub fn icv_len(self) -> usize {
        todo!()
    }
    /// Plaintext (padding and trailer included) must be a multiple of this; 1 for an AEAD.
    pub fn block_len(self) -> usize {
        todo!()
    }
}

/// Keys of one direction, expanded and ready; wiped on drop. No state changes in use.
pub struct CipherKeys {
    _todo: (),
}

impl core::fmt::Debug for CipherKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("CipherKeys")
    }
}

impl CipherKeys {
    /// From keying material as the key schedule gives it (`integ_key` empty for an AEAD).
    pub fn new(
        _cipher: Cipher,
        _encr_key: &Secret,
        _integ_key: &Secret,
    ) -> Result<Self, CryptoError> {
        todo!()
    }
    /// The algorithms.
    pub fn cipher(&self) -> Cipher {
        todo!()
    }
    /// Encrypts `buf[plain_from..]` in place and appends the ICV.
    ///
    /// AEAD: AAD is `aad`. Cipher with MAC: the MAC covers `aad | iv | ciphertext` (| `mac_suffix`, the
    /// high half of an ESN, RFC 4303 §2.2.1); for ESP `aad` is SPI | sequence number (low half),
    /// for SK everything from the IKE header to before the IV. For an AEAD, `mac_suffix` must be
    /// empty and the caller builds the RFC 4106 §5 AAD.
    /// `iv` has [`Cipher::iv_len`] octets; for AES-GCM the caller never repeats one under a key.
    pub fn seal(
        &self,
        _iv: &[u8],
        _aad: &[u8],
        _mac_suffix: &[u8],
        _buf: &mut Vec<u8>,
        _plain_from: usize,
    ) -> Result<(), CryptoError> {
        todo!()
    }
    /// Verifies and decrypts in place; `buf` is ciphertext | ICV. Returns the plaintext.
    pub fn open<'b>(
        &self,
        _iv: &[u8],
        _aad: &[u8],
        _mac_suffix: &[u8],
        _buf: &'b mut [u8],
    ) -> Result<&'b mut [u8], AuthenticationFailed> {
        todo!()
    }
}
