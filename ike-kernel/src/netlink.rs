//! A blocking netlink socket that carries one request at a time: to the acknowledgement, or through a
//! dump. Errors carry the kernel's own explanation where it gives one (extended acknowledgements).
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::{Socket, SocketAddr};
use zeroize::Zeroizing;

use crate::KernelError;

pub(crate) const REQUEST: u16 = 1;
pub(crate) const ACK: u16 = 4;
pub(crate) const DUMP: u16 = 0x300;
pub(crate) const REPLACE: u16 = 0x100;
pub(crate) const EXCLUSIVE: u16 = 0x200;
pub(crate) const CREATE: u16 = 0x400;

/// A message: its type and what follows the header.
pub(crate) type Message = (u16, Vec<u8>);

/// A netlink socket for requests, or for events.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    pub(crate) fn open(protocol: isize, what: &str) -> Result<Self, KernelError> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(protocol)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            // Better errors; older kernels lack them.
            let _ = socket.set_ext_ack(true);
            let _ = socket.set_cap_ack(true);
            Ok(socket)
        };
        let socket =
            open().map_err(|error| KernelError::system(format!("open netlink {what}"), &error))?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Sends one request and reads all that answers it. `flags` besides REQUEST; the body is wiped.
    pub(crate) fn request(
        &mut self,
        kind: u16,
        flags: u16,
        body: &[u8],
        describe: impl Fn() -> String,
    ) -> Result<Vec<Message>, KernelError> {
        self.sequence = self.sequence.wrapping_add(1);
        let system = |error: &io::Error| KernelError::system(describe(), error);
        let mut message = Zeroizing::new(Vec::with_capacity(HEADER + body.len()));
        message.extend(((HEADER + body.len()) as u32).to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend((flags | REQUEST).to_ne_bytes());
        message.extend(self.sequence.to_ne_bytes());
        message.extend(0_u32.to_ne_bytes());
        message.extend_from_slice(body);
        self.socket.send(&message, 0).map_err(|e| system(&e))?;
        let mut answers = Vec::new();
        loop {
            let (datagram, _) = self.socket.recv_from_full().map_err(|e| system(&e))?;
            // The kernel tells the keys of an SA.
            let datagram = Zeroizing::new(datagram);
            for (header, body) in messages(&datagram) {
                if header.sequence != self.sequence {
                    continue;
                }
                match header.kind {
                    NOOP => {}
                    DONE => return Ok(answers),
                    ERROR => {
                        let code = word(body, 0).cast_signed();
                        if code == 0 {
                            return Ok(answers);
                        }
                        let mut error = system(&io::Error::from_raw_os_error(-code));
                        if let Some(text) = explanation(&header, body) {
                            error.reason = format!("{text} ({})", error.reason);
                        }
                        return Err(error);
                    }
                    kind => {
                        answers.push((kind, body.to_vec()));
                        // A question without ACK or DUMP is answered by exactly one message.
                        if flags & (ACK | DUMP) == 0 {
                            return Ok(answers);
                        }
                    }
                }
            }
        }
    }

    /// Joins a multicast group.
    pub(crate) fn join(&self, group: u32) -> io::Result<()> {
        self.socket.add_membership(group)
    }

    /// The next datagram of events, if there is one.
    pub(crate) fn events(&self) -> io::Result<Vec<Message>> {
        let mut datagram = Vec::with_capacity(EVENT_LEN);
        let flags = nix::libc::MSG_DONTWAIT;
        match self.socket.recv(&mut datagram, flags) {
            Ok(_) => Ok(messages(&datagram)
                .map(|(header, body)| (header.kind, body.to_vec()))
                .collect()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
}

/// The messages of a datagram with their bodies.
fn messages(mut datagram: &[u8]) -> impl Iterator<Item = (Header, &[u8])> {
    std::iter::from_fn(move || {
        let head = datagram.get(..HEADER)?;
        let len = word(head, 0) as usize;
        let body = datagram.get(HEADER..len)?;
        let header = Header {
            kind: half(head, 4),
            flags: half(head, 6),
            sequence: word(head, 8),
        };
        datagram = datagram.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        Some((header, body))
    })
}

/// The text in an extended acknowledgement.
fn explanation(header: &Header, body: &[u8]) -> Option<String> {
    if header.flags & ACK_TLVS == 0 {
        return None;
    }
    // With CAPPED only the header of our request is quoted.
    let quoted = if header.flags & CAPPED != 0 {
        HEADER
    } else {
        word(body, 4) as usize
    };
    attributes(body.get(4 + quoted..)?)
        .find(|(kind, _)| *kind == ERROR_MESSAGE)
        .map(|(_, text)| {
            String::from_utf8_lossy(text)
                .trim_end_matches('\0')
                .to_owned()
        })
}

/// The attributes of a message, as type and value.
pub(crate) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let head = rest.get(..4)?;
        let (len, kind) = (usize::from(half(head, 0)), half(head, 2) & 0x3fff);
        let value = rest.get(4..len)?;
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    })
}

/// A 32-bit number at an offset, 0 if there is none.
pub(crate) fn word(octets: &[u8], at: usize) -> u32 {
    octets
        .get(at..at + 4)
        .and_then(|o| <[u8; 4]>::try_from(o).ok())
        .map_or(0, u32::from_ne_bytes)
}

/// A 16-bit number at an offset, 0 if there is none.
pub(crate) fn half(octets: &[u8], at: usize) -> u16 {
    octets
        .get(at..at + 2)
        .and_then(|o| <[u8; 2]>::try_from(o).ok())
        .map_or(0, u16::from_ne_bytes)
}

const HEADER: usize = 16;
const NOOP: u16 = 1;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const CAPPED: u16 = 0x100;
const ACK_TLVS: u16 = 0x200;
const ERROR_MESSAGE: u16 = 1;
const EVENT_LEN: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_explains_its_refusal() {
        // RTM_GETLINK for an interface that does not exist: needs no privilege.
        let mut netlink = Netlink::open(0, "route").unwrap();
        let mut body = vec![0; 16];
        body[4..8].copy_from_slice(&0x7fff_fff0_i32.to_ne_bytes());
        let error = netlink
            .request(18, ACK, &body, || "look for a link".into())
            .unwrap_err();
        assert_eq!(error.errno, Some(nix::libc::ENODEV));
        assert_eq!(error.request, "look for a link");
    }

    #[test]
    fn truncated_messages_and_attributes_end_the_walk() {
        assert_eq!(messages(&[1, 2, 3]).count(), 0);
        let mut datagram = vec![20, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(messages(&datagram).count(), 0);
        datagram.extend([0; 4]);
        assert_eq!(messages(&datagram).count(), 1);
        assert_eq!(
            attributes(&[8, 0, 1, 0, 9, 9, 9, 9, 7]).collect::<Vec<_>>(),
            [(1, &[9, 9, 9, 9][..])]
        );
        assert_eq!(attributes(&[2, 0, 1, 0]).count(), 0);
    }
}
