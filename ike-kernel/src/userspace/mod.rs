//! ESP in userspace (RFC 4303, tunnel mode), UDP-encapsulated (RFC 3948) or raw protocol 50, between a
//! TUN device and the network. Runs without privilege on descriptors it is given, in one thread,
//! driven by poll(2). Transport mode and AH are refused.
//!
//! Needs [`crate::route::Router`] in a process with `CAP_NET_ADMIN` to lead packets into the TUN device.
mod core;
mod esp;
mod icmp;
mod offload;
mod outbox;
mod packet;
mod replay;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::libc;
use serde::{Deserialize, Serialize};

use self::core::{Core, Drop};
use self::offload::{Incoming, Joiner};
use self::outbox::Outbox;
use self::packet::Parsed;
use crate::socket::SocketRole;
use crate::sys::{self, Meta};
use crate::{Block, ChildSa, Counters, DataPlane, Event, KernelError};

/// Settings of the plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaneConfig {
    /// Largest outer packet that needs no fragmentation.
    pub outer_mtu: u16,
    /// MTU of the TUN device, as set by [`crate::route::Router`].
    pub tun_mtu: u16,
}

impl Default for PlaneConfig {
    fn default() -> Self {
        Self {
            outer_mtu: 1500,
            tun_mtu: crate::route::DEFAULT_TUN_MTU,
        }
    }
}

/// A descriptor of the plane that became readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The TUN device.
    Tun,
    /// A socket.
    Socket(SocketRole),
}

/// The userspace data plane.
#[derive(Debug)]
pub struct Plane {
    core: Core,
    tun: OwnedFd,
    /// Packets of the TUN device have a header about offloading in front.
    offload: bool,
    joiner: Joiner,
    sockets: Vec<(SocketRole, OwnedFd)>,
    outbox: Outbox,
    tun_buf: Vec<u8>,
    net_buf: Vec<u8>,
    reply: Vec<u8>,
}

impl Plane {
    /// Starts with a TUN descriptor ([`crate::tun::Tun::into_fd`]) and the ESP sockets of [`crate::socket::open`].
    pub fn new(
        config: PlaneConfig,
        tun: OwnedFd,
        sockets: Vec<(SocketRole, OwnedFd)>,
    ) -> Result<Self, KernelError> {
        if let Some((role, _)) = sockets.iter().find(|(role, _)| role.is_ike()) {
            return Err(KernelError::refused(
                "start the userspace plane",
                format!("{role:?} is not a socket for ESP"),
            ));
        }
        let offload = sys::tun_flags(tun.as_fd())
            .map_err(|error| KernelError::system("look at the TUN device", &error))?
            & libc::IFF_VNET_HDR
            != 0;
        Ok(Self {
            core: Core::new(config),
            offload,
            joiner: Joiner::new(),
            tun,
            sockets,
            outbox: Outbox::new(),
            tun_buf: vec![0; LARGEST],
            net_buf: vec![0; NET_BATCH * LARGEST],
            reply: Vec::new(),
        })
    }
    /// What to poll for reading.
    pub fn sources(&self) -> impl Iterator<Item = (Source, BorrowedFd<'_>)> {
        let sockets = self.sockets.iter();
        std::iter::once((Source::Tun, self.tun.as_fd()))
            .chain(sockets.map(|(role, fd)| (Source::Socket(*role), fd.as_fd())))
    }
    /// Moves a bounded batch of packets from a readable source; to be called from the event loop.
    /// An error means the descriptor is of no more use (the TUN device was deleted).
    pub fn on_readable(&mut self, source: Source) -> Result<(), KernelError> {
        match source {
            Source::Tun => self.read_tun(),
            Source::Socket(role) => self.read_network(role),
        }
    }
    /// Traffic of the children that moved since the last call, to be called about every second.
    pub fn counters_moved(&mut self) -> Vec<(u64, Counters)> {
        self.core.counters_moved()
    }
    /// Why packets were dropped, by name, for `ikectl show stats`.
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.core.drops()
    }

    fn read_tun(&mut self) -> Result<(), KernelError> {
        let mut result = Ok(());
        for _ in 0..TUN_BATCH {
            let len = match rustix::io::read(&self.tun, &mut self.tun_buf[..]) {
                Ok(len) => len,
                Err(errno) => {
                    let error = io::Error::from(errno);
                    // EBADFD: the device was deleted under the descriptor.
                    if error.raw_os_error() == Some(libc::EBADFD) {
                        result = Err(KernelError::system("read from the TUN device", &error));
                    }
                    break;
                }
            };
            self.seal_read(len);
            if self.outbox.is_full() {
                self.send();
            }
        }
        self.send();
        result
    }

    /// Seals what was read, one packet or many.
    fn seal_read(&mut self, len: usize) {
        let octets = self.tun_buf.get_mut(..len).unwrap_or(&mut []);
        let incoming = if self.offload {
            offload::incoming(octets)
        } else {
            Some(Incoming::Whole(octets))
        };
        let (core, outbox, reply) = (&mut self.core, &mut self.outbox, &mut self.reply);
        let answer = |reply: &[u8], core: &mut Core| {
            if !reply.is_empty() {
                let front: &[u8] = if self.offload { &NO_OFFLOAD } else { &[] };
                if write_tun(&self.tun, front, reply).is_err() {
                    core.count(Drop::TunRefused, 1);
                }
            }
        };
        match incoming {
            Some(Incoming::Whole(packet)) => {
                if let Some((parsed, id)) = core.route(packet) {
                    let packet = packet.get(..parsed.len).unwrap_or(&[]);
                    core.seal(id, &parsed, [packet, &[]], outbox, reply);
                    answer(reply, core);
                }
            }
            Some(Incoming::Segments(mut segments)) => {
                let mut found: Option<(Parsed, u64)> = None;
                while let Some(piece) = segments.next() {
                    // One look-up for all: headers have their lengths only now, and flows are equal.
                    if found.is_none() {
                        found = core.route_headers(segments.headers);
                    }
                    let Some((parsed, id)) = found else {
                        break;
                    };
                    core.seal(id, &parsed, [&*segments.headers, piece], outbox, reply);
                    if !reply.is_empty() {
                        // Once is enough.
                        answer(reply, core);
                        break;
                    }
                }
            }
            None => core.count(Drop::Malformed, 1),
        }
    }

    fn send(&mut self) {
        let sockets = &self.sockets;
        let lost = self.outbox.flush(|udp, ipv6| {
            let role = match (udp, ipv6) {
                (false, false) => SocketRole::EspRawV4,
                (false, true) => SocketRole::EspRawV6,
                (true, false) => SocketRole::EspUdpV4,
                (true, true) => SocketRole::EspUdpV6,
            };
            let found = sockets.iter().find(|(r, _)| *r == role);
            found.map(|(_, fd)| fd.as_fd())
        });
        self.core.count(Drop::NotSent, lost);
    }

    fn read_network(&mut self, role: SocketRole) -> Result<(), KernelError> {
        let Some((_, fd)) = self.sockets.iter().find(|(r, _)| *r == role) else {
            return Ok(());
        };
        let udp = matches!(role, SocketRole::EspUdpV4 | SocketRole::EspUdpV6);
        let mut metas = [Meta::EMPTY; NET_BATCH];
        let mut refused = 0;
        // Errors are ICMP messages about packets sent earlier, or a race for the datagram.
        let received =
            sys::recv_batch(fd.as_fd(), &mut self.net_buf, LARGEST, &mut metas).unwrap_or(0);
        let chunks = self.net_buf.chunks_exact_mut(LARGEST);
        for (chunk, meta) in chunks.zip(&metas).take(received) {
            let mut octets = chunk.get_mut(..meta.len).unwrap_or(&mut []);
            let mut tos = meta.tos;
            if role == SocketRole::EspRawV4 {
                // Raw IPv4 sockets give the IP header too.
                let Some(header) = octets.first_chunk::<20>() else {
                    continue;
                };
                tos = header[1];
                let header_len = usize::from(header[0] & 15) * 4;
                octets = octets.get_mut(header_len..).unwrap_or(&mut []);
            }
            let segment = if meta.segment == 0 {
                octets.len()
            } else {
                meta.segment
            };
            for esp in octets.chunks_mut(segment.max(1)) {
                let Some(packet) = self.core.open(esp, meta.peer, udp, tos) else {
                    continue;
                };
                if self.offload {
                    self.joiner.push(packet, |octets| {
                        refused += u64::from(write_tun(&self.tun, octets, &[]).is_err());
                    });
                } else {
                    refused += u64::from(write_tun(&self.tun, packet, &[]).is_err());
                }
            }
        }
        self.joiner.flush(|octets| {
            refused += u64::from(write_tun(&self.tun, octets, &[]).is_err());
        });
        self.core.count(Drop::TunRefused, refused);
        Ok(())
    }
}

impl DataPlane for Plane {
    fn install(&mut self, child: ChildSa) -> Result<(), KernelError> {
        self.core.install(child)
    }
    fn activate_outbound(&mut self, id: u64) -> Result<(), KernelError> {
        self.core.activate(id)
    }
    fn update(
        &mut self,
        id: u64,
        local: SocketAddr,
        peer: SocketAddr,
        udp_encap: bool,
    ) -> Result<(), KernelError> {
        self.core.update(id, local, peer, udp_encap)
    }
    fn remove(&mut self, id: u64) -> Result<(), KernelError> {
        self.core.remove(id);
        Ok(())
    }
    fn block(&mut self, block: Block) -> Result<(), KernelError> {
        self.core.block(block);
        Ok(())
    }
    fn unblock(&mut self, policy: &str) -> Result<(), KernelError> {
        self.core.unblock(policy);
        Ok(())
    }
    fn flush(&mut self) -> Result<(), KernelError> {
        self.core.flush();
        Ok(())
    }
    fn counters(&mut self, id: u64) -> Result<Counters, KernelError> {
        self.core.counters(id)
    }
    fn poll_event(&mut self) -> Option<Event> {
        self.core.events.pop_front()
    }
}

/// One write is one packet.
fn write_tun(tun: &OwnedFd, front: &[u8], rest: &[u8]) -> rustix::io::Result<usize> {
    if rest.is_empty() {
        rustix::io::write(tun, front)
    } else {
        rustix::io::writev(tun, &[io::IoSlice::new(front), io::IoSlice::new(rest)])
    }
}

/// In front of a packet that is complete as it is.
const NO_OFFLOAD: [u8; offload::HEADER_LEN] = [0; offload::HEADER_LEN];
/// Longest packet, or run of segments, of either side.
const LARGEST: usize = 65_536 + offload::HEADER_LEN;
/// Packets per call from the TUN device.
const TUN_BATCH: usize = 64;
/// Datagrams per call from a socket.
const NET_BATCH: usize = 32;
