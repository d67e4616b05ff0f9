//! A typed, two-way channel between two of our processes over a SOCK_SEQPACKET pair.
//!
//! A message is postcard; one message is one or more datagrams of at most [`CHUNK`] octets, each
//! with one octet in front that says whether more follow, so that no message is bound by the
//! kernel's datagram limit. Descriptors travel with the last datagram. Everything is held in
//! buffers that are wiped, because child keys and pre-shared keys cross here.
//!
//! A channel never blocks: what does not fit is queued and flushed when poll(2) says so. It
//! refuses messages that do not decode completely: the other end is our own binary, so that is a
//! protocol violation and ends the process.
use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::{Zeroize, Zeroizing};

/// Payload octets of one datagram.
pub const CHUNK: usize = 32 * 1024;
/// Largest message.
pub const MAX_MESSAGE: usize = 16 * 1024 * 1024;
/// Most descriptors with one message.
pub const MAX_FDS: usize = 24;
/// Most octets waiting for a slow reader.
pub const MAX_QUEUE: usize = 64 * 1024 * 1024;

const LAST: u8 = 0;
const MORE: u8 = 1;

/// What goes wrong on a channel. All but [`ChannelError::Closed`] are bugs or attacks.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The process at the other end is gone.
    #[error("the other process closed the channel")]
    Closed,
    /// The socket failed.
    #[error("channel socket: {0}")]
    Socket(#[from] Errno),
    /// Something that is not a message came.
    #[error("protocol violation on the channel: {0}")]
    Violation(&'static str),
    /// The message cannot be sent.
    #[error("message does not fit the channel: {0}")]
    TooLarge(&'static str),
    /// The other end does not read.
    #[error("the other process does not read its channel")]
    Stuck,
}

struct Queued {
    datagram: Zeroizing<Vec<u8>>,
    fds: Vec<OwnedFd>,
}

/// One end: sends `Tx`, receives `Rx`.
pub struct Channel<Tx, Rx> {
    socket: OwnedFd,
    out: VecDeque<Queued>,
    out_octets: usize,
    partial: Zeroizing<Vec<u8>>,
    buffer: Zeroizing<Vec<u8>>,
    direction: PhantomData<fn(Tx) -> Rx>,
}

impl<Tx, Rx> std::fmt::Debug for Channel<Tx, Rx> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Channel({:?}, {} queued)", self.socket, self.out.len())
    }
}

/// Two connected sockets, close-on-exec.
pub fn socket_pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
}

impl<Tx: Serialize, Rx: DeserializeOwned> Channel<Tx, Rx> {
    /// One end, from its socket.
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            out: VecDeque::new(),
            out_octets: 0,
            partial: Zeroizing::new(Vec::new()),
            buffer: Zeroizing::new(Vec::new()),
            direction: PhantomData,
        }
    }

    /// Both ends: the compiler refuses a message in the wrong direction.
    pub fn pair() -> Result<(Self, Channel<Rx, Tx>), Errno>
    where
        Tx: DeserializeOwned,
        Rx: Serialize,
    {
        let (here, there) = socket_pair()?;
        Ok((Self::new(here), Channel::new(there)))
    }

    /// The same socket for other message types, for the hand-over after the boot messages.
    /// Nothing may be queued or half received.
    pub fn retype<Tx2: Serialize, Rx2: DeserializeOwned>(
        self,
    ) -> Result<Channel<Tx2, Rx2>, ChannelError> {
        if self.out.is_empty() && self.partial.is_empty() {
            Ok(Channel::new(self.socket))
        } else {
            Err(ChannelError::Violation("unfinished message at hand-over"))
        }
    }

    /// Queues a message and sends what the socket takes.
    pub fn send(&mut self, message: &Tx) -> Result<(), ChannelError> {
        self.send_with(message, Vec::new())
    }

    /// The same with descriptors.
    pub fn send_with(&mut self, message: &Tx, fds: Vec<OwnedFd>) -> Result<(), ChannelError> {
        if fds.len() > MAX_FDS {
            return Err(ChannelError::TooLarge("descriptors"));
        }
        let body = encode(message)?;
        if self.out_octets.saturating_add(body.len()) > MAX_QUEUE {
            return Err(ChannelError::Stuck);
        }
        let mut fds = Some(fds);
        let mut chunks = body.chunks(CHUNK).peekable();
        loop {
            let chunk = chunks.next().unwrap_or_default();
            let last = chunks.peek().is_none();
            let mut datagram = Zeroizing::new(Vec::with_capacity(chunk.len().saturating_add(1)));
            datagram.push(if last { LAST } else { MORE });
            datagram.extend_from_slice(chunk);
            self.out_octets = self.out_octets.saturating_add(datagram.len());
            let fds = if last { fds.take() } else { None };
            self.out.push_back(Queued {
                datagram,
                fds: fds.unwrap_or_default(),
            });
            if last {
                break;
            }
        }
        self.flush()
    }

    /// Sends what the socket takes of what is queued.
    pub fn flush(&mut self) -> Result<(), ChannelError> {
        while let Some(next) = self.out.front() {
            let borrowed: Vec<BorrowedFd<'_>> = next.fds.iter().map(AsFd::as_fd).collect();
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !borrowed.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
                return Err(ChannelError::TooLarge("descriptors"));
            }
            let sent = sendmsg(
                &self.socket,
                &[IoSlice::new(&next.datagram)],
                &mut control,
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
            );
            match sent {
                Ok(_) => {
                    self.out_octets = self.out_octets.saturating_sub(next.datagram.len());
                    self.out.pop_front();
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN) => {
                    return Err(ChannelError::Closed);
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// The next message that is complete, if any, with its descriptors.
    pub fn receive(&mut self) -> Result<Option<(Rx, Vec<OwnedFd>)>, ChannelError> {
        loop {
            self.buffer.resize(CHUNK + 1, 0);
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let received = recvmsg(
                &self.socket,
                &mut [IoSliceMut::new(&mut self.buffer)],
                &mut control,
                RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC,
            );
            let received = match received {
                Ok(received) => received,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::CONNRESET) => return Err(ChannelError::Closed),
                Err(e) => return Err(e.into()),
            };
            let mut fds = Vec::new();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(rights) = message {
                    fds.extend(rights);
                }
            }
            if received
                .flags
                .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
            {
                return Err(ChannelError::Violation("truncated datagram"));
            }
            let taken = take_chunk(&mut self.partial, &self.buffer, received.bytes, fds);
            if let Some(used) = self.buffer.get_mut(..received.bytes) {
                used.zeroize();
            }
            if let Some(message) = taken? {
                return Ok(Some(message));
            }
        }
    }

    /// What to wait for.
    pub fn interest(&self) -> PollFlags {
        if self.out.is_empty() {
            PollFlags::IN
        } else {
            PollFlags::IN | PollFlags::OUT
        }
    }

    /// Waits until a message is there, at most `timeout`. For the start only, where a process has
    /// nothing else to do.
    pub fn receive_within(
        &mut self,
        timeout: std::time::Duration,
    ) -> Result<Option<(Rx, Vec<OwnedFd>)>, ChannelError> {
        let end = std::time::Instant::now() + timeout;
        loop {
            self.flush()?;
            if let Some(message) = self.receive()? {
                return Ok(Some(message));
            }
            let left = end.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let mut poll = crate::event_loop::PollSet::new();
            poll.add(self.socket.as_fd(), self.interest());
            poll.wait(Some(left))?;
        }
    }
}

impl<Tx, Rx> AsFd for Channel<Tx, Rx> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Takes one datagram: the message it completes, or nothing yet.
fn take_chunk<Rx: DeserializeOwned>(
    partial: &mut Zeroizing<Vec<u8>>,
    buffer: &[u8],
    length: usize,
    fds: Vec<OwnedFd>,
) -> Result<Option<(Rx, Vec<OwnedFd>)>, ChannelError> {
    let datagram = buffer.get(..length).unwrap_or_default();
    let Some((more, chunk)) = datagram.split_first() else {
        return Err(ChannelError::Closed);
    };
    if partial.len().saturating_add(chunk.len()) > MAX_MESSAGE {
        return Err(ChannelError::Violation("message too long"));
    }
    match *more {
        MORE if chunk.len() == CHUNK && fds.is_empty() => {
            append_wiped(partial, chunk);
            Ok(None)
        }
        LAST if partial.is_empty() => decode(chunk).map(|m| Some((m, fds))),
        LAST => {
            append_wiped(partial, chunk);
            let whole = std::mem::take(partial);
            decode(&whole).map(|m| Some((m, fds)))
        }
        _ => Err(ChannelError::Violation("framing")),
    }
}

/// Serializes into a buffer of the right size, so that no unwiped copy stays behind.
fn encode<T: Serialize>(message: &T) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
    let size = postcard::experimental::serialized_size(message)
        .map_err(|_| ChannelError::TooLarge("not serializable"))?;
    if size > MAX_MESSAGE {
        return Err(ChannelError::TooLarge("octets"));
    }
    let mut buffer = Zeroizing::new(vec![0; size]);
    let used = postcard::to_slice(message, &mut buffer)
        .map_err(|_| ChannelError::TooLarge("not serializable"))?
        .len();
    buffer.truncate(used);
    Ok(buffer)
}

/// Decodes exactly one message: trailing octets are refused.
fn decode<T: DeserializeOwned>(octets: &[u8]) -> Result<T, ChannelError> {
    match postcard::take_from_bytes(octets) {
        Ok((message, [])) => Ok(message),
        Ok(_) => Err(ChannelError::Violation("trailing octets")),
        Err(_) => Err(ChannelError::Violation("undecodable message")),
    }
}

/// Appends without leaving the old allocation unwiped when it has to grow.
fn append_wiped(to: &mut Zeroizing<Vec<u8>>, octets: &[u8]) {
    let needed = to.len().saturating_add(octets.len());
    if needed > to.capacity() {
        let mut grown = Zeroizing::new(Vec::with_capacity(needed.saturating_mul(2)));
        grown.extend_from_slice(to);
        *to = grown;
    }
    to.extend_from_slice(octets);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;

    type Pair = (
        Channel<Vec<u8>, (u32, String)>,
        Channel<(u32, String), Vec<u8>>,
    );

    fn pair() -> Pair {
        Channel::pair().unwrap()
    }

    #[test]
    fn a_message_larger_than_a_datagram_arrives_whole() {
        let (mut a, mut b) = pair();
        let message: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
        a.send(&message).unwrap();
        let got = loop {
            if let Some((got, _)) = b.receive().unwrap() {
                break got;
            }
            a.flush().unwrap();
        };
        assert_eq!(got, message);
    }

    #[test]
    fn a_slow_reader_does_not_block_the_writer_and_loses_nothing() {
        let (mut a, mut b) = pair();
        for i in 0..2000u32 {
            a.send(&vec![i as u8; 4000]).unwrap();
        }
        assert!(a.interest().contains(PollFlags::OUT));
        for i in 0..2000u32 {
            let got = loop {
                a.flush().unwrap();
                if let Some((got, _)) = b.receive().unwrap() {
                    break got;
                }
            };
            assert_eq!(got, vec![i as u8; 4000]);
        }
        assert_eq!(a.interest(), PollFlags::IN);
    }

    #[test]
    fn descriptors_travel_with_their_message() {
        let (mut a, mut b) = pair();
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, b"hello").unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        a.send_with(&vec![1; 100_000], vec![file.into()]).unwrap();
        let (message, mut fds) = b.receive().unwrap().unwrap();
        assert_eq!(message.len(), 100_000);
        let mut text = String::new();
        std::fs::File::from(fds.remove(0))
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn too_many_descriptors_are_refused() {
        let (mut a, _b) = pair();
        let fds = (0..MAX_FDS + 1)
            .map(|_| tempfile::tempfile().unwrap().into())
            .collect();
        assert!(matches!(
            a.send_with(&vec![], fds),
            Err(ChannelError::TooLarge(_))
        ));
    }

    #[test]
    fn the_end_of_the_other_process_is_seen() {
        let (mut a, b) = pair();
        drop(b);
        assert!(matches!(a.receive(), Err(ChannelError::Closed)));
        assert!(matches!(a.send(&vec![1]), Err(ChannelError::Closed)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_message_round_trips(number: u32, text in ".{0,200}") {
            let (mut a, mut b) = pair();
            b.send(&(number, text.clone())).unwrap();
            let (got, fds) = a.receive().unwrap().unwrap();
            prop_assert_eq!(got, (number, text));
            prop_assert!(fds.is_empty());
        }

        #[test]
        fn garbage_is_refused_and_never_panics(octets in proptest::collection::vec(any::<u8>(), 1..300)) {
            let (raw, there) = socket_pair().unwrap();
            let mut channel = Channel::<(), (u32, String)>::new(there);
            rustix::net::send(&raw, &octets, SendFlags::empty()).unwrap();
            match channel.receive() {
                Ok(Some(_)) => prop_assert_eq!(octets[0], LAST),
                Ok(None) => prop_assert!(false, "a short datagram is never the start of more"),
                Err(ChannelError::Violation(_)) => {}
                Err(e) => prop_assert!(false, "{e}"),
            }
        }

        #[test]
        fn trailing_octets_are_refused(number: u32, tail in proptest::collection::vec(any::<u8>(), 1..20)) {
            let (raw, there) = socket_pair().unwrap();
            let mut channel = Channel::<(), (u32, String)>::new(there);
            let mut octets = vec![LAST];
            octets.extend(postcard::to_stdvec(&(number, "x")).unwrap());
            octets.extend(tail);
            rustix::net::send(&raw, &octets, SendFlags::empty()).unwrap();
            prop_assert!(matches!(channel.receive(), Err(ChannelError::Violation("trailing octets"))));
        }
    }
}
