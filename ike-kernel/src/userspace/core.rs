//! The heart of the plane without descriptors: SAD and SPD (RFC 4301 §4.4), sealing and opening with all
//! checks around them. Packets come and go as octets, so everything here can be tested in memory.
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ike_crypto::CipherKeys;
use ike_wire::ProtocolId;

use super::esp::{self, OpenError};
use super::outbox::{Outbox, Outer};
use super::packet::{self, Parsed, Summary};
use super::replay::Window;
use super::{PlaneConfig, icmp};
use crate::{Block, ChildSa, Counters, Event, Flow, KernelError, Mode, Outbound, Packet};

/// Why a packet was dropped. The text is the counter's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Drop {
    NoFlow,
    NoChild,
    Malformed,
    TooBig,
    NumbersExhausted,
    Crypto,
    NotSent,
    UnknownSpi,
    Replayed,
    Authentication,
    InnerMalformed,
    InnerSelectors,
    InnerEcn,
    Dummy,
    TunRefused,
}

impl Drop {
    const ALL: [(Self, &'static str); 15] = [
        (Self::NoFlow, "out_no_flow"),
        (Self::NoChild, "out_no_child"),
        (Self::Malformed, "out_malformed"),
        (Self::TooBig, "out_too_big"),
        (Self::NumbersExhausted, "out_numbers_exhausted"),
        (Self::Crypto, "out_crypto"),
        (Self::NotSent, "out_not_sent"),
        (Self::UnknownSpi, "in_unknown_spi"),
        (Self::Replayed, "in_replayed"),
        (Self::Authentication, "in_authentication"),
        (Self::InnerMalformed, "in_malformed"),
        (Self::InnerSelectors, "in_selectors"),
        (Self::InnerEcn, "in_ecn"),
        (Self::Dummy, "in_dummy"),
        (Self::TunRefused, "in_tun_refused"),
    ];
}

/// Whether a child sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Deferred,
    Active,
    /// This child took over.
    SupersededBy(u64),
}

/// Both SAs of an installed child.
#[derive(Debug)]
struct Child {
    spi_in: u32,
    spi_out: u32,
    keys_in: CipherKeys,
    keys_out: CipherKeys,
    esn: bool,
    local: SocketAddr,
    peer: SocketAddr,
    udp: bool,
    flows: Vec<Flow>,
    replaces: Option<u64>,
    sending: Sending,
    /// Counts installations and activations: of equal flows the newest sends.
    order: u64,
    number_out: u64,
    window: Window,
    counters: Counters,
    reported: Counters,
    /// The peer's address we told last as changed.
    told_peer: Option<SocketAddr>,
    told_expiry: Expiry,
    /// Longest inner packet whose outer one needs no fragmentation.
    inner_mtu: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Expiry {
    No,
    Soft,
    Hard,
}

/// What happens to an outbound packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Child(u64),
    /// Index of a block.
    Block(usize),
}

#[derive(Debug)]
struct BlockEntry {
    block: Block,
    told: Option<Instant>,
}

/// SAD, SPD, counters and events.
#[derive(Debug)]
pub(super) struct Core {
    config: PlaneConfig,
    children: BTreeMap<u64, Child>,
    by_spi: HashMap<u32, u64>,
    /// Flows of the children that send and of the blocks, in the order they are tried.
    spd: Vec<(Flow, Target)>,
    /// Last packet looked up.
    cached: Option<(Summary, u64)>,
    blocks: Vec<BlockEntry>,
    order: u64,
    ivs: Ivs,
    pub(super) events: VecDeque<Event>,
    drops: [u64; Drop::ALL.len()],
}

impl Core {
    pub(super) fn new(config: PlaneConfig) -> Self {
        Self {
            config,
            children: BTreeMap::new(),
            by_spi: HashMap::new(),
            spd: Vec::new(),
            cached: None,
            blocks: Vec::new(),
            order: 0,
            ivs: Ivs::default(),
            events: VecDeque::new(),
            drops: [0; Drop::ALL.len()],
        }
    }

    pub(super) fn install(&mut self, sa: ChildSa) -> Result<(), KernelError> {
        let refuse = |reason: String| {
            let request = format!("install child {} \"{}\"", sa.id, sa.child);
            Err(KernelError::refused(request, reason))
        };
        if sa.mode != Mode::Tunnel {
            return refuse("transport mode needs the xfrm data plane".into());
        }
        if sa.suite.protocol != ProtocolId::ESP {
            return refuse("AH needs the xfrm data plane".into());
        }
        if self.children.contains_key(&sa.id) {
            return refuse("it is installed already".into());
        }
        if self.by_spi.contains_key(&sa.spi_in.0) {
            return refuse(format!("SPI {} is in use", sa.spi_in));
        }
        if sa.local.is_ipv6() != sa.peer.is_ipv6() {
            return refuse("outer address families differ".into());
        }
        let keys = |(encr, integ): &(_, _)| CipherKeys::new(sa.suite.cipher, encr, integ);
        let (keys_in, keys_out) = match (keys(&sa.keys_in), keys(&sa.keys_out)) {
            (Ok(keys_in), Ok(keys_out)) => (keys_in, keys_out),
            (Err(error), _) | (_, Err(error)) => return refuse(error.to_string()),
        };
        self.by_spi.insert(sa.spi_in.0, sa.id);
        let mut child = Child {
            spi_in: sa.spi_in.0,
            spi_out: sa.spi_out.0,
            keys_in,
            keys_out,
            esn: sa.suite.esn,
            local: sa.local,
            peer: sa.peer,
            udp: sa.udp_encap,
            flows: sa.flows,
            replaces: sa.replaces,
            sending: Sending::Deferred,
            order: 0,
            number_out: 0,
            window: Window::new(),
            counters: Counters::default(),
            reported: Counters::default(),
            told_peer: None,
            told_expiry: Expiry::No,
            inner_mtu: 0,
        };
        child.inner_mtu = child.measure(&self.config);
        self.children.insert(sa.id, child);
        if sa.outbound == Outbound::Now {
            self.activate(sa.id)?;
        }
        Ok(())
    }

    pub(super) fn activate(&mut self, id: u64) -> Result<(), KernelError> {
        self.order += 1;
        let order = self.order;
        let child = self.child("activate", id)?;
        child.sending = Sending::Active;
        child.order = order;
        let replaces = child.replaces;
        if let Some(old) = replaces.and_then(|old| self.children.get_mut(&old)) {
            old.sending = Sending::SupersededBy(id);
        }
        self.rebuild();
        Ok(())
    }

    pub(super) fn update(
        &mut self,
        id: u64,
        local: SocketAddr,
        peer: SocketAddr,
        udp: bool,
    ) -> Result<(), KernelError> {
        let config = self.config.clone();
        let child = self.child("update", id)?;
        if local.is_ipv6() != peer.is_ipv6() {
            return Err(KernelError::refused(
                format!("update child {id}"),
                "outer address families differ",
            ));
        }
        (child.local, child.peer, child.udp) = (local, peer, udp);
        child.told_peer = None;
        child.inner_mtu = child.measure(&config);
        Ok(())
    }

    pub(super) fn remove(&mut self, id: u64) {
        let Some(child) = self.children.remove(&id) else {
            return;
        };
        self.by_spi.remove(&child.spi_in);
        // A replacement that is given up leaves its predecessor to send.
        for old in self.children.values_mut() {
            if old.sending == Sending::SupersededBy(id) {
                old.sending = Sending::Active;
            }
        }
        self.rebuild();
    }

    pub(super) fn block(&mut self, block: Block) {
        self.blocks
            .retain(|b| (&b.block.policy, &b.block.child) != (&block.policy, &block.child));
        if !block.flows.is_empty() {
            self.blocks.push(BlockEntry { block, told: None });
        }
        self.rebuild();
    }

    pub(super) fn unblock(&mut self, policy: &str) {
        self.blocks.retain(|b| b.block.policy != policy);
        self.rebuild();
    }

    pub(super) fn flush(&mut self) {
        self.children.clear();
        self.by_spi.clear();
        self.blocks.clear();
        self.rebuild();
    }

    pub(super) fn counters(&mut self, id: u64) -> Result<Counters, KernelError> {
        self.child("counters", id).map(|child| child.counters)
    }

    pub(super) fn counters_moved(&mut self) -> Vec<(u64, Counters)> {
        let mut moved = Vec::new();
        for (&id, child) in &mut self.children {
            if child.counters != child.reported {
                child.reported = child.counters;
                moved.push((id, child.counters));
            }
        }
        moved
    }

    pub(super) fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Drop::ALL
            .iter()
            .zip(self.drops)
            .map(|((_, name), count)| (*name, count))
    }

    pub(super) fn count(&mut self, drop: Drop, packets: u64) {
        self.drops[drop as usize] += packets;
    }

    /// The child that carries an outbound packet.
    pub(super) fn route(&mut self, packet: &[u8]) -> Option<(Parsed, u64)> {
        let Some(parsed) = packet::parse(packet) else {
            self.count(Drop::Malformed, 1);
            return None;
        };
        self.route_parsed(parsed)
    }

    /// The same for the headers of a segment whose payload lies elsewhere.
    pub(super) fn route_headers(&mut self, headers: &[u8]) -> Option<(Parsed, u64)> {
        let Some(parsed) = packet::parse_headers(headers) else {
            self.count(Drop::Malformed, 1);
            return None;
        };
        self.route_parsed(parsed)
    }

    fn route_parsed(&mut self, parsed: Parsed) -> Option<(Parsed, u64)> {
        let summary = parsed.summary;
        if let Some((_, id)) = self.cached.filter(|(of, _)| *of == summary) {
            return Some((parsed, id));
        }
        let found = self
            .spd
            .iter()
            .find(|(flow, _)| packet::matches_outbound(flow, &summary));
        match found {
            Some((_, Target::Child(id))) => {
                self.cached = Some((summary, *id));
                Some((parsed, *id))
            }
            Some((_, Target::Block(index))) => {
                self.acquire(*index, &summary);
                None
            }
            None => {
                self.count(Drop::NoFlow, 1);
                None
            }
        }
    }

    /// Seals one packet, given in two pieces, into the outbox. `reply` is filled if the sender must be
    /// told that it is too big.
    pub(super) fn seal(
        &mut self,
        id: u64,
        parsed: &Parsed,
        packet: [&[u8]; 2],
        outbox: &mut Outbox,
        reply: &mut Vec<u8>,
    ) {
        reply.clear();
        let Some(child) = self.children.get_mut(&id) else {
            return;
        };
        let is_v6 = parsed.summary.src.is_ipv6();
        // The smallest MTU a network may have; below it the outer packet is fragmented instead.
        let limit = child.inner_mtu.max(if is_v6 { 1280 } else { 576 });
        let len = packet[0].len() + packet[1].len();
        if len > limit && parsed.dont_fragment {
            icmp::too_big(parsed, &packet.concat(), limit as u16, reply);
            self.count(Drop::TooBig, 1);
            return;
        }
        let last = if child.esn { u64::MAX } else { u32::MAX.into() };
        //= rfc4303#3.3.3: a number is never used twice; the SA ends before
        if child.number_out >= last {
            if child.told_expiry < Expiry::Hard {
                child.told_expiry = Expiry::Hard;
                self.events.push_back(Event::Expired { id, hard: true });
            }
            self.count(Drop::NumbersExhausted, 1);
            return;
        }
        child.number_out += 1;
        if child.number_out > last - last / 16 && child.told_expiry < Expiry::Soft {
            child.told_expiry = Expiry::Soft;
            self.events.push_back(Event::Expired { id, hard: false });
        }
        let number = child.number_out;
        let cipher = child.keys_out.cipher();
        let mut iv = [0; 16];
        let iv = &mut iv[..cipher.iv_len().min(16)];
        let ready = if cipher.counts_ivs() {
            //= rfc4106#3.1: the IV is never used twice with a key: the 64-bit number is
            iv.copy_from_slice(&number.to_be_bytes()[8 - iv.len().min(8)..]);
            true
        } else {
            //= rfc3602#3: the IV of CBC is unpredictable
            self.ivs.fill(iv)
        };
        let outer = child.outer(parsed.tos);
        let queue = outbox.queue(&outer);
        let start = queue.buf.len();
        let next = if is_v6 {
            esp::NEXT_IPV6
        } else {
            esp::NEXT_IPV4
        };
        let sealed = ready
            && esp::seal(
                &child.keys_out,
                child.spi_out,
                number,
                child.esn,
                iv,
                (next, packet),
                &mut queue.buf,
            )
            .is_ok();
        if sealed {
            queue.push(start, &outer);
            child.counters.packets_out += 1;
            child.counters.bytes_out += len as u64;
        } else {
            self.count(Drop::Crypto, 1);
        }
    }

    /// Opens one ESP packet in place: the inner packet, if it may pass.
    pub(super) fn open<'p>(
        &mut self,
        esp: &'p mut [u8],
        peer: SocketAddr,
        udp: bool,
        outer_tos: u8,
    ) -> Option<&'p mut [u8]> {
        match self.try_open(esp, peer, udp, outer_tos) {
            Ok(packet) => Some(packet),
            Err(drop) => {
                self.count(drop, 1);
                None
            }
        }
    }

    fn try_open<'p>(
        &mut self,
        esp: &'p mut [u8],
        peer: SocketAddr,
        udp: bool,
        outer_tos: u8,
    ) -> Result<&'p mut [u8], Drop> {
        let (spi, low) = esp::header(esp).ok_or(Drop::InnerMalformed)?;
        let id = *self.by_spi.get(&spi).ok_or(Drop::UnknownSpi)?;
        let child = self.children.get_mut(&id).ok_or(Drop::UnknownSpi)?;
        let number = child.window.infer(low, child.esn);
        if !child.window.acceptable(number) {
            return Err(Drop::Replayed);
        }
        let (next, payload) =
            esp::open(&child.keys_in, number, child.esn, esp).map_err(|error| match error {
                OpenError::Authentication => Drop::Authentication,
                OpenError::Short | OpenError::Padding => Drop::InnerMalformed,
            })?;
        //= rfc4303#3.4.3: the window moves only after the ICV was found right
        let newest = child.window.accept(number);
        //= rfc7296#2.23: a new address counts only if it comes with an authenticated, not replayed packet
        if newest && udp && child.udp && peer != child.peer && child.told_peer != Some(peer) {
            child.told_peer = Some(peer);
            self.events.push_back(Event::MappingChanged { id, peer });
        }
        let version = match next {
            esp::NEXT_IPV4 => 4,
            esp::NEXT_IPV6 => 6,
            //= rfc4303#2.6: a dummy packet is discarded without a word
            esp::NEXT_NONE => {
                child.counters.packets_in += 1;
                return Err(Drop::Dummy);
            }
            _ => return Err(Drop::InnerMalformed),
        };
        let parsed = packet::parse(payload)
            .filter(|_| payload.first().is_some_and(|first| first >> 4 == version))
            .ok_or(Drop::InnerMalformed)?;
        //= rfc4301#5.2: the packet must be one of those negotiated for this very SA
        if !child
            .flows
            .iter()
            .any(|flow| packet::matches_inbound(flow, &parsed.summary))
        {
            return Err(Drop::InnerSelectors);
        }
        // What follows the inner packet is traffic flow confidentiality padding (RFC 4303 §2.7).
        let packet = payload.get_mut(..parsed.len).ok_or(Drop::InnerMalformed)?;
        let inner = parsed.tos & 3;
        //= rfc6040#4.2: congestion seen outside is told inside, or the packet dropped if it cannot be
        match (outer_tos & 3, inner) {
            (CE, NOT_ECT) => return Err(Drop::InnerEcn),
            (CE, ECT_0 | ECT_1) => packet::set_ecn(packet, CE),
            (ECT_1, ECT_0) => packet::set_ecn(packet, ECT_1),
            _ => {}
        }
        child.counters.packets_in += 1;
        child.counters.bytes_in += packet.len() as u64;
        Ok(packet)
    }

    /// An outbound packet of a block: dropped, and told once a second.
    fn acquire(&mut self, index: usize, summary: &Summary) {
        self.count(Drop::NoChild, 1);
        let Some(entry) = self.blocks.get_mut(index) else {
            return;
        };
        let now = Instant::now();
        if entry.told.is_none_or(|told| now - told >= ACQUIRE_INTERVAL) {
            entry.told = Some(now);
            let (src_port, dst_port) = summary.ports.unwrap_or((0, 0));
            self.events.push_back(Event::Acquire {
                policy: entry.block.policy.clone(),
                child: entry.block.child.clone(),
                packet: Some(Packet {
                    src: summary.src,
                    dst: summary.dst,
                    protocol: summary.protocol,
                    src_port,
                    dst_port,
                }),
            });
        }
    }

    fn child(&mut self, request: &str, id: u64) -> Result<&mut Child, KernelError> {
        self.children.get_mut(&id).ok_or_else(|| {
            KernelError::refused(format!("{request} child {id}"), "it is not installed")
        })
    }

    /// Narrow flows first; of equal ones a child's before a block's, and the newest child's first.
    fn rebuild(&mut self) {
        self.cached = None;
        let sending = self.children.iter();
        let sending = sending.filter(|(_, child)| child.sending == Sending::Active);
        let of_children = sending.flat_map(|(&id, child)| {
            let age = u64::MAX - child.order;
            child
                .flows
                .iter()
                .map(move |flow| (flow, (false, age), Target::Child(id)))
        });
        let of_blocks = self.blocks.iter().enumerate().flat_map(|(index, entry)| {
            let flows = entry.block.flows.iter();
            flows.map(move |flow| (flow, (true, 0), Target::Block(index)))
        });
        let mut entries: Vec<_> = of_children
            .chain(of_blocks)
            .map(|(flow, rank, target)| {
                ((breadth(&flow.1), breadth(&flow.0), rank), (*flow, target))
            })
            .collect();
        entries.sort_by_key(|(key, _)| *key);
        self.spd = entries.into_iter().map(|(_, entry)| entry).collect();
    }
}

impl Child {
    fn outer(&self, tos: u8) -> Outer {
        let mut peer = self.peer;
        if !self.udp {
            peer.set_port(0);
        }
        Outer {
            local: self.local.ip(),
            peer,
            udp: self.udp,
            //= rfc6040#4.1: outer ECN is the inner one; DSCP is copied too (RFC 4301 §5.1.2.1)
            tos,
        }
    }

    fn measure(&self, config: &PlaneConfig) -> usize {
        let ip = if self.peer.is_ipv6() { 40 } else { 20 };
        let udp = if self.udp { 8 } else { 0 };
        let room = usize::from(config.outer_mtu).saturating_sub(ip + udp);
        esp::largest_payload(self.keys_out.cipher(), room).min(config.tun_mtu.into())
    }
}

/// How many packets a selector covers, roughly, for sorting.
fn breadth(selector: &ike_ts::TrafficSelector) -> (u128, bool, u16) {
    let addresses = match (selector.addrs.start(), selector.addrs.end()) {
        (IpAddr::V4(start), IpAddr::V4(end)) => u128::from(u32::from(end) - u32::from(start)) << 96,
        (IpAddr::V6(start), IpAddr::V6(end)) => u128::from(end) - u128::from(start),
        _ => u128::MAX,
    };
    let ports = &selector.ports;
    (
        addresses,
        selector.protocol == 0,
        ports.end().saturating_sub(ports.start()),
    )
}

/// Unpredictable octets, fetched from the system in larger pieces.
#[derive(Default)]
struct Ivs {
    pool: Vec<u8>,
}

impl Ivs {
    /// `false` if the system has none to give.
    fn fill(&mut self, iv: &mut [u8]) -> bool {
        if self.pool.len() < iv.len() {
            self.pool.resize(IV_POOL, 0);
            if getrandom::fill(&mut self.pool).is_err() {
                self.pool.clear();
                return false;
            }
        }
        let at = self.pool.len() - iv.len();
        iv.copy_from_slice(&self.pool[at..]);
        self.pool.truncate(at);
        true
    }
}

impl std::fmt::Debug for Ivs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ivs")
    }
}

const NOT_ECT: u8 = 0;
const ECT_1: u8 = 1;
const ECT_0: u8 = 2;
const CE: u8 = 3;
const IV_POOL: usize = 4096;
const ACQUIRE_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
