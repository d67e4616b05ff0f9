//! Signatures: RSA (PKCS #1 v1.5 and PSS, RFC 8017), ECDSA (RFC 4754 raw, RFC 7427 DER) and Ed25519
//! (RFC 8420), and the AlgorithmIdentifiers of RFC 7427 that name them.
//!
//! The caller says which algorithm it expects; a key of another type is an error, not a search.
//! What a signature of a certificate or of AUTH must look like is the callers' policy: RSA keys from
//! 1024 bits and SHA-1 are built in and not thereby allowed.
mod algorithm_id;
mod der;
mod ecdsa;
mod key;
mod rsa;

pub use key::{PrivateKey, PublicKey};

use crate::Hash;

/// A signature algorithm with all of its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1(Hash),
    /// RSASSA-PSS with MGF1 over the same hash.
    RsaPss {
        /// Of the message and of MGF1.
        hash: Hash,
        /// Octets.
        salt_len: usize,
    },
    /// ECDSA on the key's curve; the signature is DER.
    Ecdsa(Hash),
    /// ECDSA of authentication methods 9, 10 and 11: r | s, hash as long as the curve.
    EcdsaRaw(Curve),
    /// Ed25519.
    Ed25519,
}

/// Curves of ECDSA keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
}

impl Curve {
    /// The hash that goes with it in RFC 4754.
    pub fn hash(self) -> Hash {
        match self {
            Self::P256 => Hash::Sha2_256,
            Self::P384 => Hash::Sha2_384,
            Self::P521 => Hash::Sha2_512,
        }
    }
}

impl Scheme {
    /// RSASSA-PSS as usual: the salt is as long as the hash.
    pub fn rsa_pss(hash: Hash) -> Self {
        Self::RsaPss {
            hash,
            salt_len: hash.len(),
        }
    }
}
