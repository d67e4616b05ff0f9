//! tshark as a second pair of eyes: with iked's key log it has to decrypt
//! IKE_AUTH and find nothing malformed.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::command::{find_program, run};

const LIMIT: Duration = Duration::from_secs(60);

/// Runs tshark over a capture with a key log (`ikev2_decryption_table`).
pub fn check(capture: &Path, keylog: &Path, dir: &Path) -> Result<String> {
    find_program("tshark").context("tshark is missing: install tshark")?;
    let profile = dir.join("wireshark");
    std::fs::create_dir_all(&profile)?;
    std::fs::copy(keylog, profile.join("ikev2_decryption_table"))
        .with_context(|| format!("no key log at {}", keylog.display()))?;
    let tshark = |arguments: &[&str]| {
        run(
            Command::new("tshark")
                .env("WIRESHARK_CONFIG_DIR", &profile)
                .args(["-n", "-r"])
                .arg(capture)
                .args(arguments),
            LIMIT,
        )
    };
    let details = tshark(&["-V", "-Y", "isakmp"])?;
    std::fs::write(dir.join("tshark.txt"), &details)?;
    // One line per IKE_AUTH message: the payload types that tshark found, also inside SK.
    let auth = tshark(&[
        "-Y",
        "isakmp.exchangetype == 35",
        "-T",
        "fields",
        "-e",
        "isakmp.typepayload",
    ])?;
    verdict(&auth, &details)
}

fn verdict(auth: &str, details: &str) -> Result<String> {
    let messages: Vec<&str> = auth.lines().filter(|line| !line.is_empty()).collect();
    ensure!(
        messages.len() >= 2,
        "tshark saw {} IKE_AUTH messages",
        messages.len()
    );
    for line in &messages {
        let types: Vec<&str> = line.split(',').collect();
        // 46 is SK itself, 39 AUTH inside of it.
        ensure!(
            types.contains(&"46") && types.contains(&"39"),
            "tshark did not decrypt IKE_AUTH: payload types {line}"
        );
    }
    let complaint = details
        .lines()
        .map(str::trim)
        .find(|line| line.contains("Malformed") || line.contains("Incorrect, should be"));
    ensure!(complaint.is_none(), "tshark: {}", complaint.unwrap_or(""));
    Ok(format!(
        "tshark decrypts {} IKE_AUTH messages and finds nothing malformed",
        messages.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undecrypted_message_is_a_failure() {
        assert!(verdict("46\n46\n", "").is_err());
        assert!(verdict("46,35,39\n46,36,39\n", "fine").is_ok());
        assert!(verdict("46,35,39\n46,36,39\n", "[Malformed Packet: ISAKMP]").is_err());
        assert!(verdict("46,35,39\n", "").is_err());
    }
}
