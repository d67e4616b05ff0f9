//! Narrowing (RFC 7296 §2.9).
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
/// with no selector inside another.
pub fn narrow(_offered: &[TrafficSelector], _configured: &[TrafficSelector]) -> Narrowed {
    todo!()
}
