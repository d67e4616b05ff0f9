//! AES-XCBC-MAC (RFC 3566): a CBC-MAC for messages of any length. RustCrypto has none of it, so the
//! chaining is here and the block cipher is theirs. Keys have 128 bits, as in all that IKE does with it.
use aes::{
    Aes128,
    cipher::{Array, BlockCipherEncrypt, KeyInit, consts::U16},
};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A key with its derived keys.
#[derive(Clone)]
pub(crate) struct Xcbc {
    /// Keyed with K1.
    aes: Aes128,
    k2: Whitening,
    k3: Whitening,
}

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct Whitening([u8; BLOCK_LEN]);

impl Xcbc {
    pub(crate) fn new(key: &[u8; BLOCK_LEN]) -> Self {
        let parent = Aes128::new(key.into());
        //= rfc3566#4: K1, K2 and K3 are the key's encryptions of blocks of 0x01, 0x02 and 0x03
        let derive = |octet| {
            let mut block = Array::from([octet; BLOCK_LEN]);
            parent.encrypt_block(&mut block);
            Whitening(block.into())
        };
        let k1 = derive(1);
        Self {
            aes: Aes128::new(&k1.0.into()),
            k2: derive(2),
            k3: derive(3),
        }
    }

    /// The MAC of parts\[0\] | parts\[1\] | …, all 16 octets.
    pub(crate) fn compute(&self, parts: &[&[u8]]) -> [u8; BLOCK_LEN] {
        let mut state = Block::default();
        // The last block is treated differently, so a full one waits until more comes.
        let mut filled = 0;
        for mut part in parts.iter().copied() {
            while !part.is_empty() {
                if filled == BLOCK_LEN {
                    self.aes.encrypt_block(&mut state);
                    filled = 0;
                }
                let (now, later) = part.split_at(part.len().min(BLOCK_LEN - filled));
                xor(state.iter_mut().skip(filled), now);
                filled += now.len();
                part = later;
            }
        }
        //= rfc3566#4: a full last block is whitened with K2, others are padded with 10* and whitened with K3
        if filled == BLOCK_LEN {
            xor(state.iter_mut(), &self.k2.0);
        } else {
            xor(state.iter_mut().skip(filled), &[0x80]);
            xor(state.iter_mut(), &self.k3.0);
        }
        self.aes.encrypt_block(&mut state);
        state.into()
    }
}

type Block = Array<u8, U16>;

fn xor<'a>(to: impl Iterator<Item = &'a mut u8>, from: &[u8]) {
    to.zip(from).for_each(|(to, from)| *to ^= from);
}

const BLOCK_LEN: usize = 16;
