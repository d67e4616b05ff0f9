//! The TUN device of the userspace plane: opened by root, used as a descriptor by a process without
//! privilege. It has no address; [`crate::route::Router`] sets MTU and routes.
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::KernelError;

/// An open TUN device without packet information header.
#[derive(Debug)]
pub struct Tun {
    fd: OwnedFd,
    name: String,
}

impl Tun {
    /// Creates the device `name` (`iked0`) in this network namespace. It vanishes with the last descriptor.
    pub fn open(_name: &str) -> Result<Self, KernelError> {
        todo!()
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
