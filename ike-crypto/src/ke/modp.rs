//! Diffie-Hellman modulo a safe prime (RFC 3526), with exponents of a fixed width and no branch or
//! memory access that depends on them.
use alloc::{vec, vec::Vec};

use crypto_bigint::{
    BoxedUint, Odd, Resize,
    modular::{BoxedMontyForm, BoxedMontyParams},
};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::groups::Group;
use crate::{CryptoError, Secret};

/// A private exponent.
pub(super) struct Private {
    group: &'static Group,
    params: BoxedMontyParams,
    exponent: Zeroizing<BoxedUint>,
}

impl Private {
    pub(super) fn generate(
        group: &'static Group,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Vec<u8>), CryptoError> {
        let mut octets = Zeroizing::new(vec![0; (group.exponent_bits / 8) as usize]);
        rng.fill_bytes(&mut octets);
        // Never a short exponent, whatever the generator gives.
        if let Some(first) = octets.first_mut() {
            *first |= 0x80;
        }
        let exponent = Zeroizing::new(
            BoxedUint::from_be_slice(&octets, group.exponent_bits)
                .map_err(|_| CryptoError::KeyLength)?,
        );
        let private = Self {
            group,
            params: params(group)?,
            exponent,
        };
        let two = BoxedUint::from(2u8).resize(group.bits);
        let public = private.power(two);
        let public = public.to_be_bytes().to_vec();
        Ok((private, public))
    }

    pub(super) fn agree(self, peer: &[u8]) -> Result<Secret, CryptoError> {
        //= rfc7296#3.4: a public value has the length of the prime, with zeros prepended if need be
        if peer.len() != (self.group.bits / 8) as usize {
            return Err(CryptoError::InvalidPublicValue);
        }
        let peer = BoxedUint::from_be_slice(peer, self.group.bits)
            .map_err(|_| CryptoError::InvalidPublicValue)?;
        //= rfc6989#2.1: a public value y satisfies 1 < y < p - 1
        let one = BoxedUint::one_with_precision(self.group.bits);
        let minus_one = self.params.modulus().as_ref().wrapping_sub(&one);
        if peer <= one || peer >= minus_one {
            return Err(CryptoError::InvalidPublicValue);
        }
        //= rfc7296#2.14: the shared secret has the length of the prime, with zeros prepended if need be
        let shared = self.power(peer);
        let mut octets = shared.to_be_bytes();
        let secret = Secret::from_slice(&octets);
        octets.zeroize();
        Ok(secret)
    }

    fn power(&self, base: BoxedUint) -> Zeroizing<BoxedUint> {
        let base = BoxedMontyForm::new(base, &self.params);
        let mut power = base.pow_bounded_exp(&self.exponent, self.group.exponent_bits);
        let result = Zeroizing::new(power.retrieve());
        power.zeroize();
        result
    }
}

fn params(group: &Group) -> Result<BoxedMontyParams, CryptoError> {
    let prime = BoxedUint::from_be_hex(group.prime, group.bits)
        .into_option()
        .and_then(|prime| Odd::new(prime).into_option())
        .ok_or(CryptoError::Unsupported)?;
    // The modulus is public: variable time is fine.
    Ok(BoxedMontyParams::new_vartime(prime))
}
