//! NAT routers in between: everything goes through UDP 4500.

use super::{bring_up, for_pairs};
use crate::scenario::{Path, Plan, Scenario, Side, Step, What};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    for (subject, path, about) in [
        (
            "nat",
            Path::Nat,
            "the initiator behind a masquerading router",
        ),
        (
            "nat-both",
            Path::DualNat,
            "both behind NAT, UDP 500 and 4500 forwarded to the responder",
        ),
    ] {
        all.extend(for_pairs(subject, about, |scenario| {
            scenario.plan = Plan {
                path,
                ..Plan::default()
            };
            scenario.steps = bring_up();
            scenario.steps.extend([
                Step::Ping(Side::Left, 5),
                Step::Ping(Side::Right, 5),
                Step::Rekey(Side::Right, What::Child),
                Step::Rekey(Side::Left, What::Ike),
                Step::Ping(Side::Right, 3),
                Step::Iperf(Side::Left, 2),
                Step::EspInUdp,
                Step::OnlyEsp,
            ]);
            scenario.seconds = 20;
        }));
    }
    all
}
