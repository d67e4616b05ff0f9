//! Deleting children (RFC 7296 §1.4.1): both directions go together, crossing deletes are
//! answered empty, what was replaced lingers a little to receive what was under way.
use super::*;
use crate::exchange::Inflight;
use crate::shared::Subject;
use ike_wire::payload::{Body, Delete};
use ike_wire::{ChildSpi, ProtocolId};

/// Whether an INFORMATIONAL deletes the IKE SA.
pub(crate) fn is_ike_delete(look: Look<'_>) -> bool {
    look.deletes().any(|d| matches!(d, Delete::IkeSa))
}

impl IkeSa {
    /// Sends the deletes of children that are still to be deleted.
    pub(crate) fn start_child_delete(&mut self, core: &mut Core, ids: &[ChildId]) {
        let mut spis: BTreeMap<ProtocolId, Vec<ChildSpi>> = BTreeMap::new();
        let mut sent = Vec::new();
        for id in ids {
            if let Some(c) = self.children.get(id)
                && matches!(c.phase, Phase::Deleting)
            {
                spis.entry(c.suite.protocol).or_default().push(c.spi_in);
                sent.push(*id);
            }
        }
        if sent.is_empty() {
            return;
        }
        //= rfc7296#1.4.1: deletes name our inbound SPIs
        let payloads = spis
            .into_iter()
            .map(|(protocol, spis)| Body::Delete(Delete::Child(protocol, spis)).into())
            .collect();
        self.send(
            core,
            ExchangeType::INFORMATIONAL,
            Exchange::DeleteChildren(sent),
            payloads,
        );
    }

    /// The peer answered our deletes.
    pub(crate) fn on_children_deleted(&mut self, core: &mut Core, ids: &[ChildId]) {
        for id in ids {
            if self
                .children
                .get(id)
                .is_some_and(|c| matches!(c.phase, Phase::Deleting))
            {
                self.retire(core, *id);
            }
        }
    }

    /// The peer deletes children; returns our SPIs of them for the answer.
    pub(crate) fn on_child_delete(
        &mut self,
        core: &mut Core,
        protocol: ProtocolId,
        spis: &[ChildSpi],
    ) -> Vec<ChildSpi> {
        let mut ours = Vec::new();
        for spi in spis {
            let found = self
                .children
                .values()
                .find(|c| {
                    c.spi_out == *spi
                        && c.suite.protocol == protocol
                        && !matches!(c.phase, Phase::Lingering { .. })
                })
                .map(|c| (c.id, c.spi_in));
            let Some((id, spi_in)) = found else {
                if let Some(Inflight {
                    exchange: Exchange::CreateChild(own),
                    ..
                }) = &mut self.window.inflight
                    && own.deleted.len() < 8
                {
                    own.deleted.push(*spi);
                }
                continue;
            };
            let crossing = matches!(
                self.window.inflight.as_ref().map(|i| &i.exchange),
                Some(Exchange::DeleteChildren(ids)) if ids.contains(&id)
            );
            if crossing {
                //= rfc7296#1.4.1: crossing deletes are answered without the SPI; each own answer ends it
                continue;
            }
            ours.push(spi_in);
            self.peer_deleted(core, id);
        }
        ours
    }

    fn peer_deleted(&mut self, core: &mut Core, id: ChildId) {
        let sa = self.id;
        let Some(child) = self.children.get(&id) else {
            return;
        };
        let name = child.name.clone();
        match child.phase {
            Phase::Deleting | Phase::Lingering { .. } => {}
            Phase::Rekeyed | Phase::Rekeying | Phase::Installed | Phase::Installing(_) => {
                if let Some(new) = child.successor {
                    //= rfc7296#2.8: the delete of the old SA moves our outbound to the new one
                    if let Some(c) = self.children.get_mut(&new) {
                        c.activate(core, sa);
                    }
                    self.superseded(core, id, new);
                } else if !self.redundant_deleted(id) {
                    self.child_closed(core, id, Reason::PeerDeleted);
                    self.remove_child(core, id);
                    if let Some(policy) = self.policy_name() {
                        let policy = policy.to_owned();
                        core.effect(Effect::ChildLost {
                            policy,
                            child: name,
                        });
                    }
                    return;
                }
            }
        }
        self.retire(core, id);
    }

    /// The peer deletes what it made while both rekeyed: ours is the one that stays.
    fn redundant_deleted(&mut self, id: ChildId) -> bool {
        let Some(old) = self
            .children
            .values_mut()
            .find(|c| c.successor == Some(id) && matches!(c.phase, Phase::Rekeying))
        else {
            return false;
        };
        old.successor = None;
        if let Some(Inflight {
            exchange: Exchange::CreateChild(own),
            ..
        }) = &mut self.window.inflight
            && let Some(c) = &mut own.collision
            && c.successor == id
        {
            c.deleted = true;
        }
        if let Some(c) = self.children.get_mut(&id) {
            c.announced = false;
        }
        true
    }

    /// Gone for both ends. What was replaced goes on receiving for a while.
    pub(crate) fn retire(&mut self, core: &mut Core, id: ChildId) {
        let until = core.now.after(timer::LINGER);
        let Some(child) = self.children.get_mut(&id) else {
            return;
        };
        child.activate_at = None;
        if child.in_data_plane && !child.announced {
            child.phase = Phase::Lingering { until };
            core.effect(Effect::Rekeyed(Subject::Child(id), Ok(())));
        } else {
            self.remove_child(core, id);
        }
    }

    /// Out of the data plane and forgotten.
    pub(crate) fn remove_child(&mut self, core: &mut Core, id: ChildId) {
        let sa = self.id;
        if let Some(mut child) = self.children.remove(&id) {
            // Whoever still waits for its rekeying waits in vain.
            let gone = Err(Reason::Other("the child is gone".into()));
            core.effect(Effect::Rekeyed(Subject::Child(id), gone));
            child.remove(core, sa);
        }
    }

    /// A child the peer has and we do not want, or never used: it goes without having been here.
    pub(crate) fn delete_unused(&mut self, name: &str, spi_in: ChildSpi) {
        let protocol = self
            .policy
            .as_ref()
            .and_then(|p| p.children.iter().find(|c| c.name == name))
            .map_or(ProtocolId::ESP, |c| c.protocol);
        self.window.enqueue(Job::DeleteUnused(protocol, spi_in));
    }

    pub(crate) fn start_unused_delete(
        &mut self,
        core: &mut Core,
        protocol: ProtocolId,
        spi: ChildSpi,
    ) {
        self.send(
            core,
            ExchangeType::INFORMATIONAL,
            Exchange::DeleteUnused(spi),
            vec![Body::Delete(Delete::Child(protocol, vec![spi])).into()],
        );
    }

    /// Its lifetime is over: it goes, at the peer too.
    pub(crate) fn expire_child(&mut self, core: &mut Core, id: ChildId) {
        let sa = self.id;
        let Some(child) = self.children.get_mut(&id) else {
            return;
        };
        match (&child.phase, child.successor) {
            (Phase::Rekeyed, Some(new)) => {
                // The peer replaced it and forgot to delete it.
                if let Some(c) = self.children.get_mut(&new) {
                    c.activate(core, sa);
                }
                self.superseded(core, id, new);
                self.remove_child(core, id);
            }
            (Phase::Rekeyed, None) => self.remove_child(core, id),
            _ => self.close_child(core, id, Reason::Expired),
        }
    }

    /// We end a child, with a reason; its traffic stops at once.
    pub(crate) fn close_child(&mut self, core: &mut Core, id: ChildId, reason: Reason) {
        self.child_closed(core, id, reason);
        let sa = self.id;
        if let Some(child) = self.children.get_mut(&id) {
            child.phase = Phase::Deleting;
            child.remove(core, sa);
            self.window.enqueue(Job::DeleteChildren(vec![id]));
        }
    }

    pub(crate) fn child_timers(&mut self, core: &mut Core) {
        let now = core.now;
        let sa = self.id;
        let due: Vec<ChildId> = self
            .children
            .values()
            .filter(|c| c.deadline().is_some_and(|t| t <= now))
            .map(|c| c.id)
            .collect();
        for id in due {
            let Some(child) = self.children.get_mut(&id) else {
                continue;
            };
            if child.activate_at.is_some_and(|t| t <= now) {
                child.activate(core, sa);
            }
            match child.phase {
                Phase::Lingering { until } if until <= now => self.remove_child(core, id),
                Phase::Installed | Phase::Rekeying | Phase::Rekeyed
                    if child.expire_at.is_some_and(|t| t <= now) =>
                {
                    self.expire_child(core, id);
                }
                Phase::Installed if child.rekey_at.is_some_and(|t| t <= now) => {
                    child.rekey_at = None;
                    self.window.enqueue(Job::RekeyChild(id));
                }
                _ => {}
            }
        }
    }
}
