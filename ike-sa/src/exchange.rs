//! One exchange at a time in each direction (RFC 7296 §2.1 to §2.3): message IDs, the queue of
//! our own exchanges, retransmission with backoff and jitter, and the cached response.
//! Refuses to know what is in a message.
use crate::{ChildId, Instant, Path, sa::OwnChild, sa::OwnRekey, timer};
use core::time::Duration;
use ike_wire::{ChildSpi, ProtocolId};
use rand_core::CryptoRng;
use sha1::{Digest, Sha1};
use std::collections::VecDeque;

/// What our request that waits for its response is for.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// IKE_SA_INIT.
    Init,
    /// IKE_AUTH.
    Auth,
    /// CREATE_CHILD_SA for a child: new, or instead of another.
    CreateChild(Box<OwnChild>),
    /// CREATE_CHILD_SA for the IKE SA itself.
    RekeyIke(Box<OwnRekey>),
    /// INFORMATIONAL with deletes of children.
    DeleteChildren(Vec<ChildId>),
    /// INFORMATIONAL with the delete of a child that never was in use here.
    DeleteUnused(ChildSpi),
    /// INFORMATIONAL with the delete of the IKE SA.
    DeleteIke,
    /// Empty INFORMATIONAL.
    Liveness,
    /// Its answer no longer matters.
    Abandoned,
}

/// An exchange that waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Job {
    /// A child of this name of the policy.
    CreateChild(String),
    /// Another instead of this one.
    RekeyChild(ChildId),
    /// Another IKE SA instead of this.
    RekeyIke,
    /// Deletes.
    DeleteChildren(Vec<ChildId>),
    /// The delete of a child that never was in use here, by our SPI.
    DeleteUnused(ProtocolId, ChildSpi),
    /// The end. The flag: say that the peer failed to authenticate.
    DeleteIke {
        /// Add AUTHENTICATION_FAILED.
        auth_failed: bool,
    },
    /// Is the peer there?
    Liveness,
}

/// Our request on its way.
#[derive(Debug)]
pub(crate) struct Inflight {
    pub(crate) id: u32,
    pub(crate) exchange: Exchange,
    /// The message, as datagrams without non-ESP marker.
    pub(crate) datagrams: Vec<Vec<u8>>,
    /// Repetitions so far.
    pub(crate) repeated: u32,
    /// When to repeat, or to give up.
    pub(crate) next: Instant,
}

/// The last request of the peer we answered.
#[derive(Debug)]
struct Answered {
    id: u32,
    hash: [u8; 20],
    datagrams: Vec<Vec<u8>>,
}

/// The request of the peer we are working on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answering {
    pub(crate) id: u32,
    hash: [u8; 20],
    /// Where the answer goes.
    pub(crate) path: Path,
    pub(crate) exchange: ike_wire::ExchangeType,
}

/// How a request of the peer relates to what we have seen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The one expected.
    New,
    /// Seen and answered: send this again.
    Repeated(Vec<Vec<u8>>),
    /// We are working on it.
    InProgress,
    /// Outside the window, or another request under an ID already used.
    Outside,
}

/// What is to be done with our request when its time has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing yet.
    Not,
    /// Send again; the number of repetitions.
    Repeat(u32),
    /// The peer is dead; the number of repetitions.
    GiveUp(u32),
}

/// Both windows of an IKE SA.
#[derive(Debug, Default)]
pub(crate) struct Window {
    next_send: u32,
    next_receive: u32,
    pub(crate) inflight: Option<Inflight>,
    answered: Option<Answered>,
    pub(crate) answering: Option<Answering>,
    pub(crate) queue: VecDeque<Job>,
}

/// Hash that tells repetitions from other requests with the same ID.
pub(crate) fn hash(message: &[u8]) -> [u8; 20] {
    Sha1::digest(message).into()
}

/// A duration made up to a tenth shorter or longer, so that two ends do not move in step.
pub(crate) fn jitter(rng: &mut dyn CryptoRng, d: Duration) -> Duration {
    let percent = 90u32.saturating_add(rng.next_u32() % 21);
    d.saturating_mul(percent) / 100
}

fn backoff(repeated: u32) -> Duration {
    let mut d = timer::RETRANSMIT_FIRST;
    for _ in 0..repeated.min(16) {
        d = d.saturating_mul(timer::RETRANSMIT_FACTOR_TENTHS) / 10;
    }
    d
}

impl Window {
    /// The ID of our next request.
    pub(crate) fn next_id(&self) -> u32 {
        self.next_send
    }

    /// Our request leaves now.
    pub(crate) fn started(
        &mut self,
        rng: &mut dyn CryptoRng,
        now: Instant,
        exchange: Exchange,
        datagrams: Vec<Vec<u8>>,
    ) {
        self.inflight = Some(Inflight {
            id: self.next_send,
            exchange,
            datagrams,
            repeated: 0,
            next: now.after(jitter(rng, backoff(0))),
        });
    }

    /// Starts IKE_SA_INIT over: its message ID stays 0.
    pub(crate) fn restarted(&mut self) {
        self.inflight = None;
        self.next_send = 0;
    }

    /// Takes our request if this response belongs to it.
    pub(crate) fn response(&mut self, id: u32) -> Option<Exchange> {
        //= rfc7296#2.2: a response carries the message ID of its request
        if self.inflight.as_ref().is_none_or(|i| i.id != id) {
            return None;
        }
        self.next_send = self.next_send.saturating_add(1);
        self.inflight.take().map(|i| i.exchange)
    }

    /// Whether a response with this ID would belong to our request.
    pub(crate) fn awaits(&self, id: u32) -> bool {
        self.inflight.as_ref().is_some_and(|i| i.id == id)
    }

    /// Looks at a request's ID and octets; changes nothing.
    pub(crate) fn arrival(&self, id: u32, message: &[u8]) -> Arrival {
        if let Some(a) = &self.answering
            && a.id == id
        {
            return if a.hash == hash(message) {
                Arrival::InProgress
            } else {
                Arrival::Outside
            };
        }
        if id == self.next_receive && self.answering.is_none() {
            return Arrival::New;
        }
        //= rfc7296#2.1: a repeated request gets the same response again
        match &self.answered {
            Some(a) if a.id == id && a.hash == hash(message) => {
                Arrival::Repeated(a.datagrams.clone())
            }
            _ => Arrival::Outside,
        }
    }

    /// We start to work on a request.
    pub(crate) fn accept(
        &mut self,
        id: u32,
        exchange: ike_wire::ExchangeType,
        message: &[u8],
        path: Path,
    ) {
        self.answering = Some(Answering {
            id,
            hash: hash(message),
            path,
            exchange,
        });
    }

    /// The request is answered with these datagrams.
    pub(crate) fn answered(&mut self, datagrams: &[Vec<u8>]) {
        if let Some(a) = self.answering.take() {
            self.next_receive = a.id.saturating_add(1);
            self.answered = Some(Answered {
                id: a.id,
                hash: a.hash,
                datagrams: datagrams.to_vec(),
            });
        }
    }

    /// What is due for our request.
    pub(crate) fn due(&mut self, rng: &mut dyn CryptoRng, now: Instant, dpd_s: u32) -> Due {
        let Some(i) = self.inflight.as_mut().filter(|i| i.next <= now) else {
            return Due::Not;
        };
        let frequent = (1..=timer::LIVENESS_FREQUENT_S).contains(&dpd_s);
        let most = match i.exchange {
            Exchange::Liveness if frequent => timer::LIVENESS_MAX,
            _ => timer::RETRANSMIT_MAX,
        };
        if i.repeated >= most {
            return Due::GiveUp(i.repeated);
        }
        //= rfc7296#2.4: the initiator of an exchange repeats its request, ever more slowly
        i.repeated = i.repeated.saturating_add(1);
        i.next = now.after(jitter(rng, backoff(i.repeated)));
        Due::Repeat(i.repeated)
    }

    /// Queues an exchange, once.
    pub(crate) fn enqueue(&mut self, job: Job) {
        if !self.queue.contains(&job) {
            self.queue.push_back(job);
        }
    }
}
