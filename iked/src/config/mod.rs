//! The configuration language of `iked.conf(5)`: text in, [`ike_sa::PolicySet`] and secrets out.
//!
//! [`load`] reads a file and what it includes through a [`Loader`], so that nothing here touches
//! a file system or checks a permission itself; the daemon's loader does. All errors of a
//! configuration are reported at once as [`Diagnostics`], each with its place, cause and remedy,
//! and never with a secret in it. A configuration with an error yields nothing.

mod diagnostic;
mod loaded;
mod loader;
pub mod print;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use loaded::{DaemonSettings, Dataplane, Loaded, Secrets};
pub use loader::{HostInfo, LoadError, Loader, MemoryLoader};

use std::path::Path;

/// Reads the configuration at `path`, with macros set from `defines` (`-D name=value`), and
/// lowers it for the host described by `host`.
pub fn load(
    _loader: &mut dyn Loader,
    _path: &Path,
    _defines: &[(String, String)],
    _host: &HostInfo,
) -> Result<Loaded, Diagnostics> {
    todo!()
}
