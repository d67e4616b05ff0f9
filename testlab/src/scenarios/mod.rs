//! The scenarios, one subject per file. Every scenario stands for itself and
//! can be run by its name; a name without the part behind the dot means all
//! pairs of daemons.

mod baseline;
mod faults;
mod hardening;
mod nat;
mod negotiation;
mod rekey;
mod uml;

use crate::scenario::{Implementation, Peer, Scenario, Side, Step};

/// All of them.
pub fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    all.extend(baseline::scenarios());
    all.extend(negotiation::scenarios());
    all.extend(rekey::scenarios());
    all.extend(faults::scenarios());
    all.extend(nat::scenarios());
    all.extend(hardening::scenarios());
    all.extend(uml::scenarios());
    all
}

/// Those that a name means: one, or all pairs of a subject.
pub fn named(name: &str) -> Vec<Scenario> {
    all()
        .into_iter()
        .filter(|scenario| scenario.name == name || scenario.name.split('.').next() == Some(name))
        .collect()
}

/// iked in both roles against strongSwan, iked with itself, and strongSwan with
/// itself, which checks the scenario.
const PAIRS: [(Implementation, Implementation); 4] = [
    (Implementation::Iked, Implementation::Strongswan),
    (Implementation::Strongswan, Implementation::Iked),
    (Implementation::Iked, Implementation::Iked),
    (Implementation::Strongswan, Implementation::Strongswan),
];

/// A scenario for every pair that has `iked` or is strongSwan alone.
fn for_pairs(subject: &str, about: &str, build: impl Fn(&mut Scenario)) -> Vec<Scenario> {
    PAIRS
        .into_iter()
        .map(|(left, right)| {
            let mut scenario = pair(subject, about, left, right);
            build(&mut scenario);
            scenario
        })
        .collect()
}

/// A scenario of two iked.
fn iked_only(subject: &str, about: &str, build: impl Fn(&mut Scenario)) -> Vec<Scenario> {
    let mut scenario = pair(subject, about, Implementation::Iked, Implementation::Iked);
    build(&mut scenario);
    vec![scenario]
}

/// A scenario without steps of two daemons.
pub fn pair(subject: &str, about: &str, left: Implementation, right: Implementation) -> Scenario {
    let peer = |daemon, id: &str| Peer {
        daemon,
        id: id.into(),
        ..Peer::default()
    };
    Scenario {
        name: format!("{subject}.{}-{}", left.name(), right.name()),
        about: about.into(),
        kernel: crate::scenario::Kernel::Host,
        plan: crate::scenario::Plan::default(),
        left: peer(left, "left.example.org"),
        right: peer(right, "right.example.org"),
        steps: Vec::new(),
        seconds: 10,
    }
}

/// Both started, the tunnel brought up by the left end.
fn bring_up() -> Vec<Step> {
    vec![
        Step::Start(Side::Right),
        Step::Start(Side::Left),
        Step::Up(Side::Left),
        Step::Established(10),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_scenario_has_a_name_of_its_own() {
        let names: Vec<String> = all().into_iter().map(|s| s.name).collect();
        let unique: BTreeSet<&String> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
    }

    #[test]
    fn a_subject_means_all_its_pairs() {
        assert_eq!(named("psk").len(), 4);
        assert_eq!(named("psk.iked-iked").len(), 1);
        assert!(named("nothing").is_empty());
    }

    #[test]
    fn scenarios_are_data_that_survive_a_file() {
        for scenario in all() {
            let text = serde_json::to_string(&scenario).unwrap();
            let back: Scenario = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&back).unwrap(), text);
        }
    }
}
