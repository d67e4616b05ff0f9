//! Keeps policies as they should be: active ones up for ever with growing pauses, children
//! complete, held-down ones down; and sees administrators' commands to their end. Refuses to
//! block: a command ends with success, a reason, or its deadline.
use crate::exchange::{Exchange, Inflight, Job, jitter};
use crate::sa::{IkeSa, State};
use crate::shared::{Core, Subject};
use crate::*;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is kept about a policy.
#[derive(Debug, Default)]
struct Entry {
    /// `Down` was said.
    held: bool,
    /// `Up` or a packet wants it although it is passive.
    wanted: bool,
    failures: u32,
    /// Not before this.
    next: Option<Instant>,
    /// Refused children: how often, and not again before.
    children: BTreeMap<String, (u32, Instant)>,
}

/// A command under way.
#[derive(Debug)]
enum Pending {
    Up {
        id: CommandId,
        policy: String,
    },
    Closing {
        id: CommandId,
        sas: BTreeSet<IkeSaId>,
        deadline: Instant,
    },
    Rekey {
        id: CommandId,
        waiting: BTreeSet<Subject>,
        error: Option<Reason>,
    },
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    entries: BTreeMap<String, Entry>,
    pending: Vec<Pending>,
    inactive: bool,
    down: bool,
    dirty: bool,
    wake: Option<Instant>,
}

/// 1, 2, 4… seconds up to a minute.
fn pause(core: &mut Core, failures: u32) -> Instant {
    let seconds = 1u64 << failures.saturating_sub(1).min(10);
    let d = timer::RECONNECT_FIRST
        .saturating_mul(u32::try_from(seconds).unwrap_or(u32::MAX))
        .min(timer::RECONNECT_MAX);
    core.now.after(jitter(&mut *core.rng, d))
}

impl Keeper {
    pub(crate) fn review(&mut self) {
        self.dirty = true;
    }

    pub(crate) fn is_down(&self) -> bool {
        self.down
    }

    /// A new configuration: `Down` no longer holds.
    pub(crate) fn policies_changed(&mut self) {
        for entry in self.entries.values_mut() {
            entry.held = false;
            entry.next = None;
            entry.failures = 0;
            entry.children.clear();
        }
        self.dirty = true;
    }

    pub(crate) fn acquire(&mut self, core: &Core, policy: &str) {
        if core.policies.iter().any(|p| p.name == policy) {
            let entry = self.entries.entry(policy.to_owned()).or_default();
            if !entry.held {
                entry.wanted = true;
                self.dirty = true;
            }
        }
    }

    pub(crate) fn attempt_failed(&mut self, core: &mut Core, policy: &str, reason: &Reason) {
        let entry = self.entries.entry(policy.to_owned()).or_default();
        entry.failures = entry.failures.saturating_add(1);
        entry.next = Some(pause(core, entry.failures));
        entry.wanted = false;
        self.fail_up(core, policy, reason);
        self.dirty = true;
    }

    pub(crate) fn child_refused(
        &mut self,
        core: &mut Core,
        policy: &str,
        child: &str,
        reason: &Reason,
    ) {
        let entry = self.entries.entry(policy.to_owned()).or_default();
        let failures = entry
            .children
            .get(child)
            .map_or(1, |(n, _)| n.saturating_add(1));
        let until = pause(core, failures.saturating_add(2));
        entry.children.insert(child.to_owned(), (failures, until));
        entry.wanted = false;
        self.fail_up(core, policy, reason);
        self.dirty = true;
    }

    /// The peer deleted a child: made again, but not in a loop without pause.
    pub(crate) fn child_lost(&mut self, core: &mut Core, policy: &str, child: &str) {
        let entry = self.entries.entry(policy.to_owned()).or_default();
        let failures = entry.children.get(child).map_or(0, |(n, _)| *n);
        let until = pause(core, failures.max(1));
        entry.children.insert(child.to_owned(), (failures, until));
        self.dirty = true;
    }

    fn fail_up(&mut self, core: &mut Core, policy: &str, reason: &Reason) {
        self.pending.retain(|p| match p {
            Pending::Up { id, policy: of } if of == policy => {
                core.out
                    .push_back(Output::CommandDone(*id, Err(reason.clone())));
                false
            }
            _ => true,
        });
    }

    pub(crate) fn established(&mut self, core: &Core, policy: &str) {
        let entry = self.entries.entry(policy.to_owned()).or_default();
        entry.failures = 0;
        // Should it end at once, the next attempt waits a little.
        entry.next = Some(core.now.after(timer::RECONNECT_FIRST));
        entry.children.clear();
        self.dirty = true;
    }

    pub(crate) fn rekeyed(
        &mut self,
        core: &mut Core,
        subject: Subject,
        result: &Result<(), Reason>,
    ) {
        self.pending.retain_mut(|p| {
            let Pending::Rekey { id, waiting, error } = p else {
                return true;
            };
            if waiting.remove(&subject)
                && let Err(reason) = result
            {
                error.get_or_insert_with(|| reason.clone());
            }
            if waiting.is_empty() {
                let result = error.take().map_or(Ok(()), Err);
                core.out.push_back(Output::CommandDone(*id, result));
            }
            !waiting.is_empty()
        });
    }

    /// Whether a policy should be up.
    fn wants(&self, core: &Core, policy: &Policy) -> bool {
        let active = policy.initiation == Initiation::Active
            && !policy.skip
            && !core.settings.passive
            && !self.inactive;
        let entry = self.entries.get(&policy.name);
        !self.down && !entry.is_some_and(|e| e.held) && (active || entry.is_some_and(|e| e.wanted))
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let closing = self.pending.iter().filter_map(|p| match p {
            Pending::Closing { deadline, .. } => Some(*deadline),
            _ => None,
        });
        closing.chain(self.wake).min()
    }
}

/// Whether a child of this name is there or on its way.
fn has_child(sas: &BTreeMap<IkeSaId, IkeSa>, policy: &str, name: &str) -> bool {
    sas.values()
        .filter(|sa| sa.is_established() && sa.policy_name() == Some(policy))
        .any(|sa| {
            sa.children.values().any(|c| c.name == name && c.alive())
                || sa.children.values().any(|c| {
                    // The peer replaced it; the new one is alive, or about to be.
                    c.name == name && c.successor.is_some()
                })
                || matches!(
                    &sa.window.inflight,
                    Some(Inflight { exchange: Exchange::CreateChild(own), .. }) if own.name == name
                )
                || sa.window.queue.contains(&Job::CreateChild(name.to_owned()))
        })
}

impl Endpoint {
    /// Brings policies and commands forward; whether anything was done.
    pub(crate) fn maintain(&mut self) -> bool {
        let now = self.core.now;
        let due = self.keeper.deadline().is_some_and(|t| t <= now);
        if !self.keeper.dirty && !due {
            return false;
        }
        self.keeper.dirty = false;
        self.keeper.wake = None;
        let mut done = false;
        for policy in self.core.policies.clone() {
            if self.keeper.wants(&self.core, &policy) {
                done |= self.keep(&policy);
            }
        }
        self.finish_commands();
        done
    }

    fn wake_at(&mut self, at: Instant) {
        self.keeper.wake = Some(self.keeper.wake.map_or(at, |w| w.min(at)));
    }

    fn keep(&mut self, policy: &Arc<Policy>) -> bool {
        let now = self.core.now;
        let name = policy.name.as_str();
        let mine = |sa: &&IkeSa| sa.policy_name() == Some(name);
        let connecting = self
            .sas
            .values()
            .filter(mine)
            .any(|sa| matches!(sa.state, State::Connecting(_)));
        let established = self
            .sas
            .values()
            .filter(mine)
            .find(|sa| sa.is_established())
            .map(|sa| (sa.id, sa.established_at, sa.role));
        let Some((id, since, role)) = established else {
            if connecting {
                return false;
            }
            let next = self.keeper.entries.get(name).and_then(|e| e.next);
            if let Some(next) = next.filter(|t| *t > now) {
                self.wake_at(next);
                return false;
            }
            match IkeSa::connect(&mut self.core, policy.clone()) {
                Ok(sa) => self.insert(sa),
                Err(reason) => {
                    self.core.event(
                        None,
                        Some(policy),
                        None,
                        EventKind::AttemptFailed(reason.clone()),
                    );
                    self.core.effect(shared::Effect::AttemptFailed {
                        policy: name.to_owned(),
                        reason,
                    });
                }
            }
            return true;
        };
        let mut done = false;
        for child in &policy.children {
            if has_child(&self.sas, name, &child.name) {
                continue;
            }
            let refused = self
                .keeper
                .entries
                .get(name)
                .and_then(|e| e.children.get(&child.name))
                .map(|(_, until)| *until);
            // Who began the IKE SA also begins its children; the other end waits a little.
            let turn = match role {
                sa::Role::Initiator => None,
                sa::Role::Responder => since.map(|t| t.after(timer::LINGER)),
            };
            if let Some(at) = refused.max(turn).filter(|t| *t > now) {
                self.wake_at(at);
                continue;
            }
            let job = Job::CreateChild(child.name.clone());
            self.with(id, |sa, _| sa.window.enqueue(job));
            done = true;
        }
        done
    }

    /// Whether a policy is up with all its children.
    fn is_up(&self, policy: &Policy) -> bool {
        let mut sas = self
            .sas
            .values()
            .filter(|sa| sa.is_established() && sa.policy_name() == Some(&policy.name))
            .peekable();
        sas.peek().is_some()
            && policy.children.iter().all(|child| {
                self.sas.values().any(|sa| {
                    sa.is_established()
                        && sa.policy_name() == Some(&policy.name)
                        && sa
                            .children
                            .values()
                            .any(|c| c.name == child.name && c.announced)
                })
            })
    }

    fn finish_commands(&mut self) {
        let now = self.core.now;
        let mut rest = Vec::new();
        for p in core::mem::take(&mut self.keeper.pending) {
            let result = match &p {
                Pending::Up { id, policy } => {
                    let policy = self.core.policies.iter().find(|p| p.name == *policy);
                    match policy {
                        None => Some((*id, Err(Reason::PolicyRemoved))),
                        Some(policy) if self.is_up(policy) => Some((*id, Ok(()))),
                        Some(_) => None,
                    }
                }
                Pending::Closing { id, sas, deadline } => {
                    let open = sas.iter().any(|id| {
                        self.sas
                            .get(id)
                            .is_some_and(|sa| !matches!(sa.state, State::Closed { .. }))
                    });
                    (!open || *deadline <= now).then_some((*id, Ok(())))
                }
                Pending::Rekey { .. } => None,
            };
            match result {
                Some((id, result)) => {
                    self.core.out.push_back(Output::CommandDone(id, result));
                }
                None => rest.push(p),
            }
        }
        rest.append(&mut self.keeper.pending);
        self.keeper.pending = rest;
        // What a packet or `Up` wanted of a passive policy is done once it is up.
        let up: Vec<_> = self
            .core
            .policies
            .iter()
            .filter(|p| self.keeper.entries.get(&p.name).is_some_and(|e| e.wanted) && self.is_up(p))
            .map(|p| p.name.clone())
            .collect();
        for name in up {
            if let Some(e) = self.keeper.entries.get_mut(&name) {
                e.wanted = false;
            }
        }
    }

    fn refuse(&mut self, id: CommandId, text: String) {
        self.core
            .out
            .push_back(Output::CommandDone(id, Err(Reason::Other(text))));
    }

    fn known_policy(&mut self, id: CommandId, name: &str) -> bool {
        let known = self.core.policies.iter().any(|p| p.name == name);
        if !known {
            self.refuse(id, format!("there is no policy \"{name}\""));
        }
        known
    }

    pub(crate) fn run_command(&mut self, id: CommandId, command: Command) {
        if self.keeper.down && !matches!(command, Command::Shutdown) {
            self.core
                .out
                .push_back(Output::CommandDone(id, Err(Reason::Shutdown)));
            return;
        }
        match command {
            Command::Up(name) => {
                if self.known_policy(id, &name) {
                    let entry = self.keeper.entries.entry(name.clone()).or_default();
                    entry.held = false;
                    entry.wanted = true;
                    entry.next = None;
                    entry.children.clear();
                    self.keeper.pending.push(Pending::Up { id, policy: name });
                }
            }
            Command::Down(name) => {
                if self.known_policy(id, &name) {
                    let entry = self.keeper.entries.entry(name.clone()).or_default();
                    entry.held = true;
                    entry.wanted = false;
                    let reason = Reason::Command;
                    self.keeper.fail_up(&mut self.core, &name, &reason);
                    self.close_all(id, Some(&name), &reason, timer::COMMAND_CLOSE);
                }
            }
            Command::RekeyIke(name) => self.rekey_command(id, &name, true),
            Command::RekeyChild(name) => self.rekey_command(id, &name, false),
            Command::ResetSa => {
                for entry in self.keeper.entries.values_mut() {
                    entry.next = None;
                    entry.failures = 0;
                }
                self.close_all(id, None, &Reason::Command, timer::COMMAND_CLOSE);
            }
            Command::Shutdown => {
                self.keeper.down = true;
                self.close_all(id, None, &Reason::Shutdown, timer::SHUTDOWN);
            }
            Command::SetActive(active) => {
                self.keeper.inactive = !active;
                self.core.out.push_back(Output::CommandDone(id, Ok(())));
            }
        }
        self.keeper.dirty = true;
    }

    fn close_all(&mut self, id: CommandId, policy: Option<&str>, reason: &Reason, limit: Duration) {
        let sas: BTreeSet<_> = self
            .sas
            .values()
            .filter(|sa| policy.is_none() || sa.policy_name() == policy)
            .map(|sa| sa.id)
            .collect();
        for sa in &sas {
            let reason = reason.clone();
            self.with(*sa, |sa, core| sa.close(core, reason));
        }
        self.keeper.pending.push(Pending::Closing {
            id,
            sas,
            deadline: self.core.now.after(limit),
        });
    }

    fn rekey_command(&mut self, id: CommandId, name: &str, ike: bool) {
        if !self.known_policy(id, name) {
            return;
        }
        let mut waiting = BTreeSet::new();
        let sas: Vec<_> = self
            .sas
            .values()
            .filter(|sa| sa.is_established() && sa.policy_name() == Some(name))
            .map(|sa| sa.id)
            .collect();
        for sa in sas {
            let children: Vec<_> = self
                .sas
                .get(&sa)
                .map(|sa| {
                    sa.children
                        .values()
                        .filter(|c| c.alive())
                        .map(|c| c.id)
                        .collect()
                })
                .unwrap_or_default();
            if ike {
                waiting.insert(Subject::Ike(sa));
            } else {
                waiting.extend(children.iter().copied().map(Subject::Child));
            }
            self.with(sa, |sa, _| {
                if ike {
                    sa.window.enqueue(Job::RekeyIke);
                } else {
                    for child in children {
                        sa.window.enqueue(Job::RekeyChild(child));
                    }
                }
            });
        }
        if waiting.is_empty() {
            let what = if ike { "IKE SA" } else { "child SA" };
            self.refuse(id, format!("policy \"{name}\" has no {what} to rekey"));
            return;
        }
        self.keeper.pending.push(Pending::Rekey {
            id,
            waiting,
            error: None,
        });
    }
}
