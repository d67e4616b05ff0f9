//! Rekeying the IKE SA (RFC 7296 §1.3.2, §2.8, §2.18, §2.25.2): a new IKE SA takes children and
//! queue over, whoever asked deletes the old one. When both ends ask at once, both new IKE SAs
//! are made, the one of the exchange with the lowest nonce is deleted by whoever began it.
use super::*;
use crate::exchange::Inflight;
use crate::negotiate;
use crate::shared::Subject;
use ike_crypto::{Secret, ke};
use ike_wire::payload::{Body, KePayload, SaPayload};
use ike_wire::{KeMethod, Spi};

/// Our rekeying of the IKE SA.
#[derive(Debug)]
pub(crate) struct OwnRekey {
    spi: Spi,
    nonce: Vec<u8>,
    key: ke::Initiator,
    tried: u32,
    pub(crate) collision: Option<IkeCollision>,
}

/// The peer's rekeying of the same IKE SA, answered by us meanwhile.
#[derive(Debug)]
pub(crate) struct IkeCollision {
    pub(crate) candidate: IkeSaId,
    pub(crate) fate: Fate,
    lowest: Vec<u8>,
}

/// What became of the candidate before our own response came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The nonces will decide.
    Open,
    /// The peer uses it: ours is redundant.
    Chosen,
    /// The peer deleted it: ours stays.
    Deleted,
}

impl IkeSa {
    /// The IKE SA the peer made while we rekey, if its fate is open.
    pub(crate) fn candidate(&self) -> Option<IkeSaId> {
        match &self.window.inflight {
            Some(Inflight {
                exchange: Exchange::RekeyIke(own),
                ..
            }) => own
                .collision
                .as_ref()
                .filter(|c| c.fate == Fate::Open)
                .map(|c| c.candidate),
            _ => None,
        }
    }

    /// Notes what the peer did with the candidate.
    pub(crate) fn candidate_is(&mut self, fate: Fate) {
        if let Some(Inflight {
            exchange: Exchange::RekeyIke(own),
            ..
        }) = &mut self.window.inflight
            && let Some(c) = &mut own.collision
        {
            c.fate = fate;
        }
    }

    pub(crate) fn start_ike_rekey(&mut self, core: &mut Core) {
        if !self.is_established() {
            return;
        }
        let (Some(policy), Some(suite)) = (self.policy.clone(), self.suite) else {
            return;
        };
        let methods = negotiate::ike_methods(&policy.ike);
        //= rfc7296#2.18: a rekeyed IKE SA has a key exchange of its own; the one that worked comes first
        let method = if methods.contains(&suite.ke) {
            Some(suite.ke)
        } else {
            methods.first().copied()
        };
        let spi = core.ike_spi();
        let nonce = core.nonce();
        let key = method.map(|m| ke::Initiator::generate(m, &mut *core.rng));
        match key {
            Some(Ok(key)) => self.send_rekey(
                core,
                OwnRekey {
                    spi,
                    nonce,
                    key,
                    tried: 0,
                    collision: None,
                },
            ),
            Some(Err(_)) | None => {
                self.rekey_failed(core, Reason::Other("no usable key exchange".into()));
            }
        }
    }

    fn send_rekey(&mut self, core: &mut Core, own: OwnRekey) {
        let Some(policy) = self.policy.clone() else {
            return;
        };
        let payloads: Vec<Payload<'_>> = vec![
            Body::Sa(negotiate::offer_ike(&policy.ike, Some(own.spi))).into(),
            Body::Nonce(own.nonce.clone().into()).into(),
            Body::Ke(KePayload {
                method: own.key.method(),
                data: own.key.public().to_vec().into(),
            })
            .into(),
        ];
        self.send(
            core,
            ExchangeType::CREATE_CHILD_SA,
            Exchange::RekeyIke(Box::new(own)),
            payloads,
        );
    }

    /// Did not work: again later.
    fn rekey_failed(&mut self, core: &mut Core, reason: Reason) {
        self.rekey_at = Some(Self::retry_at(core, self.expire_at));
        core.effect(Effect::Rekeyed(Subject::Ike(self.id), Err(reason)));
    }

    /// The peer wants another IKE SA instead of this.
    pub(crate) fn on_rekey_ike_request(
        &mut self,
        core: &mut Core,
        offer: &SaPayload<'_>,
        look: Look<'_>,
    ) {
        //= rfc7296#2.25.2: not while a child is being created, replaced or deleted
        let children_busy = self
            .children
            .values()
            .any(|c| matches!(c.phase, Phase::Installing(_)))
            || matches!(
                self.window.inflight.as_ref().map(|i| &i.exchange),
                Some(
                    Exchange::CreateChild(_)
                        | Exchange::DeleteChildren(_)
                        | Exchange::DeleteUnused(_)
                )
            );
        let crossing = match self.window.inflight.as_ref().map(|i| &i.exchange) {
            Some(Exchange::RekeyIke(own)) if own.collision.is_some() => {
                self.respond_notify(core, NotifyType::TEMPORARY_FAILURE, Vec::new());
                return;
            }
            Some(Exchange::RekeyIke(_)) => true,
            _ => false,
        };
        if children_busy {
            self.respond_notify(core, NotifyType::TEMPORARY_FAILURE, Vec::new());
            return;
        }
        let (Some(policy), Some(nonce_i), Some(peer_ke)) =
            (self.policy.clone(), look.nonce(), look.ke())
        else {
            self.respond_notify(core, NotifyType::INVALID_SYNTAX, Vec::new());
            return;
        };
        let chosen = match negotiate::choose_ike(&policy.ike, offer, true) {
            Ok(chosen) => chosen,
            Err(reason) => {
                self.respond_notify(core, NotifyType::NO_PROPOSAL_CHOSEN, Vec::new());
                self.event(core, EventKind::AttemptFailed(reason));
                return;
            }
        };
        let Some(spi_i) = chosen.spi else {
            self.respond_notify(core, NotifyType::INVALID_SYNTAX, Vec::new());
            return;
        };
        if peer_ke.method != chosen.suite.ke {
            let data = chosen.suite.ke.0.to_be_bytes().to_vec();
            self.respond_notify(core, NotifyType::INVALID_KE_PAYLOAD, data);
            return;
        }
        let Ok((public, shared)) = ke::respond(peer_ke.method, &peer_ke.data, &mut *core.rng)
        else {
            self.respond_notify(core, NotifyType::INVALID_SYNTAX, Vec::new());
            return;
        };
        let nonce_r = core.nonce();
        let spi_r = core.ike_spi();
        let made = self.successor(
            core,
            Role::Responder,
            (spi_i, spi_r),
            chosen.suite,
            &shared,
            (nonce_i, &nonce_r),
        );
        let Ok(mut new) = made else {
            self.respond_notify(core, NotifyType::TEMPORARY_FAILURE, Vec::new());
            return;
        };
        self.respond(
            core,
            vec![
                Body::Sa(negotiate::answer_ike(&chosen, Some(spi_r))).into(),
                Body::Nonce(nonce_r.clone().into()).into(),
                Body::Ke(KePayload {
                    method: peer_ke.method,
                    data: public.into(),
                })
                .into(),
            ],
        );
        if crossing {
            if let Some(Inflight {
                exchange: Exchange::RekeyIke(own),
                ..
            }) = &mut self.window.inflight
            {
                own.collision = Some(IkeCollision {
                    candidate: new.id,
                    fate: Fate::Open,
                    lowest: nonce_i.min(&nonce_r).to_vec(),
                });
            }
            new.state = State::Candidate {
                old: self.id,
                until: core.now.after(timer::REKEYED_IKE),
            };
            core.effect(Effect::Add(Box::new(new)));
            return;
        }
        self.hand_over(core, &mut new);
        self.state = State::Replaced {
            until: core.now.after(timer::REKEYED_IKE),
        };
        core.effect(Effect::Add(Box::new(new)));
    }

    pub(crate) fn on_rekey_ike_response(&mut self, core: &mut Core, own: OwnRekey, look: Look<'_>) {
        let OwnRekey {
            spi,
            nonce,
            key,
            tried,
            collision,
        } = own;
        let fate = collision.as_ref().map(|c| c.fate);
        let candidate = collision.as_ref().map(|c| c.candidate);
        let policy = self.policy.clone();
        let (Some(answer), Some(nonce_r), Some(peer_ke), Some(policy)) =
            (look.sa(), look.nonce(), look.ke(), policy)
        else {
            self.on_rekey_ike_error(core, look, key.method(), tried, candidate, fate);
            return;
        };
        let checked = negotiate::check_ike(&policy.ike, answer, true).and_then(|chosen| {
            let spi_r = chosen.spi.unwrap_or_default();
            if chosen.suite.ke != key.method() || peer_ke.method != key.method() {
                return Err(Reason::InvalidSyntax(
                    "another key exchange in the answer".into(),
                ));
            }
            let shared = key
                .finish(&peer_ke.data)
                .map_err(|e| Reason::Other(format!("key exchange: {e}")))?;
            self.successor(
                core,
                Role::Initiator,
                (spi, spi_r),
                chosen.suite,
                &shared,
                (&nonce, nonce_r),
            )
        });
        let mut new = match checked {
            Ok(new) => new,
            Err(reason) => {
                if let (Some(candidate), Some(Fate::Open)) = (candidate, fate) {
                    self.choose(core, candidate);
                } else if self.is_established() {
                    self.rekey_failed(core, reason);
                }
                return;
            }
        };
        let lost = match &collision {
            None => false,
            //= rfc7296#2.8.1: the exchange with the lowest of the four nonces is the redundant one
            Some(c) => match c.fate {
                Fate::Chosen => true,
                Fate::Deleted => false,
                Fate::Open => nonce.as_slice().min(nonce_r) < c.lowest.as_slice(),
            },
        };
        if lost || !self.is_established() {
            if let (Some(candidate), Some(Fate::Open)) = (candidate, fate) {
                self.choose(core, candidate);
            }
            //= rfc7296#2.8.2: whoever made the redundant IKE SA deletes it
            new.say_goodbye(core, false);
            core.effect(Effect::Add(Box::new(new)));
            return;
        }
        self.hand_over(core, &mut new);
        self.say_goodbye(core, false);
        core.effect(Effect::Add(Box::new(new)));
    }

    /// The candidate takes over; nothing starts here any more.
    fn choose(&mut self, core: &mut Core, candidate: IkeSaId) {
        self.state = State::Replaced {
            until: core.now.after(timer::REKEYED_IKE),
        };
        core.effect(Effect::CandidateChosen {
            old: self.id,
            candidate,
        });
    }

    fn on_rekey_ike_error(
        &mut self,
        core: &mut Core,
        look: Look<'_>,
        sent: KeMethod,
        tried: u32,
        candidate: Option<IkeSaId>,
        fate: Option<Fate>,
    ) {
        if let (Some(candidate), Some(Fate::Open)) = (candidate, fate) {
            //= rfc7296#2.25.2: the peer rekeyed already; its IKE SA takes over
            self.choose(core, candidate);
            return;
        }
        if !self.is_established() {
            return;
        }
        let Some(error) = look.error() else {
            let text = "no SA, Nonce or KE in the answer";
            self.rekey_failed(core, Reason::InvalidSyntax(text.into()));
            return;
        };
        let wanted = <[u8; 2]>::try_from(&*error.data)
            .ok()
            .map(|b| KeMethod(u16::from_be_bytes(b)));
        if error.kind == NotifyType::INVALID_KE_PAYLOAD
            && let (Some(policy), Some(m)) = (self.policy.clone(), wanted)
            && m != sent
            && tried < 3
            && negotiate::ike_methods(&policy.ike).contains(&m)
            && let Ok(key) = ke::Initiator::generate(m, &mut *core.rng)
        {
            let own = OwnRekey {
                spi: core.ike_spi(),
                nonce: core.nonce(),
                key,
                tried: tried.saturating_add(1),
                collision: None,
            };
            self.send_rekey(core, own);
            return;
        }
        self.rekey_failed(core, Reason::PeerNotify(error.kind));
    }

    /// The IKE SA that replaces this one, with keys and without children.
    fn successor(
        &self,
        core: &mut Core,
        role: Role,
        (spi_i, spi_r): (Spi, Spi),
        suite: IkeSuite,
        shared: &Secret,
        (nonce_i, nonce_r): (&[u8], &[u8]),
    ) -> Result<Self, Reason> {
        let (Some(keys), Some(old)) = (&self.keys, self.suite) else {
            return Err(Reason::Other("no keys".into()));
        };
        let sk = SkKeys::rekeyed(
            &suite,
            old.prf,
            &keys.sk.d,
            shared,
            nonce_i,
            nonce_r,
            &[],
            spi_i,
            spi_r,
        )
        .map_err(|e| Reason::Other(format!("key schedule: {e}")))?;
        let mut new = Self::new(core, role, self.path, State::Established);
        new.spi_i = spi_i;
        new.spi_r = spi_r;
        new.nat = self.nat;
        new.policy.clone_from(&self.policy);
        new.peer_id.clone_from(&self.peer_id);
        new.take_keys(core, suite, sk)?;
        if let Some(policy) = new.policy.clone() {
            new.set_lifetime(core, &policy);
        }
        Ok(new)
    }

    /// Children, queue and standing go over to the IKE SA that replaces this one.
    pub(crate) fn hand_over(&mut self, core: &mut Core, new: &mut Self) {
        new.state = State::Established;
        new.path = self.path;
        new.children = core::mem::take(&mut self.children);
        new.window.queue.extend(
            core::mem::take(&mut self.window.queue)
                .into_iter()
                .filter(|job| !matches!(job, Job::RekeyIke | Job::Liveness)),
        );
        if let Some(mut known) = core.known.remove(&self.id) {
            known.initiator = new.role == Role::Initiator;
            known.spi_i = new.spi_i;
            core.known.insert(new.id, known);
        }
        core.stats.count(Counter::IkeSasRekeyed);
        self.event(core, EventKind::IkeSaRekeyed { new: new.id });
        core.effect(Effect::Rekeyed(Subject::Ike(self.id), Ok(())));
        core.effect(Effect::Review);
    }
}
