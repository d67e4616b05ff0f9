//! Two gateways in network namespaces, joined by a veth pair, with either data plane. Needs root and iproute2.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    dead_code,
    reason = "for tests"
)]

use std::os::fd::AsFd;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use ike_crypto::{ChildSuite, Cipher, Integ, Secret};
use ike_kernel::route::{FlowOwner, Router, RouterConfig};
use ike_kernel::socket::{self, SocketConfig};
use ike_kernel::tun::Tun;
use ike_kernel::userspace::{Plane, PlaneConfig};
use ike_kernel::xfrm::{Xfrm, XfrmConfig};
use ike_kernel::{
    Block, ChildSa, Counters, DataPlane, Event, Flow, KernelError, Mode, Outbound, PlaneKind,
};
use ike_ts::{AddrRange, TrafficSelector};
use ike_wire::{ChildSpi, ProtocolId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub const GCM: Cipher = Cipher::AesGcm16 { key_bits: 256 };
pub const CBC: Cipher = Cipher::AesCbc {
    key_bits: 128,
    integ: Integ::HmacSha2_256_128,
};

pub fn may_run() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: network namespaces need root");
    }
    root
}

pub fn ip(args: &str) -> Output {
    let output = Command::new("ip").args(args.split_whitespace()).output();
    output.expect("iproute2 is installed")
}

pub fn must(args: &str) {
    let output = ip(args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {args}: {error}");
}

/// Two namespaces joined by a veth pair; LAN addresses live on the loopback devices.
pub struct Net {
    pub names: [String; 2],
}

impl Net {
    pub fn new(test: &str) -> Self {
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

    pub fn ping(&self, end: usize, args: &str) -> Output {
        let name = &self.names[end];
        let args = format!("netns exec {name} ping -n -W 1 {args}");
        ip(&args)
    }

    pub fn pings(&self, end: usize, args: &str) -> bool {
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

pub fn enter(name: &str) {
    let file = std::fs::File::open(format!("/run/netns/{name}")).unwrap();
    let kind = Some(rustix::thread::LinkNameSpaceType::Network);
    rustix::thread::move_into_link_name_space(file.as_fd(), kind).unwrap();
}

/// What runs in a namespace.
pub struct State {
    pub events: Vec<Event>,
    backend: Backend,
}

pub enum Backend {
    Userspace(Box<Plane>, Box<Router>),
    /// With the sockets that take ESP in UDP.
    Xfrm(Box<Xfrm>, Vec<std::os::fd::OwnedFd>),
}

impl State {
    fn start(kind: PlaneKind) -> Self {
        let config = SocketConfig {
            plane: kind,
            ..SocketConfig::default()
        };
        let sockets = socket::open(&config).unwrap();
        let backend = if kind == PlaneKind::Userspace {
            let tun = Tun::open("iked0").unwrap();
            let (_ike, esp): (Vec<_>, _) = sockets.into_iter().partition(|(role, _)| role.is_ike());
            let mut router = Router::open(RouterConfig::default()).unwrap();
            router.attach().unwrap();
            let plane = Plane::new(PlaneConfig::default(), tun.into_fd(), esp).unwrap();
            Backend::Userspace(Box::new(plane), Box::new(router))
        } else {
            let xfrm = Xfrm::open(XfrmConfig::default()).unwrap();
            Backend::Xfrm(
                Box::new(xfrm),
                sockets.into_iter().map(|(_, fd)| fd).collect(),
            )
        };
        Self {
            events: Vec::new(),
            backend,
        }
    }

    pub fn plane(&mut self) -> &mut dyn DataPlane {
        match &mut self.backend {
            Backend::Userspace(plane, _) => &mut **plane,
            Backend::Xfrm(xfrm, _) => &mut **xfrm,
        }
    }

    pub fn install(&mut self, child: ChildSa) -> Result<(), KernelError> {
        if let Backend::Userspace(_, router) = &mut self.backend {
            router.protect(FlowOwner::Child(child.id), &child.flows)?;
        }
        self.plane().install(child)
    }

    pub fn remove(&mut self, id: u64) {
        self.plane().remove(id).unwrap();
        if let Backend::Userspace(_, router) = &mut self.backend {
            router.release(&FlowOwner::Child(id)).unwrap();
        }
    }

    pub fn block(&mut self, flows: Vec<Flow>) {
        if let Backend::Userspace(_, router) = &mut self.backend {
            let owner = FlowOwner::Block {
                policy: "gw".into(),
                child: "gw".into(),
            };
            router.protect(owner, &flows).unwrap();
        }
        let block = Block {
            policy: "gw".into(),
            child: "gw".into(),
            flows,
        };
        self.plane().block(block).unwrap();
    }

    pub fn sweep(&mut self) {
        match &mut self.backend {
            Backend::Userspace(_, router) => router.sweep().unwrap(),
            Backend::Xfrm(xfrm, _) => xfrm.sweep().unwrap(),
        }
    }

    pub fn flush(&mut self) {
        self.plane().flush().unwrap();
        if let Backend::Userspace(_, router) = &mut self.backend {
            router.flush().unwrap();
        }
    }

    fn run(&mut self, jobs: &mpsc::Receiver<Job>) {
        loop {
            match jobs.try_recv() {
                Ok(job) => job(self),
                Err(mpsc::TryRecvError::Empty) => {}
                Err(mpsc::TryRecvError::Disconnected) => return,
            }
            match &mut self.backend {
                Backend::Userspace(plane, _) => step(plane),
                Backend::Xfrm(..) => std::thread::sleep(Duration::from_millis(2)),
            }
            while let Some(event) = self.plane().poll_event() {
                self.events.push(event);
            }
        }
    }
}

pub fn step(plane: &mut Plane) {
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
}

type Job = Box<dyn FnOnce(&mut State) + Send>;

/// A gateway's processes, in one thread here.
pub struct Gateway {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Gateway {
    pub fn start(name: &str, kind: PlaneKind) -> Self {
        let (jobs, receiver) = mpsc::channel();
        let (ready, started) = mpsc::channel();
        let name = name.to_owned();
        let thread = std::thread::spawn(move || {
            enter(&name);
            let mut state = State::start(kind);
            ready.send(()).unwrap();
            state.run(&receiver);
        });
        started.recv().unwrap();
        Self {
            jobs: Some(jobs),
            thread: Some(thread),
        }
    }

    pub fn call<T: Send + 'static>(&self, job: impl FnOnce(&mut State) -> T + Send + 'static) -> T {
        let (answer, result) = mpsc::channel();
        let job: Job = Box::new(move |state| answer.send(job(state)).unwrap());
        self.jobs.as_ref().unwrap().send(job).unwrap();
        result.recv().unwrap()
    }

    pub fn install(&self, child: ChildSa) {
        self.call(move |state| state.install(child)).unwrap();
    }

    pub fn remove(&self, id: u64) {
        self.call(move |state| state.remove(id));
    }

    pub fn block(&self, flows: Vec<Flow>) {
        self.call(move |state| state.block(flows));
    }

    pub fn counters(&self, id: u64) -> Counters {
        self.call(move |state| state.plane().counters(id).unwrap())
    }

    pub fn events(&self) -> Vec<Event> {
        self.call(|state| std::mem::take(&mut state.events))
    }

    /// Ends without cleaning up, as if killed.
    pub fn kill(&mut self) {
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

/// Counts inner packets seen in clear on the outer device of an end.
pub struct Tap {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<u32>,
}

impl Tap {
    pub fn start(name: &str) -> Self {
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

    pub fn clear_packets(self) -> u32 {
        std::thread::sleep(Duration::from_millis(50));
        self.stop.send(()).unwrap();
        self.thread.join().unwrap()
    }
}

/// An Ethernet frame of a device other than loopback that shows an address of a LAN. (TUN packets have no
/// Ethernet header: an IP version stands where a frame has an address.)
pub fn is_clear(frame: &[u8]) -> bool {
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

pub fn net(text: &str, len: u8) -> TrafficSelector {
    TrafficSelector::any_protocol(AddrRange::from_prefix(text.parse().unwrap(), len).unwrap())
}

pub fn flows(end: usize) -> Vec<Flow> {
    let v4 = [net("10.1.0.0", 24), net("10.2.0.0", 24)];
    let v6 = [net("2001:db8:1::", 64), net("2001:db8:2::", 64)];
    vec![(v4[end], v4[1 - end]), (v6[end], v6[1 - end])]
}

/// How the child's packets travel.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub cipher: Cipher,
    pub esn: bool,
    pub udp: bool,
    pub outer_v6: bool,
}

pub fn child(id: u64, end: usize, kind: Kind, replaces: Option<u64>) -> ChildSa {
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

pub const TARGETS: [&str; 2] = ["-I 10.1.0.1 10.2.0.1", "-I 2001:db8:1::1 2001:db8:2::1"];
