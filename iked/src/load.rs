//! The configuration the command line names, and what it means for the processes.
use ike_kernel::Block;
use ike_sa::{Initiation, Policy};

use crate::cli::Cli;
use crate::config::file::FileLoader;
use crate::config::{self, Dataplane, Diagnostics, HostInfo, Loaded};
use crate::control::proto::ReloadReport;

/// Loads what the command line names, with its flags applied.
pub(crate) fn load(cli: &Cli) -> Result<Loaded, Diagnostics> {
    let host = HostInfo::of_this_host();
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
