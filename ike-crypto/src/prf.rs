//! Pseudorandom functions and prf+ (RFC 7296 §2.13; RFC 2104, RFC 4868 §2.1.2). HMAC keys may have
//! any length and are never cut or padded here; the AES PRFs bring keys to 16 octets by their own
//! rules (RFC 4434 §2, RFC 4615 §3).
use alloc::vec::Vec;
use core::iter;

use aes::Aes128;
use cmac::Cmac;
use hmac::{Hmac, KeyInit, Mac};
use ike_wire::PrfId;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use zeroize::{Zeroize, Zeroizing};

use crate::{CryptoError, Secret, xcbc::Xcbc};

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
    /// PRF_AES128_XCBC (RFC 4434).
    Aes128Xcbc,
    /// PRF_AES128_CMAC (RFC 4615).
    Aes128Cmac,
    /// PRF_HMAC_MD5 (RFC 2104).
    #[cfg(feature = "legacy")]
    HmacMd5,
}

impl Prf {
    /// The PRF of a transform, if built in.
    pub fn from_id(id: PrfId) -> Option<Self> {
        match id {
            PrfId::HMAC_SHA1 => Some(Self::HmacSha1),
            PrfId::HMAC_SHA2_256 => Some(Self::HmacSha2_256),
            PrfId::HMAC_SHA2_384 => Some(Self::HmacSha2_384),
            PrfId::HMAC_SHA2_512 => Some(Self::HmacSha2_512),
            PrfId::AES128_XCBC => Some(Self::Aes128Xcbc),
            PrfId::AES128_CMAC => Some(Self::Aes128Cmac),
            #[cfg(feature = "legacy")]
            PrfId::HMAC_MD5 => Some(Self::HmacMd5),
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
            Self::Aes128Xcbc => PrfId::AES128_XCBC,
            Self::Aes128Cmac => PrfId::AES128_CMAC,
            #[cfg(feature = "legacy")]
            Self::HmacMd5 => PrfId::HMAC_MD5,
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
            Self::Aes128Xcbc | Self::Aes128Cmac => 16,
            #[cfg(feature = "legacy")]
            Self::HmacMd5 => 16,
        }
    }

    /// The key under which SKEYSEED is computed from two nonces: Ni | Nr, or for a PRF with a key
    /// of fixed size half of it from each nonce.
    pub fn nonce_key(self, ni: &[u8], nr: &[u8]) -> Vec<u8> {
        match self {
            //= rfc7296#2.14: of the nonces only the first 64 bits each are used with these two PRFs
            Self::Aes128Xcbc | Self::Aes128Cmac => {
                let first = |nonce: &[u8]| nonce.iter().take(8).copied().collect::<Vec<_>>();
                [first(ni), first(nr)].concat()
            }
            _ => [ni, nr].concat(),
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
    Xcbc(Xcbc),
    Cmac(Cmac<Aes128>),
    #[cfg(feature = "legacy")]
    Md5(Hmac<md5::Md5>),
}

impl Keyed {
    fn new(prf: Prf, key: &[u8]) -> Self {
        match prf {
            Prf::HmacSha1 => Self::Sha1(hmac(key)),
            Prf::HmacSha2_256 => Self::Sha256(hmac(key)),
            Prf::HmacSha2_384 => Self::Sha384(hmac(key)),
            Prf::HmacSha2_512 => Self::Sha512(hmac(key)),
            Prf::Aes128Xcbc => Self::Xcbc(Xcbc::new(&xcbc_key(key))),
            Prf::Aes128Cmac => Self::Cmac(Cmac::new(&(*cmac_key(key)).into())),
            #[cfg(feature = "legacy")]
            Prf::HmacMd5 => Self::Md5(hmac(key)),
        }
    }

    fn append(&self, data: &[&[u8]], out: &mut Vec<u8>) {
        match self {
            Self::Sha1(mac) => append(mac, data, out),
            Self::Sha256(mac) => append(mac, data, out),
            Self::Sha384(mac) => append(mac, data, out),
            Self::Sha512(mac) => append(mac, data, out),
            Self::Cmac(mac) => append(mac, data, out),
            #[cfg(feature = "legacy")]
            Self::Md5(mac) => append(mac, data, out),
            Self::Xcbc(mac) => {
                let mut octets = mac.compute(data);
                out.extend_from_slice(&octets);
                octets.zeroize();
            }
        }
    }
}

type AesKey = Zeroizing<[u8; 16]>;

/// A key of 16 octets for AES-XCBC-PRF-128.
fn xcbc_key(key: &[u8]) -> AesKey {
    //= rfc4434#2: a longer key is replaced by its MAC under the all-zero key
    if key.len() > 16 {
        return AesKey::new(Xcbc::new(&[0; 16]).compute(&[key]));
    }
    //= rfc4434#2: a shorter key is padded with zeros at its end
    let mut padded = AesKey::new([0; 16]);
    padded
        .iter_mut()
        .zip(key)
        .for_each(|(to, from)| *to = *from);
    padded
}

/// A key of 16 octets for AES-CMAC-PRF-128.
fn cmac_key(key: &[u8]) -> AesKey {
    if let Ok(key) = key.try_into() {
        return AesKey::new(key);
    }
    //= rfc4615#3: a key of any other length is replaced by its MAC under the all-zero key
    let mut mac = Cmac::<Aes128>::new(&[0; 16].into());
    mac.update(key);
    AesKey::new(mac.finalize().into_bytes().into())
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
