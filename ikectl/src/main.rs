//! `ikectl`: asks a running `iked` over its control socket, and prints what it says for people or as JSON.
#![forbid(unsafe_code)]

use clap::Parser as _;
use std::process::ExitCode;

mod cli;
mod client;
mod decode_run;
mod json;
mod names;
mod output;
mod run;
mod show;
mod text;

fn main() -> ExitCode {
    run::run(&cli::Cli::parse()).into()
}
