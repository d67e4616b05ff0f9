//! Integrity algorithms (RFC 2403, RFC 2404, RFC 3566, RFC 4494, RFC 4868) and AES-GMAC (RFC 4543).
//! What is sent is the left part of a MAC; a received one is compared in constant time.
use alloc::{vec, vec::Vec};

use aes::{
    Aes128,
    cipher::{KeyInit, array::Array},
};
use cmac::Cmac;
use hmac::{Hmac, Mac};
use ike_wire::IntegId;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::{AuthenticationFailed, CryptoError, prf::hmac, xcbc::Xcbc};

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
    /// HMAC-SHA1-96.
    HmacSha1_96,
    /// AES-XCBC-96.
    AesXcbc96,
    /// AES-CMAC-96.
    AesCmac96,
    /// HMAC-MD5-96. Refused everywhere without the feature `legacy`.
    HmacMd5_96,
}

impl Integ {
    /// The algorithm of a transform, if built in.
    pub fn from_id(id: IntegId) -> Option<Self> {
        match id {
            IntegId::HMAC_SHA2_256_128 => Some(Self::HmacSha2_256_128),
            IntegId::HMAC_SHA2_384_192 => Some(Self::HmacSha2_384_192),
            IntegId::HMAC_SHA2_512_256 => Some(Self::HmacSha2_512_256),
            IntegId::HMAC_SHA1_96 => Some(Self::HmacSha1_96),
            IntegId::AES_XCBC_96 => Some(Self::AesXcbc96),
            IntegId::AES_CMAC_96 => Some(Self::AesCmac96),
            IntegId::HMAC_MD5_96 if cfg!(feature = "legacy") => Some(Self::HmacMd5_96),
            _ => None,
        }
    }

    /// Its transform ID.
    pub fn id(self) -> IntegId {
        match self {
            Self::HmacSha2_256_128 => IntegId::HMAC_SHA2_256_128,
            Self::HmacSha2_384_192 => IntegId::HMAC_SHA2_384_192,
            Self::HmacSha2_512_256 => IntegId::HMAC_SHA2_512_256,
            Self::HmacSha1_96 => IntegId::HMAC_SHA1_96,
            Self::AesXcbc96 => IntegId::AES_XCBC_96,
            Self::AesCmac96 => IntegId::AES_CMAC_96,
            Self::HmacMd5_96 => IntegId::HMAC_MD5_96,
        }
    }

    /// Key octets.
    pub fn key_len(self) -> usize {
        //= rfc4868#2.1.1: as an integrity algorithm the key has the length of the hash output
        match self {
            Self::HmacSha2_256_128 => 32,
            Self::HmacSha2_384_192 => 48,
            Self::HmacSha2_512_256 => 64,
            Self::HmacSha1_96 => 20,
            Self::AesXcbc96 | Self::AesCmac96 | Self::HmacMd5_96 => 16,
        }
    }

    /// ICV octets.
    pub fn icv_len(self) -> usize {
        match self {
            Self::HmacSha2_256_128 => 16,
            Self::HmacSha2_384_192 => 24,
            Self::HmacSha2_512_256 => 32,
            Self::HmacSha1_96 | Self::AesXcbc96 | Self::AesCmac96 | Self::HmacMd5_96 => 12,
        }
    }
}

/// A keyed integrity algorithm; wiped on drop. No state changes in use.
pub struct IntegKey {
    integ: Integ,
    key: Keyed,
}

enum Keyed {
    #[cfg(feature = "legacy")]
    Md5(Hmac<md5::Md5>),
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
    Xcbc(Xcbc),
    Cmac(Cmac<Aes128>),
}

impl core::fmt::Debug for IntegKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("IntegKey")
    }
}

impl IntegKey {
    /// From a key of [`Integ::key_len`] octets.
    pub fn new(integ: Integ, key: &[u8]) -> Result<Self, CryptoError> {
        if key.len() != integ.key_len() {
            return Err(CryptoError::KeyLength);
        }
        let key = match integ {
            Integ::HmacSha2_256_128 => Keyed::Sha256(hmac(key)),
            Integ::HmacSha2_384_192 => Keyed::Sha384(hmac(key)),
            Integ::HmacSha2_512_256 => Keyed::Sha512(hmac(key)),
            Integ::HmacSha1_96 => Keyed::Sha1(hmac(key)),
            Integ::AesXcbc96 => Keyed::Xcbc(Xcbc::new(
                key.try_into().map_err(|_| CryptoError::KeyLength)?,
            )),
            Integ::AesCmac96 => {
                Keyed::Cmac(Cmac::new_from_slice(key).map_err(|_| CryptoError::KeyLength)?)
            }
            #[cfg(feature = "legacy")]
            Integ::HmacMd5_96 => Keyed::Md5(hmac(key)),
            #[cfg(not(feature = "legacy"))]
            Integ::HmacMd5_96 => return Err(CryptoError::Unsupported),
        };
        Ok(Self { integ, key })
    }

    /// The algorithm.
    pub fn integ(&self) -> Integ {
        self.integ
    }

    /// Writes the ICV of parts\[0\] | parts\[1\] | …, truncated to the length of `icv`.
    pub(crate) fn sign_into(&self, parts: &[&[u8]], icv: &mut [u8]) {
        match &self.key {
            #[cfg(feature = "legacy")]
            Keyed::Md5(mac) => sign(mac, parts, icv),
            Keyed::Sha1(mac) => sign(mac, parts, icv),
            Keyed::Sha256(mac) => sign(mac, parts, icv),
            Keyed::Sha384(mac) => sign(mac, parts, icv),
            Keyed::Sha512(mac) => sign(mac, parts, icv),
            Keyed::Cmac(mac) => sign(mac, parts, icv),
            Keyed::Xcbc(mac) => {
                let mut full = mac.compute(parts);
                icv.iter_mut().zip(full).for_each(|(to, from)| *to = from);
                full.zeroize();
            }
        }
    }

    /// The ICV of parts\[0\] | parts\[1\] | ….
    pub fn sign(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut icv = vec![0; self.integ.icv_len()];
        self.sign_into(parts, &mut icv);
        icv
    }

    /// Checks an ICV in constant time. One of another length is wrong.
    pub fn verify(&self, parts: &[&[u8]], icv: &[u8]) -> Result<(), AuthenticationFailed> {
        let mut expected = [0; MAX_ICV_LEN];
        let expected = expected
            .get_mut(..self.integ.icv_len())
            .ok_or(AuthenticationFailed)?;
        self.sign_into(parts, expected);
        let good = bool::from(expected.ct_eq(icv));
        expected.zeroize();
        if good {
            Ok(())
        } else {
            Err(AuthenticationFailed)
        }
    }
}

fn sign<M: Mac + Clone>(mac: &M, parts: &[&[u8]], icv: &mut [u8]) {
    let mut mac = mac.clone();
    for part in parts {
        mac.update(part);
    }
    let mut full: Array<u8, _> = mac.finalize().into_bytes();
    icv.iter_mut().zip(&full).for_each(|(to, from)| *to = *from);
    full.as_mut_slice().zeroize();
}

const MAX_ICV_LEN: usize = 32;
