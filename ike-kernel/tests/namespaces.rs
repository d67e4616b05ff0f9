//! Two gateways in network namespaces, each with the userspace plane on a real TUN device and real
//! routes: packets pass, and nothing leaves in clear, whatever goes away. Needs root and iproute2.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use std::os::fd::AsFd;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ike_crypto::{ChildSuite, Cipher, Integ, Secret};
use ike_kernel::route::{FlowOwner, Router, RouterConfig};
use ike_kernel::socket::{self, SocketConfig};
use ike_kernel::tun::Tun;
use ike_kernel::userspace::{Plane, PlaneConfig};
use ike_kernel::{Block, ChildSa, DataPlane, Event, Flow, Mode, Outbound};
use ike_ts::{AddrRange, TrafficSelector};
use ike_wire::{ChildSpi, ProtocolId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const GCM: Cipher = Cipher::AesGcm16 { key_bits: 256 };
const CBC: Cipher = Cipher::AesCbc {
    key_bits: 128,
    integ: Integ::HmacSha2_256_128,
};

fn may_run() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: network namespaces need root");
    }
    root
}

fn ip(args: &str) -> Output {
    let output = Command::new("ip").args(args.split_whitespace()).output();
    output.expect("iproute2 is installed")
}

fn must(args: &str) {
    let output = ip(args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {args}: {error}");
}

/// Two namespaces joined by a veth pair; LAN addresses live on the loopback devices.
struct Net {
    names: [String; 2],
}

impl Net {
    fn new(test: &str) -> Self {
        let names = ["a", "b"].map(|end| format!("kernel-{}-{test}-{end}", std::process::id()));
        let net = Self { names };
        let [a, b] = &net.names;
        must(&format!("netns add {a}"));
        must(&format!("netns add {b}"));
        must(&format!(
            "link add wan netns {a} type veth peer name wan netns {b}"
        ));
        for (name, n, other) in [(a, 1, 2), (b, 2, 1)] {
            must(&format!("-n {name} link set lo up"));
            must(&format!("-n {name} link set wan up"));
            must(&format!("-n {name} addr add 192.0.2.{n}/24 dev wan"));
            must(&format!(
                "-n {name} addr add 2001:db8::{n}/64 dev wan nodad"
            ));
            must(&format!("-n {name} addr add 10.{n}.0.1/24 dev lo"));
            must(&format!(
                "-n {name} addr add 2001:db8:{n}::1/64 dev lo nodad"
            ));
            // Without protection everything would go to the other gateway in clear.
            must(&format!("-n {name} route add default via 192.0.2.{other}"));
            must(&format!(
                "-n {name} -6 route add default via 2001:db8::{other}"
            ));
        }
        net
    }

    fn ping(&self, end: usize, args: &str) -> Output {
        let name = &self.names[end];
        let args = format!("netns exec {name} ping -n -W 1 {args}");
        ip(&args)
    }

    fn pings(&self, end: usize, args: &str) -> bool {
        self.ping(end, args).status.success()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in &self.names {
            ip(&format!("netns del {name}"));
        }
    }
}

fn enter(name: &str) {
    let file = std::fs::File::open(format!("/run/netns/{name}")).unwrap();
    let kind = Some(rustix::thread::LinkNameSpaceType::Network);
    rustix::thread::move_into_link_name_space(file.as_fd(), kind).unwrap();
}

type Job = Box<dyn FnOnce(&mut Plane, &mut Router, &mut Vec<Event>) + Send>;

/// A gateway's processes, in one thread here.
struct Gateway {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    fn start(name: &str) -> Self {
        let (jobs, receiver) = mpsc::channel();
        let (ready, started) = mpsc::channel();
        let name = name.to_owned();
        let thread = std::thread::spawn(move || {
            enter(&name);
            let tun = Tun::open("iked0").unwrap();
            let sockets = socket::open(&SocketConfig::default()).unwrap();
            let (_ike, esp) = sockets.into_iter().partition(|(role, _)| role.is_ike());
            let mut router = Router::open(RouterConfig::default()).unwrap();
            router.attach().unwrap();
            let mut plane = Plane::new(PlaneConfig::default(), tun.into_fd(), esp).unwrap();
            ready.send(()).unwrap();
            run(&mut plane, &mut router, &receiver);
        });
        started.recv().unwrap();
        Self {
            jobs: Some(jobs),
            thread: Some(thread),
        }
    }

    fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Plane, &mut Router, &mut Vec<Event>) -> T + Send + 'static,
    ) -> T {
        let (answer, result) = mpsc::channel();
        let job: Job = Box::new(move |plane, router, events| {
            answer.send(job(plane, router, events)).unwrap();
        });
        self.jobs.as_ref().unwrap().send(job).unwrap();
        result.recv().unwrap()
    }

    fn install(&self, child: ChildSa) {
        self.call(move |plane, router, _| {
            router
                .protect(FlowOwner::Child(child.id), &child.flows)
                .unwrap();
            plane.install(child).unwrap();
        });
    }

    fn block(&self, flows: Vec<Flow>) {
        self.call(move |plane, router, _| {
            let owner = FlowOwner::Block {
                policy: "gw".into(),
                child: "gw".into(),
            };
            router.protect(owner, &flows).unwrap();
            let block = Block {
                policy: "gw".into(),
                child: "gw".into(),
                flows,
            };
            plane.block(block).unwrap();
        });
    }

    fn events(&self) -> Vec<Event> {
        self.call(|_, _, events| std::mem::take(events))
    }

    /// Ends without cleaning up, as if killed.
    fn kill(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(plane: &mut Plane, router: &mut Router, jobs: &mpsc::Receiver<Job>) {
    let mut events = Vec::new();
    loop {
        match jobs.try_recv() {
            Ok(job) => job(plane, router, &mut events),
            Err(mpsc::TryRecvError::Empty) => {}
            Err(mpsc::TryRecvError::Disconnected) => return,
        }
        let readable: Vec<_> = {
            let sources: Vec<_> = plane.sources().collect();
            let mut fds: Vec<_> = sources
                .iter()
                .map(|(_, fd)| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
                .collect();
            let wait = Timespec {
                tv_sec: 0,
                tv_nsec: 5_000_000,
            };
            poll(&mut fds, Some(&wait)).unwrap();
            let hit = fds.iter().zip(&sources);
            hit.filter(|(fd, _)| !fd.revents().is_empty())
                .map(|(_, (source, _))| *source)
                .collect()
        };
        for source in readable {
            plane.on_readable(source).unwrap();
        }
        events.extend(std::iter::from_fn(|| plane.poll_event()));
    }
}

/// Counts inner packets seen in clear on the outer device of an end.
struct Tap {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<u32>,
}

impl Tap {
    fn start(name: &str) -> Self {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
        let (stop, stopped) = mpsc::channel();
        let (ready, started) = mpsc::channel();
        let name = name.to_owned();
        let thread = std::thread::spawn(move || {
            enter(&name);
            let every = rustix::net::Protocol::from_raw(
                0x0003_u32.to_be().rotate_left(16).try_into().unwrap(),
            );
            let flags = SocketFlags::NONBLOCK;
            let fd =
                socket_with(AddressFamily::PACKET, SocketType::RAW, flags, Some(every)).unwrap();
            ready.send(()).unwrap();
            let (mut clear, mut buf) = (0, vec![0; 70_000]);
            loop {
                match rustix::net::recv(&fd, &mut buf[..], rustix::net::RecvFlags::empty()) {
                    Ok((len, _)) if is_clear(&buf[..len]) => {
                        eprintln!("in clear: {:02x?}", &buf[..len.min(54)]);
                        clear += 1;
                    }
                    Ok(_) => {}
                    Err(_) if stopped.try_recv().is_ok() => return clear,
                    Err(_) => std::thread::sleep(Duration::from_millis(1)),
                }
            }
        });
        started.recv().unwrap();
        Self { stop, thread }
    }

    fn clear_packets(self) -> u32 {
        std::thread::sleep(Duration::from_millis(50));
        self.stop.send(()).unwrap();
        self.thread.join().unwrap()
    }
}

/// An Ethernet frame of a device other than loopback that shows an address of a LAN. (TUN packets have no
/// Ethernet header: an IP version stands where a frame has an address.)
fn is_clear(frame: &[u8]) -> bool {
    let Some((mac, rest)) = frame.split_at_checked(12) else {
        return false;
    };
    let lan_v4 = |addr: &[u8]| addr[..2] == [10, 1] || addr[..2] == [10, 2];
    let lan_v6 = |addr: &[u8]| {
        addr[..4] == [0x20, 1, 0xd, 0xb8] && (addr[4..6] == [0, 1] || addr[4..6] == [0, 2])
    };
    mac.iter().any(|b| *b != 0)
        && match rest {
            [8, 0, packet @ ..] if packet.len() >= 20 => {
                lan_v4(&packet[12..16]) || lan_v4(&packet[16..20])
            }
            [0x86, 0xdd, packet @ ..] if packet.len() >= 40 => {
                lan_v6(&packet[8..24]) || lan_v6(&packet[24..40])
            }
            _ => false,
        }
}

fn net(text: &str, len: u8) -> TrafficSelector {
    TrafficSelector::any_protocol(AddrRange::from_prefix(text.parse().unwrap(), len).unwrap())
}

fn flows(end: usize) -> Vec<Flow> {
    let v4 = [net("10.1.0.0", 24), net("10.2.0.0", 24)];
    let v6 = [net("2001:db8:1::", 64), net("2001:db8:2::", 64)];
    vec![(v4[end], v4[1 - end]), (v6[end], v6[1 - end])]
}

/// How the child's packets travel.
#[derive(Clone, Copy, Debug)]
struct Kind {
    cipher: Cipher,
    esn: bool,
    udp: bool,
    outer_v6: bool,
}

fn child(id: u64, end: usize, kind: Kind, replaces: Option<u64>) -> ChildSa {
    let Kind {
        cipher,
        esn,
        udp,
        outer_v6,
    } = kind;
    let spi = |end: usize| ChildSpi(0x1000 * (end as u32 + 1) + id as u32);
    let key = |end: usize| {
        let seed = (id as u8) * 2 + end as u8;
        let octets = |len| Secret::new(vec![seed; len]);
        (
            octets(cipher.encr_key_len()),
            octets(cipher.integ_key_len()),
        )
    };
    let address = |end: usize| {
        let host = if outer_v6 {
            format!("[2001:db8::{}]:4500", end + 1)
        } else {
            format!("192.0.2.{}:4500", end + 1)
        };
        host.parse().unwrap()
    };
    ChildSa {
        id,
        policy: "gw".into(),
        child: "gw".into(),
        suite: ChildSuite {
            protocol: ProtocolId::ESP,
            cipher,
            esn,
        },
        mode: Mode::Tunnel,
        spi_in: spi(end),
        spi_out: spi(1 - end),
        keys_in: key(end),
        keys_out: key(1 - end),
        local: address(end),
        peer: address(1 - end),
        udp_encap: udp,
        flows: flows(end),
        replaces,
        outbound: Outbound::Now,
    }
}

const TARGETS: [&str; 2] = ["-I 10.1.0.1 10.2.0.1", "-I 2001:db8:1::1 2001:db8:2::1"];

#[test]
fn packets_pass_in_udp_and_raw_over_ipv4_and_ipv6_with_either_cipher() {
    if !may_run() {
        return;
    }
    let net = Net::new("pass");
    let (a, b) = (Gateway::start(&net.names[0]), Gateway::start(&net.names[1]));
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
                    let counters = gateway.call(move |plane, _, _| plane.counters(id).unwrap());
                    assert!(
                        counters.packets_in >= 7 && counters.packets_out >= 7,
                        "{counters:?}"
                    );
                    gateway.call(move |plane, router, _| {
                        plane.remove(id).unwrap();
                        router.release(&FlowOwner::Child(id)).unwrap();
                    });
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
    let (a, b) = (Gateway::start(&net.names[0]), Gateway::start(&net.names[1]));
    let kind = Kind {
        cipher: GCM,
        esn: false,
        udp: true,
        outer_v6: false,
    };
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
        let before = a.call(|plane, _, _| plane.counters(1).unwrap());
        net.ping(0, &format!("-c 1 -I {source} {target}"));
        let after = a.call(|plane, _, _| plane.counters(1).unwrap());
        assert_eq!(before.packets_out, after.packets_out, "{source}");
    }
}

#[test]
fn nothing_leaves_in_clear_without_child_after_a_crash_and_across_a_restart() {
    if !may_run() {
        return;
    }
    let net = Net::new("leak");
    let name = net.names[0].clone();
    let mut a = Gateway::start(&name);
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
    let b = Gateway::start(&net.names[1]);
    let kind = Kind {
        cipher: GCM,
        esn: true,
        udp: false,
        outer_v6: false,
    };
    a.install(child(1, 0, kind, None));
    b.install(child(1, 1, kind, None));
    assert!(net.pings(0, &format!("-c 1 {}", TARGETS[0])));
    a.call(|plane, router, _| {
        plane.remove(1).unwrap();
        router.release(&FlowOwner::Child(1)).unwrap();
    });
    assert_eq!(clear_after(&silent), 0, "child removed");
    a.kill();
    assert!(
        !ip(&format!("-n {name} link show iked0")).status.success(),
        "TUN is gone"
    );
    assert_eq!(clear_after(&silent), 0, "killed");
    // The next run takes over what is there, and what it does not want is gone after the sweep.
    let a = Gateway::start(&name);
    assert_eq!(clear_after(&silent), 0, "restarted");
    a.block(flows(0)[..1].to_vec());
    a.call(|_, router, _| router.sweep().unwrap());
    let v4 = || assert!(!net.pings(0, &format!("-c 1 {}", TARGETS[0])));
    assert_eq!(clear_after(&v4), 0, "wanted again");
    assert!(clear_after(&knock) > 0, "swept");
    a.call(|_, router, _| router.flush().unwrap());
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
    let (a, b) = (Gateway::start(&net.names[0]), Gateway::start(&net.names[1]));
    let kind = Kind {
        cipher: GCM,
        esn: false,
        udp: true,
        outer_v6: false,
    };
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
            b.call(move |plane, _, _| plane.activate_outbound(new).unwrap());
            std::thread::sleep(Duration::from_millis(20));
            for gateway in [&a, &b] {
                gateway.call(move |plane, router, _| {
                    plane.remove(id).unwrap();
                    router.release(&FlowOwner::Child(id)).unwrap();
                });
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
