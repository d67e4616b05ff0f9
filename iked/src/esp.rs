//! The `esp` process: the userspace data plane (ESP over TUN) on descriptors it was given. It
//! holds child keys and nothing else: no privilege, no long-term secret, no IKE.
use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::Duration;

use ike_kernel::userspace::{Plane, PlaneConfig, Source};
use ike_kernel::{Block, DataPlane};
use rustix::event::PollFlags;

use crate::allowed::Allowed;
use crate::event_loop::{PollSet, Token, now, until};
use crate::ipc::{EspToIkev2, EspToParent, Ikev2ToEsp, ParentToEsp};
use crate::log;
use crate::privsep::Role;
use crate::privsep::channel::{Channel, ChannelError};
use crate::privsep::spawn::{self, BOOT_TIMEOUT, BootError, FdKind, Fds};
use crate::role::{Exit, RoleError, closed_parent_is};

/// How often moved counters are told.
const COUNTERS_EVERY: Duration = Duration::from_secs(1);

struct Esp {
    parent: Channel<EspToParent, ParentToEsp>,
    ikev2: Channel<EspToIkev2, Ikev2ToEsp>,
    plane: Plane,
    allowed: Allowed,
    next_allowed: Allowed,
    blocks: Vec<Block>,
    next_blocks: Vec<Block>,
}

/// The process.
pub(crate) fn run() -> Result<Exit, RoleError> {
    let (mut parent, mut fds) = spawn::boot::<EspToParent, ParentToEsp>(Role::Esp)?;
    let ikev2 = fds.channel(Role::Ikev2)?;
    let config = match parent.receive_within(BOOT_TIMEOUT) {
        Ok(Some((ParentToEsp::Setup(config), _))) => config,
        Ok(_) => return Err(ChannelError::Violation("no setup").into()),
        Err(e) => return closed_parent_is(e),
    };
    let plane = match open_plane(config, &mut fds) {
        Ok(plane) => {
            parent.send(&EspToParent::SetUp(Ok(())))?;
            plane
        }
        Err(e) => {
            parent.send(&EspToParent::SetUp(Err(e.to_string())))?;
            return Err(e);
        }
    };
    let mut esp = Esp {
        parent,
        ikev2,
        plane,
        allowed: Allowed::default(),
        next_allowed: Allowed::default(),
        blocks: Vec::new(),
        next_blocks: Vec::new(),
    };
    let mut counters_due = now().after(COUNTERS_EVERY);
    loop {
        let mut poll = PollSet::new();
        let from_parent = poll.add(esp.parent.as_fd(), esp.parent.interest());
        let from_ikev2 = poll.add(esp.ikev2.as_fd(), esp.ikev2.interest());
        let sources: Vec<(Source, Token)> = esp
            .plane
            .sources()
            .map(|(source, fd)| (source, poll.add(fd, PollFlags::IN)))
            .collect();
        let ready = poll.wait(Some(until(Some(counters_due), COUNTERS_EVERY)))?;
        for (source, token) in sources {
            if ready.readable(token) {
                esp.plane
                    .on_readable(source)
                    .map_err(|e| RoleError::Plane(e.to_string()))?;
            }
        }
        esp.parent.flush()?;
        esp.ikev2.flush()?;
        if ready.readable(from_ikev2) {
            esp.on_ikev2()?;
        }
        if ready.readable(from_parent)
            && let Err(e) = esp.on_parent()
        {
            return closed_parent_is(e);
        }
        while let Some(event) = esp.plane.poll_event() {
            esp.ikev2.send(&EspToIkev2::Event(event))?;
        }
        if counters_due <= now() {
            counters_due = now().after(COUNTERS_EVERY);
            let moved = esp.plane.counters_moved();
            if !moved.is_empty() {
                let event = ike_kernel::Event::Counters(moved);
                esp.ikev2.send(&EspToIkev2::Event(event))?;
            }
        }
    }
}

fn open_plane(config: PlaneConfig, fds: &mut Fds) -> Result<Plane, RoleError> {
    let tun = fds.take(FdKind::Tun).ok_or(BootError::Missing(Role::Esp))?;
    Plane::new(config, tun, fds.take_sockets()).map_err(|e| RoleError::Plane(e.to_string()))
}

impl Esp {
    fn on_ikev2(&mut self) -> Result<(), ChannelError> {
        while let Some((message, _)) = self.ikev2.receive()? {
            let answer = match message {
                Ikev2ToEsp::Child(id, request) => {
                    let allowed = self.allowed.check_request(&request);
                    let done = allowed
                        .and_then(|()| self.plane.handle(request).map_err(|e| e.to_string()));
                    EspToIkev2::Done(id, done)
                }
                Ikev2ToEsp::Counters => {
                    let drops = self.plane.drops().map(|(n, v)| (n.to_owned(), v)).collect();
                    EspToIkev2::Counters(self.plane.counters_moved(), drops)
                }
            };
            self.ikev2.send(&answer)?;
        }
        Ok(())
    }

    fn on_parent(&mut self) -> Result<(), ChannelError> {
        while let Some((message, _)) = self.parent.receive()? {
            match message {
                ParentToEsp::Setup(_) => return Err(ChannelError::Violation("second setup")),
                ParentToEsp::Allow { policy, flows } => self.next_allowed.insert(policy, flows),
                ParentToEsp::Block(block) => self.next_blocks.push(block),
                ParentToEsp::Commit(generation) => {
                    self.allowed = std::mem::take(&mut self.next_allowed);
                    let next = std::mem::take(&mut self.next_blocks);
                    let result = replace_blocks(&mut self.plane, &self.blocks, &next);
                    self.blocks = next;
                    let result = result.map_err(|e| e.to_string());
                    self.parent
                        .send(&EspToParent::Committed(generation, result))?;
                }
                ParentToEsp::Log(level) => log::set_level(level),
            }
        }
        Ok(())
    }
}

/// Makes the blocks of a plane those of `next`: all new ones before the first old one goes, so that
/// there is no gap, not even for flows that another policy or child protects from now on.
pub(crate) fn replace_blocks(
    plane: &mut dyn DataPlane,
    old: &[Block],
    next: &[Block],
) -> Result<(), ike_kernel::KernelError> {
    for block in next.iter().filter(|block| !old.contains(block)) {
        plane.block(block.clone())?;
    }
    let mut vanished = BTreeSet::new();
    for block in old {
        let mut stay = next.iter().filter(|b| b.policy == block.policy).peekable();
        if stay.peek().is_none() {
            vanished.insert(block.policy.as_str());
        } else if !stay.any(|b| b.child == block.child) {
            plane.block(Block {
                flows: Vec::new(),
                ..block.clone()
            })?;
        }
    }
    for policy in vanished {
        plane.unblock(policy)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ike_kernel::Mock;

    fn block(policy: &str, child: &str) -> Block {
        let host = |last| ike_ts::AddrRange::host([10, 0, 0, last].into());
        let any = |last| ike_ts::TrafficSelector::any_protocol(host(last));
        Block {
            policy: policy.into(),
            child: child.into(),
            flows: vec![(any(1), any(2))],
        }
    }

    #[test]
    fn a_reload_touches_only_the_blocks_that_changed() {
        let mut plane = Mock::new();
        let old = [
            block("a", "a"),
            block("b", "b"),
            block("c", "c1"),
            block("c", "c2"),
        ];
        replace_blocks(&mut plane, &[], &old).unwrap();
        let next = [block("a", "a"), block("c", "c1"), block("d", "d")];
        let before = plane.log().len();
        replace_blocks(&mut plane, &old, &next).unwrap();
        assert_eq!(plane.blocks().len(), 3);
        assert!(
            !plane.log()[before..]
                .iter()
                .any(|l| l == "unblock a" || l == "block a a")
        );
        for wanted in &next {
            assert!(plane.blocks().contains(wanted));
        }
        // What stays or comes is in force before anything goes.
        let log = &plane.log()[before..];
        assert_eq!(log, ["block d d", "block c c2", "unblock b"]);
    }
}
