//! Where text, key files, addresses and names come from.
use ike_crypto::Secret;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Why a file or name could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LoadError {
    /// What is wrong, without the path: `permission denied`.
    pub message: String,
    /// What to do about it: `chmod 600 /etc/iked.conf`.
    pub help: Option<String>,
}

/// The outside world of a configuration.
pub trait Loader {
    /// The contents of a configuration file. It may hold secrets.
    fn read(&mut self, path: &Path) -> Result<Secret, LoadError>;

    /// The contents of a file named in `psk file PATH`, as they are.
    fn read_secret(&mut self, path: &Path) -> Result<Secret, LoadError> {
        self.read(path)
    }

    /// The addresses of a host name, in order of preference; never empty.
    fn resolve(&mut self, name: &str) -> Result<Vec<IpAddr>, LoadError>;
}

/// What the configuration must know of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostInfo {
    /// Name of the host; the default `srcid`. May be empty.
    pub hostname: String,
}

/// A loader for tests and tools: files and names from memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryLoader {
    /// Contents by path.
    pub files: BTreeMap<PathBuf, String>,
    /// Addresses by name.
    pub names: BTreeMap<String, Vec<IpAddr>>,
}

impl Loader for MemoryLoader {
    fn read(&mut self, path: &Path) -> Result<Secret, LoadError> {
        match self.files.get(path) {
            Some(text) => Ok(Secret::from_slice(text.as_bytes())),
            None => Err(LoadError {
                message: "no such file".into(),
                help: None,
            }),
        }
    }

    fn resolve(&mut self, name: &str) -> Result<Vec<IpAddr>, LoadError> {
        match self.names.get(name) {
            Some(addrs) if !addrs.is_empty() => Ok(addrs.clone()),
            _ => Err(LoadError {
                message: "no such host".into(),
                help: None,
            }),
        }
    }
}
