//! Octets that nobody meant: no panic, and what the fuzz target checks.
use super::build::*;
use super::files::{frames, own};
use super::*;
use proptest::prelude::*;

fn mutated(
    mut octets: Vec<u8>,
    changes: &[(prop::sample::Index, u8)],
    cut: prop::sample::Index,
) -> Vec<u8> {
    for (at, to) in changes {
        let at = at.index(octets.len());
        octets[at] = *to;
    }
    octets.truncate(octets.len() - cut.index(octets.len()) / 4);
    octets
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_capture_does_not_end_in_a_panic(
        changes in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..12),
        cut: prop::sample::Index,
        ng: bool,
    ) {
        let file = if ng {
            include_bytes!("../../../tests/captures/own.pcapng").to_vec()
        } else {
            own()
        };
        fuzz::decode_capture(&mutated(file, &changes, cut));
    }

    #[test]
    fn mutated_frames_do_not_end_in_a_panic(
        link in prop::sample::select(vec![0, 1, 12, 101, 108, 113, 228, 229, 276]),
        skip in 0usize..16,
        changes in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..4),
        cut: prop::sample::Index,
    ) {
        let frames: Vec<Vec<u8>> = frames()
            .into_iter()
            .map(|frame| mutated(frame[skip..].to_vec(), &changes, cut))
            .collect();
        fuzz::decode_capture(&pcap(link, &frames));
    }

    #[test]
    fn random_octets_are_no_danger(
        magic in prop::sample::select(vec![
            [0xa1, 0xb2, 0xc3, 0xd4], [0xd4, 0xc3, 0xb2, 0xa1], [0x0a, 0x0d, 0x0d, 0x0a],
        ]),
        octets in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        fuzz::decode_capture(&[&magic[..], &octets].concat());
    }

    #[test]
    fn random_keys_are_no_danger(text in "([0-9a-f]{0,34},){0,9}\"[ -~]{0,40}\"(,[0-9a-f\"]{0,20}){0,4}\n{0,2}") {
        let _ = Keys::parse(&text);
    }

    #[test]
    fn fragments_of_any_size_in_any_order_give_the_packet(
        data in prop::collection::vec(any::<u8>(), 1..700),
        size in (1usize..20).prop_map(|eights| eights * 8),
        shuffle in any::<u64>(),
    ) {
        use rand_chacha::{ChaCha20Rng, rand_core::{Rng as _, SeedableRng as _}};
        let mut rng = ChaCha20Rng::seed_from_u64(shuffle);
        for mut fragments in [
            udp4_fragments([500, 500], 1, &data, size),
            udp6_fragments([500, 500], 1, &data, size),
        ] {
            for i in (1..fragments.len()).rev() {
                fragments.swap(i, rng.next_u32() as usize % (i + 1));
            }
            let mut packets = Packets::default();
            let mut found = Vec::new();
            for (number, fragment) in (1..).zip(&fragments) {
                match packets.packet(number, 101, fragment.len(), fragment) {
                    Packet::Udp(udp) => found.push(udp),
                    other => prop_assert_eq!(other, Packet::Fragment),
                }
            }
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(&found[0].data, &data);
            prop_assert!(found[0].notes.is_empty());
            prop_assert_eq!(found[0].frames.len(), fragments.len());
        }
    }
}

#[test]
fn the_corpus_of_decode_capture_holds_its_properties() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/decode_capture");
    let mut replayed = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        fuzz::decode_capture(&std::fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed >= 5, "only {replayed} files");
}
