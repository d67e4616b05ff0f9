//! Our IKE_SA_INIT and IKE_AUTH (RFC 7296 §1.2): cookies and other groups as the responder
//! asks, NAT detection and the float to port 4500, identities, AUTH made and verified elsewhere.
//! Refuses to give an attempt up at once because of anything unauthenticated (§2.21.1).
use super::*;
use core::net::{IpAddr, SocketAddr};
use ike_crypto::{auth, ke};
use ike_wire::payload::{AuthPayload, Body, Identification, KePayload};
use ike_wire::{AuthMethod, KeMethod, Message};

/// An attempt of ours.
#[derive(Debug)]
pub(crate) struct Connecting {
    step: Step,
    nonce_i: Vec<u8>,
    nonce_r: Vec<u8>,
    method: KeMethod,
    key: Option<ke::Initiator>,
    cookie: Option<Vec<u8>>,
    restarts: u32,
    /// Our IKE_SA_INIT message as sent last, and the response: what AUTH covers.
    request: Vec<u8>,
    response: Vec<u8>,
    /// The first child.
    pub(crate) child: Option<OwnChild>,
    /// What an unauthenticated message claims went wrong.
    pub(crate) error: Option<Reason>,
    pub(crate) give_up_at: Option<Instant>,
}

/// Where an attempt is.
#[derive(Debug)]
enum Step {
    /// Our address is being found out.
    Resolving,
    /// IKE_SA_INIT is under way.
    Init,
    /// `ca` makes our AUTH.
    Making,
    /// IKE_AUTH is under way.
    Auth,
    /// `ca` checks the peer's AUTH; the response's contents wait.
    Verifying {
        first: PayloadType,
        plain: ike_crypto::Secret,
    },
}

/// Longest identity taken from a peer, in octets.
const ID_MAX: usize = 1024;

/// ID payload without its generic header, as AUTH covers it.
pub(crate) fn id_body(id: &Id) -> Vec<u8> {
    let mut out = vec![id.kind.0, 0, 0, 0];
    out.extend_from_slice(&id.data);
    out
}

pub(crate) fn id_payload(id: &Id) -> Identification<'static> {
    Identification {
        id_type: id.kind,
        data: id.data.clone().into(),
    }
}

/// The identity in an ID payload of the peer. Refused is what is longer than any identity in use:
/// it would end up in logs and reasons, in the lookups of every policy and in other processes.
pub(crate) fn id_of(id: &Identification<'_>) -> Result<Id, Reason> {
    if id.data.len() > ID_MAX {
        let text = format!("identity of {} octets", id.data.len());
        return Err(Reason::InvalidSyntax(text));
    }
    Ok(Id {
        kind: id.id_type,
        data: id.data.to_vec(),
    })
}

impl IkeSa {
    /// Begins an attempt for a policy with one peer address.
    pub(crate) fn connect(core: &mut Core, policy: Arc<Policy>) -> Result<Self, Reason> {
        let Some(peer) = policy.peer_addr() else {
            return Err(Reason::Other(format!(
                "policy \"{}\" names no single peer address",
                policy.name
            )));
        };
        let methods = negotiate::ike_methods(&policy.ike);
        let Some(method) = methods.first().copied() else {
            return Err(Reason::Other(format!(
                "policy \"{}\" has no usable IKE proposal",
                policy.name
            )));
        };
        let local = policy
            .local
            .filter(|r| r.start() == r.end())
            .map(|r| r.start());
        let any: IpAddr = match peer {
            IpAddr::V4(_) => core::net::Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => core::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        let path = Path {
            local: SocketAddr::new(local.unwrap_or(any), core.config.ike_port),
            peer: SocketAddr::new(peer, core.config.ike_port),
        };
        let connecting = Connecting {
            step: Step::Resolving,
            nonce_i: core.nonce(),
            nonce_r: Vec::new(),
            method,
            key: None,
            cookie: None,
            restarts: 0,
            request: Vec::new(),
            response: Vec::new(),
            child: None,
            error: None,
            give_up_at: None,
        };
        let mut sa = Self::new(
            core,
            Role::Initiator,
            path,
            State::Connecting(Box::new(connecting)),
        );
        sa.policy = Some(policy);
        sa.event(core, EventKind::Connecting);
        if local.is_some() {
            sa.send_init(core);
        } else {
            core.request(sa.id, Wait::SourceAddress, Request::SourceAddress { peer });
        }
        Ok(sa)
    }

    /// Whether this is an attempt of ours whose IKE_AUTH was not sent yet.
    pub(crate) fn is_before_auth(&self) -> bool {
        match &self.state {
            State::Connecting(c) => {
                matches!(c.step, Step::Resolving | Step::Init | Step::Making)
            }
            _ => false,
        }
    }

    pub(crate) fn on_source_address(&mut self, core: &mut Core, answer: Result<IpAddr, String>) {
        let State::Connecting(c) = &self.state else {
            return;
        };
        if !matches!(c.step, Step::Resolving) {
            return;
        }
        match answer {
            Ok(local) if local.is_ipv4() == self.path.peer.is_ipv4() => {
                self.path.local.set_ip(local);
                self.send_init(core);
            }
            Ok(local) => {
                let text = format!("local address {local} is of another family than the peer's");
                self.fail(core, Reason::Other(text));
            }
            Err(e) => self.fail(core, Reason::Other(format!("no local address: {e}"))),
        }
    }

    /// Sends IKE_SA_INIT, first or again with what the responder asked for.
    fn send_init(&mut self, core: &mut Core) {
        let (spi_i, spi_r, path) = (self.spi_i, self.spi_r, self.path);
        let Some(policy) = self.policy.clone() else {
            return;
        };
        let State::Connecting(c) = &mut self.state else {
            return;
        };
        if c.key.as_ref().is_none_or(|k| k.method() != c.method) {
            match ke::Initiator::generate(c.method, &mut *core.rng) {
                Ok(key) => c.key = Some(key),
                Err(e) => {
                    let text = format!("key exchange {}: {e}", c.method);
                    self.fail(core, Reason::Other(text));
                    return;
                }
            }
        }
        let public = c.key.as_ref().map(|k| k.public().to_vec());
        let mut payloads = Vec::new();
        //= rfc7296#2.6: the cookie comes first, all else unchanged
        if let Some(cookie) = &c.cookie {
            payloads.push(message::notify(NotifyType::COOKIE, cookie.clone()));
        }
        payloads.push(Body::Sa(negotiate::offer_ike(&policy.ike, None)).into());
        payloads.push(
            Body::Ke(KePayload {
                method: c.method,
                data: public.unwrap_or_default().into(),
            })
            .into(),
        );
        payloads.push(Body::Nonce(c.nonce_i.clone().into()).into());
        if !core.settings.no_nat_traversal {
            let force = core.config.force_encap;
            for n in natd::notifies(spi_i, spi_r, &path, force) {
                payloads.push(Body::Notify(n).into());
            }
        }
        let flags = Flags {
            initiator: true,
            ..Flags::default()
        };
        let header = message::header(spi_i, spi_r, ExchangeType::IKE_SA_INIT, flags, 0);
        let bytes = message::clear(header, payloads);
        c.request.clone_from(&bytes);
        c.step = Step::Init;
        self.window.restarted();
        let datagrams = vec![bytes];
        core.transmit(path, &datagrams);
        self.last_out = core.now;
        self.window
            .started(&mut *core.rng, core.now, Exchange::Init, datagrams);
    }

    pub(crate) fn handle_init_response(
        &mut self,
        core: &mut Core,
        path: Path,
        header: &Header,
        bytes: &[u8],
    ) {
        if header.exchange != ExchangeType::IKE_SA_INIT {
            core.stats.count(Counter::DropExchange);
            return;
        }
        let Ok(message) = Message::decode(bytes) else {
            core.stats.count(Counter::DropMalformed);
            return;
        };
        let look = Look(&message.payloads);
        if path.peer.ip() != self.path.peer.ip() || look.unsupported_critical().is_some() {
            core.stats.count(Counter::DropBadInit);
            return;
        }
        if look.sa().is_none() {
            self.on_init_refused(core, look);
            return;
        }
        if let Err(reason) = self.on_init_accepted(core, header, bytes, look) {
            // Anybody can send this: the real response may still come.
            core.stats.count(Counter::DropBadInit);
            self.suspect(core, reason);
        }
    }

    /// COOKIE, INVALID_KE_PAYLOAD or an error, all unauthenticated.
    fn on_init_refused(&mut self, core: &mut Core, look: Look<'_>) {
        let Some(policy) = self.policy.clone() else {
            return;
        };
        let State::Connecting(c) = &mut self.state else {
            return;
        };
        if let Some(n) = look.notify(NotifyType::COOKIE) {
            //= rfc7296#2.6: 1 to 64 octets
            let usable = (1..=64).contains(&n.data.len())
                && c.cookie.as_deref() != Some(&*n.data)
                && c.restarts < timer::INIT_RESTARTS;
            if usable {
                c.restarts = c.restarts.saturating_add(1);
                c.cookie = Some(n.data.to_vec());
                self.send_init(core);
            } else {
                core.stats.count(Counter::DropBadInit);
            }
            return;
        }
        if let Some(n) = look.notify(NotifyType::INVALID_KE_PAYLOAD) {
            let wanted = <[u8; 2]>::try_from(&*n.data)
                .ok()
                .map(|b| KeMethod(u16::from_be_bytes(b)));
            //= rfc7296#1.2: retry with the group asked for, if it was among those offered
            match wanted {
                Some(m)
                    if m != c.method
                        && c.restarts < timer::INIT_RESTARTS
                        && negotiate::ike_methods(&policy.ike).contains(&m) =>
                {
                    c.restarts = c.restarts.saturating_add(1);
                    c.method = m;
                    self.send_init(core);
                }
                Some(m) if m == c.method => core.stats.count(Counter::DropBadInit),
                _ => self.suspect(core, Reason::PeerNotify(NotifyType::INVALID_KE_PAYLOAD)),
            }
            return;
        }
        match look.error() {
            Some(n) => self.suspect(core, Reason::PeerNotify(n.kind)),
            None => core.stats.count(Counter::DropBadInit),
        }
    }

    /// Something unauthenticated says that this will not work: wait a little for something better.
    fn suspect(&mut self, core: &mut Core, reason: Reason) {
        //= rfc7296#2.21.1: an unauthenticated error is a hint, not an end
        core.stats.count(Counter::UnauthenticatedErrors);
        if let State::Connecting(c) = &mut self.state {
            c.error = Some(reason);
            let until = core.now.after(timer::INIT_ERROR_GRACE);
            c.give_up_at.get_or_insert(until);
        }
    }

    fn on_init_accepted(
        &mut self,
        core: &mut Core,
        header: &Header,
        bytes: &[u8],
        look: Look<'_>,
    ) -> Result<(), Reason> {
        let invalid = |text: &str| Reason::InvalidSyntax(text.into());
        let policy = self.policy.clone().ok_or_else(|| invalid("no policy"))?;
        let (Some(answer), Some(ke), Some(nonce_r)) = (look.sa(), look.ke(), look.nonce()) else {
            return Err(invalid("IKE_SA_INIT response without SA, KE or Nonce"));
        };
        if header.spi_r == Spi::ZERO {
            return Err(invalid("IKE_SA_INIT response with a zero SPI"));
        }
        let chosen = negotiate::check_ike(&policy.ike, answer, false)?;
        let State::Connecting(c) = &mut self.state else {
            return Err(invalid("not connecting"));
        };
        if ke.method != c.method || chosen.suite.ke != c.method {
            return Err(invalid("IKE_SA_INIT response with another key exchange"));
        }
        // A value that is no good leaves the key for the real response.
        let shared = ke::Initiator::finish_once(&mut c.key, &ke.data)
            .map_err(|e| Reason::Other(format!("key exchange: {e}")))?;
        let sk = SkKeys::initial(
            &chosen.suite,
            &shared,
            &c.nonce_i,
            nonce_r,
            self.spi_i,
            header.spi_r,
        )
        .map_err(|e| Reason::Other(format!("key schedule: {e}")))?;
        c.nonce_r = nonce_r.to_vec();
        c.response = bytes.to_vec();
        c.step = Step::Making;
        c.give_up_at = None;
        c.error = None;
        let octets = auth::signed_octets(
            chosen.suite.prf,
            &sk.pi,
            &c.request,
            nonce_r,
            &id_body(&policy.local_id),
            &[],
        );
        self.spi_r = header.spi_r;
        self.window.response(0);
        let nat = natd::detect(self.spi_i, self.spi_r, &self.path, look.notifies());
        if !core.settings.no_nat_traversal {
            self.nat = Nat {
                forced: core.config.force_encap,
                ..nat
            };
        }
        if self.nat.local || self.nat.peer {
            self.event(
                core,
                EventKind::NatDetected {
                    local: self.nat.local,
                    peer: self.nat.peer,
                },
            );
        }
        if self.nat.encap() {
            //= rfc7296#2.23: with a NAT found, the initiator goes on from port 4500 to port 4500
            self.path.local.set_port(core.config.nat_port);
            self.path.peer.set_port(core.config.nat_port);
        }
        self.take_keys(core, chosen.suite, sk)?;
        core.request(
            self.id,
            Wait::MakeAuth,
            Request::MakeAuth {
                policy: policy.name.clone(),
                prf: chosen.suite.prf.id(),
                octets,
            },
        );
        Ok(())
    }

    pub(crate) fn on_auth_made_initiator(
        &mut self,
        core: &mut Core,
        made: Result<(AuthMethod, Vec<u8>), String>,
    ) {
        let Some(policy) = self.policy.clone() else {
            return;
        };
        if !matches!(&self.state, State::Connecting(c) if matches!(c.step, Step::Making)) {
            return;
        }
        let (method, data) = match made {
            Ok(made) => made,
            Err(e) => {
                self.fail(core, Reason::Other(format!("cannot make AUTH: {e}")));
                return;
            }
        };
        let mut payloads: Vec<Payload<'_>> = vec![Body::IdI(id_payload(&policy.local_id)).into()];
        let others = core.known.values().any(|k| {
            k.local_id == policy.local_id
                && match &policy.peer_id {
                    IdMatch::Exact(id) => k.peer_id.matches(id),
                    IdMatch::Any => k.policy == policy.name,
                }
        });
        if !others {
            //= rfc7296#2.4: INITIAL_CONTACT says that this is the only IKE SA between the two identities
            payloads.push(message::notify(NotifyType::INITIAL_CONTACT, Vec::new()));
        }
        if let IdMatch::Exact(id) = &policy.peer_id {
            payloads.push(Body::IdR(id_payload(id)).into());
        }
        payloads.push(
            Body::Auth(AuthPayload {
                method,
                data: data.into(),
            })
            .into(),
        );
        let mut first = None;
        if let Some(child) = policy.children.first() {
            let own = OwnChild::offer(core, child, None);
            payloads.extend(own.payloads(child, false));
            first = Some(own);
        }
        if let State::Connecting(c) = &mut self.state {
            c.child = first;
            c.step = Step::Auth;
        }
        self.send(core, ExchangeType::IKE_AUTH, Exchange::Auth, payloads);
    }

    pub(crate) fn on_auth_response(
        &mut self,
        core: &mut Core,
        first: PayloadType,
        plain: &ike_crypto::Secret,
        look: Look<'_>,
    ) {
        let (Some(policy), Some(suite)) = (self.policy.clone(), self.suite) else {
            return;
        };
        let (Some(id), Some(auth)) = (look.id_r(), look.auth()) else {
            let reason = match look.error() {
                Some(n) => Reason::PeerNotify(n.kind),
                None => Reason::InvalidSyntax("IKE_AUTH response without IDr or AUTH".into()),
            };
            self.fail(core, reason);
            return;
        };
        let id = match id_of(id) {
            Ok(id) => id,
            Err(reason) => {
                self.failed_attempt(core, reason);
                //= rfc7296#2.21.2: the responder, which believes to be connected, is told
                self.say_goodbye(core, true);
                return;
            }
        };
        if !policy.peer_id.accepts(&id) {
            let detail = match &policy.peer_id {
                IdMatch::Exact(want) => format!("policy \"{}\" expects {want}", policy.name),
                IdMatch::Any => String::new(),
            };
            self.reject_peer(core, &id, detail);
            return;
        }
        let (Some(keys), State::Connecting(c)) = (&self.keys, &mut self.state) else {
            return;
        };
        let octets = auth::signed_octets(
            suite.prf,
            &keys.sk.pr,
            &c.response,
            &c.nonce_i,
            &id_body(&id),
            &[],
        );
        c.step = Step::Verifying {
            first,
            plain: plain.duplicate(),
        };
        self.peer_id = Some(id.clone());
        core.request(
            self.id,
            Wait::VerifyAuth,
            Request::VerifyAuth {
                policy: policy.name.clone(),
                peer_id: id,
                prf: suite.prf.id(),
                octets,
                method: auth.method,
                data: auth.data.to_vec(),
            },
        );
    }

    /// The responder is not who it should be: tell it (it believes to be connected) and end.
    fn reject_peer(&mut self, core: &mut Core, id: &Id, detail: String) {
        let reason = Reason::AuthenticationFailed {
            peer: id.to_string(),
            detail,
        };
        self.failed_attempt(core, reason);
        //= rfc7296#2.21.2: the responder is told in an INFORMATIONAL exchange
        self.say_goodbye(core, true);
    }

    pub(crate) fn on_auth_verified_initiator(
        &mut self,
        core: &mut Core,
        verified: Result<PeerAuthenticated, String>,
    ) {
        let claimed = self.peer_id.clone();
        let State::Connecting(c) = &mut self.state else {
            return;
        };
        let Step::Verifying { first, plain } = core::mem::replace(&mut c.step, Step::Auth) else {
            return;
        };
        let Some(claimed) = claimed else {
            return;
        };
        let child = c.child.take();
        let (nonce_i, nonce_r) = (
            core::mem::take(&mut c.nonce_i),
            core::mem::take(&mut c.nonce_r),
        );
        match verified {
            Ok(proof) if proof.id().matches(&claimed) => {}
            Ok(_) => {
                self.reject_peer(core, &claimed, "another identity was authenticated".into());
                return;
            }
            Err(e) => {
                self.reject_peer(core, &claimed, e);
                return;
            }
        }
        self.establish(core);
        let Some(child) = child else {
            return;
        };
        let Ok(chain) = Chain::decode(first, plain.expose()) else {
            return;
        };
        self.accept_first_child(core, child, Look(&chain.payloads), &nonce_i, &nonce_r);
    }
}
