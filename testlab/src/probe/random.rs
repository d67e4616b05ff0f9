//! Randomness: the operating system's, or octets that the request gives.
use std::convert::Infallible;

use getrandom::{SysRng, rand_core::UnwrapErr};
use rand_core::{CryptoRng, TryCryptoRng, TryRng};

/// The operating system's.
pub(super) fn system() -> impl CryptoRng {
    UnwrapErr(SysRng)
}

/// Gives out these octets, and zeros when there are no more.
#[derive(Debug)]
pub(super) struct Given(pub(super) Vec<u8>);

impl TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut octets = [0; 4];
        self.try_fill_bytes(&mut octets)?;
        Ok(u32::from_le_bytes(octets))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut octets = [0; 8];
        self.try_fill_bytes(&mut octets)?;
        Ok(u64::from_le_bytes(octets))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(self.0.len().min(to.len()));
        to.fill(0);
        to.iter_mut()
            .zip(&self.0)
            .for_each(|(to, from)| *to = *from);
        self.0 = rest;
        Ok(())
    }
}

impl TryCryptoRng for Given {}
