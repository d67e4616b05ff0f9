//! ENCR_NULL_AUTH_AES_GMAC (RFC 4543): no encryption, an ICV over everything. For child SAs.
use alloc::vec;

use super::aead::AeadKey;
use crate::{AuthenticationFailed, CryptoError};

/// An AES key with its salt. GMAC is GCM of nothing, with the message as associated data.
pub(super) struct GmacKey(AeadKey);

impl GmacKey {
    pub(super) fn new(material: &[u8]) -> Result<Self, CryptoError> {
        AeadKey::gcm16(material).map(Self)
    }

    pub(super) fn seal(
        &self,
        iv: &[u8],
        aad: &[u8],
        data: &[u8],
        icv: &mut [u8],
    ) -> Result<(), CryptoError> {
        //= rfc4543#3.3: the authenticated data is SPI, sequence number, IV and the packet's contents
        self.0.seal(iv, &[aad, iv, data].concat(), &mut [], icv)
    }

    pub(super) fn open(
        &self,
        iv: &[u8],
        aad: &[u8],
        data: &[u8],
        icv: &[u8],
    ) -> Result<(), AuthenticationFailed> {
        self.0
            .open(iv, &[aad, iv, data].concat(), vec![].as_mut_slice(), icv)
    }
}
