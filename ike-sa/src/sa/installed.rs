//! Once the data plane has a child: what it replaces is deleted, and it is told, once.
use super::*;
use crate::child::After;
use crate::shared::Subject;

impl IkeSa {
    /// The data plane has the child, or not.
    pub(crate) fn on_installed(
        &mut self,
        core: &mut Core,
        id: ChildId,
        result: Result<(), String>,
    ) {
        let Some(child) = self.children.get_mut(&id) else {
            return;
        };
        let after = match core::mem::replace(&mut child.phase, Phase::Installed) {
            Phase::Installing(after) => *after,
            other => {
                child.phase = other;
                return;
            }
        };
        if result.is_ok() {
            child.follow(core, self.id, self.path);
        }
        match after {
            After::Own(replaces) => self.own_installed(core, id, replaces, result),
            After::Answer { payloads, replaces } => {
                self.answer_installed(core, id, payloads, replaces, result);
            }
        }
    }

    fn own_installed(
        &mut self,
        core: &mut Core,
        id: ChildId,
        replaces: Option<ChildId>,
        result: Result<(), String>,
    ) {
        if let Err(e) = result {
            let Some(child) = self.children.get_mut(&id) else {
                return;
            };
            child.phase = Phase::Deleting;
            let sa = self.id;
            let name = child.name.clone();
            child.remove(core, sa);
            self.window.enqueue(Job::DeleteChildren(vec![id]));
            self.refused(core, &name, Reason::DataPlane(e), replaces);
            return;
        }
        match replaces {
            Some(old) if self.children.contains_key(&old) => {
                self.superseded(core, old, id);
                if let Some(child) = self.children.get_mut(&old)
                    && matches!(
                        child.phase,
                        Phase::Installed | Phase::Rekeying | Phase::Rekeyed
                    )
                {
                    //= rfc7296#2.8: the one who rekeys deletes the old SA
                    child.phase = Phase::Deleting;
                    self.window.enqueue(Job::DeleteChildren(vec![old]));
                }
            }
            _ => self.announce(core, id),
        }
    }

    /// Tells a new child.
    pub(crate) fn announce(&mut self, core: &mut Core, id: ChildId) {
        let Some(child) = self.children.get_mut(&id) else {
            return;
        };
        child.announced = true;
        core.stats.count(Counter::ChildSasInstalled);
        let kind = EventKind::ChildSaInstalled {
            child: child.name.clone(),
            spi_in: child.spi_in,
            spi_out: child.spi_out,
        };
        self.event(core, kind);
        core.effect(Effect::Review);
    }

    /// Tells that a child took the place of another, once.
    pub(crate) fn superseded(&mut self, core: &mut Core, old: ChildId, new: ChildId) {
        if let Some(child) = self.children.get_mut(&old) {
            child.announced = false;
        }
        core.effect(Effect::Rekeyed(Subject::Child(old), Ok(())));
        let Some(child) = self.children.get_mut(&new) else {
            return;
        };
        if core::mem::replace(&mut child.announced, true) {
            return;
        }
        core.stats.count(Counter::ChildSasRekeyed);
        let kind = EventKind::ChildSaRekeyed {
            child: child.name.clone(),
            spi_in: child.spi_in,
            spi_out: child.spi_out,
        };
        self.event(core, kind);
        core.effect(Effect::Review);
    }
}
