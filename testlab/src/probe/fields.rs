//! Fields of a request, checked as they are read.
use ike_crypto::Secret;
use serde_json::{Map, Value};

use super::{Refusal, refuse};

/// A JSON object whose fields are asked for by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'v>(pub(super) &'v Map<String, Value>);

impl<'v> Fields<'v> {
    /// A field; `null` is as good as absent.
    pub(super) fn optional(&self, name: &str) -> Option<&'v Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn value(&self, name: &str) -> Result<&'v Value, Refusal> {
        match self.optional(name) {
            Some(value) => Ok(value),
            None => refuse(format!("{name} is missing")),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<&'v str, Refusal> {
        match self.value(name)?.as_str() {
            Some(text) => Ok(text),
            None => refuse(format!("{name} is no text")),
        }
    }

    pub(super) fn optional_text(&self, name: &str) -> Result<Option<&'v str>, Refusal> {
        self.optional(name).map(|_| self.text(name)).transpose()
    }

    /// Octets in hexadecimal digits.
    pub(super) fn octets(&self, name: &str) -> Result<Vec<u8>, Refusal> {
        octets(name, self.value(name)?)
    }

    pub(super) fn optional_octets(&self, name: &str) -> Result<Option<Vec<u8>>, Refusal> {
        self.optional(name).map(|_| self.octets(name)).transpose()
    }

    pub(super) fn secret(&self, name: &str) -> Result<Secret, Refusal> {
        self.octets(name).map(Secret::new)
    }

    /// Exactly so many octets.
    pub(super) fn array<const N: usize>(&self, name: &str) -> Result<[u8; N], Refusal> {
        let octets = self.octets(name)?;
        let len = octets.len();
        match octets.try_into() {
            Ok(array) => Ok(array),
            Err(_) => refuse(format!("{name} has {len} octets, not {N}")),
        }
    }

    /// A number that fits.
    pub(super) fn number<N: TryFrom<u64>>(&self, name: &str) -> Result<N, Refusal> {
        let number = self.value(name)?.as_u64().map(N::try_from);
        match number {
            Some(Ok(number)) => Ok(number),
            _ => refuse(format!("{name} is no number in its range")),
        }
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.value(name)?.as_bool() {
            Some(flag) => Ok(flag),
            None => refuse(format!("{name} is neither true nor false")),
        }
    }

    pub(super) fn list(&self, name: &str) -> Result<&'v [Value], Refusal> {
        match self.value(name)?.as_array() {
            Some(list) => Ok(list),
            None => refuse(format!("{name} is no list")),
        }
    }

    pub(super) fn octets_list(&self, name: &str) -> Result<Vec<Vec<u8>>, Refusal> {
        let list = self.list(name)?;
        list.iter().map(|value| octets(name, value)).collect()
    }

    /// A list of objects, each turned into something.
    pub(super) fn objects<T>(
        &self,
        name: &str,
        each: impl FnMut(Self) -> Result<T, Refusal>,
    ) -> Result<Vec<T>, Refusal> {
        let list = self.list(name)?;
        let fields = list.iter().map(|value| fields(name, value));
        let mut each = each;
        fields.map(|fields| each(fields?)).collect()
    }

    pub(super) fn object(&self, name: &str) -> Result<Self, Refusal> {
        fields(name, self.value(name)?)
    }
}

fn fields<'v>(name: &str, value: &'v Value) -> Result<Fields<'v>, Refusal> {
    match value.as_object() {
        Some(object) => Ok(Fields(object)),
        None => refuse(format!("{name}: no object")),
    }
}

fn octets(name: &str, value: &Value) -> Result<Vec<u8>, Refusal> {
    let Some(text) = value.as_str() else {
        return refuse(format!("{name} is no text"));
    };
    hex::decode(text).or_else(|error| refuse(format!("{name}: {error}")))
}
