//! The TUN device of the userspace plane: opened by root, used as a descriptor by a process without
//! privilege. It has no address; [`crate::route::Router`] sets MTU and routes.
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::libc;
use rustix::fs::{Mode, OFlags};

use crate::{KernelError, sys};

/// An open TUN device without packet information header, with a header about offloading.
#[derive(Debug)]
pub struct Tun {
    fd: OwnedFd,
    name: String,
}

impl Tun {
    /// Creates the device `name` (`iked0`) in this network namespace. It vanishes with the last descriptor.
    pub fn open(name: &str) -> Result<Self, KernelError> {
        let request = || format!("open TUN device {name}");
        let fd = rustix::fs::open(
            "/dev/net/tun",
            OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|errno| KernelError::system(request(), &errno.into()))?;
        let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
        sys::tun_create(fd.as_fd(), name, flags)
            .map_err(|error| KernelError::system(request(), &error))?;
        // Without it packets come one by one, which is slower and nothing else.
        if let Err(error) = sys::tun_offload(fd.as_fd(), OFFLOADS) {
            tracing::debug!(%error, "no offloads on the TUN device");
        }
        Ok(Self {
            fd,
            name: name.into(),
        })
    }
    /// Name of the device.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The descriptor, to be handed on.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 of `linux/if_tun.h`.
const OFFLOADS: libc::c_int = 1 | 2 | 4;
