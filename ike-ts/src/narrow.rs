//! Narrowing (RFC 7296 §2.9): what an offer and a configuration both allow, computed as
//! the intersection of two unions. It refuses to choose: nothing that both sides allow is
//! left out, and the order of the lists does not matter.
use crate::TrafficSelector;
use alloc::vec::Vec;

/// The outcome of [`narrow`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narrowed {
    /// What both sides allow; empty means TS_UNACCEPTABLE.
    pub selectors: Vec<TrafficSelector>,
    /// Whether something of the offer was left out.
    pub is_subset: bool,
}

/// The largest set of packets that the offer and the configuration both allow,
/// with no selector inside another, in ascending order.
//= rfc7296#2.9: the responder may narrow the offer, to no more than the offer
pub fn narrow(offered: &[TrafficSelector], configured: &[TrafficSelector]) -> Narrowed {
    let offered = maximal(offered.to_vec());
    let configured = maximal(configured.to_vec());
    let common = offered
        .iter()
        .flat_map(|offer| {
            configured
                .iter()
                .filter_map(move |ours| offer.intersect(ours))
        })
        .collect();
    let is_subset = !offered.iter().all(|offer| covered(offer, &configured));
    Narrowed {
        selectors: maximal(common),
        is_subset,
    }
}

/// Sorted, without duplicates and without selectors inside another one.
fn maximal(mut list: Vec<TrafficSelector>) -> Vec<TrafficSelector> {
    // What contains a selector starts no later and, starting together, ends no earlier: it
    // comes before it in this order, or is another view of the same addresses.
    list.sort_unstable_by_key(|ts| {
        let (start, end) = ts.addrs.bits();
        let (first, last) = ts.ports.line();
        (!ts.addrs.is_ipv4(), start, !end, ts.protocol, first, !last)
    });
    list.dedup();
    let mut kept: Vec<TrafficSelector> = Vec::with_capacity(list.len());
    for ts in list {
        if !kept.iter().any(|other| other.contains(&ts)) {
            kept.push(ts);
        }
    }
    kept.sort_unstable();
    kept
}

/// Whether every packet of `ts` is in one of `list`.
fn covered(ts: &TrafficSelector, list: &[TrafficSelector]) -> bool {
    let mut left = alloc::vec![Cuboid::of(ts)];
    for other in list.iter().filter(|other| other.intersect(ts).is_some()) {
        let other = Cuboid::of(other);
        left = left
            .into_iter()
            .flat_map(|piece| piece.without(other))
            .collect();
        if left.is_empty() {
            return true;
        }
    }
    left.is_empty()
}

/// A selector as inclusive intervals on three lines: protocol, ports (65536 is OPAQUE) and
/// address. Unlike selectors these can be cut to pieces along every line.
#[derive(Clone, Copy)]
struct Cuboid([(u128, u128); 3]);

impl Cuboid {
    fn of(ts: &TrafficSelector) -> Self {
        let protocol = match ts.protocol {
            0 => (0, 255),
            one => (one.into(), one.into()),
        };
        let (first, last) = ts.ports.line();
        Self([protocol, (first.into(), last.into()), ts.addrs.bits()])
    }

    /// What is left of `self`: at most two slabs per line.
    fn without(self, other: Self) -> Vec<Self> {
        let apart = |(a, b): ((u128, u128), (u128, u128))| a.1 < b.0 || b.1 < a.0;
        if self.0.into_iter().zip(other.0).any(apart) {
            return alloc::vec![self];
        }
        let mut pieces = Vec::new();
        let mut core = self;
        for (axis, (start, end)) in other.0.into_iter().enumerate() {
            let Some((low, high)) = core.0.get(axis).copied() else {
                break;
            };
            let mut cut = |interval| {
                let mut piece = core;
                if let Some(side) = piece.0.get_mut(axis) {
                    *side = interval;
                }
                pieces.push(piece);
            };
            if low < start {
                cut((low, start.saturating_sub(1)));
            }
            if end < high {
                cut((end.saturating_add(1), high));
            }
            if let Some(side) = core.0.get_mut(axis) {
                *side = (low.max(start), high.min(end));
            }
        }
        pieces
    }
}
