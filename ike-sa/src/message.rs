//! Messages between bytes and payloads: sealing and opening SK (RFC 7296 §3.14), and looking
//! into a list of payloads. Refuses to interpret.
use crate::Path;
use ike_crypto::{SkCipher, schedule::SkKeys};
use ike_ts::TrafficSelector;
use ike_wire::payload::{Body, KePayload, Notify, SaPayload, Selector};
use ike_wire::{
    Chain, Datagram, ExchangeType, Flags, HEADER_LEN, Header, Message, MessageId, NON_ESP_MARKER,
    NotifyType, Payload, PayloadType, ProtocolId, Spi,
};
use rand_core::CryptoRng;

/// Keys of an IKE SA, by who uses them. IKE_INTERMEDIATE will replace them generation by generation.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) sk: SkKeys,
    /// We protect with this.
    pub(crate) ours: SkCipher,
    /// The peer protects with this.
    pub(crate) theirs: SkCipher,
}

/// Header of a message of ours.
pub(crate) fn header(
    spi_i: Spi,
    spi_r: Spi,
    exchange: ExchangeType,
    flags: Flags,
    id: u32,
) -> Header {
    Header {
        spi_i,
        spi_r,
        next_payload: PayloadType::NONE,
        major: 2,
        minor: 0,
        exchange,
        flags,
        message_id: MessageId(id),
        length: 0,
    }
}

/// A clear message.
pub(crate) fn clear(header: Header, payloads: Vec<Payload<'_>>) -> Vec<u8> {
    let mut out = Vec::new();
    Message { header, payloads }.encode(&mut out);
    out
}

/// A protected message; `None` if the cipher refuses (its counter is used up).
pub(crate) fn seal(
    ours: &mut SkCipher,
    mut header: Header,
    payloads: Vec<Payload<'_>>,
    rng: &mut dyn CryptoRng,
) -> Option<Vec<u8>> {
    let mut plain = zeroize::Zeroizing::new(Vec::new());
    let first = Chain { payloads }.encode(&mut plain);
    let body = 4usize
        .checked_add(plain.len())?
        .checked_add(ours.overhead(plain.len()))?;
    header.next_payload = PayloadType::SK;
    header.length = u32::try_from(HEADER_LEN.checked_add(body)?).ok()?;
    let mut out = Vec::new();
    header.encode(&mut out);
    out.push(first.0);
    out.push(0);
    out.extend_from_slice(&u16::try_from(body).ok()?.to_be_bytes());
    ours.seal(&mut out, &plain, rng).ok()?;
    Some(out)
}

/// Why a protected message was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// Not decodable outside, or no SK payload at the end.
    Malformed,
    /// Wrong ICV: not from the peer.
    Integrity,
}

/// Verifies and decrypts; the type of the first payload and the plaintext.
pub(crate) fn open(
    theirs: &SkCipher,
    bytes: &[u8],
) -> Result<(PayloadType, ike_crypto::Secret), OpenError> {
    let message = Message::decode(bytes).map_err(|_| OpenError::Malformed)?;
    let Some(Body::Sk(sk)) = message.payloads.last().map(|p| &p.body) else {
        return Err(OpenError::Malformed);
    };
    let from = bytes
        .len()
        .checked_sub(sk.data.len())
        .ok_or(OpenError::Malformed)?;
    let plain = theirs.open(bytes, from).map_err(|_| OpenError::Integrity)?;
    Ok((sk.next, plain))
}

/// Puts the non-ESP marker before a message if the path wants it.
pub(crate) fn frame(path: &Path, ike_port: u16, message: &[u8]) -> Vec<u8> {
    if path.local.port() == ike_port {
        return message.to_vec();
    }
    let mut out = NON_ESP_MARKER.to_vec();
    out.extend_from_slice(message);
    out
}

/// What a datagram is, by the port it came to.
pub(crate) fn classify<'a>(path: &Path, ike_port: u16, datagram: &'a [u8]) -> Datagram<'a> {
    ike_wire::classify(datagram, path.local.port() != ike_port)
}

/// A notification about nothing in particular.
pub(crate) fn notify(kind: NotifyType, data: Vec<u8>) -> Payload<'static> {
    Payload::from(Body::Notify(Notify {
        protocol: ProtocolId::NONE,
        spi: Vec::new().into(),
        kind,
        data: data.into(),
    }))
}

/// Selectors as a payload body.
pub(crate) fn selectors(ts: &[TrafficSelector]) -> Vec<Selector<'static>> {
    ts.iter().copied().map(Selector::Ip).collect()
}

/// Looking into a list of payloads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'m>(pub(crate) &'m [Payload<'m>]);

macro_rules! first {
    ($name:ident, $variant:ident, $type:ty) => {
        /// The first payload of its kind.
        pub(crate) fn $name(&self) -> Option<&'m $type> {
            self.0.iter().find_map(|p| match &p.body {
                Body::$variant(inner) => Some(inner),
                _ => None,
            })
        }
    };
}

impl<'m> Look<'m> {
    first!(sa, Sa, SaPayload<'m>);
    first!(ke, Ke, KePayload<'m>);
    first!(id_i, IdI, ike_wire::payload::Identification<'m>);
    first!(id_r, IdR, ike_wire::payload::Identification<'m>);
    first!(auth, Auth, ike_wire::payload::AuthPayload<'m>);
    first!(ts_i, TsI, Vec<Selector<'m>>);
    first!(ts_r, TsR, Vec<Selector<'m>>);

    /// The nonce, if its length is legal.
    pub(crate) fn nonce(&self) -> Option<&'m [u8]> {
        //= rfc7296#2.10: nonces are at least 128 bits
        self.0.iter().find_map(|p| match &p.body {
            Body::Nonce(n) if (16..=256).contains(&n.len()) => Some(&**n),
            _ => None,
        })
    }
    /// All notifications.
    pub(crate) fn notifies(&self) -> impl Iterator<Item = &'m Notify<'m>> + use<'m> {
        self.0.iter().filter_map(|p| match &p.body {
            Body::Notify(n) => Some(n),
            _ => None,
        })
    }
    /// The first notification of a type.
    pub(crate) fn notify(&self, kind: NotifyType) -> Option<&'m Notify<'m>> {
        self.notifies().find(|n| n.kind == kind)
    }
    /// The first error notification.
    pub(crate) fn error(&self) -> Option<&'m Notify<'m>> {
        self.notifies().find(|n| n.kind.is_error())
    }
    /// Deletes.
    pub(crate) fn deletes(&self) -> impl Iterator<Item = &'m ike_wire::payload::Delete> + use<'m> {
        self.0.iter().filter_map(|p| match &p.body {
            Body::Delete(d) => Some(d),
            _ => None,
        })
    }
    /// The first unknown payload with the critical bit.
    pub(crate) fn unsupported_critical(&self) -> Option<PayloadType> {
        //= rfc7296#2.5: an unknown payload with the critical bit is refused
        self.0.iter().find_map(|p| match &p.body {
            Body::Unknown(kind, _) if p.critical => Some(*kind),
            _ => None,
        })
    }
}

/// Selectors we can use; those of unknown types are left out (narrowed away).
pub(crate) fn usable(ts: &[Selector<'_>]) -> Vec<TrafficSelector> {
    ts.iter()
        .filter_map(|s| match s {
            Selector::Ip(ts) => Some(*ts),
            _ => None,
        })
        .collect()
}

/// Selectors as text for reasons.
pub(crate) fn describe(ts: &[TrafficSelector]) -> String {
    if ts.is_empty() {
        return "nothing".into();
    }
    ts.iter()
        .map(|t| {
            let mut s = if t.addrs.start() == t.addrs.end() {
                t.addrs.start().to_string()
            } else {
                format!("{}-{}", t.addrs.start(), t.addrs.end())
            };
            if t.protocol != 0 || t.ports != ike_ts::PortRange::ANY {
                s.push_str(&format!(
                    "[{}/{}-{}]",
                    t.protocol,
                    t.ports.start(),
                    t.ports.end()
                ));
            }
            s
        })
        .collect::<Vec<_>>()
        .join(" ")
}
