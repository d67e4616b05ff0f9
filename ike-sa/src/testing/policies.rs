//! Policies for tests.
use crate::*;
use core::net::IpAddr;
use ike_ts::{AddrRange, TrafficSelector};
use ike_wire::{EncrId, IdType, KeMethod, PrfId, ProtocolId};

/// Names and addresses of one end.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Our address.
    pub local: IpAddr,
    /// The peer's.
    pub peer: IpAddr,
    /// Our identity (FQDN).
    pub local_id: String,
    /// The peer's.
    pub peer_id: String,
    /// Our network, as first and last address.
    pub local_net: (IpAddr, IpAddr),
    /// The peer's.
    pub peer_net: (IpAddr, IpAddr),
}

/// A selector of any protocol.
pub fn ts(net: (IpAddr, IpAddr)) -> TrafficSelector {
    let range = AddrRange::new(net.0, net.1).unwrap_or(AddrRange::host(net.0));
    TrafficSelector::any_protocol(range)
}

fn fqdn(name: &str) -> Id {
    Id {
        kind: IdType::FQDN,
        data: name.as_bytes().to_vec(),
    }
}

/// A passive PSK policy "tunnel" with AES-256-GCM, SHA-256 and X25519, and one child without PFS.
pub fn psk_policy(scene: &Scene) -> Policy {
    Policy {
        name: "tunnel".into(),
        initiation: Initiation::Passive,
        quick: false,
        skip: false,
        default: false,
        local: Some(AddrRange::host(scene.local)),
        peer: Some(AddrRange::host(scene.peer)),
        ike: vec![IkeProposal {
            encr: vec![(EncrId::AES_GCM_16, Some(256))],
            integ: Vec::new(),
            prf: vec![PrfId::HMAC_SHA2_256],
            ke: vec![KeMethod::CURVE25519, KeMethod::ECP256],
            additional_ke: Vec::new(),
        }],
        local_id: fqdn(&scene.local_id),
        peer_id: IdMatch::Exact(fqdn(&scene.peer_id)),
        auth: AuthPolicy::Psk,
        children: vec![ChildPolicy {
            name: "tunnel".into(),
            protocol: ProtocolId::ESP,
            mode: Mode::Tunnel,
            flows: vec![(ts(scene.local_net), ts(scene.peer_net))],
            proposals: vec![ChildProposal {
                encr: vec![(EncrId::AES_GCM_16, Some(256))],
                integ: Vec::new(),
                ke: Vec::new(),
                additional_ke: Vec::new(),
                esn: vec![true, false],
            }],
            lifetime_s: 0,
            lifetime_bytes: 0,
        }],
        ike_lifetime_s: 0,
    }
}

/// A set of policies with settings that leave liveness checks off.
pub fn set(policies: Vec<Policy>) -> PolicySet {
    PolicySet {
        policies,
        settings: Settings {
            dpd_check_interval_s: 0,
            ..Settings::default()
        },
    }
}
