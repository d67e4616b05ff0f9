//! Rekeys by command from either side, and by timer under load.

use super::{bring_up, for_pairs, iked_only};
use crate::scenario::{Scenario, Side, Step, What};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (subject, what) in [("rekey-child", What::Child), ("rekey-ike", What::Ike)] {
        all.extend(for_pairs(
            subject,
            "rekeyed by either side, and not a single ping is lost",
            |scenario| {
                scenario.steps = bring_up();
                scenario.steps.extend([
                    Step::Ping(Side::Left, 2),
                    Step::KeepPinging(Side::Left),
                    Step::Pause(1),
                    Step::Rekey(Side::Left, what),
                    Step::Pause(1),
                    Step::Rekey(Side::Right, what),
                    Step::Pause(2),
                    Step::Rekey(Side::Left, what),
                    Step::Pause(1),
                    Step::PingsLost(0),
                    Step::OnlyEsp,
                ]);
                scenario.seconds = 15;
            },
        ));
    }
    all.extend(for_pairs(
        "rekey-timer",
        "lifetimes of a few seconds: rekeyed by timer, and not a single ping is lost",
        |scenario| {
            scenario.left.child_lifetime = 4;
            scenario.left.ike_lifetime = 6;
            scenario.steps = bring_up();
            scenario.steps.extend([
                Step::KeepPinging(Side::Right),
                Step::Pause(15),
                Step::PingsLost(0),
                Step::Rekeys(4),
                Step::Established(5),
                Step::OnlyEsp,
            ]);
            scenario.seconds = 22;
        },
    ));
    all.extend(iked_only(
        "rekey-load",
        "60 s of iperf3 while both SAs are rekeyed every 5 s",
        |scenario| {
            scenario.left.child_lifetime = 5;
            scenario.left.ike_lifetime = 5;
            scenario.right.child_lifetime = 5;
            scenario.right.ike_lifetime = 5;
            scenario.steps = bring_up();
            scenario.steps.extend([
                Step::SteadyIperf(Side::Left, 60),
                Step::Rekeys(20),
                Step::Established(5),
                Step::Ping(Side::Right, 3),
                Step::OnlyEsp,
            ]);
            scenario.seconds = 75;
        },
    ));
    all
}
