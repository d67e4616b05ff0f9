//! Giving up privileges, in the order that works: no core dumps, chroot, ids, capabilities,
//! no_new_privs. To be called before a process has threads, because Linux keeps ids per thread.
//!
//! It refuses to go on half way: whatever the parent decided is done, or the process ends. The one
//! relaxation ([`Ids::Keep`]) is the parent's decision, for user namespaces that cannot change ids.
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};
use serde::{Deserialize, Serialize};

/// The numeric id used when the system has no user `_iked`. Not `nobody`, which others share.
pub const FALLBACK_ID: u32 = 65533;

/// Which ids a process takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ids {
    /// Become this user and group, without supplementary groups.
    Switch {
        /// User.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// Ids cannot be changed here: drop capabilities only.
    Keep,
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}: {errno}")]
pub struct SandboxError {
    step: &'static str,
    errno: Errno,
}

fn step(step: &'static str) -> impl Fn(Errno) -> SandboxError {
    move |errno| SandboxError { step, errno }
}

/// No core dump may hold keys, and no other process of the same user may look into this one.
pub fn no_core_dumps() -> Result<(), SandboxError> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(step("make the process undumpable"))?;
    rustix::process::setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )
    .map_err(step("set RLIMIT_CORE"))
}

/// Locks this process into `root`, with `ids` and no capability but `keep`.
pub fn confine(root: &Path, ids: Ids, keep: CapabilitySet) -> Result<(), SandboxError> {
    rustix::process::chroot(root).map_err(step("chroot"))?;
    rustix::process::chdir("/").map_err(step("chdir to the new root"))?;
    drop_bounding_set(keep)?;
    if let Ids::Switch { uid, gid } = ids {
        rustix::thread::set_keep_capabilities(true).map_err(step("keep capabilities"))?;
        let gid = Gid::from_raw(gid);
        let uid = Uid::from_raw(uid);
        rustix::thread::set_thread_groups(&[]).map_err(step("setgroups"))?;
        rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(step("setresgid"))?;
        rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(step("setresuid"))?;
    }
    limit_capabilities(keep)?;
    rustix::thread::set_keep_capabilities(false).map_err(step("reset keepcaps"))?;
    rustix::thread::set_no_new_privs(true).map_err(step("set no_new_privs"))?;
    // Changing ids may have reset it.
    no_core_dumps()
}

/// For the parent: nothing but `keep` from now on.
pub fn limit_parent(keep: CapabilitySet) -> Result<(), SandboxError> {
    drop_bounding_set(keep)?;
    limit_capabilities(keep)?;
    rustix::thread::set_no_new_privs(true).map_err(step("set no_new_privs"))?;
    no_core_dumps()
}

fn drop_bounding_set(keep: CapabilitySet) -> Result<(), SandboxError> {
    for capability in CapabilitySet::all().iter() {
        if keep.contains(capability) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // A kernel that does not know the capability cannot grant it either.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(errno) => return Err(step("drop a capability from the bounding set")(errno)),
        }
    }
    Ok(())
}

fn limit_capabilities(keep: CapabilitySet) -> Result<(), SandboxError> {
    rustix::thread::clear_ambient_capability_set().map_err(step("clear ambient capabilities"))?;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: keep,
            permitted: keep,
            inheritable: CapabilitySet::empty(),
        },
    )
    .map_err(step("drop capabilities"))
}

/// Whether this process could take the ids: a user namespace may have no mapping for them, or may
/// forbid setgroups(2). Reads /proc/self.
pub fn can_switch_to(uid: u32, gid: u32) -> bool {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}"));
    let setgroups = read("setgroups").map_or(true, |s| s.trim() != "deny");
    setgroups
        && read("uid_map").map_or(true, |m| maps(&m, uid))
        && read("gid_map").map_or(true, |m| maps(&m, gid))
}

/// Whether an id is inside one of the ranges of /proc/self/uid_map.
fn maps(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let mut words = line.split_whitespace().map(str::parse::<u64>);
        match (words.next(), words.next(), words.next()) {
            (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) => {
                (first..first.saturating_add(count)).contains(&u64::from(id))
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_namespace_with_one_id_maps_only_that_one() {
        let unshare = "         0       1000          1\n";
        assert!(maps(unshare, 0));
        assert!(!maps(unshare, FALLBACK_ID));
        assert!(maps("         0          0 4294967295\n", FALLBACK_ID));
        assert!(maps("0 1000 1\n1 100000 65536\n", FALLBACK_ID));
        assert!(!maps("garbage", 0));
    }
}
