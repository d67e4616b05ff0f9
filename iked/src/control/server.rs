//! The `control` process: accepts `ikectl` on the unix socket it was given, checks who calls
//! (SO_PEERCRED), takes requests apart and forwards them to ikev2 or parent; answers go back in
//! as many frames as they need. At most [`MAX_CLIENTS`] clients, one request at a time each.
//!
//! It never waits for anybody: a client that is slow to write or read is cut off after
//! [`CLIENT_TIMEOUT`], one that waits for a busy SA costs nothing but its place.
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};

use super::proto::{self, Decoder, FailCode, Reply, Request};
use crate::event_loop::{PollSet, Ready, Token};
use crate::ipc::{ClientId, ControlToIkev2, ControlToParent, Ikev2ToControl, ParentToControl};
use crate::log;
use crate::privsep::Role;
use crate::privsep::channel::{Channel, ChannelError};
use crate::privsep::spawn::{self, FdKind};
use crate::role::{Exit, RoleError, closed_parent_is};

/// Most clients at a time.
pub const MAX_CLIENTS: usize = 8;
/// How long a client may take to write a request, or to read what is there for it.
pub const CLIENT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long our own processes may take for what needs no peer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Most octets waiting for one client.
const MAX_OUT: usize = 32 * 1024 * 1024;

/// What a client is doing.
#[derive(Debug)]
enum Phase {
    /// Writing a request.
    Asking,
    /// Waiting for our answer, at most until then.
    Waiting(Option<Instant>),
    /// Told off; to be closed when that is sent.
    Leaving,
}

struct Client {
    socket: OwnedFd,
    decoder: Decoder<Request>,
    out: Vec<u8>,
    phase: Phase,
    /// Since when it made no progress.
    since: Instant,
}

/// Who may call.
#[derive(Debug, Clone, Copy)]
struct Access {
    /// The user the daemon was started by.
    owner: u32,
    /// The socket's mode and group were set up to let a group in; the kernel checked it.
    group: bool,
}

impl Access {
    fn allows(self, uid: u32) -> bool {
        uid == 0 || uid == self.owner || self.group
    }
}

struct Server {
    parent: Channel<ControlToParent, ParentToControl>,
    ikev2: Channel<ControlToIkev2, Ikev2ToControl>,
    listener: Option<OwnedFd>,
    access: Access,
    daemon_pid: u32,
    clients: BTreeMap<ClientId, Client>,
    next_client: u64,
}

/// The process.
pub fn run() -> Result<Exit, RoleError> {
    // Before the boot message takes our ids away: the parent is who started the daemon.
    let owner = rustix::process::geteuid().as_raw();
    let daemon_pid = rustix::process::getppid().map_or(0, |p| p.as_raw_pid().unsigned_abs());
    let (parent, mut fds) = spawn::boot::<ControlToParent, ParentToControl>(Role::Control)?;
    let ikev2 = fds.channel(Role::Ikev2)?;
    let listener = fds.take(FdKind::Listener);
    let mut server = Server {
        parent,
        ikev2,
        listener,
        access: Access {
            owner,
            group: false,
        },
        daemon_pid,
        clients: BTreeMap::new(),
        next_client: 0,
    };
    loop {
        if let Some(exit) = server.turn()? {
            return Ok(exit);
        }
    }
}

impl Server {
    fn turn(&mut self) -> Result<Option<Exit>, RoleError> {
        let mut poll = PollSet::new();
        let from_parent = poll.add(self.parent.as_fd(), self.parent.interest());
        let from_ikev2 = poll.add(self.ikev2.as_fd(), self.ikev2.interest());
        let accepting = self
            .listener
            .as_ref()
            .map(|l| poll.add(l.as_fd(), PollFlags::IN));
        let tokens: Vec<(ClientId, Token)> = self
            .clients
            .iter()
            .map(|(id, client)| (*id, poll.add(client.socket.as_fd(), client.interest())))
            .collect();
        let ready = poll.wait(self.timeout())?;
        self.parent.flush()?;
        self.ikev2.flush()?;
        if ready.readable(from_parent)
            && let Err(e) = self.on_parent()
        {
            return closed_parent_is(e).map(Some);
        }
        if ready.readable(from_ikev2) {
            while let Some((Ikev2ToControl::Reply(client, reply), _)) = self.ikev2.receive()? {
                self.reply(client, &reply);
            }
        }
        for (id, token) in tokens {
            self.serve(id, &ready, token)?;
        }
        self.expire()?;
        if accepting.is_some_and(|token| ready.readable(token)) {
            self.accept();
        }
        Ok(None)
    }

    fn on_parent(&mut self) -> Result<(), ChannelError> {
        while let Some((message, _)) = self.parent.receive()? {
            match message {
                ParentToControl::Setup { admit_group } => self.access.group = admit_group,
                ParentToControl::Reply(client, reply) => self.reply(client, &reply),
                ParentToControl::Log(level) => log::set_level(level),
                ParentToControl::Close => self.listener = None,
            }
        }
        Ok(())
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else {
            return;
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let Ok(socket) = accept_with(listener, flags) else {
            return;
        };
        let uid = getsockopt(&socket, PeerCredentials).map(|c| c.uid());
        let mut client = Client {
            socket,
            decoder: Decoder::new(),
            out: Vec::new(),
            phase: Phase::Asking,
            since: Instant::now(),
        };
        if !uid.is_ok_and(|uid| self.access.allows(uid)) {
            tracing::warn!("control: refused user {uid:?}");
            client.dismiss(FailCode::Denied, "only root may control this daemon");
        } else if self.clients.len() >= MAX_CLIENTS {
            client.dismiss(FailCode::Busy, "too many clients, try again");
        }
        if matches!(client.phase, Phase::Leaving) && self.clients.len() >= 2 * MAX_CLIENTS {
            return;
        }
        self.next_client = self.next_client.wrapping_add(1);
        self.clients.insert(ClientId(self.next_client), client);
    }

    fn serve(&mut self, id: ClientId, ready: &Ready, token: Token) -> Result<(), ChannelError> {
        let Some(client) = self.clients.get_mut(&id) else {
            return Ok(());
        };
        let alive = (!ready.writable(token) || client.write())
            && (!ready.readable(token) || client.read())
            && !client.is_finished();
        if !alive {
            return self.remove(id);
        }
        if !matches!(client.phase, Phase::Asking) {
            return Ok(());
        }
        match client.decoder.next_message() {
            Ok(None) => Ok(()),
            Ok(Some(request)) => self.dispatch(id, request),
            Err(e) => {
                client.dismiss(FailCode::Protocol, &e.to_string());
                Ok(())
            }
        }
    }

    fn dispatch(&mut self, id: ClientId, request: Request) -> Result<(), ChannelError> {
        if let Some(client) = self.clients.get_mut(&id) {
            let deadline = (!request.waits_for_peer()).then(|| Instant::now() + ANSWER_TIMEOUT);
            client.phase = Phase::Waiting(deadline);
        }
        match request {
            Request::Version => {
                let reply = Reply::Version {
                    iked: env!("CARGO_PKG_VERSION").to_owned(),
                    pid: self.daemon_pid,
                };
                self.reply(id, &reply);
                Ok(())
            }
            Request::Reload | Request::LogVerbose(_) => {
                self.parent.send(&ControlToParent::Request(id, request))
            }
            Request::ShowSa
            | Request::ShowStats
            | Request::ShowFailures
            | Request::ResetSa
            | Request::Up(_)
            | Request::Down(_)
            | Request::Rekey { .. }
            | Request::Active(_) => self.ikev2.send(&ControlToIkev2::Request(id, request)),
            _ => {
                self.reply(
                    id,
                    &Reply::failed(FailCode::Unsupported, "this daemon does not do that"),
                );
                Ok(())
            }
        }
    }

    fn reply(&mut self, id: ClientId, reply: &Reply) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.push(reply);
        if reply.is_last() && matches!(client.phase, Phase::Waiting(_)) {
            client.phase = Phase::Asking;
            client.since = Instant::now();
        }
    }

    fn remove(&mut self, id: ClientId) -> Result<(), ChannelError> {
        if let Some(client) = self.clients.remove(&id)
            && matches!(client.phase, Phase::Waiting(_))
        {
            self.ikev2.send(&ControlToIkev2::Gone(id))?;
        }
        Ok(())
    }

    fn expire(&mut self) -> Result<(), ChannelError> {
        let now = Instant::now();
        let late: Vec<ClientId> = self
            .clients
            .iter()
            .filter(|(_, c)| c.deadline().is_some_and(|d| d <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            if let Some(client) = self.clients.get_mut(&id)
                && matches!(client.phase, Phase::Waiting(_))
                && client.out.is_empty()
            {
                client.dismiss(FailCode::Timeout, "the daemon takes too long to answer");
                self.ikev2.send(&ControlToIkev2::Gone(id))?;
            } else {
                self.remove(id)?;
            }
        }
        Ok(())
    }

    fn timeout(&self) -> Option<Duration> {
        let next = self.clients.values().filter_map(Client::deadline).min()?;
        // Past the deadline rather than just before it.
        Some(next.saturating_duration_since(Instant::now()) + Duration::from_millis(1))
    }
}

impl Client {
    fn interest(&self) -> PollFlags {
        let mut interest = PollFlags::IN;
        if !self.out.is_empty() {
            interest |= PollFlags::OUT;
        }
        interest
    }

    /// Until when it has to do something.
    fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting(deadline) if self.out.is_empty() => deadline,
            _ => Some(self.since + CLIENT_TIMEOUT),
        }
    }

    fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Leaving) && self.out.is_empty()
    }

    fn push(&mut self, reply: &Reply) {
        match proto::encode(reply) {
            Ok(octets) if self.out.len().saturating_add(octets.len()) <= MAX_OUT => {
                if self.out.is_empty() {
                    self.since = Instant::now();
                }
                self.out.extend_from_slice(&octets);
                if !self.write() {
                    self.abandon();
                }
            }
            _ => self.abandon(),
        }
    }

    fn abandon(&mut self) {
        self.out.clear();
        self.phase = Phase::Leaving;
    }

    fn dismiss(&mut self, code: FailCode, reason: &str) {
        self.phase = Phase::Leaving;
        if let Ok(octets) = proto::encode(&Reply::failed(code, reason)) {
            self.out.extend_from_slice(&octets);
        }
        self.since = Instant::now();
        if !self.write() {
            self.out.clear();
        }
    }

    /// Writes what the socket takes; false if the client is gone.
    fn write(&mut self) -> bool {
        while !self.out.is_empty() {
            match send(
                &self.socket,
                &self.out,
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
            ) {
                Ok(sent) => {
                    self.out.drain(..sent.min(self.out.len()));
                    self.since = Instant::now();
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
        true
    }

    /// Reads once; false if the client is gone. While it waits it has nothing to say, so what it
    /// sends then stays bounded by one read per turn and ends with the decoder's limit.
    fn read(&mut self) -> bool {
        let mut buffer = [0u8; 4096];
        match recv(&self.socket, &mut buffer, RecvFlags::DONTWAIT) {
            Ok((0, _)) => false,
            Ok((got, _)) if matches!(self.phase, Phase::Asking) => {
                self.decoder.feed(buffer.get(..got).unwrap_or_default());
                true
            }
            // Out of turn.
            Ok(_) => matches!(self.phase, Phase::Leaving),
            Err(Errno::INTR | Errno::AGAIN) => true,
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketType, socketpair};

    fn client() -> (OwnedFd, Client) {
        let (there, socket) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )
        .unwrap();
        (
            there,
            Client {
                socket,
                decoder: Decoder::new(),
                out: Vec::new(),
                phase: Phase::Asking,
                since: Instant::now(),
            },
        )
    }

    #[test]
    fn root_the_owner_and_an_admitted_group_may_call() {
        let strict = Access {
            owner: 1000,
            group: false,
        };
        assert!(strict.allows(0) && strict.allows(1000) && !strict.allows(1001));
        let group = Access {
            owner: 0,
            group: true,
        };
        assert!(group.allows(1001));
    }

    #[test]
    fn a_waiting_client_has_no_deadline_but_a_silent_one_has() {
        let (_there, mut client) = client();
        assert!(client.deadline().is_some());
        client.phase = Phase::Waiting(None);
        assert!(client.deadline().is_none());
    }

    #[test]
    fn a_client_that_does_not_read_is_not_waited_for() {
        let (_there, mut client) = client();
        client.phase = Phase::Waiting(None);
        let stat = Reply::failed(FailCode::Failed, "x".repeat(60_000));
        for _ in 0..100 {
            client.push(&stat);
        }
        assert!(!client.out.is_empty());
        assert!(client.deadline().is_some());
    }

    #[test]
    fn a_client_that_hangs_up_is_noticed() {
        let (there, mut client) = client();
        drop(there);
        assert!(!client.read());
    }
}
