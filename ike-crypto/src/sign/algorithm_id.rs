//! AlgorithmIdentifier of signatures (RFC 7427 appendix A, RFC 4055, RFC 5758, RFC 8410).
use alloc::vec::Vec;

use super::{
    Scheme,
    der::{self, element, only, optional, small_integer},
};
use crate::{CryptoError, Hash};

impl Scheme {
    /// From the DER of an AlgorithmIdentifier. Errors: not one, or of another algorithm.
    pub fn from_algorithm_id(octets: &[u8]) -> Result<Self, CryptoError> {
        let parsed = only(der::SEQUENCE, octets)
            .and_then(|contents| element(der::OBJECT_ID, contents))
            .ok_or(CryptoError::InvalidAlgorithm)?;
        let (oid, parameters) = parsed;
        if oid == RSASSA_PSS {
            return pss(parameters)
                .ok_or(CryptoError::InvalidAlgorithm)?
                .ok_or(CryptoError::Unsupported);
        }
        let (_, scheme) = PLAIN
            .into_iter()
            .find(|(known, _)| *known == oid)
            .ok_or(CryptoError::Unsupported)?;
        let good = match scheme {
            //= rfc4055#5: parameters of RSA PKCS #1 v1.5 are NULL; absent ones are accepted, too
            Self::RsaPkcs1(_) => parameters.is_empty() || parameters == NULL_ELEMENT,
            //= rfc8410#3: parameters of ECDSA and Ed25519 are absent
            _ => parameters.is_empty(),
        };
        good.then_some(scheme).ok_or(CryptoError::InvalidAlgorithm)
    }

    /// The DER of its AlgorithmIdentifier. Errors: none exists (ECDSA of RFC 4754, MD5).
    pub fn algorithm_id(self) -> Result<Vec<u8>, CryptoError> {
        if let Self::RsaPss { hash, salt_len } = self {
            let hash = hash_id(hash).ok_or(CryptoError::Unsupported)?;
            return Ok(write_pss(hash, salt_len));
        }
        let (oid, _) = PLAIN
            .into_iter()
            .find(|(_, scheme)| *scheme == self)
            .ok_or(CryptoError::Unsupported)?;
        let mut contents = der::write(der::OBJECT_ID, oid);
        if matches!(self, Self::RsaPkcs1(_)) {
            contents.extend_from_slice(NULL_ELEMENT);
        }
        Ok(der::write(der::SEQUENCE, &contents))
    }
}

/// RSASSA-PSS-params of RFC 4055 §3.1; what is left out has its default. `None` is malformed,
/// `Some(None)` is not built in: an unknown hash, or MGF1 over another one.
fn pss(parameters: &[u8]) -> Option<Option<Scheme>> {
    let rest = only(der::SEQUENCE, parameters)?;
    let (hash, rest) = optional(0xa0, rest)?;
    let hash = hash.map_or(Some(SHA1), hash_oid)?;
    let (mask, rest) = optional(0xa1, rest)?;
    let mask_hash = mask.map_or(Some(Some(SHA1)), |mask| {
        let (oid, parameters) = element(der::OBJECT_ID, only(der::SEQUENCE, mask)?)?;
        if oid == MGF1 {
            hash_oid(parameters).map(Some)
        } else {
            Some(None)
        }
    })?;
    let (salt, rest) = optional(0xa2, rest)?;
    let salt_len = salt.map_or(Some(20), |salt| small_integer(only(der::INTEGER, salt)?))?;
    let (trailer, rest) = optional(0xa3, rest)?;
    let trailer = trailer.map_or(Some(1), |trailer| {
        small_integer(only(der::INTEGER, trailer)?)
    })?;
    if !rest.is_empty() || trailer != 1 {
        return None;
    }
    let known = HASHES.into_iter().find(|(oid, _)| *oid == hash);
    Some(
        known
            .filter(|_| mask_hash == Some(hash))
            .map(|(_, hash)| Scheme::RsaPss { hash, salt_len }),
    )
}

//= rfc4055#2.1: parameters of a hash are NULL or absent, and both are accepted
fn hash_oid(octets: &[u8]) -> Option<&[u8]> {
    let (oid, parameters) = element(der::OBJECT_ID, only(der::SEQUENCE, octets)?)?;
    (parameters.is_empty() || parameters == NULL_ELEMENT).then_some(oid)
}

fn hash_id(hash: Hash) -> Option<&'static [u8]> {
    HASHES
        .into_iter()
        .find(|(_, known)| *known == hash)
        .map(|(oid, _)| oid)
}

//= rfc4055#3.1: what has its default value (SHA-1, a salt of 20 octets) is left out
fn write_pss(hash: &[u8], salt_len: usize) -> Vec<u8> {
    let mut parameters = Vec::new();
    if hash != SHA1 {
        let hash = der::write(
            der::SEQUENCE,
            &[&der::write(der::OBJECT_ID, hash), NULL_ELEMENT].concat(),
        );
        let mask = [der::write(der::OBJECT_ID, MGF1), hash.clone()].concat();
        parameters.extend(der::write(0xa0, &hash));
        parameters.extend(der::write(0xa1, &der::write(der::SEQUENCE, &mask)));
    }
    if salt_len != 20 {
        parameters.extend(der::write(0xa2, &der::write_integer(salt_len)));
    }
    let oid = der::write(der::OBJECT_ID, RSASSA_PSS);
    let parameters = der::write(der::SEQUENCE, &parameters);
    der::write(der::SEQUENCE, &[oid, parameters].concat())
}

const NULL_ELEMENT: &[u8] = &[der::NULL, 0];
/// 1.2.840.113549.1.1.10.
const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
/// 1.2.840.113549.1.1.8.
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];
/// 1.3.14.3.2.26.
const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
const HASHES: [(&[u8], Hash); 4] = [
    (SHA1, Hash::Sha1),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1], Hash::Sha2_256),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2], Hash::Sha2_384),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3], Hash::Sha2_512),
];
const PLAIN: [(&[u8], Scheme); 9] = [
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5],
        Scheme::RsaPkcs1(Hash::Sha1),
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11],
        Scheme::RsaPkcs1(Hash::Sha2_256),
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12],
        Scheme::RsaPkcs1(Hash::Sha2_384),
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13],
        Scheme::RsaPkcs1(Hash::Sha2_512),
    ),
    (
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1],
        Scheme::Ecdsa(Hash::Sha1),
    ),
    (
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
        Scheme::Ecdsa(Hash::Sha2_256),
    ),
    (
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],
        Scheme::Ecdsa(Hash::Sha2_384),
    ),
    (
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4],
        Scheme::Ecdsa(Hash::Sha2_512),
    ),
    (&[0x2b, 0x65, 0x70], Scheme::Ed25519),
];
