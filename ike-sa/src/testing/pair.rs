//! Two endpoints, their helpers and the network.
use super::{Net, Plane, Scene, psk_policy, set};
use crate::*;
use core::net::IpAddr;
use core::time::Duration;
use ike_crypto::{Prf, Secret, auth};
use ike_wire::AuthMethod;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeMap;

/// One of two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// 192.0.2.1.
    Left,
    /// 192.0.2.2.
    Right,
}

impl Who {
    /// The other end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// One end: an endpoint and what is around it.
#[derive(Debug)]
pub struct Side {
    /// The engine.
    pub endpoint: Endpoint,
    /// Our address.
    pub address: IpAddr,
    /// Pre-shared keys by policy.
    pub psk: BTreeMap<String, Vec<u8>>,
    /// The data plane.
    pub plane: Plane,
    /// Everything that happened.
    pub events: Vec<Event>,
    /// Commands that ended.
    pub done: BTreeMap<CommandId, Result<(), Reason>>,
    /// How long helpers take to answer.
    pub answer_delay: Duration,
    /// Nobody answers for `ca`.
    pub ca_is_dead: bool,
    answers: BTreeMap<(Instant, u64), (RequestId, Answer)>,
    sequence: u64,
    commands: u64,
}

/// The simulation.
#[derive(Debug)]
pub struct Pair {
    /// 192.0.2.1.
    pub left: Side,
    /// 192.0.2.2.
    pub right: Side,
    /// Between them.
    pub net: Net,
    /// Virtual time.
    pub now: Instant,
    seed: u64,
}

fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::from([a, b, c, d])
}

impl Pair {
    /// What an end is like by default.
    pub fn scene(who: Who) -> Scene {
        let left = Scene {
            local: v4(192, 0, 2, 1),
            peer: v4(192, 0, 2, 2),
            local_id: "left.example".into(),
            peer_id: "right.example".into(),
            local_net: (v4(10, 1, 0, 0), v4(10, 1, 0, 255)),
            peer_net: (v4(10, 2, 0, 0), v4(10, 2, 0, 255)),
        };
        match who {
            Who::Left => left,
            Who::Right => Scene {
                local: left.peer,
                peer: left.local,
                local_id: left.peer_id,
                peer_id: left.local_id,
                local_net: left.peer_net,
                peer_net: left.local_net,
            },
        }
    }

    /// Two gateways with one passive policy "tunnel" each and the same key.
    pub fn new(seed: u64) -> Self {
        let mut pair = Self::bare(seed, Config::default(), Config::default());
        for who in [Who::Left, Who::Right] {
            pair.set_policies(who, set(vec![psk_policy(&Self::scene(who))]));
        }
        pair
    }

    /// The same with policies changed before they are set.
    pub fn with(seed: u64, change: impl Fn(Who, &mut PolicySet)) -> Self {
        let mut pair = Self::bare(seed, Config::default(), Config::default());
        for who in [Who::Left, Who::Right] {
            let mut policies = set(vec![psk_policy(&Self::scene(who))]);
            change(who, &mut policies);
            pair.set_policies(who, policies);
        }
        pair
    }

    /// Two endpoints without policies.
    pub fn bare(seed: u64, left: Config, right: Config) -> Self {
        let now = Instant::from_micros(1_000_000);
        Self {
            left: Side::new(
                seed.wrapping_mul(4).wrapping_add(1),
                left,
                v4(192, 0, 2, 1),
                now,
            ),
            right: Side::new(
                seed.wrapping_mul(4).wrapping_add(2),
                right,
                v4(192, 0, 2, 2),
                now,
            ),
            net: Net::new(ChaCha20Rng::seed_from_u64(
                seed.wrapping_mul(4).wrapping_add(3),
            )),
            now,
            seed,
        }
    }

    /// The seed, for messages of failing tests.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// An end.
    pub fn side(&mut self, who: Who) -> &mut Side {
        match who {
            Who::Left => &mut self.left,
            Who::Right => &mut self.right,
        }
    }

    /// An end, to look at.
    pub fn at(&self, who: Who) -> &Side {
        match who {
            Who::Left => &self.left,
            Who::Right => &self.right,
        }
    }

    /// Hands policies over.
    pub fn set_policies(&mut self, who: Who, policies: PolicySet) {
        let now = self.now;
        self.side(who).endpoint.set_policies(now, policies);
        self.drain();
    }

    /// Gives a command; its end appears in [`Side::done`].
    pub fn command(&mut self, who: Who, command: Command) -> CommandId {
        let now = self.now;
        let side = self.side(who);
        side.commands += 1;
        let id = CommandId(side.commands);
        side.endpoint.command(now, id, command);
        self.drain();
        id
    }

    /// Gives a command and runs until it ended (or `limit`, then `None`).
    pub fn command_and_wait(
        &mut self,
        who: Who,
        command: Command,
        limit: Duration,
    ) -> Option<Result<(), Reason>> {
        let id = self.command(who, command);
        self.run_until(limit, |p| p.at(who).done.contains_key(&id));
        self.side(who).done.get(&id).cloned()
    }

    /// Brings "tunnel" up from an end.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn establish(&mut self, who: Who) {
        let up = self.command_and_wait(who, Command::Up("tunnel".into()), Duration::from_secs(60));
        assert_eq!(up, Some(Ok(())), "seed {}", self.seed);
        // Let the last datagrams arrive.
        self.run_for(Duration::from_secs(1));
    }

    /// A machine dies and comes back with nothing but its configuration.
    pub fn reboot(&mut self, who: Who, config: Config, policies: PolicySet) {
        let (now, seed) = (self.now, self.seed);
        let side = self.side(who);
        let psk = side.psk.clone();
        let fresh = seed
            .wrapping_mul(4)
            .wrapping_add(1_000_003 + now.as_micros());
        *side = Side::new(fresh, config, side.address, now);
        side.psk = psk;
        self.set_policies(who, policies);
    }

    /// The data plane says something.
    pub fn kernel_event(&mut self, who: Who, event: KernelEvent) {
        let now = self.now;
        self.side(who).endpoint.kernel_event(now, event);
        self.drain();
    }

    /// Runs what comes next, if it comes before `end`.
    fn step(&mut self, end: Instant) -> bool {
        let next = [
            self.net.next_at(),
            self.left.next_at(),
            self.right.next_at(),
        ]
        .into_iter()
        .flatten()
        .min();
        let Some(next) = next.filter(|t| *t <= end) else {
            self.now = self.now.max(end);
            return false;
        };
        self.now = self.now.max(next);
        let now = self.now;
        if let Some(packet) = self.net.pop(now) {
            let target = [Who::Left, Who::Right]
                .into_iter()
                .find(|w| self.at(*w).address == packet.to.ip());
            if let Some(who) = target {
                let path = packet.path();
                self.side(who)
                    .endpoint
                    .handle_datagram(now, path, &packet.bytes);
            }
        } else {
            for who in [Who::Left, Who::Right] {
                let side = self.side(who);
                if let Some(key) = side.answers.keys().next().copied()
                    && key.0 <= now
                {
                    if let Some((id, answer)) = side.answers.remove(&key) {
                        side.endpoint.answer(now, id, answer);
                    }
                } else if side.endpoint.next_timeout().is_some_and(|t| t <= now) {
                    side.endpoint.handle_timeout(now);
                    let again = side.endpoint.next_timeout();
                    assert!(
                        again.is_none_or(|t| t > now),
                        "seed {}: a timer does not move: {again:?}",
                        self.seed
                    );
                }
            }
        }
        self.drain();
        true
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now.after(time);
        while self.step(end) {}
    }

    /// Lets time pass until something holds; whether it came to hold within `limit`.
    pub fn run_until(&mut self, limit: Duration, mut done: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now.after(limit);
        loop {
            if done(self) {
                return true;
            }
            if !self.step(end) {
                return done(self);
            }
        }
    }

    /// Takes outputs to where they belong.
    fn drain(&mut self) {
        let now = self.now;
        for who in [Who::Left, Who::Right] {
            while let Some(output) = self.side(who).endpoint.poll_output() {
                match output {
                    Output::Transmit { path, datagrams } => {
                        for bytes in datagrams {
                            self.net.send(now, path, bytes);
                        }
                    }
                    Output::Request(id, request) => self.side(who).serve(now, id, request),
                    Output::Event(event) => self.side(who).events.push(event),
                    Output::CommandDone(id, result) => {
                        let twice = self.side(who).done.insert(id, result);
                        assert!(twice.is_none(), "command {id:?} ended twice");
                    }
                }
            }
        }
    }

    /// Whether a packet sent now by an end in a child would be understood by the other.
    pub fn ping(&self, from: Who, child: &str) -> Result<(), String> {
        let sender = self
            .at(from)
            .plane
            .sender(child)
            .ok_or_else(|| format!("{from:?} has nothing to send with"))?;
        let receiver = self
            .at(from.other())
            .plane
            .sas
            .values()
            .find(|i| i.spec.spi_in == sender.spec.spi_out)
            .ok_or_else(|| format!("{:?} does not know {}", from.other(), sender.spec.spi_out))?;
        if receiver.spec.keys_in != sender.spec.keys_out || receiver.spec.suite != sender.spec.suite
        {
            return Err("keys or algorithms differ".into());
        }
        if receiver.spec.udp_encap != sender.spec.udp_encap {
            return Err("encapsulation differs".into());
        }
        Ok(())
    }

    /// Everything that happened and was sent, in order, for people.
    pub fn trace(&self) -> String {
        let mut lines: Vec<(Instant, String)> = Vec::new();
        for who in [Who::Left, Who::Right] {
            for e in &self.at(who).events {
                let sa = e.sa.map_or(0, |s| s.0);
                lines.push((e.at, format!("  {who:?} sa {sa} {:?}", e.kind)));
            }
        }
        for p in &self.net.log {
            lines.push((p.at, p.line()));
        }
        lines.sort_by_key(|(at, _)| *at);
        lines
            .iter()
            .map(|(at, line)| format!("{:>12} {line}\n", at.as_micros()))
            .collect()
    }

    /// Whether pings pass both ways.
    pub fn ping_both(&self, child: &str) -> Result<(), String> {
        self.ping(Who::Left, child)?;
        self.ping(Who::Right, child)
    }

    /// What must hold when nothing is under way any more: both ends have the same IKE SAs and
    /// children, installed is what is shown, no promise was broken.
    pub fn check_quiet(&self) -> Result<(), String> {
        let view = |who: Who| {
            let side = self.at(who);
            let mut ike = Vec::new();
            let mut children = Vec::new();
            for sa in side.endpoint.snapshot(self.now) {
                ike.push((sa.spi_i, sa.spi_r, sa.state));
                for c in sa.children {
                    let (a, b) = match who {
                        Who::Left => (c.spi_in, c.spi_out),
                        Who::Right => (c.spi_out, c.spi_in),
                    };
                    children.push((a, b, c.state));
                }
            }
            ike.sort();
            children.sort();
            (ike, children)
        };
        let (left, right) = (view(Who::Left), view(Who::Right));
        if left != right {
            return Err(format!("the ends differ: {left:?} {right:?}"));
        }
        if let Some(odd) = left.0.iter().find(|s| s.2 != "ESTABLISHED") {
            return Err(format!("not quiet: {odd:?}"));
        }
        if let Some(odd) = left.1.iter().find(|s| s.2 != "INSTALLED") {
            return Err(format!("not quiet: {odd:?}"));
        }
        for who in [Who::Left, Who::Right] {
            let plane = &self.at(who).plane;
            if let Some(complaint) = plane.complaints.first() {
                return Err(format!("{who:?}: {complaint}"));
            }
            if plane.sas.len() != left.1.len() {
                return Err(format!(
                    "{who:?} has {} children, its data plane {}",
                    left.1.len(),
                    plane.sas.len()
                ));
            }
            if let Some(mute) = plane.sas.values().find(|i| !i.sending) {
                return Err(format!("{who:?}: {} does not send", mute.spec.spi_in));
            }
        }
        Ok(())
    }
}

impl Side {
    fn new(seed: u64, config: Config, address: IpAddr, now: Instant) -> Self {
        let rng = Box::new(ChaCha20Rng::seed_from_u64(seed));
        let mut psk = BTreeMap::new();
        psk.insert(
            "tunnel".to_owned(),
            b"correct horse battery staple".to_vec(),
        );
        Self {
            endpoint: Endpoint::new(config, rng, now),
            address,
            psk,
            plane: Plane::default(),
            events: Vec::new(),
            done: BTreeMap::new(),
            answer_delay: Duration::ZERO,
            ca_is_dead: false,
            answers: BTreeMap::new(),
            sequence: 0,
            commands: 0,
        }
    }

    fn next_at(&self) -> Option<Instant> {
        let answer = self.answers.keys().next().map(|(at, _)| *at);
        [answer, self.endpoint.next_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Plays `ca`, data plane and driver.
    fn serve(&mut self, now: Instant, id: RequestId, request: Request) {
        let answer = match request {
            Request::SourceAddress { .. } => Answer::SourceAddress(Ok(self.address)),
            Request::MakeAuth {
                policy,
                prf,
                octets,
            } => {
                if self.ca_is_dead {
                    return;
                }
                Answer::AuthMade(self.shared(&policy, prf).map(|(prf, secret)| {
                    let mac = auth::shared_key_mac(prf, &secret, &octets);
                    (AuthMethod::SHARED_KEY_MIC, mac)
                }))
            }
            Request::VerifyAuth {
                policy,
                peer_id,
                prf,
                octets,
                method,
                data,
            } => {
                if self.ca_is_dead {
                    return;
                }
                Answer::AuthVerified(self.shared(&policy, prf).and_then(|(prf, secret)| {
                    if method != AuthMethod::SHARED_KEY_MIC {
                        return Err(format!("method {method} instead of a shared key"));
                    }
                    auth::verify_shared_key(prf, &secret, &octets, &data)
                        .map(|()| PeerAuthenticated::attest(peer_id))
                        .map_err(|_| "the pre-shared keys differ".to_owned())
                }))
            }
            Request::InstallChild(spec) => {
                if self.plane.ignore > 0 {
                    self.plane.ignore -= 1;
                    return;
                }
                Answer::DataPlane(self.plane.install(*spec))
            }
            Request::ActivateOutbound(child) => Answer::DataPlane(self.plane.activate(child)),
            Request::UpdateChild { child, path, .. } => {
                Answer::DataPlane(self.plane.update(child, path))
            }
            Request::RemoveChild(child) => Answer::DataPlane(self.plane.remove(child)),
        };
        self.sequence += 1;
        self.answers
            .insert((now.after(self.answer_delay), self.sequence), (id, answer));
    }

    fn shared(&self, policy: &str, prf: ike_wire::PrfId) -> Result<(Prf, Secret), String> {
        let secret = self.psk.get(policy).ok_or("no pre-shared key")?;
        let prf = Prf::from_id(prf).ok_or("unknown PRF")?;
        Ok((prf, Secret::new(secret.clone())))
    }

    /// Reasons of everything that failed or ended.
    pub fn reasons(&self) -> Vec<&Reason> {
        self.events
            .iter()
            .filter_map(|e| match &e.kind {
                EventKind::AttemptFailed(r)
                | EventKind::IkeSaClosed(r)
                | EventKind::ChildSaClosed { reason: r, .. }
                | EventKind::ChildRefused { reason: r, .. } => Some(r),
                _ => None,
            })
            .collect()
    }

    /// Commands without an end so far.
    pub fn open_commands(&self) -> u64 {
        self.commands.saturating_sub(self.done.len() as u64)
    }

    /// How many events match.
    pub fn count(&self, what: impl Fn(&EventKind) -> bool) -> usize {
        self.events.iter().filter(|e| what(&e.kind)).count()
    }

    /// A counter by name.
    pub fn stat(&self, name: &str) -> u64 {
        self.endpoint
            .stats()
            .iter()
            .find(|(n, _)| *n == name)
            .map_or(0, |(_, v)| *v)
    }

    /// IKE SAs as shown.
    pub fn sas(&self, now: Instant) -> Vec<IkeSaSnapshot> {
        self.endpoint.snapshot(now)
    }
}
