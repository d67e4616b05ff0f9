//! Sockets of IKE and ESP: UDP 500 and 4500, raw protocol 50; opened by root, used without privilege.
//!
//! With the userspace plane, UDP 4500 is two sockets of one reuseport group: a classic BPF program
//! gives datagrams that start with the non-ESP marker (RFC 3948 §2.2), and those too short to tell,
//! to IKE, all others to ESP.
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::libc;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto};
use serde::{Deserialize, Serialize};

use crate::netlink::{self, Netlink};
use crate::sys::{self, Item, Meta};
use crate::{KernelError, PlaneKind};

/// What a descriptor made by [`open`] is for, and who gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum SocketRole {
    /// For IKE: UDP 500.
    IkeV4,
    IkeV6,
    /// For IKE: UDP 4500.
    NattV4,
    NattV6,
    /// For the userspace plane: ESP in UDP 4500.
    EspUdpV4,
    EspUdpV6,
    /// For the userspace plane: raw protocol 50.
    EspRawV4,
    EspRawV6,
}

impl SocketRole {
    /// Whether the process that speaks IKE uses it; otherwise the userspace plane does.
    pub fn is_ike(self) -> bool {
        matches!(
            self,
            Self::IkeV4 | Self::IkeV6 | Self::NattV4 | Self::NattV6
        )
    }
    /// Whether it is an IPv6 socket.
    pub fn is_ipv6(self) -> bool {
        matches!(
            self,
            Self::IkeV6 | Self::NattV6 | Self::EspUdpV6 | Self::EspRawV6
        )
    }
    /// Whether datagrams carry the non-ESP marker.
    pub fn is_natt(self) -> bool {
        matches!(self, Self::NattV4 | Self::NattV6)
    }
}

/// How to open the sockets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketConfig {
    /// Decides about UDP_ENCAP, the reuseport split and raw sockets.
    pub plane: PlaneKind,
    /// IKE port.
    pub port: u16,
    /// NAT traversal port; `None` (`-T`) opens none.
    pub natt_port: Option<u16>,
    /// Routing mark of outer packets, so that they bypass the tunnel's own routes.
    pub mark: Option<u32>,
}

/// The routing mark our outer packets carry unless told otherwise.
pub const DEFAULT_MARK: u32 = 0x696b_6564;

impl Default for SocketConfig {
    fn default() -> Self {
        Self {
            plane: PlaneKind::Userspace,
            port: 500,
            natt_port: Some(4500),
            mark: Some(DEFAULT_MARK),
        }
    }
}

/// Opens everything (needs root). IPv6 sockets are left out where the kernel has no IPv6.
pub fn open(config: &SocketConfig) -> Result<Vec<(SocketRole, OwnedFd)>, KernelError> {
    let mut sockets = Vec::new();
    for ipv6 in [false, true] {
        if ipv6 && !has_ipv6() {
            tracing::debug!("no IPv6 in this kernel: IPv4 sockets only");
            continue;
        }
        let role = |v4, v6| if ipv6 { v6 } else { v4 };
        let ike = udp(config, ipv6, config.port, Sharing::Alone)?;
        sockets.push((role(SocketRole::IkeV4, SocketRole::IkeV6), ike));
        if let Some(port) = config.natt_port {
            let natt_role = role(SocketRole::NattV4, SocketRole::NattV6);
            if config.plane == PlaneKind::Userspace {
                // The order of binding is the index the program answers with.
                let natt = udp(config, ipv6, port, Sharing::First)?;
                let esp = udp(config, ipv6, port, Sharing::Second)?;
                sockets.push((natt_role, natt));
                sockets.push((role(SocketRole::EspUdpV4, SocketRole::EspUdpV6), esp));
            } else {
                let natt = udp(config, ipv6, port, Sharing::Alone)?;
                if config.plane == PlaneKind::Xfrm {
                    encapsulate(natt.as_fd(), ipv6)?;
                }
                sockets.push((natt_role, natt));
            }
        }
        if config.plane == PlaneKind::Userspace {
            let raw = raw_esp(config, ipv6)?;
            sockets.push((role(SocketRole::EspRawV4, SocketRole::EspRawV6), raw));
        }
    }
    Ok(sockets)
}

/// A UDP socket that speaks IKE, with the local address of every datagram known both ways.
#[derive(Debug)]
pub struct IkeSocket {
    fd: OwnedFd,
    role: SocketRole,
    port: u16,
}

impl IkeSocket {
    /// Takes over a descriptor made by [`open`].
    pub fn new(role: SocketRole, fd: OwnedFd) -> Result<Self, KernelError> {
        let port = rustix::net::getsockname(&fd)
            .ok()
            .and_then(|name| SocketAddr::try_from(name).ok())
            .ok_or_else(|| KernelError::refused("take over a socket", "it has no address"))?
            .port();
        Ok(Self { fd, role, port })
    }
    /// What it is for.
    pub fn role(&self) -> SocketRole {
        self.role
    }
    /// Local port.
    pub fn port(&self) -> u16 {
        self.port
    }
    /// Reads one datagram: its length, our address it was sent to, the sender. Never waits:
    /// `Ok(None)` when there is none. A datagram longer than `buf` is skipped.
    pub fn recv(
        &self,
        buf: &mut [u8],
    ) -> Result<Option<(usize, SocketAddr, SocketAddr)>, KernelError> {
        loop {
            let mut meta = [Meta::EMPTY];
            let chunk = buf.len();
            match sys::recv_batch(self.fd.as_fd(), buf, chunk, &mut meta) {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(None),
                    // An ICMP error about an earlier datagram: the engine retransmits anyway.
                    io::ErrorKind::Interrupted
                    | io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable => continue,
                    _ => return Err(KernelError::system("receive a datagram", &error)),
                },
            }
            let [meta] = meta;
            if meta.truncated {
                tracing::debug!(len = meta.len, "datagram too long for the buffer");
                continue;
            }
            let unspecified = if self.role.is_ipv6() {
                IpAddr::from(Ipv6Addr::UNSPECIFIED)
            } else {
                IpAddr::from(Ipv4Addr::UNSPECIFIED)
            };
            let local = SocketAddr::new(meta.local.unwrap_or(unspecified), self.port);
            return Ok(Some((meta.len, local, meta.peer)));
        }
    }
    /// Sends one datagram from one of our addresses (an unspecified one lets the kernel choose).
    pub fn send(
        &self,
        local: SocketAddr,
        peer: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), KernelError> {
        let request = || format!("send {} octets to {peer}", datagram.len());
        if peer.is_ipv6() != self.role.is_ipv6() || local.is_ipv6() != peer.is_ipv6() {
            return Err(KernelError::refused(request(), "address families differ"));
        }
        let item = Item {
            start: 0,
            end: datagram.len(),
            local: local.ip(),
            peer,
            segment: 0,
            tos: 0,
        };
        for attempt in 0.. {
            match sys::send_batch(self.fd.as_fd(), datagram, &[item]) {
                Ok(_) => break,
                // A pending ICMP error of an earlier datagram is reported here and is over then.
                Err(error) if attempt == 0 && error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) if attempt == 0 && error.kind() == io::ErrorKind::WouldBlock => {
                    sys::wait_writable(self.fd.as_fd(), 5);
                }
                Err(error) => return Err(KernelError::system(request(), &error)),
            }
        }
        Ok(())
    }
}

impl AsFd for IkeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The local address the kernel would use towards a peer for a packet with our default mark, so that the
/// tunnel's own routes do not count. By routing; nothing is sent, no privilege needed.
pub fn source_address(peer: IpAddr) -> Result<IpAddr, KernelError> {
    let request = || format!("find the source address towards {peer}");
    let mut netlink = Netlink::open(netlink_sys::protocols::NETLINK_ROUTE, "route")?;
    // struct rtmsg, then RTA_DST and RTA_MARK.
    let (family, octets) = match peer {
        IpAddr::V4(addr) => (libc::AF_INET, addr.octets().to_vec()),
        IpAddr::V6(addr) => (libc::AF_INET6, addr.octets().to_vec()),
    };
    let mut body = vec![0; 12];
    body[0] = family as u8;
    body[1] = (octets.len() * 8) as u8;
    for (kind, value) in [
        (libc::RTA_DST, &octets[..]),
        (libc::RTA_MARK, &DEFAULT_MARK.to_ne_bytes()),
    ] {
        body.extend(((value.len() + 4) as u16).to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(value);
    }
    let answers = netlink.request(libc::RTM_GETROUTE, 0, &body, request)?;
    let answer = answers.first().and_then(|(_, body)| body.get(12..));
    let mut attributes = answer.map(netlink::attributes).into_iter().flatten();
    let source = attributes.find(|(kind, _)| *kind == libc::RTA_PREFSRC);
    let source = source.and_then(|(_, octets)| match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
    });
    source.ok_or_else(|| KernelError::refused(request(), "the route has none"))
}

/// Whether UDP sockets of one port form a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Alone,
    First,
    Second,
}

/// Answers 0 (the first socket bound: IKE) if the first four octets are zero or missing, else 1 (ESP).
/// A load beyond the end of a datagram ends a program with 0.
const SPLIT: [(u16, u8, u8, u32); 4] = [
    ((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0, 0, 0),
    (
        (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        0,
        1,
        0,
    ),
    ((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, 0),
    ((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, 1),
];

const BUFFER: i32 = 4 << 20;

fn has_ipv6() -> bool {
    rustix::net::socket_with(
        AddressFamily::INET6,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .is_ok_and(|fd| rustix::net::bind(&fd, &SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))).is_ok())
}

fn udp(
    config: &SocketConfig,
    ipv6: bool,
    port: u16,
    sharing: Sharing,
) -> Result<OwnedFd, KernelError> {
    let address = if ipv6 {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))
    } else {
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))
    };
    let attempt = || -> io::Result<OwnedFd> {
        if sharing == Sharing::First {
            // Another daemon's group must not be joined by mistake: alone, the port must be free.
            let alone = new_socket(ipv6, SocketType::DGRAM, None)?;
            rustix::net::bind(&alone, &address)?;
        }
        let fd = new_socket(ipv6, SocketType::DGRAM, None)?;
        common_options(fd.as_fd(), config, ipv6)?;
        if sharing != Sharing::Alone {
            sys::set_int(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        }
        if sharing == Sharing::Second {
            // Older kernels lack it; then datagrams come one by one.
            let _ = sys::set_int(fd.as_fd(), libc::SOL_UDP, libc::UDP_GRO, 1);
        }
        rustix::net::bind(&fd, &address)?;
        if sharing == Sharing::First {
            sys::reuseport_program(fd.as_fd(), &SPLIT)?;
        }
        Ok(fd)
    };
    attempt().map_err(|error| KernelError::system(format!("open UDP port {address}"), &error))
}

fn raw_esp(config: &SocketConfig, ipv6: bool) -> Result<OwnedFd, KernelError> {
    let attempt = || -> io::Result<OwnedFd> {
        let fd = new_socket(ipv6, SocketType::RAW, Some(ipproto::ESP))?;
        common_options(fd.as_fd(), config, ipv6)?;
        Ok(fd)
    };
    let version = if ipv6 { "IPv6" } else { "IPv4" };
    attempt().map_err(|error| {
        KernelError::system(format!("open raw socket for ESP over {version}"), &error)
    })
}

fn new_socket(
    ipv6: bool,
    kind: SocketType,
    protocol: Option<rustix::net::Protocol>,
) -> io::Result<OwnedFd> {
    let family = if ipv6 {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(family, kind, flags, protocol)?;
    // Raw IPv6 sockets are for IPv6 alone in any case and refuse the option.
    if ipv6 && kind == SocketType::DGRAM {
        sys::set_int(fd.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    Ok(fd)
}

fn common_options(fd: BorrowedFd<'_>, config: &SocketConfig, ipv6: bool) -> io::Result<()> {
    // Fragmentation on the way is allowed: IKE datagrams may be long, and ESP stays within the
    // outer MTU by answering "packet too big" inside.
    if ipv6 {
        sys::set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        sys::set_int(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 1)?;
    } else {
        sys::set_int(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        sys::set_int(fd, libc::IPPROTO_IP, libc::IP_RECVTOS, 1)?;
        let dont = libc::IP_PMTUDISC_DONT;
        sys::set_int(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, dont)?;
    }
    for (forced, plain) in [
        (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF),
        (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF),
    ] {
        if sys::set_int(fd, libc::SOL_SOCKET, forced, BUFFER).is_err() {
            sys::set_int(fd, libc::SOL_SOCKET, plain, BUFFER)?;
        }
    }
    if let Some(mark) = config.mark {
        set_mark(fd, mark)?;
    }
    for outbound in [false, true] {
        match sys::xfrm_bypass(fd, ipv6, outbound) {
            Ok(()) => {}
            // Without XFRM in the kernel there is nothing to bypass.
            Err(_) if config.plane != PlaneKind::Xfrm => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn set_mark(fd: BorrowedFd<'_>, mark: u32) -> io::Result<()> {
    sys::set_int(fd, libc::SOL_SOCKET, libc::SO_MARK, mark.cast_signed())
}

fn encapsulate(fd: BorrowedFd<'_>, ipv6: bool) -> Result<(), KernelError> {
    const UDP_ENCAP: i32 = 100;
    const UDP_ENCAP_ESPINUDP: i32 = 2;
    sys::set_int(fd, libc::SOL_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP).map_err(|error| {
        let version = if ipv6 { "IPv6" } else { "IPv4" };
        KernelError::system(format!("switch on ESP in UDP over {version}"), &error)
    })
}

#[cfg(test)]
mod tests;
