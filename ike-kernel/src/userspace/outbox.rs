//! Sealed packets on their way out: one buffer per socket, several datagrams per system call, and
//! neighbours of equal length to one peer as one call's segments (UDP GSO). Nothing is allocated once the
//! buffers have grown to their working size.
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use nix::libc;

use crate::sys::{self, BATCH, Item};

/// Where a sealed packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outer {
    pub(super) local: IpAddr,
    /// With port 0 for raw ESP.
    pub(super) peer: SocketAddr,
    pub(super) udp: bool,
    pub(super) tos: u8,
}

/// The queue of one socket.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) buf: Vec<u8>,
    items: Vec<Item>,
    gso: bool,
}

impl Queue {
    pub(super) fn new(gso: bool) -> Self {
        Self {
            buf: Vec::new(),
            items: Vec::with_capacity(BATCH),
            gso,
        }
    }

    /// Whether it should be sent before anything is added.
    fn is_full(&self) -> bool {
        self.items.len() >= BATCH || self.buf.len() > CAPACITY
    }

    /// Notes that `buf[start..]` is one more packet.
    pub(super) fn push(&mut self, start: usize, outer: &Outer) {
        let end = self.buf.len();
        if let Some(last) = self.items.last_mut().filter(|_| self.gso) {
            let segment = if last.segment == 0 {
                last.end - last.start
            } else {
                last.segment
            };
            let len = last.end - last.start;
            // Only the last segment may be shorter, so a run ends after a shorter one.
            if (last.local, last.peer, last.tos) == (outer.local, outer.peer, outer.tos)
                && last.end == start
                && len % segment == 0
                && end - start <= segment
                && len / segment < MAX_SEGMENTS
                && end - last.start <= MAX_GSO
            {
                last.segment = segment;
                last.end = end;
                return;
            }
        }
        self.items.push(Item {
            start,
            end,
            local: outer.local,
            peer: outer.peer,
            segment: 0,
            tos: outer.tos,
        });
    }

    /// Sends everything. Returns the number of packets the system did not take.
    pub(super) fn flush(&mut self, fd: Option<BorrowedFd<'_>>) -> u64 {
        let mut lost = 0;
        let mut at = 0;
        while let Some(items) = self.items.get(at..).filter(|items| !items.is_empty()) {
            let Some(fd) = fd else {
                lost += items.iter().map(packets).sum::<u64>();
                break;
            };
            match send_waiting(fd, &self.buf, items) {
                Ok(sent) => at += sent.max(1),
                Err(error) => {
                    let failed = items[0];
                    if failed.segment != 0 && is_gso_refusal(&error) {
                        tracing::debug!(%error, "no UDP segmentation offload on this path");
                        self.gso = false;
                        lost += send_singly(fd, &self.buf, &failed);
                    } else {
                        tracing::trace!(%error, peer = %failed.peer, "ESP packet not sent");
                        lost += packets(&failed);
                    }
                    at += 1;
                }
            }
        }
        self.items.clear();
        self.buf.clear();
        lost
    }
}

/// Queues of all sockets.
#[derive(Debug)]
pub(super) struct Outbox {
    queues: [Queue; 4],
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            queues: [false, false, true, true].map(Queue::new),
        }
    }

    pub(super) fn queue(&mut self, outer: &Outer) -> &mut Queue {
        let index = usize::from(outer.udp) * 2 + usize::from(outer.peer.is_ipv6());
        &mut self.queues[index]
    }

    pub(super) fn is_full(&self) -> bool {
        self.queues.iter().any(Queue::is_full)
    }

    /// Sends everything over (UDP?, IPv6?) sockets. Returns the number of packets lost.
    pub(super) fn flush<'f>(
        &mut self,
        socket: impl Fn(bool, bool) -> Option<BorrowedFd<'f>>,
    ) -> u64 {
        let mut lost = 0;
        for (index, queue) in self.queues.iter_mut().enumerate() {
            if !queue.items.is_empty() {
                lost += queue.flush(socket(index >= 2, index % 2 == 1));
            }
        }
        lost
    }
}

fn send_waiting(fd: BorrowedFd<'_>, buf: &[u8], items: &[Item]) -> io::Result<usize> {
    let mut waited = false;
    let mut cleared = 0;
    loop {
        match sys::send_batch(fd.as_fd(), buf, items) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !waited => {
                sys::wait_writable(fd, SEND_WAIT_MS);
                waited = true;
            }
            // A pending ICMP error of an earlier packet is reported here and is over then.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && cleared < 8 => {
                cleared += 1
            }
            other => return other,
        }
    }
}

fn send_singly(fd: BorrowedFd<'_>, buf: &[u8], item: &Item) -> u64 {
    let mut lost = 0;
    let mut start = item.start;
    while start < item.end {
        let end = (start + item.segment).min(item.end);
        let single = Item {
            start,
            end,
            segment: 0,
            ..*item
        };
        lost += u64::from(send_waiting(fd, buf, &[single]).is_err());
        start = end;
    }
    lost
}

fn packets(item: &Item) -> u64 {
    match item.segment {
        0 => 1,
        segment => (item.end - item.start).div_ceil(segment) as u64,
    }
}

fn is_gso_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINVAL | libc::EIO | libc::EMSGSIZE | libc::EOPNOTSUPP)
    )
}

const CAPACITY: usize = 256 * 1024;
const MAX_SEGMENTS: usize = 44;
const MAX_GSO: usize = 64_000;
const SEND_WAIT_MS: u16 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    fn outer(to: &UdpSocket) -> Outer {
        Outer {
            local: "127.0.0.1".parse().unwrap(),
            peer: to.local_addr().unwrap(),
            udp: true,
            tos: 0,
        }
    }

    #[test]
    fn runs_of_equal_packets_are_one_item_and_arrive_one_by_one() {
        let (from, to) = (
            UdpSocket::bind("127.0.0.1:0").unwrap(),
            UdpSocket::bind("127.0.0.1:0").unwrap(),
        );
        to.set_read_timeout(Some(std::time::Duration::from_secs(2)))
            .unwrap();
        let mut queue = Queue::new(true);
        let lengths = [1000_usize, 1000, 1000, 300, 1000, 200, 201];
        for (i, len) in lengths.into_iter().enumerate() {
            let start = queue.buf.len();
            queue.buf.resize(start + len, i as u8);
            queue.push(start, &outer(&to));
        }
        assert_eq!(queue.items.len(), 3);
        assert_eq!(queue.flush(Some(from.as_fd())), 0);
        for (i, len) in lengths.into_iter().enumerate() {
            let mut buf = [0; 2000];
            let got = to.recv(&mut buf).unwrap();
            assert_eq!((got, buf[0]), (len, i as u8));
        }
    }

    #[test]
    fn without_a_socket_the_packets_are_counted_as_lost() {
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut queue = Queue::new(true);
        for _ in 0..5 {
            let start = queue.buf.len();
            queue.buf.resize(start + 10, 0);
            queue.push(start, &outer(&to));
        }
        assert_eq!(queue.flush(None), 5);
    }
}
