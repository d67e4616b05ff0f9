//! The peer's IKE_SA_INIT and IKE_AUTH (RFC 7296 §1.2): choosing algorithms before any state is
//! made, then identity, policy, AUTH checked and made elsewhere, and the first child. The answer
//! to IKE_AUTH leaves after the data plane has the child. Refuses to tell an unauthenticated
//! peer more than AUTHENTICATION_FAILED.
use super::initiator::{id_body, id_of, id_payload};
use super::*;
use crate::lookup::{self, Facts};
use ike_crypto::{auth, ke};
use ike_wire::AuthMethod;
use ike_wire::payload::{AuthPayload, Body, KePayload};

/// An IKE SA of the peer's making before its IKE_AUTH is through.
#[derive(Debug)]
pub(crate) struct HalfOpen {
    pub(crate) deadline: Instant,
    request: Vec<u8>,
    response: Vec<u8>,
    nonce_i: Vec<u8>,
    nonce_r: Vec<u8>,
    round: Round,
}

/// Where IKE_AUTH is. More rounds (EAP) will be more variants.
#[derive(Debug)]
enum Round {
    /// Nothing came yet.
    Waiting,
    /// `ca` checks the peer's AUTH.
    Verifying { request: Request_, id_i: Id },
    /// `ca` makes ours.
    Making { request: Request_ },
    /// The data plane installs the child.
    Installing,
}

/// The IKE_AUTH request, to be looked at again after each step.
#[derive(Debug)]
struct Request_ {
    first: PayloadType,
    plain: ike_crypto::Secret,
}

/// Why an IKE_SA_INIT makes no IKE SA, and what to answer.
#[derive(Debug)]
pub(crate) struct InitRefused {
    pub(crate) notify: Option<(NotifyType, Vec<u8>)>,
    pub(crate) reason: Reason,
}

impl IkeSa {
    /// Answers IKE_SA_INIT with a half-open IKE SA, or says why not.
    pub(crate) fn accept_init(
        core: &mut Core,
        path: Path,
        header: &Header,
        bytes: &[u8],
        look: Look<'_>,
    ) -> Result<Self, InitRefused> {
        let malformed = |text: &str| InitRefused {
            notify: Some((NotifyType::INVALID_SYNTAX, Vec::new())),
            reason: Reason::InvalidSyntax(text.into()),
        };
        let (Some(offer), Some(ke), Some(nonce_i)) = (look.sa(), look.ke(), look.nonce()) else {
            return Err(malformed("IKE_SA_INIT without SA, KE or Nonce"));
        };
        let no_proposal = |reason| InitRefused {
            notify: Some((NotifyType::NO_PROPOSAL_CHOSEN, Vec::new())),
            reason,
        };
        let facts = Facts {
            path,
            offer: Some(offer),
            suite: None,
            peer_id: None,
            local_id: None,
        };
        let policy = lookup::find(&core.policies, &facts).map_err(no_proposal)?;
        let chosen = negotiate::choose_ike(&policy.ike, offer, false).map_err(no_proposal)?;
        if ke.method != chosen.suite.ke {
            //= rfc7296#1.2: another group is asked for with INVALID_KE_PAYLOAD, without keeping state
            return Err(InitRefused {
                notify: Some((
                    NotifyType::INVALID_KE_PAYLOAD,
                    chosen.suite.ke.0.to_be_bytes().to_vec(),
                )),
                reason: Reason::Other(format!(
                    "asked for key exchange {} instead of {}",
                    chosen.suite.ke, ke.method
                )),
            });
        }
        let (public, shared) = ke::respond(ke.method, &ke.data, &mut *core.rng)
            .map_err(|e| malformed(&format!("key exchange: {e}")))?;
        let nonce_r = core.nonce();
        let state = State::HalfOpen(Box::new(HalfOpen {
            deadline: core.now.after(timer::HALF_OPEN),
            request: bytes.to_vec(),
            response: Vec::new(),
            nonce_i: nonce_i.to_vec(),
            nonce_r: nonce_r.clone(),
            round: Round::Waiting,
        }));
        let mut sa = Self::new(core, Role::Responder, path, state);
        sa.spi_i = header.spi_i;
        let broken = |reason| InitRefused {
            notify: None,
            reason,
        };
        let sk = SkKeys::initial(
            &chosen.suite,
            &shared,
            nonce_i,
            &nonce_r,
            sa.spi_i,
            sa.spi_r,
        )
        .map_err(|e| broken(Reason::Other(format!("key schedule: {e}"))))?;
        sa.policy = Some(policy);
        sa.init_key = Some((exchange::hash(bytes), path.peer));
        sa.take_keys(core, chosen.suite, sk).map_err(broken)?;

        let mut payloads: Vec<Payload<'_>> = vec![
            Body::Sa(negotiate::answer_ike(&chosen, None)).into(),
            Body::Ke(KePayload {
                method: ke.method,
                data: public.into(),
            })
            .into(),
            Body::Nonce(nonce_r.into()).into(),
        ];
        let nat = natd::detect(sa.spi_i, Spi::ZERO, &path, look.notifies());
        if nat.supported && !core.settings.no_nat_traversal {
            sa.nat = Nat {
                forced: core.config.force_encap,
                ..nat
            };
            for n in natd::notifies(sa.spi_i, sa.spi_r, &path, core.config.force_encap) {
                payloads.push(Body::Notify(n).into());
            }
        }
        let flags = Flags {
            response: true,
            ..Flags::default()
        };
        let header = message::header(sa.spi_i, sa.spi_r, ExchangeType::IKE_SA_INIT, flags, 0);
        let response = message::clear(header, payloads);
        sa.window.accept(0, ExchangeType::IKE_SA_INIT, bytes, path);
        sa.window.answered(core::slice::from_ref(&response));
        core.transmit(path, core::slice::from_ref(&response));
        if let State::HalfOpen(h) = &mut sa.state {
            h.response = response;
        }
        sa.event(core, EventKind::Connecting);
        if sa.nat.local || sa.nat.peer {
            let kind = EventKind::NatDetected {
                local: sa.nat.local,
                peer: sa.nat.peer,
            };
            sa.event(core, kind);
        }
        Ok(sa)
    }

    pub(crate) fn on_auth_request(
        &mut self,
        core: &mut Core,
        first: PayloadType,
        plain: ike_crypto::Secret,
        look: Look<'_>,
    ) {
        let Some(suite) = self.suite else {
            return;
        };
        let (Some(id_i), Some(auth)) = (look.id_i(), look.auth()) else {
            self.respond_notify(core, NotifyType::INVALID_SYNTAX, Vec::new());
            self.end(
                core,
                Reason::InvalidSyntax("IKE_AUTH without IDi or AUTH".into()),
            );
            return;
        };
        let ids = id_of(id_i).and_then(|id_i| Ok((id_i, look.id_r().map(id_of).transpose()?)));
        let (id_i, id_r) = match ids {
            Ok(ids) => ids,
            Err(reason) => {
                self.respond_notify(core, NotifyType::INVALID_SYNTAX, Vec::new());
                self.end(core, reason);
                return;
            }
        };
        self.peer_id = Some(id_i.clone());
        let facts = Facts {
            path: self.path,
            offer: None,
            suite: Some(&suite),
            peer_id: Some(&id_i),
            local_id: id_r.as_ref(),
        };
        let policy = match lookup::find(&core.policies, &facts) {
            Ok(policy) => policy,
            Err(reason) => {
                self.refuse_auth(core, reason);
                return;
            }
        };
        self.policy = Some(policy.clone());
        let (Some(keys), State::HalfOpen(h)) = (&self.keys, &mut self.state) else {
            return;
        };
        let octets = auth::signed_octets(
            suite.prf,
            &keys.sk.pi,
            &h.request,
            &h.nonce_r,
            &id_body(&id_i),
            &[],
        );
        h.round = Round::Verifying {
            request: Request_ { first, plain },
            id_i: id_i.clone(),
        };
        core.request(
            self.id,
            Wait::VerifyAuth,
            Request::VerifyAuth {
                policy: policy.name.clone(),
                peer_id: id_i,
                prf: suite.prf.id(),
                octets,
                method: auth.method,
                data: auth.data.to_vec(),
            },
        );
    }

    /// AUTHENTICATION_FAILED and the end.
    fn refuse_auth(&mut self, core: &mut Core, reason: Reason) {
        //= rfc7296#2.21.2: the reply says AUTHENTICATION_FAILED, and no SA stays
        self.respond_notify(core, NotifyType::AUTHENTICATION_FAILED, Vec::new());
        self.end(core, reason);
    }

    pub(crate) fn on_auth_verified_responder(
        &mut self,
        core: &mut Core,
        verified: Result<PeerAuthenticated, String>,
    ) {
        let (Some(suite), Some(policy)) = (self.suite, self.policy.clone()) else {
            return;
        };
        let (Some(keys), State::HalfOpen(h)) = (&self.keys, &mut self.state) else {
            return;
        };
        let Round::Verifying { request, id_i } = core::mem::replace(&mut h.round, Round::Waiting)
        else {
            return;
        };
        let detail = match verified {
            Ok(proof) if proof.id().matches(&id_i) => None,
            Ok(_) => Some("another identity was authenticated".to_owned()),
            Err(e) => Some(e),
        };
        if let Some(detail) = detail {
            let reason = Reason::AuthenticationFailed {
                peer: id_i.to_string(),
                detail,
            };
            self.refuse_auth(core, reason);
            return;
        }
        let octets = auth::signed_octets(
            suite.prf,
            &keys.sk.pr,
            &h.response,
            &h.nonce_i,
            &id_body(&policy.local_id),
            &[],
        );
        h.round = Round::Making { request };
        core.request(
            self.id,
            Wait::MakeAuth,
            Request::MakeAuth {
                policy: policy.name.clone(),
                prf: suite.prf.id(),
                octets,
            },
        );
    }

    pub(crate) fn on_auth_made_responder(
        &mut self,
        core: &mut Core,
        made: Result<(AuthMethod, Vec<u8>), String>,
    ) {
        let Some(policy) = self.policy.clone() else {
            return;
        };
        let State::HalfOpen(h) = &mut self.state else {
            return;
        };
        let Round::Making { request } = core::mem::replace(&mut h.round, Round::Installing) else {
            return;
        };
        let (nonce_i, nonce_r) = (h.nonce_i.clone(), h.nonce_r.clone());
        let (method, data) = match made {
            Ok(made) => made,
            Err(e) => {
                self.refuse_auth(core, Reason::Other(format!("cannot make AUTH: {e}")));
                return;
            }
        };
        let Ok(chain) = Chain::decode(request.first, request.plain.expose()) else {
            return;
        };
        let look = Look(&chain.payloads);
        let payloads: Vec<Payload<'static>> = vec![
            Body::IdR(id_payload(&policy.local_id)).into(),
            Body::Auth(AuthPayload {
                method,
                data: data.into(),
            })
            .into(),
        ];
        self.establish(core);
        if look.notify(NotifyType::INITIAL_CONTACT).is_some() {
            core.effect(Effect::InitialContact(self.id));
        }
        if look.sa().is_none() {
            // No child asked for (RFC 6023).
            self.respond(core, payloads);
            return;
        }
        self.answer_first_child(core, look, payloads, &nonce_i, &nonce_r);
    }
}
