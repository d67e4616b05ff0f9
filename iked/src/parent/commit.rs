//! Handing a configuration to the processes, at the start and at every reload: first what blocks
//! clear text, then the secrets, then the policies that use both.
use std::time::Duration;

use ike_kernel::{Flow, PlaneKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Parent, REQUEST_TIMEOUT, write_key};
use crate::config::{DaemonSettings, Loaded};
use crate::control::proto::{FailCode, ReloadReport};
use crate::ipc::{
    CaToParent, EspToParent, Ikev2ToParent, KernelToParent, ParentToCa, ParentToEsp, ParentToIkev2,
    ParentToKernel,
};
use crate::load;
use crate::privsep::channel::{Channel, ChannelError};

/// What goes wrong between the parent and a process it asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommitError {
    #[error("{0}")]
    Channel(#[from] ChannelError),
    #[error("a process does not answer")]
    Silent,
    #[error("cannot block clear text: {0}")]
    Block(String),
    #[error("cannot set up the data plane: {0}")]
    SetUp(String),
    #[error("cannot remove everything from the kernel: {0}")]
    Remove(String),
}

/// Waits for the message that `pick` takes.
pub(super) fn wait<Tx: Serialize, Rx: DeserializeOwned, T>(
    channel: &mut Channel<Tx, Rx>,
    timeout: Duration,
    mut pick: impl FnMut(Rx) -> Option<T>,
) -> Result<T, CommitError> {
    let end = std::time::Instant::now() + timeout;
    loop {
        let left = end.saturating_duration_since(std::time::Instant::now());
        let (message, _) = channel.receive_within(left)?.ok_or(CommitError::Silent)?;
        if let Some(picked) = pick(message) {
            return Ok(picked);
        }
    }
}

impl Parent {
    /// Makes `loaded` the configuration in force. Its secrets go to ca and are forgotten here.
    pub(super) fn commit(&mut self, loaded: Loaded) -> Result<(), CommitError> {
        self.generation.0 = self.generation.0.wrapping_add(1);
        self.commit_blocks(&loaded)?;
        let generation = self.generation;

        for (policy, psk) in loaded.secrets.psk {
            self.ca.send(&ParentToCa::Psk { policy, psk })?;
        }
        self.ca.send(&ParentToCa::Commit(generation))?;
        wait(&mut self.ca, REQUEST_TIMEOUT, |message| match message {
            CaToParent::Committed(g) => (g == generation).then_some(()),
        })?;

        for policy in &loaded.policies.policies {
            self.ikev2
                .send(&ParentToIkev2::Policy(Box::new(policy.clone())))?;
        }
        self.ikev2.send(&ParentToIkev2::Commit(
            generation,
            loaded.policies.settings.clone(),
        ))?;
        let keylog = &mut self.keylog;
        wait(&mut self.ikev2, REQUEST_TIMEOUT, |message| match message {
            Ikev2ToParent::Committed(g) => (g == generation).then_some(()),
            Ikev2ToParent::KeyLog(row) => {
                write_key(keylog, &row.line);
                None
            }
            Ikev2ToParent::ShutDown => None,
        })?;
        self.policies = loaded.policies.policies;
        self.daemon = loaded.daemon;
        Ok(())
    }

    fn commit_blocks(&mut self, loaded: &Loaded) -> Result<(), CommitError> {
        let generation = self.generation;
        for (policy, flows) in allowances(loaded) {
            self.kernel.send(&ParentToKernel::Allow { policy, flows })?;
        }
        let blocks = load::blocks(loaded);
        for block in &blocks {
            self.kernel.send(&ParentToKernel::Block(block.clone()))?;
        }
        self.kernel.send(&ParentToKernel::Commit(generation))?;
        wait(&mut self.kernel, REQUEST_TIMEOUT, |message| match message {
            KernelToParent::Committed(g, result) if g == generation => Some(result),
            _ => None,
        })?
        .map_err(CommitError::Block)?;
        let Some(esp) = &mut self.esp else {
            return Ok(());
        };
        for (policy, flows) in allowances(loaded) {
            esp.send(&ParentToEsp::Allow { policy, flows })?;
        }
        for block in blocks {
            esp.send(&ParentToEsp::Block(block))?;
        }
        esp.send(&ParentToEsp::Commit(generation))?;
        wait(esp, REQUEST_TIMEOUT, |message| match message {
            EspToParent::Committed(g, result) if g == generation => Some(result),
            _ => None,
        })?
        .map_err(CommitError::Block)
    }

    /// Reads the configuration again. An error in it changes nothing, is logged and told.
    pub(super) fn reload(
        &mut self,
    ) -> Result<Result<ReloadReport, (FailCode, String)>, ChannelError> {
        let loaded = match load::load(&self.cli) {
            Ok(loaded) => loaded,
            Err(diagnostics) => {
                let text = diagnostics.render(false);
                tracing::error!("reload: the configuration has errors, nothing changes\n{text}");
                return Ok(Err((FailCode::Config, text)));
            }
        };
        let mut report = load::compare(&self.policies, &loaded.policies.policies);
        report.warnings = loaded.warnings.render(false);
        if needs_restart(self.plane, &self.daemon, &loaded.daemon) {
            let note = "warning: the data plane changes only when iked is started again\n";
            report.warnings.push_str(note);
        }
        match self.commit(loaded) {
            Ok(()) => {
                tracing::info!(
                    "reloaded: {} policies kept, {} changed, {} new, {} closed",
                    report.kept.len(),
                    report.changed.len(),
                    report.new.len(),
                    report.closed.len()
                );
                if !report.warnings.trim().is_empty() {
                    tracing::warn!("{}", report.warnings.trim_end());
                }
                Ok(Ok(report))
            }
            Err(CommitError::Channel(e)) => Err(e),
            Err(e) => {
                tracing::error!("reload: {e}");
                Ok(Err((FailCode::Failed, e.to_string())))
            }
        }
    }
}

/// What child SAs of each policy may carry, at most.
fn allowances(loaded: &Loaded) -> impl Iterator<Item = (String, Vec<Flow>)> {
    loaded.policies.policies.iter().map(|policy| {
        let flows = policy.children.iter().flat_map(|c| c.flows.clone());
        (policy.name.clone(), flows.collect())
    })
}

/// `set decouple` can be written into a running daemon's configuration, and taken out again if it
/// was not there at the start.
fn needs_restart(plane: PlaneKind, old: &DaemonSettings, new: &DaemonSettings) -> bool {
    old.dataplane != new.dataplane || (plane == PlaneKind::None && old.decouple && !new.decouple)
}
