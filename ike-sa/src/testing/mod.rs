//! Simulation: two endpoints in virtual time, a network that loses, repeats, reorders, delays
//! and rewrites by seed, stand-ins for `ca` and the data plane. A run is repeated exactly by its
//! seed. Only with the feature `testing`.
mod net;
mod pair;
mod plane;
mod policies;

pub use net::{Net, Packet, Verdict};
pub use pair::{Pair, Side, Who};
pub use plane::{Installed, Plane};
pub use policies::{Scene, psk_policy, set, ts};
