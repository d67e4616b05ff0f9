//! What outsiders see and send: tshark with the key log, and bad input.

use super::{bring_up, iked_only, pair};
use crate::scenario::{Implementation, Scenario, Side, Step};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = iked_only(
        "tshark",
        "tshark decrypts IKE_AUTH with iked's key log and finds nothing malformed",
        |scenario| {
            scenario.left.keylog = true;
            scenario.steps = bring_up();
            scenario.steps.push(Step::Wireshark(Side::Left));
        },
    );
    // Not strongSwan as the responder: its userspace ESP shares the threads and loses packets.
    for left in [Implementation::Iked, Implementation::Strongswan] {
        let mut scenario = pair(
            "bad-input",
            "10,000 damaged and 10,000 random datagrams to a responder with a tunnel",
            left,
            Implementation::Iked,
        );
        scenario.steps = bring_up();
        scenario.steps.extend([
            Step::KeepPinging(Side::Left),
            Step::BadInput(Side::Right, 10_000),
            Step::Pause(1),
            Step::PingsLost(0),
            Step::Established(5),
            Step::Ping(Side::Right, 3),
            Step::OnlyEsp,
        ]);
        let dropped = ["drop", "malformed", "invalid", "bad"].map(str::to_owned);
        scenario
            .steps
            .push(Step::Counted(Side::Right, dropped.to_vec()));
        scenario.seconds = 20;
        all.push(scenario);
    }
    all
}
