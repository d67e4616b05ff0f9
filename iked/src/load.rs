//! Configuration from files: the daemon's [`Loader`], which refuses files that others may read or
//! write, and what a loaded configuration means for the processes.
use std::io::Read;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use ike_crypto::Secret;
use ike_kernel::Block;
use ike_sa::{Initiation, Policy};
use zeroize::Zeroizing;

use crate::cli::Cli;
use crate::config::{self, Dataplane, Diagnostics, HostInfo, LoadError, Loaded, Loader};
use crate::control::proto::ReloadReport;

/// Largest file of a configuration.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Reads files of this machine, and asks its resolver.
#[derive(Debug, Default)]
pub(crate) struct FileLoader;

impl Loader for FileLoader {
    fn read(&mut self, path: &Path) -> Result<Secret, LoadError> {
        let failed = |e: std::io::Error| LoadError {
            message: match e.kind() {
                std::io::ErrorKind::NotFound => "no such file".to_owned(),
                std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
                _ => e.to_string(),
            },
            help: None,
        };
        let nonblock = rustix::fs::OFlags::NONBLOCK.bits();
        let file = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(nonblock.cast_signed())
            .open(path)
            .map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let refused = |message: &str, help: Option<String>| LoadError {
            message: message.to_owned(),
            help,
        };
        if !metadata.is_file() {
            return Err(refused("not a regular file", None));
        }
        if metadata.len() > MAX_FILE {
            return Err(refused("file too large", None));
        }
        let me = rustix::process::geteuid().as_raw();
        if metadata.uid() != 0 && metadata.uid() != me {
            return Err(refused(
                "it belongs to another user, who could change it",
                Some(format!("chown root {}", path.display())),
            ));
        }
        // It may hold pre-shared keys, and whoever writes it decides where packets go.
        if metadata.mode() & 0o037 != 0 {
            return Err(refused(
                "other users may read or write it",
                Some(format!("chmod 600 {}", path.display())),
            ));
        }
        // One allocation, so that nothing unwiped stays behind.
        let capacity = usize::try_from(metadata.len())
            .unwrap_or(0)
            .saturating_add(1);
        let mut text = Zeroizing::new(Vec::with_capacity(capacity));
        file.take(metadata.len())
            .read_to_end(&mut text)
            .map_err(failed)?;
        Ok(Secret::from_slice(&text))
    }

    fn resolve(&mut self, name: &str) -> Result<Vec<IpAddr>, LoadError> {
        let refused = |message: String| LoadError {
            message,
            help: None,
        };
        let addrs = (name, 0u16)
            .to_socket_addrs()
            .map_err(|_| refused("no such host".into()))?;
        let mut found: Vec<IpAddr> = Vec::new();
        for addr in addrs.map(|a| a.ip()) {
            if !found.contains(&addr) {
                found.push(addr);
            }
        }
        if found.is_empty() {
            return Err(refused("the name has no address".into()));
        }
        Ok(found)
    }
}

/// Loads what the command line names, with its flags applied.
pub(crate) fn load(cli: &Cli) -> Result<Loaded, Diagnostics> {
    let host = HostInfo {
        hostname: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
    };
    let mut loaded = config::load(&mut FileLoader, &cli.config, &cli.define, &host)?;
    let settings = &mut loaded.policies.settings;
    settings.passive |= cli.passive;
    settings.no_nat_traversal |= cli.no_nat_traversal;
    Ok(loaded)
}

/// What must not leave in clear: the flows of active policies, unless the configuration says
/// otherwise.
pub(crate) fn blocks(loaded: &Loaded) -> Vec<Block> {
    let none = loaded.daemon.dataplane == Dataplane::None;
    if loaded.daemon.leak || loaded.daemon.decouple || none {
        return Vec::new();
    }
    let active = |policy: &&Policy| policy.initiation == Initiation::Active && !policy.skip;
    loaded
        .policies
        .policies
        .iter()
        .filter(active)
        .flat_map(|policy| {
            policy.children.iter().map(|child| Block {
                policy: policy.name.clone(),
                child: child.name.clone(),
                flows: child.flows.clone(),
            })
        })
        .collect()
}

/// What a reload changes, by policy names.
pub(crate) fn compare(old: &[Policy], new: &[Policy]) -> ReloadReport {
    let find = |list: &[Policy], name: &str| list.iter().find(|p| p.name == name).cloned();
    let mut report = ReloadReport::default();
    for policy in new {
        let name = policy.name.clone();
        match find(old, &name) {
            Some(before) if before == *policy => report.kept.push(name),
            Some(_) => report.changed.push(name),
            None => report.new.push(name),
        }
    }
    report.closed = old
        .iter()
        .filter(|p| find(new, &p.name).is_none())
        .map(|p| p.name.clone())
        .collect();
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn file(mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "set passive\n").unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn a_file_others_may_read_is_refused_with_the_remedy() {
        for mode in [0o644, 0o604, 0o660, 0o602] {
            let file = file(mode);
            let error = FileLoader.read(file.path()).unwrap_err();
            assert!(error.message.contains("other users"), "{mode:o}: {error}");
            assert!(error.help.unwrap().starts_with("chmod 600 "));
        }
    }

    #[test]
    fn a_private_file_is_read() {
        for mode in [0o600, 0o400, 0o640] {
            let file = file(mode);
            assert_eq!(
                FileLoader.read(file.path()).unwrap().expose(),
                b"set passive\n"
            );
        }
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(FileLoader.read(dir.path()).is_err());
        let missing = FileLoader.read(&dir.path().join("x")).unwrap_err();
        assert_eq!(missing.message, "no such file");
    }

    #[test]
    fn addresses_resolve_to_themselves() {
        assert_eq!(
            FileLoader.resolve("192.0.2.1").unwrap(),
            ["192.0.2.1".parse::<IpAddr>().unwrap()]
        );
    }
}
