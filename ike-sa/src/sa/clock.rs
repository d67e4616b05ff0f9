//! The clock of an IKE SA: what is due, and when something will be next.
use super::*;

impl IkeSa {
    /// Runs timers.
    pub(crate) fn on_time(&mut self, core: &mut Core) {
        let now = core.now;
        match &self.state {
            State::Candidate { until, .. }
            | State::Replaced { until }
            | State::Closing { until }
            | State::Closed { until }
                if *until <= now =>
            {
                self.forget(core);
                return;
            }
            State::HalfOpen(h) if h.deadline <= now => {
                let text = "the peer did not go on with IKE_AUTH in time";
                self.fail(core, Reason::Other(text.into()));
                return;
            }
            State::Connecting(c) if c.give_up_at.is_some_and(|t| t <= now) => {
                let reason = c
                    .error
                    .clone()
                    .unwrap_or(Reason::Timeout { retransmits: 0 });
                self.fail(core, reason);
                return;
            }
            _ => {}
        }
        let dpd_s = core.settings.dpd_check_interval_s;
        match self.window.due(&mut *core.rng, now, dpd_s) {
            Due::Not => {}
            Due::Repeat(attempt) => {
                core.stats.count(Counter::Retransmits);
                if let Some(i) = &self.window.inflight {
                    let id = i.id;
                    core.transmit(self.path, &i.datagrams);
                    self.last_out = now;
                    self.event(
                        core,
                        EventKind::Retransmit {
                            message_id: id,
                            attempt,
                        },
                    );
                }
            }
            Due::GiveUp(retransmits) => {
                let reason = match &self.state {
                    State::Connecting(c) => c.error.clone(),
                    _ => None,
                };
                self.dead(core, reason.unwrap_or(Reason::Timeout { retransmits }));
                return;
            }
        }
        if self.is_established() {
            self.established_timers(core);
        }
        self.child_timers(core);
    }

    /// The next point in time that matters.
    pub(crate) fn deadline(&self, settings: &Settings) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let mut at = |t: Option<Instant>| {
            next = match (next, t) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        };
        at(self.window.inflight.as_ref().map(|i| i.next));
        match &self.state {
            State::Connecting(c) => at(c.give_up_at),
            State::HalfOpen(h) => at(Some(h.deadline)),
            State::Candidate { until, .. }
            | State::Replaced { until }
            | State::Closing { until }
            | State::Closed { until } => at(Some(*until)),
            State::Established => {
                at(self.rekey_at);
                at(self.expire_at);
                at(self.liveness_at(settings));
                at(self.keepalive_at());
            }
            State::Gone => {}
        }
        for child in self.children.values() {
            at(child.deadline());
        }
        next
    }

    pub(crate) fn liveness_at(&self, settings: &Settings) -> Option<Instant> {
        let idle = self.window.inflight.is_none() && self.window.queue.is_empty();
        (settings.dpd_check_interval_s > 0 && idle).then(|| {
            self.last_in
                .after(Duration::from_secs(settings.dpd_check_interval_s.into()))
        })
    }

    pub(crate) fn keepalive_at(&self) -> Option<Instant> {
        self.nat
            .local
            .then(|| self.last_out.after(timer::KEEPALIVE))
    }
}
