//! One end of a tunnel with fixed keys, for measuring and trying out a data plane. Never for real traffic:
//! the keys are in this file. Two of them in two network namespaces make a tunnel between
//! 10.1.0.0/16 and 10.2.0.0/16:
//!
//! ```text
//! static_tunnel 1 userspace udp 192.0.2.1 192.0.2.2
//! static_tunnel 2 userspace udp 192.0.2.2 192.0.2.1
//! ```
//!
//! The arguments are the end (1 or 2), the data plane (`userspace` or `xfrm`), `udp` or `raw`, the outer
//! addresses, and perhaps a cipher: `gcm128` (default), `gcm256`, `cbc`, `chacha`. It runs until its standard input ends, then cleans up.
#![allow(clippy::print_stdout, reason = "an example")]

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use ike_crypto::{ChildSuite, Cipher, Integ, Secret};
use ike_kernel::route::{FlowOwner, Router, RouterConfig};
use ike_kernel::socket::{self, SocketConfig};
use ike_kernel::tun::Tun;
use ike_kernel::userspace::{Plane, PlaneConfig, Source};
use ike_kernel::xfrm::{Xfrm, XfrmConfig};
use ike_kernel::{ChildSa, DataPlane, KernelError, Mode, Outbound, PlaneKind};
use ike_ts::{AddrRange, TrafficSelector};
use ike_wire::{ChildSpi, ProtocolId};
use rustix::event::{PollFd, PollFlags, poll};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [end, plane, encap, local, peer, rest @ ..] = &args[..] else {
        return Err(
            "usage: static_tunnel 1|2 userspace|xfrm udp|raw LOCAL PEER [gcm128|gcm256|cbc|chacha]"
                .into(),
        );
    };
    let cipher = match rest.first().map(String::as_str) {
        None | Some("gcm128") => Cipher::AesGcm16 { key_bits: 128 },
        Some("gcm256") => Cipher::AesGcm16 { key_bits: 256 },
        Some("cbc") => Cipher::AesCbc {
            key_bits: 128,
            integ: Integ::HmacSha2_256_128,
        },
        Some("chacha") => Cipher::ChaCha20Poly1305,
        Some(other) => return Err(format!("unknown cipher {other}").into()),
    };
    let child = child(
        end.parse()?,
        cipher,
        encap == "udp",
        local.parse()?,
        peer.parse()?,
    );
    match plane.as_str() {
        "userspace" => userspace(child),
        "xfrm" => xfrm(child),
        other => Err(format!("unknown data plane {other}").into()),
    }
}

fn userspace(child: ChildSa) -> Outcome {
    let sockets = socket::open(&SocketConfig::default())?;
    let (_ike, esp): (Vec<_>, Vec<_>) = sockets.into_iter().partition(|(role, _)| role.is_ike());
    let tun = Tun::open(&RouterConfig::default().tun)?;
    let mut router = Router::open(RouterConfig::default())?;
    router.attach()?;
    router.protect(FlowOwner::Child(child.id), &child.flows)?;
    router.sweep()?;
    let mut plane = Plane::new(PlaneConfig::default(), tun.into_fd(), esp)?;
    let id = child.id;
    plane.install(child)?;
    println!("ready");
    loop {
        let (readable, ended) = wait(&plane)?;
        for source in readable {
            plane.on_readable(source)?;
        }
        if ended {
            break;
        }
    }
    println!("{:?}", plane.counters(id)?);
    for (name, count) in plane.drops().filter(|(_, count)| *count > 0) {
        println!("{name} {count}");
    }
    router.flush()?;
    Ok(())
}

/// What is readable, and whether standard input is.
fn wait(plane: &Plane) -> Result<(Vec<Source>, bool), KernelError> {
    let sources: Vec<_> = plane.sources().collect();
    let stdin = std::io::stdin();
    let fds = sources.iter().map(|(_, fd)| *fd).chain([stdin.as_fd()]);
    let mut fds: Vec<_> = fds
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    poll(&mut fds, None).map_err(|errno| KernelError::system("poll", &errno.into()))?;
    let ended = fds.last().is_some_and(|fd| !fd.revents().is_empty());
    let hit = fds.iter().zip(&sources);
    let hit = hit.filter(|(fd, _)| !fd.revents().is_empty());
    Ok((hit.map(|(_, (source, _))| *source).collect(), ended))
}

fn xfrm(child: ChildSa) -> Outcome {
    let config = SocketConfig {
        plane: PlaneKind::Xfrm,
        ..SocketConfig::default()
    };
    // They stay open: one of them takes ESP in UDP.
    let _sockets: Vec<(_, OwnedFd)> = socket::open(&config)?;
    let mut xfrm = Xfrm::open(XfrmConfig::default())?;
    let id = child.id;
    xfrm.install(child)?;
    xfrm.sweep()?;
    println!("ready");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    println!("{:?}", xfrm.counters(id)?);
    xfrm.flush()?;
    Ok(())
}

fn child(end: u32, cipher: Cipher, udp: bool, local: IpAddr, peer: IpAddr) -> ChildSa {
    let other = 3 - end.clamp(1, 2);
    let net = |end: u32| {
        let start = IpAddr::from([10, end as u8, 0, 0]);
        let stop = IpAddr::from([10, end as u8, 255, 255]);
        let range = AddrRange::new(start, stop).unwrap_or(AddrRange::host(start));
        TrafficSelector::any_protocol(range)
    };
    let key = |end: u32| {
        let octets = |len| Secret::new(vec![end as u8; len]);
        (
            octets(cipher.encr_key_len()),
            octets(cipher.integ_key_len()),
        )
    };
    ChildSa {
        id: 1,
        policy: "static".into(),
        child: "static".into(),
        suite: ChildSuite {
            protocol: ProtocolId::ESP,
            cipher,
            esn: true,
        },
        mode: Mode::Tunnel,
        spi_in: ChildSpi(0x1000 + end),
        spi_out: ChildSpi(0x1000 + other),
        keys_in: key(end),
        keys_out: key(other),
        local: SocketAddr::new(local, 4500),
        peer: SocketAddr::new(peer, 4500),
        udp_encap: udp,
        flows: vec![(net(end), net(other))],
        replaces: None,
        outbound: Outbound::Now,
    }
}
