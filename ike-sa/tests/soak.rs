//! Hundreds of seeded runs over a network that loses, repeats and reorders, with rekeyings by
//! timer and by command from both ends at once: traffic passes at every moment, and when the
//! network is good again both ends have the same, and nothing is left over.
use core::time::Duration;
use ike_sa::testing::{Pair, Who};
use ike_sa::{Command, EventKind};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

const SEEDS: u64 = 200;

fn random_command(rng: &mut ChaCha20Rng) -> Command {
    match rng.next_u32() % 5 {
        0 | 1 => Command::RekeyIke("tunnel".into()),
        _ => Command::RekeyChild("tunnel".into()),
    }
}

fn soak(seed: u64) -> Result<(), String> {
    let mut trace = String::new();
    let result = run(seed, &mut trace);
    if std::env::var("SEED").is_ok() {
        return result.map_err(|e| format!("{e}\n{trace}"));
    }
    result
}

fn run(seed: u64, trace: &mut String) -> Result<(), String> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut pair = Pair::with(seed, |_, set| {
        for p in &mut set.policies {
            p.ike_lifetime_s = 100;
            for c in &mut p.children {
                c.lifetime_s = 30;
            }
        }
    });
    pair.left.answer_delay = Duration::from_millis(u64::from(rng.next_u32() % 20));
    pair.right.answer_delay = Duration::from_millis(u64::from(rng.next_u32() % 20));
    pair.establish(Who::Left);
    pair.ping_both("tunnel")?;
    pair.net.loss = rng.next_u32() % 150;
    pair.net.duplicate = rng.next_u32() % 200;
    pair.net.jitter = Duration::from_millis(u64::from(rng.next_u32() % 100));
    for _ in 0..20 {
        match rng.next_u32() % 3 {
            // Both at once.
            0 => {
                let command = random_command(&mut rng);
                pair.command(Who::Left, command.clone());
                pair.command(Who::Right, command);
            }
            1 => {
                pair.command(Who::Left, random_command(&mut rng));
                pair.command(Who::Right, random_command(&mut rng));
            }
            _ => {
                let who = if rng.next_u32() % 2 == 0 {
                    Who::Left
                } else {
                    Who::Right
                };
                pair.command(who, random_command(&mut rng));
            }
        }
        let time = Duration::from_millis(u64::from(rng.next_u32() % 15_000));
        let mut lost = None;
        pair.run_until(time, |p| {
            lost = p.ping_both("tunnel").err();
            lost.is_some()
        });
        *trace = pair.trace();
        if let Some(lost) = lost {
            return Err(format!("at {:?}: {lost}", pair.now));
        }
    }
    pair.net.loss = 0;
    pair.net.duplicate = 0;
    pair.net.jitter = Duration::ZERO;
    let idle = |p: &Pair| p.left.open_commands() + p.right.open_commands() == 0;
    if !pair.run_until(Duration::from_secs(300), |p| {
        p.check_quiet().is_ok() && idle(p)
    }) {
        *trace = pair.trace();
        pair.check_quiet()?;
    }
    *trace = pair.trace();
    pair.ping_both("tunnel")?;
    for who in [Who::Left, Who::Right] {
        let side = pair.at(who);
        let ups = side.count(|e| matches!(e, EventKind::ChildSaInstalled { .. }));
        let downs = side.count(|e| matches!(e, EventKind::ChildSaClosed { .. }));
        if ups != downs + 1 {
            return Err(format!("{who:?}: {ups} children came, {downs} went"));
        }
        if downs > 0 {
            return Err(format!("{who:?}: a rekeying was told as an end"));
        }
    }
    for who in [Who::Left, Who::Right] {
        if pair.at(who).open_commands() != 0 {
            return Err(format!("{who:?}: commands without an end"));
        }
    }
    Ok(())
}

#[test]
fn rekeyings_from_both_ends_over_a_bad_network_lose_no_packet() {
    let first = std::env::var("SEED").ok().and_then(|s| s.parse().ok());
    let seeds = match first {
        Some(seed) => seed..seed + 1,
        None => {
            0..std::env::var("SEEDS")
                .ok()
                .and_then(|s| s.parse().ok())
                .unwrap_or(SEEDS)
        }
    };
    let failed: Vec<_> = seeds
        .filter_map(|seed| soak(seed).err().map(|e| format!("seed {seed}: {e}")))
        .collect();
    assert!(
        failed.is_empty(),
        "{} failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
}
