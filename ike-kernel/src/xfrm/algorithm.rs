//! Our ciphers by the names of the kernel's crypto API.
use ike_crypto::{Cipher, Integ, Secret};

use super::message::{ALG_AEAD, ALG_AUTH_TRUNC, ALG_CRYPT, Algorithm};

/// The algorithm attributes of one SA; keys as the key schedule gives them (salt last, as the kernel wants).
pub(super) fn algorithms(cipher: Cipher, keys: &(Secret, Secret)) -> Vec<Algorithm<'_>> {
    let aead = |name, icv_bits| {
        vec![Algorithm {
            attribute: ALG_AEAD,
            name,
            icv_bits: Some(icv_bits),
            key: keys.0.expose(),
        }]
    };
    match cipher {
        //= rfc4106#8.1: the keying material is the AES key followed by four octets of salt
        Cipher::AesGcm16 { .. } => aead(GCM, 128),
        Cipher::AesGcm12 { .. } => aead(GCM, 96),
        Cipher::AesGcm8 { .. } => aead(GCM, 64),
        Cipher::ChaCha20Poly1305 => aead("rfc7539esp(chacha20,poly1305)", 128),
        Cipher::AesCbc { integ, .. } => {
            //= rfc4868#2.3: half of the hash is sent
            let (name, bits) = match integ {
                Integ::HmacSha2_256_128 => ("hmac(sha256)", 128),
                Integ::HmacSha2_384_192 => ("hmac(sha384)", 192),
                Integ::HmacSha2_512_256 => ("hmac(sha512)", 256),
            };
            vec![
                Algorithm {
                    attribute: ALG_CRYPT,
                    name: "cbc(aes)",
                    icv_bits: None,
                    key: keys.0.expose(),
                },
                Algorithm {
                    attribute: ALG_AUTH_TRUNC,
                    name,
                    icv_bits: Some(bits),
                    key: keys.1.expose(),
                },
            ]
        }
    }
}

const GCM: &str = "rfc4106(gcm(aes))";
