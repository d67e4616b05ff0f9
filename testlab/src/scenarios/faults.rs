//! Power cuts, crashes of single processes, and what must not leak meanwhile.

use super::{bring_up, for_pairs, iked_only};
use crate::scenario::{Mode, Scenario, Side, Step};

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = for_pairs(
        "killed-responder",
        "the responder dies and comes back: the initiator notices and reconnects",
        |scenario| {
            scenario.left.mode = Mode::Active;
            scenario.left.dpd = 2;
            scenario.steps = bring_up();
            scenario.steps.extend([
                Step::Ping(Side::Left, 3),
                Step::Kill(Side::Right),
                Step::Start(Side::Right),
                Step::PingWithin(Side::Left, 40),
                Step::Established(10),
                Step::NothingClear,
            ]);
            scenario.seconds = 30;
        },
    );
    all.extend(for_pairs(
        "killed-initiator",
        "the initiator dies and comes back: the responder drops the old SA",
        |scenario| {
            scenario.left.mode = Mode::Active;
            scenario.right.dpd = 2;
            scenario.steps = bring_up();
            scenario.steps.extend([
                Step::Ping(Side::Left, 3),
                Step::Kill(Side::Left),
                Step::Start(Side::Left),
                Step::PingWithin(Side::Left, 30),
                Step::Established(20),
            ]);
            scenario.seconds = 25;
        },
    ));
    all.extend(iked_only(
        "leak-peer-down",
        "an active policy without a peer: nothing leaves in clear, before and after",
        |scenario| {
            scenario.left.mode = Mode::Active;
            scenario.left.dpd = 2;
            scenario.steps = vec![
                Step::Start(Side::Left),
                Step::NoPing(Side::Left),
                Step::NothingClear,
                Step::Start(Side::Right),
                Step::PingWithin(Side::Left, 30),
                Step::Kill(Side::Right),
                Step::NoPing(Side::Left),
                Step::NothingClear,
                Step::Start(Side::Right),
                Step::PingWithin(Side::Left, 40),
                Step::NothingClear,
            ];
            scenario.seconds = 45;
        },
    ));
    for role in ["parent", "ca", "ikev2", "kernel", "esp", "control"] {
        all.extend(iked_only(
            &format!("leak-crash-{role}"),
            "one process of iked is killed: nothing leaves in clear",
            |scenario| {
                scenario.left.mode = Mode::Active;
                scenario.steps = vec![
                    Step::Start(Side::Right),
                    Step::Start(Side::Left),
                    Step::PingWithin(Side::Left, 20),
                    Step::KeepPinging(Side::Left),
                    Step::Pause(1),
                    Step::KillProcess(Side::Left, role.to_owned()),
                    Step::Pause(3),
                    Step::NothingClear,
                    Step::Kill(Side::Left),
                    Step::Start(Side::Left),
                    Step::PingWithin(Side::Left, 30),
                    Step::PingsLost(1000),
                    Step::NothingClear,
                ];
                scenario.seconds = 15;
            },
        ));
    }
    all.extend(iked_only(
        "leak-stop",
        "a clean stop takes the block away, with everything else",
        |scenario| {
            scenario.left.mode = Mode::Active;
            scenario.steps = vec![
                Step::Start(Side::Left),
                Step::NoPing(Side::Left),
                Step::NothingClear,
                Step::Stop(Side::Left),
                Step::NothingLeft(Side::Left),
                Step::PingWithin(Side::Left, 5),
                Step::SomethingClear,
                Step::Start(Side::Left),
                Step::Start(Side::Right),
            ];
        },
    ));
    all.extend(iked_only(
        "leak-decouple",
        "decoupled from the kernel: the block is gone",
        |scenario| {
            scenario.left.mode = Mode::Active;
            scenario.steps = vec![
                Step::Start(Side::Left),
                Step::NoPing(Side::Left),
                Step::NothingClear,
                Step::Reload(Side::Left, "set decouple".into()),
                Step::PingWithin(Side::Left, 5),
                Step::SomethingClear,
                Step::Start(Side::Right),
            ];
        },
    ));
    all.extend(iked_only(
        "leak-allowed",
        "`set leak`: packets pass in clear while there is no tunnel",
        |scenario| {
            scenario.left.mode = Mode::Active;
            scenario.left.extra = vec!["set leak".into()];
            scenario.steps = vec![
                Step::Start(Side::Left),
                Step::PingWithin(Side::Left, 5),
                Step::SomethingClear,
                Step::Start(Side::Right),
            ];
        },
    ));
    all
}
