//! poll(2) for the single-threaded loops of every process: level-triggered, a deadline, and the
//! clock the engine runs on. No callbacks and no registration state: each turn of a loop says
//! what it waits for.
use std::os::fd::BorrowedFd;
use std::time::Duration;

use ike_sa::Instant;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

/// The descriptors of one turn.
#[derive(Debug, Default)]
pub struct PollSet<'fd> {
    fds: Vec<PollFd<'fd>>,
}

/// Where a descriptor stands in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(usize);

/// What poll(2) said.
#[derive(Debug)]
pub struct Ready(Vec<PollFlags>);

impl<'fd> PollSet<'fd> {
    /// Nothing to wait for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a descriptor.
    pub fn add(&mut self, fd: BorrowedFd<'fd>, interest: PollFlags) -> Token {
        self.fds.push(PollFd::from_borrowed_fd(fd, interest));
        Token(self.fds.len().saturating_sub(1))
    }

    /// Waits until something is ready or `timeout` is over. An interrupting signal ends the wait.
    pub fn wait(mut self, timeout: Option<Duration>) -> Result<Ready, Errno> {
        let timeout = timeout.map(|d| Timespec {
            tv_sec: i64::try_from(d.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: d.subsec_nanos().into(),
        });
        match poll(&mut self.fds, timeout.as_ref()) {
            Ok(_) => Ok(Ready(self.fds.iter().map(PollFd::revents).collect())),
            Err(Errno::INTR) => Ok(Ready(vec![PollFlags::empty(); self.fds.len()])),
            Err(e) => Err(e),
        }
    }
}

impl Ready {
    /// Readable, hung up or in error: reading will not block.
    pub fn readable(&self, token: Token) -> bool {
        self.flags(token).intersects(
            PollFlags::IN | PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL | PollFlags::RDHUP,
        )
    }

    /// Writable.
    pub fn writable(&self, token: Token) -> bool {
        self.flags(token).contains(PollFlags::OUT)
    }

    fn flags(&self, token: Token) -> PollFlags {
        self.0.get(token.0).copied().unwrap_or(PollFlags::empty())
    }
}

/// CLOCK_BOOTTIME: goes on while the machine sleeps, so that lifetimes mean what they say.
pub fn now() -> Instant {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let micros = u64::try_from(now.tv_nsec).unwrap_or(0) / 1000;
    Instant::from_micros(seconds.saturating_mul(1_000_000).saturating_add(micros))
}

/// How long until `deadline`, not longer than `at_most` (poll's own clock stops while the machine
/// sleeps, so a bounded wait notices a deadline that passed meanwhile).
pub fn until(deadline: Option<Instant>, at_most: Duration) -> Duration {
    deadline.map_or(at_most, |d| d.since(now()).min(at_most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn readiness_is_told_per_descriptor() {
        let (a, b) = crate::privsep::channel::socket_pair().unwrap();
        rustix::net::send(&a, b"x", rustix::net::SendFlags::empty()).unwrap();
        let mut set = PollSet::new();
        let quiet = set.add(a.as_fd(), PollFlags::IN);
        let loud = set.add(b.as_fd(), PollFlags::IN | PollFlags::OUT);
        let ready = set.wait(Some(Duration::from_secs(1))).unwrap();
        assert!(!ready.readable(quiet));
        assert!(ready.readable(loud) && ready.writable(loud));
    }

    #[test]
    fn a_deadline_in_the_past_means_no_wait() {
        assert_eq!(
            until(Some(Instant::from_micros(1)), Duration::from_secs(1)),
            Duration::ZERO
        );
        assert_eq!(until(None, Duration::from_secs(1)), Duration::from_secs(1));
    }

    #[test]
    fn the_clock_goes_forward() {
        let first = now();
        std::thread::sleep(Duration::from_millis(2));
        assert!(now().since(first) >= Duration::from_millis(2));
    }
}
