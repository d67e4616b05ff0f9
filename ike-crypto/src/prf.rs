//! Pseudorandom functions and prf+ (RFC 7296 §2.13).
use crate::{CryptoError, Secret};
use ike_wire::PrfId;

/// A negotiable PRF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    pub fn from_id(_id: PrfId) -> Option<Self> {
        todo!()
    }
    /// Its transform ID.
    pub fn id(self) -> PrfId {
        todo!()
    }
    /// Octets of output, which is also the preferred key length.
    pub fn len(self) -> usize {
        todo!()
    }
    /// prf(key, data[0] | data[1] | …).
    pub fn compute(self, _key: &[u8], _data: &[&[u8]]) -> Secret {
        todo!()
    }
    /// prf+(key, seed…), `len` octets. Errors: more than 255 outputs.
    pub fn plus(self, _key: &[u8], _seed: &[&[u8]], _len: usize) -> Result<Secret, CryptoError> {
        todo!()
    }
}
