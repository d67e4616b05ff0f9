//! The key schedule in one place: SKEYSEED, SK_*, KEYMAT, rekey (RFC 7296 §2.14, §2.17, §2.18) and
//! additional key exchanges (RFC 9370 §2.2), postquantum preshared keys (RFC 8784). The functions at
//! the end show intermediate values, for test vectors; [`SkKeys`] and [`ChildKeys`] are made of them.
use alloc::vec::Vec;

use ike_wire::Spi;

use crate::{Cipher, CryptoError, IkeSuite, Prf, Secret};

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
        suite: &IkeSuite,
        shared: &Secret,
        ni: &[u8],
        nr: &[u8],
        spi_i: Spi,
        spi_r: Spi,
    ) -> Result<Self, CryptoError> {
        let skeyseed = skeyseed_initial(suite.prf, shared, ni, nr);
        Self::expand(suite, &skeyseed, ni, nr, spi_i, spi_r)
    }

    /// Keys of an IKE SA rekey: SKEYSEED = prf(SK_d(old), g^ir | Ni | Nr | SK(1)…) with the *old* SA's PRF;
    /// expansion with the new suite's (RFC 7296 §2.18, RFC 9370 §2.2.4).
    #[allow(clippy::too_many_arguments)]
    pub fn rekeyed(
        suite: &IkeSuite,
        old_prf: Prf,
        old_d: &Secret,
        shared: &Secret,
        ni: &[u8],
        nr: &[u8],
        additional: &[Secret],
        spi_i: Spi,
        spi_r: Spi,
    ) -> Result<Self, CryptoError> {
        let skeyseed = skeyseed_rekeyed(old_prf, old_d, shared, ni, nr, additional);
        Self::expand(suite, &skeyseed, ni, nr, spi_i, spi_r)
    }

    /// Keys after one IKE_INTERMEDIATE key exchange: SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr) (RFC 9370 §2.2.2).
    pub fn intermediate(
        &self,
        suite: &IkeSuite,
        shared: &Secret,
        ni: &[u8],
        nr: &[u8],
        spi_i: Spi,
        spi_r: Spi,
    ) -> Result<Self, CryptoError> {
        let seed = seed(Some(shared), ni, nr, &[]);
        let skeyseed = suite.prf.compute(self.d.expose(), &seed);
        Self::expand(suite, &skeyseed, ni, nr, spi_i, spi_r)
    }

    /// The keys with a postquantum preshared key mixed in, for the IKE SA after IKE_AUTH: SK_d, SK_pi
    /// and SK_pr become prf+(PPK, SK_…); the others stay (RFC 8784 §3).
    pub fn with_ppk(&self, prf: Prf, ppk: &Secret) -> Result<Self, CryptoError> {
        //= rfc8784#3: the PPK is mixed into SK_d, SK_pi and SK_pr by prf+, and into nothing else
        let mix = |key: &Secret| prf.plus(ppk.expose(), &[key.expose()], prf.len());
        Ok(Self {
            d: mix(&self.d)?,
            ai: self.ai.duplicate(),
            ar: self.ar.duplicate(),
            ei: self.ei.duplicate(),
            er: self.er.duplicate(),
            pi: mix(&self.pi)?,
            pr: mix(&self.pr)?,
        })
    }

    //= rfc7296#2.14: the keys are cut from prf+(SKEYSEED, Ni | Nr | SPIi | SPIr) in the order d, ai, ar, ei, er, pi, pr
    fn expand(
        suite: &IkeSuite,
        skeyseed: &Secret,
        ni: &[u8],
        nr: &[u8],
        spi_i: Spi,
        spi_r: Spi,
    ) -> Result<Self, CryptoError> {
        let len = suite.key_material_len();
        let material = ike_key_material(suite.prf, skeyseed, ni, nr, spi_i, spi_r, len)?;
        let (prf, integ, encr) = (
            suite.prf.len(),
            suite.cipher.integ_key_len(),
            suite.cipher.encr_key_len(),
        );
        let mut rest = Cutter(material.expose());
        Ok(Self {
            d: rest.cut(prf)?,
            ai: rest.cut(integ)?,
            ar: rest.cut(integ)?,
            ei: rest.cut(encr)?,
            er: rest.cut(encr)?,
            pi: rest.cut(prf)?,
            pr: rest.cut(prf)?,
        })
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
    /// prf+(SK_d, \[g^ir\] | Ni | Nr | SK(1)…).
    pub fn derive(
        prf: Prf,
        d: &Secret,
        cipher: Cipher,
        shared: Option<&Secret>,
        ni: &[u8],
        nr: &[u8],
        additional: &[Secret],
    ) -> Result<Self, CryptoError> {
        let (encr, integ) = (cipher.encr_key_len(), cipher.integ_key_len());
        let len = 2 * (encr + integ);
        let material = child_key_material(prf, d, shared, ni, nr, additional, len)?;
        //= rfc7296#2.17: keys for initiator to responder come first; encryption keys before integrity keys
        let mut rest = Cutter(material.expose());
        Ok(Self {
            encr_i: rest.cut(encr)?,
            integ_i: rest.cut(integ)?,
            encr_r: rest.cut(encr)?,
            integ_r: rest.cut(integ)?,
        })
    }
}

/// SKEYSEED of IKE_SA_INIT (RFC 7296 §2.14).
pub fn skeyseed_initial(prf: Prf, shared: &Secret, ni: &[u8], nr: &[u8]) -> Secret {
    //= rfc7296#2.14: SKEYSEED = prf(Ni | Nr, g^ir)
    prf.compute(&prf.nonce_key(ni, nr), &[shared.expose()])
}

/// SKEYSEED of a rekeyed IKE SA (RFC 7296 §2.18, RFC 9370 §2.2.4), with the PRF of the old one.
pub fn skeyseed_rekeyed(
    old_prf: Prf,
    old_d: &Secret,
    shared: &Secret,
    ni: &[u8],
    nr: &[u8],
    additional: &[Secret],
) -> Secret {
    //= rfc7296#2.18: the PRF of the old IKE SA makes SKEYSEED of the new one
    old_prf.compute(old_d.expose(), &seed(Some(shared), ni, nr, additional))
}

/// The first `len` octets of prf+(SKEYSEED, Ni | Nr | SPIi | SPIr), which are SK_d | SK_ai | ….
pub fn ike_key_material(
    prf: Prf,
    skeyseed: &Secret,
    ni: &[u8],
    nr: &[u8],
    spi_i: Spi,
    spi_r: Spi,
    len: usize,
) -> Result<Secret, CryptoError> {
    prf.plus(skeyseed.expose(), &[ni, nr, &spi_i.0, &spi_r.0], len)
}

/// The first `len` octets of KEYMAT of a child SA: prf+(SK_d, \[g^ir\] | Ni | Nr | SK(1)…).
pub fn child_key_material(
    prf: Prf,
    d: &Secret,
    shared: Option<&Secret>,
    ni: &[u8],
    nr: &[u8],
    additional: &[Secret],
    len: usize,
) -> Result<Secret, CryptoError> {
    prf.plus(d.expose(), &seed(shared, ni, nr, additional), len)
}

/// \[SK(0)\] | Ni | Nr | SK(1) | … (RFC 7296 §2.17, RFC 9370 §2.2.4).
fn seed<'a>(
    shared: Option<&'a Secret>,
    ni: &'a [u8],
    nr: &'a [u8],
    additional: &'a [Secret],
) -> Vec<&'a [u8]> {
    shared
        .map(Secret::expose)
        .into_iter()
        .chain([ni, nr])
        .chain(additional.iter().map(Secret::expose))
        .collect()
}

struct Cutter<'a>(&'a [u8]);

impl Cutter<'_> {
    fn cut(&mut self, len: usize) -> Result<Secret, CryptoError> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(CryptoError::KeyLength)?;
        self.0 = tail;
        Ok(Secret::from_slice(head))
    }
}
