//! Replays the corpus of the fuzz targets, on stable and without the fuzzer.
#![allow(clippy::unwrap_used)]

fn replay(target: &str, body: fn(&[u8])) -> usize {
    let corpus = format!("{}/../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(corpus).unwrap();
    files
        .map(|entry| body(&std::fs::read(entry.unwrap().path()).unwrap()))
        .count()
}

#[test]
fn the_corpus_of_decode_message_holds_its_properties() {
    assert!(replay("decode_message", ike_wire::fuzz::decode_message) >= 50);
}

#[test]
fn the_corpus_of_reassemble_holds_its_properties() {
    assert!(replay("reassemble", ike_wire::fuzz::reassemble) >= 8);
}
