//! Our ciphers by the names of the kernel's crypto API.
use ike_crypto::{Cipher, Integ, Secret};

use super::message::{ALG_AEAD, ALG_AUTH_TRUNC, ALG_CRYPT, Algorithm};

/// The algorithm attributes of one SA; keys as the key schedule gives them (salt last, as the kernel wants).
pub(super) fn algorithms(cipher: Cipher, keys: &(Secret, Secret)) -> Vec<Algorithm<'_>> {
    let (encr, integ) = (keys.0.expose(), keys.1.expose());
    let aead = |name, icv_bits| {
        vec![Algorithm {
            attribute: ALG_AEAD,
            name,
            icv_bits: Some(icv_bits),
            key: encr,
        }]
    };
    let pair = |name, integ_name: Integ| {
        let (mac, bits) = mac(integ_name);
        vec![
            Algorithm {
                attribute: ALG_CRYPT,
                name,
                icv_bits: None,
                key: encr,
            },
            Algorithm {
                attribute: ALG_AUTH_TRUNC,
                name: mac,
                icv_bits: Some(bits),
                key: integ,
            },
        ]
    };
    match cipher {
        //= rfc4106#8.1: the keying material is the AES key followed by four octets of salt
        Cipher::AesGcm16 { .. } => aead(GCM, 128),
        Cipher::AesGcm12 { .. } => aead(GCM, 96),
        Cipher::AesGcm8 { .. } => aead(GCM, 64),
        Cipher::AesCcm16 { .. } => aead(CCM, 128),
        Cipher::AesCcm12 { .. } => aead(CCM, 96),
        Cipher::AesCcm8 { .. } => aead(CCM, 64),
        Cipher::ChaCha20Poly1305 => aead("rfc7539esp(chacha20,poly1305)", 128),
        Cipher::NullAesGmac { .. } => aead("rfc4543(gcm(aes))", 128),
        Cipher::AesCbc { integ, .. } => pair("cbc(aes)", integ),
        Cipher::AesCtr { integ, .. } => pair("rfc3686(ctr(aes))", integ),
        Cipher::TripleDesCbc { integ } => pair("cbc(des3_ede)", integ),
        Cipher::Null { integ } => pair("ecb(cipher_null)", integ),
    }
}

/// The kernel's name of a MAC and the bits of it that are sent.
fn mac(integ: Integ) -> (&'static str, u32) {
    match integ {
        //= rfc4868#2.3: half of the hash is sent
        Integ::HmacSha2_256_128 => ("hmac(sha256)", 128),
        Integ::HmacSha2_384_192 => ("hmac(sha384)", 192),
        Integ::HmacSha2_512_256 => ("hmac(sha512)", 256),
        Integ::HmacSha1_96 => ("hmac(sha1)", 96),
        Integ::HmacMd5_96 => ("hmac(md5)", 96),
        Integ::AesXcbc96 => ("xcbc(aes)", 96),
        Integ::AesCmac96 => ("cmac(aes)", 96),
    }
}

const CCM: &str = "rfc4309(ccm(aes))";
const GCM: &str = "rfc4106(gcm(aes))";
