//! Finding the policy for a peer: by addresses and proposals at IKE_SA_INIT, again by
//! identities at IKE_AUTH. The last match wins; `quick` ends the search, `skip` refuses,
//! `default` catches what is left. A refusal names the first field that failed, per policy.
use crate::{Id, IdMatch, Path, Policy, PolicyMismatch, Reason, negotiate};
use core::net::IpAddr;
use ike_crypto::IkeSuite;
use ike_ts::AddrRange;
use ike_wire::{IdType, payload::SaPayload};
use std::sync::Arc;

/// What is known about a peer so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) path: Path,
    pub(crate) offer: Option<&'a SaPayload<'a>>,
    pub(crate) suite: Option<&'a IkeSuite>,
    /// Identity claimed.
    pub(crate) peer_id: Option<&'a Id>,
    /// Identity the peer expects of us.
    pub(crate) local_id: Option<&'a Id>,
}

pub(crate) fn within(range: &AddrRange, addr: IpAddr) -> bool {
    range.start().is_ipv4() == addr.is_ipv4() && range.start() <= addr && addr <= range.end()
}

impl Id {
    /// Equality as RFC 4945 has it: names without case, the rest octet by octet.
    pub fn matches(&self, other: &Self) -> bool {
        self.kind == other.kind
            && match self.kind {
                IdType::FQDN | IdType::RFC822_ADDR => self.data.eq_ignore_ascii_case(&other.data),
                _ => self.data == other.data,
            }
    }
}

impl IdMatch {
    /// Whether an identity is accepted.
    pub fn accepts(&self, id: &Id) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(own) => own.matches(id),
        }
    }
}

fn range(r: &AddrRange) -> String {
    if r.start() == r.end() {
        r.start().to_string()
    } else {
        format!("{}-{}", r.start(), r.end())
    }
}

/// The first field of a policy that does not fit.
fn misfit(policy: &Policy, facts: &Facts<'_>) -> Option<(&'static str, String, Option<Reason>)> {
    if let Some(r) = &policy.peer
        && !within(r, facts.path.peer.ip())
    {
        let detail = format!("{} is not in {}", facts.path.peer.ip(), range(r));
        return Some(("peer", detail, None));
    }
    if let Some(r) = &policy.local
        && !within(r, facts.path.local.ip())
    {
        let detail = format!("{} is not in {}", facts.path.local.ip(), range(r));
        return Some(("local", detail, None));
    }
    if let Some(id) = facts.peer_id
        && !policy.peer_id.accepts(id)
    {
        let want = match &policy.peer_id {
            IdMatch::Any => "any".to_owned(),
            IdMatch::Exact(own) => own.to_string(),
        };
        return Some(("dstid", format!("peer is {id}, not {want}"), None));
    }
    if let Some(id) = facts.local_id
        && !policy.local_id.matches(id)
    {
        let detail = format!("peer expects {id}, we are {}", policy.local_id);
        return Some(("srcid", detail, None));
    }
    if let Some(offer) = facts.offer
        && let Err(reason) = negotiate::choose_ike(&policy.ike, offer, false)
    {
        return Some(("ikesa", reason.to_string(), Some(reason)));
    }
    if let Some(suite) = facts.suite
        && !negotiate::allows(&policy.ike, suite)
    {
        let detail = "the negotiated algorithms are not this policy's".to_owned();
        return Some(("ikesa", detail, None));
    }
    None
}

/// The policy for these facts.
pub(crate) fn find(policies: &[Arc<Policy>], facts: &Facts<'_>) -> Result<Arc<Policy>, Reason> {
    let mut tried = Vec::new();
    let mut proposals = Vec::new();
    let mut other = false;
    let mut best: Option<&Arc<Policy>> = None;
    let mut fallback: Option<&Arc<Policy>> = None;
    for policy in policies {
        match misfit(policy, facts) {
            None if policy.default => fallback = Some(policy),
            None => {
                best = Some(policy);
                if policy.quick {
                    break;
                }
            }
            Some((field, detail, reason)) => {
                match reason {
                    Some(Reason::NoProposalChosen { mismatches, .. }) => {
                        for mismatch in mismatches {
                            negotiate::note(&mut proposals, mismatch);
                        }
                    }
                    _ => other |= !matches!(field, "peer" | "local"),
                }
                tried.push(PolicyMismatch {
                    policy: policy.name.clone(),
                    field: field.into(),
                    detail,
                });
            }
        }
    }
    match best.or(fallback) {
        Some(policy) if policy.skip => Err(Reason::NoPolicy {
            tried: vec![PolicyMismatch {
                policy: policy.name.clone(),
                field: "skip".into(),
                detail: "the policy refuses this peer".into(),
            }],
        }),
        Some(policy) => Ok(policy.clone()),
        None if !proposals.is_empty() && !other => Err(Reason::NoProposalChosen {
            protocol: ike_wire::ProtocolId::IKE,
            mismatches: proposals,
        }),
        None => Err(Reason::NoPolicy { tried }),
    }
}

#[cfg(test)]
mod tests;
