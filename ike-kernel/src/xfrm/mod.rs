//! The kernel's data plane over NETLINK_XFRM (needs `CAP_NET_ADMIN` at every request, so the socket
//! cannot be handed to a process without).
//!
//! Policies are kept as a wanted set that follows from children and blocks; what changed is written, one
//! atomic replacement each, so that a flow is never without one. They are found again after a crash by
//! their priorities, SAs by their reqids.
mod algorithm;
mod message;
mod policy;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use ike_crypto::{ChildSuite, Cipher, Secret};
use ike_wire::{ChildSpi, ProtocolId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::message::{Notice, Sa, SaId};
use self::policy::{Action, Direction, Policy, Selector, Template};
use crate::netlink::{ACK, CREATE, DUMP, EXCLUSIVE, Netlink};
use crate::{Block, ChildSa, Counters, DataPlane, Event, Flow, KernelError, Mode, Outbound};

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
pub struct Xfrm {
    config: XfrmConfig,
    netlink: Netlink,
    notices: Netlink,
    children: BTreeMap<u64, Child>,
    blocks: Vec<Block>,
    /// What the kernel has of ours.
    policies: BTreeMap<(Direction, Selector), Policy>,
    /// Left behind by an earlier run, and not wanted again yet.
    stale_policies: BTreeSet<(Direction, Selector)>,
    stale_sas: Vec<SaId>,
    events: VecDeque<Event>,
    order: u64,
    reqid: u32,
}

/// An installed child.
#[derive(Debug)]
struct Child {
    policy: String,
    name: String,
    mode: Mode,
    suite: ChildSuite,
    spi_in: ChildSpi,
    spi_out: ChildSpi,
    local: SocketAddr,
    peer: SocketAddr,
    udp: bool,
    flows: Vec<Flow>,
    reqid: u32,
    replaces: Option<u64>,
    sending: Sending,
    order: u64,
    reported: Counters,
}

#[derive(Debug)]
enum Sending {
    /// Not installed yet: the keys wait here.
    Deferred((Secret, Secret)),
    Active,
    SupersededBy(u64),
}

impl Xfrm {
    /// Opens netlink sockets for requests and for events. Blocks of an earlier run stay in force until [`Self::sweep`].
    pub fn open(config: XfrmConfig) -> Result<Self, KernelError> {
        let notices = Netlink::open(netlink_sys::protocols::NETLINK_XFRM, "xfrm events")?;
        for group in [GROUP_ACQUIRE, GROUP_EXPIRE, GROUP_MAPPING] {
            notices
                .join(group)
                .map_err(|error| KernelError::system("listen to xfrm events", &error))?;
        }
        let mut xfrm = Self {
            config,
            netlink: Netlink::open(netlink_sys::protocols::NETLINK_XFRM, "xfrm")?,
            notices,
            children: BTreeMap::new(),
            blocks: Vec::new(),
            policies: BTreeMap::new(),
            stale_policies: BTreeSet::new(),
            stale_sas: Vec::new(),
            events: VecDeque::new(),
            order: 0,
            reqid: REQIDS,
        };
        xfrm.find_stale()?;
        Ok(xfrm)
    }

    /// Adds and deletes an ESP SA; see [`crate::probe::kernel_esp`].
    pub fn probe(&mut self) -> Result<(), KernelError> {
        let id = SaId {
            dst: IpAddr::from([192, 0, 2, 254]),
            spi: 0xffff_fe50,
            protocol: ESP,
        };
        let cipher = Cipher::AesGcm16 { key_bits: 128 };
        let keys = (
            Secret::new(vec![0x50; cipher.encr_key_len()]),
            Secret::new(Vec::new()),
        );
        let sa = Sa {
            id,
            src: IpAddr::from([192, 0, 2, 253]),
            reqid: REQIDS,
            mode: message::MODE_TUNNEL,
            esn: true,
            replay_window: self.config.replay_window,
            encap: None,
            packet_limits: None,
            algorithms: &algorithm::algorithms(cipher, &keys),
        };
        self.add_sa(&sa, "add an ESP SA to the kernel on trial")?;
        self.delete_sa(&id)
    }

    /// Removes SAs and policies an earlier run left and nobody wants now. To be called once, after the
    /// configuration's blocks are in force.
    pub fn sweep(&mut self) -> Result<(), KernelError> {
        self.stale_policies.clear();
        self.apply()?;
        for id in std::mem::take(&mut self.stale_sas) {
            self.delete_sa(&id)?;
        }
        Ok(())
    }

    /// The socket with events: when readable, call [`DataPlane::poll_event`] until `None`.
    pub fn event_fd(&self) -> BorrowedFd<'_> {
        self.notices.as_fd()
    }

    /// Traffic of the children that moved since the last call, to be called about every second.
    pub fn counters_moved(&mut self) -> Vec<(u64, Counters)> {
        let ids: Vec<u64> = self.children.keys().copied().collect();
        let mut moved = Vec::new();
        for id in ids {
            // An SA the kernel let expire has no counters any more.
            if let Ok(counters) = self.counters(id)
                && let Some(child) = self.children.get_mut(&id)
                && child.reported != counters
            {
                child.reported = counters;
                moved.push((id, counters));
            }
        }
        moved
    }

    fn find_stale(&mut self) -> Result<(), KernelError> {
        let describe = || "list policies".to_owned();
        let found = self
            .netlink
            .request(message::GET_POLICY, DUMP, &[], describe)?;
        for (_, body) in found {
            if let Some((direction, selector, priority)) = message::read_policy(&body)
                && policy::is_ours(priority)
            {
                // What it demands is not read back: if it is wanted again it is written again.
                let unknown = Policy {
                    priority: 0,
                    action: Action::Block,
                };
                self.policies.insert((direction, selector), unknown);
                self.stale_policies.insert((direction, selector));
            }
        }
        let describe = || "list SAs".to_owned();
        let found = self.netlink.request(message::GET_SA, DUMP, &[], describe)?;
        let states = found.iter().filter_map(|(_, body)| message::read_sa(body));
        let ours = states.filter(|state| state.reqid & !0xffff == REQIDS);
        self.stale_sas = ours.map(|state| state.id).collect();
        if !self.stale_policies.is_empty() {
            let policies = self.stale_policies.len();
            tracing::info!(policies, "found kernel policies of an earlier run");
        }
        Ok(())
    }

    /// Makes the kernel's policies what children and blocks want.
    fn apply(&mut self) -> Result<(), KernelError> {
        let wanted = self.wanted();
        for (key, policy) in &wanted {
            self.stale_policies.remove(key);
            if self.policies.get(key) != Some(policy) {
                let (direction, selector) = key;
                let body = message::new_policy(*direction, selector, policy);
                let describe = || format!("install policy {}", describe(selector, *direction));
                self.netlink
                    .request(message::UPDATE_POLICY, ACK, &body, describe)?;
                self.policies.insert(*key, policy.clone());
            }
        }
        let surplus: Vec<_> = self
            .policies
            .keys()
            .filter(|key| !wanted.contains_key(key) && !self.stale_policies.contains(key))
            .copied()
            .collect();
        for key in surplus {
            let (direction, selector) = &key;
            let body = message::policy_id(*direction, selector);
            let describe = || format!("remove policy {}", describe(selector, *direction));
            let result = self
                .netlink
                .request(message::DELETE_POLICY, ACK, &body, describe);
            gone_is_fine(result.map(drop))?;
            self.policies.remove(&key);
        }
        Ok(())
    }

    fn wanted(&self) -> BTreeMap<(Direction, Selector), Policy> {
        let mut wanted = BTreeMap::new();
        for (_, flow) in self
            .blocks
            .iter()
            .flat_map(|b| b.flows.iter().map(move |f| (b, f)))
        {
            for selector in Selector::of_flow(flow) {
                let policy = Policy {
                    priority: selector.priority(true),
                    action: Action::Block,
                };
                wanted.insert((Direction::Out, selector), policy);
            }
        }
        let mut children: Vec<_> = self.children.values().collect();
        children.sort_by_key(|child| child.order);
        for child in children {
            for selector in child.flows.iter().flat_map(Selector::of_flow) {
                let priority = selector.priority(false);
                let policy = |action| Policy { priority, action };
                if matches!(child.sending, Sending::Active) {
                    let action = Action::Protect(child.template(Direction::Out));
                    wanted.insert((Direction::Out, selector), policy(action));
                }
                let back = selector.reversed();
                for direction in [Direction::In, Direction::Forward] {
                    if direction == Direction::In || child.mode == Mode::Tunnel {
                        let action = Action::Protect(child.template(direction));
                        wanted.insert((direction, back), policy(action));
                    }
                }
            }
        }
        wanted
    }

    fn add_sa(&mut self, sa: &Sa<'_>, what: &str) -> Result<(), KernelError> {
        let body = message::new_sa(sa);
        let flags = ACK | CREATE | EXCLUSIVE;
        let describe = || format!("{what} (SPI {})", ChildSpi(sa.id.spi));
        self.netlink
            .request(message::NEW_SA, flags, &body, describe)
            .map(drop)
    }

    /// Deletes an SA; one that is gone already is no error.
    fn delete_sa(&mut self, id: &SaId) -> Result<(), KernelError> {
        let describe = || format!("remove SA {}", ChildSpi(id.spi));
        let body = message::sa_id(id);
        let result = self
            .netlink
            .request(message::DELETE_SA, ACK, &body, describe);
        gone_is_fine(result.map(drop))
    }

    fn get_sa(&mut self, id: &SaId) -> Result<Zeroizing<Vec<u8>>, KernelError> {
        let describe = || format!("look at SA {}", ChildSpi(id.spi));
        let body = message::sa_id(id);
        let answers = self.netlink.request(message::GET_SA, 0, &body, describe)?;
        let first = answers.into_iter().next();
        first
            .map(|(_, body)| Zeroizing::new(body))
            .ok_or_else(|| KernelError::refused(describe(), "no answer"))
    }

    fn add_half(
        &mut self,
        child: &Child,
        direction: Direction,
        keys: &(Secret, Secret),
    ) -> Result<(), KernelError> {
        let outbound = direction == Direction::Out;
        let (what, limits) = if outbound {
            ("install the outbound SA", PACKET_LIMITS)
        } else {
            ("install the inbound SA", None)
        };
        let (src, _) = child.ends(direction);
        let sa = Sa {
            id: child.sa_id(direction),
            src,
            reqid: child.reqid,
            mode: mode(child.mode),
            esn: child.suite.esn,
            replay_window: self.config.replay_window,
            encap: child.ports(direction),
            packet_limits: limits.filter(|_| !child.suite.esn),
            algorithms: &algorithm::algorithms(child.suite.cipher, keys),
        };
        self.add_sa(&sa, what)
    }

    /// A reqid for a new line of children; those that replace each other share one.
    fn new_reqid(&mut self) -> u32 {
        let used: BTreeSet<u32> = self.children.values().map(|child| child.reqid).collect();
        loop {
            self.reqid = REQIDS | (self.reqid + 1) & 0xffff;
            if !used.contains(&self.reqid) {
                return self.reqid;
            }
        }
    }

    fn child(&mut self, request: &str, id: u64) -> Result<&mut Child, KernelError> {
        self.children.get_mut(&id).ok_or_else(|| {
            KernelError::refused(format!("{request} child {id}"), "it is not installed")
        })
    }

    fn translate(&self, notice: Notice) -> Option<Event> {
        let by_spi = |spi: u32| {
            self.children
                .iter()
                .find(|(_, child)| child.spi_in.0 == spi || child.spi_out.0 == spi)
                .map(|(id, _)| *id)
        };
        match notice {
            Notice::Acquire(selector) => {
                let packet = selector.packet();
                let inside = |(local, peer): &Flow| {
                    local.addrs.contains_addr(packet.src) && peer.addrs.contains_addr(packet.dst)
                };
                let of_children = self
                    .children
                    .values()
                    .map(|c| (&c.policy, &c.name, &c.flows));
                let of_blocks = self.blocks.iter().map(|b| (&b.policy, &b.child, &b.flows));
                of_children
                    .chain(of_blocks)
                    .find(|(_, _, flows)| flows.iter().any(inside))
                    .map(|(policy, child, _)| Event::Acquire {
                        policy: policy.clone(),
                        child: child.clone(),
                        packet: Some(packet),
                    })
            }
            Notice::Expire { spi, hard } => by_spi(spi).map(|id| Event::Expired { id, hard }),
            Notice::Mapping { spi, peer } => {
                by_spi(spi).map(|id| Event::MappingChanged { id, peer })
            }
        }
    }
}

impl AsFd for Xfrm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event_fd()
    }
}

impl DataPlane for Xfrm {
    fn install(&mut self, sa: ChildSa) -> Result<(), KernelError> {
        let request = || format!("install child {} \"{}\"", sa.id, sa.child);
        let refuse = |reason: &str| Err(KernelError::refused(request(), reason));
        if sa.suite.protocol != ProtocolId::ESP {
            return refuse("AH is not implemented yet");
        }
        if self.children.contains_key(&sa.id) {
            return refuse("it is installed already");
        }
        if sa.local.is_ipv6() != sa.peer.is_ipv6() {
            return refuse("outer address families differ");
        }
        let predecessor = sa.replaces.and_then(|old| self.children.get(&old));
        let reqid = match predecessor {
            Some(old) => old.reqid,
            None => self.new_reqid(),
        };
        self.order += 1;
        let (id, outbound) = (sa.id, sa.outbound);
        let child = Child {
            policy: sa.policy,
            name: sa.child,
            mode: sa.mode,
            suite: sa.suite,
            spi_in: sa.spi_in,
            spi_out: sa.spi_out,
            local: sa.local,
            peer: sa.peer,
            udp: sa.udp_encap,
            flows: sa.flows,
            reqid,
            replaces: sa.replaces,
            sending: Sending::Deferred(sa.keys_out),
            order: self.order,
            reported: Counters::default(),
        };
        self.add_half(&child, Direction::In, &sa.keys_in)?;
        self.children.insert(id, child);
        let result = match outbound {
            Outbound::Now => self.activate_outbound(id),
            Outbound::Deferred => self.apply(),
        };
        result.inspect_err(|_| {
            // The first error is the one to tell.
            let _ = self.remove(id);
        })
    }

    fn activate_outbound(&mut self, id: u64) -> Result<(), KernelError> {
        self.order += 1;
        let order = self.order;
        let mut child = self.children.remove(&id).ok_or_else(|| {
            KernelError::refused(format!("activate child {id}"), "it is not installed")
        })?;
        let added = match &child.sending {
            Sending::Deferred(keys) => self.add_half(&child, Direction::Out, keys),
            Sending::Active | Sending::SupersededBy(_) => Ok(()),
        };
        if added.is_ok() {
            child.sending = Sending::Active;
            child.order = order;
        }
        let replaces = child.replaces;
        self.children.insert(id, child);
        added?;
        if let Some(old) = replaces.and_then(|old| self.children.get_mut(&old))
            && matches!(old.sending, Sending::Active)
        {
            old.sending = Sending::SupersededBy(id);
        }
        self.apply()
    }

    fn update(
        &mut self,
        id: u64,
        local: SocketAddr,
        peer: SocketAddr,
        udp_encap: bool,
    ) -> Result<(), KernelError> {
        let request = format!("update child {id}");
        if local.is_ipv6() != peer.is_ipv6() {
            return Err(KernelError::refused(
                request,
                "outer address families differ",
            ));
        }
        let child = self.child("update", id)?;
        let mut directions = vec![Direction::In];
        if !matches!(child.sending, Sending::Deferred(_)) {
            directions.push(Direction::Out);
        }
        let before = directions
            .iter()
            .map(|d| child.sa_id(*d))
            .collect::<Vec<_>>();
        (child.local, child.peer, child.udp) = (local, peer, udp_encap);
        let after: Vec<_> = directions
            .iter()
            .map(|d| (child.ends(*d), child.ports(*d)))
            .collect();
        // The kernel has no request that changes an SA's addresses and keeps its numbers, but it tells
        // everything about one, keys included: the same SA is made anew.
        for (old, ((src, dst), ports)) in before.iter().zip(after) {
            let state = self.get_sa(old)?;
            let body = message::moved_sa(&state, src, dst, ports)
                .ok_or_else(|| KernelError::refused(request.as_str(), "the answer is too short"))?;
            self.delete_sa(old)?;
            let flags = ACK | CREATE | EXCLUSIVE;
            self.netlink
                .request(message::NEW_SA, flags, &body, || request.clone())?;
        }
        self.apply()
    }

    fn remove(&mut self, id: u64) -> Result<(), KernelError> {
        let Some(child) = self.children.remove(&id) else {
            return Ok(());
        };
        for old in self.children.values_mut() {
            if matches!(old.sending, Sending::SupersededBy(by) if by == id) {
                old.sending = Sending::Active;
            }
        }
        let policies = self.apply();
        let inbound = self.delete_sa(&child.sa_id(Direction::In));
        let outbound = match child.sending {
            Sending::Deferred(_) => Ok(()),
            _ => self.delete_sa(&child.sa_id(Direction::Out)),
        };
        policies.and(inbound).and(outbound)
    }

    fn block(&mut self, block: Block) -> Result<(), KernelError> {
        let same = |b: &Block| (&b.policy, &b.child) == (&block.policy, &block.child);
        self.blocks.retain(|b| !same(b));
        if !block.flows.is_empty() {
            self.blocks.push(block);
        }
        self.apply()
    }

    fn unblock(&mut self, policy: &str) -> Result<(), KernelError> {
        self.blocks.retain(|block| block.policy != policy);
        self.apply()
    }

    fn flush(&mut self) -> Result<(), KernelError> {
        self.blocks.clear();
        let ids: Vec<u64> = self.children.keys().copied().collect();
        let mut result = Ok(());
        for id in ids {
            result = result.and(self.remove(id));
        }
        result.and(self.sweep())
    }

    fn counters(&mut self, id: u64) -> Result<Counters, KernelError> {
        let child = self.child("counters", id)?;
        let (inbound, outbound) = (child.sa_id(Direction::In), child.sa_id(Direction::Out));
        let deferred = matches!(child.sending, Sending::Deferred(_));
        let mut counters = Counters::default();
        if let Some(state) = message::read_sa(&self.get_sa(&inbound)?) {
            (counters.bytes_in, counters.packets_in) = (state.bytes, state.packets);
        }
        if !deferred && let Some(state) = message::read_sa(&self.get_sa(&outbound)?) {
            (counters.bytes_out, counters.packets_out) = (state.bytes, state.packets);
        }
        Ok(counters)
    }

    fn poll_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            // Events lost in a full buffer are acquires and expiries that come again.
            let messages = self.notices.events().unwrap_or_default();
            if messages.is_empty() {
                return None;
            }
            for (kind, body) in messages {
                let event = message::read_event(kind, &body).and_then(|n| self.translate(n));
                self.events.extend(event);
            }
        }
    }
}

impl Child {
    /// Outer source and destination.
    fn ends(&self, direction: Direction) -> (IpAddr, IpAddr) {
        let (local, peer) = (self.local.ip(), self.peer.ip());
        match direction {
            Direction::Out => (local, peer),
            Direction::In | Direction::Forward => (peer, local),
        }
    }

    fn ports(&self, direction: Direction) -> Option<(u16, u16)> {
        let (local, peer) = (self.local.port(), self.peer.port());
        self.udp.then_some(match direction {
            Direction::Out => (local, peer),
            Direction::In | Direction::Forward => (peer, local),
        })
    }

    fn sa_id(&self, direction: Direction) -> SaId {
        let spi = match direction {
            Direction::Out => self.spi_out,
            Direction::In | Direction::Forward => self.spi_in,
        };
        SaId {
            dst: self.ends(direction).1,
            spi: spi.0,
            protocol: ESP,
        }
    }

    /// Outbound names the very SA, so that the newest child sends; inbound any of the line may come.
    fn template(&self, direction: Direction) -> Template {
        let (src, dst) = self.ends(direction);
        Template {
            src,
            dst,
            spi: match direction {
                Direction::Out => self.spi_out.0,
                Direction::In | Direction::Forward => 0,
            },
            protocol: ESP,
            reqid: self.reqid,
            mode: mode(self.mode),
        }
    }
}

fn mode(mode: Mode) -> u8 {
    match mode {
        Mode::Tunnel => message::MODE_TUNNEL,
        Mode::Transport => message::MODE_TRANSPORT,
    }
}

fn describe(selector: &Selector, direction: Direction) -> String {
    let (src, dst) = (&selector.src, &selector.dst);
    let direction = match direction {
        Direction::In => "in",
        Direction::Out => "out",
        Direction::Forward => "forward",
    };
    format!(
        "{direction} {}/{} to {}/{}",
        src.addr, src.len, dst.addr, dst.len
    )
}

fn gone_is_fine(result: Result<(), KernelError>) -> Result<(), KernelError> {
    match result {
        Err(error) if matches!(error.errno, Some(nix::libc::ENOENT | nix::libc::ESRCH)) => Ok(()),
        other => other,
    }
}

const ESP: u8 = 50;
/// Reqids of ours begin with this half.
const REQIDS: u32 = 0x696b_0000;
/// Without ESN the kernel tells at 15/16 of all numbers, and stops before they wrap.
const PACKET_LIMITS: Option<(u64, u64)> = Some((0xf000_0000, 0xffff_ff00));
const GROUP_ACQUIRE: u32 = 1;
const GROUP_EXPIRE: u32 = 2;
const GROUP_MAPPING: u32 = 8;
