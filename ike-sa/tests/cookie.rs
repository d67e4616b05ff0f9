//! COOKIE (RFC 7296 §2.6), both ways.
use core::time::Duration;
use ike_sa::Command;
use ike_sa::testing::{Pair, Who};

#[test]
fn under_load_a_cookie_is_demanded_and_given_back() {
    let mut pair = Pair::with(1, |_, set| set.settings.cookie_threshold = 0);
    pair.establish(Who::Left);
    pair.check_quiet().unwrap();
    assert_eq!(pair.right.stat("cookies_sent"), 1);
    assert_eq!(pair.net.log.len(), 6, "one round more");
}

#[test]
fn no_state_is_made_without_the_cookie() {
    let mut pair = Pair::with(2, |_, set| set.settings.cookie_threshold = 0);
    let right = pair.right.address;
    // Nothing of the responder's comes through: its cookie is never returned.
    pair.net.filter(move |p| {
        if p.from.ip() == right {
            ike_sa::testing::Verdict::Drop
        } else {
            ike_sa::testing::Verdict::Pass
        }
    });
    pair.command(Who::Left, Command::Up("tunnel".into()));
    pair.run_for(Duration::from_secs(20));
    assert!(pair.right.stat("cookies_sent") > 2);
    assert!(pair.right.sas(pair.now).is_empty());
}

#[test]
fn a_cookie_of_last_minutes_secret_is_still_good() {
    let mut pair = Pair::with(3, |_, set| set.settings.cookie_threshold = 0);
    let left = pair.left.address;
    let mut requests = 0;
    pair.net.filter(move |p| {
        if p.from.ip() == left && p.exchange() == Some(34) {
            requests += 1;
            if requests == 2 {
                return ike_sa::testing::Verdict::Delay(Duration::from_secs(65));
            }
            if requests > 2 && requests < 9 {
                return ike_sa::testing::Verdict::Drop;
            }
        }
        ike_sa::testing::Verdict::Pass
    });
    let up = pair.command_and_wait(
        Who::Left,
        Command::Up("tunnel".into()),
        Duration::from_secs(120),
    );
    assert_eq!(up, Some(Ok(())));
    assert_eq!(pair.right.stat("cookies_sent"), 1);
}

#[test]
fn cookies_stay_demanded_for_a_while_after_the_load() {
    let mut pair = Pair::with(4, |_, set| set.settings.cookie_threshold = 1);
    let left = pair.left.address;
    // One half-open SA stays behind.
    pair.net.filter(move |p| {
        if p.from.ip() == left && p.exchange() == Some(35) {
            ike_sa::testing::Verdict::Drop
        } else {
            ike_sa::testing::Verdict::Pass
        }
    });
    pair.command(Who::Left, Command::Up("tunnel".into()));
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.right.stat("cookies_sent"), 0);
    pair.command(Who::Left, Command::Down("tunnel".into()));
    pair.net.unfilter();
    pair.establish(Who::Left);
    assert_eq!(pair.right.stat("cookies_sent"), 1);
}
