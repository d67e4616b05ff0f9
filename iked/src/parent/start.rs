//! From a command line to five running processes.
use std::collections::BTreeMap;

use ike_kernel::PlaneKind;
use ike_kernel::userspace::PlaneConfig;
use ike_kernel::xfrm::XfrmConfig;
use rustix::thread::CapabilitySet;

use super::children::{Children, Plan};
use super::commit::{self, CommitError};
use super::{Parent, REQUEST_TIMEOUT, Signals, StartError, open};
use crate::cli::Cli;
use crate::ipc::{
    EspToParent, Generation, Ikev2Setup, KernelSetup, KernelToParent, ParentToControl, ParentToEsp,
    ParentToIkev2, ParentToKernel, plane_name,
};
use crate::privsep::channel::Channel;
use crate::privsep::spawn::FdKind;
use crate::privsep::{Role, sandbox};
use crate::{load, log};

/// Everything up to the point where the daemon is ready.
pub(super) fn start(
    cli: Cli,
    target: log::Target,
    level: log::Level,
) -> Result<Parent, StartError> {
    let loaded = load::load(&cli).map_err(|d| StartError::Config(d.render(false)))?;
    if !loaded.warnings.is_empty() {
        tracing::warn!("{}", loaded.warnings.render(false).trim_end());
    }
    if !rustix::process::geteuid().is_root() {
        return Err(StartError::NotRoot);
    }
    sandbox::no_core_dumps()?;
    let signals = Signals::new()?;
    let choice = open::choose_plane(&loaded.daemon)?;
    let plane = choice.plane;
    tracing::info!("data plane {} ({})", plane_name(plane), choice.note);
    let keylog = cli.keylog.as_deref().map(open::keylog).transpose()?;

    let ids = open::ids();
    // Before everything else of which there can be only one: a second daemon is told so.
    let listener = open::control_socket(&cli.socket, ids)?;
    let empty = open::empty_root(&cli.state)?;
    let etc = if cli.etc.is_dir() {
        cli.etc.clone()
    } else {
        tracing::debug!("{} is not there", cli.etc.display());
        empty.clone()
    };
    let mut plan = Plan {
        fds: BTreeMap::new(),
        ids,
        empty,
        etc,
        log: target,
        level,
    };
    let kernel_setup = hand_out(
        &cli,
        &mut plan,
        plane,
        !loaded.policies.settings.no_nat_traversal,
    )?;
    plan.give(Role::Control, FdKind::Listener, listener.fd);

    let mut children = Children::default();
    let (ca, kernel, esp, ikev2, control) = boot(&mut plan, plane, &mut children)?;
    // The children have another user: without this a stuck one could not be killed.
    sandbox::limit_parent(CapabilitySet::KILL)?;

    let mut parent = Parent {
        cli,
        children,
        ca,
        kernel,
        esp,
        ikev2,
        control,
        socket_file: listener.file,
        keylog,
        generation: Generation::default(),
        policies: Vec::new(),
        daemon: loaded.daemon.clone(),
        plane,
        signals,
    };
    let setup = Ikev2Setup {
        plane,
        plane_configured: choice.configured.to_owned(),
        plane_note: choice.note,
        keylog: parent.keylog.is_some(),
    };
    parent.set_up(kernel_setup, setup, listener.admit_group)?;
    parent.commit(loaded)?;
    Ok(parent)
}

/// Opens sockets and the TUN device and gives each descriptor to its process.
fn hand_out(
    cli: &Cli,
    plan: &mut Plan,
    plane: PlaneKind,
    nat_traversal: bool,
) -> Result<KernelSetup, StartError> {
    for (role, fd) in open::sockets(plane, nat_traversal)? {
        let to = if role.is_ike() {
            Role::Ikev2
        } else {
            Role::Esp
        };
        plan.give(to, FdKind::Socket(role), fd);
    }
    plan.connect(Role::Ikev2, Role::Ca)?;
    plan.connect(Role::Ikev2, Role::Kernel)?;
    plan.connect(Role::Ikev2, Role::Control)?;
    Ok(match plane {
        PlaneKind::Userspace => {
            plan.connect(Role::Ikev2, Role::Esp)?;
            let (tun, router) = open::tun(cli.tun.as_deref())?;
            tracing::debug!("TUN device {}", tun.name());
            plan.give(Role::Esp, FdKind::Tun, tun.into_fd());
            KernelSetup::Userspace(router)
        }
        PlaneKind::Xfrm => KernelSetup::Xfrm(XfrmConfig::default()),
        PlaneKind::None => KernelSetup::None,
    })
}

type Channels = (
    Channel<crate::ipc::ParentToCa, crate::ipc::CaToParent>,
    Channel<ParentToKernel, KernelToParent>,
    Option<Channel<ParentToEsp, EspToParent>>,
    Channel<ParentToIkev2, crate::ipc::Ikev2ToParent>,
    Channel<ParentToControl, crate::ipc::ControlToParent>,
);

fn boot(
    plan: &mut Plan,
    plane: PlaneKind,
    children: &mut Children,
) -> Result<Channels, StartError> {
    let ca = plan.run(Role::Ca, children)?;
    let kernel = plan.run(Role::Kernel, children)?;
    let esp = match plane {
        PlaneKind::Userspace => Some(plan.run(Role::Esp, children)?),
        PlaneKind::Xfrm | PlaneKind::None => None,
    };
    let ikev2 = plan.run(Role::Ikev2, children)?;
    let control = plan.run(Role::Control, children)?;
    Ok((ca, kernel, esp, ikev2, control))
}

impl Parent {
    /// Tells every process what it works with; the data plane is there when this returns.
    fn set_up(
        &mut self,
        kernel: KernelSetup,
        ikev2: Ikev2Setup,
        admit_group: bool,
    ) -> Result<(), CommitError> {
        // The device must have a reader before routes lead into it.
        if let Some(esp) = &mut self.esp {
            let mut config = PlaneConfig::default();
            if let KernelSetup::Userspace(router) = &kernel {
                config.tun_mtu = router.mtu;
            }
            esp.send(&ParentToEsp::Setup(config))?;
            commit::wait(esp, REQUEST_TIMEOUT, |message| match message {
                EspToParent::SetUp(result) => Some(result),
                EspToParent::Committed(..) => None,
            })?
            .map_err(CommitError::SetUp)?;
        }
        self.kernel.send(&ParentToKernel::Setup(Box::new(kernel)))?;
        commit::wait(&mut self.kernel, REQUEST_TIMEOUT, |message| match message {
            KernelToParent::SetUp(result) => Some(result),
            _ => None,
        })?
        .map_err(CommitError::SetUp)?;
        self.ikev2.send(&ParentToIkev2::Setup(Box::new(ikev2)))?;
        self.control.send(&ParentToControl::Setup { admit_group })?;
        Ok(())
    }
}
