//! The IKEv2 daemon.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    iked::cli::main()
}
