//! What all IKE SAs of an endpoint share: time, randomness, the output queue, outstanding
//! requests, counters, failures. IKE SAs reach each other only by [`Effect`]s that the endpoint
//! carries out afterwards.
use crate::sa::IkeSa;
use crate::stats::{Counter, Stats};
use crate::*;
use core::net::SocketAddr;
use ike_wire::{ChildSpi, Spi};
use rand_core::CryptoRng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What an answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    SourceAddress,
    MakeAuth,
    VerifyAuth,
    Install(ChildId),
    /// Nobody minds.
    Ignored,
}

#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) sa: IkeSaId,
    pub(crate) wait: Wait,
    pub(crate) deadline: Instant,
}

/// What a command or the keeper of a policy waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Ike(IkeSaId),
    Child(ChildId),
}

/// Consequences for others than the IKE SA at work.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A rekeyed IKE SA comes to be.
    Add(Box<IkeSa>),
    /// Children and queue go over to the IKE SA that replaces another.
    Move {
        from: IkeSaId,
        to: IkeSaId,
    },
    /// The old IKE SA learns that its candidate is used, or is gone.
    CandidateChosen {
        old: IkeSaId,
        candidate: IkeSaId,
    },
    CandidateDeleted {
        old: IkeSaId,
    },
    /// IKE_AUTH is through.
    Established(IkeSaId),
    /// The peer lost everything it had before.
    InitialContact(IkeSaId),
    /// An attempt of ours failed.
    AttemptFailed {
        policy: String,
        reason: Reason,
    },
    /// A child was refused.
    ChildRefused {
        policy: String,
        child: String,
        reason: Reason,
    },
    /// The peer deleted a child.
    ChildLost {
        policy: String,
        child: String,
    },
    /// Rekeying came to an end.
    Rekeyed(Subject, Result<(), Reason>),
    /// Something about an active policy may have changed.
    Review,
}

/// An established IKE SA as others see it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) policy: String,
    pub(crate) local_id: Id,
    pub(crate) peer_id: Id,
    /// The policy names this very identity, so its key proves it. Otherwise the peer chose it.
    pub(crate) pinned: bool,
    /// When IKE_AUTH was done.
    pub(crate) at: Instant,
    /// When IKE_SA_INIT began.
    pub(crate) begun: Instant,
    pub(crate) initiator: bool,
    pub(crate) spi_i: Spi,
}

impl Known {
    /// Whether this IKE SA, just made, may end another one because the peer is the same: whoever
    /// can claim any identity under a policy has no say about the IKE SAs of other policies.
    pub(crate) fn speaks_for(&self, other: &Self) -> bool {
        (self.pinned || self.policy == other.policy)
            && other.at < self.begun
            && other.peer_id.matches(&self.peer_id)
            && other.local_id.matches(&self.local_id)
    }
}

pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) settings: Settings,
    pub(crate) policies: Vec<Arc<Policy>>,
    pub(crate) rng: Box<dyn CryptoRng + Send>,
    pub(crate) now: Instant,
    pub(crate) out: VecDeque<Output>,
    pub(crate) stats: Stats,
    pub(crate) failures: VecDeque<Event>,
    pub(crate) requests: BTreeMap<RequestId, Waiter>,
    pub(crate) effects: VecDeque<Effect>,
    /// Answers we give ourselves: nothing is installed when decoupled.
    pub(crate) own_answers: VecDeque<(RequestId, Answer)>,
    pub(crate) known: BTreeMap<IkeSaId, Known>,
    /// Our inbound child SPIs.
    pub(crate) child_spis: BTreeSet<ChildSpi>,
    next_request: u64,
    next_sa: u64,
    next_child: u64,
}

impl core::fmt::Debug for Core {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Core")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl Core {
    pub(crate) fn new(config: Config, rng: Box<dyn CryptoRng + Send>, now: Instant) -> Self {
        Self {
            config,
            settings: Settings::default(),
            policies: Vec::new(),
            rng,
            now,
            out: VecDeque::new(),
            stats: Stats::default(),
            failures: VecDeque::new(),
            requests: BTreeMap::new(),
            effects: VecDeque::new(),
            own_answers: VecDeque::new(),
            known: BTreeMap::new(),
            child_spis: BTreeSet::new(),
            next_request: 0,
            next_sa: 0,
            next_child: 0,
        }
    }

    pub(crate) fn sa_id(&mut self) -> IkeSaId {
        self.next_sa = self.next_sa.saturating_add(1);
        IkeSaId(self.next_sa)
    }

    pub(crate) fn child_id(&mut self) -> ChildId {
        self.next_child = self.next_child.saturating_add(1);
        ChildId(self.next_child)
    }

    /// A fresh IKE SPI. 64 random bits: the endpoint checks for the unthinkable.
    pub(crate) fn ike_spi(&mut self) -> Spi {
        let mut octets = [0u8; 8];
        while octets == [0; 8] {
            self.rng.fill_bytes(&mut octets);
        }
        Spi(octets)
    }

    /// A fresh child SPI: not among the reserved 0 to 255, not in use.
    pub(crate) fn child_spi(&mut self) -> ChildSpi {
        loop {
            let spi = ChildSpi(self.rng.next_u32());
            if spi.0 > 255 && self.child_spis.insert(spi) {
                return spi;
            }
        }
    }

    pub(crate) fn nonce(&mut self) -> Vec<u8> {
        let mut nonce = vec![0u8; 32];
        self.rng.fill_bytes(&mut nonce);
        nonce
    }

    /// Sends IKE messages (without marker) over a path.
    pub(crate) fn transmit(&mut self, path: Path, messages: &[Vec<u8>]) {
        let datagrams = messages
            .iter()
            .map(|m| message::frame(&path, self.config.ike_port, m))
            .collect();
        self.stats.count(Counter::DatagramsOut);
        self.out.push_back(Output::Transmit { path, datagrams });
    }

    /// Asks another process.
    pub(crate) fn request(&mut self, sa: IkeSaId, wait: Wait, request: Request) {
        self.next_request = self.next_request.saturating_add(1);
        let id = RequestId(self.next_request);
        self.requests.insert(
            id,
            Waiter {
                sa,
                wait,
                deadline: self.now.after(timer::REQUEST_DEADLINE),
            },
        );
        let data_plane = matches!(
            request,
            Request::InstallChild(_)
                | Request::ActivateOutbound(_)
                | Request::UpdateChild { .. }
                | Request::RemoveChild(_)
        );
        if data_plane && self.settings.decouple {
            self.own_answers.push_back((id, Answer::DataPlane(Ok(()))));
        } else {
            self.out.push_back(Output::Request(id, request));
        }
    }

    /// Tells what happened; failures are remembered.
    pub(crate) fn event(
        &mut self,
        sa: Option<IkeSaId>,
        policy: Option<&Policy>,
        peer: Option<SocketAddr>,
        kind: EventKind,
    ) {
        let event = Event {
            at: self.now,
            sa,
            policy: policy.map(|p| p.name.clone()),
            peer,
            kind,
        };
        let failure = match &event.kind {
            EventKind::AttemptFailed(_) | EventKind::ChildRefused { .. } => true,
            EventKind::IkeSaClosed(r) | EventKind::ChildSaClosed { reason: r, .. } => !matches!(
                r,
                Reason::Command
                    | Reason::PeerDeleted
                    | Reason::Rekeyed
                    | Reason::Shutdown
                    | Reason::PolicyRemoved
                    | Reason::Replaced
            ),
            _ => false,
        };
        if failure {
            self.failures.push_back(event.clone());
            while self.failures.len() > timer::FAILURES {
                self.failures.pop_front();
            }
        }
        self.out.push_back(Output::Event(event));
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    /// A random point between 85 and 95 percent of a lifetime.
    pub(crate) fn soft(&mut self, total: u64) -> u64 {
        let permille = u64::from(850u32.saturating_add(self.rng.next_u32() % 101));
        total.saturating_mul(permille) / 1000
    }
}
