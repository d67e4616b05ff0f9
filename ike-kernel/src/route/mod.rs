//! Routes and rules of the userspace plane (rtnetlink, `CAP_NET_ADMIN`): they lead exactly the packets
//! of protected flows into the TUN device, and to "unreachable" when it is gone, so that nothing
//! leaves in clear even when every process of ours was killed.
//!
//! Rules of one priority range select source, destination, protocol and ports of each flow and look up
//! one table, which holds a default route into TUN and an unreachable one of worse metric. A rule before
//! them lets packets with our mark pass. What an earlier run left behind is found by priority,
//! table and protocol number and taken over.
mod rule;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netlink_packet_core::{NetlinkDeserializable, NetlinkHeader, NetlinkSerializable};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use serde::{Deserialize, Serialize};

use self::rule::{Kind, Route, Rule};
use crate::netlink::{ACK, CREATE, DUMP, EXCLUSIVE, Netlink, REPLACE};
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
    /// [`Router::unblock`].
    Unblock {
        /// Policy.
        policy: String,
    },
    /// [`Router::sweep`].
    Sweep,
    /// [`Router::refresh`].
    Refresh,
    /// [`Router::flush`].
    Flush,
}

/// Keeps the rules and routes.
#[derive(Debug)]
pub struct Router {
    config: RouterConfig,
    netlink: Netlink,
    owners: BTreeMap<FlowOwner, Vec<Flow>>,
    /// What the kernel has of ours.
    rules: BTreeSet<Rule>,
    routes: BTreeSet<Route>,
    /// Left behind by an earlier run, and not wanted again yet.
    stale: BTreeSet<Rule>,
    /// Index of the TUN device once attached.
    tun: Option<u32>,
    addresses: Vec<IpAddr>,
}

impl Router {
    /// Opens netlink (needs `CAP_NET_ADMIN`) and looks what an earlier run left behind, which stays in
    /// force until [`Self::sweep`].
    pub fn open(config: RouterConfig) -> Result<Self, KernelError> {
        let mut router = Self {
            netlink: Netlink::open(netlink_sys::protocols::NETLINK_ROUTE, "route")?,
            config,
            owners: BTreeMap::new(),
            rules: BTreeSet::new(),
            routes: BTreeSet::new(),
            stale: BTreeSet::new(),
            tun: None,
            addresses: Vec::new(),
        };
        for message in router.dump_rules()? {
            match Rule::from_message(&message, &router.config) {
                Some(Ok(rule)) => {
                    router.stale.insert(rule.clone());
                    router.rules.insert(rule);
                }
                Some(Err(())) => router.delete_rule(&message, "remove an old rule")?,
                None => {}
            }
        }
        // Old routes into a TUN device are worth nothing: it went, or will be another one.
        for (route, message) in router.dump_routes()? {
            if route.kind == Kind::Unreachable {
                router.routes.insert(route);
            } else {
                router.delete_route(message)?;
            }
        }
        router.addresses = router.dump_addresses()?;
        if !router.stale.is_empty() {
            tracing::info!(rules = router.stale.len(), "found rules of an earlier run");
        }
        Ok(router)
    }

    /// The TUN device is there: sets its MTU, brings it up, adds the routes into it.
    pub fn attach(&mut self) -> Result<(), KernelError> {
        let name = self.config.tun.clone();
        let index = nix::net::if_::if_nametoindex(name.as_str())
            .map_err(|errno| KernelError::system(format!("find device {name}"), &errno.into()))?;
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.header.flags = LinkFlags::Up;
        link.header.change_mask = LinkFlags::Up;
        let mtu = self.config.mtu.into();
        link.attributes.push(LinkAttribute::Mtu(mtu));
        let text = format!("bring up device {name} with MTU {mtu}");
        self.request(RouteNetlinkMessage::SetLink(link), ACK, &text)?;
        // Routes of a device that is gone went with it.
        self.routes.retain(|route| route.kind == Kind::Unreachable);
        self.tun = Some(index);
        self.apply()
    }

    /// Leads flows into the TUN device. The same owner's earlier flows are replaced, without a gap.
    pub fn protect(&mut self, owner: FlowOwner, flows: &[Flow]) -> Result<(), KernelError> {
        let before = self.owners.insert(owner.clone(), flows.to_vec());
        self.apply().inspect_err(|_| {
            match before {
                Some(flows) => self.owners.insert(owner, flows),
                None => self.owners.remove(&owner),
            };
            // The first error is the one to tell.
            let _ = self.apply();
        })
    }

    /// Lets an owner's flows go, unless another owner has them too.
    pub fn release(&mut self, owner: &FlowOwner) -> Result<(), KernelError> {
        self.owners.remove(owner);
        self.apply()
    }

    /// Lets all blocks of a policy go.
    pub fn unblock(&mut self, policy: &str) -> Result<(), KernelError> {
        let of =
            |owner: &FlowOwner| matches!(owner, FlowOwner::Block { policy: p, .. } if p == policy);
        self.owners.retain(|owner, _| !of(owner));
        self.apply()
    }

    /// Removes what an earlier run left and nobody protects now. To be called once, after the
    /// configuration's blocks are in force.
    pub fn sweep(&mut self) -> Result<(), KernelError> {
        self.stale.clear();
        self.apply()
    }

    /// Looks again which local addresses lie in local selectors (source addresses for our own packets).
    pub fn refresh(&mut self) -> Result<(), KernelError> {
        self.addresses = self.dump_addresses()?;
        self.apply()
    }

    /// Removes everything: a clean stop.
    pub fn flush(&mut self) -> Result<(), KernelError> {
        self.owners.clear();
        self.sweep()
    }

    /// Carries a request out.
    pub fn handle(&mut self, request: &RouteRequest) -> Result<(), KernelError> {
        match request {
            RouteRequest::Attach => self.attach(),
            RouteRequest::Protect { owner, flows } => self.protect(owner.clone(), flows),
            RouteRequest::Release(owner) => self.release(owner),
            RouteRequest::Unblock { policy } => self.unblock(policy),
            RouteRequest::Sweep => self.sweep(),
            RouteRequest::Refresh => self.refresh(),
            RouteRequest::Flush => self.flush(),
        }
    }

    /// Makes the kernel's state what the owners want. New rules come before old ones go.
    fn apply(&mut self) -> Result<(), KernelError> {
        let (rules, routes) = self.wanted();
        for route in routes.difference(&self.routes.clone()) {
            self.add_route(route)?;
        }
        for rule in &rules {
            self.stale.remove(rule);
            if !self.rules.contains(rule) {
                let message = rule.to_message(&self.config);
                let text = format!("add a routing rule for {}", describe(rule));
                let message = RouteNetlinkMessage::NewRule(message);
                self.request(message, ACK | CREATE | EXCLUSIVE, &text)?;
                self.rules.insert(rule.clone());
            }
        }
        let kept = self.stale.clone();
        let surplus: Vec<_> = self.rules.difference(&rules).cloned().collect();
        for rule in surplus.iter().rev().filter(|rule| !kept.contains(rule)) {
            let text = format!("remove a routing rule for {}", describe(rule));
            self.delete_rule(&rule.to_message(&self.config), &text)?;
            self.rules.remove(rule);
        }
        if kept.is_empty() {
            let surplus: Vec<_> = self.routes.difference(&routes).cloned().collect();
            for route in surplus.iter().rev() {
                self.delete_route(route.to_message(&self.config, self.tun.unwrap_or(0)))?;
                self.routes.remove(route);
            }
        }
        Ok(())
    }

    fn wanted(&self) -> (BTreeSet<Rule>, BTreeSet<Route>) {
        let (mut rules, mut routes) = (BTreeSet::new(), BTreeSet::new());
        for flow in self.owners.values().flatten() {
            let (local, peer) = flow;
            let mut inside = self.addresses.iter().copied();
            let source = inside.find(|addr| local.addrs.contains_addr(*addr));
            let of_flow = Rule::of_flow(flow, source);
            // Without a source of its own the default route will do.
            if self.tun.is_some() && of_flow.iter().any(|rule| rule.locally_sent) {
                routes.extend(peer.prefixes().map(|dst| Route {
                    dst,
                    kind: Kind::Tun(source),
                }));
            }
            rules.extend(of_flow);
        }
        for ipv6 in [false, true] {
            if rules.iter().any(|rule| rule.ipv6 == ipv6) {
                rules.extend(Rule::frame(ipv6));
                routes.insert(Route::default(ipv6, Kind::Unreachable));
                if self.tun.is_some() {
                    routes.insert(Route::default(ipv6, Kind::Tun(None)));
                }
            }
        }
        // Two flows to one destination with different sources: the kernel takes one, so do we.
        let mut seen = BTreeSet::new();
        routes.retain(|route| match route.kind {
            Kind::Tun(Some(_)) => seen.insert(route.dst),
            _ => true,
        });
        (rules, routes)
    }

    fn add_route(&mut self, route: &Route) -> Result<(), KernelError> {
        let message = route.to_message(&self.config, self.tun.unwrap_or(0));
        let text = format!("add a route to {}/{}", route.dst.addr, route.dst.len);
        let message = RouteNetlinkMessage::NewRoute(message);
        self.request(message, ACK | CREATE | REPLACE, &text)?;
        self.routes.insert(route.clone());
        Ok(())
    }

    /// Deletes a rule; one that is gone already is no error.
    fn delete_rule(&mut self, message: &RuleMessage, text: &str) -> Result<(), KernelError> {
        let message = RouteNetlinkMessage::DelRule(message.clone());
        gone_is_fine(self.request(message, ACK, text))
    }

    fn delete_route(&mut self, message: RouteMessage) -> Result<(), KernelError> {
        let message = RouteNetlinkMessage::DelRoute(message);
        gone_is_fine(self.request(message, ACK, "remove a route"))
    }

    fn dump_rules(&mut self) -> Result<Vec<RuleMessage>, KernelError> {
        let mut found = Vec::new();
        for family in FAMILIES {
            let mut question = RuleMessage::default();
            question.header.family = family;
            let question = RouteNetlinkMessage::GetRule(question);
            for answer in self.dump(question, family, "list routing rules")? {
                if let RouteNetlinkMessage::NewRule(message) = answer {
                    found.push(message);
                }
            }
        }
        Ok(found)
    }

    fn dump_routes(&mut self) -> Result<Vec<(Route, RouteMessage)>, KernelError> {
        let mut found = Vec::new();
        for family in FAMILIES {
            let mut question = RouteMessage::default();
            question.header.address_family = family;
            let question = RouteNetlinkMessage::GetRoute(question);
            for answer in self.dump(question, family, "list routes")? {
                if let RouteNetlinkMessage::NewRoute(message) = answer
                    && let Some((route, _)) = Route::from_message(&message, &self.config)
                {
                    found.push((route, message));
                }
            }
        }
        Ok(found)
    }

    /// Local addresses that can be a source towards far networks.
    fn dump_addresses(&mut self) -> Result<Vec<IpAddr>, KernelError> {
        let mut found = Vec::new();
        for family in FAMILIES {
            let mut question = AddressMessage::default();
            question.header.family = family;
            let question = RouteNetlinkMessage::GetAddress(question);
            for answer in self.dump(question, family, "list addresses")? {
                let RouteNetlinkMessage::NewAddress(message) = answer else {
                    continue;
                };
                if message.header.scope != AddressScope::Universe {
                    continue;
                }
                // On point-to-point links "address" is the other end, "local" is ours.
                let mut address = None;
                for attribute in message.attributes {
                    match attribute {
                        AddressAttribute::Local(addr) => address = Some(addr),
                        AddressAttribute::Address(addr) => address = address.or(Some(addr)),
                        _ => {}
                    }
                }
                found.extend(address);
            }
        }
        Ok(found)
    }

    fn dump(
        &mut self,
        question: RouteNetlinkMessage,
        family: AddressFamily,
        text: &str,
    ) -> Result<Vec<RouteNetlinkMessage>, KernelError> {
        match self.request(question, DUMP, text) {
            // A kernel without IPv6 has no IPv6 state of ours.
            Err(error)
                if family == AddressFamily::Inet6
                    && matches!(
                        error.errno,
                        Some(nix::libc::EAFNOSUPPORT | nix::libc::EOPNOTSUPP)
                    ) =>
            {
                Ok(Vec::new())
            }
            other => other,
        }
    }

    fn request(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
        text: &str,
    ) -> Result<Vec<RouteNetlinkMessage>, KernelError> {
        let mut body = vec![0; message.buffer_len()];
        message.serialize(&mut body);
        let answers = self
            .netlink
            .request(message.message_type(), flags, &body, || text.into())?;
        let mut header = NetlinkHeader::default();
        let mut parsed = Vec::with_capacity(answers.len());
        for (kind, body) in answers {
            header.message_type = kind;
            // What this version of the parser does not understand is not ours.
            if let Ok(answer) = RouteNetlinkMessage::deserialize(&header, &body) {
                parsed.push(answer);
            }
        }
        Ok(parsed)
    }
}

fn describe(rule: &Rule) -> String {
    let side = |prefix: &Option<ike_ts::Prefix>| {
        prefix.map_or_else(|| "any".into(), |p| format!("{}/{}", p.addr, p.len))
    };
    format!("{} to {}", side(&rule.src), side(&rule.dst))
}

fn gone_is_fine(result: Result<Vec<RouteNetlinkMessage>, KernelError>) -> Result<(), KernelError> {
    match result {
        Err(error)
            if !matches!(
                error.errno,
                Some(nix::libc::ENOENT | nix::libc::ESRCH | nix::libc::ENODEV)
            ) =>
        {
            Err(error)
        }
        _ => Ok(()),
    }
}

const FAMILIES: [AddressFamily; 2] = [AddressFamily::Inet, AddressFamily::Inet6];
