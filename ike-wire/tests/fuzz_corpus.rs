//! Replays the corpus of the fuzz targets, on stable and without the fuzzer.
#![allow(clippy::unwrap_used)]

#[test]
fn the_corpus_of_decode_message_holds_its_properties() {
    let corpus = format!(
        "{}/../fuzz/corpus/decode_message",
        env!("CARGO_MANIFEST_DIR")
    );
    let mut replayed = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        ike_wire::fuzz::decode_message(&std::fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed >= 50, "only {replayed} files");
}
