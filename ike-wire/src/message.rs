//! A message: header and payload chain (RFC 7296 §3.1, §3.2).
use crate::decode::{Fault, fixed, unwrap_nom};
use crate::encode::{Writer, checked};
use crate::payload::{Body, generic_header};
use crate::{DecodeError, DecodeErrorKind, EncodeError, HEADER_LEN, Header, Payload, PayloadType};
use alloc::vec::Vec;
use nom::number::complete::{be_u8, be_u16};

/// A whole message. `SK`/`SKF` payloads stay opaque here (see [`Chain`] for the inside).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// The header.
    pub header: Header,
    /// The payloads in order.
    pub payloads: Vec<Payload<'a>>,
}

impl<'a> Message<'a> {
    /// Decodes a message without the non-ESP marker.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let header = Header::decode(bytes)?;
        //= rfc7296#2.5: a message of a higher major version is not processed
        if header.major != 2 {
            return Err(DecodeError {
                kind: DecodeErrorKind::MajorVersion,
                offset: 17,
                within: PayloadType::NONE,
            });
        }
        let chain = bytes.get(HEADER_LEN..).unwrap_or_default();
        let payloads = decode_chain(header.next_payload, chain, Place::Outside)
            .map_err(|(fault, within)| fault.within(bytes, within))?;
        Ok(Self { header, payloads })
    }

    /// Appends the message; lengths, counts and next-payload fields are worked out.
    ///
    /// What is too large for its field (a payload of more than 65535 octets, more than 255
    /// transforms or selectors) gives a message that does not decode; where contents are
    /// not under the caller's control, [`Message::try_encode`] tells.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.write(&mut Writer::new(out));
    }

    /// As [`Message::encode`]; if something does not fit its field, nothing is appended.
    pub fn try_encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        checked(out, |to| self.write(to))
    }

    /// Where in the datagram the contents (IV on) of the SK or SKF payload start, of a
    /// message as decoded: it is the last payload, so its contents are the message's end.
    pub fn sk_body_offset(&self) -> Option<usize> {
        let data = match &self.payloads.last()?.body {
            Body::Sk(sk) => &sk.data,
            Body::Skf(skf) => &skf.data,
            _ => return None,
        };
        usize::try_from(self.header.length)
            .ok()?
            .checked_sub(data.len())
    }

    fn write(&self, to: &mut Writer<'_>) {
        let start = to.out.len();
        let first = self
            .payloads
            .first()
            .map_or(PayloadType::NONE, Payload::kind);
        Header {
            next_payload: first,
            ..self.header
        }
        .encode(to.out);
        write_chain(&self.payloads, PayloadType::NONE, to);
        to.length32("message", start, 24, 0);
    }
}

/// Which encrypted payload [`encode_sk_prefix`] begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkKind {
    /// SK (RFC 7296 §3.14).
    Sk {
        /// Type of the first inner payload.
        next: PayloadType,
    },
    /// SKF (RFC 7383 §2.5).
    Skf {
        /// Type of the first inner payload in fragment 1, else NONE.
        next: PayloadType,
        /// Fragment number, from 1.
        number: u16,
        /// Number of fragments.
        total: u16,
    },
}

impl SkKind {
    /// Octets from the start of the payload to its contents (IV on).
    pub fn header_len(self) -> usize {
        match self {
            Self::Sk { .. } => 4,
            Self::Skf { .. } => 8,
        }
    }
}

/// Appends a message up to where the contents (IV on) of its last payload, SK or SKF, begin,
/// with all lengths final for contents of `sealed_len` octets, and returns the offset of that
/// place from the message's start. `outer` are payloads before SK, usually none.
pub fn encode_sk_prefix(
    header: &Header,
    outer: &[Payload<'_>],
    sk: SkKind,
    sealed_len: usize,
    out: &mut Vec<u8>,
) -> Result<usize, EncodeError> {
    let start = out.len();
    checked(out, |to| {
        let kind = match sk {
            SkKind::Sk { .. } => PayloadType::SK,
            SkKind::Skf { .. } => PayloadType::SKF,
        };
        let first = outer.first().map_or(kind, Payload::kind);
        Header {
            next_payload: first,
            ..*header
        }
        .encode(to.out);
        write_chain(outer, kind, to);
        let payload = to.out.len();
        match sk {
            SkKind::Sk { next } => generic_header(next, false, to),
            SkKind::Skf {
                next,
                number,
                total,
            } => {
                generic_header(next, false, to);
                to.u16(number);
                to.u16(total);
            }
        }
        to.length16("payload", payload, 2, sealed_len);
        to.length32("message", start, 24, sealed_len);
        to.out.len().saturating_sub(start)
    })
}

/// A payload chain outside a message: the plaintext inside SK, and what RFC 9242 authenticates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain<'a> {
    /// The payloads in order.
    pub payloads: Vec<Payload<'a>>,
}

impl<'a> Chain<'a> {
    /// Decodes `bytes`, the first payload being of type `first`. Errors also when octets remain.
    /// SK and SKF are refused.
    pub fn decode(first: PayloadType, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let payloads = decode_chain(first, bytes, Place::Inside)
            .map_err(|(fault, within)| fault.within(bytes, within))?;
        Ok(Self { payloads })
    }

    /// Appends the chain and returns the type of its first payload (NONE if empty).
    /// What does not fit its field: as in [`Message::encode`].
    pub fn encode(&self, out: &mut Vec<u8>) -> PayloadType {
        self.write(&mut Writer::new(out))
    }

    /// As [`Chain::encode`]; if something does not fit its field, nothing is appended.
    pub fn try_encode(&self, out: &mut Vec<u8>) -> Result<PayloadType, EncodeError> {
        checked(out, |to| self.write(to))
    }

    fn write(&self, to: &mut Writer<'_>) -> PayloadType {
        write_chain(&self.payloads, PayloadType::NONE, to);
        self.payloads
            .first()
            .map_or(PayloadType::NONE, Payload::kind)
    }
}

fn write_chain(payloads: &[Payload<'_>], after: PayloadType, to: &mut Writer<'_>) {
    for (index, payload) in payloads.iter().enumerate() {
        let next = payloads
            .get(index.saturating_add(1))
            .map_or(after, Payload::kind);
        payload.write(next, to);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Inside,
}

fn decode_chain<'a>(
    first: PayloadType,
    bytes: &'a [u8],
    place: Place,
) -> Result<Vec<Payload<'a>>, (Fault<'a>, PayloadType)> {
    let mut payloads = Vec::new();
    let (mut kind, mut rest) = (first, bytes);
    while kind != PayloadType::NONE {
        let fail = |fault: DecodeErrorKind| {
            Err((
                Fault {
                    kind: fault,
                    at: rest,
                },
                kind,
            ))
        };
        let sealed = kind == PayloadType::SK || kind == PayloadType::SKF;
        if sealed && place == Place::Inside {
            return fail(DecodeErrorKind::SkInside);
        }
        let fields = (be_u8, be_u8, be_u16);
        let header = fixed(fields, DecodeErrorKind::PayloadOverrun)(rest);
        let (_, (next, flags, length)) = unwrap_nom(header, rest).map_err(|fault| (fault, kind))?;
        if length < 4 {
            return fail(DecodeErrorKind::ShortPayload);
        }
        let Some((payload, after)) = rest.split_at_checked(length.into()) else {
            return fail(DecodeErrorKind::PayloadOverrun);
        };
        let next = PayloadType(next);
        let body = payload.get(4..).unwrap_or_default();
        let body = Body::parse(kind, next, body).map_err(|fault| (fault, kind))?;
        payloads.push(Payload {
            critical: flags & 0x80 != 0,
            body,
        });
        //= rfc7296#3.14: SK is the last payload, its next-payload field is about the inside
        if sealed && !after.is_empty() {
            return fail(DecodeErrorKind::SkNotLast);
        }
        kind = if sealed { PayloadType::NONE } else { next };
        rest = after;
    }
    if !rest.is_empty() {
        let fault = Fault {
            kind: DecodeErrorKind::TrailingOctets,
            at: rest,
        };
        return Err((fault, PayloadType::NONE));
    }
    Ok(payloads)
}
