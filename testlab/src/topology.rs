//! The networks that scenarios run in: two gateways with a LAN each, and what
//! lies between them. Documentation addresses outside (RFC 5737, RFC 3849).
//!
//! Gateways and LAN hosts route everything unknown towards the other side, so
//! that a packet that should have been encrypted and was not does arrive on
//! the outer link, where the capture sees it.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::command::run;
use crate::netns::{LabId, Namespace};

/// What lies between the gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// One link.
    #[default]
    Direct,
    /// A router that masquerades the left gateway.
    Nat,
    /// A masquerading router before each gateway; the right one forwards UDP 500 and 4500.
    DualNat,
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// IPv4.
    #[default]
    V4,
    /// IPv6.
    V6,
}

/// The choice of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// Between the gateways.
    pub path: Path,
    /// Family of the outer addresses.
    pub outer: Family,
    /// Family of the LANs.
    pub inner: Family,
}

/// One of the two ends; the left one initiates unless a scenario says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// LAN 10.1.0.0/24.
    Left,
    /// LAN 10.2.0.0/24.
    Right,
}

impl Side {
    /// The opposite end.
    pub fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    /// `left` or `right`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }
}

/// The addresses of one end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// The gateway's own outer address.
    pub outer: String,
    /// Where the other gateway reaches it (differs behind a NAT).
    pub seen_as: String,
    /// The LAN.
    pub lan: String,
    /// The gateway in its LAN.
    pub gateway: String,
    /// The host in the LAN.
    pub host: String,
}

/// The addresses of both ends under a plan.
pub fn addresses(plan: Plan, side: Side) -> Addresses {
    let net = match side {
        Side::Left => 1,
        Side::Right => 2,
    };
    let (outer, seen_as) = match (plan.path, plan.outer, side) {
        (Path::Direct, Family::V4, _) => (format!("192.0.2.{net}"), format!("192.0.2.{net}")),
        (_, Family::V6, _) => (format!("2001:db8::{net}"), format!("2001:db8::{net}")),
        (_, Family::V4, Side::Left) => ("198.51.100.2".into(), "203.0.113.1".into()),
        (Path::Nat, Family::V4, Side::Right) => ("203.0.113.2".into(), "203.0.113.2".into()),
        (Path::DualNat, Family::V4, Side::Right) => ("192.0.2.2".into(), "203.0.113.2".into()),
    };
    let (lan, gateway, host) = match plan.inner {
        Family::V4 => (
            format!("10.{net}.0.0/24"),
            format!("10.{net}.0.1"),
            format!("10.{net}.0.10"),
        ),
        Family::V6 => (
            format!("2001:db8:{net}::/64"),
            format!("2001:db8:{net}::1"),
            format!("2001:db8:{net}::10"),
        ),
    };
    Addresses {
        outer,
        seen_as,
        lan,
        gateway,
        host,
    }
}

/// The network, standing.
#[derive(Debug)]
pub struct Topology {
    /// What it was built from.
    pub plan: Plan,
    /// The gateways' namespaces.
    pub left: Arc<Namespace>,
    /// The right gateway.
    pub right: Arc<Namespace>,
    /// The host in the left LAN.
    pub left_host: Arc<Namespace>,
    /// The host in the right LAN.
    pub right_host: Arc<Namespace>,
    /// NAT routers in between.
    pub routers: Vec<Namespace>,
}

impl Topology {
    /// Builds the network.
    pub fn build(lab: &LabId, plan: Plan) -> Result<Self> {
        let mut built = Self {
            plan,
            left: Arc::new(Namespace::create(lab, "left")?),
            right: Arc::new(Namespace::create(lab, "right")?),
            left_host: Arc::new(Namespace::create(lab, "left-host")?),
            right_host: Arc::new(Namespace::create(lab, "right-host")?),
            routers: Vec::new(),
        };
        for side in [Side::Left, Side::Right] {
            built.lan(side)?;
        }
        match plan.path {
            Path::Direct => built.direct()?,
            Path::Nat => built.nat(lab)?,
            Path::DualNat => built.dual_nat(lab)?,
        }
        Ok(built)
    }

    /// The addresses of an end.
    pub fn addresses(&self, side: Side) -> Addresses {
        addresses(self.plan, side)
    }

    /// The namespace of a gateway.
    pub fn gateway(&self, side: Side) -> &Arc<Namespace> {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }

    /// The namespace of a LAN host.
    pub fn host(&self, side: Side) -> &Arc<Namespace> {
        match side {
            Side::Left => &self.left_host,
            Side::Right => &self.right_host,
        }
    }

    /// Leaves everything in place when the guard goes; gives the names.
    pub fn keep(&self) -> Vec<String> {
        let ends = [&self.left, &self.right, &self.left_host, &self.right_host];
        ends.into_iter()
            .map(|end| &**end)
            .chain(&self.routers)
            .map(|namespace| {
                namespace.keep();
                namespace.name().to_owned()
            })
            .collect()
    }

    fn lan(&self, side: Side) -> Result<()> {
        let at = self.addresses(side);
        let length = prefix_length(&at.lan);
        let (gateway, host) = (self.gateway(side), self.host(side));
        link((gateway, "lan"), (host, "lan"))?;
        address(gateway, "lan", &format!("{}/{length}", at.gateway))?;
        address(host, "lan", &format!("{}/{length}", at.host))?;
        default_route(host, &at.gateway)
    }

    fn direct(&self) -> Result<()> {
        let length = match self.plan.outer {
            Family::V4 => 24,
            Family::V6 => 64,
        };
        link((&self.left, "out"), (&self.right, "out"))?;
        for side in [Side::Left, Side::Right] {
            let (own, peer) = (self.addresses(side), self.addresses(side.other()));
            address(
                self.gateway(side),
                "out",
                &format!("{}/{length}", own.outer),
            )?;
            default_route(self.gateway(side), &peer.outer)?;
            if self.plan.outer != self.plan.inner {
                // So that unencrypted LAN packets would find their way here, too.
                self.gateway(side)
                    .ip(&["route", "add", &peer.lan, "dev", "out"])?;
            }
        }
        Ok(())
    }

    fn nat(&mut self, lab: &LabId) -> Result<()> {
        let router = Namespace::create(lab, "nat")?;
        link((&self.left, "out"), (&router, "in"))?;
        link((&router, "out"), (&self.right, "out"))?;
        address(&self.left, "out", "198.51.100.2/24")?;
        address(&router, "in", "198.51.100.1/24")?;
        address(&router, "out", "203.0.113.1/24")?;
        address(&self.right, "out", "203.0.113.2/24")?;
        default_route(&self.left, "198.51.100.1")?;
        default_route(&self.right, "203.0.113.1")?;
        masquerade(&router, None)?;
        self.routers.push(router);
        Ok(())
    }

    fn dual_nat(&mut self, lab: &LabId) -> Result<()> {
        let near = Namespace::create(lab, "nat-left")?;
        let far = Namespace::create(lab, "nat-right")?;
        link((&self.left, "out"), (&near, "in"))?;
        link((&near, "out"), (&far, "out"))?;
        link((&far, "in"), (&self.right, "out"))?;
        address(&self.left, "out", "198.51.100.2/24")?;
        address(&near, "in", "198.51.100.1/24")?;
        address(&near, "out", "203.0.113.1/24")?;
        address(&far, "out", "203.0.113.2/24")?;
        address(&far, "in", "192.0.2.1/24")?;
        address(&self.right, "out", "192.0.2.2/24")?;
        default_route(&self.left, "198.51.100.1")?;
        default_route(&near, "203.0.113.2")?;
        default_route(&far, "203.0.113.1")?;
        default_route(&self.right, "192.0.2.1")?;
        masquerade(&near, None)?;
        masquerade(&far, Some("192.0.2.2"))?;
        self.routers.extend([near, far]);
        Ok(())
    }
}

fn link(one: (&Namespace, &str), two: (&Namespace, &str)) -> Result<()> {
    // Made inside its namespace from the start, so that names never meet.
    one.0
        .ip(&[
            "link",
            "add",
            one.1,
            "type",
            "veth",
            "peer",
            "name",
            two.1,
            "netns",
            two.0.name(),
        ])
        .context("cannot make a veth link")?;
    one.0.ip(&["link", "set", one.1, "up"])?;
    two.0.ip(&["link", "set", two.1, "up"])?;
    Ok(())
}

fn address(namespace: &Namespace, interface: &str, address: &str) -> Result<()> {
    let mut arguments = vec!["addr", "add", address, "dev", interface];
    if address.contains(':') {
        arguments.push("nodad");
    }
    namespace.ip(&arguments)?;
    Ok(())
}

fn default_route(namespace: &Namespace, via: &str) -> Result<()> {
    let family = if via.contains(':') { "-6" } else { "-4" };
    run(
        Command::new("ip").args([
            family,
            "-n",
            namespace.name(),
            "route",
            "add",
            "default",
            "via",
            via,
        ]),
        Duration::from_secs(10),
    )?;
    Ok(())
}

fn masquerade(router: &Namespace, forward_ike_to: Option<&str>) -> Result<()> {
    let mut rules = String::from(
        "table ip nat {\n  chain post { type nat hook postrouting priority 100; oifname \"out\" masquerade; }\n",
    );
    if let Some(to) = forward_ike_to {
        rules.push_str(&format!(
            "  chain pre {{ type nat hook prerouting priority -100; iifname \"out\" udp dport {{ 500, 4500 }} dnat to {to}; }}\n"
        ));
    }
    rules.push_str("}\n");
    router
        .run(&["nft", &rules], Duration::from_secs(10))
        .context("cannot set up NAT (nftables)")?;
    Ok(())
}

fn prefix_length(network: &str) -> &str {
    network.split_once('/').map_or("24", |(_, length)| length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_direct_link_see_each_other_as_they_are() {
        let left = addresses(Plan::default(), Side::Left);
        assert_eq!(left.outer, "192.0.2.1");
        assert_eq!(left.outer, left.seen_as);
        assert_eq!(left.lan, "10.1.0.0/24");
    }

    #[test]
    fn behind_two_nats_the_responder_is_reached_at_its_router() {
        let plan = Plan {
            path: Path::DualNat,
            ..Plan::default()
        };
        let right = addresses(plan, Side::Right);
        assert_eq!(
            (right.outer.as_str(), right.seen_as.as_str()),
            ("192.0.2.2", "203.0.113.2")
        );
    }

    #[test]
    fn a_plan_reads_from_a_few_words() {
        let plan: Plan = serde_json::from_str(r#"{"path":"dual_nat"}"#).unwrap();
        assert_eq!(plan.path, Path::DualNat);
        assert_eq!(plan.outer, Family::V4);
    }
}
