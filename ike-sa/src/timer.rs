//! Every waiting time of the engine in one place. Refuses to read clocks: see [`crate::Instant`].
use core::time::Duration;

/// First wait for a response (RFC 7296 §2.4 leaves the values to us).
pub(crate) const RETRANSMIT_FIRST: Duration = Duration::from_secs(2);
/// Each further wait is longer by this many tenths.
pub(crate) const RETRANSMIT_FACTOR_TENTHS: u32 = 18;
/// Repetitions before the peer counts as dead: about 150 seconds in all.
pub(crate) const RETRANSMIT_MAX: u32 = 6;
/// The same for a liveness check where they are frequent: about 25 seconds in all. Who asks for
/// quick checks wants to know soon.
pub(crate) const LIVENESS_MAX: u32 = 3;
/// Up to this interval liveness checks count as frequent, in seconds.
pub(crate) const LIVENESS_FREQUENT_S: u32 = 15;
/// How long an answer from another process may take.
pub(crate) const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// How long a responder keeps a half-open IKE SA.
pub(crate) const HALF_OPEN: Duration = Duration::from_secs(30);
/// After an unauthenticated error, how long we still wait for a good answer.
pub(crate) const INIT_ERROR_GRACE: Duration = Duration::from_secs(4);
/// NAT keepalive interval (RFC 3948 §4).
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(20);
/// A replaced child keeps receiving for this long.
pub(crate) const LINGER: Duration = Duration::from_secs(5);
/// When a deferred outbound starts at the latest. Longer than all repetitions take: a peer without
/// our answer cannot receive on the new SA.
pub(crate) const ACTIVATE: Duration = Duration::from_secs(180);
/// How long an answered IKE SA delete is remembered, to answer its repetitions.
pub(crate) const TOMBSTONE: Duration = Duration::from_secs(30);
/// How long we wait for the answer to our delete of an IKE SA.
pub(crate) const CLOSING: Duration = Duration::from_secs(10);
/// A replaced IKE SA that its peer never deletes goes after this.
pub(crate) const REKEYED_IKE: Duration = Duration::from_secs(90);
/// How long `Shutdown` waits for peers.
pub(crate) const SHUTDOWN: Duration = Duration::from_secs(2);
/// How long other closing commands wait.
pub(crate) const COMMAND_CLOSE: Duration = Duration::from_secs(10);
/// First pause of an active policy after a failure, doubled up to [`RECONNECT_MAX`].
pub(crate) const RECONNECT_FIRST: Duration = Duration::from_secs(1);
/// Longest pause of an active policy.
pub(crate) const RECONNECT_MAX: Duration = Duration::from_secs(60);
/// Least time between a soft and a hard lifetime: all repetitions of a rekeying fit in.
pub(crate) const HARD_SLACK: Duration = Duration::from_secs(180);
/// Cookie secrets live this long, and as long again for checking.
pub(crate) const COOKIE_ROTATE: Duration = Duration::from_secs(60);
/// Cookies stay demanded for this long after the load is gone.
pub(crate) const COOKIE_CALM_DOWN: Duration = Duration::from_secs(10);
/// A request that crossed ours may arrive as late as this.
pub(crate) const CROSSING: Duration = Duration::from_secs(30);
/// Restarts of IKE_SA_INIT (COOKIE, INVALID_KE_PAYLOAD) of one attempt.
pub(crate) const INIT_RESTARTS: u32 = 5;
/// Half-open responder SAs of all peers.
pub(crate) const HALF_OPEN_MAX: usize = 4096;
/// Half-open responder SAs of one IPv4 address (a whole office may be behind it) or IPv6 /64.
pub(crate) const HALF_OPEN_PER_SITE: usize = 256;
/// IKE SAs of one identity under one policy.
pub(crate) const IKE_SAS_PER_PEER: usize = 64;
/// Unauthenticated error replies per second.
pub(crate) const ERROR_REPLIES_PER_SECOND: u32 = 10;
/// Failures remembered for `ikectl`.
pub(crate) const FAILURES: usize = 64;
