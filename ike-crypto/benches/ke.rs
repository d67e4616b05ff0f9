//! Key exchange: our half, and the responder's whole turn.
#![allow(missing_docs, clippy::unwrap_used, reason = "benchmarks")]
use divan::{Bencher, black_box};
use ike_crypto::ke::{self, Initiator};
use ike_wire::KeMethod;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

const METHODS: [u16; 9] = [31, 19, 20, 21, 14, 15, 16, 17, 18];

fn main() {
    divan::main();
}

#[divan::bench(args = METHODS)]
fn generate(bencher: Bencher<'_, '_>, method: u16) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    bencher.bench_local(|| Initiator::generate(KeMethod(black_box(method)), &mut rng));
}

#[divan::bench(args = METHODS)]
fn finish(bencher: Bencher<'_, '_>, method: u16) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut peers = rng.clone();
    let peer = Initiator::generate(KeMethod(method), &mut peers).unwrap();
    bencher
        .with_inputs(|| Initiator::generate(KeMethod(method), &mut rng).unwrap())
        .bench_local_values(|initiator| initiator.finish(peer.public()));
}

#[divan::bench(args = METHODS)]
fn respond(bencher: Bencher<'_, '_>, method: u16) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let peer = Initiator::generate(KeMethod(method), &mut rng).unwrap();
    bencher.bench_local(|| ke::respond(KeMethod(method), black_box(peer.public()), &mut rng));
}
