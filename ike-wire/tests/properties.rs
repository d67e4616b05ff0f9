//! Properties of the codec over all payloads, and over octets that nobody meant.
#![allow(clippy::unwrap_used)]

mod strategy;

use ike_wire::{
    Chain, Datagram, HEADER_LEN, Header, Message, Payload, PayloadType, SkKind, classify,
    encode_sk_prefix,
};
use proptest::prelude::*;

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

/// What must hold for octets that decode: they are written again as something that reads
/// the same, and writing that changes nothing.
fn settles(octets: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(message) = Message::decode(octets) {
        let again = encoded(&message);
        prop_assert_eq!(again.len(), octets.len());
        let reread = Message::decode(&again).unwrap();
        prop_assert_eq!(&reread, &message);
        prop_assert_eq!(encoded(&reread), again);
        prop_assert_eq!(message.clone().into_owned(), message);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn a_message_reads_as_it_was_written(message in strategy::message()) {
        let octets = encoded(&message);
        prop_assert_eq!(Message::decode(&octets).unwrap(), message);
        prop_assert_eq!(Header::decode(&octets).unwrap().length as usize, octets.len());
    }

    #[test]
    fn a_chain_reads_as_it_was_written(chain in strategy::chain()) {
        let mut octets = Vec::new();
        let first = chain.encode(&mut octets);
        prop_assert_eq!(Chain::decode(first, &octets).unwrap(), chain);
    }

    #[test]
    fn no_prefix_of_a_message_is_a_message(message in strategy::message(), cut in any::<prop::sample::Index>()) {
        let mut octets = encoded(&message);
        octets.truncate(cut.index(octets.len()));
        prop_assert!(Message::decode(&octets).is_err());
        // The same with the header's length put right: only the chain can tell.
        if let Some(length) = octets.len().checked_sub(HEADER_LEN) {
            let total = u32::try_from(length + HEADER_LEN).unwrap().to_be_bytes();
            octets[24..28].copy_from_slice(&total);
            prop_assert!(Message::decode(&octets).is_err());
        }
    }

    #[test]
    fn octets_that_decode_settle(
        message in strategy::message(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut octets = encoded(&message);
        for (at, value) in changes {
            let at = at.index(octets.len());
            octets[at] = value;
        }
        settles(&octets)?;
    }

    #[test]
    fn random_chains_do_no_harm(first in prop_oneof![33u8..=54, any::<u8>()], chain in prop::collection::vec(any::<u8>(), 0..120)) {
        let mut octets = vec![7; 16];
        octets.extend_from_slice(&[first, 0x20, 34, 8, 0, 0, 0, 0]);
        octets.extend_from_slice(&u32::try_from(28 + chain.len()).unwrap().to_be_bytes());
        octets.extend_from_slice(&chain);
        settles(&octets)?;
        // One payload that fills the message gets further into its body.
        if chain.len() >= 4 {
            octets[30..32].copy_from_slice(&u16::try_from(chain.len()).unwrap().to_be_bytes());
            settles(&octets)?;
        }
    }

    #[test]
    fn random_datagrams_do_no_harm(octets in prop::collection::vec(any::<u8>(), 0..200), encapsulated in any::<bool>()) {
        let _ = Message::decode(&octets);
        let _ = Header::decode(&octets);
        let _ = Chain::decode(PayloadType::SA, &octets);
        if let Datagram::Ike(message) = classify(&octets, encapsulated) {
            let _ = Message::decode(message);
        }
    }

    #[test]
    fn an_error_points_into_the_message(octets in prop::collection::vec(any::<u8>(), 0..100), first in 33u8..=54) {
        if let Err(error) = Chain::decode(PayloadType(first), &octets) {
            prop_assert!(error.offset <= octets.len());
        }
    }

    #[test]
    fn a_prefix_and_its_contents_are_the_message(
        message in strategy::message(),
        data in prop::collection::vec(any::<u8>(), 0..60),
        next in any::<u8>().prop_map(PayloadType),
        fragment in prop::option::of((1u16..100, 100u16..)),
    ) {
        let sealed = |p: &Payload<'_>| matches!(p.kind(), PayloadType::SK | PayloadType::SKF);
        let outer: Vec<_> = message.payloads.into_iter().filter(|p| !sealed(p)).collect();
        let kind = match fragment {
            None => SkKind::Sk { next },
            Some((number, total)) => SkKind::Skf { next, number, total },
        };
        let mut octets = vec![0xaa; 3];
        let offset = encode_sk_prefix(&message.header, &outer, kind, data.len(), &mut octets).unwrap();
        prop_assert_eq!(octets.len(), 3 + offset);
        octets.extend_from_slice(&data);
        let decoded = Message::decode(&octets[3..]).unwrap();
        prop_assert_eq!(decoded.sk_body_offset(), Some(offset));
        let (last, before) = decoded.payloads.split_last().unwrap();
        prop_assert_eq!(before, &outer[..]);
        prop_assert!(sealed(last));
        prop_assert_eq!(encoded(&decoded), &octets[3..]);
    }
}
