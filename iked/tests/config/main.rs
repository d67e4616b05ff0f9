//! The configuration language, through the public API of `iked::config`.
#![allow(missing_docs, clippy::unwrap_used)]

mod doubtful;
#[cfg(feature = "daemon")]
mod files;
mod manual;
mod meaning;
mod properties;
mod seeds;
mod wrong;

use iked::config::{self, Diagnostics, HostInfo, Loaded, MemoryLoader};
use std::path::Path;

/// A pre-shared key that is long enough, for tests that are about something else.
pub(crate) const PSK: &str = "psk \"correct horse battery staple\"";

pub(crate) fn host() -> HostInfo {
    HostInfo {
        hostname: "a.example".into(),
    }
}

pub(crate) fn loader(text: &str) -> MemoryLoader {
    let mut loader = MemoryLoader::default();
    loader.files.insert("iked.conf".into(), text.into());
    let names = [
        ("dual.example", &["192.0.2.2", "2001:db8::2"][..]),
        ("four.example", &["192.0.2.4"]),
        ("six.example", &["2001:db8::6"]),
    ];
    for (name, addrs) in names {
        let addrs = addrs.iter().map(|a| a.parse().unwrap()).collect();
        loader.names.insert(name.into(), addrs);
    }
    loader
}

pub(crate) fn load(text: &str) -> Result<Loaded, Diagnostics> {
    config::load(&mut loader(text), Path::new("iked.conf"), &[], &host())
}

/// Loads what must load.
pub(crate) fn good(text: &str) -> Loaded {
    load(text).unwrap_or_else(|errors| panic!("{}", errors.render(false)))
}
