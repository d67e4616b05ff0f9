//! Routes and rules of the userspace plane (rtnetlink, `CAP_NET_ADMIN`): they lead exactly the packets
//! of protected flows into the TUN device, and to "unreachable" when it is gone, so that nothing
//! leaves in clear even when every process of ours was killed.
//!
//! Rules of one priority range select source, destination, protocol and ports of each flow and look up
//! one table, which holds a default route into TUN and an unreachable one of worse metric. A rule before
//! them lets packets with our mark pass. What an earlier run left behind is found by priority,
//! table and protocol number and taken over.
use serde::{Deserialize, Serialize};

use crate::{Flow, KernelError};

/// MTU of the TUN device unless told otherwise: fits 1500 outside with every AEAD over IPv6 and UDP.
pub const DEFAULT_TUN_MTU: u16 = 1400;

/// Where the state goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterConfig {
    /// Name of the TUN device.
    pub tun: String,
    /// Its MTU.
    pub mtu: u16,
    /// Routing table of our own.
    pub table: u32,
    /// First of ten rule priorities of our own.
    pub priority: u32,
    /// Mark of our outer packets ([`crate::socket::SocketConfig::mark`]).
    pub mark: u32,
}

impl Default for RouterConfig {
    fn default() -> Self {
        Self {
            tun: "iked0".into(),
            mtu: DEFAULT_TUN_MTU,
            table: 210,
            priority: 5210,
            mark: crate::socket::DEFAULT_MARK,
        }
    }
}

/// On whose behalf flows are protected; they stay until their last owner releases them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FlowOwner {
    /// A block: policy and child name.
    Block {
        /// Policy.
        policy: String,
        /// Child name.
        child: String,
    },
    /// An installed child SA.
    Child(u64),
}

/// Requests, for a channel between processes; see [`Router::handle`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouteRequest {
    /// [`Router::attach`].
    Attach,
    /// [`Router::protect`].
    Protect {
        /// For whom.
        owner: FlowOwner,
        /// What.
        flows: Vec<Flow>,
    },
    /// [`Router::release`].
    Release(FlowOwner),
    /// [`Router::sweep`].
    Sweep,
    /// [`Router::refresh`].
    Refresh,
    /// [`Router::flush`].
    Flush,
}

/// Keeps the rules and routes.
#[derive(Debug)]
pub struct Router {}

impl Router {
    /// Opens netlink (needs `CAP_NET_ADMIN`) and looks what an earlier run left behind, which stays in
    /// force until [`Self::sweep`].
    pub fn open(_config: RouterConfig) -> Result<Self, KernelError> {
        todo!()
    }
    /// The TUN device is there: sets its MTU, brings it up, adds the routes into it.
    pub fn attach(&mut self) -> Result<(), KernelError> {
        todo!()
    }
    /// Leads flows into the TUN device. The same owner's earlier flows are replaced, without a gap.
    pub fn protect(&mut self, _owner: FlowOwner, _flows: &[Flow]) -> Result<(), KernelError> {
        todo!()
    }
    /// Lets an owner's flows go, unless another owner has them too.
    pub fn release(&mut self, _owner: &FlowOwner) -> Result<(), KernelError> {
        todo!()
    }
    /// Removes what an earlier run left and nobody protects now. To be called once, after the
    /// configuration's blocks are in force.
    pub fn sweep(&mut self) -> Result<(), KernelError> {
        todo!()
    }
    /// Looks again which local addresses lie in local selectors (source addresses for our own packets).
    pub fn refresh(&mut self) -> Result<(), KernelError> {
        todo!()
    }
    /// Removes everything: a clean stop.
    pub fn flush(&mut self) -> Result<(), KernelError> {
        todo!()
    }
    /// Carries a request out.
    pub fn handle(&mut self, request: &RouteRequest) -> Result<(), KernelError> {
        match request {
            RouteRequest::Attach => self.attach(),
            RouteRequest::Protect { owner, flows } => self.protect(owner.clone(), flows),
            RouteRequest::Release(owner) => self.release(owner),
            RouteRequest::Sweep => self.sweep(),
            RouteRequest::Refresh => self.refresh(),
            RouteRequest::Flush => self.flush(),
        }
    }
}
