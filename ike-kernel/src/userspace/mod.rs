//! ESP in userspace (RFC 4303, tunnel mode), UDP-encapsulated (RFC 3948) or raw protocol 50, between a
//! TUN device and the network. Runs without privilege on descriptors it is given, in one thread,
//! driven by poll(2). Transport mode and AH are refused.
//!
//! Needs [`crate::route::Router`] in a process with `CAP_NET_ADMIN` to lead packets into the TUN device.
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

use crate::socket::SocketRole;
use crate::{Block, ChildSa, Counters, DataPlane, Event, KernelError};

/// Settings of the plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaneConfig {
    /// Largest outer packet that needs no fragmentation.
    pub outer_mtu: u16,
    /// MTU of the TUN device, as set by [`crate::route::Router`].
    pub tun_mtu: u16,
}

impl Default for PlaneConfig {
    fn default() -> Self {
        Self {
            outer_mtu: 1500,
            tun_mtu: crate::route::DEFAULT_TUN_MTU,
        }
    }
}

/// A descriptor of the plane that became readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The TUN device.
    Tun,
    /// A socket.
    Socket(SocketRole),
}

/// The userspace data plane.
#[derive(Debug)]
pub struct Plane {}

impl Plane {
    /// Starts with a TUN descriptor ([`crate::tun::Tun::into_fd`]) and the ESP sockets of [`crate::socket::open`].
    pub fn new(
        _config: PlaneConfig,
        _tun: OwnedFd,
        _sockets: Vec<(SocketRole, OwnedFd)>,
    ) -> Result<Self, KernelError> {
        todo!()
    }
    /// What to poll for reading.
    pub fn sources(&self) -> impl Iterator<Item = (Source, BorrowedFd<'_>)> {
        core::iter::empty()
    }
    /// Moves a bounded batch of packets from a readable source; to be called from the event loop.
    /// An error means the descriptor is of no more use (the TUN device was deleted).
    pub fn on_readable(&mut self, _source: Source) -> Result<(), KernelError> {
        todo!()
    }
    /// Traffic of the children that moved since the last call, to be called about every second.
    pub fn counters_moved(&mut self) -> Vec<(u64, Counters)> {
        todo!()
    }
    /// Why packets were dropped, by name, for `ikectl show stats`.
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> {
        core::iter::empty()
    }
}

impl DataPlane for Plane {
    fn install(&mut self, _child: ChildSa) -> Result<(), KernelError> {
        todo!()
    }
    fn activate_outbound(&mut self, _id: u64) -> Result<(), KernelError> {
        todo!()
    }
    fn update(
        &mut self,
        _id: u64,
        _local: SocketAddr,
        _peer: SocketAddr,
        _udp_encap: bool,
    ) -> Result<(), KernelError> {
        todo!()
    }
    fn remove(&mut self, _id: u64) -> Result<(), KernelError> {
        todo!()
    }
    fn block(&mut self, _block: Block) -> Result<(), KernelError> {
        todo!()
    }
    fn unblock(&mut self, _policy: &str) -> Result<(), KernelError> {
        todo!()
    }
    fn flush(&mut self) -> Result<(), KernelError> {
        todo!()
    }
    fn counters(&mut self, _id: u64) -> Result<Counters, KernelError> {
        todo!()
    }
    fn poll_event(&mut self) -> Option<Event> {
        todo!()
    }
}
