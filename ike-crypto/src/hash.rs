//! Hash functions (FIPS 180-4, RFC 1321), for signatures and for what IKE hashes in the clear.
//! MD5 only with the feature `legacy`.
use alloc::vec::Vec;

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// A hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Hash {
    /// MD5. Broken; only where a protocol of old asks for it.
    #[cfg(feature = "legacy")]
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha2_256,
    /// SHA-384.
    Sha2_384,
    /// SHA-512.
    Sha2_512,
}

impl Hash {
    /// Octets of output.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(self) -> usize {
        match self {
            #[cfg(feature = "legacy")]
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha2_256 => 32,
            Self::Sha2_384 => 48,
            Self::Sha2_512 => 64,
        }
    }

    /// The hash of data\[0\] | data\[1\] | ….
    pub fn digest(self, data: &[&[u8]]) -> Vec<u8> {
        match self {
            #[cfg(feature = "legacy")]
            Self::Md5 => digest::<md5::Md5>(data),
            Self::Sha1 => digest::<Sha1>(data),
            Self::Sha2_256 => digest::<Sha256>(data),
            Self::Sha2_384 => digest::<Sha384>(data),
            Self::Sha2_512 => digest::<Sha512>(data),
        }
    }
}

fn digest<D: Digest>(data: &[&[u8]]) -> Vec<u8> {
    let mut hash = D::new();
    for part in data {
        hash.update(part);
    }
    hash.finalize().to_vec()
}
