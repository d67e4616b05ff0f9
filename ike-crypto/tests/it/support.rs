//! Vector files and a scripted generator.
use ike_crypto::Secret;
use rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;

/// A file of tests/vectors, parsed.
macro_rules! vectors {
    ($path:literal) => {
        serde_json::from_str::<serde_json::Value>(include_str!(concat!("../vectors/", $path)))
            .expect("vector file")
    };
}
pub(crate) use vectors;

/// Octets of a hexadecimal field.
pub(crate) fn octets(value: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(value, field)).unwrap_or_else(|e| panic!("{field}: {e}"))
}

/// The same as a secret.
pub(crate) fn secret(value: &Value, field: &str) -> Secret {
    Secret::new(octets(value, field))
}

/// A text field.
pub(crate) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} is no text"))
}

/// A list field.
pub(crate) fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value[field]
        .as_array()
        .unwrap_or_else(|| panic!("{field} is no list"))
}

/// All cases of a Wycheproof or ACVP file with their groups.
pub(crate) fn cases<'v>(
    file: &'v Value,
    tests: &'v str,
) -> impl Iterator<Item = (&'v Value, &'v Value)> {
    list(file, "testGroups")
        .iter()
        .flat_map(move |group| list(group, tests).iter().map(move |case| (group, case)))
}

/// A number field.
pub(crate) fn number(value: &Value, field: &str) -> u64 {
    value[field]
        .as_u64()
        .unwrap_or_else(|| panic!("{field} is no number"))
}

/// Whether a Wycheproof case has a flag.
pub(crate) fn has_flag(case: &Value, flag: &str) -> bool {
    list(case, "flags").iter().any(|f| f == flag)
}

/// Gives out octets written beforehand, and panics when there are no more.
pub(crate) struct Script(pub(crate) Vec<u8>);

impl TryRng for Script {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        unreachable!("octets only")
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        unreachable!("octets only")
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Self::Error> {
        let rest = self.0.split_off(to.len());
        to.copy_from_slice(&self.0);
        self.0 = rest;
        Ok(())
    }
}

impl TryCryptoRng for Script {}
