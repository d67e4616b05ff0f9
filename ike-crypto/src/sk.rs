//! The SK and SKF payloads (RFC 7296 §3.14, RFC 5282, RFC 7383 §2.5): IV, padding, ICV. Payload
//! headers and lengths are ike-wire's; this only protects what is between.
use alloc::vec::Vec;

use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::{AuthenticationFailed, Cipher, CipherKeys, CryptoError, Secret};

/// Which end sends with these keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SkDirection {
    /// SK_ei, SK_ai.
    Initiator,
    /// SK_er, SK_ar.
    Responder,
}

/// Protection of one direction of an IKE SA.
#[derive(Debug)]
pub struct SkCipher {
    keys: CipherKeys,
    /// The next counted IV; `None` when all have been used.
    counter: Option<u64>,
}

impl SkCipher {
    /// From SK_e and SK_a of the direction.
    /// Errors: a cipher that hides nothing.
    pub fn new(cipher: Cipher, sk_e: &Secret, sk_a: &Secret) -> Result<Self, CryptoError> {
        //= rfc7296#5: NULL is not an encryption algorithm for an IKE SA
        if !cipher.is_confidential() {
            return Err(CryptoError::Unsupported);
        }
        Ok(Self {
            keys: CipherKeys::new(cipher, sk_e, sk_a)?,
            counter: Some(1),
        })
    }

    /// Octets that protection adds to a plaintext of `plain_len` octets: IV, padding, pad length, ICV.
    pub fn overhead(&self, plain_len: usize) -> usize {
        let cipher = self.keys.cipher();
        cipher.iv_len() + pad_len(cipher, plain_len) + 1 + cipher.icv_len()
    }

    /// Appends IV | ciphertext | ICV to `message`, which so far holds everything from the IKE header
    /// to the end of the SK (or SKF) payload's own header, all lengths already final.
    /// IVs of AEADs and of CTR are a counter; CBC IVs are random.
    pub fn seal(
        &mut self,
        message: &mut Vec<u8>,
        plaintext: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(), CryptoError> {
        let cipher = self.keys.cipher();
        let header_len = message.len();
        let mut iv = [0; MAX_IV_LEN];
        let iv = iv
            .get_mut(..cipher.iv_len())
            .ok_or(CryptoError::Unsupported)?;
        if cipher.counts_ivs() {
            //= rfc5282#3.1: the IV is unique for each use of a key
            let counter = self.counter.ok_or(CryptoError::TooLong)?;
            iv.copy_from_slice(&counter.to_be_bytes());
            self.counter = counter.checked_add(1);
        } else {
            //= rfc7296#3.14: the IV of a CBC cipher is unpredictable
            rng.fill_bytes(iv);
        }
        let pad_len = pad_len(cipher, plaintext.len());
        // All at once: growing later would leave plaintext behind in the old allocation.
        message.reserve_exact(self.overhead(plaintext.len()) + plaintext.len());
        message.extend_from_slice(iv);
        message.extend_from_slice(plaintext);
        message.resize(message.len() + pad_len, 0);
        message.push(u8::try_from(pad_len).map_err(|_| CryptoError::CiphertextLength)?);
        message.resize(message.len() + cipher.icv_len(), 0);

        //= rfc5282#5.1: the associated data is everything from the IKE header to before the IV
        //= rfc7296#3.14: the integrity checksum covers everything from the IKE header to before itself
        let (aad, body) = message.split_at_mut(header_len);
        let (_, body) = body.split_at_mut(cipher.iv_len());
        let (data, icv) = body.split_at_mut(body.len() - cipher.icv_len());
        let sealed = self.keys.seal_detached(iv, aad, &[], data, icv);
        if sealed.is_err() {
            data.zeroize();
            message.truncate(header_len);
        }
        sealed
    }

    /// Opens the last payload of `message`: its contents (IV on) start at `body_from`.
    /// Returns the plaintext without padding.
    pub fn open(&self, message: &[u8], body_from: usize) -> Result<Secret, AuthenticationFailed> {
        let cipher = self.keys.cipher();
        let (aad, body) = message
            .split_at_checked(body_from)
            .ok_or(AuthenticationFailed)?;
        let (iv, sealed) = body
            .split_at_checked(cipher.iv_len())
            .ok_or(AuthenticationFailed)?;
        let mut buf = Zeroizing::new(sealed.to_vec());
        let padded = self.keys.open(iv, aad, &[], &mut buf)?;
        //= rfc7296#3.14: the recipient accepts any padding of any length that gives whole blocks
        let (&mut pad_len, contents) = padded.split_last_mut().ok_or(AuthenticationFailed)?;
        let plain_len = contents
            .len()
            .checked_sub(usize::from(pad_len))
            .ok_or(AuthenticationFailed)?;
        buf.truncate(plain_len);
        Ok(Secret::new(core::mem::take(&mut *buf)))
    }
}

//= rfc5282#3: no padding is needed for an AEAD, but the Pad Length octet is there
fn pad_len(cipher: Cipher, plain_len: usize) -> usize {
    (plain_len + 1).next_multiple_of(cipher.block_len()) - (plain_len + 1)
}

const MAX_IV_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    #[test]
    fn nothing_is_sealed_when_all_ivs_have_been_used() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let key = Secret::new(alloc::vec![1; 20]);
        let cipher = Cipher::AesGcm16 { key_bits: 128 };
        let mut sk = SkCipher::new(cipher, &key, &Secret::empty()).unwrap();
        sk.counter = Some(u64::MAX);
        let mut message = b"header".to_vec();
        sk.seal(&mut message, b"payloads", &mut rng).unwrap();
        let mut message = b"header".to_vec();
        assert_eq!(
            sk.seal(&mut message, b"payloads", &mut rng),
            Err(CryptoError::TooLong)
        );
        assert_eq!(message, b"header");
    }
}
