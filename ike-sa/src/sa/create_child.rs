//! Children we ask for: in IKE_AUTH, by CREATE_CHILD_SA, and instead of another
//! (RFC 7296 §1.3.1, §1.3.3, §2.8, §2.25). Of two crossing rekeyings of one child, the one with
//! the lowest of the four nonces is redundant, and whoever began it deletes what it made.
use super::*;
use crate::child::{After, Recipe, columns, cut};
use crate::negotiate::{self, ChildKe};
use crate::shared::Subject;
use ike_crypto::{Secret, ke};
use ike_ts::TrafficSelector;
use ike_wire::payload::{Body, KePayload, Notify};
use ike_wire::{ChildSpi, KeMethod};

/// A child we asked for.
#[derive(Debug)]
pub(crate) struct OwnChild {
    pub(crate) name: String,
    pub(crate) rekeys: Option<ChildId>,
    /// The peer-side name of what is rekeyed: our inbound SPI of it.
    rekeyed_spi: Option<ChildSpi>,
    pub(crate) spi_in: ChildSpi,
    nonce: Vec<u8>,
    key: Option<ke::Initiator>,
    mode: Mode,
    ts_local: Vec<TrafficSelector>,
    ts_peer: Vec<TrafficSelector>,
    tried: u32,
    /// The peer's rekeying of the same child, answered by us meanwhile.
    pub(crate) collision: Option<Collision>,
    /// SPIs the peer deleted before we knew them.
    pub(crate) deleted: Vec<ChildSpi>,
}

/// The other of two crossing rekeyings.
#[derive(Debug)]
pub(crate) struct Collision {
    /// What the peer made.
    pub(crate) successor: ChildId,
    /// The lower of its two nonces.
    pub(crate) lowest: Vec<u8>,
    /// The peer deleted what it made before our own response came: ours stays.
    pub(crate) deleted: bool,
}

impl OwnChild {
    /// A new offer for a child, with the selectors of the one it replaces.
    pub(crate) fn offer(core: &mut Core, child: &ChildPolicy, replaces: Option<&Child>) -> Self {
        let (ts_local, ts_peer) = match replaces {
            Some(old) => (old.ts_local.clone(), old.ts_peer.clone()),
            None => columns(&child.flows),
        };
        Self {
            name: child.name.clone(),
            rekeys: replaces.map(|c| c.id),
            rekeyed_spi: replaces.map(|c| c.spi_in),
            spi_in: core.child_spi(),
            nonce: core.nonce(),
            key: None,
            mode: replaces.map_or(child.mode, |c| c.mode),
            ts_local,
            ts_peer,
            tried: 0,
            collision: None,
            deleted: Vec::new(),
        }
    }

    /// The payloads that ask for it. `create` is false in IKE_AUTH.
    pub(crate) fn payloads(&self, child: &ChildPolicy, create: bool) -> Vec<Payload<'static>> {
        let mut out = Vec::new();
        if create && let Some(spi) = self.rekeyed_spi {
            //= rfc7296#1.3.3: REKEY_SA names the SA as its sender expects it on inbound packets
            out.push(
                Body::Notify(Notify {
                    protocol: child.protocol,
                    spi: spi.0.to_be_bytes().to_vec().into(),
                    kind: NotifyType::REKEY_SA,
                    data: Vec::new().into(),
                })
                .into(),
            );
        }
        if self.mode == Mode::Transport {
            out.push(message::notify(NotifyType::USE_TRANSPORT_MODE, Vec::new()));
        }
        let sa = negotiate::offer_child(&child.proposals, child.protocol, self.spi_in, create);
        out.push(Body::Sa(sa).into());
        if create {
            out.push(Body::Nonce(self.nonce.clone().into()).into());
            if let Some(key) = &self.key {
                out.push(
                    Body::Ke(KePayload {
                        method: key.method(),
                        data: key.public().to_vec().into(),
                    })
                    .into(),
                );
            }
        }
        out.push(Body::TsI(message::selectors(&self.ts_local)).into());
        out.push(Body::TsR(message::selectors(&self.ts_peer)).into());
        out
    }
}

/// How an answer to our offer ended.
enum Taken {
    /// On its way into the data plane.
    Installing,
    /// Not usable, but the peer has it: to be deleted there.
    Unwanted(Reason),
}

impl IkeSa {
    fn child_policy(&self, name: &str) -> Option<ChildPolicy> {
        self.policy
            .as_ref()
            .and_then(|p| p.children.iter().find(|c| c.name == name).cloned())
    }

    /// CREATE_CHILD_SA for a child of the policy that is not there.
    pub(crate) fn start_child(&mut self, core: &mut Core, name: &str) {
        if self.children.values().any(|c| c.name == name && c.alive()) {
            return;
        }
        let Some(policy) = self.child_policy(name) else {
            return;
        };
        let own = OwnChild::offer(core, &policy, None);
        let method = first_method(&policy, None);
        self.send_child(core, &policy, own, method);
    }

    /// CREATE_CHILD_SA instead of a child.
    pub(crate) fn start_child_rekey(&mut self, core: &mut Core, id: ChildId) {
        let Some(old) = self.children.get(&id) else {
            core.effect(Effect::Rekeyed(
                Subject::Child(id),
                Err(Reason::Other("the child is gone".into())),
            ));
            return;
        };
        if matches!(old.phase, Phase::Installing(_)) {
            if let Some(old) = self.children.get_mut(&id) {
                old.rekey_at = Some(core.now);
            }
            return;
        }
        if !matches!(old.phase, Phase::Installed) {
            return;
        }
        let answering = self.children.values().any(|c| {
            matches!(&c.phase, Phase::Installing(after)
                if matches!(**after, After::Answer { replaces: Some(r), .. } if r == id))
        });
        if old.activate_at.is_some() || answering {
            // The peer, who made it, may not have our answer yet and not know it; or the peer
            // is replacing it at this moment.
            let soon = core.now.after(Duration::from_secs(1));
            if let Some(old) = self.children.get_mut(&id) {
                old.rekey_at = Some(soon);
            }
            return;
        }
        let Some(policy) = self.child_policy(&old.name) else {
            return;
        };
        let method = first_method(&policy, old.ke);
        let own = OwnChild::offer(core, &policy, Some(old));
        if let Some(old) = self.children.get_mut(&id) {
            old.phase = Phase::Rekeying;
            old.rekey_at = None;
        }
        self.send_child(core, &policy, own, method);
    }

    fn send_child(
        &mut self,
        core: &mut Core,
        policy: &ChildPolicy,
        mut own: OwnChild,
        method: Option<KeMethod>,
    ) {
        own.key = match method {
            None => None,
            Some(m) => match ke::Initiator::generate(m, &mut *core.rng) {
                Ok(key) => Some(key),
                Err(e) => {
                    let reason = Reason::Other(format!("key exchange {m}: {e}"));
                    self.own_child_failed(core, own, reason);
                    return;
                }
            },
        };
        let payloads = own.payloads(policy, true);
        self.send(
            core,
            ExchangeType::CREATE_CHILD_SA,
            Exchange::CreateChild(Box::new(own)),
            payloads,
        );
    }

    /// The child part of the response to our IKE_AUTH.
    pub(crate) fn accept_first_child(
        &mut self,
        core: &mut Core,
        own: OwnChild,
        look: Look<'_>,
        nonce_i: &[u8],
        nonce_r: &[u8],
    ) {
        if look.sa().is_none() {
            let reason = match look.error() {
                Some(n) => Reason::PeerNotify(n.kind),
                None => Reason::InvalidSyntax("no child in the answer".into()),
            };
            self.own_child_failed(core, own, reason);
            return;
        }
        let taken = self.take_answer(core, &own, look, (nonce_i, nonce_r), None, ChildKe::Ignored);
        self.after_answer(core, own, taken);
    }

    pub(crate) fn on_create_child_response(
        &mut self,
        core: &mut Core,
        mut own: OwnChild,
        look: Look<'_>,
    ) {
        if let Some(error) = look.error()
            && look.sa().is_none()
        {
            self.on_create_child_error(core, own, error);
            return;
        }
        let invalid = |text: &str| Reason::InvalidSyntax(text.into());
        let Some(nonce_r) = look.nonce() else {
            self.own_child_failed(core, own, invalid("no Nonce in the answer"));
            return;
        };
        let shared = match (own.key.take(), look.ke()) {
            (None, _) => None,
            (Some(_), None) => None,
            (Some(key), Some(peer)) if peer.method == key.method() => {
                match key.finish(&peer.data) {
                    Ok(shared) => Some((peer.method, shared)),
                    Err(e) => {
                        self.own_child_failed(
                            core,
                            own,
                            Reason::Other(format!("key exchange: {e}")),
                        );
                        return;
                    }
                }
            }
            (Some(_), Some(_)) => {
                self.own_child_failed(core, own, invalid("another key exchange in the answer"));
                return;
            }
        };
        let nonce_i = own.nonce.clone();
        if Self::lost(&own, nonce_r) {
            self.give_way(core, own, look);
            return;
        }
        let taken = self.take_answer(
            core,
            &own,
            look,
            (&nonce_i, nonce_r),
            shared.as_ref(),
            ChildKe::Negotiated(&[]),
        );
        self.after_answer(core, own, taken);
    }

    /// Whether the peer's rekeying of the same child survives ours.
    fn lost(own: &OwnChild, nonce_r: &[u8]) -> bool {
        //= rfc7296#2.8.1: the exchange with the lowest of the four nonces is the redundant one
        own.collision
            .as_ref()
            .is_some_and(|c| !c.deleted && own.nonce.as_slice().min(nonce_r) < c.lowest.as_slice())
    }

    /// Ours is redundant: it is deleted at the peer, and never used.
    fn give_way(&mut self, core: &mut Core, own: OwnChild, look: Look<'_>) {
        let spi = look
            .sa()
            .and_then(|sa| sa.proposals.first())
            .and_then(|p| <[u8; 4]>::try_from(&*p.spi).ok())
            .map(|b| ChildSpi(u32::from_be_bytes(b)));
        let name = own.name.clone();
        if let Some(spi) = spi
            && !own.deleted.contains(&spi)
        {
            self.delete_unused(&name, own.spi_in);
        } else {
            core.child_spis.remove(&own.spi_in);
        }
        self.peer_rekeyed(core, &own);
    }

    /// What the peer made instead of a child of ours is the one that stays.
    fn peer_rekeyed(&mut self, core: &mut Core, own: &OwnChild) {
        let (Some(old), Some(c)) = (own.rekeys, &own.collision) else {
            return;
        };
        if let Some(child) = self.children.get_mut(&old)
            && matches!(child.phase, Phase::Rekeying)
        {
            child.phase = Phase::Rekeyed;
        }
        self.superseded(core, old, c.successor);
    }

    /// Checks the answer to our offer and gives the child to the data plane.
    fn take_answer(
        &mut self,
        core: &mut Core,
        own: &OwnChild,
        look: Look<'_>,
        (nonce_i, nonce_r): (&[u8], &[u8]),
        shared: Option<&(KeMethod, Secret)>,
        with: ChildKe<'_>,
    ) -> Result<Taken, Reason> {
        let invalid = |text: &str| Reason::InvalidSyntax(text.into());
        let (Some(policy), Some(suite)) = (self.policy.clone(), self.suite) else {
            return Err(invalid("no policy"));
        };
        let child = self.child_policy(&own.name).ok_or(Reason::PolicyRemoved)?;
        let answer = look.sa().ok_or_else(|| invalid("no SA in the answer"))?;
        // From here on the peer has a child: what fails is deleted there.
        let chosen = match negotiate::check_child(&child.proposals, child.protocol, answer, with) {
            Ok(chosen) => chosen,
            Err(reason) => return Ok(Taken::Unwanted(reason)),
        };
        if own.deleted.contains(&chosen.spi) {
            return Err(Reason::PeerDeleted);
        }
        let unwanted = |reason| Ok(Taken::Unwanted(reason));
        if self.children.values().any(|c| {
            c.spi_out == chosen.spi && c.suite.protocol == chosen.suite.protocol && c.in_data_plane
        }) {
            return unwanted(invalid("the peer's SPI is in use already"));
        }
        if chosen.ke != shared.map(|(m, _)| *m) {
            return unwanted(invalid("key exchange chosen and sent differ"));
        }
        let (Some(ts_i), Some(ts_r)) = (look.ts_i(), look.ts_r()) else {
            return unwanted(invalid("no traffic selectors in the answer"));
        };
        let (ts_local, ts_peer) = (message::usable(ts_i), message::usable(ts_r));
        //= rfc7296#2.9: a responder may only narrow
        let within = |answer: &[TrafficSelector], offer: &[TrafficSelector]| {
            !answer.is_empty() && !ike_ts::narrow(answer, offer).is_subset
        };
        if !within(&ts_local, &own.ts_local) || !within(&ts_peer, &own.ts_peer) {
            return unwanted(Reason::TsUnacceptable {
                offered: format!(
                    "{} === {}",
                    message::describe(&ts_local),
                    message::describe(&ts_peer)
                ),
                configured: format!(
                    "{} === {}",
                    message::describe(&own.ts_local),
                    message::describe(&own.ts_peer)
                ),
            });
        }
        let flows = cut(&child.flows, &ts_local, &ts_peer);
        if flows.is_empty() {
            return unwanted(Reason::TsUnacceptable {
                offered: message::describe(&ts_peer),
                configured: message::describe(&own.ts_peer),
            });
        }
        let transport = look.notify(NotifyType::USE_TRANSPORT_MODE).is_some();
        let mode = if transport {
            Mode::Transport
        } else {
            Mode::Tunnel
        };
        if mode != own.mode {
            //= rfc7296#1.3.1: an initiator that insists on transport mode deletes a tunnel
            return unwanted(Reason::Other("the peer chose another mode".into()));
        }
        let Some(keys) = &self.keys else {
            return Err(invalid("no keys"));
        };
        let made = Child::install(
            core,
            self.id,
            Recipe {
                policy: &policy,
                child: &child,
                chosen: &chosen,
                mode,
                spi_in: own.spi_in,
                flows,
                ts_local,
                ts_peer,
                initiator: true,
                prf: suite.prf,
                sk_d: &keys.sk.d,
                shared: shared.map(|(_, s)| s),
                nonce_i,
                nonce_r,
                path: self.path,
                nat: self.nat,
                after: After::Own(own.rekeys.filter(|old| self.children.contains_key(old))),
            },
        );
        let mut installed = match made {
            Ok(installed) => installed,
            Err(reason) => return unwanted(reason),
        };
        let replaced = own.rekeys.and_then(|old| self.children.get(&old));
        installed.asked = installed.asked.or(replaced.and_then(|old| old.asked));
        let id = installed.id;
        self.children.insert(id, installed);
        Ok(Taken::Installing)
    }

    fn after_answer(&mut self, core: &mut Core, own: OwnChild, taken: Result<Taken, Reason>) {
        match taken {
            Ok(Taken::Installing) => {
                // The peer's, if both rekeyed, is redundant; the peer deletes it.
                if let Some(c) = &own.collision {
                    if let Some(redundant) = self.children.get_mut(&c.successor)
                        && matches!(redundant.phase, Phase::Installed)
                    {
                        redundant.phase = Phase::Rekeyed;
                        redundant.activate_at = None;
                    }
                    if let Some(old) = own.rekeys.and_then(|o| self.children.get_mut(&o)) {
                        old.successor = None;
                    }
                }
            }
            Ok(Taken::Unwanted(reason)) => {
                let (name, spi_in) = (own.name.clone(), own.spi_in);
                self.own_child_failed(core, own, reason);
                self.delete_unused(&name, spi_in);
                core.child_spis.insert(spi_in);
            }
            Err(reason) => self.own_child_failed(core, own, reason),
        }
    }

    fn on_create_child_error(&mut self, core: &mut Core, mut own: OwnChild, error: &Notify<'_>) {
        let policy = self.child_policy(&own.name);
        let old = own.rekeys;
        let replaced = own.collision.is_some()
            || old.is_some_and(|o| {
                self.children
                    .get(&o)
                    .is_none_or(|c| c.successor.is_some() || !matches!(c.phase, Phase::Rekeying))
            });
        match error.kind {
            NotifyType::INVALID_KE_PAYLOAD => {
                let wanted = <[u8; 2]>::try_from(&*error.data)
                    .ok()
                    .map(|b| KeMethod(u16::from_be_bytes(b)));
                let sent = own.key.as_ref().map(ke::Initiator::method);
                if let (Some(policy), Some(m)) = (policy, wanted)
                    && Some(m) != sent
                    && own.tried < 3
                    && negotiate::child_methods(&policy.proposals).contains(&m)
                {
                    //= rfc7296#1.3: retry with the group asked for
                    own.tried = own.tried.saturating_add(1);
                    own.nonce = core.nonce();
                    // Only the nonces of the retry count in a collision.
                    let method = (m != KeMethod::NONE).then_some(m);
                    self.send_child(core, &policy, own, method);
                    return;
                }
                self.own_child_failed(core, own, Reason::PeerNotify(error.kind));
            }
            //= rfc7296#2.25.1: the peer is rekeying or deleting the same child; nothing is to be done if it did already
            NotifyType::TEMPORARY_FAILURE | NotifyType::CHILD_SA_NOT_FOUND
                if old.is_some() && replaced =>
            {
                core.child_spis.remove(&own.spi_in);
                self.peer_rekeyed(core, &own);
            }
            NotifyType::CHILD_SA_NOT_FOUND if old.is_some() => {
                //= rfc7296#2.25: the peer lost the child; a new one is made instead
                core.child_spis.remove(&own.spi_in);
                if let Some(id) = old {
                    self.child_closed(core, id, Reason::PeerNotify(error.kind));
                    self.remove_child(core, id);
                }
                self.window.enqueue(Job::CreateChild(own.name.clone()));
            }
            NotifyType::TEMPORARY_FAILURE
                if old.is_none()
                    && self
                        .children
                        .values()
                        .any(|c| c.name == own.name && c.alive()) =>
            {
                // Both ends asked for it at once, and the peer's is there.
                core.child_spis.remove(&own.spi_in);
                core.effect(Effect::Review);
            }
            kind => self.own_child_failed(core, own, Reason::PeerNotify(kind)),
        }
    }

    /// Our offer came to nothing: what it was to replace stays, and is tried again later.
    pub(crate) fn own_child_failed(&mut self, core: &mut Core, own: OwnChild, reason: Reason) {
        core.child_spis.remove(&own.spi_in);
        self.refused(core, &own.name, reason.clone(), own.rekeys);
        if own.collision.is_some() {
            self.peer_rekeyed(core, &own);
        }
    }

    /// Tells a refusal; the child that was to be replaced goes on.
    pub(crate) fn refused(
        &mut self,
        core: &mut Core,
        name: &str,
        reason: Reason,
        rekeys: Option<ChildId>,
    ) {
        let temporary = reason == Reason::PeerNotify(NotifyType::TEMPORARY_FAILURE);
        if let Some(id) = rekeys {
            if let Some(old) = self.children.get_mut(&id)
                && matches!(old.phase, Phase::Rekeying)
            {
                old.phase = Phase::Installed;
                old.rekey_at = Some(Self::retry_at(core, old.expire_at));
            }
            core.effect(Effect::Rekeyed(Subject::Child(id), Err(reason.clone())));
        }
        if rekeys.is_none() || !temporary {
            self.event(
                core,
                EventKind::ChildRefused {
                    child: name.to_owned(),
                    reason: reason.clone(),
                },
            );
        }
        if rekeys.is_none()
            && let Some(policy) = self.policy_name()
        {
            let policy = policy.to_owned();
            core.effect(Effect::ChildRefused {
                policy,
                child: name.to_owned(),
                reason,
            });
        }
    }
}

/// The method to begin with: the one that worked before, else the first configured.
fn first_method(policy: &ChildPolicy, learned: Option<KeMethod>) -> Option<KeMethod> {
    let methods = negotiate::child_methods(&policy.proposals);
    let pick = learned
        .filter(|m| methods.contains(m))
        .or_else(|| methods.first().copied());
    pick.filter(|m| *m != KeMethod::NONE)
}
