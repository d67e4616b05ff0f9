//! The daemons under test, behind one interface: configuration from a
//! [`Peer`], start, stop and kill, the commands, and the state they report.

mod iked;
mod strongswan;
mod swanctl;

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;

use crate::netns::Namespace;
use crate::scenario::{Implementation, Peer, Side, What};
use crate::topology::Addresses;

pub use iked::{Iked, binary, parse_sas as parse_iked_sas};
pub use strongswan::StrongSwan;
pub use swanctl::parse_sas as parse_swanctl_sas;

/// The name of the connection in every configuration.
pub const CONNECTION: &str = "net";

/// Everything a daemon has to know to be configured.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where it stands.
    pub side: Side,
    /// Its own description.
    pub peer: Peer,
    /// The identity of the other end.
    pub remote_id: String,
    /// Its addresses.
    pub local: Addresses,
    /// The other end's.
    pub remote: Addresses,
    /// The gateway it runs in.
    pub namespace: Arc<Namespace>,
    /// Logs and configuration, kept when a scenario fails.
    pub dir: PathBuf,
    /// Sockets: a short path that goes away.
    pub runtime: PathBuf,
}

/// A daemon under test.
pub trait Daemon: Debug + Send {
    /// Starts it and waits until it answers.
    fn start(&mut self) -> Result<()>;
    /// Stops it in an orderly way.
    fn stop(&mut self) -> Result<()>;
    /// Kills all of it with SIGKILL.
    fn kill(&mut self);
    /// Fails when it has ended by itself.
    fn check_alive(&mut self) -> Result<()>;
    /// Kills one of its processes.
    fn kill_process(&mut self, role: &str) -> Result<()>;
    /// Brings the tunnel up.
    fn up(&mut self) -> Result<()>;
    /// Takes the tunnel down.
    fn down(&mut self) -> Result<()>;
    /// Rekeys.
    fn rekey(&mut self, what: What) -> Result<()>;
    /// Puts a line before the policy, and reloads.
    fn reload(&mut self, line: &str) -> Result<()>;
    /// Any other command of its control tool.
    fn control(&mut self, arguments: &[String]) -> Result<String>;
    /// Its SAs.
    fn sas(&mut self) -> Result<Vec<IkeSa>>;
    /// Its log up to now.
    fn log(&self) -> String;
    /// The key log, if it writes one.
    fn keylog(&self) -> Option<PathBuf>;
    /// Leaves it running when the guard goes; gives the main process.
    fn keep(self: Box<Self>) -> Option<u32>;
}

/// Writes the configuration of a daemon and makes it ready to start.
pub fn prepare(setup: Setup) -> Result<Box<dyn Daemon>> {
    std::fs::create_dir_all(&setup.dir)?;
    std::fs::create_dir_all(&setup.runtime)?;
    Ok(match setup.peer.daemon {
        Implementation::Iked => Box::new(Iked::prepare(setup)?),
        Implementation::Strongswan => Box::new(StrongSwan::prepare(setup)?),
    })
}

/// An IKE SA as a daemon reports it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IkeSa {
    /// The connection or policy.
    pub name: String,
    /// Established, and not about to be deleted or replaced.
    pub established: bool,
    /// Both SPIs, where the daemon tells them.
    pub spis: Option<String>,
    /// The child SAs that carry traffic.
    pub children: Vec<ChildSa>,
}

/// A child SA as a daemon reports it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChildSa {
    /// In UDP.
    pub encap: bool,
    /// The SPI of what we receive.
    pub spi_in: u32,
    /// The SPI of what we send.
    pub spi_out: u32,
    /// Encryption, as the daemon names it.
    pub encr: String,
    /// Octets received.
    pub bytes_in: u64,
    /// Octets sent.
    pub bytes_out: u64,
}
