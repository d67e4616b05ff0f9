//! The manual and the README against the program: options, and examples of configurations.
#![allow(clippy::unwrap_used, missing_docs)]

use ike_sa::Initiation;
use iked::config::{self, HostInfo, Loaded, MemoryLoader};
use std::path::Path;

const MANUAL: &str = include_str!("../man/iked.8.md");
const CONFIGURATION: &str = include_str!("../man/iked.conf.5.md");
const README: &str = include_str!("../../README.md");

/// The statement that starts with `ikev2 "office"`.
fn example(text: &str) -> String {
    let start = text.find("ikev2 \"office\"").unwrap();
    let mut lines = Vec::new();
    for line in text[start..].lines() {
        lines.push(line);
        if !line.ends_with('\\') {
            break;
        }
    }
    lines.join("\n") + "\n"
}

fn load(text: &str) -> Loaded {
    let mut loader = MemoryLoader::default();
    let path = Path::new("/etc/iked.conf");
    loader.files.insert(path.to_owned(), text.to_owned());
    let host = HostInfo {
        hostname: "gw1".into(),
    };
    config::load(&mut loader, path, &[], &host).unwrap_or_else(|e| panic!("{}", e.render(false)))
}

#[test]
fn the_examples_of_readme_and_manual_are_configurations() {
    for text in [example(README), example(MANUAL)] {
        let loaded = load(&text);
        assert!(
            loaded.warnings.is_empty(),
            "{}",
            loaded.warnings.render(false)
        );
        let [policy] = loaded.policies.policies.as_slice() else {
            panic!("{} policies", loaded.policies.policies.len());
        };
        assert_eq!(policy.name, "office");
        assert_eq!(policy.initiation, Initiation::Active);
        assert_eq!(policy.peer_addr(), Some("203.0.113.7".parse().unwrap()));
        assert!(loaded.secrets.psk.contains_key("office"));
    }
}

/// The example turned round, as the README says, makes the other gateway.
#[test]
fn the_example_of_the_readme_has_another_end() {
    let other = example(README)
        .replace("active", "passive")
        .replace(
            "from 10.1.0.0/24 to 10.2.0.0/24",
            "from 10.2.0.0/24 to 10.1.0.0/24",
        )
        .replace(
            "local 192.0.2.1 peer 203.0.113.7",
            "local 203.0.113.7 peer 192.0.2.1",
        )
        .replace(
            "srcid gw1.example.com dstid gw2.example.com",
            "srcid gw2.example.com dstid gw1.example.com",
        );
    let (one, two) = (load(&example(README)), load(&other));
    let (one, two) = (&one.policies.policies[0], &two.policies.policies[0]);
    assert_eq!(two.initiation, Initiation::Passive);
    assert_eq!(one.local, two.peer);
    assert_eq!(one.peer, two.local);
    assert_eq!(one.ike, two.ike);
    let flipped: Vec<_> = two.children[0]
        .flows
        .iter()
        .map(|(a, b)| (*b, *a))
        .collect();
    assert_eq!(one.children[0].flows, flipped);
}

/// Indented blocks under the heading EXAMPLES, without their indentation.
fn blocks(text: &str) -> Vec<String> {
    let (_, section) = text.split_once("\n# EXAMPLES\n").unwrap();
    let (section, _) = section.split_once("\n# ").unwrap();
    let mut blocks = vec![String::new()];
    for line in section.lines() {
        match line.strip_prefix("    ") {
            Some(line) => {
                let block = blocks.last_mut().unwrap();
                block.push_str(line);
                block.push('\n');
            }
            None => blocks.push(String::new()),
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

#[test]
fn the_examples_of_the_configuration_manual_are_configurations() {
    let blocks = blocks(CONFIGURATION);
    assert_eq!(blocks.len(), 4);
    for text in blocks {
        let loaded = load(&text);
        assert!(
            loaded.warnings.is_empty(),
            "{}",
            loaded.warnings.render(false)
        );
        assert!(!loaded.policies.policies.is_empty());
    }
}

/// What a list under ALGORITHMS names, in its first sentences.
fn algorithms(term: &str) -> Vec<&'static str> {
    let (_, section) = CONFIGURATION.split_once("\n# ALGORITHMS\n").unwrap();
    let (_, list) = section.split_once(&format!("\n`{term}`\n:   ")).unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let words = list.split('`').skip(1).step_by(2);
    words
        .filter(|w| !matches!(*w, "ikesa" | "childsa" | "none"))
        .collect()
}

#[test]
fn the_algorithms_of_the_configuration_manual_are_there() {
    let mut seen = 0;
    for (term, rest) in [
        ("enc", ""),
        ("auth", "enc aes-128"),
        ("prf", ""),
        ("group", ""),
    ] {
        for word in algorithms(term) {
            let loaded = load(&format!(
                "ikev2 from 10.1.0.0/24 to 10.2.0.0/24 ikesa {rest} {term} {word} \\\n\
                 psk \"a long random text, the same on both sides\"\n"
            ));
            let [proposal, ..] = loaded.policies.policies[0].ike.as_slice() else {
                panic!("{word}: no proposal");
            };
            let count = match term {
                "enc" => proposal.encr.len(),
                "auth" => proposal.integ.len(),
                "prf" => proposal.prf.len(),
                _ => proposal.ke.len(),
            };
            assert_eq!(count, 1, "{word}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[cfg(feature = "daemon")]
mod options {
    use super::MANUAL;
    use clap::CommandFactory as _;

    /// The options that the manual explains: the lines before those that start with a colon.
    fn explained() -> Vec<&'static str> {
        MANUAL
            .lines()
            .zip(MANUAL.lines().skip(1))
            .filter(|(term, next)| term.starts_with("`-") && next.starts_with(":   "))
            .flat_map(|(term, _)| term.split(", "))
            .filter_map(|term| term.trim_start_matches('`').split('`').next())
            .collect()
    }

    #[test]
    fn the_manual_explains_exactly_the_options_that_are_there() {
        let mut command = iked::cli::Cli::command();
        command.build();
        let there: Vec<String> = command
            .get_arguments()
            .filter(|a| !a.is_hide_set())
            .flat_map(|a| {
                let short = a.get_short().map(|c| format!("-{c}"));
                let long = a.get_long().map(|l| format!("--{l}"));
                [short, long].into_iter().flatten()
            })
            .collect();
        let explained = explained();
        for option in &there {
            assert!(explained.contains(&option.as_str()), "{option} is missing");
        }
        assert_eq!(explained.len(), there.len(), "{explained:?} {there:?}");
        let synopsis = MANUAL.split("# DESCRIPTION").next().unwrap();
        for option in &there {
            let letter = option.trim_start_matches('-');
            let mentioned = synopsis.contains(option.as_str())
                || (letter.len() == 1 && synopsis.contains("-dnsTv") && "dnsTv".contains(letter))
                || matches!(letter, "h" | "help" | "V" | "version");
            assert!(mentioned, "{option} is not in the synopsis");
        }
    }

    #[test]
    fn the_manual_names_the_defaults() {
        let mut command = iked::cli::Cli::command();
        command.build();
        let mut checked = 0;
        for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
            if !argument.get_action().takes_values() {
                continue;
            }
            for value in argument.get_default_values() {
                let value = format!("`{}`", value.to_str().unwrap());
                assert!(MANUAL.contains(&value), "{value}");
                checked += 1;
            }
        }
        assert_eq!(checked, 4);
    }
}
