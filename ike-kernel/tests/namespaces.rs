//! The userspace plane on real TUN devices and real routes, in two network namespaces: packets pass, and
//! nothing leaves in clear, whatever goes away. Needs root and iproute2.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use common::{CBC, GCM, Gateway, Kind, Net, TARGETS, Tap, child, flows, ip, may_run};
use ike_kernel::{Event, Outbound, PlaneKind};

const PLAIN: Kind = Kind {
    cipher: GCM,
    esn: false,
    udp: true,
    outer_v6: false,
};

fn userspace(name: &str) -> Gateway {
    Gateway::start(name, PlaneKind::Userspace)
}

#[test]
fn packets_pass_in_udp_and_raw_over_ipv4_and_ipv6_with_either_cipher() {
    if !may_run() {
        return;
    }
    let net = Net::new("pass");
    let (a, b) = (userspace(&net.names[0]), userspace(&net.names[1]));
    let tap = Tap::start(&net.names[1]);
    let mut id = 0;
    for outer_v6 in [false, true] {
        for udp in [false, true] {
            for (cipher, esn) in [(GCM, true), (CBC, false)] {
                let kind = Kind {
                    cipher,
                    esn,
                    udp,
                    outer_v6,
                };
                id += 1;
                for (gateway, end) in [(&a, 0), (&b, 1)] {
                    gateway.install(child(id, end, kind, None));
                }
                for target in TARGETS {
                    let output = net.ping(0, &format!("-c 3 -i 0.05 {target}"));
                    let text = String::from_utf8_lossy(&output.stdout);
                    assert!(output.status.success(), "{kind:?} {target}: {text}");
                }
                // As long as the device takes, and beyond: the sender learns the MTU.
                for (size, fits) in [(1372, true), (1373, false)] {
                    let args = format!("-c 1 -M do -s {size} {}", TARGETS[0]);
                    assert_eq!(net.pings(0, &args), fits, "{kind:?} size {size}");
                }
                assert!(
                    net.pings(0, &format!("-c 1 -s 6000 {}", TARGETS[0])),
                    "{kind:?} fragments"
                );
                for gateway in [&a, &b] {
                    let counters = gateway.counters(id);
                    assert!(
                        counters.packets_in >= 7 && counters.packets_out >= 7,
                        "{counters:?}"
                    );
                    gateway.remove(id);
                }
            }
        }
    }
    assert_eq!(tap.clear_packets(), 0);
}

#[test]
fn senders_without_a_source_address_use_the_one_inside_the_tunnel() {
    if !may_run() {
        return;
    }
    let net = Net::new("source");
    let (a, b) = (userspace(&net.names[0]), userspace(&net.names[1]));
    let kind = PLAIN;
    a.install(child(1, 0, kind, None));
    b.install(child(1, 1, kind, None));
    for target in ["10.2.0.1", "2001:db8:2::1"] {
        assert!(net.pings(0, &format!("-c 2 -i 0.05 {target}")), "{target}");
    }
    // Bound elsewhere it is another flow, and goes its own way: the peer answers from outside.
    for source in ["192.0.2.1", "2001:db8::1"] {
        let target = if source.contains(':') {
            "2001:db8:2::1"
        } else {
            "10.2.0.1"
        };
        let before = a.counters(1);
        net.ping(0, &format!("-c 1 -I {source} {target}"));
        let after = a.counters(1);
        assert_eq!(before.packets_out, after.packets_out, "{source}");
    }
}

#[test]
fn tcp_carries_megabytes_unharmed_both_ways() {
    if !may_run() {
        return;
    }
    let net = Net::new("tcp");
    let (a, b) = (userspace(&net.names[0]), userspace(&net.names[1]));
    let pattern = |seed: usize| (0..8_000_000_usize).map(move |i| (i * 7 + i / 251 + seed) as u8);
    for (id, (kind, from, to)) in [
        (PLAIN, "10.1.0.1", "10.2.0.1"),
        (
            Kind {
                udp: false,
                cipher: CBC,
                ..PLAIN
            },
            "2001:db8:1::1",
            "2001:db8:2::1",
        ),
        (
            Kind {
                outer_v6: true,
                esn: true,
                ..PLAIN
            },
            "10.1.0.1",
            "10.2.0.1",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let id = id as u64 + 1;
        a.install(child(id, 0, kind, None));
        b.install(child(id, 1, kind, None));
        let to = SocketAddr::new(to.parse().unwrap(), 7000);
        let listening = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                common::enter(&net.names[1]);
                let listener = TcpListener::bind(to).unwrap();
                listening.wait();
                let (mut stream, peer) = listener.accept().unwrap();
                assert_eq!(peer.ip(), from.parse::<std::net::IpAddr>().unwrap());
                let mut got = Vec::new();
                stream.read_to_end(&mut got).unwrap();
                assert!(got.iter().copied().eq(pattern(1)), "{kind:?} there");
                stream.write_all(&pattern(2).collect::<Vec<_>>()).unwrap();
            });
            scope.spawn(|| {
                common::enter(&net.names[0]);
                listening.wait();
                let mut stream = TcpStream::connect(to).unwrap();
                stream.write_all(&pattern(1).collect::<Vec<_>>()).unwrap();
                stream.shutdown(std::net::Shutdown::Write).unwrap();
                let mut got = Vec::new();
                stream.read_to_end(&mut got).unwrap();
                assert!(got.iter().copied().eq(pattern(2)), "{kind:?} back");
            });
        });
        let counters = a.counters(id);
        assert!(
            counters.bytes_in > 8_000_000 && counters.bytes_out > 8_000_000,
            "{counters:?}"
        );
        a.remove(id);
        b.remove(id);
    }
}

#[test]
fn a_peer_inside_a_protected_flow_is_still_reached_outside() {
    if !may_run() {
        return;
    }
    // Everything from the LAN and from the gateway itself goes to the peer: also what is for the peer.
    let net = Net::new("inside");
    let a = userspace(&net.names[0]);
    let b = userspace(&net.names[1]);
    let mut children = [0, 1].map(|end| {
        child(
            1,
            end,
            Kind {
                udp: false,
                ..PLAIN
            },
            None,
        )
    });
    let any = common::net("0.0.0.0", 0);
    let lan = common::net("10.1.0.0", 24);
    children[0].flows = vec![
        (lan, any),
        (common::net("192.0.2.1", 32), common::net("192.0.2.2", 32)),
    ];
    children[1].flows = children[0].flows.iter().map(|(l, p)| (*p, *l)).collect();
    let [left, right] = children;
    a.install(left);
    b.install(right);
    let before = a.counters(1);
    assert!(net.pings(0, "-c 2 -i 0.05 192.0.2.2"));
    assert!(net.pings(0, "-c 2 -i 0.05 -I 10.1.0.1 10.2.0.1"));
    let after = a.counters(1);
    assert_eq!(after.packets_out - before.packets_out, 4);
    let source = a.call(|_| ike_kernel::socket::source_address("192.0.2.2".parse().unwrap()));
    assert_eq!(
        source.unwrap(),
        "192.0.2.1".parse::<std::net::IpAddr>().unwrap()
    );
}

#[test]
fn nothing_leaves_in_clear_without_child_after_a_crash_and_across_a_restart() {
    if !may_run() {
        return;
    }
    let net = Net::new("leak");
    let name = net.names[0].clone();
    let mut a = userspace(&name);
    let clear_after = |work: &dyn Fn()| {
        let tap = Tap::start(&name);
        work();
        tap.clear_packets()
    };
    let silent = || {
        for target in TARGETS.into_iter().chain(["10.2.0.1", "2001:db8:2::1"]) {
            assert!(!net.pings(0, &format!("-c 1 {target}")), "{target}");
        }
    };
    let knock = || {
        for target in TARGETS {
            net.ping(0, &format!("-c 1 {target}"));
        }
    };
    // Until neighbours are known, packets wait after routing and would be seen later.
    while !TARGETS
        .iter()
        .all(|target| net.pings(0, &format!("-c 1 {target}")))
    {}
    assert!(clear_after(&knock) > 0, "the check sees clear packets");
    a.block(flows(0));
    assert_eq!(clear_after(&silent), 0, "blocked");
    let acquired = a.events();
    assert!(
        acquired
            .iter()
            .any(|e| matches!(e, Event::Acquire { policy, .. } if policy == "gw")),
        "{acquired:?}"
    );
    // With a child it works, without again it does not.
    let b = userspace(&net.names[1]);
    let kind = Kind {
        cipher: GCM,
        esn: true,
        udp: false,
        outer_v6: false,
    };
    a.install(child(1, 0, kind, None));
    b.install(child(1, 1, kind, None));
    assert!(net.pings(0, &format!("-c 1 {}", TARGETS[0])));
    a.remove(1);
    assert_eq!(clear_after(&silent), 0, "child removed");
    a.kill();
    assert!(
        !ip(&format!("-n {name} link show iked0")).status.success(),
        "TUN is gone"
    );
    assert_eq!(clear_after(&silent), 0, "killed");
    // The next run takes over what is there, and what it does not want is gone after the sweep.
    let a = userspace(&name);
    assert_eq!(clear_after(&silent), 0, "restarted");
    a.block(flows(0)[..1].to_vec());
    a.call(|state| state.sweep());
    let v4 = || assert!(!net.pings(0, &format!("-c 1 {}", TARGETS[0])));
    assert_eq!(clear_after(&v4), 0, "wanted again");
    assert!(clear_after(&knock) > 0, "swept");
    a.call(|state| state.flush());
    assert!(
        clear_after(&knock) > 0,
        "a clean stop takes everything away"
    );
    for family in ["-4", "-6"] {
        let rules = String::from_utf8(ip(&format!("-n {name} {family} rule")).stdout).unwrap();
        assert!(!rules.contains("52"), "{rules}");
        let routes = ip(&format!("-n {name} {family} route show table 210"));
        assert_eq!(String::from_utf8_lossy(&routes.stdout), "");
    }
}

#[test]
fn rekeying_under_load_loses_nothing() {
    if !may_run() {
        return;
    }
    let net = Net::new("rekey");
    let (a, b) = (userspace(&net.names[0]), userspace(&net.names[1]));
    let kind = PLAIN;
    a.install(child(1, 0, kind, None));
    b.install(child(1, 1, kind, None));
    std::thread::scope(|scope| {
        let ping = scope.spawn(|| net.ping(0, &format!("-c 400 -i 0.005 {}", TARGETS[0])));
        let start = Instant::now();
        let mut id = 1;
        while start.elapsed() < Duration::from_millis(1500) {
            let new = id + 1;
            // The responder installs deferred, the initiator at once; then the old child goes.
            let mut deferred = child(new, 1, kind, Some(id));
            deferred.outbound = Outbound::Deferred;
            b.install(deferred);
            a.install(child(new, 0, kind, Some(id)));
            b.call(move |state| state.plane().activate_outbound(new).unwrap());
            std::thread::sleep(Duration::from_millis(20));
            for gateway in [&a, &b] {
                gateway.remove(id);
            }
            id = new;
            std::thread::sleep(Duration::from_millis(30));
        }
        assert!(id > 5);
        let output = ping.join().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("400 received"), "{text}");
    });
}
