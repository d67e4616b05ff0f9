//! The `ikev2` process: drives the engine ([`ike_sa::Endpoint`]). It owns the IKE sockets and
//! nothing else: what needs a secret is asked of ca, what needs the kernel or touches packets is
//! asked of kernel and esp, and every answer comes back as a message, so nothing here waits.
mod admin;
mod events;
mod plane;

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::time::Duration;

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use ike_kernel::PlaneKind;
use ike_kernel::socket::IkeSocket;
use ike_sa::{
    Answer, Command, CommandId, Config, Endpoint, Instant, Output, Path, Policy, Reason, Request,
    RequestId, Settings,
};
use rustix::event::PollFlags;

use crate::event_loop::{PollSet, Token, now, until};
use crate::ipc::{
    CaToIkev2, ClientId, ControlToIkev2, EspToIkev2, Ikev2Setup, Ikev2ToCa, Ikev2ToControl,
    Ikev2ToEsp, Ikev2ToKernel, Ikev2ToParent, KernelToIkev2, ParentToIkev2,
};
use crate::log;
use crate::privsep::Role;
use crate::privsep::channel::{Channel, ChannelError};
use crate::privsep::spawn::{self, BOOT_TIMEOUT, FdKind, Fds};
use crate::role::{Exit, RoleError, closed_parent_is};

/// Longest sleep: poll(2) does not count the time the machine sleeps.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Datagrams read from one socket before the others get their turn.
const BATCH: usize = 64;
/// Largest datagram taken.
const MAX_DATAGRAM: usize = 65_535;

/// Who is told how a command ended.
#[derive(Debug, Clone, Copy)]
enum Asker {
    Client(ClientId),
    Parent,
    Nobody,
}

struct Driver {
    endpoint: Endpoint,
    setup: Ikev2Setup,
    started: Instant,
    sockets: Vec<IkeSocket>,
    parent: Channel<Ikev2ToParent, ParentToIkev2>,
    ca: Channel<Ikev2ToCa, CaToIkev2>,
    kernel: Channel<Ikev2ToKernel, KernelToIkev2>,
    esp: Option<Channel<Ikev2ToEsp, EspToIkev2>>,
    control: Channel<Ikev2ToControl, ControlToIkev2>,
    next_policies: Vec<Policy>,
    policies: Vec<String>,
    settings: Settings,
    commands: BTreeMap<CommandId, Asker>,
    next_command: u64,
    operations: plane::Operations,
    shows: admin::Shows,
    send_failures: u64,
    /// Whether there is a configuration; before that every peer would be told that it is not known.
    committed: bool,
    /// Datagrams that came before that.
    early: u64,
    log_limit: events::LogLimit,
}

/// The process.
pub(crate) fn run() -> Result<Exit, RoleError> {
    let (mut parent, mut fds) = spawn::boot::<Ikev2ToParent, ParentToIkev2>(Role::Ikev2)?;
    let setup = match parent.receive_within(BOOT_TIMEOUT) {
        Ok(Some((ParentToIkev2::Setup(setup), _))) => *setup,
        Ok(_) => return Err(ChannelError::Violation("no setup").into()),
        Err(e) => return closed_parent_is(e),
    };
    let mut driver = Driver::new(parent, setup, &mut fds)?;
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        if let Some(exit) = driver.turn(&mut buffer)? {
            return Ok(exit);
        }
    }
}

impl Driver {
    fn new(
        parent: Channel<Ikev2ToParent, ParentToIkev2>,
        setup: Ikev2Setup,
        fds: &mut Fds,
    ) -> Result<Self, RoleError> {
        let config = Config {
            ike_port: 500,
            nat_port: 4500,
            keylog: setup.keylog,
            force_encap: false,
        };
        let sockets = fds
            .take_sockets()
            .into_iter()
            .map(|(role, fd)| IkeSocket::new(role, fd))
            .collect::<Result<_, _>>()
            .map_err(|e| RoleError::Plane(e.to_string()))?;
        let esp = fds.take(FdKind::Channel(Role::Esp)).map(Channel::new);
        Ok(Self {
            endpoint: Endpoint::new(config, Box::new(UnwrapErr(SysRng)), now()),
            started: now(),
            sockets,
            parent,
            ca: fds.channel(Role::Ca)?,
            kernel: fds.channel(Role::Kernel)?,
            esp,
            control: fds.channel(Role::Control)?,
            next_policies: Vec::new(),
            policies: Vec::new(),
            settings: Settings::default(),
            commands: BTreeMap::new(),
            next_command: 0,
            operations: plane::Operations::default(),
            shows: admin::Shows::default(),
            send_failures: 0,
            committed: false,
            early: 0,
            log_limit: events::LogLimit::new(now()),
            setup,
        })
    }

    /// One turn of the loop: wait, take what is there, run what is due, send what came of it.
    fn turn(&mut self, buffer: &mut [u8]) -> Result<Option<Exit>, RoleError> {
        let mut poll = PollSet::new();
        let from_parent = poll.add(self.parent.as_fd(), self.parent.interest());
        let from_ca = poll.add(self.ca.as_fd(), self.ca.interest());
        let from_kernel = poll.add(self.kernel.as_fd(), self.kernel.interest());
        let from_esp = self
            .esp
            .as_ref()
            .map(|esp| poll.add(esp.as_fd(), esp.interest()));
        let from_control = poll.add(self.control.as_fd(), self.control.interest());
        let sockets: Vec<Token> = self
            .sockets
            .iter()
            .map(|s| poll.add(s.as_fd(), PollFlags::IN))
            .collect();
        let next = [self.endpoint.next_timeout(), self.shows.next_deadline()];
        let deadline = next.into_iter().flatten().min();
        let ready = poll.wait(Some(until(deadline, LONGEST_WAIT)))?;

        self.parent.flush()?;
        self.ca.flush()?;
        self.kernel.flush()?;
        if let Some(esp) = &mut self.esp {
            esp.flush()?;
        }
        self.control.flush()?;

        // Answers first: they unblock what the datagrams behind them may need.
        if ready.readable(from_ca) {
            while let Some((CaToIkev2::Answer(id, answer), _)) = self.ca.receive()? {
                self.endpoint.answer(now(), id, answer);
                self.drain()?;
            }
        }
        if ready.readable(from_kernel) {
            while let Some((message, _)) = self.kernel.receive()? {
                self.on_kernel(message)?;
            }
        }
        if from_esp.is_some_and(|token| ready.readable(token)) {
            while let Some((message, _)) = self.receive_esp()? {
                self.on_esp(message)?;
            }
        }
        for (index, token) in sockets.into_iter().enumerate() {
            if ready.readable(token) {
                self.on_socket(index, buffer)?;
            }
        }
        if ready.readable(from_control) {
            while let Some((message, _)) = self.control.receive()? {
                self.on_control(message)?;
            }
        }
        if ready.readable(from_parent) {
            match self.on_parent() {
                Ok(()) => {}
                Err(RoleError::Channel(ChannelError::Closed)) => {
                    return Ok(Some(Exit::ParentGone));
                }
                Err(e) => return Err(e),
            }
        }
        if self.endpoint.next_timeout().is_some_and(|due| due <= now()) {
            self.endpoint.handle_timeout(now());
            self.drain()?;
        }
        self.expire_shows()?;
        Ok(None)
    }

    fn receive_esp(
        &mut self,
    ) -> Result<Option<(EspToIkev2, Vec<std::os::fd::OwnedFd>)>, ChannelError> {
        self.esp.as_mut().map_or(Ok(None), Channel::receive)
    }

    fn on_socket(&mut self, index: usize, buffer: &mut [u8]) -> Result<(), RoleError> {
        for _ in 0..BATCH {
            let Some(socket) = self.sockets.get(index) else {
                return Ok(());
            };
            match socket.recv(buffer) {
                // A peer repeats what is not answered; an error it would believe.
                Ok(Some(_)) if !self.committed => self.early = self.early.saturating_add(1),
                Ok(Some((length, local, peer))) => {
                    let datagram = buffer.get(..length).unwrap_or_default();
                    tracing::trace!(%local, %peer, length, "datagram");
                    self.endpoint
                        .handle_datagram(now(), Path { local, peer }, datagram);
                    self.drain()?;
                }
                Ok(None) => return Ok(()),
                Err(e) => {
                    // An ICMP error, for instance; the socket goes on.
                    tracing::debug!("receive: {e}");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn on_parent(&mut self) -> Result<(), RoleError> {
        while let Some((message, _)) = self.parent.receive()? {
            match message {
                ParentToIkev2::Setup(_) => {
                    return Err(ChannelError::Violation("second setup").into());
                }
                ParentToIkev2::Policy(policy) => self.next_policies.push(*policy),
                ParentToIkev2::Commit(generation, settings) => {
                    self.commit(settings)?;
                    self.parent.send(&Ikev2ToParent::Committed(generation))?;
                }
                ParentToIkev2::Log(level) => log::set_level(level),
                ParentToIkev2::Shutdown => {
                    self.command(Command::Shutdown, Asker::Parent)?;
                }
            }
        }
        Ok(())
    }

    /// The policies sent since the last time are in force.
    fn commit(&mut self, settings: Settings) -> Result<(), RoleError> {
        let policies = std::mem::take(&mut self.next_policies);
        self.policies = policies.iter().map(|p| p.name.clone()).collect();
        let decoupled = std::mem::replace(&mut self.settings, settings.clone()).decouple;
        if settings.decouple && !decoupled {
            // From now on the engine asks nothing of the data plane any more.
            self.decouple()?;
        }
        let couple = decoupled && !settings.decouple;
        let set = ike_sa::PolicySet { policies, settings };
        self.endpoint.set_policies(now(), set);
        self.committed = true;
        self.drain()?;
        if couple {
            // Keys of SAs made meanwhile are gone: make new ones.
            self.command(Command::ResetSa, Asker::Nobody)?;
        }
        Ok(())
    }

    fn command(&mut self, command: Command, asker: Asker) -> Result<(), RoleError> {
        self.next_command = self.next_command.wrapping_add(1);
        let id = CommandId(self.next_command);
        self.commands.insert(id, asker);
        self.endpoint.command(now(), id, command);
        self.drain()
    }

    /// Carries out everything the engine wants, until it wants nothing more.
    fn drain(&mut self) -> Result<(), RoleError> {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                Output::Transmit { path, datagrams } => self.transmit(path, &datagrams),
                Output::Request(id, request) => self.request(id, request)?,
                Output::Event(event) => self.event(event)?,
                Output::CommandDone(id, result) => self.command_done(id, result)?,
            }
        }
        Ok(())
    }

    fn transmit(&mut self, path: Path, datagrams: &[Vec<u8>]) {
        let natt = path.local.port() != 500;
        let socket = self
            .sockets
            .iter()
            .find(|s| s.role().is_natt() == natt && s.role().is_ipv6() == path.peer.is_ipv6());
        let Some(socket) = socket else {
            self.send_failures = self.send_failures.saturating_add(1);
            tracing::debug!(local = %path.local, peer = %path.peer, "no socket to send from");
            return;
        };
        for datagram in datagrams {
            if let Err(e) = socket.send(path.local, path.peer, datagram) {
                self.send_failures = self.send_failures.saturating_add(1);
                tracing::debug!(local = %path.local, peer = %path.peer, "send: {e}");
            }
        }
    }

    fn request(&mut self, id: RequestId, request: Request) -> Result<(), RoleError> {
        match request {
            Request::SourceAddress { peer } => {
                let answer = ike_kernel::socket::source_address(peer).map_err(|e| e.reason.clone());
                self.endpoint
                    .answer(now(), id, Answer::SourceAddress(answer));
            }
            request @ (Request::MakeAuth { .. } | Request::VerifyAuth { .. }) => {
                self.ca.send(&Ikev2ToCa::Request(id, request))?;
            }
            Request::InstallChild(_)
            | Request::ActivateOutbound(_)
            | Request::UpdateChild { .. }
            | Request::RemoveChild(_) => self.plane_request(id, request)?,
            other => {
                tracing::error!("the engine asks for something unknown");
                drop(other);
                let refusal = Answer::DataPlane(Err("not implemented".into()));
                self.endpoint.answer(now(), id, refusal);
            }
        }
        Ok(())
    }

    fn command_done(&mut self, id: CommandId, result: Result<(), Reason>) -> Result<(), RoleError> {
        match self.commands.remove(&id).unwrap_or(Asker::Nobody) {
            Asker::Client(client) => self.reply_done(client, result)?,
            Asker::Parent => self.parent.send(&Ikev2ToParent::ShutDown)?,
            Asker::Nobody => {}
        }
        Ok(())
    }

    /// Whether there is a data plane to ask.
    fn has_plane(&self) -> bool {
        self.setup.plane != PlaneKind::None
    }
}
