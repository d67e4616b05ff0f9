//! The TUN device of the userspace plane: opened by root, used as a descriptor by a process without
//! privilege. It has no address; [`crate::route::Router`] sets MTU and routes.
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::libc;
use rustix::fs::{Mode, OFlags};

use crate::{KernelError, sys};

/// An open TUN device without packet information header.
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
        sys::tun_create(fd.as_fd(), name, libc::IFF_TUN | libc::IFF_NO_PI)
            .map_err(|error| KernelError::system(request(), &error))?;
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
