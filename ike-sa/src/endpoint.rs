//! The endpoint: every IKE SA of a host, demultiplexing, half-open limits.
use crate::*;
use rand_core::CryptoRng;

/// What an endpoint needs besides policies.
#[derive(Debug, Clone)]
pub struct Config {
    /// UDP port of plain IKE; 500.
    pub ike_port: u16,
    /// UDP port with non-ESP marker; 4500.
    pub nat_port: u16,
    /// Emit [`EventKind::KeyLog`].
    pub keylog: bool,
    /// The data plane can only do ESP in UDP, so pretend a NAT (false for ours).
    pub force_encap: bool,
}

/// All IKE SAs of a host.
pub struct Endpoint {
    _todo: Box<dyn CryptoRng + Send>,
}

impl core::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Endpoint")
    }
}

impl Endpoint {
    /// An endpoint without policies.
    pub fn new(_config: Config, rng: Box<dyn CryptoRng + Send>, _now: Instant) -> Self {
        Self { _todo: rng }
    }
    /// Swaps the policies: SAs of policies that vanished or changed are closed, new active ones started.
    pub fn set_policies(&mut self, _now: Instant, _set: PolicySet) {
        todo!()
    }
    /// A datagram arrived: as received, marker included.
    pub fn handle_datagram(&mut self, _now: Instant, _path: Path, _datagram: &[u8]) {
        todo!()
    }
    /// Runs what is due.
    pub fn handle_timeout(&mut self, _now: Instant) {
        todo!()
    }
    /// When [`Self::handle_timeout`] is wanted next.
    pub fn next_timeout(&self) -> Option<Instant> {
        todo!()
    }
    /// An answer arrived.
    pub fn answer(&mut self, _now: Instant, _id: RequestId, _answer: Answer) {
        todo!()
    }
    /// The data plane says something.
    pub fn kernel_event(&mut self, _now: Instant, _event: KernelEvent) {
        todo!()
    }
    /// An administrator wants something; ends with [`Output::CommandDone`].
    pub fn command(&mut self, _now: Instant, _id: CommandId, _command: Command) {
        todo!()
    }
    /// The next output; call until `None` after every input.
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }
    /// All SAs as they are now.
    pub fn snapshot(&self, _now: Instant) -> Vec<IkeSaSnapshot> {
        todo!()
    }
    /// Named counters: datagrams, drops by cause, exchanges… in a fixed order.
    pub fn stats(&self) -> Vec<(&'static str, u64)> {
        todo!()
    }
    /// The last failures, newest last, a bounded number.
    pub fn failures(&self) -> Vec<Event> {
        todo!()
    }
}
