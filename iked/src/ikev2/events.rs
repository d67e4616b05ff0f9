//! What the engine reports, as log lines. Key log rows go to the parent's file and never here.
use ike_sa::{Event, EventKind};

use super::Driver;
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
        report(&event);
        Ok(())
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
