//! The network between two endpoints.
use crate::{Instant, Path};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use std::collections::BTreeMap;

/// A datagram under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// When it was sent.
    pub at: Instant,
    /// Source as the receiver will see it.
    pub from: SocketAddr,
    /// Destination.
    pub to: SocketAddr,
    /// Contents, non-ESP marker included.
    pub bytes: Vec<u8>,
}

impl Packet {
    /// The IKE message without marker.
    pub fn ike(&self) -> &[u8] {
        if self.to.port() == 500 || self.bytes.len() < 4 {
            &self.bytes
        } else {
            self.bytes.get(4..).unwrap_or_default()
        }
    }
    /// The exchange type octet of the IKE header.
    pub fn exchange(&self) -> Option<u8> {
        self.ike().get(18).copied()
    }
    /// Whether the header says response.
    pub fn is_response(&self) -> bool {
        self.ike().get(19).is_some_and(|f| f & 0x20 != 0)
    }
    /// One line for people.
    pub fn line(&self) -> String {
        let header = ike_wire::Header::decode(self.ike());
        let what = header.map_or_else(
            |_| format!("{} octets", self.bytes.len()),
            |h| {
                format!(
                    "{} {} {} of {}/{} ({} octets)",
                    h.exchange,
                    if h.flags.response {
                        "response"
                    } else {
                        "request"
                    },
                    h.message_id.0,
                    h.spi_i,
                    h.spi_r,
                    self.bytes.len()
                )
            },
        );
        format!("{} > {} {what}", self.from, self.to)
    }
    /// The path as the receiver has it.
    pub fn path(&self) -> Path {
        Path {
            local: self.to,
            peer: self.from,
        }
    }
}

/// What a filter does with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As the network pleases.
    Pass,
    /// Lost.
    Drop,
    /// Twice.
    Duplicate,
    /// Later by this.
    Delay(Duration),
    /// Kept until [`Net::release`].
    Hold,
}

type Filter = Box<dyn FnMut(&Packet) -> Verdict>;

/// See the module.
pub struct Net {
    rng: ChaCha20Rng,
    queue: BTreeMap<(Instant, u64), Packet>,
    sequence: u64,
    filter: Option<Filter>,
    held: Vec<Packet>,
    /// Every datagram sent, in order.
    pub log: Vec<Packet>,
    /// Loss in 1/1000.
    pub loss: u32,
    /// Duplication in 1/1000.
    pub duplicate: u32,
    /// Shortest delay.
    pub delay: Duration,
    /// Random delay on top; reorders.
    pub jitter: Duration,
    nat: Option<Nat>,
}

#[derive(Debug)]
struct Nat {
    inside: IpAddr,
    outside: IpAddr,
    epoch: u16,
    map: BTreeMap<u16, u16>,
}

impl core::fmt::Debug for Net {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Net")
            .field("queued", &self.queue.len())
            .finish_non_exhaustive()
    }
}

impl Net {
    pub(crate) fn new(rng: ChaCha20Rng) -> Self {
        Self {
            rng,
            queue: BTreeMap::new(),
            sequence: 0,
            filter: None,
            held: Vec::new(),
            log: Vec::new(),
            loss: 0,
            duplicate: 0,
            delay: Duration::from_millis(5),
            jitter: Duration::ZERO,
            nat: None,
        }
    }

    /// Puts a NAT before one address: its datagrams come from `outside`, with other ports.
    pub fn nat(&mut self, inside: IpAddr, outside: IpAddr) {
        self.nat = Some(Nat {
            inside,
            outside,
            epoch: 0,
            map: BTreeMap::new(),
        });
    }

    /// The NAT forgets its mappings; new ones have other ports.
    pub fn rebind(&mut self) {
        if let Some(nat) = &mut self.nat {
            nat.epoch = nat.epoch.wrapping_add(1);
            nat.map.clear();
        }
    }

    /// Decides about each datagram as it is sent.
    pub fn filter(&mut self, filter: impl FnMut(&Packet) -> Verdict + 'static) {
        self.filter = Some(Box::new(filter));
    }

    /// No filter any more.
    pub fn unfilter(&mut self) {
        self.filter = None;
    }

    /// What [`Verdict::Hold`] kept goes on now.
    pub fn release(&mut self, now: Instant) {
        for packet in core::mem::take(&mut self.held) {
            self.enqueue(now.after(self.delay), packet);
        }
    }

    /// Puts a datagram on the wire as it is.
    pub fn inject(&mut self, now: Instant, packet: Packet) {
        self.enqueue(now.after(self.delay), packet);
    }

    fn enqueue(&mut self, at: Instant, packet: Packet) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), packet);
    }

    fn chance(&mut self, permille: u32) -> bool {
        permille > 0 && self.rng.next_u32() % 1000 < permille
    }

    pub(crate) fn send(&mut self, now: Instant, path: Path, bytes: Vec<u8>) {
        let mut packet = Packet {
            at: now,
            from: path.local,
            to: path.peer,
            bytes,
        };
        if let Some(nat) = &mut self.nat {
            if packet.from.ip() == nat.inside {
                let port = packet.from.port();
                let mapped = 40_000 + nat.epoch * 100 + u16::from(port == 4500);
                nat.map.insert(mapped, port);
                packet.from = SocketAddr::new(nat.outside, mapped);
            } else if packet.to.ip() == nat.outside {
                match nat.map.get(&packet.to.port()) {
                    Some(port) => packet.to = SocketAddr::new(nat.inside, *port),
                    None => return,
                }
            } else if packet.to.ip() == nat.inside {
                return;
            }
        }
        self.log.push(packet.clone());
        let verdict = match &mut self.filter {
            Some(filter) => filter(&packet),
            None => Verdict::Pass,
        };
        let mut at = now.after(self.delay);
        match verdict {
            Verdict::Pass => {}
            Verdict::Drop => return,
            Verdict::Hold => {
                self.held.push(packet);
                return;
            }
            Verdict::Duplicate => self.enqueue(at, packet.clone()),
            Verdict::Delay(d) => at = at.after(d),
        }
        if self.chance(self.loss) {
            return;
        }
        if !self.jitter.is_zero() {
            let extra = self.rng.next_u64() % self.jitter.as_micros() as u64;
            at = at.after(Duration::from_micros(extra));
        }
        if self.chance(self.duplicate) {
            let extra = self.rng.next_u64() % 200_000;
            self.enqueue(at.after(Duration::from_micros(extra)), packet.clone());
        }
        self.enqueue(at, packet);
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn pop(&mut self, now: Instant) -> Option<Packet> {
        let key = *self.queue.keys().next()?;
        (key.0 <= now).then(|| self.queue.remove(&key)).flatten()
    }

    /// Forgets everything under way.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.held.clear();
    }
}
