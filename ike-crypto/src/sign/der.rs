//! Just enough DER to read and write AlgorithmIdentifier: definite minimal lengths, tags of one octet.
use alloc::vec::Vec;

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const OBJECT_ID: u8 = 0x06;
pub(super) const NULL: u8 = 0x05;
pub(super) const INTEGER: u8 = 0x02;

/// Splits off one element with this tag: its contents, and what follows.
pub(super) fn element(tag: u8, octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = octets.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (long, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if long.len() > 4 || long.first() == Some(&0) {
            return None;
        }
        let length = long.iter().try_fold(0usize, |n, &octet| {
            n.checked_mul(256)?.checked_add(octet.into())
        })?;
        (length, (length >= 0x80).then_some(rest)?)
    };
    if found != tag {
        return None;
    }
    rest.split_at_checked(length)
}

/// The contents of the one element that `octets` is.
pub(super) fn only(tag: u8, octets: &[u8]) -> Option<&[u8]> {
    element(tag, octets).and_then(|(contents, rest)| rest.is_empty().then_some(contents))
}

/// The element, or none and everything left, if the next has another tag.
pub(super) fn optional(tag: u8, octets: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if octets.first() == Some(&tag) {
        element(tag, octets).map(|(contents, rest)| (Some(contents), rest))
    } else {
        Some((None, octets))
    }
}

/// A small non-negative INTEGER's value.
pub(super) fn small_integer(contents: &[u8]) -> Option<usize> {
    let minimal = match contents {
        [] => false,
        [0, second, ..] => *second >= 0x80,
        [first, ..] => *first < 0x80,
    };
    if !minimal || contents.len() > 3 {
        return None;
    }
    Some(
        contents
            .iter()
            .fold(0, |n, &octet| n * 256 + usize::from(octet)),
    )
}

/// An element.
pub(super) fn write(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = alloc::vec![tag];
    match contents.len() {
        short @ 0..0x80 => out.push(short as u8),
        long => {
            let octets = long.to_be_bytes();
            let octets: Vec<u8> = octets.into_iter().skip_while(|&octet| octet == 0).collect();
            out.push(0x80 | octets.len() as u8);
            out.extend_from_slice(&octets);
        }
    }
    out.extend_from_slice(contents);
    out
}

/// An INTEGER.
pub(super) fn write_integer(value: usize) -> Vec<u8> {
    let mut octets: Vec<u8> = value
        .to_be_bytes()
        .into_iter()
        .skip_while(|&octet| octet == 0)
        .collect();
    if octets.first().is_none_or(|&first| first >= 0x80) {
        octets.insert(0, 0);
    }
    write(INTEGER, &octets)
}
