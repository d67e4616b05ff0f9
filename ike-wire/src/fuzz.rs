//! Bodies of the fuzz targets, here so that `cargo test` replays their corpus on stable.
//! They panic where a property of the codec does not hold; nothing else calls them.
use crate::{Chain, Message, PayloadType};
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
