//! Seeded misfortune: loss, duplication, reordering, moving NAT mappings, restarts, resets and
//! commands of both ends. Whatever happened, once it is calm an active policy is up again with
//! one IKE SA, both ends agree, and nothing stays behind.
use core::net::IpAddr;
use core::time::Duration;
use ike_sa::testing::{Pair, Who, psk_policy, set};
use ike_sa::{Command, Config, Initiation, PolicySet};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

const SEEDS: u64 = 150;

fn policies(who: Who, active: bool, nat: bool) -> PolicySet {
    let mut policy = psk_policy(&Pair::scene(who));
    if nat && who == Who::Right {
        policy.peer = None;
    }
    policy.ike_lifetime_s = 120;
    policy.children[0].lifetime_s = 40;
    if active {
        policy.initiation = Initiation::Active;
    }
    let mut second = policy.children[0].clone();
    second.name = "second".into();
    for (l, r) in &mut second.flows {
        l.protocol = 17;
        r.protocol = 17;
    }
    policy.children.push(second);
    let mut set = set(vec![policy]);
    set.settings.dpd_check_interval_s = 10;
    set
}

fn run(seed: u64, trace: &mut String) -> Result<(), String> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let nat = rng.next_u32() % 2 == 0;
    // The end a NAT hides cannot be called.
    let active = |who| who == Who::Left || (!nat && seed % 4 == 1);
    let mut pair = Pair::bare(seed, Config::default(), Config::default());
    if nat {
        let inside = pair.left.address;
        pair.net.nat(inside, IpAddr::from([198, 51, 100, 7]));
    }
    for who in [Who::Right, Who::Left] {
        pair.set_policies(who, policies(who, active(who), nat));
    }
    pair.run_for(Duration::from_secs(5));
    for who in [Who::Left, Who::Right] {
        pair.side(who).answer_delay = Duration::from_millis(u64::from(rng.next_u32() % 30));
    }
    pair.net.loss = rng.next_u32() % 200;
    pair.net.duplicate = rng.next_u32() % 200;
    pair.net.jitter = Duration::from_millis(u64::from(rng.next_u32() % 300));
    for _ in 0..25 {
        let who = if rng.next_u32() % 2 == 0 {
            Who::Left
        } else {
            Who::Right
        };
        match rng.next_u32() % 12 {
            0 => pair.reboot(who, Config::default(), policies(who, active(who), nat)),
            1 => pair.net.rebind(),
            2 => {
                pair.command(who, Command::ResetSa);
            }
            3 => {
                pair.command(who, Command::Down("tunnel".into()));
                pair.run_for(Duration::from_millis(u64::from(rng.next_u32() % 4000)));
                pair.set_policies(who, policies(who, active(who), nat));
            }
            4 => pair.side(who).plane.refuse = rng.next_u32() % 3,
            5 => pair.side(who).plane.ignore = rng.next_u32() % 2,
            6 => {
                let mut changed = policies(who, active(who), nat);
                changed.policies[0].ike_lifetime_s += u64::from(rng.next_u32() % 2);
                pair.set_policies(who, changed);
            }
            7 | 8 => {
                pair.command(who, Command::RekeyIke("tunnel".into()));
            }
            _ => {
                pair.command(who, Command::RekeyChild("tunnel".into()));
            }
        }
        pair.run_for(Duration::from_millis(u64::from(rng.next_u32() % 20_000)));
    }
    // Calm.
    pair.net.loss = 0;
    pair.net.duplicate = 0;
    pair.net.jitter = Duration::ZERO;
    for who in [Who::Left, Who::Right] {
        pair.side(who).plane.refuse = 0;
        pair.side(who).plane.ignore = 0;
    }
    let calm = |p: &Pair| {
        p.ping_both("tunnel")?;
        p.ping_both("second")?;
        let sas = p.left.sas(p.now);
        if sas.len() != 1 || sas[0].children.len() != 2 {
            return Err(format!("{} IKE SAs", sas.len()));
        }
        match p.left.open_commands() + p.right.open_commands() {
            0 => p.check_quiet(),
            _ => Err(format!(
                "open: {:?} {:?}",
                p.left.endpoint, p.right.endpoint
            )),
        }
    };
    pair.run_until(Duration::from_secs(600), |p| calm(p).is_ok());
    *trace = pair.trace();
    calm(&pair)
}

#[test]
fn whatever_happens_an_active_policy_comes_back_clean() {
    let only = std::env::var("SEED").ok().and_then(|s| s.parse().ok());
    let number = std::env::var("SEEDS").ok().and_then(|s| s.parse().ok());
    let seeds = match only {
        Some(seed) => seed..seed + 1,
        None => 0..number.unwrap_or(SEEDS),
    };
    let mut failed = Vec::new();
    for seed in seeds {
        let mut trace = String::new();
        if let Err(e) = run(seed, &mut trace) {
            let trace = if only.is_some() { trace } else { String::new() };
            failed.push(format!("seed {seed}: {e}\n{trace}"));
        }
    }
    assert!(
        failed.is_empty(),
        "{} failed:\n{}",
        failed.len(),
        failed.join("")
    );
}
