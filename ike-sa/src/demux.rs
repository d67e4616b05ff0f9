//! Finding the IKE SA of a message, and what is done with those that have none: replies at a
//! limited rate, cookies and limits before IKE_SA_INIT costs anything (RFC 7296 §1.5, §2.5,
//! §2.6, §2.21).
use crate::message::{self, Look};
use crate::sa::{IkeSa, State};
use crate::stats::Counter;
use crate::*;
use ike_wire::{DecodeErrorKind, ExchangeType, Flags, Header, Message, MessageId, NotifyType, Spi};

impl Endpoint {
    /// An IKE message, marker removed.
    pub(crate) fn handle_message(&mut self, path: Path, bytes: &[u8]) {
        let Ok(header) = Header::decode(bytes) else {
            self.core.stats.count(Counter::DropMalformed);
            return;
        };
        if header.major != 2 {
            self.core.stats.count(Counter::DropVersion);
            //= rfc7296#2.5: a higher major version is answered INVALID_MAJOR_VERSION
            if header.major > 2 && !header.flags.response {
                self.reply_unprotected(path, &header, NotifyType::INVALID_MAJOR_VERSION);
            }
            return;
        }
        let local = if header.flags.initiator {
            header.spi_r
        } else {
            header.spi_i
        };
        if header.exchange == ExchangeType::IKE_SA_INIT
            && !header.flags.response
            && header.flags.initiator
            && header.spi_r == Spi::ZERO
        {
            self.handle_init(path, &header, bytes);
            return;
        }
        let found = self.by_spi.get(&local).copied().filter(|id| {
            self.sas.get(id).is_some_and(|sa| {
                let unknown = sa.spi_r == Spi::ZERO || matches!(sa.state, State::Connecting(_));
                sa.spi_i == header.spi_i && (sa.spi_r == header.spi_r || unknown)
            })
        });
        match found {
            Some(id) => self.with(id, |sa, core| sa.handle(core, path, &header, bytes)),
            None => {
                self.core.stats.count(Counter::DropUnknownSpi);
                //= rfc7296#1.5: an unknown SPI in a request may be answered INVALID_IKE_SPI, without protection
                if !header.flags.response && header.exchange != ExchangeType::IKE_SA_INIT {
                    self.reply_unprotected(path, &header, NotifyType::INVALID_IKE_SPI);
                }
            }
        }
    }

    /// An error reply that needs no IKE SA, at a limited rate.
    fn reply_unprotected(&mut self, path: Path, request: &Header, kind: NotifyType) {
        //= rfc7296#2.21.4: such replies are rate-limited
        if self.core.now.since(self.replies.0) >= core::time::Duration::from_secs(1) {
            self.replies = (self.core.now, 0);
        }
        if self.replies.1 >= timer::ERROR_REPLIES_PER_SECOND {
            self.core.stats.count(Counter::ErrorRepliesSuppressed);
            return;
        }
        self.replies.1 = self.replies.1.saturating_add(1);
        self.reply_clear(path, request, message::notify(kind, Vec::new()));
    }

    fn reply_clear(&mut self, path: Path, request: &Header, payload: ike_wire::Payload<'static>) {
        let header = Header {
            flags: Flags {
                initiator: !request.flags.initiator,
                version: false,
                response: true,
            },
            ..message::header(
                request.spi_i,
                request.spi_r,
                request.exchange,
                Flags::default(),
                request.message_id.0,
            )
        };
        let bytes = message::clear(header, vec![payload]);
        self.core.transmit(path, &[bytes]);
    }

    fn handle_init(&mut self, path: Path, header: &Header, bytes: &[u8]) {
        let key = (exchange::hash(bytes), path.peer);
        if let Some(id) = self.by_init.get(&key).copied() {
            self.with(id, |sa, core| sa.handle(core, path, header, bytes));
            return;
        }
        if self.keeper.is_down() {
            self.core.stats.count(Counter::DropShutdown);
            return;
        }
        if header.message_id != MessageId(0) || header.spi_i == Spi::ZERO {
            self.core.stats.count(Counter::DropBadInit);
            return;
        }
        let message = match Message::decode(bytes) {
            Ok(message) => message,
            Err(e) => {
                self.core.stats.count(Counter::DropMalformed);
                if e.kind != DecodeErrorKind::WrongLength {
                    self.reply_unprotected(path, header, NotifyType::INVALID_SYNTAX);
                }
                return;
            }
        };
        let look = Look(&message.payloads);
        if let Some(kind) = look.unsupported_critical() {
            self.core.stats.count(Counter::DropBadInit);
            let payload = message::notify(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, vec![kind.0]);
            self.reply_clear(path, header, payload);
            return;
        }
        if !self.admit(path, header, look) {
            return;
        }
        match IkeSa::accept_init(&mut self.core, path, header, bytes, look) {
            Ok(sa) => {
                self.by_init.insert(key, sa.id);
                self.insert(sa);
            }
            Err(refused) => {
                let retry = matches!(refused.notify, Some((NotifyType::INVALID_KE_PAYLOAD, _)));
                if !retry {
                    self.core.stats.count(Counter::DropBadInit);
                    self.core.event(
                        None,
                        None,
                        Some(path.peer),
                        EventKind::AttemptFailed(refused.reason),
                    );
                }
                if let Some((kind, data)) = refused.notify {
                    self.reply_clear(path, header, message::notify(kind, data));
                }
            }
        }
    }

    /// Cookies and limits, before anything costs.
    fn admit(&mut self, path: Path, header: &Header, look: Look<'_>) -> bool {
        let now = self.core.now;
        let address = path.peer.ip();
        let threshold = self.core.settings.cookie_threshold;
        if self.cookies.demanded(now, self.half_open.len(), threshold) {
            let Some(nonce) = look.nonce() else {
                self.core.stats.count(Counter::DropBadInit);
                return false;
            };
            let rng = &mut *self.core.rng;
            let good = look.notify(NotifyType::COOKIE).is_some_and(|n| {
                self.cookies
                    .check(rng, now, &n.data, nonce, address, header.spi_i)
            });
            if !good {
                if look.notify(NotifyType::COOKIE).is_some() {
                    self.core.stats.count(Counter::DropBadCookie);
                }
                //= rfc7296#2.6: under load, state is made only for those who return a cookie
                let cookie =
                    self.cookies
                        .make(&mut *self.core.rng, now, nonce, address, header.spi_i);
                self.core.stats.count(Counter::CookiesSent);
                self.reply_clear(path, header, message::notify(NotifyType::COOKIE, cookie));
                return false;
            }
        }
        let site = site(address);
        let same = self.half_open.values().filter(|a| **a == site).count();
        if self.half_open.len() >= timer::HALF_OPEN_MAX || same >= timer::HALF_OPEN_PER_SITE {
            self.core.stats.count(Counter::DropHalfOpenLimit);
            return false;
        }
        true
    }
}

/// Whom a half-open IKE SA is counted for: a host has the whole /64 of its IPv6 address to send from.
pub(crate) fn site(address: core::net::IpAddr) -> core::net::IpAddr {
    match address {
        core::net::IpAddr::V4(_) => address,
        core::net::IpAddr::V6(v6) => {
            core::net::Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into()
        }
    }
}
