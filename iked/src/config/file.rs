//! The daemon's [`Loader`]: files with the right owner and mode only, names from the system's
//! resolver. A path `-` is the standard input, once.
use super::{HostInfo, LoadError, Loader};
use ike_crypto::Secret;
use rustix::fs::FileType;
use std::fs::OpenOptions;
use std::io::Read;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use zeroize::Zeroizing;

/// Larger files are surely no configuration.
const MAX_LEN: u64 = 16 << 20;

static STDIN_READ: AtomicBool = AtomicBool::new(false);

/// Reads files for a daemon that runs as the current user.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileLoader;

impl Loader for FileLoader {
    fn read(&mut self, path: &Path) -> Result<Secret, LoadError> {
        if path == Path::new("-") {
            // At its end it would be an empty configuration, as if all policies were removed.
            if STDIN_READ.swap(true, Ordering::Relaxed) {
                return Err(LoadError {
                    message: "the standard input cannot be read again".into(),
                    help: Some("name a file with -f if it is to be loaded again".into()),
                });
            }
            return read_all(std::io::stdin().lock());
        }
        read_checked(path)
    }

    fn read_secret(&mut self, path: &Path) -> Result<Secret, LoadError> {
        read_checked(path)
    }

    fn resolve(&mut self, name: &str) -> Result<Vec<IpAddr>, LoadError> {
        let mut addrs: Vec<IpAddr> = (name, 0)
            .to_socket_addrs()
            .map_err(|error| LoadError {
                message: reason(&error),
                help: None,
            })?
            .map(|addr| addr.ip())
            .collect();
        addrs.dedup();
        match addrs.is_empty() {
            true => Err(LoadError {
                message: "no such host".into(),
                help: None,
            }),
            false => Ok(addrs),
        }
    }
}

impl HostInfo {
    /// This host.
    pub fn of_this_host() -> Self {
        let name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        Self { hostname: name }
    }
}

/// Opens first and then looks at what was opened, so that nothing can be exchanged between.
fn read_checked(path: &Path) -> Result<Secret, LoadError> {
    let shown = path.display();
    // A pipe without a writer would block.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut options = OpenOptions::new();
    let opened = options.read(true).custom_flags(nonblock).open(path);
    let file = opened.map_err(|error| {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => Some("check the path".to_owned()),
            std::io::ErrorKind::PermissionDenied => Some(format!("run as the owner of {shown}")),
            _ => None,
        };
        LoadError {
            message: reason(&error),
            help,
        }
    })?;
    let stat = rustix::fs::fstat(&file).map_err(|errno| LoadError {
        message: reason(&errno.into()),
        help: None,
    })?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind != FileType::RegularFile {
        let message = match kind {
            FileType::Directory => "it is a directory",
            _ => "it is not a regular file",
        };
        return Err(LoadError {
            message: message.into(),
            help: None,
        });
    }
    let me = rustix::process::geteuid().as_raw();
    if stat.st_uid != 0 && stat.st_uid != me {
        return Err(LoadError {
            message: format!(
                "it belongs to user {}, neither root nor the user iked runs as",
                stat.st_uid
            ),
            help: Some(format!("chown {me} {shown}")),
        });
    }
    if stat.st_mode & 0o037 != 0 {
        return Err(LoadError {
            message: format!(
                "group writable or world read/writable (mode {:04o})",
                stat.st_mode & 0o7777
            ),
            help: Some(format!("chmod 600 {shown}")),
        });
    }
    read_all(file)
}

fn read_all(from: impl Read) -> Result<Secret, LoadError> {
    let mut from = from.take(MAX_LEN + 1);
    let mut octets = Zeroizing::new(Vec::with_capacity(1 << 16));
    let mut piece = Zeroizing::new([0u8; 4096]);
    loop {
        let len = match from.read(&mut piece[..]) {
            Ok(0) => return Ok(Secret::from_slice(&octets)),
            Ok(len) => len,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(LoadError {
                    message: reason(&error),
                    help: None,
                });
            }
        };
        if octets.len() as u64 + len as u64 > MAX_LEN {
            return Err(LoadError {
                message: "it is larger than 16 MiB".into(),
                help: None,
            });
        }
        // Grows by hand: a vector that moves leaves its old octets behind.
        if octets.len() + len > octets.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * octets.capacity() + len));
            larger.extend_from_slice(&octets);
            octets = larger;
        }
        octets.extend_from_slice(piece.get(..len).unwrap_or_default());
    }
}

/// An error in words, without its number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let text = text.trim_start_matches("failed to lookup address information: ");
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => "unknown error".to_owned(),
    }
}
