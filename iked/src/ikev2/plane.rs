//! The engine's requests to the data plane, translated for the process that carries them out.
//! With the userspace plane an installation is two steps in two processes: esp gets the SA, then
//! kernel leads the flows into the TUN device; the engine sees one answer.
use std::collections::BTreeMap;

use ike_kernel::{ChildRequest, ChildSa, Event, Flow, Packet, PlaneKind};
use ike_sa::{
    Answer, ChildId, ChildSaSpec, Command, Counters, KernelEvent, Mode, Outbound, Request,
    RequestId,
};
use ike_ts::{AddrRange, PortRange, TrafficSelector};

use super::{Asker, Driver};
use crate::event_loop::now;
use crate::ipc::{EspToIkev2, Ikev2ToEsp, Ikev2ToKernel, KernelToIkev2};
use crate::role::RoleError;

/// What waits for an answer, by the number the data plane knows it under.
#[derive(Debug, Default)]
pub(super) struct Operations {
    next: u64,
    waiting: BTreeMap<RequestId, Step>,
    /// Policy of each child, for events that name only the child.
    policies: BTreeMap<u64, String>,
}

#[derive(Debug)]
enum Step {
    /// The answer is the engine's.
    Last(RequestId),
    /// esp has the SA once this is answered; then the flows.
    Installing {
        request: RequestId,
        child: u64,
        policy: String,
        flows: Vec<Flow>,
    },
    /// The flows lead into the TUN device once this is answered; if not, the SA goes again.
    Routing { request: RequestId, child: u64 },
    /// The flows are released once this is answered; then the SA goes.
    Releasing {
        request: Option<RequestId>,
        child: u64,
    },
    /// Cleaning up: nobody waits.
    Forget,
}

impl Operations {
    fn begin(&mut self, step: Step) -> RequestId {
        self.next = self.next.wrapping_add(1);
        let id = RequestId(self.next);
        self.waiting.insert(id, step);
        id
    }
}

impl Driver {
    pub(super) fn plane_request(
        &mut self,
        id: RequestId,
        request: Request,
    ) -> Result<(), RoleError> {
        if !self.has_plane() {
            self.endpoint.answer(now(), id, Answer::DataPlane(Ok(())));
            return Ok(());
        }
        match request {
            Request::InstallChild(spec) => self.install(id, *spec),
            Request::ActivateOutbound(child) => {
                self.ask_plane(Step::Last(id), ChildRequest::ActivateOutbound(child.0))
            }
            Request::UpdateChild {
                child,
                path,
                udp_encap,
            } => {
                let request = ChildRequest::Update {
                    id: child.0,
                    local: path.local,
                    peer: path.peer,
                    udp_encap,
                };
                self.ask_plane(Step::Last(id), request)
            }
            Request::RemoveChild(child) => self.remove(Some(id), child.0),
            _ => Ok(()),
        }
    }

    fn install(&mut self, request: RequestId, spec: ChildSaSpec) -> Result<(), RoleError> {
        let child = spec.id.0;
        self.operations.policies.insert(child, spec.policy.clone());
        let step = match self.setup.plane {
            PlaneKind::Userspace => Step::Installing {
                request,
                child,
                policy: spec.policy.clone(),
                flows: spec.flows.clone(),
            },
            PlaneKind::Xfrm | PlaneKind::None => Step::Last(request),
        };
        self.ask_plane(step, ChildRequest::Install(Box::new(translate(spec))))
    }

    fn remove(&mut self, request: Option<RequestId>, child: u64) -> Result<(), RoleError> {
        self.operations.policies.remove(&child);
        match self.setup.plane {
            // Flows first: else packets would meet a plane that does not know them.
            PlaneKind::Userspace => {
                let step = Step::Releasing { request, child };
                let id = self.operations.begin(step);
                Ok(self.kernel.send(&Ikev2ToKernel::Release(id, child))?)
            }
            PlaneKind::Xfrm | PlaneKind::None => {
                let last = request.map_or(Step::Forget, Step::Last);
                self.ask_plane(last, ChildRequest::Remove(child))
            }
        }
    }

    /// Takes everything out of the data plane while the SAs go on (`set decouple`).
    pub(super) fn decouple(&mut self) -> Result<(), RoleError> {
        let installed: Vec<u64> = self.operations.policies.keys().copied().collect();
        for child in installed {
            self.remove(None, child)?;
        }
        Ok(())
    }

    /// Asks the process that has the SAs.
    fn ask_plane(&mut self, step: Step, request: ChildRequest) -> Result<(), RoleError> {
        let id = self.operations.begin(step);
        match &mut self.esp {
            Some(esp) => esp.send(&Ikev2ToEsp::Child(id, request))?,
            None => self.kernel.send(&Ikev2ToKernel::Child(id, request))?,
        }
        Ok(())
    }

    fn plane_done(&mut self, id: RequestId, result: Result<(), String>) -> Result<(), RoleError> {
        let (request, result) = match (self.operations.waiting.remove(&id), result) {
            (None | Some(Step::Forget), _) => return Ok(()),
            (
                Some(Step::Installing {
                    request,
                    child,
                    policy,
                    flows,
                }),
                Ok(()),
            ) => {
                let id = self.operations.begin(Step::Routing { request, child });
                return Ok(self.kernel.send(&Ikev2ToKernel::Protect {
                    id,
                    child,
                    policy,
                    flows,
                })?);
            }
            (Some(Step::Routing { request, child }), Err(e)) => {
                self.ask_plane(Step::Forget, ChildRequest::Remove(child))?;
                (request, Err(e))
            }
            (Some(Step::Releasing { request, child }), result) => {
                if let Err(e) = result {
                    tracing::warn!("routes of a removed child: {e}");
                }
                let last = request.map_or(Step::Forget, Step::Last);
                return self.ask_plane(last, ChildRequest::Remove(child));
            }
            (Some(Step::Last(request) | Step::Routing { request, .. }), result)
            | (Some(Step::Installing { request, .. }), result @ Err(_)) => (request, result),
        };
        self.endpoint
            .answer(now(), request, Answer::DataPlane(result));
        self.drain()
    }

    pub(super) fn on_kernel(&mut self, message: KernelToIkev2) -> Result<(), RoleError> {
        match message {
            KernelToIkev2::Done(id, result) => self.plane_done(id, result),
            KernelToIkev2::Event(event) => self.plane_event(event),
            KernelToIkev2::Counters(moved, stats) => self.counters("kernel", moved, stats),
        }
    }

    pub(super) fn on_esp(&mut self, message: EspToIkev2) -> Result<(), RoleError> {
        match message {
            EspToIkev2::Done(id, result) => self.plane_done(id, result),
            EspToIkev2::Event(event) => self.plane_event(event),
            EspToIkev2::Counters(moved, stats) => self.counters("esp", moved, stats),
        }
    }

    fn counters(
        &mut self,
        section: &'static str,
        moved: Vec<(u64, ike_kernel::Counters)>,
        stats: Vec<(String, u64)>,
    ) -> Result<(), RoleError> {
        if !moved.is_empty() {
            self.plane_event(Event::Counters(moved))?;
        }
        self.fresh_counters(section, stats)
    }

    fn plane_event(&mut self, event: Event) -> Result<(), RoleError> {
        let event = match event {
            Event::Acquire {
                policy,
                child,
                packet,
            } => KernelEvent::Acquire {
                policy,
                child,
                packet: packet.map(selectors),
            },
            Event::MappingChanged { id, peer } => KernelEvent::MappingChanged {
                child: ChildId(id),
                peer,
            },
            Event::Counters(moved) => KernelEvent::Counters(
                moved
                    .into_iter()
                    .map(|(id, c)| (ChildId(id), translate_counters(c)))
                    .collect(),
            ),
            Event::Expired { id, hard } => {
                if let Some(policy) = self.operations.policies.get(&id).cloned() {
                    tracing::debug!(policy, hard, "the data plane wants new keys");
                    return self.command(Command::RekeyChild(policy), Asker::Nobody);
                }
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.endpoint.kernel_event(now(), event);
        self.drain()
    }
}

fn translate(spec: ChildSaSpec) -> ChildSa {
    ChildSa {
        id: spec.id.0,
        policy: spec.policy,
        child: spec.child,
        suite: spec.suite,
        mode: match spec.mode {
            Mode::Tunnel => ike_kernel::Mode::Tunnel,
            Mode::Transport => ike_kernel::Mode::Transport,
        },
        spi_in: spec.spi_in,
        spi_out: spec.spi_out,
        keys_in: spec.keys_in,
        keys_out: spec.keys_out,
        local: spec.path.local,
        peer: spec.path.peer,
        udp_encap: spec.udp_encap,
        flows: spec.flows,
        replaces: spec.replaces.map(|id| id.0),
        outbound: match spec.outbound {
            Outbound::Now => ike_kernel::Outbound::Now,
            Outbound::Deferred => ike_kernel::Outbound::Deferred,
        },
    }
}

fn translate_counters(c: ike_kernel::Counters) -> Counters {
    Counters {
        bytes_in: c.bytes_in,
        bytes_out: c.bytes_out,
        packets_in: c.packets_in,
        packets_out: c.packets_out,
    }
}

/// The packet as a pair of selectors: source and destination.
fn selectors(packet: Packet) -> (TrafficSelector, TrafficSelector) {
    let one = |addr, port| TrafficSelector {
        protocol: packet.protocol,
        ports: PortRange::single(port),
        addrs: AddrRange::host(addr),
    };
    (
        one(packet.src, packet.src_port),
        one(packet.dst, packet.dst_port),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_becomes_single_selectors() {
        let packet = Packet {
            src: "10.1.0.1".parse().unwrap(),
            dst: "10.2.0.1".parse().unwrap(),
            protocol: 6,
            src_port: 40_000,
            dst_port: 443,
        };
        let (src, dst) = selectors(packet);
        assert_eq!(src.addrs.start(), packet.src);
        assert_eq!(dst.addrs.end(), packet.dst);
        assert_eq!(dst.protocol, 6);
    }
}
