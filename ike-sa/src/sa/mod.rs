//! One IKE SA: its state, its windows, the way of a message in and out. The states are an enum
//! of structs; nothing here compares states by order.
mod child_answer;
mod clock;
mod close;
mod create_child;
mod delete;
mod established;
#[cfg(test)]
mod hostile;
mod initiator;
mod installed;
mod rekey;
mod responder;

use crate::child::{Child, Phase};
use crate::endpoint::InitKey;
use crate::exchange::{Arrival, Due, Exchange, Job, Window};
use crate::message::{self, Keys, Look, OpenError};
use crate::natd::Nat;
use crate::shared::{Core, Effect, Wait};
use crate::stats::Counter;
use crate::*;
use core::time::Duration;
use ike_crypto::{IkeSuite, SkCipher, schedule::SkKeys};
use ike_wire::{Chain, ExchangeType, Flags, Header, NotifyType, Payload, PayloadType, Spi};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use create_child::OwnChild;
pub(crate) use initiator::Connecting;
pub(crate) use rekey::{Fate, OwnRekey};
pub(crate) use responder::HalfOpen;

/// Who began the exchange that made this IKE SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Initiator,
    Responder,
}

/// Where an IKE SA is in its life.
#[derive(Debug)]
pub(crate) enum State {
    /// We began it; IKE_AUTH is not through.
    Connecting(Box<Connecting>),
    /// The peer began it; IKE_AUTH is not through.
    HalfOpen(Box<HalfOpen>),
    /// In use.
    Established,
    /// Made as responder while we rekey the same IKE SA: the nonces will decide.
    Candidate { old: IkeSaId, until: Instant },
    /// Another IKE SA took its place; its delete is awaited or under way.
    Replaced { until: Instant },
    /// Our delete is queued or under way.
    Closing { until: Instant },
    /// Only repeats its last response.
    Closed { until: Instant },
    /// To be forgotten.
    Gone,
}

/// One IKE SA.
#[derive(Debug)]
pub(crate) struct IkeSa {
    pub(crate) id: IkeSaId,
    pub(crate) role: Role,
    pub(crate) spi_i: Spi,
    pub(crate) spi_r: Spi,
    pub(crate) path: Path,
    pub(crate) nat: Nat,
    pub(crate) policy: Option<Arc<Policy>>,
    pub(crate) peer_id: Option<Id>,
    pub(crate) suite: Option<IkeSuite>,
    pub(crate) keys: Option<Keys>,
    pub(crate) window: Window,
    pub(crate) children: BTreeMap<ChildId, Child>,
    pub(crate) state: State,
    pub(crate) begun: Instant,
    pub(crate) established_at: Option<Instant>,
    pub(crate) rekey_at: Option<Instant>,
    pub(crate) expire_at: Option<Instant>,
    /// Last authenticated sign of life.
    pub(crate) last_in: Instant,
    pub(crate) last_out: Instant,
    /// SHA-1 of the IKE_SA_INIT request, for its repetitions.
    pub(crate) init_key: Option<InitKey>,
}

impl IkeSa {
    pub(crate) fn new(core: &mut Core, role: Role, path: Path, state: State) -> Self {
        let own = core.ike_spi();
        let (spi_i, spi_r) = match role {
            Role::Initiator => (own, Spi::ZERO),
            Role::Responder => (Spi::ZERO, own),
        };
        Self {
            id: core.sa_id(),
            role,
            spi_i,
            spi_r,
            path,
            nat: Nat::default(),
            policy: None,
            peer_id: None,
            suite: None,
            keys: None,
            window: Window::default(),
            children: BTreeMap::new(),
            state,
            begun: core.now,
            established_at: None,
            rekey_at: None,
            expire_at: None,
            last_in: core.now,
            last_out: core.now,
            init_key: None,
        }
    }

    /// The SPI the peer addresses us with.
    pub(crate) fn local_spi(&self) -> Spi {
        match self.role {
            Role::Initiator => self.spi_i,
            Role::Responder => self.spi_r,
        }
    }

    /// Whether IKE_AUTH is through and no end has begun.
    pub(crate) fn is_established(&self) -> bool {
        matches!(self.state, State::Established)
    }

    pub(crate) fn policy_name(&self) -> Option<&str> {
        self.policy.as_ref().map(|p| p.name.as_str())
    }

    pub(crate) fn event(&self, core: &mut Core, kind: EventKind) {
        core.event(
            Some(self.id),
            self.policy.as_deref(),
            Some(self.path.peer),
            kind,
        );
    }

    /// Takes keys over and tells them to whoever was asked to log them.
    pub(crate) fn take_keys(
        &mut self,
        core: &mut Core,
        suite: IkeSuite,
        sk: SkKeys,
    ) -> Result<(), Reason> {
        let broken = |e| Reason::Other(format!("IKE SA keys: {e}"));
        let i = SkCipher::new(suite.cipher, &sk.ei, &sk.ai).map_err(broken)?;
        let r = SkCipher::new(suite.cipher, &sk.er, &sk.ar).map_err(broken)?;
        let (ours, theirs) = match self.role {
            Role::Initiator => (i, r),
            Role::Responder => (r, i),
        };
        if core.config.keylog {
            let row = keylog::row(self.spi_i, self.spi_r, &suite, &sk);
            self.event(core, EventKind::KeyLog(row));
        }
        self.suite = Some(suite);
        self.keys = Some(Keys { sk, ours, theirs });
        Ok(())
    }

    fn flags(&self, response: bool) -> Flags {
        Flags {
            initiator: self.role == Role::Initiator,
            version: false,
            response,
        }
    }

    /// Sends a protected request as the next exchange.
    pub(crate) fn send(
        &mut self,
        core: &mut Core,
        kind: ExchangeType,
        exchange: Exchange,
        payloads: Vec<Payload<'_>>,
    ) {
        let header = message::header(
            self.spi_i,
            self.spi_r,
            kind,
            self.flags(false),
            self.window.next_id(),
        );
        let sealed = self
            .keys
            .as_mut()
            .and_then(|k| message::seal(&mut k.ours, header, payloads, &mut *core.rng));
        let Some(sealed) = sealed else {
            self.fail(core, Reason::Other("the cipher refuses to go on".into()));
            return;
        };
        let datagrams = vec![sealed];
        core.transmit(self.path, &datagrams);
        self.last_out = core.now;
        self.window
            .started(&mut *core.rng, core.now, exchange, datagrams);
    }

    /// Answers the request we work on.
    pub(crate) fn respond(&mut self, core: &mut Core, payloads: Vec<Payload<'_>>) {
        let Some(answering) = self.window.answering else {
            return;
        };
        let header = message::header(
            self.spi_i,
            self.spi_r,
            answering.exchange,
            self.flags(true),
            answering.id,
        );
        let sealed = self
            .keys
            .as_mut()
            .and_then(|k| message::seal(&mut k.ours, header, payloads, &mut *core.rng));
        let Some(sealed) = sealed else {
            self.fail(core, Reason::Other("the cipher refuses to go on".into()));
            return;
        };
        let datagrams = vec![sealed];
        self.window.answered(&datagrams);
        core.transmit(answering.path, &datagrams);
        self.last_out = core.now;
    }

    /// Answers with one notification.
    pub(crate) fn respond_notify(&mut self, core: &mut Core, kind: NotifyType, data: Vec<u8>) {
        self.respond(core, vec![message::notify(kind, data)]);
    }

    /// A datagram for this IKE SA, header already read.
    pub(crate) fn handle(&mut self, core: &mut Core, path: Path, header: &Header, bytes: &[u8]) {
        //= rfc7296#2.2: the Initiator flag says who began the IKE SA
        if header.flags.initiator != (self.role == Role::Responder) {
            core.stats.count(Counter::DropBadInit);
            return;
        }
        if header.flags.response {
            self.handle_response(core, path, header, bytes);
        } else {
            self.handle_request(core, path, header, bytes);
        }
    }

    fn handle_response(&mut self, core: &mut Core, path: Path, header: &Header, bytes: &[u8]) {
        let id = header.message_id.0;
        if !self.window.awaits(id) || matches!(self.state, State::Closed { .. } | State::Gone) {
            core.stats.count(Counter::DropUnexpectedResponse);
            return;
        }
        let initial = matches!(
            self.window.inflight.as_ref().map(|i| &i.exchange),
            Some(Exchange::Init)
        );
        if initial {
            self.handle_init_response(core, path, header, bytes);
            return;
        }
        let expected = match self.window.inflight.as_ref().map(|i| &i.exchange) {
            Some(Exchange::Auth) => ExchangeType::IKE_AUTH,
            Some(Exchange::CreateChild(_) | Exchange::RekeyIke(_)) => ExchangeType::CREATE_CHILD_SA,
            Some(Exchange::Abandoned) => header.exchange,
            _ => ExchangeType::INFORMATIONAL,
        };
        if header.exchange != expected {
            core.stats.count(Counter::DropExchange);
            return;
        }
        let Some((first, plain)) = self.open(core, bytes) else {
            return;
        };
        core.stats.count(Counter::ResponsesIn);
        self.authenticated(core, path);
        let chain = match Chain::decode(first, plain.expose()) {
            Ok(chain) => chain,
            Err(e) => {
                core.stats.count(Counter::DropMalformed);
                self.fail(core, Reason::InvalidSyntax(e.to_string()));
                return;
            }
        };
        let look = Look(&chain.payloads);
        //= rfc7296#2.5: a critical unknown payload in a response is an error of the peer
        if let Some(kind) = look.unsupported_critical() {
            self.fail(
                core,
                Reason::InvalidSyntax(format!("critical payload {kind} in a response")),
            );
            return;
        }
        let Some(exchange) = self.window.response(id) else {
            return;
        };
        match exchange {
            Exchange::Init | Exchange::Abandoned | Exchange::Liveness => {}
            Exchange::Auth => self.on_auth_response(core, first, &plain, look),
            Exchange::CreateChild(own) => self.on_create_child_response(core, *own, look),
            Exchange::RekeyIke(own) => self.on_rekey_ike_response(core, *own, look),
            Exchange::DeleteChildren(ids) => self.on_children_deleted(core, &ids),
            Exchange::DeleteUnused(spi) => {
                core.child_spis.remove(&spi);
            }
            Exchange::DeleteIke => self.forget(core),
        }
    }

    fn handle_request(&mut self, core: &mut Core, path: Path, header: &Header, bytes: &[u8]) {
        let id = header.message_id.0;
        match self.window.arrival(id, bytes) {
            Arrival::New => {}
            Arrival::Repeated(datagrams) => {
                core.stats.count(Counter::RetransmitsIn);
                core.transmit(path, &datagrams);
                return;
            }
            Arrival::InProgress => {
                core.stats.count(Counter::DropInProgress);
                return;
            }
            Arrival::Outside => {
                core.stats.count(Counter::DropMessageId);
                return;
            }
        }
        let expected = match self.state {
            State::HalfOpen(_) => header.exchange == ExchangeType::IKE_AUTH,
            State::Connecting(_) | State::Closed { .. } | State::Gone => false,
            State::Established
            | State::Candidate { .. }
            | State::Replaced { .. }
            | State::Closing { .. } => matches!(
                header.exchange,
                ExchangeType::CREATE_CHILD_SA | ExchangeType::INFORMATIONAL
            ),
        };
        if !expected {
            core.stats.count(Counter::DropExchange);
            return;
        }
        let Some((first, plain)) = self.open(core, bytes) else {
            return;
        };
        let chain = Chain::decode(first, plain.expose());
        if let State::Candidate { old, .. } = self.state
            && !chain
                .as_ref()
                .is_ok_and(|c| delete::is_ike_delete(Look(&c.payloads)))
        {
            // The peer uses it, so it is the survivor. Its children come over first; the
            // peer repeats this request.
            core.effect(Effect::CandidateChosen {
                old,
                candidate: self.id,
            });
            core.stats.count(Counter::DropInProgress);
            return;
        }
        core.stats.count(Counter::RequestsIn);
        self.window.accept(id, header.exchange, bytes, path);
        self.authenticated(core, path);
        let chain = match chain {
            Ok(chain) => chain,
            Err(e) => {
                //= rfc7296#2.21.3: an authenticated but malformed request is answered INVALID_SYNTAX and ends the IKE SA
                core.stats.count(Counter::DropMalformed);
                self.respond_notify(core, NotifyType::INVALID_SYNTAX, Vec::new());
                self.end(core, Reason::InvalidSyntax(e.to_string()));
                return;
            }
        };
        let look = Look(&chain.payloads);
        if let Some(kind) = look.unsupported_critical() {
            self.respond_notify(core, NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, vec![kind.0]);
            return;
        }
        match header.exchange {
            ExchangeType::IKE_AUTH => self.on_auth_request(core, first, plain.duplicate(), look),
            ExchangeType::CREATE_CHILD_SA => self.on_create_child_request(core, look),
            _ => self.on_informational(core, look),
        }
    }

    /// Verifies and decrypts, or counts why not.
    fn open(&self, core: &mut Core, bytes: &[u8]) -> Option<(PayloadType, ike_crypto::Secret)> {
        let Some(keys) = &self.keys else {
            core.stats.count(Counter::DropUnprotected);
            return None;
        };
        match message::open(&keys.theirs, bytes) {
            Ok(opened) => Some(opened),
            Err(OpenError::Malformed) => {
                core.stats.count(Counter::DropMalformed);
                None
            }
            Err(OpenError::Integrity) => {
                core.stats.count(Counter::DropIntegrity);
                None
            }
        }
    }

    /// A new message of the peer is genuine: it is alive, and perhaps somewhere else.
    fn authenticated(&mut self, core: &mut Core, path: Path) {
        self.last_in = core.now;
        if path == self.path {
            return;
        }
        let port_only =
            path.peer.ip() == self.path.peer.ip() && path.local.ip() == self.path.local.ip();
        let early = matches!(self.state, State::HalfOpen(_));
        let floated = port_only && path.local.port() != core.config.ike_port;
        if early || floated || (self.nat.follows() && path.local.port() != core.config.ike_port) {
            self.move_to(core, path);
        }
    }

    /// The peer (or we) are elsewhere now; children follow.
    pub(crate) fn move_to(&mut self, core: &mut Core, path: Path) {
        let from = self.path.peer;
        self.path = path;
        if from != path.peer && self.is_established() {
            self.event(
                core,
                EventKind::PeerAddressChanged {
                    from,
                    to: path.peer,
                },
            );
        }
        let id = self.id;
        for child in self.children.values_mut() {
            child.follow(core, id, path);
        }
    }

    /// An answer of another process.
    pub(crate) fn on_answer(&mut self, core: &mut Core, wait: Wait, answer: Answer) {
        match (wait, answer) {
            (Wait::SourceAddress, Answer::SourceAddress(r)) => self.on_source_address(core, r),
            (Wait::MakeAuth, Answer::AuthMade(r)) => match self.role {
                Role::Initiator => self.on_auth_made_initiator(core, r),
                Role::Responder => self.on_auth_made_responder(core, r),
            },
            (Wait::VerifyAuth, Answer::AuthVerified(r)) => match self.role {
                Role::Initiator => self.on_auth_verified_initiator(core, r),
                Role::Responder => self.on_auth_verified_responder(core, r),
            },
            (Wait::Install(child), Answer::DataPlane(r)) => self.on_installed(core, child, r),
            _ => {}
        }
    }

    /// Starts the next exchange of ours if none is under way.
    pub(crate) fn pump(&mut self, core: &mut Core) {
        while self.window.inflight.is_none() {
            let ready = match self.state {
                State::Established | State::Closing { .. } => true,
                State::Connecting(_)
                | State::HalfOpen(_)
                | State::Candidate { .. }
                | State::Replaced { .. }
                | State::Closed { .. }
                | State::Gone => false,
            };
            if !ready {
                return;
            }
            let Some(job) = self.window.queue.pop_front() else {
                return;
            };
            match job {
                Job::CreateChild(name) => self.start_child(core, &name),
                Job::RekeyChild(child) => self.start_child_rekey(core, child),
                Job::RekeyIke => {
                    let busy = self
                        .children
                        .values()
                        .any(|c| matches!(c.phase, Phase::Installing(_)));
                    if busy {
                        // Children in the making cannot move; the data plane's answer pumps again.
                        self.window.queue.push_front(Job::RekeyIke);
                        return;
                    }
                    self.start_ike_rekey(core);
                }
                Job::DeleteChildren(ids) => self.start_child_delete(core, &ids),
                Job::DeleteUnused(protocol, spi) => self.start_unused_delete(core, protocol, spi),
                Job::DeleteIke { auth_failed } => self.start_ike_delete(core, auth_failed),
                Job::Liveness => {
                    self.send(
                        core,
                        ExchangeType::INFORMATIONAL,
                        Exchange::Liveness,
                        Vec::new(),
                    );
                }
            }
        }
    }

    /// As `ikectl show sa` sees it.
    pub(crate) fn snapshot(&self, now: Instant) -> Option<IkeSaSnapshot> {
        let rekeying = matches!(
            self.window.inflight.as_ref().map(|i| &i.exchange),
            Some(Exchange::RekeyIke(_))
        );
        let state = match self.state {
            State::Connecting(_) | State::HalfOpen(_) => "CONNECTING",
            State::Established if rekeying => "REKEYING",
            State::Established => "ESTABLISHED",
            State::Candidate { .. } | State::Replaced { .. } => "REKEYED",
            State::Closing { .. } => "DELETING",
            State::Closed { .. } | State::Gone => return None,
        };
        let ike = self.suite.map(|s| {
            let (encr, bits) = s.cipher.encr();
            (encr, bits, s.cipher.integ(), s.prf.id(), s.ke)
        });
        Some(IkeSaSnapshot {
            id: self.id.0,
            name: self.policy_name().unwrap_or_default().to_owned(),
            state: state.into(),
            initiator: self.role == Role::Initiator,
            spi_i: self.spi_i,
            spi_r: self.spi_r,
            local: (
                self.policy.as_ref().map(|p| p.local_id.clone()),
                self.path.local,
            ),
            peer: (self.peer_id.clone(), self.path.peer),
            ike,
            established_s: self.established_at.map(|t| now.since(t).as_secs()),
            rekey_in_s: self.rekey_at.map(|t| t.since(now).as_secs()),
            nat: (self.nat.local, self.nat.peer),
            children: self
                .children
                .values()
                .filter(|c| !matches!(c.phase, Phase::Lingering { .. }))
                .map(|c| c.snapshot(now))
                .collect(),
        })
    }
}
