//! A cipher with a MAC over the ciphertext: encrypt, then authenticate (RFC 7296 §3.14, RFC 4303
//! §3.3.2). The MAC is checked before anything is decrypted.
use super::{Integ, block::BlockKey};
use crate::{AuthenticationFailed, CryptoError, IntegKey};

/// An encryption key and a keyed MAC state, cloned for each message.
pub(super) struct EtmKey {
    encr: BlockKey,
    mac: IntegKey,
}

impl EtmKey {
    pub(super) fn new(encr: BlockKey, integ: Integ, integ_key: &[u8]) -> Result<Self, CryptoError> {
        let mac = IntegKey::new(integ, integ_key)?;
        Ok(Self { encr, mac })
    }

    pub(super) fn seal(
        &self,
        iv: &[u8],
        aad: &[u8],
        mac_suffix: &[u8],
        data: &mut [u8],
        icv: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.encr.encrypt(iv, data)?;
        self.mac.sign_into(&[aad, iv, data, mac_suffix], icv);
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
        self.encr
            .decrypt(iv, data)
            .map_err(|_| AuthenticationFailed)
    }
}
