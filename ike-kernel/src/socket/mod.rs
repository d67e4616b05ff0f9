//! Sockets of IKE and ESP: UDP 500 and 4500, raw protocol 50; opened by root, used without privilege.
//!
//! With the userspace plane, UDP 4500 is two sockets of one reuseport group: a classic BPF program
//! gives datagrams that start with the non-ESP marker (RFC 3948 §2.2), and those too short to tell,
//! to IKE, all others to ESP.
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

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
pub fn open(_config: &SocketConfig) -> Result<Vec<(SocketRole, OwnedFd)>, KernelError> {
    todo!()
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
        let _ = (role, fd);
        todo!()
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
        _buf: &mut [u8],
    ) -> Result<Option<(usize, SocketAddr, SocketAddr)>, KernelError> {
        let _ = &self.fd;
        todo!()
    }
    /// Sends one datagram from one of our addresses (an unspecified one lets the kernel choose).
    pub fn send(
        &self,
        _local: SocketAddr,
        _peer: SocketAddr,
        _datagram: &[u8],
    ) -> Result<(), KernelError> {
        todo!()
    }
}

impl AsFd for IkeSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The local address the kernel would use towards a peer (by routing; nothing is sent, no privilege needed).
pub fn source_address(_peer: std::net::IpAddr) -> Result<std::net::IpAddr, KernelError> {
    todo!()
}
