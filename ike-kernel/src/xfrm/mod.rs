//! The kernel's data plane over NETLINK_XFRM (needs `CAP_NET_ADMIN` at every request, so the socket
//! cannot be handed to a process without).
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use serde::{Deserialize, Serialize};

use crate::{Block, ChildSa, Counters, DataPlane, Event, KernelError};

/// Settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct XfrmConfig {
    /// Anti-replay window in packets.
    pub replay_window: u32,
}

impl Default for XfrmConfig {
    fn default() -> Self {
        Self {
            replay_window: 1024,
        }
    }
}

/// The XFRM data plane.
#[derive(Debug)]
pub struct Xfrm {}

impl Xfrm {
    /// Opens netlink sockets for requests and for events. Blocks of an earlier run stay in force until [`Self::sweep`].
    pub fn open(_config: XfrmConfig) -> Result<Self, KernelError> {
        todo!()
    }
    /// Adds and deletes an ESP SA; see [`crate::probe::kernel_esp`].
    pub fn probe(&mut self) -> Result<(), KernelError> {
        todo!()
    }
    /// Removes SAs and policies an earlier run left and nobody wants now. To be called once, after the
    /// configuration's blocks are in force.
    pub fn sweep(&mut self) -> Result<(), KernelError> {
        todo!()
    }
    /// The socket with events: when readable, call [`DataPlane::poll_event`] until `None`.
    pub fn event_fd(&self) -> BorrowedFd<'_> {
        todo!()
    }
    /// Traffic of the children that moved since the last call, to be called about every second.
    pub fn counters_moved(&mut self) -> Vec<(u64, Counters)> {
        todo!()
    }
}

impl AsFd for Xfrm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event_fd()
    }
}

impl DataPlane for Xfrm {
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
