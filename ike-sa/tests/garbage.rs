//! Mutated and random datagrams: no panic, no harm to an established SA, a counter for each.
use core::time::Duration;
use ike_sa::Command;
use ike_sa::testing::{Packet, Pair, Who};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

fn drops(pair: &Pair, who: Who) -> u64 {
    pair.at(who)
        .endpoint
        .stats()
        .iter()
        .filter(|(name, _)| {
            name.starts_with("drop_") || *name == "retransmits_in" || *name == "keepalives_in"
        })
        .map(|(_, n)| n)
        .sum()
}

#[test]
fn ten_thousand_mutated_and_ten_thousand_random_datagrams_do_no_harm() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut pair = Pair::new(1);
    pair.establish(Who::Left);
    pair.command_and_wait(
        Who::Left,
        Command::RekeyChild("tunnel".into()),
        Duration::from_secs(5),
    );
    pair.run_for(Duration::from_secs(10));
    let originals = pair.net.log.clone();
    let sas = pair.right.sas(pair.now);
    let children = pair.right.plane.sas.len();
    for n in 0..20_000u32 {
        let mut packet = originals[rng.next_u32() as usize % originals.len()].clone();
        if n % 2 == 0 {
            let flips = 1 + rng.next_u32() % 8;
            for _ in 0..flips {
                let at = rng.next_u32() as usize % packet.bytes.len();
                packet.bytes[at] = rng.next_u32() as u8;
            }
            if rng.next_u32() % 4 == 0 {
                let len = rng.next_u32() as usize % (packet.bytes.len() + 1);
                packet.bytes.truncate(len);
            }
        } else {
            packet.bytes = vec![0; rng.next_u32() as usize % 300];
            rng.fill_bytes(&mut packet.bytes);
        }
        if rng.next_u32() % 3 == 0 {
            packet.to.set_port(4500);
        }
        let at = pair.now;
        pair.net.inject(at, Packet { at, ..packet });
        pair.run_for(Duration::from_millis(6));
    }
    pair.ping_both("tunnel").unwrap();
    // What half-open SAs the mutants made are gone by then.
    pair.run_for(Duration::from_secs(200));
    let now = pair.right.sas(pair.now);
    assert_eq!(now.len(), 1);
    assert_eq!(now[0].spi_i, sas[0].spi_i);
    assert_eq!(now[0].children[0].spi_in, sas[0].children[0].spi_in);
    assert_eq!(pair.right.plane.sas.len(), children);
    pair.check_quiet().unwrap();
    // Commands still work.
    let done = pair.command_and_wait(
        Who::Left,
        Command::RekeyIke("tunnel".into()),
        Duration::from_secs(5),
    );
    assert_eq!(done, Some(Ok(())));
    let explained = drops(&pair, Who::Left) + drops(&pair, Who::Right);
    assert!(
        explained > 19_000,
        "{explained} {:?}",
        pair.right.endpoint.stats()
    );
}

#[test]
fn an_ike_message_of_version_3_is_told_so_at_a_limited_rate() {
    let mut pair = Pair::new(2);
    let (from, to) = (
        "192.0.2.9:500".parse().unwrap(),
        "192.0.2.2:500".parse().unwrap(),
    );
    let mut bytes = vec![1; 8];
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&[0, 0x30, 34, 0x08, 0, 0, 0, 0, 0, 0, 0, 28]);
    for _ in 0..100 {
        let at = pair.now;
        let packet = Packet {
            at,
            from,
            to,
            bytes: bytes.clone(),
        };
        pair.net.inject(at, packet);
    }
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.net.log.len(), 10);
    assert_eq!(pair.right.stat("drop_major_version"), 100);
    assert_eq!(pair.right.stat("error_replies_suppressed"), 90);
}

#[test]
fn an_unknown_spi_is_answered_only_to_requests() {
    let mut pair = Pair::new(3);
    let (from, to) = (
        "192.0.2.9:500".parse().unwrap(),
        "192.0.2.2:500".parse().unwrap(),
    );
    for flags in [0x08u8, 0x28] {
        let mut bytes = vec![7; 16];
        bytes.extend_from_slice(&[0, 0x20, 37, flags, 0, 0, 0, 1, 0, 0, 0, 28]);
        let at = pair.now;
        pair.net.inject(
            at,
            Packet {
                at,
                from,
                to,
                bytes,
            },
        );
        pair.run_for(Duration::from_millis(100));
    }
    assert_eq!(pair.net.log.len(), 1);
    assert_eq!(pair.right.stat("drop_unknown_spi"), 2);
}

#[test]
fn half_open_attempts_of_one_address_are_limited() {
    let mut pair = Pair::with(4, |_, set| set.settings.cookie_threshold = u32::MAX);
    pair.command(Who::Left, Command::Up("tunnel".into()));
    let mut init = pair.net.log[0].clone();
    pair.command(Who::Left, Command::Down("tunnel".into()));
    pair.net.clear();
    for n in 0..400u16 {
        init.bytes[..2].copy_from_slice(&n.to_be_bytes());
        init.bytes[2] = 0xff;
        let at = pair.now;
        pair.net.inject(at, init.clone());
        pair.run_for(Duration::from_millis(6));
    }
    assert_eq!(pair.right.sas(pair.now).len(), 256);
    assert_eq!(pair.right.stat("drop_half_open_limit"), 144);
    pair.run_for(Duration::from_secs(40));
    assert!(pair.right.sas(pair.now).is_empty());
}
