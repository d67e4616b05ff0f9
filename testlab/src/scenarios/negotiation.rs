//! What the peers have to agree on, and what happens when they do not.

use super::{bring_up, for_pairs, pair};
use crate::scenario::{Implementation, Peer, Scenario, Side, Step, Suite};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = for_pairs(
        "wrong-psk",
        "different keys: no SA on either side, and the log says why",
        |scenario| {
            scenario.right.psk = "another key altogether".into();
            scenario.steps = vec![
                Step::Start(Side::Right),
                Step::Start(Side::Left),
                Step::UpFails(Side::Left),
                Step::NoSa(8),
            ];
            for side in [Side::Left, Side::Right] {
                let text = refusal(scenario.peer(side), side);
                scenario.steps.push(Step::Log(side, text));
            }
            scenario.steps.push(Step::NothingClear);
        },
    );
    all.extend(for_pairs(
        "invalid-ke",
        "the initiator guesses a group that the responder does not want: one more round",
        |scenario| {
            scenario.left.ike = Suite::gcm(&["modp2048", "curve25519"]);
            scenario.right.ike = Suite::gcm(&["curve25519"]);
            scenario.steps = bring_up();
            scenario
                .steps
                .extend([Step::InvalidKeRounds(1), Step::Ping(Side::Left, 3)]);
        },
    ));
    for left in [Implementation::Iked, Implementation::Strongswan] {
        let mut scenario = pair(
            "cookie",
            "a responder that asks everybody for a cookie",
            left,
            Implementation::Iked,
        );
        scenario.right.extra = vec!["set cookie_threshold 0".into()];
        scenario.steps = bring_up();
        scenario
            .steps
            .extend([Step::CookieRounds(1), Step::Ping(Side::Left, 3)]);
        all.push(scenario);
    }
    for (subject, ike, esp) in [
        ("suite-cbc", Suite::cbc(&["ecp256"]), Suite::cbc(&[])),
        (
            "suite-pfs",
            Suite::gcm(&["ecp384"]),
            Suite::gcm(&["modp2048"]),
        ),
    ] {
        all.extend(for_pairs(
            subject,
            "other transforms, through a rekey of the child SA",
            |scenario| {
                for side in [Side::Left, Side::Right] {
                    let peer = scenario.peer_mut(side);
                    peer.ike = ike.clone();
                    peer.esp = esp.clone();
                }
                scenario.steps = bring_up();
                scenario.steps.extend([
                    Step::Ping(Side::Left, 3),
                    Step::Rekey(Side::Left, crate::scenario::What::Child),
                    Step::Rekey(Side::Right, crate::scenario::What::Child),
                    Step::Ping(Side::Right, 3),
                    Step::OnlyEsp,
                ]);
            },
        ));
    }
    all
}

/// What a daemon's log has to say when the keys differ.
fn refusal(peer: &Peer, side: Side) -> Vec<String> {
    let texts: &[&str] = match (peer.daemon, side) {
        (Implementation::Strongswan, Side::Left) => &["authentication_failed"],
        (Implementation::Strongswan, Side::Right) => &["mac mismatched"],
        (Implementation::Iked, Side::Left) => &["peer answered authentication_failed"],
        (Implementation::Iked, Side::Right) => &["the pre-shared keys differ"],
    };
    texts.iter().map(|&text| text.to_owned()).collect()
}
