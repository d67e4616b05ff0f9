//! Encryption alone: AES-CBC (RFC 3602), 3DES-CBC (RFC 2451), AES-CTR (RFC 3686), NULL (RFC 2410).
//! Nothing here authenticates; [`super::etm`] puts a MAC around it, [`crate::raw`] shows it to tests.
use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt,
    BlockSizeUser, InnerIvInit, KeyInit, StreamCipher, consts::U16,
};
use ctr::{Ctr32BE, CtrCore, cipher::StreamCipherCoreWrapper};
use des::TdesEde3;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::CryptoError;

/// A key of a cipher without authentication; wiped on drop.
pub(crate) enum BlockKey {
    AesCbc(Aes),
    TripleDesCbc(TdesEde3),
    AesCtr(Aes, CtrNonce),
    Null,
}

pub(crate) enum Aes {
    Aes128(Aes128),
    Aes192(Aes192),
    Aes256(Aes256),
}

#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct CtrNonce([u8; CTR_NONCE_LEN]);

impl BlockKey {
    pub(crate) fn aes_cbc(key: &[u8]) -> Result<Self, CryptoError> {
        Aes::new(key).map(Self::AesCbc)
    }

    pub(crate) fn triple_des_cbc(key: &[u8]) -> Result<Self, CryptoError> {
        init(key).map(Self::TripleDesCbc)
    }

    //= rfc3686#5.1: the nonce is the last four octets of the keying material
    pub(crate) fn aes_ctr(material: &[u8]) -> Result<Self, CryptoError> {
        let (key, nonce) = material
            .split_last_chunk::<CTR_NONCE_LEN>()
            .ok_or(CryptoError::KeyLength)?;
        Ok(Self::AesCtr(Aes::new(key)?, CtrNonce(*nonce)))
    }

    /// Encrypts in place. Errors: IV or data of a length that the mode does not have.
    pub(crate) fn encrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CryptoError> {
        match self {
            Self::AesCbc(Aes::Aes128(key)) => encrypt(key, iv, data),
            Self::AesCbc(Aes::Aes192(key)) => encrypt(key, iv, data),
            Self::AesCbc(Aes::Aes256(key)) => encrypt(key, iv, data),
            Self::TripleDesCbc(key) => encrypt(key, iv, data),
            Self::AesCtr(key, nonce) => key.counter_mode(nonce, iv, data),
            Self::Null if iv.is_empty() => Ok(()),
            Self::Null => Err(CryptoError::CiphertextLength),
        }
    }

    /// Decrypts in place. Errors as of [`Self::encrypt`].
    pub(crate) fn decrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CryptoError> {
        match self {
            Self::AesCbc(Aes::Aes128(key)) => decrypt(key, iv, data),
            Self::AesCbc(Aes::Aes192(key)) => decrypt(key, iv, data),
            Self::AesCbc(Aes::Aes256(key)) => decrypt(key, iv, data),
            Self::TripleDesCbc(key) => decrypt(key, iv, data),
            Self::AesCtr(..) | Self::Null => self.encrypt(iv, data),
        }
    }
}

impl Aes {
    fn new(key: &[u8]) -> Result<Self, CryptoError> {
        match key.len() {
            16 => init(key).map(Self::Aes128),
            24 => init(key).map(Self::Aes192),
            32 => init(key).map(Self::Aes256),
            _ => Err(CryptoError::KeyLength),
        }
    }

    fn counter_mode(
        &self,
        nonce: &CtrNonce,
        iv: &[u8],
        data: &mut [u8],
    ) -> Result<(), CryptoError> {
        let iv: [u8; CTR_IV_LEN] = iv.try_into().map_err(|_| CryptoError::CiphertextLength)?;
        //= rfc3686#4: the first counter block is nonce, IV and one
        let mut counter = Array::<u8, U16>::default();
        let (head, tail) = counter.split_at_mut(CTR_NONCE_LEN);
        head.copy_from_slice(&nonce.0);
        let (middle, last) = tail.split_at_mut(CTR_IV_LEN);
        middle.copy_from_slice(&iv);
        last.copy_from_slice(&1u32.to_be_bytes());
        match self {
            Self::Aes128(key) => counter_mode(key, &counter, data),
            Self::Aes192(key) => counter_mode(key, &counter, data),
            Self::Aes256(key) => counter_mode(key, &counter, data),
        }
    }
}

fn counter_mode<C>(key: &C, counter: &Array<u8, U16>, data: &mut [u8]) -> Result<(), CryptoError>
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let core = CtrCore::inner_iv_init(key, counter);
    let mut stream: Ctr32BE<&C> = StreamCipherCoreWrapper::from_core(core);
    stream
        .try_apply_keystream(data)
        .map_err(|_| CryptoError::TooLong)
}

fn init<K: KeyInit>(key: &[u8]) -> Result<K, CryptoError> {
    K::new_from_slice(key).map_err(|_| CryptoError::KeyLength)
}

fn encrypt<C>(key: &C, iv: &[u8], data: &mut [u8]) -> Result<(), CryptoError>
where
    C: BlockCipherEncrypt,
{
    let iv = iv.try_into().map_err(|_| CryptoError::CiphertextLength)?;
    let (blocks, rest) = Array::slice_as_chunks_mut(data);
    if !rest.is_empty() {
        return Err(CryptoError::CiphertextLength);
    }
    cbc::Encryptor::inner_iv_init(key, iv).encrypt_blocks(blocks);
    Ok(())
}

fn decrypt<C>(key: &C, iv: &[u8], data: &mut [u8]) -> Result<(), CryptoError>
where
    C: BlockCipherDecrypt,
{
    let iv = iv.try_into().map_err(|_| CryptoError::CiphertextLength)?;
    let (blocks, rest) = Array::slice_as_chunks_mut(data);
    if !rest.is_empty() {
        return Err(CryptoError::CiphertextLength);
    }
    cbc::Decryptor::inner_iv_init(key, iv).decrypt_blocks(blocks);
    Ok(())
}

pub(super) const CTR_NONCE_LEN: usize = 4;
pub(super) const CTR_IV_LEN: usize = 8;
