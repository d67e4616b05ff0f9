//! RSA (RFC 8017). Signing always blinds. Signatures only; nothing here decrypts.
use alloc::{boxed::Box, vec::Vec};

use rand_core::CryptoRng;
use rsa::{
    Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey,
    pss::Pss,
    traits::{PublicKeyParts, SignatureScheme},
};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::Scheme;
use crate::{CryptoError, Hash};

pub(super) fn verify(
    key: &RsaPublicKey,
    scheme: Scheme,
    message: &[u8],
    signature: &[u8],
) -> Result<(), CryptoError> {
    let verified = match scheme {
        Scheme::RsaPkcs1(hash) => {
            let digest = hash.digest(&[message]);
            //= rfc8017#8.2.2: a signature has the length of the modulus
            if signature.len() != key.size() {
                return Err(CryptoError::AuthenticationFailed);
            }
            key.verify(pkcs1(hash)?, &digest, signature)
        }
        Scheme::RsaPss { hash, salt_len } => {
            let digest = hash.digest(&[message]);
            // A salt that cannot fit is no reason to panic in a library.
            if !salt_fits(key.n_bits(), hash, salt_len) {
                return Err(CryptoError::AuthenticationFailed);
            }
            match hash {
                Hash::Sha1 => pss::<Sha1>(salt_len).verify(key, &digest, signature),
                Hash::Sha2_256 => pss::<Sha256>(salt_len).verify(key, &digest, signature),
                Hash::Sha2_384 => pss::<Sha384>(salt_len).verify(key, &digest, signature),
                Hash::Sha2_512 => pss::<Sha512>(salt_len).verify(key, &digest, signature),
                #[cfg(feature = "legacy")]
                Hash::Md5 => return Err(CryptoError::Unsupported),
            }
        }
        _ => return Err(CryptoError::KeyMismatch),
    };
    verified.map_err(|_| CryptoError::AuthenticationFailed)
}

pub(super) fn sign(
    key: &RsaPrivateKey,
    scheme: Scheme,
    message: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<Vec<u8>, CryptoError> {
    let mut rng = rng;
    let signed = match scheme {
        Scheme::RsaPkcs1(hash) => {
            let digest = hash.digest(&[message]);
            key.sign_with_rng(&mut rng, pkcs1(hash)?, &digest)
        }
        Scheme::RsaPss { hash, salt_len } => {
            let digest = hash.digest(&[message]);
            if !salt_fits(key.n_bits(), hash, salt_len) {
                return Err(CryptoError::KeyMismatch);
            }
            match hash {
                Hash::Sha1 => key.sign_with_rng(&mut rng, pss::<Sha1>(salt_len), &digest),
                Hash::Sha2_256 => key.sign_with_rng(&mut rng, pss::<Sha256>(salt_len), &digest),
                Hash::Sha2_384 => key.sign_with_rng(&mut rng, pss::<Sha384>(salt_len), &digest),
                Hash::Sha2_512 => key.sign_with_rng(&mut rng, pss::<Sha512>(salt_len), &digest),
                #[cfg(feature = "legacy")]
                Hash::Md5 => return Err(CryptoError::Unsupported),
            }
        }
        _ => return Err(CryptoError::KeyMismatch),
    };
    signed.map_err(|_| CryptoError::KeyMismatch)
}

trait Bits {
    fn n_bits(&self) -> usize;
}

impl<K: PublicKeyParts> Bits for K {
    fn n_bits(&self) -> usize {
        self.n().bits() as usize
    }
}

//= rfc8017#9.1.1: the encoded message has room for hash, salt and two octets
fn salt_fits(modulus_bits: usize, hash: Hash, salt_len: usize) -> bool {
    let encoded = modulus_bits.saturating_sub(1).div_ceil(8);
    hash.len().saturating_add(salt_len).saturating_add(2) <= encoded
}

fn pss<D: sha2::Digest>(salt_len: usize) -> Pss<D> {
    Pss::new_blinded_with_salt(salt_len)
}

/// The DER of DigestInfo before the hash itself (RFC 8017 §9.2 note 1).
fn pkcs1(hash: Hash) -> Result<Pkcs1v15Sign, CryptoError> {
    let prefix: &[u8] = match hash {
        Hash::Sha1 => &[
            0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04,
            0x14,
        ],
        Hash::Sha2_256 => &sha2_prefix(1, 32),
        Hash::Sha2_384 => &sha2_prefix(2, 48),
        Hash::Sha2_512 => &sha2_prefix(3, 64),
        #[cfg(feature = "legacy")]
        Hash::Md5 => return Err(CryptoError::Unsupported),
    };
    Ok(Pkcs1v15Sign {
        hash_len: Some(hash.len()),
        prefix: Box::from(prefix),
    })
}

const fn sha2_prefix(number: u8, len: u8) -> [u8; 19] {
    [
        0x30,
        17 + len,
        0x30,
        0x0d,
        0x06,
        0x09,
        0x60,
        0x86,
        0x48,
        0x01,
        0x65,
        0x03,
        0x04,
        0x02,
        number,
        0x05,
        0x00,
        0x04,
        len,
    ]
}
