//! Payloads (RFC 7296 §3.3 to §3.16, RFC 7383), one type each; borrowed from the datagram
//! when decoded, from the builder's buffers when encoded.
mod build;
mod decode;
mod encode;

use crate::*;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use ike_ts::TrafficSelector;

pub use build::{Payloads, find};
pub(crate) use encode::generic_header;

/// One payload with its critical bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload<'a> {
    /// Critical bit (RFC 7296 §2.5): zero when sent for payloads of RFC 7296.
    pub critical: bool,
    /// The contents.
    pub body: Body<'a>,
}

/// The contents of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// Security association.
    Sa(SaPayload<'a>),
    /// Key exchange.
    Ke(KePayload<'a>),
    /// Initiator's identity.
    IdI(Identification<'a>),
    /// Responder's identity.
    IdR(Identification<'a>),
    /// Certificate.
    Cert(CertPayload<'a>),
    /// Certificate request.
    CertReq(CertPayload<'a>),
    /// Authentication.
    Auth(AuthPayload<'a>),
    /// Nonce data; 16 to 256 octets are for the engine to require.
    Nonce(Cow<'a, [u8]>),
    /// Notification.
    Notify(Notify<'a>),
    /// Delete.
    Delete(Delete),
    /// Vendor ID.
    VendorId(Cow<'a, [u8]>),
    /// Initiator's traffic selectors.
    TsI(Vec<Selector<'a>>),
    /// Responder's traffic selectors.
    TsR(Vec<Selector<'a>>),
    /// Encrypted and authenticated.
    Sk(Encrypted<'a>),
    /// Encrypted fragment (RFC 7383).
    Skf(EncryptedFragment<'a>),
    /// Configuration.
    Cp(ConfigPayload<'a>),
    /// EAP.
    Eap(EapPayload<'a>),
    /// Any other type.
    Unknown(PayloadType, Cow<'a, [u8]>),
}

/// SA payload (§3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaPayload<'a> {
    /// Proposals, at least one.
    pub proposals: Vec<Proposal<'a>>,
}

/// One proposal (§3.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal<'a> {
    /// Proposal number, from 1.
    pub number: u8,
    /// Protocol.
    pub protocol: ProtocolId,
    /// SPI: empty, 4 or 8 octets (any size is kept).
    pub spi: Cow<'a, [u8]>,
    /// Transforms in order.
    pub transforms: Vec<Transform<'a>>,
}

/// One transform (§3.3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transform<'a> {
    /// Transform type.
    pub kind: TransformType,
    /// Transform ID, to be read in the registry of its type.
    pub id: u16,
    /// Attributes in order.
    pub attributes: Vec<Attribute<'a>>,
}

/// Transform attribute (§3.3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute<'a> {
    /// Fixed size (AF bit set).
    Value(AttributeType, u16),
    /// Variable size.
    Data(AttributeType, Cow<'a, [u8]>),
}

/// Key exchange (§3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KePayload<'a> {
    /// Method.
    pub method: KeMethod,
    /// Public value.
    pub data: Cow<'a, [u8]>,
}

/// Identification (§3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identification<'a> {
    /// Type.
    pub id_type: IdType,
    /// Value.
    pub data: Cow<'a, [u8]>,
}

/// CERT and CERTREQ (§3.6, §3.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertPayload<'a> {
    /// Encoding.
    pub encoding: CertEncoding,
    /// Certificate, or concatenated hashes of authorities.
    pub data: Cow<'a, [u8]>,
}

/// AUTH (§3.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthPayload<'a> {
    /// Method.
    pub method: AuthMethod,
    /// Data.
    pub data: Cow<'a, [u8]>,
}

/// Notify (§3.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify<'a> {
    /// Protocol of the SPI, or NONE.
    pub protocol: ProtocolId,
    /// SPI, or empty.
    pub spi: Cow<'a, [u8]>,
    /// Type.
    pub kind: NotifyType,
    /// Data.
    pub data: Cow<'a, [u8]>,
}

/// Delete (§3.11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delete {
    /// This IKE SA.
    IkeSa,
    /// Child SAs, by the sender's inbound SPIs.
    Child(ProtocolId, Vec<ChildSpi>),
    /// Anything else that is well-formed: protocol, SPI size, SPIs.
    Other(ProtocolId, u8, Vec<Vec<u8>>),
}

/// A traffic selector on the wire (§3.13.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector<'a> {
    /// Types 7 and 8 that form a valid range.
    Ip(TrafficSelector),
    /// Types 7 and 8 whose start is after their end: type, protocol, ports, then start and end address.
    Invalid(TsType, u8, u16, u16, Cow<'a, [u8]>),
    /// Other types: protocol and everything after the selector's length field.
    Other(TsType, u8, Cow<'a, [u8]>),
}

/// SK (§3.14): IV, ciphertext, ICV together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encrypted<'a> {
    /// Type of the first inner payload.
    pub next: PayloadType,
    /// IV, ciphertext, ICV.
    pub data: Cow<'a, [u8]>,
}

/// SKF (RFC 7383 §2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedFragment<'a> {
    /// Type of the first inner payload in fragment 1, else NONE.
    pub next: PayloadType,
    /// Fragment number, from 1.
    pub number: u16,
    /// Number of fragments.
    pub total: u16,
    /// IV, ciphertext, ICV.
    pub data: Cow<'a, [u8]>,
}

/// CP (§3.15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigPayload<'a> {
    /// Request, reply, set or ack.
    pub kind: CfgType,
    /// Attributes in order.
    pub attributes: Vec<(CfgAttr, Cow<'a, [u8]>)>,
}

/// EAP (§3.16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EapPayload<'a> {
    /// Code.
    pub code: u8,
    /// Identifier.
    pub identifier: u8,
    /// All after the EAP length field.
    pub data: Cow<'a, [u8]>,
}

impl<'a> From<Body<'a>> for Payload<'a> {
    fn from(body: Body<'a>) -> Self {
        Self {
            critical: false,
            body,
        }
    }
}

impl Payload<'_> {
    /// The payload's type number.
    pub fn kind(&self) -> PayloadType {
        match &self.body {
            Body::Sa(_) => PayloadType::SA,
            Body::Ke(_) => PayloadType::KE,
            Body::IdI(_) => PayloadType::IDI,
            Body::IdR(_) => PayloadType::IDR,
            Body::Cert(_) => PayloadType::CERT,
            Body::CertReq(_) => PayloadType::CERTREQ,
            Body::Auth(_) => PayloadType::AUTH,
            Body::Nonce(_) => PayloadType::NONCE,
            Body::Notify(_) => PayloadType::NOTIFY,
            Body::Delete(_) => PayloadType::DELETE,
            Body::VendorId(_) => PayloadType::VENDOR_ID,
            Body::TsI(_) => PayloadType::TSI,
            Body::TsR(_) => PayloadType::TSR,
            Body::Sk(_) => PayloadType::SK,
            Body::Skf(_) => PayloadType::SKF,
            Body::Cp(_) => PayloadType::CP,
            Body::Eap(_) => PayloadType::EAP,
            Body::Unknown(kind, _) => *kind,
        }
    }
}
