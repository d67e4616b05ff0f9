//! Packet protection, as ESP uses it: 1400 octets in place, one core.
#![allow(missing_docs, clippy::unwrap_used, reason = "benchmarks")]
use divan::{Bencher, black_box, counter::BytesCount};
use ike_crypto::{Cipher, CipherKeys, Integ, Secret};

const LEN: usize = 1400;

const CIPHERS: [Cipher; 5] = [
    Cipher::AesGcm16 { key_bits: 128 },
    Cipher::AesGcm16 { key_bits: 256 },
    Cipher::ChaCha20Poly1305,
    Cipher::AesCbc {
        key_bits: 128,
        integ: Integ::HmacSha2_256_128,
    },
    Cipher::AesCbc {
        key_bits: 256,
        integ: Integ::HmacSha2_512_256,
    },
];

fn main() {
    divan::main();
}

fn keys(cipher: Cipher) -> CipherKeys {
    CipherKeys::new(
        cipher,
        &Secret::new(vec![1; cipher.encr_key_len()]),
        &Secret::new(vec![2; cipher.integ_key_len()]),
    )
    .unwrap()
}

fn plain(cipher: Cipher) -> Vec<u8> {
    vec![0x45; LEN.next_multiple_of(cipher.block_len())]
}

#[divan::bench(args = CIPHERS, min_time = 0.3)]
fn seal(bencher: Bencher<'_, '_>, cipher: Cipher) {
    let (keys, mut buf) = (keys(cipher), plain(cipher));
    let mut icv = vec![0; cipher.icv_len()];
    let mut counter = 0u128;
    bencher.counter(BytesCount::new(LEN)).bench_local(|| {
        counter += 1;
        let iv = &counter.to_ne_bytes()[..cipher.iv_len()];
        keys.seal_detached(iv, &[7; 8], &[], black_box(&mut buf), &mut icv)
    });
}

#[divan::bench(args = CIPHERS, min_time = 0.3)]
fn open(bencher: Bencher<'_, '_>, cipher: Cipher) {
    let (keys, mut sealed) = (keys(cipher), plain(cipher));
    let iv = vec![3; cipher.iv_len()];
    keys.seal(&iv, &[7; 8], &[], &mut sealed, 0).unwrap();
    let mut buf = sealed.clone();
    bencher.counter(BytesCount::new(LEN)).bench_local(|| {
        buf.copy_from_slice(&sealed);
        keys.open(&iv, &[7; 8], &[], black_box(&mut buf)).is_ok()
    });
}
