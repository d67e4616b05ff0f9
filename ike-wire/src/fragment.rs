//! Putting the fragments of one message together again (RFC 7383 §2.6).
//!
//! Holds pieces of any type, so that whoever opens them decides how their octets are kept and
//! wiped. It refuses to look into them: a piece comes here after its own integrity check, and
//! the caller keeps the fragments of different messages apart.
use crate::PayloadType;
use crate::payload::EncryptedFragment;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// How much one message may take while it is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentLimits {
    /// Most fragments.
    pub fragments: u16,
    /// Most octets of plaintext.
    pub octets: usize,
}

/// The fragments of one message so far.
#[derive(Debug)]
pub struct Fragments<T> {
    limits: FragmentLimits,
    total: u16,
    first: PayloadType,
    octets: usize,
    pieces: BTreeMap<u16, T>,
}

/// What became of a fragment.
#[derive(Debug, PartialEq, Eq)]
pub enum Added<T> {
    /// Kept; more are needed.
    Kept,
    /// One with this number is there already, or the total is smaller than that of others.
    Ignored,
    /// More fragments, or more octets, than the limits allow.
    TooLarge,
    /// It was the last one missing: type of the first inner payload, and all pieces in order.
    Complete(PayloadType, Vec<T>),
}

impl<T> Fragments<T> {
    /// Nothing yet.
    pub fn new(limits: FragmentLimits) -> Self {
        Self {
            limits,
            total: 0,
            first: PayloadType::NONE,
            octets: 0,
            pieces: BTreeMap::new(),
        }
    }

    /// Whether [`Fragments::add`] would take this fragment; saves opening those it would not.
    pub fn wants(&self, number: u16, total: u16) -> bool {
        number >= 1
            && number <= total
            && total <= self.limits.fragments
            && (total > self.total || total == self.total && !self.pieces.contains_key(&number))
    }

    /// How many there are of how many.
    pub fn progress(&self) -> (usize, u16) {
        (self.pieces.len(), self.total)
    }

    /// Octets of plaintext that are kept.
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Takes a fragment that passed its integrity check; `piece` is its plaintext without
    /// padding, of `octets` octets.
    pub fn add(&mut self, fragment: &EncryptedFragment<'_>, piece: T, octets: usize) -> Added<T> {
        let &EncryptedFragment {
            next,
            number,
            total,
            ..
        } = fragment;
        if total > self.limits.fragments {
            return Added::TooLarge;
        }
        //= rfc7383#2.6: a fragment with a smaller total, or one that is there, is discarded
        if !self.wants(number, total) {
            return Added::Ignored;
        }
        //= rfc7383#2.6: a larger total means a new try with smaller fragments; the old are discarded
        if total > self.total {
            *self = Self::new(self.limits);
            self.total = total;
        }
        let sum = self.octets.saturating_add(octets);
        if sum > self.limits.octets {
            return Added::TooLarge;
        }
        //= rfc7383#2.5: the first inner payload's type is in fragment 1
        if number == 1 {
            self.first = next;
        }
        self.octets = sum;
        self.pieces.insert(number, piece);
        if self.pieces.len() < usize::from(total) {
            return Added::Kept;
        }
        let pieces = core::mem::take(&mut self.pieces);
        let first = self.first;
        *self = Self::new(self.limits);
        Added::Complete(first, pieces.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const LIMITS: FragmentLimits = FragmentLimits {
        fragments: 8,
        octets: 100,
    };

    fn fragment(number: u16, total: u16) -> EncryptedFragment<'static> {
        let next = if number == 1 {
            PayloadType::IDI
        } else {
            PayloadType::NONE
        };
        EncryptedFragment {
            next,
            number,
            total,
            data: vec![].into(),
        }
    }

    fn add(to: &mut Fragments<u16>, number: u16, total: u16) -> Added<u16> {
        to.add(&fragment(number, total), number * 10 + total, 10)
    }

    //= rfc7383#2.6: fragments may arrive in any order
    #[test]
    fn fragments_in_any_order_give_the_pieces_in_theirs() {
        let mut set = Fragments::new(LIMITS);
        for number in [3, 1] {
            assert_eq!(add(&mut set, number, 3), Added::Kept);
        }
        assert_eq!(set.progress(), (2, 3));
        let whole = Added::Complete(PayloadType::IDI, vec![13, 23, 33]);
        assert_eq!(add(&mut set, 2, 3), whole);
        assert_eq!((set.progress(), set.octets()), ((0, 0), 0));
    }

    #[test]
    fn duplicates_and_smaller_totals_are_ignored() {
        let mut set = Fragments::new(LIMITS);
        assert_eq!(add(&mut set, 1, 3), Added::Kept);
        assert_eq!(add(&mut set, 1, 3), Added::Ignored);
        assert_eq!(add(&mut set, 2, 2), Added::Ignored);
        assert_eq!(add(&mut set, 0, 3), Added::Ignored);
        assert_eq!(add(&mut set, 4, 3), Added::Ignored);
        assert_eq!(set.progress(), (1, 3));
    }

    #[test]
    fn a_larger_total_starts_over() {
        let mut set = Fragments::new(LIMITS);
        assert_eq!(add(&mut set, 1, 2), Added::Kept);
        assert_eq!(add(&mut set, 2, 3), Added::Kept);
        assert_eq!(set.progress(), (1, 3));
        assert_eq!(add(&mut set, 3, 3), Added::Kept);
        let whole = Added::Complete(PayloadType::IDI, vec![13, 23, 33]);
        assert_eq!(add(&mut set, 1, 3), whole);
    }

    #[test]
    fn a_message_beyond_the_limits_is_refused() {
        let mut set = Fragments::new(LIMITS);
        assert_eq!(add(&mut set, 1, 9), Added::TooLarge);
        assert_eq!(set.add(&fragment(1, 3), 13, 60), Added::Kept);
        assert_eq!(set.add(&fragment(2, 3), 23, 41), Added::TooLarge);
        assert_eq!((set.progress(), set.octets()), ((1, 3), 60));
    }

    #[test]
    fn a_single_fragment_is_a_message() {
        let mut set = Fragments::new(LIMITS);
        let whole = Added::Complete(PayloadType::IDI, vec![11]);
        assert_eq!(add(&mut set, 1, 1), whole);
    }
}
