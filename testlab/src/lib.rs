//! Runs iked and other IKEv2 daemons against each other, as real processes in
//! network namespaces (or inside a User-Mode Linux kernel), and checks what
//! they do: the state they report, the packets that pass, and what an observer
//! on the outer link sees.
//!
//! A [`scenario::Scenario`] is data: a topology, a description of both peers,
//! and a list of [`scenario::Step`]s with expectations. [`runner`] executes it.
//!
//! ```
//! // Every scenario has a name of its own, `WHAT.LEFT-RIGHT`; the left peer initiates.
//! let all = testlab::scenarios::all();
//! let names: Vec<&str> = all.iter().map(|s| s.name.as_str()).collect();
//! assert!(names.contains(&"psk.iked-strongswan"));
//! ```
//!
//! It needs root, or the user namespace that `unshare -Urnm` makes. It is a
//! test tool: it trusts its own command line, and nothing else in the
//! workspace depends on it.
#![forbid(unsafe_code)]

pub mod badinput;
pub mod bench;
pub mod capture;
pub mod cli;
pub mod command;
pub mod daemon;
pub mod demo;
pub mod netns;
pub mod packet;
pub mod probe;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod scenarios;
pub mod suite;
pub mod topology;
pub mod traffic;
pub mod uml;
pub mod userns;
pub mod wireshark;
