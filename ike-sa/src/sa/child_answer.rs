//! Children the peer asks for: in IKE_AUTH, by CREATE_CHILD_SA, and instead of another
//! (RFC 7296 §1.3.1, §1.3.3, §2.9). The answer leaves when the data plane has the child; while
//! replacing, our outbound stays on the old one until the peer deletes it.
use super::*;
use crate::child::{After, Recipe, cut};
use crate::exchange::Inflight;
use crate::negotiate::{self, ChildKe, ChosenChild};
use crate::sa::create_child::Collision;
use ike_crypto::{Secret, ke};
use ike_ts::TrafficSelector;
use ike_wire::payload::{Body, KePayload, Notify, SaPayload};
use ike_wire::{ChildSpi, KeMethod, ProtocolId};

/// A child refused, with what to tell the peer.
struct Refusal {
    kind: NotifyType,
    data: Vec<u8>,
    child: String,
    reason: Reason,
}

/// A child policy that fits what is asked for.
struct Match {
    child: ChildPolicy,
    chosen: ChosenChild,
    ts_local: Vec<TrafficSelector>,
    ts_peer: Vec<TrafficSelector>,
    flows: Vec<(TrafficSelector, TrafficSelector)>,
}

/// What the request brings besides SA and selectors.
struct Asked<'a> {
    payloads: Vec<Payload<'static>>,
    nonce_i: &'a [u8],
    nonce_r: &'a [u8],
    shared: Option<&'a Secret>,
    replaces: Option<ChildId>,
}

impl IkeSa {
    /// The child part of the peer's IKE_AUTH; `payloads` holds our IDr and AUTH.
    pub(crate) fn answer_first_child(
        &mut self,
        core: &mut Core,
        look: Look<'_>,
        payloads: Vec<Payload<'static>>,
        nonce_i: &[u8],
        nonce_r: &[u8],
    ) {
        let found = self.find_child(look, None, ChildKe::Ignored);
        let asked = Asked {
            payloads,
            nonce_i,
            nonce_r,
            shared: None,
            replaces: None,
        };
        match found {
            Ok(m) => self.make_child(core, look, m, asked),
            Err(refusal) => self.refuse_child(core, refusal, asked.payloads),
        }
    }

    pub(crate) fn on_create_child_request(&mut self, core: &mut Core, look: Look<'_>) {
        let Some(offer) = look.sa() else {
            self.respond_notify(core, NotifyType::INVALID_SYNTAX, Vec::new());
            return;
        };
        if !self.is_established() {
            //= rfc7296#2.25.2: nothing new on an IKE SA that is being closed or replaced
            self.respond_notify(core, NotifyType::TEMPORARY_FAILURE, Vec::new());
            return;
        }
        if offer
            .proposals
            .first()
            .is_some_and(|p| p.protocol == ProtocolId::IKE)
        {
            self.on_rekey_ike_request(core, offer, look);
            return;
        }
        if let Some(Inflight {
            exchange: Exchange::RekeyIke(_),
            ..
        }) = &self.window.inflight
        {
            //= rfc7296#2.25.2: no new child while we rekey the IKE SA
            self.respond_notify(core, NotifyType::TEMPORARY_FAILURE, Vec::new());
            return;
        }
        let replaces = match look.notify(NotifyType::REKEY_SA) {
            None => None,
            Some(n) => match self.rekeyed_by(n) {
                Ok(id) => Some(id),
                Err(kind) => {
                    //= rfc7296#2.25: CHILD_SA_NOT_FOUND names the SA that is not there
                    let named = kind == NotifyType::CHILD_SA_NOT_FOUND;
                    let answer = Body::Notify(Notify {
                        protocol: if named { n.protocol } else { ProtocolId::NONE },
                        spi: if named { n.spi.to_vec() } else { Vec::new() }.into(),
                        kind,
                        data: Vec::new().into(),
                    });
                    self.respond(core, vec![answer.into()]);
                    return;
                }
            },
        };
        if self.children.len() >= self.most_children() {
            //= rfc7296#1.3: NO_ADDITIONAL_SAS says that there may be no more
            let kind = match replaces {
                None => NotifyType::NO_ADDITIONAL_SAS,
                Some(_) => NotifyType::TEMPORARY_FAILURE,
            };
            self.respond_notify(core, kind, Vec::new());
            return;
        }
        let Some(nonce_i) = look.nonce() else {
            self.respond_notify(core, NotifyType::INVALID_SYNTAX, Vec::new());
            return;
        };
        let brought = self
            .policy
            .as_ref()
            .map(|p| negotiate::ike_methods(&p.ike))
            .unwrap_or_default();
        let found = self.find_child(look, replaces, ChildKe::Negotiated(&brought));
        let m = match found {
            Ok(m) => m,
            Err(refusal) => {
                self.refuse_child(core, refusal, Vec::new());
                return;
            }
        };
        if replaces.is_none() && self.asks_for_the_same(core, &m.child.name) {
            // Both ends began it at once; the responder of the IKE SA takes what we ask for.
            self.respond_notify(core, NotifyType::TEMPORARY_FAILURE, Vec::new());
            return;
        }
        let (public, shared) = match m.chosen.ke {
            None => (None, None),
            Some(method) => match look.ke() {
                Some(ke) if ke.method == method => {
                    match ke::respond(method, &ke.data, &mut *core.rng) {
                        Ok((public, shared)) => (Some((method, public)), Some(shared)),
                        Err(_) => {
                            self.respond_notify(core, NotifyType::INVALID_SYNTAX, Vec::new());
                            return;
                        }
                    }
                }
                _ => {
                    let data = method.0.to_be_bytes().to_vec();
                    self.respond_notify(core, NotifyType::INVALID_KE_PAYLOAD, data);
                    return;
                }
            },
        };
        let nonce_r = core.nonce();
        let mut payloads: Vec<Payload<'static>> = vec![Body::Nonce(nonce_r.clone().into()).into()];
        if let Some((method, public)) = public {
            payloads.push(ke_payload(method, public));
        }
        let asked = Asked {
            payloads,
            nonce_i,
            nonce_r: &nonce_r,
            shared: shared.as_ref(),
            replaces,
        };
        self.make_child(core, look, m, asked);
    }

    /// How many children the peer may have here, those on their way out included.
    fn most_children(&self) -> usize {
        let configured = self.policy.as_ref().map_or(0, |p| p.children.len());
        configured.saturating_mul(4).saturating_add(16)
    }

    /// Whether we, as initiator of the IKE SA, ask for this child at the same time.
    fn asks_for_the_same(&self, core: &Core, name: &str) -> bool {
        let asking = matches!(
            self.window.inflight.as_ref().map(|i| &i.exchange),
            Some(Exchange::CreateChild(own)) if own.rekeys.is_none() && own.name == name
        );
        let just_made = self.children.values().any(|c| {
            c.name == name
                && c.alive()
                && c.asked.is_some_and(|t| core.now.since(t) < timer::CROSSING)
        });
        self.role == Role::Initiator && (asking || just_made)
    }

    /// The child a REKEY_SA names, if it may be replaced now.
    fn rekeyed_by(&self, n: &Notify<'_>) -> Result<ChildId, NotifyType> {
        let spi = <[u8; 4]>::try_from(&*n.spi)
            .ok()
            .map(|b| ChildSpi(u32::from_be_bytes(b)));
        let found = self
            .children
            .values()
            .find(|c| Some(c.spi_out) == spi && c.suite.protocol == n.protocol);
        let Some(child) = found else {
            // It may be the one we are asking for, whose answer is late.
            let asking = matches!(
                self.window.inflight.as_ref().map(|i| &i.exchange),
                Some(Exchange::CreateChild(_))
            );
            return Err(if asking {
                NotifyType::TEMPORARY_FAILURE
            } else {
                NotifyType::CHILD_SA_NOT_FOUND
            });
        };
        let crossing = matches!(
            self.window.inflight.as_ref().map(|i| &i.exchange),
            Some(Exchange::CreateChild(own)) if own.rekeys == Some(child.id) && own.collision.is_none()
        );
        match &child.phase {
            Phase::Installed => Ok(child.id),
            Phase::Rekeying if crossing => Ok(child.id),
            //= rfc7296#2.25.1: a child being created, replaced or deleted cannot be replaced now
            Phase::Installing(_) | Phase::Rekeying | Phase::Rekeyed | Phase::Deleting => {
                Err(NotifyType::TEMPORARY_FAILURE)
            }
            Phase::Lingering { .. } => Err(NotifyType::CHILD_SA_NOT_FOUND),
        }
    }

    /// The child policy that fits an offer best: the most of the selectors, and not there yet.
    fn find_child(
        &self,
        look: Look<'_>,
        replaces: Option<ChildId>,
        with: ChildKe<'_>,
    ) -> Result<Match, Refusal> {
        let name = self.policy_name().unwrap_or_default().to_owned();
        let refusal = |kind, child: &str, reason| Refusal {
            kind,
            data: Vec::new(),
            child: child.to_owned(),
            reason,
        };
        let (Some(offer), Some(ts_i), Some(ts_r), Some(policy)) =
            (look.sa(), look.ts_i(), look.ts_r(), self.policy.clone())
        else {
            let reason = Reason::InvalidSyntax("child without SA or traffic selectors".into());
            return Err(refusal(NotifyType::INVALID_SYNTAX, &name, reason));
        };
        let (their, our) = (message::usable(ts_i), message::usable(ts_r));
        let replaced = replaces.and_then(|id| self.children.get(&id));
        let mut best: Option<(u8, Match)> = None;
        let mut why: Option<Refusal> = None;
        for child in &policy.children {
            if replaced.is_some_and(|old| old.name != child.name) {
                continue;
            }
            let narrowed = narrow(child, &our, &their);
            if narrowed.2.is_empty() {
                let (local, peer) = child::columns(&child.flows);
                why.get_or_insert_with(|| {
                    let reason = Reason::TsUnacceptable {
                        offered: format!(
                            "{} === {}",
                            message::describe(&our),
                            message::describe(&their)
                        ),
                        configured: format!(
                            "{} === {}",
                            message::describe(&local),
                            message::describe(&peer)
                        ),
                    };
                    refusal(NotifyType::TS_UNACCEPTABLE, &child.name, reason)
                });
                continue;
            }
            let chosen = match choose(child, offer, with) {
                Ok(chosen) => chosen,
                Err(reason) => {
                    why = Some(refusal(NotifyType::NO_PROPOSAL_CHOSEN, &child.name, reason));
                    continue;
                }
            };
            let there = replaced.is_none()
                && self
                    .children
                    .values()
                    .any(|c| c.name == child.name && c.alive());
            // Exactly what is configured fits best, then what is missing here, then what is
            // asked for in full.
            let score = narrowed.3 + u8::from(!there) * 2;
            if best.as_ref().is_none_or(|(s, _)| score > *s) {
                let m = Match {
                    child: child.clone(),
                    chosen,
                    ts_local: narrowed.0,
                    ts_peer: narrowed.1,
                    flows: narrowed.2,
                };
                best = Some((score, m));
            }
        }
        match best {
            Some((_, m)) => Ok(m),
            None => Err(why.unwrap_or_else(|| {
                let reason = Reason::Other("no child is configured".into());
                refusal(NotifyType::TS_UNACCEPTABLE, &name, reason)
            })),
        }
    }

    /// Derives and installs; the answer waits for the data plane.
    fn make_child(&mut self, core: &mut Core, look: Look<'_>, m: Match, asked: Asked<'_>) {
        let (Some(policy), Some(suite)) = (self.policy.clone(), self.suite) else {
            return;
        };
        let wants_transport = look.notify(NotifyType::USE_TRANSPORT_MODE).is_some();
        let transport = wants_transport && m.child.mode == Mode::Transport;
        let mode = if transport {
            Mode::Transport
        } else {
            Mode::Tunnel
        };
        let spi_in = core.child_spi();
        let mut payloads = asked.payloads;
        let at = payloads
            .iter()
            .position(|p| matches!(p.body, Body::Nonce(_)))
            .unwrap_or(payloads.len());
        payloads.insert(
            at,
            Body::Sa(negotiate::answer_child(&m.chosen, spi_in)).into(),
        );
        if transport {
            payloads.insert(
                at,
                message::notify(NotifyType::USE_TRANSPORT_MODE, Vec::new()),
            );
        }
        payloads.push(Body::TsI(message::selectors(&m.ts_peer)).into());
        payloads.push(Body::TsR(message::selectors(&m.ts_local)).into());
        let Some(keys) = &self.keys else {
            return;
        };
        let made = Child::install(
            core,
            self.id,
            Recipe {
                policy: &policy,
                child: &m.child,
                chosen: &m.chosen,
                mode,
                spi_in,
                flows: m.flows,
                ts_local: m.ts_local,
                ts_peer: m.ts_peer,
                initiator: false,
                prf: suite.prf,
                sk_d: &keys.sk.d,
                shared: asked.shared,
                nonce_i: asked.nonce_i,
                nonce_r: asked.nonce_r,
                path: self.path,
                nat: self.nat,
                after: After::Answer {
                    payloads,
                    replaces: asked.replaces,
                },
            },
        );
        let mut child = match made {
            Ok(child) => child,
            Err(reason) => {
                core.child_spis.remove(&spi_in);
                let refusal = Refusal {
                    kind: NotifyType::TEMPORARY_FAILURE,
                    data: Vec::new(),
                    child: m.child.name,
                    reason,
                };
                self.refuse_child(core, refusal, Vec::new());
                return;
            }
        };
        let replaced = asked.replaces.and_then(|old| self.children.get(&old));
        child.asked = replaced.and_then(|old| old.asked);
        let id = child.id;
        self.children.insert(id, child);
        if let Some(old) = asked.replaces
            && let Some(Inflight {
                exchange: Exchange::CreateChild(own),
                ..
            }) = &mut self.window.inflight
            && own.rekeys == Some(old)
        {
            own.collision = Some(Collision {
                successor: id,
                lowest: asked.nonce_i.min(asked.nonce_r).to_vec(),
                deleted: false,
            });
        }
    }

    /// Answers with the refusal; the IKE SA stays.
    fn refuse_child(&mut self, core: &mut Core, refusal: Refusal, before: Vec<Payload<'static>>) {
        let mut payloads = before;
        payloads.retain(|p| {
            !matches!(
                p.body,
                Body::Sa(_) | Body::TsI(_) | Body::TsR(_) | Body::Nonce(_) | Body::Ke(_)
            )
        });
        payloads.push(message::notify(refusal.kind, refusal.data));
        self.respond(core, payloads);
        self.event(
            core,
            EventKind::ChildRefused {
                child: refusal.child,
                reason: refusal.reason,
            },
        );
    }

    /// The data plane has the child the peer asked for, or not.
    pub(crate) fn answer_installed(
        &mut self,
        core: &mut Core,
        id: ChildId,
        payloads: Vec<Payload<'static>>,
        replaces: Option<ChildId>,
        result: Result<(), String>,
    ) {
        if let Err(e) = result {
            let name = self
                .children
                .get(&id)
                .map(|c| c.name.clone())
                .unwrap_or_default();
            self.remove_child(core, id);
            if let Some(Inflight {
                exchange: Exchange::CreateChild(own),
                ..
            }) = &mut self.window.inflight
                && own.collision.as_ref().is_some_and(|c| c.successor == id)
            {
                own.collision = None;
            }
            let refusal = Refusal {
                kind: NotifyType::TEMPORARY_FAILURE,
                data: Vec::new(),
                child: name,
                reason: Reason::DataPlane(e),
            };
            self.refuse_child(core, refusal, payloads);
            return;
        }
        self.respond(core, payloads);
        let Some(old) = replaces else {
            self.announce(core, id);
            return;
        };
        match self.children.get_mut(&old) {
            Some(child) => {
                child.successor = Some(id);
                if matches!(child.phase, Phase::Installed) {
                    child.phase = Phase::Rekeyed;
                    self.superseded(core, old, id);
                }
            }
            // The old one went meanwhile.
            None => {
                let sa = self.id;
                if let Some(child) = self.children.get_mut(&id) {
                    child.activate(core, sa);
                }
                self.announce(core, id);
            }
        }
    }
}

fn ke_payload(method: KeMethod, public: Vec<u8>) -> Payload<'static> {
    Body::Ke(KePayload {
        method,
        data: public.into(),
    })
    .into()
}

fn choose(
    child: &ChildPolicy,
    offer: &SaPayload<'_>,
    with: ChildKe<'_>,
) -> Result<ChosenChild, Reason> {
    negotiate::choose_child(&child.proposals, child.protocol, offer, with)
}

/// Our selectors, the peer's, the flows that remain, and how well it fits: 1 if nothing was cut
/// off the offer, 4 more if nothing of the configuration is left over either.
#[allow(clippy::type_complexity)]
fn narrow(
    child: &ChildPolicy,
    our: &[TrafficSelector],
    their: &[TrafficSelector],
) -> (
    Vec<TrafficSelector>,
    Vec<TrafficSelector>,
    Vec<(TrafficSelector, TrafficSelector)>,
    u8,
) {
    let (own_local, own_peer) = child::columns(&child.flows);
    let local = ike_ts::narrow(our, &own_local);
    let peer = ike_ts::narrow(their, &own_peer);
    let flows = cut(&child.flows, &local.selectors, &peer.selectors);
    let whole = !local.is_subset && !peer.is_subset;
    let exact = whole
        && !ike_ts::narrow(&own_local, our).is_subset
        && !ike_ts::narrow(&own_peer, their).is_subset;
    let fit = u8::from(whole) + 4 * u8::from(exact);
    (local.selectors, peer.selectors, flows, fit)
}
