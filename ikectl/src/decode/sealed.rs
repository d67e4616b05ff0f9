//! What is inside SK and SKF payloads: opened with the keys that are there, fragments put
//! together (RFC 7296 §3.14, RFC 7383 §2.6).
//!
//! Nothing is shown that did not pass its integrity check. The fragments of a message stay apart
//! from those of any other one by SPIs, exchange, flags and message ID. Bounded: the oldest of
//! too many unfinished messages is given up.
use super::keys::{Keys, Row};
use ike_crypto::{Secret, SkDirection};
use ike_wire::{
    Added, FragmentLimits, Fragments, Header, Message, PayloadType,
    payload::{Body, EncryptedFragment},
};
use std::collections::BTreeMap;

/// Messages that may be unfinished at a time.
const MOST_SETS: usize = 64;
const LIMITS: FragmentLimits = FragmentLimits {
    fragments: 1024,
    octets: 1 << 20,
};

/// How an attempt to open a message ended.
#[derive(Debug)]
pub enum Sealed<'k> {
    /// There is nothing sealed.
    Clear,
    /// No keys were given.
    NoKeys,
    /// Keys were given, but none for these SPIs.
    NoRow,
    /// Only keys of algorithms that are not supported.
    Unsupported(&'k Row),
    /// No key fits, or the message is not what was sent: lines of the keys.
    Failed(Vec<usize>),
    /// The whole.
    Opened(&'k Row, PayloadType, Secret),
    /// One fragment, and perhaps the whole.
    Fragment(&'k Row, Assembled),
}

/// What a fragment led to.
#[derive(Debug)]
pub enum Assembled {
    /// More are needed; so many are there of so many.
    Waiting(usize, u16),
    /// Known already, or of an earlier attempt in larger pieces.
    Ignored,
    /// Larger than messages may be here.
    TooLarge,
    /// The whole, and the frames that its fragments came in.
    Whole {
        /// Frames in order of the fragments' arrival.
        frames: Vec<u64>,
        /// First inner payload.
        first: PayloadType,
        /// Inner payloads.
        plain: Secret,
    },
}

/// Opens messages and keeps unfinished ones.
#[derive(Debug, Default)]
pub struct Opener {
    unfinished: BTreeMap<Identity, Unfinished>,
    started: u64,
    given_up: u64,
}

/// SPIs, exchange, flags, message ID.
type Identity = ([u8; 16], u8, u8, u32);

#[derive(Debug)]
struct Unfinished {
    serial: u64,
    fragments: Fragments<Secret>,
    frames: Vec<u64>,
}

impl Opener {
    /// Opens `message`, which `octets` are.
    pub fn open<'k>(
        &mut self,
        keys: Option<&'k Keys>,
        frame: u64,
        message: &Message<'_>,
        octets: &[u8],
    ) -> Sealed<'k> {
        let (Some(last), Some(from)) = (message.payloads.last(), message.sk_body_offset()) else {
            return Sealed::Clear;
        };
        let Some(keys) = keys else {
            return Sealed::NoKeys;
        };
        let header = &message.header;
        //= rfc7296#3.1: the initiator flag tells which end's keys protect the message
        let direction = if header.flags.initiator {
            SkDirection::Initiator
        } else {
            SkDirection::Responder
        };
        let mut tried = Vec::new();
        let mut unsupported = None;
        for row in keys.of(header.spi_i, header.spi_r) {
            if !row.is_supported() {
                unsupported = Some(row);
                continue;
            }
            tried.push(row.line);
            let mut opened = row
                .ciphers(direction)
                .filter_map(|cipher| cipher.open(octets, from).ok());
            let Some(plain) = opened.next() else {
                continue;
            };
            return match &last.body {
                Body::Skf(fragment) => {
                    Sealed::Fragment(row, self.assemble(frame, header, fragment, plain))
                }
                Body::Sk(sk) => Sealed::Opened(row, sk.next, plain),
                _ => Sealed::Clear,
            };
        }
        match unsupported {
            _ if !tried.is_empty() => Sealed::Failed(tried),
            Some(row) => Sealed::Unsupported(row),
            None => Sealed::NoRow,
        }
    }

    /// Messages whose fragments never were complete.
    pub fn incomplete(&self) -> u64 {
        self.given_up + self.unfinished.len() as u64
    }

    fn assemble(
        &mut self,
        frame: u64,
        header: &Header,
        fragment: &EncryptedFragment<'_>,
        plain: Secret,
    ) -> Assembled {
        let mut spis = [0; 16];
        let (spi_i, spi_r) = spis.split_at_mut(8);
        spi_i.copy_from_slice(&header.spi_i.0);
        spi_r.copy_from_slice(&header.spi_r.0);
        let identity = (
            spis,
            header.exchange.0,
            header.flags.octet(),
            header.message_id.0,
        );
        if !self.unfinished.contains_key(&identity) {
            self.begin(identity);
        }
        let Some(set) = self.unfinished.get_mut(&identity) else {
            return Assembled::Ignored;
        };
        let before = set.fragments.progress();
        let octets = plain.len();
        let added = set.fragments.add(fragment, plain, octets);
        if before.1 != fragment.total && !matches!(added, Added::Ignored | Added::TooLarge) {
            set.frames.clear();
        }
        match added {
            Added::Kept => {
                set.frames.push(frame);
                let (there, total) = set.fragments.progress();
                Assembled::Waiting(there, total)
            }
            Added::Ignored => Assembled::Ignored,
            Added::TooLarge => {
                if set.fragments.progress().0 == 0 {
                    self.unfinished.remove(&identity);
                }
                Assembled::TooLarge
            }
            Added::Complete(first, pieces) => {
                let mut frames = std::mem::take(&mut set.frames);
                frames.push(frame);
                self.unfinished.remove(&identity);
                let octets = pieces.iter().map(Secret::len).sum();
                // All at once, so that no plaintext is left behind by growing.
                let mut plain = Vec::with_capacity(octets);
                for piece in &pieces {
                    plain.extend_from_slice(piece.expose());
                }
                Assembled::Whole {
                    frames,
                    first,
                    plain: Secret::new(plain),
                }
            }
        }
    }

    fn begin(&mut self, identity: Identity) {
        if self.unfinished.len() >= MOST_SETS {
            let oldest = self.unfinished.iter().min_by_key(|(_, set)| set.serial);
            if let Some(oldest) = oldest.map(|(identity, _)| *identity) {
                self.unfinished.remove(&oldest);
                self.given_up += 1;
            }
        }
        self.started += 1;
        let set = Unfinished {
            serial: self.started,
            fragments: Fragments::new(LIMITS),
            frames: Vec::new(),
        };
        self.unfinished.insert(identity, set);
    }
}
