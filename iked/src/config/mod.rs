//! The configuration language of `iked.conf(5)`: text in, [`ike_sa::PolicySet`] and secrets out.
//!
//! [`load`] reads a file and what it includes through a [`Loader`], so that nothing here touches
//! a file system or checks a permission itself; the daemon's loader does. All errors of a
//! configuration are reported at once as [`Diagnostics`], each with its place, cause and remedy,
//! and never with a secret in it. A configuration with an error yields nothing.
//!
//! ```
//! use iked::config::{self, HostInfo, MemoryLoader};
//! use std::path::Path;
//!
//! let mut loader = MemoryLoader::default();
//! loader.files.insert("iked.conf".into(), r#"
//!     remote = "192.0.2.2"
//!     ikev2 "office" active esp from 10.1.0.0/24 to 10.2.0.0/24 \
//!         peer $remote srcid a.example dstid b.example \
//!         psk "a long and well kept secret"
//! "#.into());
//! let host = HostInfo { hostname: "a.example".into() };
//! let loaded = config::load(&mut loader, Path::new("iked.conf"), &[], &host)?;
//! let policy = &loaded.policies.policies[0];
//! assert_eq!(policy.name, "office");
//! assert_eq!(policy.peer_addr(), Some("192.0.2.2".parse()?));
//! assert!(loaded.secrets.psk.contains_key("office"));
//!
//! loader.files.insert("wrong.conf".into(), "ikev2 form 10.1.0.0/24 to any psk x".into());
//! let errors = config::load(&mut loader, Path::new("wrong.conf"), &[], &host).unwrap_err();
//! assert!(errors.render(false).contains("did you mean `from`?"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod ast;
mod diagnostic;
#[cfg(feature = "daemon")]
pub mod file;
mod lexer;
mod line;
mod loaded;
mod loader;
mod lower;
mod parser;
pub mod print;
mod source;
mod words;

pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use loaded::{DaemonSettings, Dataplane, Loaded, Secrets};
pub use loader::{HostInfo, LoadError, Loader, MemoryLoader};
pub use source::{Span, Spanned};

use std::path::Path;

/// Reads the configuration at `path`, with macros set from `defines` (`-D name=value`), and
/// lowers it for the host described by `host`.
pub fn load(
    loader: &mut dyn Loader,
    path: &Path,
    defines: &[(String, String)],
    host: &HostInfo,
) -> Result<Loaded, Diagnostics> {
    let (config, mut report) = parser::parse(loader, path, defines);
    let lowered = lower::lower(config, &mut report, loader, host);
    let diagnostics = Diagnostics::new(report.list, &report.sources);
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    Ok(Loaded {
        policies: lowered.policies,
        secrets: lowered.secrets,
        daemon: lowered.daemon,
        warnings: diagnostics,
    })
}

/// Reads the configuration at `path` without asking what it means: nothing is looked up, and
/// what this version cannot do is no error.
pub fn parse(
    loader: &mut dyn Loader,
    path: &Path,
    defines: &[(String, String)],
) -> (ast::Config, Diagnostics) {
    let (config, report) = parser::parse(loader, path, defines);
    (config, Diagnostics::new(report.list, &report.sources))
}
