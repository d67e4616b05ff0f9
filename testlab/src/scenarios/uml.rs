//! On a kernel that has IPsec: real kernel ESP, and ESP as IP protocol 50.

use super::{bring_up, pair};
use crate::scenario::{Dataplane, Implementation, Kernel, Mode, Scenario, Side, Step, What};

pub(super) fn scenarios() -> Vec<Scenario> {
    let (iked, strongswan) = (Implementation::Iked, Implementation::Strongswan);
    let mut all = Vec::new();
    for (left, right) in [
        (iked, strongswan),
        (strongswan, iked),
        (iked, iked),
        (strongswan, strongswan),
    ] {
        all.push(kernel_esp("xfrm", Dataplane::Xfrm, left, right));
    }
    all.push(no_leak());
    for (left, right) in [(iked, strongswan), (strongswan, iked)] {
        all.push(kernel_esp("raw-esp", Dataplane::Userspace, left, right));
    }
    all
}

/// The kernel's policies outlive the daemon that put them there.
fn no_leak() -> Scenario {
    let (iked, about) = (
        Implementation::Iked,
        "an active policy without a tunnel, and a crash: the kernel lets nothing out in clear",
    );
    let mut scenario = pair("xfrm-leak", about, iked, iked);
    scenario.kernel = Kernel::Uml;
    scenario.left.mode = Mode::Active;
    for side in [Side::Left, Side::Right] {
        scenario.peer_mut(side).dataplane = Dataplane::Xfrm;
    }
    scenario.steps = vec![
        Step::Start(Side::Left),
        Step::NoPing(Side::Left),
        Step::NothingClear,
        Step::Start(Side::Right),
        Step::PingWithin(Side::Left, 30),
        Step::KeepPinging(Side::Left),
        Step::KillProcess(Side::Left, "ikev2".to_owned()),
        Step::Pause(2),
        Step::Kill(Side::Left),
        Step::Kill(Side::Right),
        Step::Pause(1),
        Step::Start(Side::Right),
        Step::Start(Side::Left),
        Step::PingWithin(Side::Left, 30),
        Step::PingsLost(1000),
        Step::NothingClear,
        Step::Stop(Side::Left),
        Step::NothingLeft(Side::Left),
        Step::PingWithin(Side::Left, 5),
        Step::SomethingClear,
    ];
    scenario.seconds = 30;
    scenario
}

/// strongSwan always uses the kernel here; `dataplane` is iked's.
fn kernel_esp(
    subject: &str,
    dataplane: Dataplane,
    left: Implementation,
    right: Implementation,
) -> Scenario {
    let about = match dataplane {
        Dataplane::Userspace => "iked's userspace ESP as IP protocol 50 against the kernel's",
        Dataplane::Xfrm | Dataplane::Auto => "net to net with the ESP of a real kernel",
    };
    let mut scenario = pair(subject, about, left, right);
    scenario.kernel = Kernel::Uml;
    scenario.left.mode = Mode::Active;
    for side in [Side::Left, Side::Right] {
        let peer = scenario.peer_mut(side);
        peer.dataplane = match peer.daemon {
            Implementation::Iked => dataplane,
            Implementation::Strongswan => Dataplane::Xfrm,
        };
    }
    scenario.steps = bring_up();
    scenario.steps.extend([
        Step::Ping(Side::Left, 5),
        Step::Ping(Side::Right, 5),
        Step::Iperf(Side::Left, 2),
        Step::Rekey(Side::Left, What::Child),
        Step::Ping(Side::Left, 3),
        Step::RawEsp,
        Step::OnlyEsp,
        Step::Stop(Side::Left),
        Step::NoSa(8),
        Step::NothingLeft(Side::Left),
    ]);
    scenario.seconds = 30;
    scenario
}
