//! The kernel's ESP through XFRM in two network namespaces, against itself and against the userspace plane.
//! Returns at once where the kernel has no ESP, saying so; the lab runs it in User-Mode Linux.
//! `IKED_EXPECT_KERNEL_ESP=1` makes a missing kernel ESP a failure.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{CBC, GCM, Gateway, Kind, Net, TARGETS, Tap, child, flows, ip, may_run};
use ike_crypto::{Cipher, Integ};
use ike_kernel::{DataPlane, Event, Outbound, PlaneKind, probe, xfrm};

const PLAIN: Kind = Kind {
    cipher: GCM,
    esn: true,
    udp: false,
    outer_v6: false,
};

fn kernel_can() -> bool {
    if !may_run() {
        return false;
    }
    match probe::kernel_esp() {
        Ok(()) => true,
        Err(error) => {
            assert!(
                std::env::var_os("IKED_EXPECT_KERNEL_ESP").is_none(),
                "{error}"
            );
            eprintln!("skipped: no ESP in this kernel: {error}");
            false
        }
    }
}

fn start(net: &Net, planes: [PlaneKind; 2]) -> [Gateway; 2] {
    [0, 1].map(|end| Gateway::start(&net.names[end], planes[end]))
}

fn ping_all(net: &Net, what: &str) {
    for target in TARGETS {
        let output = net.ping(0, &format!("-c 3 -i 0.2 {target}"));
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{what} {target}: {text}");
    }
}

#[test]
fn the_probe_answers_and_leaves_nothing() {
    if !may_run() {
        return;
    }
    match probe::kernel_esp() {
        Ok(()) => {
            let states = ip("xfrm state").stdout;
            assert!(!String::from_utf8_lossy(&states).contains("192.0.2.254"));
        }
        Err(error) => {
            assert!(error.errno.is_some(), "{error:?}");
            assert!(error.request.contains("on trial"), "{error:?}");
            eprintln!("no ESP in this kernel: {error}");
        }
    }
}

#[test]
fn blocks_are_policies_that_stay_after_a_crash_and_go_with_a_clean_stop() {
    if !may_run() || xfrm::Xfrm::open(xfrm::XfrmConfig::default()).is_err() {
        return;
    }
    let net = Net::new("xblock");
    let name = net.names[0].clone();
    let policies = || String::from_utf8(ip(&format!("-n {name} xfrm policy")).stdout).unwrap();
    let knock = |expected: bool| {
        let tap = Tap::start(&name);
        for target in TARGETS {
            assert!(
                !net.pings(0, &format!("-c 1 {target}")) || expected,
                "{target}"
            );
        }
        assert_eq!(tap.clear_packets() > 0, expected, "{}", policies());
    };
    while !TARGETS
        .iter()
        .all(|target| net.pings(0, &format!("-c 1 {target}")))
    {}
    let run = |job: &dyn Fn(&mut xfrm::Xfrm)| {
        std::thread::scope(|scope| {
            let name = &name;
            let xfrm = scope.spawn(move || {
                common::enter(name);
                xfrm::Xfrm::open(xfrm::XfrmConfig::default()).unwrap()
            });
            job(&mut xfrm.join().unwrap());
        });
    };
    let block = |flows| ike_kernel::Block {
        policy: "gw".into(),
        child: "gw".into(),
        flows,
    };
    run(&|xfrm| xfrm.block(block(flows(0))).unwrap());
    assert_eq!(
        policies().matches("action block").count(),
        2,
        "{}",
        policies()
    );
    knock(false);
    run(&|xfrm| {
        xfrm.block(block(flows(0)[..1].to_vec())).unwrap();
        assert_eq!(
            policies().matches("action block").count(),
            2,
            "{}",
            policies()
        );
        xfrm.sweep().unwrap();
    });
    assert_eq!(
        policies().matches("action block").count(),
        1,
        "{}",
        policies()
    );
    run(&|xfrm| {
        xfrm.block(block(flows(0))).unwrap();
        xfrm.unblock("gw").unwrap();
        xfrm.flush().unwrap();
    });
    assert_eq!(policies(), "");
    knock(true);
}

#[test]
fn kernel_to_kernel_and_kernel_to_userspace_understand_each_other() {
    if !kernel_can() {
        return;
    }
    let net = Net::new("xpass");
    let sha = |integ| Cipher::AesCbc {
        key_bits: 256,
        integ,
    };
    let kinds = [
        PLAIN,
        Kind { udp: true, ..PLAIN },
        Kind {
            outer_v6: true,
            ..PLAIN
        },
        Kind {
            cipher: CBC,
            esn: false,
            ..PLAIN
        },
        Kind {
            cipher: CBC,
            esn: true,
            udp: true,
            ..PLAIN
        },
        Kind {
            cipher: sha(Integ::HmacSha2_384_192),
            ..PLAIN
        },
        Kind {
            cipher: sha(Integ::HmacSha2_512_256),
            esn: false,
            ..PLAIN
        },
        Kind {
            cipher: Cipher::ChaCha20Poly1305,
            ..PLAIN
        },
        Kind {
            cipher: Cipher::AesGcm16 { key_bits: 128 },
            esn: false,
            ..PLAIN
        },
    ];
    let mut id = 0;
    for planes in [
        [PlaneKind::Xfrm, PlaneKind::Xfrm],
        [PlaneKind::Userspace, PlaneKind::Xfrm],
    ] {
        let gateways = start(&net, planes);
        let tap = Tap::start(&net.names[0]);
        for kind in kinds {
            id += 1;
            for (end, gateway) in gateways.iter().enumerate() {
                gateway.install(child(id, end, kind, None));
            }
            ping_all(&net, &format!("{planes:?} {kind:?}"));
            for gateway in &gateways {
                let counters = gateway.counters(id);
                assert!(
                    counters.packets_in >= 6 && counters.packets_out >= 6,
                    "{counters:?}"
                );
            }
            gateways.iter().for_each(|gateway| gateway.remove(id));
        }
        let clear = tap.clear_packets();
        // The kernel shows decapsulated packets once more on the device they came through.
        assert!(
            clear == 0 || planes[0] == PlaneKind::Xfrm,
            "{clear} packets in clear"
        );
        for gateway in &gateways {
            gateway.call(|state| state.flush());
        }
    }
    for name in &net.names {
        let left = ip(&format!("-n {name} xfrm policy"));
        assert_eq!(String::from_utf8_lossy(&left.stdout), "");
        let left = ip(&format!("-n {name} xfrm state"));
        assert_eq!(String::from_utf8_lossy(&left.stdout), "");
    }
}

#[test]
fn rekeying_deferring_and_moving_lose_nothing() {
    if !kernel_can() {
        return;
    }
    let net = Net::new("xrekey");
    let gateways = start(&net, [PlaneKind::Xfrm, PlaneKind::Xfrm]);
    let [a, b] = &gateways;
    a.block(flows(0));
    assert!(!net.pings(0, &format!("-c 1 {}", TARGETS[0])), "blocked");
    let kind = Kind { udp: true, ..PLAIN };
    a.install(child(1, 0, kind, None));
    b.install(child(1, 1, kind, None));
    std::thread::scope(|scope| {
        let ping = scope.spawn(|| net.ping(0, &format!("-c 200 -i 0.02 {}", TARGETS[0])));
        for id in 1..8 {
            let new = id + 1;
            let mut deferred = child(new, 1, kind, Some(id));
            deferred.outbound = Outbound::Deferred;
            b.install(deferred);
            a.install(child(new, 0, kind, Some(id)));
            std::thread::sleep(Duration::from_millis(150));
            b.call(move |state| state.plane().activate_outbound(new).unwrap());
            std::thread::sleep(Duration::from_millis(150));
            a.remove(id);
            b.remove(id);
        }
        let output = ping.join().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("200 received"), "{text}");
    });
    let before = a.counters(8);
    // Both ends move to other ports; numbers and keys go with them.
    for (gateway, end) in [(a, 0), (b, 1)] {
        let (local, peer) = (address(end, 0), address(1 - end, 0));
        gateway.call(move |state| state.plane().update(8, local, peer, false).unwrap());
    }
    ping_all(&net, "moved");
    let after = a.counters(8);
    assert!(
        after.packets_out > before.packets_out || after.packets_out >= 6,
        "{before:?} {after:?}"
    );
    a.remove(8);
    assert!(
        !net.pings(0, &format!("-c 1 {}", TARGETS[0])),
        "blocked again"
    );
    a.call(|state| state.flush());
}

#[test]
fn a_new_address_of_the_peer_is_told() {
    if !kernel_can() {
        return;
    }
    let net = Net::new("xnat");
    let gateways = start(&net, [PlaneKind::Userspace, PlaneKind::Xfrm]);
    let [a, b] = &gateways;
    let kind = Kind {
        udp: true,
        esn: false,
        ..PLAIN
    };
    a.install(child(1, 0, kind, None));
    b.install(child(1, 1, kind, None));
    ping_all(&net, "before");
    // As behind a NAT that forgot: the same packets from another address.
    ip(&format!(
        "-n {} addr add 192.0.2.77/24 dev wan",
        net.names[0]
    ));
    let moved: SocketAddr = "192.0.2.77:4500".parse().unwrap();
    a.call(move |state| {
        state
            .plane()
            .update(1, moved, address(1, 4500), true)
            .unwrap()
    });
    net.ping(0, &format!("-c 2 -i 0.2 {}", TARGETS[0]));
    std::thread::sleep(Duration::from_millis(50));
    let events = b.events();
    let told = Event::MappingChanged { id: 1, peer: moved };
    assert!(events.contains(&told), "{events:?}");
    b.call(move |state| {
        let local = address(1, 4500);
        state.plane().update(1, local, moved, true).unwrap();
    });
    ping_all(&net, "after");
}

fn address(end: usize, port: u16) -> SocketAddr {
    format!("192.0.2.{}:{port}", end + 1).parse().unwrap()
}
