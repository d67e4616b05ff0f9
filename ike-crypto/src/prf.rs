//! Pseudorandom functions and prf+ (RFC 7296 §2.13; RFC 2104, RFC 4868 §2.1.2). HMAC keys may have
//! any length, so nothing here is ever cut or padded.
use alloc::vec::Vec;
use core::iter;

use hmac::{Hmac, KeyInit, Mac};
use ike_wire::PrfId;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use zeroize::{Zeroize, Zeroizing};

use crate::{CryptoError, Secret};

/// A negotiable PRF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Prf {
    /// PRF_HMAC_SHA1.
    HmacSha1,
    /// PRF_HMAC_SHA2_256.
    HmacSha2_256,
    /// PRF_HMAC_SHA2_384.
    HmacSha2_384,
    /// PRF_HMAC_SHA2_512.
    HmacSha2_512,
}

impl Prf {
    /// The PRF of a transform, if built in.
    pub fn from_id(id: PrfId) -> Option<Self> {
        match id {
            PrfId::HMAC_SHA1 => Some(Self::HmacSha1),
            PrfId::HMAC_SHA2_256 => Some(Self::HmacSha2_256),
            PrfId::HMAC_SHA2_384 => Some(Self::HmacSha2_384),
            PrfId::HMAC_SHA2_512 => Some(Self::HmacSha2_512),
            _ => None,
        }
    }

    /// Its transform ID.
    pub fn id(self) -> PrfId {
        match self {
            Self::HmacSha1 => PrfId::HMAC_SHA1,
            Self::HmacSha2_256 => PrfId::HMAC_SHA2_256,
            Self::HmacSha2_384 => PrfId::HMAC_SHA2_384,
            Self::HmacSha2_512 => PrfId::HMAC_SHA2_512,
        }
    }

    /// Octets of output, which is also the preferred key length.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(self) -> usize {
        match self {
            Self::HmacSha1 => 20,
            Self::HmacSha2_256 => 32,
            Self::HmacSha2_384 => 48,
            Self::HmacSha2_512 => 64,
        }
    }

    /// prf(key, data\[0\] | data\[1\] | …).
    pub fn compute(self, key: &[u8], data: &[&[u8]]) -> Secret {
        let mut out = Vec::with_capacity(self.len());
        Keyed::new(self, key).append(data, &mut out);
        Secret::new(out)
    }

    /// prf+(key, seed…), `len` octets. Errors: more than 255 outputs.
    pub fn plus(self, key: &[u8], seed: &[&[u8]], len: usize) -> Result<Secret, CryptoError> {
        //= rfc7296#2.13: prf+ is defined for up to 255 outputs of the prf, as the counter is one octet
        let blocks = u8::try_from(len.div_ceil(self.len())).map_err(|_| CryptoError::TooLong)?;
        // Never grows, so that no copy of the key material is left behind.
        let mut out = Zeroizing::new(Vec::with_capacity(usize::from(blocks) * self.len()));
        let keyed = Keyed::new(self, key);
        let mut previous = Zeroizing::new(Vec::with_capacity(self.len()));
        for counter in 1..=blocks {
            let counter = [counter];
            let parts: Vec<&[u8]> = iter::once(previous.as_slice())
                .chain(seed.iter().copied())
                .chain([counter.as_slice()])
                .collect();
            let mut block = Zeroizing::new(Vec::with_capacity(self.len()));
            keyed.append(&parts, &mut block);
            out.extend_from_slice(&block);
            previous = block;
        }
        out.truncate(len);
        Ok(Secret::new(core::mem::take(&mut *out)))
    }
}

/// A PRF with its key schedule done.
enum Keyed {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

impl Keyed {
    fn new(prf: Prf, key: &[u8]) -> Self {
        match prf {
            Prf::HmacSha1 => Self::Sha1(hmac(key)),
            Prf::HmacSha2_256 => Self::Sha256(hmac(key)),
            Prf::HmacSha2_384 => Self::Sha384(hmac(key)),
            Prf::HmacSha2_512 => Self::Sha512(hmac(key)),
        }
    }

    fn append(&self, data: &[&[u8]], out: &mut Vec<u8>) {
        match self {
            Self::Sha1(mac) => append(mac, data, out),
            Self::Sha256(mac) => append(mac, data, out),
            Self::Sha384(mac) => append(mac, data, out),
            Self::Sha512(mac) => append(mac, data, out),
        }
    }
}

/// HMAC with a key of any length.
pub(crate) fn hmac<M: KeyInit>(key: &[u8]) -> M {
    M::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn append<M: Mac + Clone>(mac: &M, data: &[&[u8]], out: &mut Vec<u8>) {
    let mut mac = mac.clone();
    for part in data {
        mac.update(part);
    }
    let mut octets = mac.finalize().into_bytes();
    out.extend_from_slice(&octets);
    octets.as_mut_slice().zeroize();
}
