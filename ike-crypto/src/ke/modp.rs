//! Diffie-Hellman modulo a prime (RFC 3526, RFC 2409, RFC 5114), with exponents of a fixed width and no branch or
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
    exponent_bits: u32,
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
            exponent_bits: group.exponent_bits,
        };
        let public = private.public()?;
        Ok((private, public))
    }

    /// From an exponent x with 0 < x < p of any length up to the prime's, for test vectors.
    pub(super) fn from_exponent(
        group: &'static Group,
        octets: &[u8],
    ) -> Result<(Self, Vec<u8>), CryptoError> {
        let exponent = Zeroizing::new(
            BoxedUint::from_be_slice(octets, group.bits).map_err(|_| CryptoError::InvalidKey)?,
        );
        let params = params(group)?;
        if bool::from(exponent.is_zero()) || *exponent >= *params.modulus().as_ref() {
            return Err(CryptoError::InvalidKey);
        }
        let private = Self {
            group,
            params,
            exponent,
            exponent_bits: group.bits,
        };
        let public = private.public()?;
        Ok((private, public))
    }

    fn public(&self) -> Result<Vec<u8>, CryptoError> {
        let generator = match &self.group.subgroup {
            Some(subgroup) => number(subgroup.generator, self.group.bits)?,
            None => BoxedUint::from(2u8).resize(self.group.bits),
        };
        Ok(self.power(generator).to_be_bytes().to_vec())
    }

    pub(super) fn agree(&self, peer: &[u8]) -> Result<Secret, CryptoError> {
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
        if let Some(subgroup) = &self.group.subgroup {
            //= rfc6989#2.2: a public value is in the subgroup: y^q = 1
            let order_bits = self.group.exponent_bits.next_multiple_of(64);
            let order = number(subgroup.order, order_bits)?;
            let power = BoxedMontyForm::new(peer.clone(), &self.params)
                .pow_bounded_exp(&order, self.group.exponent_bits);
            if power.retrieve() != one {
                return Err(CryptoError::InvalidPublicValue);
            }
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
        let mut power = base.pow_bounded_exp(&self.exponent, self.exponent_bits);
        let result = Zeroizing::new(power.retrieve());
        power.zeroize();
        result
    }
}

fn params(group: &Group) -> Result<BoxedMontyParams, CryptoError> {
    let prime = Odd::new(number(group.prime, group.bits)?)
        .into_option()
        .ok_or(CryptoError::Unsupported)?;
    // The modulus is public: variable time is fine.
    Ok(BoxedMontyParams::new_vartime(prime))
}

fn number(hex: &str, bits: u32) -> Result<BoxedUint, CryptoError> {
    BoxedUint::from_be_hex(hex, bits)
        .into_option()
        .ok_or(CryptoError::Unsupported)
}
