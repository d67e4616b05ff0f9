//! The control socket.
pub mod proto;
