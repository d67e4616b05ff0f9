//! AES-CBC (RFC 3602) with HMAC-SHA2 over the ciphertext (RFC 4868): encrypt, then authenticate.
//! The MAC is checked before anything is decrypted.
use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt,
    BlockSizeUser, InnerIvInit, KeyInit, consts::U16,
};
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroize;

use super::Integ;
use crate::{AuthenticationFailed, CryptoError, prf::hmac};

/// An AES key and a keyed MAC state, cloned for each message.
pub(super) struct CbcMacKey {
    aes: Aes,
    mac: MacKey,
}

enum Aes {
    Aes128(Aes128),
    Aes192(Aes192),
    Aes256(Aes256),
}

enum MacKey {
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

impl CbcMacKey {
    pub(super) fn new(
        encr_key: &[u8],
        integ: Integ,
        integ_key: &[u8],
    ) -> Result<Self, CryptoError> {
        let aes = match encr_key.len() {
            16 => init(encr_key).map(Aes::Aes128),
            24 => init(encr_key).map(Aes::Aes192),
            32 => init(encr_key).map(Aes::Aes256),
            _ => Err(CryptoError::KeyLength),
        }?;
        let mac = match integ {
            Integ::HmacSha2_256_128 => MacKey::Sha256(hmac(integ_key)),
            Integ::HmacSha2_384_192 => MacKey::Sha384(hmac(integ_key)),
            Integ::HmacSha2_512_256 => MacKey::Sha512(hmac(integ_key)),
        };
        Ok(Self { aes, mac })
    }

    pub(super) fn seal(
        &self,
        iv: &[u8],
        aad: &[u8],
        mac_suffix: &[u8],
        data: &mut [u8],
        icv: &mut [u8],
    ) -> Result<(), CryptoError> {
        let block_iv = <&Block>::try_from(iv).map_err(|_| CryptoError::CiphertextLength)?;
        let blocks = blocks(data).ok_or(CryptoError::CiphertextLength)?;
        match &self.aes {
            Aes::Aes128(aes) => encrypt(aes, block_iv, blocks),
            Aes::Aes192(aes) => encrypt(aes, block_iv, blocks),
            Aes::Aes256(aes) => encrypt(aes, block_iv, blocks),
        }
        self.mac.sign(&[aad, iv, data, mac_suffix], icv);
        Ok(())
    }

    pub(super) fn open(
        &self,
        iv: &[u8],
        aad: &[u8],
        mac_suffix: &[u8],
        data: &mut [u8],
        icv: &[u8],
    ) -> Result<(), AuthenticationFailed> {
        self.mac.verify(&[aad, iv, data, mac_suffix], icv)?;
        let iv = <&Block>::try_from(iv).map_err(|_| AuthenticationFailed)?;
        let blocks = blocks(data).ok_or(AuthenticationFailed)?;
        match &self.aes {
            Aes::Aes128(aes) => decrypt(aes, iv, blocks),
            Aes::Aes192(aes) => decrypt(aes, iv, blocks),
            Aes::Aes256(aes) => decrypt(aes, iv, blocks),
        }
        Ok(())
    }
}

impl MacKey {
    fn sign(&self, parts: &[&[u8]], icv: &mut [u8]) {
        match self {
            Self::Sha256(mac) => sign(mac, parts, icv),
            Self::Sha384(mac) => sign(mac, parts, icv),
            Self::Sha512(mac) => sign(mac, parts, icv),
        }
    }

    fn verify(&self, parts: &[&[u8]], icv: &[u8]) -> Result<(), AuthenticationFailed> {
        match self {
            Self::Sha256(mac) => verify(mac, parts, icv),
            Self::Sha384(mac) => verify(mac, parts, icv),
            Self::Sha512(mac) => verify(mac, parts, icv),
        }
    }
}

type Block = Array<u8, U16>;

fn init<K: KeyInit>(key: &[u8]) -> Result<K, CryptoError> {
    K::new_from_slice(key).map_err(|_| CryptoError::KeyLength)
}

fn blocks(data: &mut [u8]) -> Option<&mut [Block]> {
    let (blocks, rest) = Array::slice_as_chunks_mut(data);
    rest.is_empty().then_some(blocks)
}

fn encrypt<C>(aes: &C, iv: &Block, blocks: &mut [Block])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    cbc::Encryptor::inner_iv_init(aes, iv).encrypt_blocks(blocks);
}

fn decrypt<C>(aes: &C, iv: &Block, blocks: &mut [Block])
where
    C: BlockCipherDecrypt + BlockSizeUser<BlockSize = U16>,
{
    cbc::Decryptor::inner_iv_init(aes, iv).decrypt_blocks(blocks);
}

fn keyed<M: Mac + Clone>(mac: &M, parts: &[&[u8]]) -> M {
    let mut mac = mac.clone();
    for part in parts {
        mac.update(part);
    }
    mac
}

fn sign<M: Mac + Clone>(mac: &M, parts: &[&[u8]], icv: &mut [u8]) {
    let mut full = keyed(mac, parts).finalize().into_bytes();
    icv.iter_mut().zip(&full).for_each(|(to, from)| *to = *from);
    full.as_mut_slice().zeroize();
}

fn verify<M: Mac + Clone>(
    mac: &M,
    parts: &[&[u8]],
    icv: &[u8],
) -> Result<(), AuthenticationFailed> {
    keyed(mac, parts)
        .verify_truncated_left(icv)
        .map_err(|_| AuthenticationFailed)
}
