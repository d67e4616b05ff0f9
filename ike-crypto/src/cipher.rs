//! Encryption with integrity, as the SK payload and ESP use it: an AEAD, or a cipher with a MAC.
//! The same code protects both; only nonces, AAD and padding differ, and those are the callers'.
//!
//! Nonce and key formats: RFC 4106 and RFC 5282 (AES-GCM), RFC 4309 (AES-CCM), RFC 7634
//! (ChaCha20-Poly1305), RFC 3602 (AES-CBC), RFC 3686 (AES-CTR), RFC 2451 (3DES), RFC 2410 (NULL),
//! RFC 4543 (GMAC). Nothing here pads, counts IVs or checks for replay.
pub(crate) mod aead;
pub(crate) mod block;
mod ccm;
mod etm;
mod gmac;

use alloc::{boxed::Box, vec::Vec};

use ike_wire::{EncrId, IntegId};

use crate::{AuthenticationFailed, CryptoError, Integ, Secret};
use aead::AeadKey;
use block::BlockKey;
use ccm::CcmKey;
use etm::EtmKey;
use gmac::GmacKey;

/// A pair of transforms. An AEAD with a separate integrity transform cannot be expressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Cipher {
    /// AES-GCM with a 16-octet ICV (RFC 4106, 5282).
    AesGcm16 {
        /// 128, 192 or 256.
        key_bits: u16,
    },
    /// AES-GCM with a 12-octet ICV (RFC 4106, 5282).
    AesGcm12 {
        /// 128, 192 or 256.
        key_bits: u16,
    },
    /// AES-GCM with an 8-octet ICV (RFC 4106, 5282).
    AesGcm8 {
        /// 128, 192 or 256.
        key_bits: u16,
    },
    /// ChaCha20-Poly1305 (RFC 7634).
    ChaCha20Poly1305,
    /// AES-CBC with a MAC.
    AesCbc {
        /// 128, 192 or 256.
        key_bits: u16,
        /// The MAC.
        integ: Integ,
    },
    /// AES-CCM with a 16-octet ICV (RFC 4309, 5282).
    AesCcm16 {
        /// 128, 192 or 256.
        key_bits: u16,
    },
    /// AES-CCM with a 12-octet ICV (RFC 4309, 5282).
    AesCcm12 {
        /// 128, 192 or 256.
        key_bits: u16,
    },
    /// AES-CCM with an 8-octet ICV (RFC 4309, 5282).
    AesCcm8 {
        /// 128, 192 or 256.
        key_bits: u16,
    },
    /// AES-CTR with a MAC (RFC 3686, RFC 5930).
    AesCtr {
        /// 128, 192 or 256.
        key_bits: u16,
        /// The MAC.
        integ: Integ,
    },
    /// 3DES-CBC with a MAC (RFC 2451).
    TripleDesCbc {
        /// The MAC.
        integ: Integ,
    },
    /// No encryption, a MAC (RFC 2410). Not for SK payloads.
    Null {
        /// The MAC.
        integ: Integ,
    },
    /// No encryption, AES-GMAC (RFC 4543). Not for SK payloads.
    NullAesGmac {
        /// 128, 192 or 256.
        key_bits: u16,
    },
}

impl Cipher {
    /// The pair for chosen transforms; `None` if unknown, or an AEAD with a MAC, or a cipher without.
    pub fn from_transforms(
        encr: EncrId,
        key_bits: Option<u16>,
        integ: Option<IntegId>,
    ) -> Option<Self> {
        let integ = integ.filter(|&id| id != IntegId::NONE);
        if encr == EncrId::CHACHA20_POLY1305 {
            //= rfc7296#3.3.5: the Key Length attribute is not used with a key of fixed length
            //= rfc7634#4: no integrity transform, or NONE
            return (key_bits.is_none() && integ.is_none()).then_some(Self::ChaCha20Poly1305);
        }
        if matches!(encr, EncrId::TRIPLE_DES | EncrId::NULL) {
            //= rfc7296#3.3.5: the Key Length attribute is not used with a key of fixed length
            let integ = Integ::from_id(integ?).filter(|_| key_bits.is_none())?;
            return Some(match encr {
                EncrId::TRIPLE_DES => Self::TripleDesCbc { integ },
                _ => Self::Null { integ },
            });
        }
        let key_bits = key_bits.filter(|bits| matches!(bits, 128 | 192 | 256))?;
        match (encr, integ) {
            (EncrId::AES_CCM_16, None) => Some(Self::AesCcm16 { key_bits }),
            (EncrId::AES_CCM_12, None) => Some(Self::AesCcm12 { key_bits }),
            (EncrId::AES_CCM_8, None) => Some(Self::AesCcm8 { key_bits }),
            (EncrId::NULL_AUTH_AES_GMAC, None) => Some(Self::NullAesGmac { key_bits }),
            (EncrId::AES_CTR, Some(id)) => Some(Self::AesCtr {
                key_bits,
                integ: Integ::from_id(id)?,
            }),
            (EncrId::AES_GCM_16, None) => Some(Self::AesGcm16 { key_bits }),
            (EncrId::AES_GCM_12, None) => Some(Self::AesGcm12 { key_bits }),
            (EncrId::AES_GCM_8, None) => Some(Self::AesGcm8 { key_bits }),
            (EncrId::AES_CBC, Some(id)) => Some(Self::AesCbc {
                key_bits,
                integ: Integ::from_id(id)?,
            }),
            _ => None,
        }
    }

    /// Encryption transform ID and key length attribute.
    pub fn encr(self) -> (EncrId, Option<u16>) {
        match self {
            Self::AesGcm16 { key_bits } => (EncrId::AES_GCM_16, Some(key_bits)),
            Self::AesGcm12 { key_bits } => (EncrId::AES_GCM_12, Some(key_bits)),
            Self::AesGcm8 { key_bits } => (EncrId::AES_GCM_8, Some(key_bits)),
            Self::ChaCha20Poly1305 => (EncrId::CHACHA20_POLY1305, None),
            Self::AesCbc { key_bits, .. } => (EncrId::AES_CBC, Some(key_bits)),
            Self::AesCcm16 { key_bits } => (EncrId::AES_CCM_16, Some(key_bits)),
            Self::AesCcm12 { key_bits } => (EncrId::AES_CCM_12, Some(key_bits)),
            Self::AesCcm8 { key_bits } => (EncrId::AES_CCM_8, Some(key_bits)),
            Self::AesCtr { key_bits, .. } => (EncrId::AES_CTR, Some(key_bits)),
            Self::TripleDesCbc { .. } => (EncrId::TRIPLE_DES, None),
            Self::Null { .. } => (EncrId::NULL, None),
            Self::NullAesGmac { key_bits } => (EncrId::NULL_AUTH_AES_GMAC, Some(key_bits)),
        }
    }

    /// Integrity transform ID, NONE for an AEAD.
    pub fn integ(self) -> IntegId {
        self.mac().map_or(IntegId::NONE, Integ::id)
    }

    /// The separate MAC, if there is one.
    pub fn mac(self) -> Option<Integ> {
        match self {
            Self::AesCbc { integ, .. }
            | Self::AesCtr { integ, .. }
            | Self::TripleDesCbc { integ }
            | Self::Null { integ } => Some(integ),
            Self::AesGcm16 { .. }
            | Self::AesGcm12 { .. }
            | Self::AesGcm8 { .. }
            | Self::AesCcm16 { .. }
            | Self::AesCcm12 { .. }
            | Self::AesCcm8 { .. }
            | Self::NullAesGmac { .. }
            | Self::ChaCha20Poly1305 => None,
        }
    }

    /// Whether this is an AEAD.
    pub fn is_aead(self) -> bool {
        self.mac().is_none()
    }

    /// Whether contents are hidden, not only authenticated.
    pub fn is_confidential(self) -> bool {
        !matches!(self, Self::Null { .. } | Self::NullAesGmac { .. })
    }

    /// Whether an IV must never repeat under a key, so that it has to be counted; otherwise it must
    /// be unpredictable (or there is none).
    pub fn counts_ivs(self) -> bool {
        //= rfc3686#2.1: the same IV and key combination is not used more than once
        self.is_aead() || matches!(self, Self::AesCtr { .. })
    }

    /// Octets of encryption keying material, salt included (RFC 4106 §8.1).
    pub fn encr_key_len(self) -> usize {
        //= rfc5282#7.1: the salt is the last four octets of the keying material
        match self {
            Self::AesGcm16 { key_bits }
            | Self::AesGcm12 { key_bits }
            | Self::AesGcm8 { key_bits }
            | Self::NullAesGmac { key_bits } => usize::from(key_bits / 8) + SALT_LEN,
            Self::ChaCha20Poly1305 => 32 + SALT_LEN,
            Self::AesCcm16 { key_bits }
            | Self::AesCcm12 { key_bits }
            | Self::AesCcm8 { key_bits } => usize::from(key_bits / 8) + ccm::SALT_LEN,
            Self::AesCbc { key_bits, .. } => usize::from(key_bits / 8),
            Self::AesCtr { key_bits, .. } => usize::from(key_bits / 8) + block::CTR_NONCE_LEN,
            Self::TripleDesCbc { .. } => 24,
            Self::Null { .. } => 0,
        }
    }

    /// Octets of integrity keying material; 0 for an AEAD.
    pub fn integ_key_len(self) -> usize {
        self.mac().map_or(0, Integ::key_len)
    }

    /// Octets of explicit IV on the wire.
    pub fn iv_len(self) -> usize {
        match self {
            Self::AesCbc { .. } => AES_BLOCK_LEN,
            Self::TripleDesCbc { .. } => DES_BLOCK_LEN,
            Self::AesCtr { .. } => block::CTR_IV_LEN,
            Self::Null { .. } => 0,
            _ => AEAD_IV_LEN,
        }
    }

    /// Octets of ICV on the wire.
    pub fn icv_len(self) -> usize {
        match self {
            Self::AesGcm16 { .. }
            | Self::AesCcm16 { .. }
            | Self::NullAesGmac { .. }
            | Self::ChaCha20Poly1305 => 16,
            Self::AesGcm12 { .. } | Self::AesCcm12 { .. } => 12,
            Self::AesGcm8 { .. } | Self::AesCcm8 { .. } => 8,
            Self::AesCbc { integ, .. }
            | Self::AesCtr { integ, .. }
            | Self::TripleDesCbc { integ }
            | Self::Null { integ } => integ.icv_len(),
        }
    }

    /// Plaintext (padding and trailer included) must be a multiple of this; 1 for what is no block mode.
    pub fn block_len(self) -> usize {
        match self {
            Self::AesCbc { .. } => AES_BLOCK_LEN,
            Self::TripleDesCbc { .. } => DES_BLOCK_LEN,
            _ => 1,
        }
    }
}

/// Keys of one direction, expanded and ready; wiped on drop. No state changes in use.
pub struct CipherKeys {
    cipher: Cipher,
    keys: Box<Keys>,
}

#[expect(clippy::large_enum_variant, reason = "boxed as a whole")]
enum Keys {
    Aead(AeadKey),
    Ccm(CcmKey),
    Gmac(GmacKey),
    Etm(EtmKey),
}

impl core::fmt::Debug for CipherKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("CipherKeys")
    }
}

impl CipherKeys {
    /// From keying material as the key schedule gives it (`integ_key` empty for an AEAD).
    pub fn new(cipher: Cipher, encr_key: &Secret, integ_key: &Secret) -> Result<Self, CryptoError> {
        if encr_key.len() != cipher.encr_key_len() || integ_key.len() != cipher.integ_key_len() {
            return Err(CryptoError::KeyLength);
        }
        let encr_key = encr_key.expose();
        let etm = |encr, integ| EtmKey::new(encr, integ, integ_key.expose()).map(Keys::Etm);
        let keys = match cipher {
            Cipher::AesGcm16 { .. } => Keys::Aead(AeadKey::gcm16(encr_key)?),
            Cipher::AesGcm12 { .. } => Keys::Aead(AeadKey::gcm12(encr_key)?),
            Cipher::AesGcm8 { .. } => Keys::Aead(AeadKey::gcm8(encr_key)?),
            Cipher::ChaCha20Poly1305 => Keys::Aead(AeadKey::chacha20_poly1305(encr_key)?),
            Cipher::AesCcm16 { .. } => Keys::Ccm(CcmKey::ccm16(encr_key)?),
            Cipher::AesCcm12 { .. } => Keys::Ccm(CcmKey::ccm12(encr_key)?),
            Cipher::AesCcm8 { .. } => Keys::Ccm(CcmKey::ccm8(encr_key)?),
            Cipher::NullAesGmac { .. } => Keys::Gmac(GmacKey::new(encr_key)?),
            Cipher::AesCbc { integ, .. } => etm(BlockKey::aes_cbc(encr_key)?, integ)?,
            Cipher::AesCtr { integ, .. } => etm(BlockKey::aes_ctr(encr_key)?, integ)?,
            Cipher::TripleDesCbc { integ } => etm(BlockKey::triple_des_cbc(encr_key)?, integ)?,
            Cipher::Null { integ } => etm(BlockKey::Null, integ)?,
        };
        Ok(Self {
            cipher,
            keys: Box::new(keys),
        })
    }

    /// The algorithms.
    pub fn cipher(&self) -> Cipher {
        self.cipher
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
        iv: &[u8],
        aad: &[u8],
        mac_suffix: &[u8],
        buf: &mut Vec<u8>,
        plain_from: usize,
    ) -> Result<(), CryptoError> {
        let plain_to = buf.len();
        if plain_from > plain_to {
            return Err(CryptoError::CiphertextLength);
        }
        buf.resize(plain_to + self.cipher.icv_len(), 0);
        let (plain, icv) = buf[plain_from..].split_at_mut(plain_to - plain_from);
        let sealed = self.seal_detached(iv, aad, mac_suffix, plain, icv);
        if sealed.is_err() {
            buf.truncate(plain_to);
        }
        sealed
    }

    /// Like [`Self::seal`], for buffers laid out by the caller: encrypts `plain` in place and writes
    /// the ICV to `icv`, which has [`Cipher::icv_len`] octets.
    pub fn seal_detached(
        &self,
        iv: &[u8],
        aad: &[u8],
        mac_suffix: &[u8],
        plain: &mut [u8],
        icv: &mut [u8],
    ) -> Result<(), CryptoError> {
        if icv.len() != self.cipher.icv_len() {
            return Err(CryptoError::CiphertextLength);
        }
        match &*self.keys {
            Keys::Etm(key) => key.seal(iv, aad, mac_suffix, plain, icv),
            _ if !mac_suffix.is_empty() => Err(CryptoError::Unsupported),
            Keys::Aead(key) => key.seal(iv, aad, plain, icv),
            Keys::Ccm(key) => key.seal(iv, aad, plain, icv),
            Keys::Gmac(key) => key.seal(iv, aad, plain, icv),
        }
    }

    /// Verifies and decrypts in place; `buf` is ciphertext | ICV. Returns the plaintext.
    pub fn open<'b>(
        &self,
        iv: &[u8],
        aad: &[u8],
        mac_suffix: &[u8],
        buf: &'b mut [u8],
    ) -> Result<&'b mut [u8], AuthenticationFailed> {
        let (data, icv) = buf
            .len()
            .checked_sub(self.cipher.icv_len())
            .and_then(|at| buf.split_at_mut_checked(at))
            .ok_or(AuthenticationFailed)?;
        match &*self.keys {
            Keys::Etm(key) => key.open(iv, aad, mac_suffix, data, icv)?,
            _ if !mac_suffix.is_empty() => return Err(AuthenticationFailed),
            Keys::Aead(key) => key.open(iv, aad, data, icv)?,
            Keys::Ccm(key) => key.open(iv, aad, data, icv)?,
            Keys::Gmac(key) => key.open(iv, aad, data, icv)?,
        }
        Ok(data)
    }
}

const SALT_LEN: usize = 4;
const AEAD_IV_LEN: usize = 8;
const AES_BLOCK_LEN: usize = 16;
const DES_BLOCK_LEN: usize = 8;

#[cfg(test)]
mod tests {
    use zeroize::ZeroizeOnDrop;

    fn wiped<T: ZeroizeOnDrop>() {}

    /// Fails to compile when a feature that wipes keys gets lost.
    #[test]
    fn expanded_keys_are_wiped_on_drop() {
        wiped::<aes::Aes128>();
        wiped::<aes::Aes192>();
        wiped::<aes::Aes256>();
        wiped::<des::TdesEde3>();
        wiped::<aes_gcm::Aes128Gcm>();
        wiped::<aes_gcm::Aes256Gcm>();
        wiped::<chacha20poly1305::ChaCha20Poly1305>();
        // What an HMAC consists of; it has no mark of its own.
        wiped::<sha1::Sha1>();
        wiped::<sha2::Sha256>();
        wiped::<sha2::Sha384>();
        wiped::<sha2::Sha512>();
        wiped::<x25519_dalek::StaticSecret>();
        wiped::<x25519_dalek::SharedSecret>();
        wiped::<p256::SecretKey>();
        wiped::<p384::SecretKey>();
        wiped::<p521::SecretKey>();
    }
}
