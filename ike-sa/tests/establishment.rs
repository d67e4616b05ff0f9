//! Two ends come to an IKE SA and a child.
use ike_sa::testing::{Pair, Who};

#[test]
fn two_gateways_establish_a_tunnel_and_understand_each_other() {
    let mut pair = Pair::new(1);
    pair.establish(Who::Left);
    pair.check_quiet().unwrap();
    pair.ping_both("tunnel").unwrap();
    assert_eq!(pair.net.log.len(), 4, "two exchanges");
}
