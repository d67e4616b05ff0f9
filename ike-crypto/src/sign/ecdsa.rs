//! ECDSA on P-256, P-384 and P-521 with any hash: a longer one is cut, a shorter one is a smaller
//! number (FIPS 186-5 §6.4). Nonces are those of RFC 6979, so that signing needs no randomness.
use alloc::vec::Vec;

use ::ecdsa::hazmat::{sign_prehashed_rfc6979, verify_prehashed};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::{Curve, Scheme};
use crate::{CryptoError, Hash};

macro_rules! curve {
    ($module:ident, $crate_name:ident, $curve:ty, $name:path) => {
        pub(super) mod $module {
            use $crate_name::{
                PublicKey, SecretKey,
                ecdsa::{DerSignature, Signature},
            };

            use super::*;

            pub(in crate::sign) fn verify(
                key: &PublicKey,
                scheme: Scheme,
                message: &[u8],
                signature: &[u8],
            ) -> Result<(), CryptoError> {
                let (hash, signature) = match scheme {
                    Scheme::Ecdsa(hash) => (hash, Signature::from_der(signature)),
                    //= rfc4754#7: the signature is r | s, each as long as the field
                    Scheme::EcdsaRaw($name) => ($name.hash(), Signature::from_slice(signature)),
                    _ => return Err(CryptoError::KeyMismatch),
                };
                let signature = signature.map_err(|_| CryptoError::AuthenticationFailed)?;
                let digest = hash.digest(&[message]);
                verify_prehashed::<$curve>(&key.to_projective(), &digest, &signature)
                    .map_err(|_| CryptoError::AuthenticationFailed)
            }

            pub(in crate::sign) fn sign(
                key: &SecretKey,
                scheme: Scheme,
                message: &[u8],
            ) -> Result<Vec<u8>, CryptoError> {
                let (hash, raw) = match scheme {
                    Scheme::Ecdsa(hash) => (hash, false),
                    Scheme::EcdsaRaw($name) => ($name.hash(), true),
                    _ => return Err(CryptoError::KeyMismatch),
                };
                let digest = hash.digest(&[message]);
                let scalar = key.to_nonzero_scalar();
                let (signature, _) = match hash {
                    Hash::Sha1 => sign_prehashed_rfc6979::<$curve, Sha1>(&scalar, &digest, &[]),
                    Hash::Sha2_256 => {
                        sign_prehashed_rfc6979::<$curve, Sha256>(&scalar, &digest, &[])
                    }
                    Hash::Sha2_384 => {
                        sign_prehashed_rfc6979::<$curve, Sha384>(&scalar, &digest, &[])
                    }
                    Hash::Sha2_512 => {
                        sign_prehashed_rfc6979::<$curve, Sha512>(&scalar, &digest, &[])
                    }
                    #[cfg(feature = "legacy")]
                    Hash::Md5 => return Err(CryptoError::Unsupported),
                };
                if raw {
                    return Ok(signature.to_bytes().to_vec());
                }
                let signature: DerSignature = signature.to_der();
                Ok(signature.as_bytes().to_vec())
            }
        }
    };
}

curve!(on_p256, p256, p256::NistP256, Curve::P256);
curve!(on_p384, p384, p384::NistP384, Curve::P384);
curve!(on_p521, p521, p521::NistP521, Curve::P521);
