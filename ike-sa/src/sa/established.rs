//! An IKE SA in use: becoming it, INFORMATIONAL (RFC 7296 §1.4), liveness (§2.4), lifetimes.
use super::*;
use ike_wire::payload::{Body, Delete};

impl IkeSa {
    /// IKE_AUTH is through for both ends.
    pub(crate) fn establish(&mut self, core: &mut Core) {
        let (Some(policy), Some(peer_id)) = (self.policy.clone(), self.peer_id.clone()) else {
            return;
        };
        self.state = State::Established;
        self.set_lifetime(core, &policy);
        core.known.insert(
            self.id,
            shared::Known {
                policy: policy.name.clone(),
                local_id: policy.local_id.clone(),
                peer_id: peer_id.clone(),
                pinned: matches!(policy.peer_id, IdMatch::Exact(_)),
                at: core.now,
                begun: self.begun,
                initiator: self.role == Role::Initiator,
                spi_i: self.spi_i,
            },
        );
        core.stats.count(Counter::IkeSasEstablished);
        self.event(core, EventKind::IkeSaEstablished { peer_id });
        core.effect(Effect::Established(self.id));
    }

    /// Soft and hard lifetime from now.
    pub(crate) fn set_lifetime(&mut self, core: &mut Core, policy: &Policy) {
        let now = core.now;
        self.established_at = Some(now);
        self.last_in = now;
        if policy.ike_lifetime_s > 0 {
            let total = policy.ike_lifetime_s;
            let soft = Duration::from_millis(core.soft(total.saturating_mul(1000)));
            let hard = Duration::from_secs(total.saturating_add(total / 10))
                .max(soft.saturating_add(timer::HARD_SLACK));
            self.rekey_at = Some(now.after(soft));
            self.expire_at = Some(now.after(hard));
        }
    }

    /// When to try again what the peer cannot do now: 6 to 15 seconds, sooner if the end is near.
    pub(crate) fn retry_at(core: &mut Core, hard: Option<Instant>) -> Instant {
        let usual = Duration::from_millis(u64::from(
            6000u32.saturating_add(core.rng.next_u32() % 9001),
        ));
        let wait = match hard {
            Some(end) => usual.min((end.since(core.now) / 8).max(Duration::from_secs(1))),
            None => usual,
        };
        core.now.after(wait)
    }

    pub(crate) fn established_timers(&mut self, core: &mut Core) {
        let now = core.now;
        if self.expire_at.is_some_and(|t| t <= now) {
            self.close(core, Reason::Expired);
            return;
        }
        if self.rekey_at.is_some_and(|t| t <= now) {
            self.rekey_at = None;
            self.window.enqueue(Job::RekeyIke);
        }
        if self.liveness_at(&core.settings).is_some_and(|t| t <= now) {
            //= rfc7296#2.4: an empty INFORMATIONAL asks a silent peer whether it is alive
            self.window.enqueue(Job::Liveness);
        }
        if self.keepalive_at().is_some_and(|t| t <= now) {
            core.stats.count(Counter::KeepalivesOut);
            core.out.push_back(Output::Transmit {
                path: self.path,
                datagrams: vec![vec![0xff]],
            });
            self.last_out = now;
        }
    }

    pub(crate) fn on_informational(&mut self, core: &mut Core, look: Look<'_>) {
        if delete::is_ike_delete(look) || look.notify(NotifyType::AUTHENTICATION_FAILED).is_some() {
            self.on_ike_delete(core, look);
            return;
        }
        let mut answer: Vec<Payload<'_>> = Vec::new();
        for delete in look.deletes() {
            if let Delete::Child(protocol, spis) = delete {
                let ours = self.on_child_delete(core, *protocol, spis);
                if !ours.is_empty() {
                    //= rfc7296#1.4.1: the answer holds the SPIs of the other direction
                    answer.push(Body::Delete(Delete::Child(*protocol, ours)).into());
                }
            }
        }
        self.respond(core, answer);
    }

    /// Traffic seen by the data plane.
    pub(crate) fn on_counters(&mut self, core: &mut Core, id: ChildId, counters: Counters) {
        let sa = self.id;
        let Some(child) = self.children.get_mut(&id) else {
            return;
        };
        if counters.packets_in > child.counters.packets_in {
            self.last_in = core.now;
            //= rfc7296#2.8: traffic on the new SA shows that the peer has it
            child.activate(core, sa);
        }
        child.counters = counters;
        let most = counters.bytes_in.max(counters.bytes_out);
        let over = |limit: Option<u64>| limit.is_some_and(|l| most >= l);
        if !matches!(child.phase, Phase::Installed) {
            return;
        }
        if over(child.hard_bytes) {
            self.expire_child(core, id);
        } else if over(child.soft_bytes) {
            child.soft_bytes = None;
            self.window.enqueue(Job::RekeyChild(id));
        }
    }
}
