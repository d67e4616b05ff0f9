//! The writer behind all encoders. Lengths, counts, next-payload and more-follows fields
//! are worked out here and nowhere else. What does not fit its field is noted, never wrapped.
use alloc::vec::Vec;

/// A length or count that does not fit the field for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} of {size} does not fit its field")]
pub struct EncodeError {
    /// What is too large.
    pub what: &'static str,
    /// Its octets or number.
    pub size: usize,
}

#[derive(Debug)]
pub(crate) struct Writer<'o> {
    pub(crate) out: &'o mut Vec<u8>,
    pub(crate) error: Option<EncodeError>,
}

impl<'o> Writer<'o> {
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, error: None }
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn reserved(&mut self, octets: usize) {
        self.out.resize(self.out.len().saturating_add(octets), 0);
    }

    /// A count or size of 8 bits.
    pub(crate) fn count8(&mut self, what: &'static str, size: usize) {
        let value = u8::try_from(size).unwrap_or_else(|_| self.refuse(what, size, u8::MAX));
        self.u8(value);
    }

    /// A count or size of 16 bits.
    pub(crate) fn count16(&mut self, what: &'static str, size: usize) {
        let value = u16::try_from(size).unwrap_or_else(|_| self.refuse(what, size, u16::MAX));
        self.u16(value);
    }

    /// Writes the length of what `start` began, two octets at `field` octets into it;
    /// `more` octets are still to come.
    pub(crate) fn length16(&mut self, what: &'static str, start: usize, field: usize, more: usize) {
        let size = self.out.len().saturating_sub(start).saturating_add(more);
        let value = u16::try_from(size).unwrap_or_else(|_| self.refuse(what, size, u16::MAX));
        let at = start.saturating_add(field);
        for (to, from) in self.out.iter_mut().skip(at).zip(value.to_be_bytes()) {
            *to = from;
        }
    }

    /// The same with four octets.
    pub(crate) fn length32(&mut self, what: &'static str, start: usize, field: usize, more: usize) {
        let size = self.out.len().saturating_sub(start).saturating_add(more);
        let value = u32::try_from(size).unwrap_or_else(|_| self.refuse(what, size, u32::MAX));
        let at = start.saturating_add(field);
        for (to, from) in self.out.iter_mut().skip(at).zip(value.to_be_bytes()) {
            *to = from;
        }
    }

    pub(crate) fn refuse<T>(&mut self, what: &'static str, size: usize, largest: T) -> T {
        self.error.get_or_insert(EncodeError { what, size });
        largest
    }
}

/// Runs `write` on `out`; on an error `out` is as it was.
pub(crate) fn checked<T>(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Writer<'_>) -> T,
) -> Result<T, EncodeError> {
    let start = out.len();
    let mut writer = Writer::new(out);
    let value = write(&mut writer);
    match writer.error {
        None => Ok(value),
        Some(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}
