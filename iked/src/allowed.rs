//! What child SAs may carry: the flows of the configuration, which kernel and esp have from the
//! parent. The process that asks them for more reads the network and is not believed.
use std::collections::BTreeMap;

use ike_kernel::{ChildRequest, Flow};

/// The flows of each policy.
#[derive(Debug, Default)]
pub(crate) struct Allowed(BTreeMap<String, Vec<Flow>>);

impl Allowed {
    /// All flows of a policy's children.
    pub(crate) fn insert(&mut self, policy: String, flows: Vec<Flow>) {
        self.0.insert(policy, flows);
    }

    /// Whether a request to a data plane stays within; only an installation names flows.
    pub(crate) fn check_request(&self, request: &ChildRequest) -> Result<(), String> {
        match request {
            ChildRequest::Install(child) => self.check(&child.policy, &child.flows),
            _ => Ok(()),
        }
    }

    /// Whether flows are all flows of a policy or parts of them.
    pub(crate) fn check(&self, policy: &str, flows: &[Flow]) -> Result<(), String> {
        let allowed = self.0.get(policy).map_or(&[][..], Vec::as_slice);
        let inside = |(local, peer): &Flow| {
            allowed
                .iter()
                .any(|(l, p)| l.contains(local) && p.contains(peer))
        };
        match flows.iter().find(|flow| !inside(flow)) {
            None => Ok(()),
            Some((local, peer)) => Err(format!(
                "flow {local} to {peer} is not in the configuration of policy \"{policy}\""
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ike_ts::{AddrRange, PortRange, TrafficSelector};

    fn selector(addr: &str, len: u8) -> TrafficSelector {
        let range = AddrRange::from_prefix(addr.parse().unwrap(), len).unwrap();
        TrafficSelector::any_protocol(range)
    }

    #[test]
    fn a_child_may_carry_a_part_of_its_policy_and_nothing_else() {
        let whole = (selector("10.1.0.0", 16), selector("10.2.0.0", 16));
        let mut allowed = Allowed::default();
        allowed.insert("gw".into(), vec![whole]);
        let web = TrafficSelector {
            protocol: 6,
            ports: PortRange::single(443),
            ..selector("10.2.3.4", 32)
        };
        assert!(allowed.check("gw", &[whole]).is_ok());
        assert!(
            allowed
                .check("gw", &[(selector("10.1.1.0", 24), web)])
                .is_ok()
        );
        let everything = (selector("0.0.0.0", 0), selector("0.0.0.0", 0));
        assert!(allowed.check("gw", &[whole, everything]).is_err());
        assert!(allowed.check("gw", &[(whole.1, whole.0)]).is_err());
        assert!(allowed.check("other", &[whole]).is_err());
    }
}
