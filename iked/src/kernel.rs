//! The `kernel` process: the only one with CAP_NET_ADMIN after the start. It carries typed
//! requests out over netlink — XFRM SAs and policies, or the rules and routes that lead into the
//! userspace plane — and reads nothing that came from the network.
//!
//! It removes what it installed only when told so by the parent. If it, or anybody else, dies,
//! what blocks clear text stays.
use std::os::fd::AsFd;
use std::time::Duration;

use ike_kernel::route::{FlowOwner, Router};
use ike_kernel::xfrm::Xfrm;
use ike_kernel::{Block, DataPlane, Event, KernelError};
use rustix::event::PollFlags;

use crate::allowed::Allowed;
use crate::esp::replace_blocks;
use crate::event_loop::{PollSet, now, until};
use crate::ipc::{Ikev2ToKernel, KernelSetup, KernelToIkev2, KernelToParent, ParentToKernel};
use crate::log;
use crate::privsep::Role;
use crate::privsep::channel::{Channel, ChannelError};
use crate::privsep::spawn::{self, BOOT_TIMEOUT};
use crate::role::{Exit, RoleError, closed_parent_is};

/// How often moved counters are told.
const COUNTERS_EVERY: Duration = Duration::from_secs(1);
/// How often local addresses are looked at again.
const REFRESH_EVERY: Duration = Duration::from_secs(5);

enum Backend {
    Xfrm(Xfrm),
    Router(Router),
    None,
}

struct Kernel {
    parent: Channel<KernelToParent, ParentToKernel>,
    ikev2: Channel<KernelToIkev2, Ikev2ToKernel>,
    backend: Backend,
    allowed: Allowed,
    next_allowed: Allowed,
    blocks: Vec<Block>,
    next_blocks: Vec<Block>,
    swept: bool,
}

/// The process.
pub(crate) fn run() -> Result<Exit, RoleError> {
    let (mut parent, mut fds) = spawn::boot::<KernelToParent, ParentToKernel>(Role::Kernel)?;
    let ikev2 = fds.channel(Role::Ikev2)?;
    let setup = match parent.receive_within(BOOT_TIMEOUT) {
        Ok(Some((ParentToKernel::Setup(setup), _))) => setup,
        Ok(_) => return Err(ChannelError::Violation("no setup").into()),
        Err(e) => return closed_parent_is(e),
    };
    let backend = match open_backend(*setup) {
        Ok(backend) => {
            parent.send(&KernelToParent::SetUp(Ok(())))?;
            backend
        }
        Err(e) => {
            parent.send(&KernelToParent::SetUp(Err(e.to_string())))?;
            return Err(RoleError::Plane(e.to_string()));
        }
    };
    let mut kernel = Kernel {
        parent,
        ikev2,
        backend,
        allowed: Allowed::default(),
        next_allowed: Allowed::default(),
        blocks: Vec::new(),
        next_blocks: Vec::new(),
        swept: false,
    };
    let mut tick = now().after(COUNTERS_EVERY);
    let mut refresh = now().after(REFRESH_EVERY);
    loop {
        let mut poll = PollSet::new();
        let from_parent = poll.add(kernel.parent.as_fd(), kernel.parent.interest());
        let from_ikev2 = poll.add(kernel.ikev2.as_fd(), kernel.ikev2.interest());
        if let Backend::Xfrm(xfrm) = &kernel.backend {
            poll.add(xfrm.event_fd(), PollFlags::IN);
        }
        let ready = poll.wait(Some(until(Some(tick), COUNTERS_EVERY)))?;
        kernel.parent.flush()?;
        kernel.ikev2.flush()?;
        if ready.readable(from_ikev2) {
            kernel.on_ikev2()?;
        }
        if ready.readable(from_parent)
            && let Err(e) = kernel.on_parent()
        {
            return closed_parent_is(e);
        }
        let due = tick <= now();
        if due {
            tick = now().after(COUNTERS_EVERY);
        }
        kernel.tell_events(due)?;
        if refresh <= now() {
            refresh = now().after(REFRESH_EVERY);
            kernel.refresh();
        }
    }
}

fn open_backend(setup: KernelSetup) -> Result<Backend, KernelError> {
    match setup {
        KernelSetup::Xfrm(config) => Xfrm::open(config).map(Backend::Xfrm),
        KernelSetup::Userspace(config) => {
            let mut router = Router::open(config)?;
            router.attach()?;
            Ok(Backend::Router(router))
        }
        KernelSetup::None => Ok(Backend::None),
    }
}

impl Kernel {
    fn on_ikev2(&mut self) -> Result<(), ChannelError> {
        while let Some((message, _)) = self.ikev2.receive()? {
            let answer = match (message, &mut self.backend) {
                (Ikev2ToKernel::Child(id, request), Backend::Xfrm(xfrm)) => {
                    let allowed = self.allowed.check_request(&request);
                    KernelToIkev2::Done(id, allowed.and_then(|()| text(xfrm.handle(request))))
                }
                (
                    Ikev2ToKernel::Protect {
                        id,
                        child,
                        policy,
                        flows,
                    },
                    Backend::Router(router),
                ) => {
                    let allowed = self.allowed.check(&policy, &flows);
                    let owner = FlowOwner::Child(child);
                    let done = allowed.and_then(|()| text(router.protect(owner, &flows)));
                    KernelToIkev2::Done(id, done)
                }
                (Ikev2ToKernel::Release(id, child), Backend::Router(router)) => {
                    KernelToIkev2::Done(id, text(router.release(&FlowOwner::Child(child))))
                }
                (Ikev2ToKernel::Counters, Backend::Xfrm(xfrm)) => {
                    KernelToIkev2::Counters(xfrm.counters_moved(), Vec::new())
                }
                (Ikev2ToKernel::Counters, _) => KernelToIkev2::Counters(Vec::new(), Vec::new()),
                (
                    Ikev2ToKernel::Child(..)
                    | Ikev2ToKernel::Protect { .. }
                    | Ikev2ToKernel::Release(..),
                    _,
                ) => {
                    return Err(ChannelError::Violation("request for another data plane"));
                }
            };
            self.ikev2.send(&answer)?;
        }
        Ok(())
    }

    fn on_parent(&mut self) -> Result<(), ChannelError> {
        while let Some((message, _)) = self.parent.receive()? {
            match message {
                ParentToKernel::Setup(_) => return Err(ChannelError::Violation("second setup")),
                ParentToKernel::Allow { policy, flows } => {
                    self.next_allowed.insert(policy, flows);
                }
                ParentToKernel::Block(block) => self.next_blocks.push(block),
                ParentToKernel::Commit(generation) => {
                    let result = text(self.commit());
                    self.parent
                        .send(&KernelToParent::Committed(generation, result))?;
                }
                ParentToKernel::Log(level) => log::set_level(level),
                ParentToKernel::Remove => {
                    let result = match &mut self.backend {
                        Backend::Xfrm(xfrm) => xfrm.flush(),
                        Backend::Router(router) => router.flush(),
                        Backend::None => Ok(()),
                    };
                    self.parent.send(&KernelToParent::Removed(text(result)))?;
                }
            }
        }
        Ok(())
    }

    /// Blocks what the configuration wants blocked, then removes what an earlier run left.
    fn commit(&mut self) -> Result<(), KernelError> {
        self.allowed = std::mem::take(&mut self.next_allowed);
        let next = std::mem::take(&mut self.next_blocks);
        match &mut self.backend {
            Backend::Xfrm(xfrm) => replace_blocks(xfrm, &self.blocks, &next)?,
            Backend::Router(router) => {
                for block in &next {
                    if !self.blocks.contains(block) {
                        router.protect(owner(block), &block.flows)?;
                    }
                }
                for block in &self.blocks {
                    if !next.iter().any(|n| owner(n) == owner(block)) {
                        router.release(&owner(block))?;
                    }
                }
            }
            Backend::None => {}
        }
        self.blocks = next;
        if !self.swept {
            match &mut self.backend {
                Backend::Xfrm(xfrm) => xfrm.sweep()?,
                Backend::Router(router) => router.sweep()?,
                Backend::None => {}
            }
            self.swept = true;
        }
        Ok(())
    }

    fn tell_events(&mut self, with_counters: bool) -> Result<(), ChannelError> {
        let Backend::Xfrm(xfrm) = &mut self.backend else {
            return Ok(());
        };
        while let Some(event) = xfrm.poll_event() {
            self.ikev2.send(&KernelToIkev2::Event(event))?;
        }
        if with_counters {
            let moved = xfrm.counters_moved();
            if !moved.is_empty() {
                self.ikev2
                    .send(&KernelToIkev2::Event(Event::Counters(moved)))?;
            }
        }
        Ok(())
    }

    fn refresh(&mut self) {
        if let Backend::Router(router) = &mut self.backend
            && let Err(e) = router.refresh()
        {
            tracing::warn!("local addresses: {e}");
        }
    }
}

fn text(result: Result<(), KernelError>) -> Result<(), String> {
    result.map_err(|e| e.to_string())
}

fn owner(block: &Block) -> FlowOwner {
    FlowOwner::Block {
        policy: block.policy.clone(),
        child: block.child.clone(),
    }
}
