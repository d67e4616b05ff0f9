//! The names of PROBE.md section 2.
use ike_crypto::{
    Cipher, Hash, Integ, Prf,
    sign::{Curve, Scheme},
};

use super::{Refusal, refuse, unsupported};

pub(super) fn hash(name: &str) -> Result<Hash, Refusal> {
    Ok(match name {
        "md5" => Hash::Md5,
        "sha1" => Hash::Sha1,
        "sha2-256" => Hash::Sha2_256,
        "sha2-384" => Hash::Sha2_384,
        "sha2-512" => Hash::Sha2_512,
        _ => return unsupported(format!("hash {name}")),
    })
}

pub(super) fn prf(name: &str) -> Result<Prf, Refusal> {
    Ok(match name {
        "prf-hmac-md5" => Prf::HmacMd5,
        "prf-hmac-sha1" => Prf::HmacSha1,
        "prf-hmac-sha2-256" => Prf::HmacSha2_256,
        "prf-hmac-sha2-384" => Prf::HmacSha2_384,
        "prf-hmac-sha2-512" => Prf::HmacSha2_512,
        "prf-aes128-xcbc" => Prf::Aes128Xcbc,
        "prf-aes128-cmac" => Prf::Aes128Cmac,
        _ => return unsupported(format!("PRF {name}")),
    })
}

pub(super) fn integ(name: &str) -> Result<Integ, Refusal> {
    Ok(match name {
        "hmac-md5-96" => Integ::HmacMd5_96,
        "hmac-sha1-96" => Integ::HmacSha1_96,
        "hmac-sha2-256-128" => Integ::HmacSha2_256_128,
        "hmac-sha2-384-192" => Integ::HmacSha2_384_192,
        "hmac-sha2-512-256" => Integ::HmacSha2_512_256,
        "aes-xcbc-96" => Integ::AesXcbc96,
        "aes-cmac-96" => Integ::AesCmac96,
        _ => return unsupported(format!("integrity algorithm {name}")),
    })
}

/// An AEAD, with the key length that so many octets of keying material mean.
pub(super) fn aead(name: &str, material: usize) -> Result<Cipher, Refusal> {
    let salted = |salt| match material.checked_sub(salt) {
        Some(16) => Ok(128),
        Some(24) => Ok(192),
        Some(32) => Ok(256),
        _ => refuse(format!("{name} has no key of {material} octets")),
    };
    Ok(match name {
        "aes-gcm-8" => Cipher::AesGcm8 {
            key_bits: salted(4)?,
        },
        "aes-gcm-12" => Cipher::AesGcm12 {
            key_bits: salted(4)?,
        },
        "aes-gcm-16" => Cipher::AesGcm16 {
            key_bits: salted(4)?,
        },
        "aes-ccm-8" => Cipher::AesCcm8 {
            key_bits: salted(3)?,
        },
        "aes-ccm-12" => Cipher::AesCcm12 {
            key_bits: salted(3)?,
        },
        "aes-ccm-16" => Cipher::AesCcm16 {
            key_bits: salted(3)?,
        },
        "chacha20-poly1305" => Cipher::ChaCha20Poly1305,
        _ => return unsupported(format!("AEAD {name}")),
    })
}

/// What protects SK: an AEAD alone, or a cipher with a MAC.
pub(super) fn sk_cipher(
    encr: &str,
    integ_name: Option<&str>,
    material: usize,
) -> Result<Cipher, Refusal> {
    let mac = || match integ_name {
        Some(name) => integ(name),
        None => refuse(format!("{encr} needs an integrity algorithm")),
    };
    let bits = |material: usize| match material {
        16 => Ok(128),
        24 => Ok(192),
        32 => Ok(256),
        _ => refuse(format!("{encr} has no such key length")),
    };
    Ok(match encr {
        "aes-cbc" => Cipher::AesCbc {
            integ: mac()?,
            key_bits: bits(material)?,
        },
        "aes-ctr" => Cipher::AesCtr {
            integ: mac()?,
            key_bits: bits(material.saturating_sub(4))?,
        },
        "3des" => Cipher::TripleDesCbc { integ: mac()? },
        _ => {
            let cipher = aead(encr, material)?;
            if integ_name.is_some() {
                return refuse(format!("{encr} has no separate integrity algorithm"));
            }
            cipher
        }
    })
}

pub(super) fn scheme(name: &str) -> Result<Scheme, Refusal> {
    let known = match name {
        "ed25519" => Some(Scheme::Ed25519),
        "ecdsa-p256-sha2-256-raw" => Some(Scheme::EcdsaRaw(Curve::P256)),
        "ecdsa-p384-sha2-384-raw" => Some(Scheme::EcdsaRaw(Curve::P384)),
        "ecdsa-p521-sha2-512-raw" => Some(Scheme::EcdsaRaw(Curve::P521)),
        _ => None,
    };
    let with_hash = || {
        let (hash_name, scheme): (_, fn(Hash) -> Scheme) = [
            ("rsa-pkcs1-", Scheme::RsaPkcs1 as fn(Hash) -> Scheme),
            ("rsa-pss-", Scheme::rsa_pss),
            ("ecdsa-", Scheme::Ecdsa),
        ]
        .into_iter()
        .find_map(|(prefix, scheme)| Some((name.strip_prefix(prefix)?, scheme)))?;
        let hash = hash(hash_name).ok().filter(|&hash| hash != Hash::Md5)?;
        Some(scheme(hash))
    };
    match known.or_else(with_hash) {
        Some(scheme) => Ok(scheme),
        None => unsupported(format!("signature algorithm {name}")),
    }
}
