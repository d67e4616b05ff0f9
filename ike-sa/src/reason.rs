//! Structured reasons: why something was refused, closed or given up.
use ike_wire::{NotifyType, ProtocolId, TransformType};
use serde::{Deserialize, Serialize};

/// Why an attempt failed or an SA ended. `Display` is one line for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// No answer after all retransmissions.
    #[error("peer does not answer ({retransmits} retransmissions)")]
    Timeout {
        /// How often the request was repeated.
        retransmits: u32,
    },
    /// The peer sent an error notification.
    #[error("peer answered {0}")]
    PeerNotify(NotifyType),
    /// No common transform; one entry per pair of proposals compared.
    #[error("no proposal chosen for {protocol}: {}", join(mismatches))]
    NoProposalChosen {
        /// IKE, ESP or AH.
        protocol: ProtocolId,
        /// What did not meet.
        mismatches: Vec<ProposalMismatch>,
    },
    /// No policy for these addresses or identities.
    #[error("no policy matches: {}", if tried.is_empty() { "there is none".to_owned() } else { join(tried) })]
    NoPolicy {
        /// Policies tried with the first field that failed.
        tried: Vec<PolicyMismatch>,
    },
    /// The peer's AUTH is wrong (for example another pre-shared key).
    #[error("peer {peer} failed authentication: {detail}")]
    AuthenticationFailed {
        /// Identity claimed.
        peer: String,
        /// What failed.
        detail: String,
    },
    /// Selectors have nothing in common.
    #[error("traffic selectors have nothing in common: offered {offered}, configured {configured}")]
    TsUnacceptable {
        /// Peer's.
        offered: String,
        /// Ours.
        configured: String,
    },
    /// A malformed or forbidden message.
    #[error("invalid message: {0}")]
    InvalidSyntax(String),
    /// The kernel or data plane refused.
    #[error("data plane refused: {0}")]
    DataPlane(String),
    /// Asked for by an administrator.
    #[error("closed by command")]
    Command,
    /// The peer deleted it.
    #[error("deleted by peer")]
    PeerDeleted,
    /// Replaced by a rekeyed SA.
    #[error("replaced by rekeying")]
    Rekeyed,
    /// Replaced: the peer sent INITIAL_CONTACT or a newer SA of the same identity exists.
    #[error("peer started anew")]
    Replaced,
    /// The configuration no longer has the policy.
    #[error("policy removed")]
    PolicyRemoved,
    /// Lifetime over and not rekeyed.
    #[error("lifetime over")]
    Expired,
    /// The daemon stops.
    #[error("daemon stops")]
    Shutdown,
    /// Anything else, named.
    #[error("{0}")]
    Other(String),
}

/// Two proposals that did not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalMismatch {
    /// Number of the peer's proposal.
    pub offered: u8,
    /// Index of ours, from 1.
    pub configured: u8,
    /// The transform type without overlap.
    pub kind: TransformType,
    /// What each side has of it, for people.
    pub detail: String,
}

impl core::fmt::Display for ProposalMismatch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "proposal {} against our {}: {} ({})",
            self.offered, self.configured, self.kind, self.detail
        )
    }
}

/// A policy that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyMismatch {
    /// Its name.
    pub policy: String,
    /// The first field that failed: "peer", "local", "dstid", "srcid", "auth"…
    pub field: String,
    /// Detail for people.
    pub detail: String,
}

impl core::fmt::Display for PolicyMismatch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "\"{}\": {} ({})", self.policy, self.field, self.detail)
    }
}

fn join<T: core::fmt::Display>(items: &[T]) -> String {
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
