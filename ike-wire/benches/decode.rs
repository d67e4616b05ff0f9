//! Decoding and encoding of a message as large as IKE_SA_INIT is in practice.
#![allow(missing_docs, clippy::unwrap_used)]

use ike_wire::Message;

/// An IKE_SA_INIT request of a client with eleven proposals (tests/captures, frame 1).
const REQUEST: &[u8] =
    include_bytes!("../../fuzz/corpus/decode_message/capture-zeek-spicy-ipsec-1");

fn main() {
    divan::main();
}

#[divan::bench]
fn decode(bencher: divan::Bencher) {
    bencher
        .counter(divan::counter::BytesCount::of_slice(REQUEST))
        .bench(|| Message::decode(divan::black_box(REQUEST)).unwrap());
}

#[divan::bench]
fn encode(bencher: divan::Bencher) {
    let message = Message::decode(REQUEST).unwrap();
    let mut out = Vec::with_capacity(2048);
    bencher
        .counter(divan::counter::BytesCount::of_slice(REQUEST))
        .bench_local(|| {
            out.clear();
            divan::black_box(&message).encode(&mut out);
            out.len()
        });
}
