//! The control socket.
pub mod proto;
#[cfg(feature = "daemon")]
pub mod server;
