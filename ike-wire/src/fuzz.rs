//! Bodies of the fuzz targets, here so that `cargo test` replays their corpus on stable.
//! They panic where a property of the codec does not hold; nothing else calls them.
use crate::payload::EncryptedFragment;
use crate::{Added, Chain, FragmentLimits, Fragments, Message, PayloadType};
use alloc::string::ToString;
use alloc::vec::Vec;

/// Decodes `data` as a message, as one whose length field is right, and as a chain.
pub fn decode_message(data: &[u8]) {
    message(data);
    let mut fitting = data.to_vec();
    if let (Some(length), Ok(total)) = (fitting.get_mut(24..28), u32::try_from(data.len())) {
        length.copy_from_slice(&total.to_be_bytes());
        message(&fitting);
    }
    if let Some((first, rest)) = data.split_first() {
        chain(PayloadType(*first), rest);
    }
}

/// Puts fragments together in the order that `data` tells (three octets each: number, total,
/// size) and compares with a model that keeps them all.
pub fn reassemble(data: &[u8]) {
    const LIMITS: FragmentLimits = FragmentLimits {
        fragments: 200,
        octets: 2000,
    };
    let mut set = Fragments::new(LIMITS);
    // What counts since the last start: number, serial, size.
    let mut model: Vec<(u16, usize, usize)> = Vec::new();
    let mut model_total = 0;
    let (steps, _) = data.as_chunks();
    for (serial, &[number, total, size]) in steps.iter().enumerate() {
        let (number, total, size) = (number.into(), u16::from(total), usize::from(size));
        let fragment = EncryptedFragment {
            next: PayloadType(if number == 1 { 41 } else { 0 }),
            number,
            total,
            data: Vec::new().into(),
        };
        let wanted = set.wants(number, total);
        let added = set.add(&fragment, serial, size);
        assert!(set.octets() <= LIMITS.octets, "bounded");

        if total > LIMITS.fragments {
            assert_eq!(added, Added::TooLarge);
            continue;
        }
        let there = model.iter().any(|known| known.0 == number);
        let valid = number >= 1 && number <= total;
        if !valid || total < model_total || total == model_total && there {
            assert_eq!((added, wanted), (Added::Ignored, false));
            continue;
        }
        assert!(wanted);
        if total > model_total {
            model.clear();
            model_total = total;
        }
        let held: usize = model.iter().map(|known| known.2).sum();
        if held.saturating_add(size) > LIMITS.octets {
            assert_eq!(added, Added::TooLarge);
            continue;
        }
        model.push((number, serial, size));
        if model.len() < usize::from(total) {
            assert_eq!(added, Added::Kept);
            continue;
        }
        model.sort_unstable();
        let pieces: Vec<_> = model.iter().map(|known| known.1).collect();
        assert_eq!(added, Added::Complete(PayloadType(41), pieces));
        model.clear();
        model_total = 0;
    }
}

fn message(octets: &[u8]) {
    let Ok(message) = Message::decode(octets) else {
        return;
    };
    let mut written = Vec::new();
    let fits = message.try_encode(&mut written);
    assert_eq!(fits, Ok(()), "what was read fits its fields");
    assert_eq!(
        written.len(),
        octets.len(),
        "only reserved fields may change"
    );
    assert_eq!(Message::decode(&written).as_ref(), Ok(&message));
    let _ = message.pretty().to_string();
    if let Some(offset) = message.sk_body_offset() {
        assert!(offset <= octets.len());
    }
}

fn chain(first: PayloadType, octets: &[u8]) {
    match Chain::decode(first, octets) {
        Ok(chain) => {
            let mut written = Vec::new();
            let first = chain.encode(&mut written);
            assert_eq!(Chain::decode(first, &written).as_ref(), Ok(&chain));
        }
        Err(error) => assert!(error.offset <= octets.len()),
    }
}
