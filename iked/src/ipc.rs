//! The messages between our processes, one enum per direction: the compiler refuses a message in
//! the wrong direction, [`crate::privsep::channel`] refuses one that does not decode completely.
//!
//! ```
//! use iked::ipc::{Ikev2ToCa, CaToIkev2};
//! use iked::privsep::channel::Channel;
//! use ike_sa::{Answer, RequestId};
//!
//! let (mut ikev2, mut ca) = Channel::<Ikev2ToCa, CaToIkev2>::pair()?;
//! ca.send(&CaToIkev2::Answer(RequestId(7), Answer::AuthMade(Err("no such policy".into()))))?;
//! let (CaToIkev2::Answer(id, _), _fds) = ikev2.receive()?.expect("it is there");
//! assert_eq!(id, RequestId(7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use ike_crypto::Secret;
use ike_kernel::route::RouterConfig;
use ike_kernel::userspace::PlaneConfig;
use ike_kernel::xfrm::XfrmConfig;
use ike_kernel::{Block, ChildRequest, Counters, Event, Flow, PlaneKind};
use ike_sa::{Answer, KeyLogRow, Policy, Request, RequestId, Settings};
use serde::{Deserialize, Serialize};

use crate::control::proto;
use crate::log;

/// A configuration as it is numbered while it is handed out.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Generation(pub u64);

/// A client of the control socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientId(pub u64);

/// The data plane's name as in `set dataplane`.
pub fn plane_name(plane: PlaneKind) -> &'static str {
    match plane {
        PlaneKind::Xfrm => "xfrm",
        PlaneKind::Userspace => "userspace",
        PlaneKind::None => "none",
    }
}

/// parent → ca.
#[derive(Debug, Serialize, Deserialize)]
pub enum ParentToCa {
    /// The pre-shared key of a policy, part of the configuration that [`ParentToCa::Commit`] ends.
    Psk {
        /// Policy name.
        policy: String,
        /// The key.
        psk: Secret,
    },
    /// From now on exactly the secrets sent since the last one.
    Commit(Generation),
    /// Log level.
    Log(log::Level),
}

/// ca → parent.
#[derive(Debug, Serialize, Deserialize)]
pub enum CaToParent {
    /// In force.
    Committed(Generation),
}

/// parent → ikev2.
#[derive(Debug, Serialize, Deserialize)]
pub enum ParentToIkev2 {
    /// What there is to know besides policies; first of all.
    Setup(Box<Ikev2Setup>),
    /// A policy, in the order of the file.
    Policy(Box<Policy>),
    /// From now on exactly the policies sent since the last one.
    Commit(Generation, Settings),
    /// Log level.
    Log(log::Level),
    /// Close everything and say so.
    Shutdown,
}

/// What ikev2 is told at the start.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ikev2Setup {
    /// Data plane in use.
    pub plane: PlaneKind,
    /// As configured, for `ikectl show sa`.
    pub plane_configured: String,
    /// Why, for people.
    pub plane_note: String,
    /// Whether to emit key log rows.
    pub keylog: bool,
}

/// ikev2 → parent.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ikev2ToParent {
    /// In force.
    Committed(Generation),
    /// A row for the key log file.
    KeyLog(KeyLogRow),
    /// Everything is closed.
    ShutDown,
}

/// parent → kernel.
#[derive(Debug, Serialize, Deserialize)]
pub enum ParentToKernel {
    /// First of all.
    Setup(Box<KernelSetup>),
    /// What child SAs of a policy may carry, at most.
    Allow {
        /// Policy name.
        policy: String,
        /// All flows of its children.
        flows: Vec<Flow>,
    },
    /// What must not leave in clear.
    Block(Block),
    /// From now on exactly the allowances and blocks sent since the last one.
    Commit(Generation),
    /// Log level.
    Log(log::Level),
    /// A clean stop: remove everything from the kernel.
    Remove,
}

/// What kernel is told at the start.
#[derive(Debug, Serialize, Deserialize)]
pub enum KernelSetup {
    /// The kernel's own ESP.
    Xfrm(XfrmConfig),
    /// Rules and routes for the userspace plane, whose TUN device is there.
    Userspace(RouterConfig),
    /// Nothing.
    None,
}

/// kernel → parent.
#[derive(Debug, Serialize, Deserialize)]
pub enum KernelToParent {
    /// Whether the setup worked.
    SetUp(Result<(), String>),
    /// In force, or not.
    Committed(Generation, Result<(), String>),
    /// Nothing of ours is left in the kernel, or what could not be removed.
    Removed(Result<(), String>),
}

/// parent → esp.
#[derive(Debug, Serialize, Deserialize)]
pub enum ParentToEsp {
    /// First of all.
    Setup(PlaneConfig),
    /// What child SAs of a policy may carry, at most.
    Allow {
        /// Policy name.
        policy: String,
        /// All flows of its children.
        flows: Vec<Flow>,
    },
    /// What must not leave in clear; tells which policy a packet without SA belongs to.
    Block(Block),
    /// From now on exactly the allowances and blocks sent since the last one.
    Commit(Generation),
    /// Log level.
    Log(log::Level),
}

/// esp → parent.
#[derive(Debug, Serialize, Deserialize)]
pub enum EspToParent {
    /// Whether the setup worked.
    SetUp(Result<(), String>),
    /// In force, or not.
    Committed(Generation, Result<(), String>),
}

/// parent → control.
#[derive(Debug, Serialize, Deserialize)]
pub enum ParentToControl {
    /// Whether the socket's mode lets a group in, so that users other than root may call.
    Setup {
        /// Whether it does.
        admit_group: bool,
    },
    /// To a client's request.
    Reply(ClientId, proto::Reply),
    /// Log level.
    Log(log::Level),
    /// Take no more requests: the daemon stops.
    Close,
}

/// control → parent.
#[derive(Debug, Serialize, Deserialize)]
pub enum ControlToParent {
    /// A client's request: those about the configuration and the log.
    Request(ClientId, proto::Request),
}

/// control → ikev2.
#[derive(Debug, Serialize, Deserialize)]
pub enum ControlToIkev2 {
    /// A client's request: those about SAs.
    Request(ClientId, proto::Request),
    /// The client is gone; its answers are not wanted any more.
    Gone(ClientId),
}

/// ikev2 → control.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ikev2ToControl {
    /// To a client's request.
    Reply(ClientId, proto::Reply),
}

/// ikev2 → ca.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ikev2ToCa {
    /// [`Request::MakeAuth`] or [`Request::VerifyAuth`].
    Request(RequestId, Request),
}

/// ca → ikev2.
#[derive(Debug, Serialize, Deserialize)]
pub enum CaToIkev2 {
    /// The answer.
    Answer(RequestId, Answer),
}

/// ikev2 → kernel.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ikev2ToKernel {
    /// With the kernel's own ESP: install, change, remove a child.
    Child(RequestId, ChildRequest),
    /// With the userspace plane: lead a child's flows into it.
    Protect {
        /// To be answered.
        id: RequestId,
        /// Child.
        child: u64,
        /// Its policy.
        policy: String,
        /// Its flows.
        flows: Vec<Flow>,
    },
    /// With the userspace plane: do so no longer, as far as this child is concerned.
    Release(RequestId, u64),
    /// Counters of all children now.
    Counters,
}

/// kernel → ikev2.
#[derive(Debug, Serialize, Deserialize)]
pub enum KernelToIkev2 {
    /// Done, or why not.
    Done(RequestId, Result<(), String>),
    /// Something happened.
    Event(Event),
    /// To [`Ikev2ToKernel::Counters`]: children that moved, and the plane's own named counters.
    Counters(Vec<(u64, Counters)>, Vec<(String, u64)>),
}

/// ikev2 → esp.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ikev2ToEsp {
    /// Install, change, remove a child.
    Child(RequestId, ChildRequest),
    /// Counters of all children now.
    Counters,
}

/// esp → ikev2.
#[derive(Debug, Serialize, Deserialize)]
pub enum EspToIkev2 {
    /// Done, or why not.
    Done(RequestId, Result<(), String>),
    /// Something happened.
    Event(Event),
    /// To [`Ikev2ToEsp::Counters`]: children that moved, and why packets were dropped.
    Counters(Vec<(u64, Counters)>, Vec<(String, u64)>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privsep::channel::{Channel, ChannelError};
    use proptest::prelude::*;

    #[test]
    fn a_secret_crosses_unchanged() {
        let (mut parent, mut ca) = Channel::<ParentToCa, CaToParent>::pair().unwrap();
        parent
            .send(&ParentToCa::Psk {
                policy: "gw".into(),
                psk: Secret::new(b"foobar".to_vec()),
            })
            .unwrap();
        let Some((ParentToCa::Psk { policy, psk }, _)) = ca.receive().unwrap() else {
            panic!("another message");
        };
        assert_eq!(policy, "gw");
        assert_eq!(psk.expose(), b"foobar");
    }

    /// Feeds octets to a channel as one datagram.
    fn refused<Rx: serde::de::DeserializeOwned>(octets: &[u8]) -> bool {
        let (raw, there) = crate::privsep::channel::socket_pair().unwrap();
        let mut channel = Channel::<(), Rx>::new(there);
        rustix::net::send(&raw, octets, rustix::net::SendFlags::empty()).unwrap();
        match channel.receive() {
            Ok(_) => false,
            Err(ChannelError::Violation(_)) => true,
            Err(e) => panic!("{e}"),
        }
    }

    #[test]
    fn unknown_variants_are_refused() {
        assert!(refused::<ParentToCa>(&[0, 99]));
        assert!(refused::<Ikev2ToCa>(&[0, 1]));
        assert!(refused::<EspToParent>(&[0, 9]));
        assert!(refused::<EspToIkev2>(&[0, 3]));
        assert!(refused::<ControlToIkev2>(&[0]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_garbage_makes_a_direction_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut datagram = vec![0];
            datagram.extend(&octets);
            refused::<ParentToCa>(&datagram);
            refused::<ParentToIkev2>(&datagram);
            refused::<ParentToKernel>(&datagram);
            refused::<ControlToIkev2>(&datagram);
            refused::<ControlToParent>(&datagram);
            refused::<Ikev2ToCa>(&datagram);
            refused::<Ikev2ToKernel>(&datagram);
            refused::<KernelToIkev2>(&datagram);
            refused::<Ikev2ToEsp>(&datagram);
            refused::<EspToIkev2>(&datagram);
            refused::<Ikev2ToParent>(&datagram);
        }

        #[test]
        fn counters_round_trip(id: u64, bytes_in: u64, packets_out: u64) {
            let (mut a, mut b) = Channel::<EspToIkev2, Ikev2ToEsp>::pair().unwrap();
            let counters = Counters { bytes_in, packets_out, ..Counters::default() };
            a.send(&EspToIkev2::Counters(vec![(id, counters)], vec![])).unwrap();
            let Some((EspToIkev2::Counters(got, _), _)) = b.receive().unwrap() else {
                return Err(TestCaseError::fail("another message"));
            };
            prop_assert_eq!(got, vec![(id, counters)]);
        }
    }
}
