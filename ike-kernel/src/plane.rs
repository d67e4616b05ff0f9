//! The contract of a data plane.
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{Block, ChildRequest, ChildSa, Counters, Event, KernelError};

/// Which data plane (`set dataplane`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PlaneKind {
    /// The kernel's ESP.
    Xfrm,
    /// ESP over TUN in a process of ours.
    Userspace,
    /// None: nothing is installed.
    None,
}

/// A data plane. Requests either happen completely or leave nothing behind.
pub trait DataPlane {
    /// Installs both directions and the flows.
    fn install(&mut self, child: ChildSa) -> Result<(), KernelError>;
    /// Starts to send with a child installed as deferred.
    fn activate_outbound(&mut self, id: u64) -> Result<(), KernelError>;
    /// Changes outer addresses or encapsulation.
    fn update(
        &mut self,
        id: u64,
        local: SocketAddr,
        peer: SocketAddr,
        udp_encap: bool,
    ) -> Result<(), KernelError>;
    /// Removes a child; no error if it is gone already.
    fn remove(&mut self, id: u64) -> Result<(), KernelError>;
    /// Drops what would leave in clear. Below the children's own flows in precedence.
    fn block(&mut self, block: Block) -> Result<(), KernelError>;
    /// Takes all blocks of a policy away.
    fn unblock(&mut self, policy: &str) -> Result<(), KernelError>;
    /// Removes everything this plane installed, blocks included: a clean stop.
    fn flush(&mut self) -> Result<(), KernelError>;
    /// Traffic of one child.
    fn counters(&mut self, id: u64) -> Result<Counters, KernelError>;
    /// The next event, if there is one; never waits.
    fn poll_event(&mut self) -> Option<Event>;

    /// Carries a request out.
    fn handle(&mut self, request: ChildRequest) -> Result<(), KernelError> {
        match request {
            ChildRequest::Install(child) => self.install(*child),
            ChildRequest::ActivateOutbound(id) => self.activate_outbound(id),
            ChildRequest::Update {
                id,
                local,
                peer,
                udp_encap,
            } => self.update(id, local, peer, udp_encap),
            ChildRequest::Remove(id) => self.remove(id),
        }
    }
}
