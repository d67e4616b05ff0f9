//! A child SA (RFC 7296 §1.3, §2.17): what was negotiated, where it is in its life, its keys on
//! their way to the data plane. Refuses to keep keys after that.
use crate::natd::Nat;
use crate::negotiate::ChosenChild;
use crate::shared::{Core, Wait};
use crate::*;
use core::time::Duration;
use ike_crypto::{ChildSuite, Prf, Secret, schedule::ChildKeys};
use ike_ts::TrafficSelector;
use ike_wire::{ChildSpi, KeMethod, Payload};

/// What happens once the data plane has a child.
#[derive(Debug)]
pub(crate) enum After {
    /// We asked for it: it replaces this one, which is then deleted.
    Own(Option<ChildId>),
    /// The peer asked: these payloads answer.
    Answer {
        payloads: Vec<Payload<'static>>,
        replaces: Option<ChildId>,
    },
}

/// Where a child is in its life.
#[derive(Debug)]
pub(crate) enum Phase {
    /// The data plane is busy with it.
    Installing(Box<After>),
    /// In use.
    Installed,
    /// In use, our CREATE_CHILD_SA to replace it is under way.
    Rekeying,
    /// The peer replaced it and will delete it.
    Rekeyed,
    /// Our delete is queued or under way.
    Deleting,
    /// Gone for both ends; still receives what was under way.
    Lingering { until: Instant },
}

/// A child SA.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) id: ChildId,
    pub(crate) name: String,
    pub(crate) suite: ChildSuite,
    pub(crate) mode: Mode,
    pub(crate) spi_in: ChildSpi,
    pub(crate) spi_out: ChildSpi,
    pub(crate) ke: Option<KeMethod>,
    pub(crate) ts_local: Vec<TrafficSelector>,
    pub(crate) ts_peer: Vec<TrafficSelector>,
    pub(crate) udp_encap: bool,
    /// Outer addresses as the data plane knows them.
    pub(crate) path: Path,
    pub(crate) phase: Phase,
    /// The child of the peer's making that replaces this one.
    pub(crate) successor: Option<ChildId>,
    /// When outbound starts at the latest, if it does not yet.
    pub(crate) activate_at: Option<Instant>,
    /// When we asked for the first of the line of children that replace each other.
    pub(crate) asked: Option<Instant>,
    /// Whether it was announced: it then also gets a closing event.
    pub(crate) announced: bool,
    /// Whether the data plane has it.
    pub(crate) in_data_plane: bool,
    pub(crate) counters: Counters,
    pub(crate) rekey_at: Option<Instant>,
    pub(crate) expire_at: Option<Instant>,
    pub(crate) soft_bytes: Option<u64>,
    pub(crate) hard_bytes: Option<u64>,
}

/// Everything needed to make a child.
#[derive(Debug)]
pub(crate) struct Recipe<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) child: &'a ChildPolicy,
    pub(crate) chosen: &'a ChosenChild,
    pub(crate) mode: Mode,
    pub(crate) spi_in: ChildSpi,
    /// Flows after narrowing.
    pub(crate) flows: Vec<(TrafficSelector, TrafficSelector)>,
    pub(crate) ts_local: Vec<TrafficSelector>,
    pub(crate) ts_peer: Vec<TrafficSelector>,
    /// Whether we began the exchange that makes it.
    pub(crate) initiator: bool,
    pub(crate) prf: Prf,
    pub(crate) sk_d: &'a Secret,
    pub(crate) shared: Option<&'a Secret>,
    pub(crate) nonce_i: &'a [u8],
    pub(crate) nonce_r: &'a [u8],
    pub(crate) path: Path,
    pub(crate) nat: Nat,
    pub(crate) after: After,
}

impl Child {
    /// Derives keys and hands the child to the data plane.
    pub(crate) fn install(
        core: &mut Core,
        sa: IkeSaId,
        recipe: Recipe<'_>,
    ) -> Result<Self, Reason> {
        let r = recipe;
        //= rfc7296#2.17: KEYMAT = prf+(SK_d, [g^ir] | Ni | Nr), initiator's direction first
        let keys = ChildKeys::derive(
            r.prf,
            r.sk_d,
            r.chosen.suite.cipher,
            r.shared,
            r.nonce_i,
            r.nonce_r,
            &[],
        )
        .map_err(|e| Reason::Other(format!("child keys: {e}")))?;
        let i2r = (keys.encr_i, keys.integ_i);
        let r2i = (keys.encr_r, keys.integ_r);
        let (keys_out, keys_in) = if r.initiator { (i2r, r2i) } else { (r2i, i2r) };
        let id = core.child_id();
        let (replaces, outbound) = match &r.after {
            After::Own(replaces) => (*replaces, Outbound::Now),
            //= rfc7296#2.8: the responder of a rekey goes on sending on the old SA
            After::Answer {
                replaces: Some(old),
                ..
            } => (Some(*old), Outbound::Deferred),
            After::Answer { replaces: None, .. } => (None, Outbound::Now),
        };
        let lifetime = r.child.lifetime_s;
        let bytes = r.child.lifetime_bytes;
        let soft = Duration::from_millis(core.soft(lifetime.saturating_mul(1000)));
        let hard = Duration::from_secs(lifetime.saturating_add(lifetime / 10))
            .max(soft.saturating_add(timer::HARD_SLACK));
        let udp_encap = r.nat.encap();
        let asked = matches!(r.after, After::Own(None)).then_some(core.now);
        let child = Self {
            asked,
            id,
            name: r.child.name.clone(),
            suite: r.chosen.suite,
            mode: r.mode,
            spi_in: r.spi_in,
            spi_out: r.chosen.spi,
            ke: r.chosen.ke,
            ts_local: r.ts_local,
            ts_peer: r.ts_peer,
            udp_encap,
            path: r.path,
            phase: Phase::Installing(Box::new(r.after)),
            successor: None,
            activate_at: (outbound == Outbound::Deferred).then(|| core.now.after(timer::ACTIVATE)),
            announced: false,
            in_data_plane: true,
            counters: Counters::default(),
            rekey_at: (lifetime > 0).then(|| core.now.after(soft)),
            expire_at: (lifetime > 0).then(|| core.now.after(hard)),
            soft_bytes: (bytes > 0).then(|| core.soft(bytes)),
            hard_bytes: (bytes > 0).then(|| bytes.saturating_add(bytes / 4)),
        };
        core.request(
            sa,
            Wait::Install(id),
            Request::InstallChild(Box::new(ChildSaSpec {
                id,
                policy: r.policy.name.clone(),
                child: r.child.name.clone(),
                suite: r.chosen.suite,
                mode: r.mode,
                spi_in: r.spi_in,
                spi_out: r.chosen.spi,
                keys_in,
                keys_out,
                path: r.path,
                udp_encap,
                flows: r.flows,
                replaces,
                outbound,
            })),
        );
        Ok(child)
    }

    /// Takes it out of the data plane.
    pub(crate) fn remove(&mut self, core: &mut Core, sa: IkeSaId) {
        if self.in_data_plane {
            self.in_data_plane = false;
            core.request(sa, Wait::Ignored, Request::RemoveChild(self.id));
        }
        core.child_spis.remove(&self.spi_in);
    }

    /// Lets outbound start, if it has not.
    pub(crate) fn activate(&mut self, core: &mut Core, sa: IkeSaId) {
        if self.activate_at.take().is_some() && self.in_data_plane {
            core.request(sa, Wait::Ignored, Request::ActivateOutbound(self.id));
        }
    }

    /// Tells the data plane new outer addresses; while it is still installing, that is left to
    /// the end of it.
    pub(crate) fn follow(&mut self, core: &mut Core, sa: IkeSaId, path: Path) {
        if self.in_data_plane && self.path != path && !matches!(self.phase, Phase::Installing(_)) {
            self.path = path;
            let request = Request::UpdateChild {
                child: self.id,
                path,
                udp_encap: self.udp_encap,
            };
            core.request(sa, Wait::Ignored, request);
        }
    }

    /// Whether it carries traffic, or will.
    pub(crate) fn alive(&self) -> bool {
        match self.phase {
            Phase::Installing(_) | Phase::Installed | Phase::Rekeying => true,
            Phase::Rekeyed | Phase::Deleting | Phase::Lingering { .. } => false,
        }
    }

    /// The next point in time that matters.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let own = match &self.phase {
            Phase::Installed => [self.rekey_at, self.expire_at],
            Phase::Rekeying | Phase::Rekeyed => [None, self.expire_at],
            Phase::Lingering { until } => [Some(*until), None],
            Phase::Installing(_) | Phase::Deleting => [None, None],
        };
        own.into_iter().chain([self.activate_at]).flatten().min()
    }

    pub(crate) fn snapshot(&self, now: Instant) -> ChildSaSnapshot {
        let state = match self.phase {
            Phase::Installing(_) => "INSTALLING",
            Phase::Installed => "INSTALLED",
            Phase::Rekeying => "REKEYING",
            Phase::Rekeyed => "REKEYED",
            Phase::Deleting => "DELETING",
            Phase::Lingering { .. } => "DELETED",
        };
        ChildSaSnapshot {
            name: self.name.clone(),
            state: state.into(),
            mode: self.mode,
            udp_encap: self.udp_encap,
            spi_in: self.spi_in,
            spi_out: self.spi_out,
            suite: self.suite,
            ke: self.ke,
            ts_local: self.ts_local.clone(),
            ts_peer: self.ts_peer.clone(),
            counters: self.counters,
            rekey_in_s: match self.phase {
                Phase::Installed => self.rekey_at.map(|t| t.since(now).as_secs()),
                _ => None,
            },
        }
    }
}

/// The flows of a child cut to what was negotiated; none if the peer cut them into more pieces
/// than anybody needs, because each costs in the data plane.
pub(crate) fn cut(
    flows: &[(TrafficSelector, TrafficSelector)],
    local: &[TrafficSelector],
    peer: &[TrafficSelector],
) -> Vec<(TrafficSelector, TrafficSelector)> {
    let most = flows.len().saturating_mul(4).max(MAX_PIECES);
    let mut out = Vec::new();
    for (l, p) in flows {
        for l in local.iter().filter_map(|n| l.intersect(n)) {
            for p in peer.iter().filter_map(|n| p.intersect(n)) {
                if out.contains(&(l, p)) {
                    continue;
                }
                if out.len() >= most {
                    return Vec::new();
                }
                out.push((l, p));
            }
        }
    }
    out
}

/// Pieces a peer may cut flows into, however few there are.
const MAX_PIECES: usize = 512;

/// The two columns of a list of flows, without repetitions.
pub(crate) fn columns(
    flows: &[(TrafficSelector, TrafficSelector)],
) -> (Vec<TrafficSelector>, Vec<TrafficSelector>) {
    let (mut local, mut peer) = (Vec::new(), Vec::new());
    for (l, p) in flows {
        if !local.contains(l) {
            local.push(*l);
        }
        if !peer.contains(p) {
            peer.push(*p);
        }
    }
    (local, peer)
}
