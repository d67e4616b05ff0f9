//! How an IKE SA ends (RFC 7296 §1.4.1, §2.4, §2.21): by us, by the peer, by silence. Every
//! end has a reason, removes its children, and is told once.
use super::*;
use ike_wire::payload::{Body, Delete};

impl IkeSa {
    /// We want it to end: the peer is told if it can know of it.
    pub(crate) fn close(&mut self, core: &mut Core, reason: Reason) {
        match self.state {
            State::Established => {
                self.closed_event(core, reason);
                self.say_goodbye(core, false);
            }
            State::Connecting(_) => {
                let told = matches!(
                    self.window.inflight.as_ref().map(|i| &i.exchange),
                    Some(Exchange::Auth)
                );
                self.failed_attempt(core, reason);
                if told {
                    // The responder may be through already; wait for its answer to delete.
                    self.say_goodbye(core, false);
                } else {
                    self.forget(core);
                }
            }
            State::HalfOpen(_) => self.end(core, reason),
            State::Candidate { .. } | State::Replaced { .. } => self.forget(core),
            State::Closing { .. } | State::Closed { .. } | State::Gone => {}
        }
    }

    /// Goes on to delete it at the peer. What was queued is dropped; what is under way is
    /// answered, but no longer of interest.
    pub(crate) fn say_goodbye(&mut self, core: &mut Core, auth_failed: bool) {
        self.release_spis(core);
        self.state = State::Closing {
            until: core.now.after(timer::CLOSING),
        };
        self.window.queue.clear();
        self.window.queue.push_back(Job::DeleteIke { auth_failed });
        if let Some(i) = &mut self.window.inflight {
            i.exchange = Exchange::Abandoned;
        }
    }

    pub(crate) fn start_ike_delete(&mut self, core: &mut Core, auth_failed: bool) {
        let mut payloads = Vec::new();
        if auth_failed {
            payloads.push(message::notify(
                NotifyType::AUTHENTICATION_FAILED,
                Vec::new(),
            ));
        }
        payloads.push(Body::Delete(Delete::IkeSa).into());
        self.send(
            core,
            ExchangeType::INFORMATIONAL,
            Exchange::DeleteIke,
            payloads,
        );
    }

    /// It ended, with our last response said: only repetitions are answered from here.
    pub(crate) fn end(&mut self, core: &mut Core, reason: Reason) {
        self.ended_event(core, reason);
        self.release_spis(core);
        self.drop_children(core);
        self.window.inflight = None;
        self.window.queue.clear();
        self.state = State::Closed {
            until: core.now.after(timer::TOMBSTONE),
        };
        core.effect(Effect::Review);
    }

    /// It cannot go on, and there is nobody to tell.
    pub(crate) fn fail(&mut self, core: &mut Core, reason: Reason) {
        self.ended_event(core, reason);
        self.release_spis(core);
        self.drop_children(core);
        self.state = State::Gone;
    }

    /// SPIs of children that never came to be are free again.
    fn release_spis(&mut self, core: &mut Core) {
        if let State::Connecting(c) = &mut self.state
            && let Some(own) = c.child.take()
        {
            core.child_spis.remove(&own.spi_in);
        }
        match self.window.inflight.as_ref().map(|i| &i.exchange) {
            Some(Exchange::CreateChild(own)) => {
                core.child_spis.remove(&own.spi_in);
            }
            Some(Exchange::DeleteUnused(spi)) => {
                core.child_spis.remove(spi);
            }
            _ => {}
        }
        for job in &self.window.queue {
            if let Job::DeleteUnused(_, spi) = job {
                core.child_spis.remove(spi);
            }
        }
    }

    /// Gone without a word: its end was told before.
    pub(crate) fn forget(&mut self, core: &mut Core) {
        self.release_spis(core);
        self.drop_children(core);
        self.state = State::Gone;
    }

    /// The peer does not answer any more.
    pub(crate) fn dead(&mut self, core: &mut Core, reason: Reason) {
        match self.state {
            State::Established | State::Connecting(_) | State::HalfOpen(_) => {
                self.fail(core, reason);
            }
            _ => self.forget(core),
        }
    }

    /// The peer deletes it, or says that we failed to authenticate.
    pub(crate) fn on_ike_delete(&mut self, core: &mut Core, look: Look<'_>) {
        //= rfc7296#1.4.1: the answer to the delete of an IKE SA is empty
        self.respond(core, Vec::new());
        let reason = match look.notify(NotifyType::AUTHENTICATION_FAILED) {
            Some(_) => Reason::PeerNotify(NotifyType::AUTHENTICATION_FAILED),
            None => Reason::PeerDeleted,
        };
        if let State::Candidate { old, .. } = self.state {
            core.effect(Effect::CandidateDeleted { old });
        }
        if self.is_established()
            && let Some(candidate) = self.candidate()
        {
            // The peer's rekeying won: all goes over to the IKE SA it made.
            core.effect(Effect::Move {
                from: self.id,
                to: candidate,
            });
            return;
        }
        self.end(core, reason);
    }

    /// Tells the end according to the state it ended in.
    fn ended_event(&mut self, core: &mut Core, reason: Reason) {
        match self.state {
            State::Established => self.closed_event(core, reason),
            State::Connecting(_) | State::HalfOpen(_) => self.failed_attempt(core, reason),
            State::Candidate { .. }
            | State::Replaced { .. }
            | State::Closing { .. }
            | State::Closed { .. }
            | State::Gone => {}
        }
    }

    /// An attempt, ours or the peer's, came to nothing.
    pub(crate) fn failed_attempt(&mut self, core: &mut Core, reason: Reason) {
        core.stats.count(Counter::AttemptsFailed);
        self.event(core, EventKind::AttemptFailed(reason.clone()));
        if self.role == Role::Initiator
            && let Some(policy) = self.policy_name()
        {
            let policy = policy.to_owned();
            core.effect(Effect::AttemptFailed { policy, reason });
        }
    }

    fn closed_event(&mut self, core: &mut Core, reason: Reason) {
        core.known.remove(&self.id);
        core.stats.count(Counter::IkeSasClosed);
        let ids: Vec<_> = self.children.keys().copied().collect();
        for id in ids {
            self.child_closed(core, id, reason.clone());
        }
        self.drop_children(core);
        core.effect(Effect::Rekeyed(
            shared::Subject::Ike(self.id),
            Err(reason.clone()),
        ));
        self.event(core, EventKind::IkeSaClosed(reason));
        core.effect(Effect::Review);
    }

    /// Takes all children out of the data plane.
    pub(crate) fn drop_children(&mut self, core: &mut Core) {
        let id = self.id;
        for (_, mut child) in core::mem::take(&mut self.children) {
            child.remove(core, id);
        }
    }

    /// Tells that a child ended, once.
    pub(crate) fn child_closed(&mut self, core: &mut Core, id: ChildId, reason: Reason) {
        let Some(child) = self.children.get_mut(&id) else {
            return;
        };
        core.effect(Effect::Rekeyed(
            shared::Subject::Child(id),
            Err(reason.clone()),
        ));
        if !core::mem::take(&mut child.announced) {
            return;
        }
        core.stats.count(Counter::ChildSasClosed);
        let kind = EventKind::ChildSaClosed {
            child: child.name.clone(),
            spi_in: child.spi_in,
            reason,
        };
        self.event(core, kind);
        core.effect(Effect::Review);
    }
}
