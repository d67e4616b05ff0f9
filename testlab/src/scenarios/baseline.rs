//! The first thing anybody does: two gateways with a pre-shared key.

use super::{bring_up, for_pairs, iked_only};
use crate::scenario::{Family, Mode, Plan, Scenario, Side, Step};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = for_pairs(
        "psk",
        "net to net with a pre-shared key; ping and iperf3 both ways",
        |scenario| {
            scenario.left.mode = Mode::Active;
            scenario.steps = bring_up();
            scenario.steps.extend(traffic());
            scenario.seconds = 20;
        },
    );
    all.extend(for_pairs(
        "psk-down",
        "a tunnel that is taken down is gone on both sides",
        |scenario| {
            scenario.steps = bring_up();
            scenario.steps.extend([
                Step::Ping(Side::Left, 3),
                Step::Down(Side::Left),
                Step::NoSa(8),
                Step::Up(Side::Left),
                Step::Established(10),
                Step::Ping(Side::Right, 3),
                Step::Stop(Side::Right),
                Step::NoSa(8),
                Step::NothingLeft(Side::Right),
            ]);
        },
    ));
    for (subject, outer, inner) in [
        ("ipv6", Family::V6, Family::V6),
        ("ipv6-outer", Family::V6, Family::V4),
        ("ipv6-inner", Family::V4, Family::V6),
    ] {
        all.extend(iked_only(
            subject,
            "IPv6 outside, inside, or both",
            |scenario| {
                scenario.plan = Plan {
                    outer,
                    inner,
                    ..Plan::default()
                };
                scenario.steps = bring_up();
                scenario.steps.extend(traffic());
                scenario.seconds = 20;
            },
        ));
    }
    all
}

fn traffic() -> Vec<Step> {
    vec![
        Step::Ping(Side::Left, 5),
        Step::Ping(Side::Right, 5),
        Step::Iperf(Side::Left, 3),
        Step::OnlyEsp,
    ]
}
