//! What the engine reports, as log lines. Key log rows go to the parent's file and never here.
use ike_sa::{Event, EventKind, Instant};

use super::Driver;
use crate::event_loop::now;
use crate::ipc::Ikev2ToParent;
use crate::role::RoleError;

impl Driver {
    pub(super) fn event(&mut self, event: Event) -> Result<(), RoleError> {
        if let EventKind::KeyLog(row) = event.kind {
            if self.setup.keylog {
                self.parent.send(&Ikev2ToParent::KeyLog(row))?;
            }
            return Ok(());
        }
        // Anybody can make these happen, as often as he likes.
        if matches!(
            event.kind,
            EventKind::Connecting | EventKind::AttemptFailed(_)
        ) {
            match self.log_limit.admit(now()) {
                Admission::Log { suppressed } => {
                    if suppressed > 0 {
                        tracing::info!("{suppressed} more attempts were not logged");
                    }
                }
                Admission::Suppress => {
                    tracing::debug!("an attempt is not logged, there are too many");
                    return Ok(());
                }
            }
        }
        report(&event);
        Ok(())
    }
}

/// A token bucket for log lines that strangers cause.
#[derive(Debug)]
pub(super) struct LogLimit {
    tokens: u64,
    refilled: Instant,
    suppressed: u64,
}

/// Whether a line is logged.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
    /// It is, and so many were not before it.
    Log { suppressed: u64 },
    /// It is not.
    Suppress,
}

impl LogLimit {
    const BURST: u64 = 50;
    const PER_SECOND: u64 = 2;

    pub(super) fn new(now: Instant) -> Self {
        Self {
            tokens: Self::BURST,
            refilled: now,
            suppressed: 0,
        }
    }

    fn admit(&mut self, now: Instant) -> Admission {
        let seconds = now.since(self.refilled).as_secs();
        if seconds > 0 {
            let more = seconds.saturating_mul(Self::PER_SECOND);
            self.tokens = self.tokens.saturating_add(more).min(Self::BURST);
            self.refilled = now;
        }
        if self.tokens == 0 {
            self.suppressed = self.suppressed.saturating_add(1);
            return Admission::Suppress;
        }
        self.tokens = self.tokens.saturating_sub(1);
        Admission::Log {
            suppressed: std::mem::take(&mut self.suppressed),
        }
    }
}

/// Writes the log line.
fn report(event: &Event) {
    let policy = event.policy.as_deref().unwrap_or("-");
    let peer = event
        .peer
        .map_or_else(|| "-".to_owned(), |peer| peer.to_string());
    match &event.kind {
        EventKind::Connecting => tracing::info!("{policy} {peer}: connecting"),
        EventKind::IkeSaEstablished { peer_id } => {
            tracing::info!("{policy} {peer}: IKE SA established with {peer_id}");
        }
        EventKind::IkeSaRekeyed { .. } => tracing::info!("{policy} {peer}: IKE SA rekeyed"),
        EventKind::IkeSaClosed(reason) => {
            tracing::info!("{policy} {peer}: IKE SA closed: {reason}");
        }
        EventKind::ChildSaInstalled {
            child,
            spi_in,
            spi_out,
        } => tracing::info!(
            "{policy} {peer}: child SA {child} established, SPIs {spi_in} in, {spi_out} out"
        ),
        EventKind::ChildSaRekeyed {
            child,
            spi_in,
            spi_out,
        } => tracing::info!(
            "{policy} {peer}: child SA {child} rekeyed, SPIs {spi_in} in, {spi_out} out"
        ),
        EventKind::ChildSaClosed {
            child,
            spi_in,
            reason,
        } => tracing::info!("{policy} {peer}: child SA {child} ({spi_in} in) closed: {reason}"),
        EventKind::AttemptFailed(reason) => {
            tracing::info!("{policy} {peer}: attempt failed: {reason}");
        }
        EventKind::ChildRefused { child, reason } => {
            tracing::info!("{policy} {peer}: child SA {child} refused: {reason}");
        }
        EventKind::Retransmit {
            message_id,
            attempt,
        } => tracing::debug!("{policy} {peer}: retransmit {attempt} of message {message_id}"),
        EventKind::NatDetected { local, peer: far } => {
            let place = match (local, far) {
                (true, true) => "before us and before the peer",
                (true, false) => "before us",
                (false, _) => "before the peer",
            };
            tracing::info!("{policy} {peer}: NAT {place}");
        }
        EventKind::PeerAddressChanged { from, to } => {
            tracing::info!("{policy} {peer}: peer moved from {from} to {to}");
        }
        EventKind::KeyLog(_) => {}
        _ => tracing::debug!("{policy} {peer}: event of an unknown kind"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_logged_in_part_and_counted() {
        let start = Instant::from_micros(0);
        let mut limit = LogLimit::new(start);
        let logged = (0..1000)
            .filter(|_| limit.admit(start) != Admission::Suppress)
            .count();
        assert_eq!(logged as u64, LogLimit::BURST);
        let later = Instant::from_micros(1_000_000);
        assert_eq!(limit.admit(later), Admission::Log { suppressed: 950 });
        assert_eq!(limit.admit(later), Admission::Log { suppressed: 0 });
        assert_eq!(limit.admit(later), Admission::Suppress);
    }
}
