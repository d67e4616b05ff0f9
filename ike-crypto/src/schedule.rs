//! The key schedule in one place: SKEYSEED, SK_*, KEYMAT, rekey, additional key exchanges (RFC 9370), PPK (RFC 8784).
use crate::{CryptoError, IkeSuite, Prf, Secret};
use ike_wire::Spi;

/// SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr (RFC 7296 §2.14). SK_a are empty for an AEAD.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct SkKeys {
    pub d: Secret,
    pub ai: Secret,
    pub ar: Secret,
    pub ei: Secret,
    pub er: Secret,
    pub pi: Secret,
    pub pr: Secret,
}

impl SkKeys {
    /// Keys of IKE_SA_INIT: SKEYSEED = prf(Ni | Nr, g^ir).
    pub fn initial(
        _suite: &IkeSuite,
        _shared: &Secret,
        _ni: &[u8],
        _nr: &[u8],
        _spi_i: Spi,
        _spi_r: Spi,
    ) -> Result<Self, CryptoError> {
        todo!()
    }
    /// Keys of an IKE SA rekey: SKEYSEED = prf(SK_d(old), g^ir | Ni | Nr | SK(1)…) with the *old* SA's PRF;
    /// expansion with the new suite's (RFC 7296 §2.18, RFC 9370 §2.2.4).
    #[allow(clippy::too_many_arguments)]
    pub fn rekeyed(
        _suite: &IkeSuite,
        _old_prf: Prf,
        _old_d: &Secret,
        _shared: &Secret,
        _ni: &[u8],
        _nr: &[u8],
        _additional: &[Secret],
        _spi_i: Spi,
        _spi_r: Spi,
    ) -> Result<Self, CryptoError> {
        todo!()
    }
    /// Keys after one IKE_INTERMEDIATE key exchange: SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr) (RFC 9370 §2.2.2).
    pub fn intermediate(
        &self,
        _suite: &IkeSuite,
        _shared: &Secret,
        _ni: &[u8],
        _nr: &[u8],
        _spi_i: Spi,
        _spi_r: Spi,
    ) -> Result<Self, CryptoError> {
        todo!()
    }
}

/// KEYMAT of a child SA (RFC 7296 §2.17), cut in the order of §2.17: initiator-to-responder first, encryption before integrity.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct ChildKeys {
    pub encr_i: Secret,
    pub integ_i: Secret,
    pub encr_r: Secret,
    pub integ_r: Secret,
}

impl ChildKeys {
    /// prf+(SK_d, [g^ir] | Ni | Nr | SK(1)…).
    pub fn derive(
        _prf: Prf,
        _d: &Secret,
        _cipher: crate::Cipher,
        _shared: Option<&Secret>,
        _ni: &[u8],
        _nr: &[u8],
        _additional: &[Secret],
    ) -> Result<Self, CryptoError> {
        todo!()
    }
}
