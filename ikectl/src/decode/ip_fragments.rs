//! Puts the fragments of IP packets together (RFC 791 §3.2, RFC 8200 §4.5).
//!
//! Bounded: the oldest of too many unfinished packets is given up. Fragments that overlap with
//! other contents are refused together with their packet (RFC 5722); exact duplicates are not.
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// Packets that may be unfinished at a time.
const MOST_SETS: usize = 256;
/// Fragments of one packet.
const MOST_PIECES: usize = 8192;
/// Octets of one packet.
const LARGEST: usize = 65_535;

/// Which packet a fragment is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Set {
    /// From.
    pub source: IpAddr,
    /// To.
    pub destination: IpAddr,
    /// What it carries.
    pub protocol: u8,
    /// Identification.
    pub id: u32,
}

/// One fragment.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'b> {
    /// Where it was seen.
    pub frame: u64,
    /// Where it belongs.
    pub offset: usize,
    /// Whether others follow.
    pub more: bool,
    /// Its octets.
    pub data: &'b [u8],
}

/// Unfinished packets.
#[derive(Debug, Default)]
pub struct IpFragments {
    sets: BTreeMap<Set, Unfinished>,
    /// In order of their first fragments; may name sets that are finished.
    order: VecDeque<(u64, Set)>,
    started: u64,
    given_up: u64,
}

#[derive(Debug, Default)]
struct Unfinished {
    serial: u64,
    pieces: BTreeMap<usize, (u64, Vec<u8>)>,
    octets: usize,
    end: Option<usize>,
}

impl IpFragments {
    /// Adds a fragment; if it was the last one missing, the whole and the frames it came in.
    #[expect(clippy::type_complexity, reason = "a pair, and it is read once")]
    pub fn add(
        &mut self,
        set: Set,
        piece: &Piece<'_>,
    ) -> Result<Option<(Vec<u8>, Vec<u64>)>, &'static str> {
        let end = piece.offset.saturating_add(piece.data.len());
        if end > LARGEST {
            return Err("a fragment that ends beyond 65535 octets");
        }
        if piece.more && (piece.data.is_empty() || !piece.data.len().is_multiple_of(8)) {
            return Err("a fragment that is not a multiple of 8 octets");
        }
        if !self.sets.contains_key(&set) {
            self.begin(set);
        }
        let Some(unfinished) = self.sets.get_mut(&set) else {
            return Ok(None);
        };
        match unfinished.add(piece, end) {
            Ok(false) => Ok(None),
            Ok(true) => Ok(self.sets.remove(&set).map(Unfinished::join)),
            Err(why) => {
                self.sets.remove(&set);
                self.given_up += 1;
                Err(why)
            }
        }
    }

    /// Packets that were never complete.
    pub fn incomplete(&self) -> u64 {
        self.given_up + self.sets.len() as u64
    }

    fn begin(&mut self, set: Set) {
        while self.sets.len() >= MOST_SETS {
            let Some((serial, oldest)) = self.order.pop_front() else {
                break;
            };
            if self.sets.get(&oldest).map(|set| set.serial) == Some(serial) {
                self.sets.remove(&oldest);
                self.given_up += 1;
            }
        }
        // Finished ones are forgotten before they are many.
        if self.order.len() >= 4 * MOST_SETS {
            let sets = &self.sets;
            self.order
                .retain(|(serial, set)| sets.get(set).map(|set| set.serial) == Some(*serial));
        }
        self.started += 1;
        self.order.push_back((self.started, set));
        let unfinished = Unfinished {
            serial: self.started,
            ..Unfinished::default()
        };
        self.sets.insert(set, unfinished);
    }
}

impl Unfinished {
    /// Whether all is there now.
    fn add(&mut self, piece: &Piece<'_>, end: usize) -> Result<bool, &'static str> {
        const OVERLAP: &str = "fragments that overlap";
        if let Some((_, known)) = self.pieces.get(&piece.offset) {
            return if known == piece.data {
                Ok(false)
            } else {
                Err(OVERLAP)
            };
        }
        let before = self.pieces.range(..piece.offset).next_back();
        let after = self.pieces.range(piece.offset..).next();
        if before.is_some_and(|(at, (_, data))| at + data.len() > piece.offset)
            || after.is_some_and(|(at, _)| *at < end)
            || self.end.is_some_and(|last| end > last || !piece.more)
        {
            return Err(OVERLAP);
        }
        if !piece.more {
            if after.is_some() {
                return Err(OVERLAP);
            }
            self.end = Some(end);
        }
        if self.pieces.len() >= MOST_PIECES {
            return Err("a packet of too many fragments");
        }
        self.octets += piece.data.len();
        self.pieces
            .insert(piece.offset, (piece.frame, piece.data.to_vec()));
        // No overlaps, none beyond the end: as many octets as the end tells are all of them.
        Ok(self.end == Some(self.octets))
    }

    fn join(self) -> (Vec<u8>, Vec<u64>) {
        let mut frames: Vec<u64> = self.pieces.values().map(|(frame, _)| *frame).collect();
        frames.sort_unstable();
        let octets = self.pieces.into_values().flat_map(|(_, data)| data);
        (octets.collect(), frames)
    }
}
