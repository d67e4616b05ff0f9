//! An authenticated peer that sends anything in any order: no panic, no orphan in the data
//! plane, and nothing stays behind when it falls silent.
use super::*;
use crate::negotiate;
use crate::testing::{Packet, Pair, Verdict, Who, psk_policy, set};
use ike_ts::{AddrRange, TrafficSelector};
use ike_wire::payload::*;
use ike_wire::{AuthMethod, ChildSpi, IdType, KeMethod, MessageId, ProtocolId};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

struct Attack {
    pair: Pair,
    rng: ChaCha20Rng,
    next: u32,
}

impl Attack {
    fn new(seed: u64) -> Self {
        let mut pair = Pair::bare(seed, Config::default(), Config::default());
        for who in [Who::Left, Who::Right] {
            let mut policies = set(vec![psk_policy(&Pair::scene(who))]);
            policies.settings.dpd_check_interval_s = 30;
            policies.policies[0].ike_lifetime_s = 200;
            policies.policies[0].children[0].lifetime_s = 50;
            pair.set_policies(who, policies);
        }
        pair.establish(Who::Left);
        // From here on only what is injected reaches the right end.
        let left = pair.left.address;
        pair.net.filter(move |p| {
            if p.from.ip() == left {
                Verdict::Drop
            } else {
                Verdict::Pass
            }
        });
        Self {
            pair,
            rng: ChaCha20Rng::seed_from_u64(seed),
            next: 2,
        }
    }

    fn below(&mut self, n: u32) -> u32 {
        self.rng.next_u32() % n
    }

    fn octets(&mut self, max: u32) -> Vec<u8> {
        let mut v = vec![0; self.below(max + 1) as usize];
        self.rng.fill_bytes(&mut v);
        v
    }

    /// An SPI of a child of the victim, from one side or the other, or any.
    fn child_spi(&mut self) -> ChildSpi {
        let known: Vec<ChildSpi> = self
            .pair
            .right
            .endpoint
            .sas
            .values()
            .flat_map(|sa| sa.children.values())
            .flat_map(|c| [c.spi_out, c.spi_out, c.spi_in])
            .collect();
        match self.below(4) {
            0 => ChildSpi(self.rng.next_u32()),
            1 => ChildSpi(self.below(300)),
            _ if known.is_empty() => ChildSpi(7),
            _ => known[self.below(known.len() as u32) as usize],
        }
    }

    fn selectors(&mut self) -> Vec<Selector<'static>> {
        let (left, right) = (Pair::scene(Who::Left), Pair::scene(Who::Right));
        let good = |net: (std::net::IpAddr, std::net::IpAddr)| {
            Selector::Ip(TrafficSelector::any_protocol(
                AddrRange::new(net.0, net.1).unwrap(),
            ))
        };
        match self.below(6) {
            0 => Vec::new(),
            1 => vec![Selector::Other(
                ike_wire::TsType::FC_ADDR_RANGE,
                0,
                vec![0; 8].into(),
            )],
            2 => vec![good(right.local_net)],
            3 => vec![Selector::Ip(TrafficSelector::any_protocol(
                AddrRange::ANY_V4,
            ))],
            _ => vec![good(left.local_net)],
        }
    }

    fn payload(&mut self) -> Payload<'static> {
        let policy = psk_policy(&Pair::scene(Who::Left));
        let spi = self.child_spi();
        let body = match self.below(16) {
            0 | 1 => Body::Sa(negotiate::offer_child(
                &policy.children[0].proposals,
                ProtocolId::ESP,
                spi,
                self.below(2) == 0,
            )),
            2 => {
                let spi = match self.below(3) {
                    0 => None,
                    1 => Some(Spi::ZERO),
                    _ => Some(Spi(self.rng.next_u64().to_be_bytes())),
                };
                Body::Sa(negotiate::offer_ike(&policy.ike, spi))
            }
            3 => {
                let method =
                    [KeMethod::CURVE25519, KeMethod::ECP256, KeMethod(999)][self.below(3) as usize];
                let data = if self.below(2) == 0 {
                    vec![9; 32]
                } else {
                    self.octets(100)
                };
                Body::Ke(KePayload {
                    method,
                    data: data.into(),
                })
            }
            4 | 5 => Body::Nonce(self.octets(300).into()),
            6 => Body::TsI(self.selectors()),
            7 => Body::TsR(self.selectors()),
            8 | 9 => {
                let kinds = [
                    NotifyType::REKEY_SA,
                    NotifyType::REKEY_SA,
                    NotifyType::TEMPORARY_FAILURE,
                    NotifyType::CHILD_SA_NOT_FOUND,
                    NotifyType::INVALID_KE_PAYLOAD,
                    NotifyType::NO_PROPOSAL_CHOSEN,
                    NotifyType::INITIAL_CONTACT,
                    NotifyType::USE_TRANSPORT_MODE,
                    NotifyType::COOKIE,
                    NotifyType(40_000),
                ];
                let kind = kinds[self.below(10) as usize];
                let data = if self.below(2) == 0 {
                    vec![0, 19]
                } else {
                    self.octets(4)
                };
                Body::Notify(Notify {
                    protocol: ProtocolId::ESP,
                    spi: spi.0.to_be_bytes().to_vec().into(),
                    kind,
                    data: data.into(),
                })
            }
            10 => Body::Delete(Delete::Child(ProtocolId::ESP, vec![spi, self.child_spi()])),
            11 if self.below(8) == 0 => Body::Delete(Delete::IkeSa),
            12 => Body::IdI(Identification {
                id_type: IdType(self.below(20) as u8),
                data: self.octets(20).into(),
            }),
            13 => Body::Auth(AuthPayload {
                method: AuthMethod::SHARED_KEY_MIC,
                data: self.octets(32).into(),
            }),
            14 if self.below(4) == 0 => {
                return Payload {
                    critical: true,
                    body: Body::Unknown(PayloadType(200), Vec::new().into()),
                };
            }
            _ => Body::VendorId(self.octets(20).into()),
        };
        body.into()
    }

    /// A whole request or answer that could be meant seriously.
    fn plausible(&mut self) -> (ExchangeType, Vec<Payload<'static>>) {
        let policy = psk_policy(&Pair::scene(Who::Left));
        let child = &policy.children[0];
        let (left, right) = (Pair::scene(Who::Left), Pair::scene(Who::Right));
        let ts = |net: (std::net::IpAddr, std::net::IpAddr)| vec![Selector::Ip(testing::ts(net))];
        let mut nonce = vec![0; 32];
        self.rng.fill_bytes(&mut nonce);
        let spi = ChildSpi(self.rng.next_u32() | 0x1000);
        match self.below(4) {
            0 => (
                ExchangeType::CREATE_CHILD_SA,
                vec![
                    Body::Sa(negotiate::offer_ike(
                        &policy.ike,
                        Some(Spi(self.rng.next_u64().to_be_bytes())),
                    ))
                    .into(),
                    Body::Nonce(nonce.into()).into(),
                    Body::Ke(KePayload {
                        method: KeMethod::CURVE25519,
                        data: vec![9; 32].into(),
                    })
                    .into(),
                ],
            ),
            1 => (
                ExchangeType::INFORMATIONAL,
                vec![Body::Delete(Delete::Child(ProtocolId::ESP, vec![self.child_spi()])).into()],
            ),
            n => {
                let mut payloads: Vec<Payload<'static>> = vec![
                    Body::Sa(negotiate::offer_child(
                        &child.proposals,
                        child.protocol,
                        spi,
                        true,
                    ))
                    .into(),
                    Body::Nonce(nonce.into()).into(),
                    Body::TsI(ts(left.local_net)).into(),
                    Body::TsR(ts(right.local_net)).into(),
                ];
                if n == 3 {
                    payloads.insert(
                        0,
                        Body::Notify(Notify {
                            protocol: ProtocolId::ESP,
                            spi: self.child_spi().0.to_be_bytes().to_vec().into(),
                            kind: NotifyType::REKEY_SA,
                            data: Vec::new().into(),
                        })
                        .into(),
                    );
                }
                (ExchangeType::CREATE_CHILD_SA, payloads)
            }
        }
    }

    fn shot(&mut self) {
        let response = self.below(3) == 0;
        let (exchange, mut payloads) = if self.below(2) == 0 {
            self.plausible()
        } else {
            let exchanges = [34, 35, 36, 36, 36, 37, 37, 43, 44, 240];
            let exchange = ExchangeType(exchanges[self.below(10) as usize]);
            let n = self.below(7);
            (exchange, (0..n).map(|_| self.payload()).collect())
        };
        if self.below(8) == 0 {
            payloads.push(self.payload());
        }
        let awaited = self
            .pair
            .right
            .endpoint
            .sas
            .values()
            .find_map(|sa| sa.window.inflight.as_ref().map(|i| i.id));
        let id = match self.below(8) {
            0 => self.rng.next_u32(),
            1 => self.next.saturating_sub(1),
            2 => self.next.saturating_add(1),
            _ if response => awaited.unwrap_or(0),
            _ => self.next,
        };
        let port = if self.below(10) == 0 { 4500 } else { 500 };
        let Some(victim) = self
            .pair
            .left
            .endpoint
            .sas
            .values_mut()
            .find(|sa| sa.keys.is_some())
        else {
            return;
        };
        let flags = Flags {
            initiator: victim.role == Role::Initiator,
            version: false,
            response,
        };
        let header = Header {
            message_id: MessageId(id),
            ..message::header(victim.spi_i, victim.spi_r, exchange, flags, id)
        };
        let Some(keys) = &mut victim.keys else {
            return;
        };
        let Some(sealed) = message::seal(&mut keys.ours, header, payloads, &mut self.rng) else {
            return;
        };
        let (from, to) = (
            std::net::SocketAddr::new(self.pair.left.address, port),
            std::net::SocketAddr::new(self.pair.right.address, port),
        );
        let path = Path {
            local: from,
            peer: to,
        };
        let packet = Packet {
            at: self.pair.now,
            from,
            to,
            bytes: message::frame(&path, 500, &sealed),
        };
        self.pair.net.inject(self.pair.now, packet);
        let before = self.pair.right.stat("requests_in");
        self.pair.run_for(Duration::from_millis(20));
        if self.pair.right.stat("requests_in") > before && id == self.next {
            self.next = self.next.saturating_add(1);
        }
    }

    /// Sends a request that is the next expected, and opens the answer.
    fn ask(&mut self, exchange: ExchangeType, plain: Vec<Payload<'static>>) -> Vec<NotifyType> {
        let (port, id) = (500, self.next);
        self.next += 1;
        let sent = self.pair.net.log.len();
        let at = self.pair.now;
        let victim = self.pair.left.endpoint.sas.values_mut().next().unwrap();
        let flags = Flags {
            initiator: true,
            ..Flags::default()
        };
        let header = message::header(victim.spi_i, victim.spi_r, exchange, flags, id);
        let keys = victim.keys.as_mut().unwrap();
        let bytes = message::seal(&mut keys.ours, header, plain, &mut self.rng).unwrap();
        let packet = Packet {
            at,
            from: std::net::SocketAddr::new(self.pair.left.address, port),
            to: std::net::SocketAddr::new(self.pair.right.address, port),
            bytes,
        };
        self.pair.net.inject(at, packet);
        self.pair.run_for(Duration::from_millis(20));
        let answer = self.pair.net.log[sent].bytes.clone();
        let victim = self.pair.left.endpoint.sas.values().next().unwrap();
        let (first, plain) = message::open(&victim.keys.as_ref().unwrap().theirs, &answer).unwrap();
        let chain = Chain::decode(first, plain.expose()).unwrap();
        Look(&chain.payloads).notifies().map(|n| n.kind).collect()
    }

    /// The data plane has exactly what the engine believes it has.
    fn check(&self) {
        let right = &self.pair.right;
        let mut believed: Vec<ChildId> = right
            .endpoint
            .sas
            .values()
            .flat_map(|sa| sa.children.values())
            .filter(|c| c.in_data_plane)
            .map(|c| c.id)
            .collect();
        believed.sort();
        let installed: Vec<ChildId> = right.plane.sas.keys().copied().collect();
        assert_eq!(believed, installed, "seed {}", self.pair.seed());
        assert_eq!(right.plane.complaints, Vec::<String>::new());
    }
}

#[test]
fn an_authenticated_peer_that_sends_anything_leaves_no_orphan_and_no_leak() {
    let (mut requests, mut children, mut ike) = (0, 0, 0);
    for seed in 0..200 {
        let mut attack = Attack::new(seed);
        for n in 0..60 {
            attack.shot();
            attack.check();
            if n % 7 == 0 {
                let command = if attack.below(2) == 0 {
                    Command::RekeyChild("tunnel".into())
                } else {
                    Command::RekeyIke("tunnel".into())
                };
                attack.pair.command(Who::Right, command);
            }
        }
        // Silence: the peer is found dead and everything goes.
        attack.pair.run_for(Duration::from_secs(1000));
        attack.check();
        let right = &attack.pair.right;
        let endpoint = &right.endpoint;
        assert!(
            endpoint.sas.is_empty(),
            "seed {seed}: {:?}",
            endpoint.snapshot(attack.pair.now)
        );
        assert!(right.plane.sas.is_empty(), "seed {seed}");
        assert!(
            endpoint.core.child_spis.is_empty(),
            "seed {seed}: SPIs leak"
        );
        assert!(endpoint.core.known.is_empty(), "seed {seed}");
        assert!(
            endpoint.core.requests.is_empty(),
            "seed {seed}: {:?}",
            endpoint.core.requests
        );
        assert_eq!(endpoint.next_timeout(), None, "seed {seed}");
        assert_eq!(right.open_commands(), 0, "seed {seed}");
        requests += right.stat("requests_in");
        children += right.plane.installed;
        ike += right.stat("ike_sas_rekeyed");
    }
    // It was not only the door that was knocked at.
    assert!(
        requests > 2000 && children > 400 && ike > 20,
        "{requests} {children} {ike}"
    );
}

fn unknown(critical: bool) -> Payload<'static> {
    Payload {
        critical,
        body: Body::Unknown(PayloadType(200), vec![1, 2, 3].into()),
    }
}

#[test]
fn an_unknown_critical_payload_is_refused_and_the_sa_stays() {
    let mut attack = Attack::new(1);
    let answer = attack.ask(ExchangeType::INFORMATIONAL, vec![unknown(true)]);
    assert_eq!(answer, [NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD]);
    // Without the critical bit it is skipped.
    let answer = attack.ask(ExchangeType::INFORMATIONAL, vec![unknown(false)]);
    assert_eq!(answer, []);
    attack.pair.check_quiet().unwrap();
}

#[test]
fn rekeying_a_child_that_is_not_there_is_answered_child_sa_not_found() {
    let mut attack = Attack::new(2);
    let (_, mut payloads) = loop {
        let (exchange, payloads) = attack.plausible();
        if payloads.len() == 5 {
            break (exchange, payloads);
        }
    };
    if let Body::Notify(n) = &mut payloads[0].body {
        n.spi = vec![1, 2, 3, 4].into();
    }
    let answer = attack.ask(ExchangeType::CREATE_CHILD_SA, payloads);
    assert_eq!(answer, [NotifyType::CHILD_SA_NOT_FOUND]);
    attack.pair.check_quiet().unwrap();
}

#[test]
fn an_authenticated_but_malformed_request_ends_the_sa_with_invalid_syntax() {
    let mut attack = Attack::new(3);
    // A traffic selector payload that lies about its number of selectors.
    let bad = Payload {
        critical: false,
        body: Body::Unknown(PayloadType::TSI, vec![9, 0, 0, 0].into()),
    };
    let answer = attack.ask(ExchangeType::CREATE_CHILD_SA, vec![bad]);
    assert_eq!(answer, [NotifyType::INVALID_SYNTAX]);
    assert!(attack.pair.right.sas(attack.pair.now).is_empty());
    assert!(attack.pair.right.plane.sas.is_empty());
}
