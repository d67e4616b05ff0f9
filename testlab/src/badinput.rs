//! Bad input for a live daemon: real IKE messages with bits turned, octets cut,
//! repeated or replaced, and datagrams of nothing but noise. Seeded, so that a
//! run can be had again; paced, so that the socket buffer does not decide what
//! the daemon gets to see.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::packet::{Frame, Seen};

/// Datagrams per second.
const RATE: u32 = 2500;
/// What the noise begins with.
const SEED: u64 = 0x1ced_5eed_0bad_1dea;

/// The distinct IKE messages of a capture, to be damaged.
pub fn seeds(frames: &[Frame]) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for frame in frames {
        if let Seen::Ike(ike) = &frame.seen
            && !found.contains(&ike.octets)
            && found.len() < 64
        {
            found.push(ike.octets.clone());
        }
    }
    found
}

/// How long [`flood`] takes.
pub fn duration(count: u32) -> Duration {
    Duration::from_secs(u64::from(2 * count / RATE) + 1)
}

/// The body of `testlab flood`: `count` damaged and `count` random datagrams to
/// ports 500 and 4500 in turn.
pub fn flood(target: IpAddr, count: u32, seeds: &Path) -> Result<()> {
    let text = std::fs::read_to_string(seeds)
        .with_context(|| format!("cannot read {}", seeds.display()))?;
    let seeds: Vec<Vec<u8>> = serde_json::from_str(&text)?;
    let any: SocketAddr = match target {
        IpAddr::V4(_) => "0.0.0.0:0".parse()?,
        IpAddr::V6(_) => "[::]:0".parse()?,
    };
    let socket = UdpSocket::bind(any)?;
    let mut noise = Noise(SEED);
    let start = Instant::now();
    for number in 0..2 * count {
        let due = start + Duration::from_secs(1) * number / RATE;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let mut datagram = if number % 2 == 0 {
            noise.damage(&seeds)
        } else {
            noise.random()
        };
        let port = if number % 4 < 2 { 500 } else { 4500 };
        // On 4500 most of it should look like IKE; the rest goes to whoever does ESP.
        if port == 4500 && noise.below(4) != 0 {
            datagram.splice(0..0, [0; 4]);
        }
        // A refusal by ICMP only means that nobody listens on that port.
        let _ = socket.send_to(&datagram, (target, port));
    }
    Ok(())
}

/// A small generator (xorshift64*); nothing here needs to be unpredictable.
#[derive(Debug)]
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = limit.max(1) as u64;
        usize::try_from(self.next() % limit).unwrap_or(0)
    }

    fn octet(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }

    fn random(&mut self) -> Vec<u8> {
        let length = match self.below(10) {
            0 => self.below(4),
            1..=3 => self.below(64),
            _ => self.below(1400),
        };
        (0..length).map(|_| self.octet()).collect()
    }

    fn damage(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut message = seeds
            .get(self.below(seeds.len()))
            .cloned()
            .unwrap_or_default();
        for _ in 0..=self.below(4) {
            let at = self.below(message.len());
            match self.below(7) {
                0 | 1 => {
                    if let Some(octet) = message.get_mut(at) {
                        *octet ^= 1 << (self.0 % 8);
                    }
                }
                2 => {
                    let value = self.octet();
                    if let Some(octet) = message.get_mut(at) {
                        *octet = value;
                    }
                }
                3 => message.truncate(at),
                4 => {
                    let more = self.below(40);
                    message.extend((0..more).map(|index| (index * 7).to_le_bytes()[0]));
                }
                5 => {
                    // A length or count field at its limit.
                    for octet in message.iter_mut().skip(at).take(2) {
                        *octet = 0xff;
                    }
                }
                _ => {
                    let again: Vec<u8> = message.iter().skip(at).take(24).copied().collect();
                    message.splice(at..at, again);
                }
            }
        }
        // Half of them keep a truthful length, so that they get past the first check.
        if self.below(2) == 0
            && let Ok(length) = u32::try_from(message.len())
            && let Some(field) = message.get_mut(24..28)
        {
            field.copy_from_slice(&length.to_be_bytes());
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_datagrams_and_they_differ_from_the_original() {
        let seeds = vec![vec![7; 200]];
        let (mut one, mut two) = (Noise(SEED), Noise(SEED));
        let mut changed = 0;
        for _ in 0..200 {
            let damaged = one.damage(&seeds);
            assert_eq!(damaged, two.damage(&seeds));
            changed += usize::from(damaged != seeds[0]);
        }
        assert!(changed > 190, "{changed}");
    }

    #[test]
    fn damage_copes_with_empty_messages() {
        let mut noise = Noise(SEED);
        for _ in 0..1000 {
            let _ = noise.damage(&[Vec::new()]);
            let _ = noise.damage(&[]);
        }
    }
}
