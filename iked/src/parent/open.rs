//! What only root can open: sockets, the TUN device, the control socket, the key log; and what the
//! parent decides before it makes the other processes: data plane, ids, root directories.
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use ike_kernel::route::RouterConfig;
use ike_kernel::socket::{self, SocketConfig, SocketRole};
use ike_kernel::tun::Tun;
use ike_kernel::{PlaneKind, probe};
use nix::unistd::{Group, User};
use rustix::fs::Mode;

use super::StartError;
use crate::config::{DaemonSettings, Dataplane};
use crate::privsep::sandbox::{FALLBACK_ID, Ids, can_switch_to};

/// Name of the unprivileged user and of the group that may use the control socket.
const USER: &str = "_iked";
/// Most TUN devices tried for a free name.
const MAX_TUN: u32 = 64;

/// A chosen data plane and why.
pub(super) struct PlaneChoice {
    pub(super) plane: PlaneKind,
    pub(super) configured: &'static str,
    pub(super) note: String,
}

/// Chooses the data plane; `auto` tries what the kernel can really do.
pub(super) fn choose_plane(settings: &DaemonSettings) -> Result<PlaneChoice, StartError> {
    let choice = |plane, configured, note: &str| PlaneChoice {
        plane,
        configured,
        note: note.to_owned(),
    };
    if settings.decouple {
        return Ok(choice(PlaneKind::None, "none", "set decouple"));
    }
    Ok(match settings.dataplane {
        Dataplane::None => choice(PlaneKind::None, "none", "as configured"),
        Dataplane::Userspace => choice(PlaneKind::Userspace, "userspace", "as configured"),
        Dataplane::Xfrm => {
            probe::kernel_esp().map_err(|e| StartError::NoKernelEsp(e.to_string()))?;
            choice(PlaneKind::Xfrm, "xfrm", "as configured")
        }
        Dataplane::Auto => match probe::kernel_esp() {
            Ok(()) => choice(PlaneKind::Xfrm, "auto", "the kernel has ESP"),
            Err(e) => {
                // The whole story is for the log; `ikectl show sa` has one line.
                tracing::info!("no kernel ESP: {e}");
                choice(PlaneKind::Userspace, "auto", "the kernel has no ESP")
            }
        },
    })
}

/// The sockets of IKE and ESP.
pub(super) fn sockets(
    plane: PlaneKind,
    nat_traversal: bool,
) -> Result<Vec<(SocketRole, OwnedFd)>, StartError> {
    let config = SocketConfig {
        plane,
        natt_port: nat_traversal.then_some(4500),
        ..SocketConfig::default()
    };
    Ok(socket::open(&config)?)
}

/// A TUN device of the wanted name, or of the first free one, and where its routes go.
pub(super) fn tun(wanted: Option<&str>) -> Result<(Tun, RouterConfig), StartError> {
    if let Some(name) = wanted {
        let digits = name.trim_start_matches(|c: char| !c.is_ascii_digit());
        let number = digits.parse().unwrap_or(0).min(MAX_TUN);
        return Ok((Tun::open(name)?, router(name, number)));
    }
    let mut last = None;
    for number in 0..MAX_TUN {
        let name = format!("iked{number}");
        if nix::net::if_::if_nametoindex(name.as_str()).is_ok() {
            continue;
        }
        match Tun::open(&name) {
            Ok(tun) => return Ok((tun, router(&name, number))),
            // Somebody was faster.
            Err(e) if e.errno == Some(nix::errno::Errno::EBUSY as i32) => last = Some(e),
            Err(e) => return Err(e.into()),
        }
    }
    Err(last.map_or(StartError::NoTunName, StartError::from))
}

/// Daemons with different devices in one network namespace keep to different tables and rules.
fn router(name: &str, number: u32) -> RouterConfig {
    let default = RouterConfig::default();
    RouterConfig {
        tun: name.to_owned(),
        table: default.table.saturating_add(number),
        priority: default.priority.saturating_add(number.saturating_mul(10)),
        ..default
    }
}

/// The ids of our processes, said once when they are not those of `_iked`.
pub(super) fn ids() -> Ids {
    let user = User::from_name(USER).ok().flatten();
    let (uid, gid) = user.as_ref().map_or((FALLBACK_ID, FALLBACK_ID), |user| {
        (user.uid.as_raw(), user.gid.as_raw())
    });
    if !can_switch_to(uid, gid) {
        tracing::warn!(
            "this user namespace cannot change ids: the processes drop all capabilities and keep the user"
        );
        return Ids::Keep;
    }
    if user.is_none() {
        tracing::warn!("there is no user {USER}: the processes run as user {uid}");
    }
    Ids::Switch { uid, gid }
}

/// An empty directory nobody can write to: /var/empty if it is one, else our own.
pub(super) fn empty_root(state: &Path) -> Result<PathBuf, StartError> {
    let usual = Path::new("/var/empty");
    if is_safe_and_empty(usual) {
        return Ok(usual.to_owned());
    }
    let own = state.join("empty");
    let failed = |source| StartError::State {
        path: own.clone(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(state)
        .map_err(failed)?;
    match DirBuilder::new().mode(0o555).create(&own) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(failed(e)),
    }
    if is_safe_and_empty(&own) {
        Ok(own)
    } else {
        Err(failed(io::Error::other(
            "it is not empty, or others may write to it",
        )))
    }
}

fn is_safe_and_empty(path: &Path) -> bool {
    let me = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path)
        .is_ok_and(|m| m.is_dir() && (m.uid() == 0 || m.uid() == me) && m.mode() & 0o022 == 0)
        && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// The listening control socket.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) fd: OwnedFd,
    pub(super) file: SocketFile,
    /// Whether its mode lets the group `_iked` in.
    pub(super) admit_group: bool,
}

/// The control socket in the file system; gone when dropped.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(e) = fs::remove_file(&self.0) {
            tracing::debug!("control socket: {e}");
        }
    }
}

/// Binds the control socket, unless a daemon answers on it.
pub(super) fn control_socket(path: &Path, ids: Ids) -> Result<Listener, StartError> {
    let failed = |source| StartError::ControlSocket {
        path: path.to_owned(),
        source,
    };
    if UnixStream::connect(path).is_ok() {
        return Err(StartError::Running(path.to_owned()));
    }
    if fs::symlink_metadata(path).is_ok_and(|m| {
        use std::os::unix::fs::FileTypeExt;
        m.file_type().is_socket()
    }) {
        fs::remove_file(path).map_err(failed)?;
    }
    let before = rustix::process::umask(Mode::from_raw_mode(0o117));
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    let listener = bound.map_err(failed)?;
    let file = SocketFile(path.to_owned());
    listener.set_nonblocking(true).map_err(failed)?;
    let group = Group::from_name(USER).ok().flatten();
    let admit_group = match (group, ids) {
        (Some(group), Ids::Switch { .. }) => {
            std::os::unix::fs::chown(path, None, Some(group.gid.as_raw())).map_err(failed)?;
            true
        }
        _ => false,
    };
    Ok(Listener {
        fd: listener.into(),
        file,
        admit_group,
    })
}

/// The key log, readable by its owner only even if it was there before.
pub(super) fn keylog(path: &Path) -> Result<File, StartError> {
    let failed = |source| StartError::KeyLog {
        path: path.to_owned(),
        source,
    };
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(failed)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(0o600)).map_err(|e| failed(e.into()))?;
    tracing::warn!(
        "KEY LOG IS ON: whoever reads {} can decrypt every IKE message of this daemon",
        path.display()
    );
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn each_device_has_a_table_and_rules_of_its_own() {
        let first = router("iked0", 0);
        let second = router("iked1", 1);
        assert_eq!(first, RouterConfig::default());
        assert_ne!(first.table, second.table);
        assert!(second.priority >= first.priority + 10);
    }

    #[test]
    fn an_empty_root_is_made_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        if is_safe_and_empty(Path::new("/var/empty")) {
            return;
        }
        let root = empty_root(&state).unwrap();
        assert!(is_safe_and_empty(&root));
        assert_eq!(empty_root(&state).unwrap(), root);
        fs::set_permissions(&root, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(empty_root(&state).is_err());
    }

    #[test]
    fn a_stale_control_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        let listener = control_socket(&path, Ids::Keep).unwrap();
        assert!(!listener.admit_group);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        assert!(matches!(
            control_socket(&path, Ids::Keep),
            Err(StartError::Running(_))
        ));
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_key_log_is_private_even_if_it_was_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        fs::write(&path, "old\n").unwrap();
        keylog(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), "old\n");
    }
}
