//! What `ikectl` asks of this process: lists and commands. Lists with counters ask the data plane
//! first, and answer with the last known ones when it takes longer than [`FRESH_WITHIN`].
use std::collections::VecDeque;
use std::time::Duration;

use ike_kernel::PlaneKind;
use ike_sa::{Command, EventKind, Instant, Reason};

use super::{Asker, Driver};
use crate::control::proto::{DaemonInfo, FailCode, Failure, Rekey, Reply, Request, Stat};
use crate::event_loop::now;
use crate::ipc::{ClientId, ControlToIkev2, Ikev2ToControl, Ikev2ToEsp, Ikev2ToKernel, plane_name};
use crate::role::RoleError;

/// How long a list waits for fresh counters.
const FRESH_WITHIN: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Sas,
    Stats,
}

/// Lists that wait for counters.
#[derive(Debug, Default)]
pub(super) struct Shows {
    waiting: VecDeque<(ClientId, List, Instant)>,
    /// The data plane's own counters, as last told.
    stats: Vec<Stat>,
}

impl Shows {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.front().map(|(_, _, deadline)| *deadline)
    }
}

impl Driver {
    pub(super) fn on_control(&mut self, message: ControlToIkev2) -> Result<(), RoleError> {
        match message {
            ControlToIkev2::Request(client, request) => self.admin(client, request),
            ControlToIkev2::Gone(client) => {
                self.shows.waiting.retain(|(c, _, _)| *c != client);
                for asker in self.commands.values_mut() {
                    if matches!(asker, Asker::Client(c) if *c == client) {
                        *asker = Asker::Nobody;
                    }
                }
                Ok(())
            }
        }
    }

    fn admin(&mut self, client: ClientId, request: Request) -> Result<(), RoleError> {
        match request {
            Request::ShowSa => self.show(client, List::Sas),
            Request::ShowStats => self.show(client, List::Stats),
            Request::ShowFailures => self.show_failures(client),
            Request::ResetSa => self.command(Command::ResetSa, Asker::Client(client)),
            Request::Active(active) => {
                self.settings.passive = !active;
                self.command(Command::SetActive(active), Asker::Client(client))
            }
            Request::Up(name) => self.named(client, name, Command::Up),
            Request::Down(name) => self.named(client, name, Command::Down),
            Request::Rekey { name, what } => self.named(
                client,
                name,
                match what {
                    Rekey::Ike => Command::RekeyIke,
                    Rekey::Child => Command::RekeyChild,
                },
            ),
            _ => self.reply(
                client,
                Reply::failed(FailCode::Unsupported, "this daemon does not do that"),
            ),
        }
    }

    fn named(
        &mut self,
        client: ClientId,
        name: String,
        command: impl Fn(String) -> Command,
    ) -> Result<(), RoleError> {
        if self.policies.contains(&name) {
            return self.command(command(name), Asker::Client(client));
        }
        let known = if self.policies.is_empty() {
            "the configuration has none".to_owned()
        } else {
            format!("there are: {}", self.policies.join(", "))
        };
        let text = format!("no policy is called \"{name}\"; {known}");
        self.reply(client, Reply::failed(FailCode::NotFound, text))
    }

    pub(super) fn reply_done(
        &mut self,
        client: ClientId,
        result: Result<(), Reason>,
    ) -> Result<(), RoleError> {
        let reply = match result {
            Ok(()) => Reply::Done,
            Err(reason) => Reply::failed(FailCode::Failed, reason.to_string()),
        };
        self.reply(client, reply)
    }

    fn reply(&mut self, client: ClientId, reply: Reply) -> Result<(), RoleError> {
        Ok(self.control.send(&Ikev2ToControl::Reply(client, reply))?)
    }

    fn show(&mut self, client: ClientId, list: List) -> Result<(), RoleError> {
        if !self.has_plane() {
            return self.answer_list(client, list);
        }
        match &mut self.esp {
            Some(esp) => esp.send(&Ikev2ToEsp::Counters)?,
            None => self.kernel.send(&Ikev2ToKernel::Counters)?,
        }
        let deadline = now().after(FRESH_WITHIN);
        self.shows.waiting.push_back((client, list, deadline));
        Ok(())
    }

    /// Fresh counters are in the engine: whoever waits gets them.
    pub(super) fn fresh_counters(
        &mut self,
        section: &'static str,
        stats: Vec<(String, u64)>,
    ) -> Result<(), RoleError> {
        self.shows.stats = stats
            .into_iter()
            .map(|(name, value)| stat(section, name, value))
            .collect();
        for (client, list, _) in std::mem::take(&mut self.shows.waiting) {
            self.answer_list(client, list)?;
        }
        Ok(())
    }

    pub(super) fn expire_shows(&mut self) -> Result<(), RoleError> {
        while self.shows.next_deadline().is_some_and(|due| due <= now()) {
            if let Some((client, list, _)) = self.shows.waiting.pop_front() {
                tracing::debug!("the data plane is slow, showing its last counters");
                self.answer_list(client, list)?;
            }
        }
        Ok(())
    }

    fn answer_list(&mut self, client: ClientId, list: List) -> Result<(), RoleError> {
        match list {
            List::Sas => {
                let info = self.daemon_info();
                self.reply(client, Reply::Daemon(Box::new(info)))?;
                for sa in self.endpoint.snapshot(now()) {
                    self.reply(client, Reply::Sa(Box::new(sa)))?;
                }
            }
            List::Stats => {
                let mut stats: Vec<Stat> = self
                    .endpoint
                    .stats()
                    .into_iter()
                    .map(|(name, value)| stat("ikev2", name.to_owned(), value))
                    .collect();
                stats.push(stat("ikev2", "send_failures".into(), self.send_failures));
                stats.push(stat(
                    "ikev2",
                    "drop_before_configuration".into(),
                    self.early,
                ));
                stats.extend(self.shows.stats.iter().cloned());
                for stat in stats {
                    self.reply(client, Reply::Stat(stat))?;
                }
            }
        }
        self.reply(client, Reply::End)
    }

    fn show_failures(&mut self, client: ClientId) -> Result<(), RoleError> {
        let now = now();
        for event in self.endpoint.failures() {
            if matches!(event.kind, EventKind::KeyLog(_)) {
                continue;
            }
            let failure = Failure {
                age_s: now.since(event.at).as_secs(),
                event,
            };
            self.reply(client, Reply::Failure(Box::new(failure)))?;
        }
        self.reply(client, Reply::End)
    }

    fn daemon_info(&self) -> DaemonInfo {
        DaemonInfo {
            iked: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_s: now().since(self.started).as_secs(),
            dataplane_configured: self.setup.plane_configured.clone(),
            dataplane: plane_name(self.setup.plane).to_owned(),
            dataplane_note: self.setup.plane_note.clone(),
            active: !self.settings.passive,
            coupled: !self.settings.decouple && self.setup.plane != PlaneKind::None,
            policies: self.policies.clone(),
        }
    }
}

fn stat(section: &str, name: String, value: u64) -> Stat {
    Stat {
        section: section.to_owned(),
        name,
        value,
    }
}
