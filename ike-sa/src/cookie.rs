//! Cookies (RFC 7296 §2.6): stateless, keyed with a secret that rotates. Once the load that
//! called for them is gone they stay demanded for a calm-down, so that an attacker cannot toggle them.
use crate::{Instant, timer};
use core::net::IpAddr;
use ike_crypto::{Prf, Secret};
use ike_wire::Spi;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

/// Makes and checks cookies.
#[derive(Debug)]
pub(crate) struct Cookies {
    version: u8,
    current: Secret,
    previous: Option<Secret>,
    rotated: Instant,
    demanded_until: Option<Instant>,
}

fn secret(rng: &mut dyn CryptoRng) -> Secret {
    let mut octets = vec![0u8; 32];
    rng.fill_bytes(&mut octets);
    Secret::new(octets)
}

impl Cookies {
    pub(crate) fn new(rng: &mut dyn CryptoRng, now: Instant) -> Self {
        Self {
            version: 0,
            current: secret(rng),
            previous: None,
            rotated: now,
            demanded_until: None,
        }
    }

    /// Whether a cookie is demanded now.
    pub(crate) fn demanded(&mut self, now: Instant, half_open: usize, threshold: u32) -> bool {
        if half_open >= usize::try_from(threshold).unwrap_or(usize::MAX) {
            self.demanded_until = Some(now.after(timer::COOKIE_CALM_DOWN));
        }
        self.demanded_until.is_some_and(|until| now < until)
    }

    /// The cookie for an initiator.
    pub(crate) fn make(
        &mut self,
        rng: &mut dyn CryptoRng,
        now: Instant,
        nonce: &[u8],
        peer: IpAddr,
        spi_i: Spi,
    ) -> Vec<u8> {
        self.rotate(rng, now);
        compute(&self.current, self.version, nonce, peer, spi_i)
    }

    /// Whether a cookie is one of ours for this initiator.
    pub(crate) fn check(
        &mut self,
        rng: &mut dyn CryptoRng,
        now: Instant,
        cookie: &[u8],
        nonce: &[u8],
        peer: IpAddr,
        spi_i: Spi,
    ) -> bool {
        self.rotate(rng, now);
        let Some(version) = cookie.first() else {
            return false;
        };
        let key = if *version == self.version {
            Some(&self.current)
        } else if *version == self.version.wrapping_sub(1) {
            self.previous.as_ref()
        } else {
            None
        };
        key.is_some_and(|key| {
            compute(key, *version, nonce, peer, spi_i)
                .ct_eq(cookie)
                .into()
        })
    }

    fn rotate(&mut self, rng: &mut dyn CryptoRng, now: Instant) {
        let age = now.since(self.rotated);
        if age < timer::COOKIE_ROTATE {
            return;
        }
        let old = core::mem::replace(&mut self.current, secret(rng));
        // After two periods without use even the old one is too old.
        self.previous = (age < timer::COOKIE_ROTATE.saturating_mul(2)).then_some(old);
        self.version = self.version.wrapping_add(1);
        self.rotated = now;
    }
}

//= rfc7296#2.6: cookie = version | hash(Ni | IPi | SPIi | secret), here a keyed MAC
fn compute(key: &Secret, version: u8, nonce: &[u8], peer: IpAddr, spi_i: Spi) -> Vec<u8> {
    let address = match peer {
        IpAddr::V4(a) => a.to_ipv6_mapped().octets(),
        IpAddr::V6(a) => a.octets(),
    };
    let mac = Prf::HmacSha2_256.compute(key.expose(), &[&[version], nonce, &address, &spi_i.0]);
    let mut out = vec![version];
    out.extend_from_slice(mac.expose());
    out
}
