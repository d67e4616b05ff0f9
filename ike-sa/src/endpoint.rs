//! The endpoint: every IKE SA of a host, their timers and indices. Carries out what one IKE SA
//! means for others. Messages come in through `demux.rs`.
use crate::cookie::Cookies;
use crate::keeper::Keeper;
use crate::message;
use crate::sa::{Fate, IkeSa, Role, State};
use crate::shared::{Core, Effect, Wait};
use crate::stats::Counter;
use crate::*;
use ike_wire::{Datagram, Spi};
use rand_core::CryptoRng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What an endpoint needs besides policies.
#[derive(Debug, Clone)]
pub struct Config {
    /// UDP port of plain IKE; 500.
    pub ike_port: u16,
    /// UDP port with non-ESP marker; 4500.
    pub nat_port: u16,
    /// Emit [`EventKind::KeyLog`].
    pub keylog: bool,
    /// The data plane can only do ESP in UDP, so pretend a NAT (false for ours).
    pub force_encap: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ike_port: 500,
            nat_port: 4500,
            keylog: false,
            force_encap: false,
        }
    }
}

/// An IKE_SA_INIT request: its hash and where it came from.
pub(crate) type InitKey = ([u8; 20], core::net::SocketAddr);

/// All IKE SAs of a host.
pub struct Endpoint {
    pub(crate) core: Core,
    pub(crate) sas: BTreeMap<IkeSaId, IkeSa>,
    /// By the SPI the peer addresses us with.
    pub(crate) by_spi: BTreeMap<Spi, IkeSaId>,
    /// By the hash of the IKE_SA_INIT request and the peer's address.
    pub(crate) by_init: BTreeMap<InitKey, IkeSaId>,
    /// Kept by [`Self::index`]; entries of children that are gone stay for a while.
    by_child: BTreeMap<ChildId, IkeSaId>,
    timers: BTreeSet<(Instant, IkeSaId)>,
    scheduled: BTreeMap<IkeSaId, Instant>,
    /// And whom each is counted for.
    pub(crate) half_open: BTreeMap<IkeSaId, core::net::IpAddr>,
    pub(crate) cookies: Cookies,
    pub(crate) keeper: Keeper,
    /// Unauthenticated error replies: start of the second, and how many in it.
    pub(crate) replies: (Instant, u32),
}

impl core::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Endpoint")
            .field("sas", &self.sas.len())
            .field("keeper", &self.keeper)
            .finish_non_exhaustive()
    }
}

impl Endpoint {
    /// An endpoint without policies.
    pub fn new(config: Config, mut rng: Box<dyn CryptoRng + Send>, now: Instant) -> Self {
        let cookies = Cookies::new(&mut *rng, now);
        Self {
            core: Core::new(config, rng, now),
            sas: BTreeMap::new(),
            by_spi: BTreeMap::new(),
            by_init: BTreeMap::new(),
            by_child: BTreeMap::new(),
            timers: BTreeSet::new(),
            scheduled: BTreeMap::new(),
            half_open: BTreeMap::new(),
            cookies,
            keeper: Keeper::default(),
            replies: (now, 0),
        }
    }

    /// Swaps the policies: SAs of policies that vanished or changed are closed, new active ones started.
    pub fn set_policies(&mut self, now: Instant, set: PolicySet) {
        self.core.now = now;
        self.core.settings = set.settings;
        self.core.policies = set.policies.into_iter().map(Arc::new).collect();
        let policies = self.core.policies.clone();
        let ids: Vec<_> = self.sas.keys().copied().collect();
        for id in ids {
            self.with(id, |sa, core| {
                let Some(old) = sa.policy.clone() else {
                    return;
                };
                match policies.iter().find(|p| p.name == old.name) {
                    Some(new) if **new == *old => sa.policy = Some(new.clone()),
                    _ => sa.close(core, Reason::PolicyRemoved),
                }
            });
        }
        self.keeper.policies_changed();
        self.settle();
    }

    /// A datagram arrived: as received, marker included.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &[u8]) {
        self.core.now = now;
        self.core.stats.count(Counter::DatagramsIn);
        match message::classify(&path, self.core.config.ike_port, datagram) {
            Datagram::Ike(bytes) => self.handle_message(path, bytes),
            Datagram::Esp(..) => self.core.stats.count(Counter::DropEsp),
            Datagram::Keepalive => self.core.stats.count(Counter::KeepalivesIn),
            Datagram::Junk => self.core.stats.count(Counter::DropJunk),
        }
        self.settle();
    }

    /// Runs what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.core.now = now;
        self.expire_requests();
        while let Some((at, id)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.timers.remove(&(at, id));
            self.scheduled.remove(&id);
            self.with(id, |sa, core| sa.on_time(core));
            self.settle();
        }
        self.settle();
    }

    /// When [`Self::handle_timeout`] is wanted next.
    pub fn next_timeout(&self) -> Option<Instant> {
        let sas = self.timers.first().map(|(at, _)| *at);
        let requests = self
            .core
            .requests
            .values()
            .filter(|w| w.wait != Wait::Ignored)
            .map(|w| w.deadline)
            .min();
        let keeper = self.keeper.deadline();
        [sas, requests, keeper].into_iter().flatten().min()
    }

    /// An answer arrived.
    pub fn answer(&mut self, now: Instant, id: RequestId, answer: Answer) {
        self.core.now = now;
        self.deliver(id, answer);
        self.settle();
    }

    /// The data plane says something.
    pub fn kernel_event(&mut self, now: Instant, event: KernelEvent) {
        self.core.now = now;
        match event {
            KernelEvent::Acquire { policy, .. } => {
                self.keeper.acquire(&self.core, &policy);
            }
            KernelEvent::MappingChanged { child, peer } => {
                if let Some(id) = self.owner(child) {
                    self.with(id, |sa, core| {
                        let path = Path {
                            local: sa.path.local,
                            peer,
                        };
                        if sa.nat.follows() && path != sa.path {
                            sa.move_to(core, path);
                        }
                    });
                }
            }
            KernelEvent::Counters(list) => {
                for (child, counters) in list {
                    if let Some(id) = self.owner(child) {
                        self.with(id, |sa, core| sa.on_counters(core, child, counters));
                    }
                }
            }
        }
        self.settle();
    }

    /// An administrator wants something; ends with [`Output::CommandDone`].
    pub fn command(&mut self, now: Instant, id: CommandId, command: Command) {
        self.core.now = now;
        self.run_command(id, command);
        self.settle();
    }

    /// The next output; call until `None` after every input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.core.out.pop_front()
    }

    /// All SAs as they are now.
    pub fn snapshot(&self, now: Instant) -> Vec<IkeSaSnapshot> {
        self.sas
            .values()
            .filter_map(|sa| sa.snapshot(now))
            .collect()
    }

    /// Named counters: datagrams, drops by cause, exchanges… in a fixed order.
    pub fn stats(&self) -> Vec<(&'static str, u64)> {
        self.core.stats.all()
    }

    /// The last failures, newest last, a bounded number.
    pub fn failures(&self) -> Vec<Event> {
        self.core.failures.iter().cloned().collect()
    }

    /// The IKE SA that has a child.
    fn owner(&self, child: ChildId) -> Option<IkeSaId> {
        let has = |id: &IkeSaId| {
            self.sas
                .get(id)
                .is_some_and(|sa| sa.children.contains_key(&child))
        };
        self.by_child.get(&child).copied().filter(has)
    }

    /// Lets one IKE SA work, then starts its next exchange.
    pub(crate) fn with(&mut self, id: IkeSaId, work: impl FnOnce(&mut IkeSa, &mut Core)) {
        if let Some(sa) = self.sas.get_mut(&id) {
            work(sa, &mut self.core);
            sa.pump(&mut self.core);
        }
        self.index(id);
    }

    pub(crate) fn insert(&mut self, sa: IkeSa) {
        let id = sa.id;
        self.by_spi.insert(sa.local_spi(), id);
        self.sas.insert(id, sa);
        self.with(id, |_, _| {});
    }

    /// Keeps timers and half-open counts true to an IKE SA; forgets it when it is gone.
    fn index(&mut self, id: IkeSaId) {
        if let Some(at) = self.scheduled.remove(&id) {
            self.timers.remove(&(at, id));
        }
        let Some(sa) = self.sas.get(&id) else {
            return;
        };
        if matches!(sa.state, State::Gone) {
            self.by_spi.remove(&sa.local_spi());
            if let Some(key) = &sa.init_key {
                self.by_init.remove(key);
            }
            self.half_open.remove(&id);
            self.core.known.remove(&id);
            self.sas.remove(&id);
            let gone = Err(Reason::Other("the IKE SA is gone".into()));
            self.core
                .effect(Effect::Rekeyed(shared::Subject::Ike(id), gone));
            self.core.effect(Effect::Review);
            return;
        }
        for child in sa.children.keys() {
            self.by_child.insert(*child, id);
        }
        if self.by_child.len() > self.sas.len().saturating_mul(8).saturating_add(1024) {
            let sas = &self.sas;
            self.by_child.retain(|child, id| {
                sas.get(id)
                    .is_some_and(|sa| sa.children.contains_key(child))
            });
        }
        // What failed to authenticate still costs memory until its tombstone goes.
        let stillborn = matches!(sa.state, State::Closed { .. })
            && sa.role == Role::Responder
            && sa.established_at.is_none();
        if stillborn || matches!(sa.state, State::HalfOpen(_)) {
            self.half_open.insert(id, demux::site(sa.path.peer.ip()));
        } else {
            self.half_open.remove(&id);
        }
        if let Some(at) = sa.deadline(&self.core.settings) {
            self.timers.insert((at, id));
            self.scheduled.insert(id, at);
        }
    }

    /// Carries out everything that follows from an input.
    fn settle(&mut self) {
        loop {
            if let Some(effect) = self.core.effects.pop_front() {
                self.carry_out(effect);
                continue;
            }
            if let Some((id, answer)) = self.core.own_answers.pop_front() {
                self.deliver(id, answer);
                continue;
            }
            if self.maintain() {
                continue;
            }
            break;
        }
    }

    fn deliver(&mut self, id: RequestId, answer: Answer) {
        let Some(waiter) = self.core.requests.remove(&id) else {
            return;
        };
        let owner = match waiter.wait {
            Wait::Ignored => return,
            Wait::Install(child) => self.owner(child),
            _ => Some(waiter.sa),
        };
        if let Some(owner) = owner {
            self.with(owner, |sa, core| sa.on_answer(core, waiter.wait, answer));
        }
    }

    /// A request without answer counts as refused.
    fn expire_requests(&mut self) {
        let now = self.core.now;
        let late: Vec<_> = self
            .core
            .requests
            .iter()
            .filter(|(_, w)| w.deadline <= now)
            .map(|(id, w)| (*id, w.wait))
            .collect();
        for (id, wait) in late {
            let text = "no answer in time".to_owned();
            let answer = match wait {
                Wait::SourceAddress => Answer::SourceAddress(Err(text)),
                Wait::MakeAuth => Answer::AuthMade(Err(text)),
                Wait::VerifyAuth => Answer::AuthVerified(Err(text)),
                Wait::Install(_) | Wait::Ignored => Answer::DataPlane(Err(text)),
            };
            self.deliver(id, answer);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Add(sa) => self.insert(*sa),
            Effect::Move { from, to } => {
                self.move_children(from, to);
                self.with(from, |sa, core| sa.end(core, Reason::Rekeyed));
            }
            Effect::CandidateChosen { old, candidate } => {
                if let Some(sa) = self.sas.get_mut(&old) {
                    sa.candidate_is(Fate::Chosen);
                }
                self.move_children(old, candidate);
            }
            Effect::CandidateDeleted { old } => {
                self.with(old, |sa, _| sa.candidate_is(Fate::Deleted));
            }
            Effect::Established(id) => self.on_established(id),
            Effect::InitialContact(id) => self.on_initial_contact(id),
            Effect::AttemptFailed { policy, reason } => {
                self.keeper.attempt_failed(&mut self.core, &policy, &reason);
            }
            Effect::ChildRefused {
                policy,
                child,
                reason,
            } => self
                .keeper
                .child_refused(&mut self.core, &policy, &child, &reason),
            Effect::ChildLost { policy, child } => {
                self.keeper.child_lost(&mut self.core, &policy, &child);
            }
            Effect::Rekeyed(subject, result) => {
                self.keeper.rekeyed(&mut self.core, subject, &result);
            }
            Effect::Review => self.keeper.review(),
        }
    }

    /// Everything of an IKE SA goes over to the candidate that won.
    fn move_children(&mut self, old: IkeSaId, new: IkeSaId) {
        let (Some(mut from), Some(mut to)) = (self.sas.remove(&old), self.sas.remove(&new)) else {
            return;
        };
        if matches!(to.state, State::Candidate { .. }) {
            from.hand_over(&mut self.core, &mut to);
            from.state = State::Replaced {
                until: self.core.now.after(timer::REKEYED_IKE),
            };
        }
        self.sas.insert(old, from);
        self.sas.insert(new, to);
        self.with(old, |_, _| {});
        self.with(new, |_, _| {});
    }

    /// The peer has nothing but this IKE SA.
    fn on_initial_contact(&mut self, id: IkeSaId) {
        let Some(new) = self.core.known.get(&id).cloned() else {
            return;
        };
        //= rfc7296#2.4: INITIAL_CONTACT, once authenticated, ends other IKE SAs with that identity
        let stale: Vec<_> = self
            .core
            .known
            .iter()
            .filter(|(other, k)| {
                // The peer took part in those made after this one began: they are not lost to it.
                **other != id && new.speaks_for(k)
            })
            .map(|(other, _)| *other)
            .collect();
        for other in stale {
            self.with(other, |sa, core| sa.fail(core, Reason::Replaced));
        }
    }

    fn on_established(&mut self, id: IkeSaId) {
        let Some(new) = self.core.known.get(&id).cloned() else {
            return;
        };
        self.keeper.established(&self.core, &new.policy);
        let same = |k: &shared::Known| {
            k.peer_id.matches(&new.peer_id) && k.local_id.matches(&new.local_id)
        };
        let others: Vec<_> = self
            .core
            .known
            .iter()
            .filter(|(other, k)| **other != id && same(k))
            .map(|(other, k)| (*other, k.clone()))
            .collect();
        if !new.initiator {
            // The peer was faster: what we began for the same policy is not needed, as long as
            // the peer cannot have authenticated us in it.
            let needless: Vec<_> = self
                .sas
                .values()
                .filter(|sa| sa.policy_name() == Some(&new.policy) && sa.is_before_auth())
                .map(|sa| sa.id)
                .collect();
            for other in needless {
                self.with(other, |sa, core| sa.forget(core));
            }
        }
        // Both ends began at once: the lower SPI gives way, and whoever began that one deletes it.
        for (other, k) in &others {
            let (ours, theirs, own) = match (new.initiator, k.initiator) {
                (true, false) => (&new, k, id),
                (false, true) => (k, &new, *other),
                _ => continue,
            };
            let crossed = theirs.at >= ours.begun && ours.at >= theirs.begun;
            if k.policy == new.policy && crossed && ours.spi_i < theirs.spi_i {
                self.with(own, |sa, core| sa.close(core, Reason::Replaced));
                if own == id {
                    return;
                }
            }
        }
        if self.core.settings.enforce_single_ike_sa {
            for (other, k) in &others {
                if new.speaks_for(k) {
                    self.with(*other, |sa, core| sa.close(core, Reason::Replaced));
                }
            }
        }
        self.limit(others.iter().filter(|(_, k)| k.policy == new.policy));
    }

    /// A peer may come back without its old IKE SAs being gone, but not without end: of too many
    /// the one that was silent for the longest time goes. Refusing the new one instead would shut
    /// out a peer that lost its state.
    fn limit<'k>(&mut self, others: impl Iterator<Item = &'k (IkeSaId, shared::Known)>) {
        let used: Vec<_> = others
            .filter_map(|(id, _)| self.sas.get(id).filter(|sa| sa.is_established()))
            .map(|sa| (sa.last_in, sa.id))
            .collect();
        if used.len() >= timer::IKE_SAS_PER_PEER
            && let Some((_, id)) = used.into_iter().min()
        {
            let text = format!("more than {} IKE SAs of one peer", timer::IKE_SAS_PER_PEER);
            self.with(id, |sa, core| sa.close(core, Reason::Other(text)));
        }
    }
}
