//! Messages as a tree of named fields for programs, by serde: JSON and the like.
//!
//! Numbers are IANA's, octets are lower-case hexadecimal digits, lengths, counts and reserved
//! bits are left out (but for the header's length). It is what [`crate::Pretty`] is for
//! people; it refuses to name numbers and to judge.
//!
//! ```
//! use ike_wire::{ExchangeType, Flags, Header, Message, MessageId, NotifyType, Spi, payload::Notify};
//!
//! let header = Header::new(Spi([1; 8]), Spi::ZERO, ExchangeType::IKE_SA_INIT, Flags::default(), MessageId(0));
//! let cookie = Notify::new(NotifyType::COOKIE, &[0xc0, 0xff, 0xee][..]);
//! let message = Message { header, payloads: vec![cookie.into()] };
//! let json = serde_json::to_value(message.tree())?;
//! assert_eq!(json["header"]["spi_i"], "0101010101010101");
//! assert_eq!(json["payloads"][0]["notify_type"], 16390);
//! assert_eq!(json["payloads"][0]["data"], "c0ffee");
//! # Ok::<(), serde_json::Error>(())
//! ```
use crate::payload::*;
use crate::*;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeStruct, Serializer};

/// A message as `{"header": …, "payloads": […]}`; from [`Message::tree`].
#[derive(Debug, Clone, Copy)]
pub struct Tree<'m, 'a>(&'m Message<'a>);

/// Payloads as an array of objects; from [`Chain::tree`].
#[derive(Debug, Clone, Copy)]
pub struct PayloadsTree<'m, 'a>(&'m [Payload<'a>]);

/// Traffic selectors as an array of objects, as in TSi.
#[derive(Debug, Clone, Copy)]
pub struct SelectorsTree<'m, 'a>(pub &'m [Selector<'a>]);

/// A header as an object; from [`Header::tree`].
#[derive(Debug, Clone, Copy)]
pub struct HeaderTree<'m>(&'m Header);

/// Octets as a text of hexadecimal digits.
#[derive(Debug, Clone, Copy)]
pub struct HexTree<'m>(pub &'m [u8]);

impl<'a> Message<'a> {
    /// For programs.
    pub fn tree(&self) -> Tree<'_, 'a> {
        Tree(self)
    }
}

impl<'a> Chain<'a> {
    /// For programs.
    pub fn tree(&self) -> PayloadsTree<'_, 'a> {
        PayloadsTree(&self.payloads)
    }
}

impl Header {
    /// For programs.
    pub fn tree(&self) -> HeaderTree<'_> {
        HeaderTree(self)
    }
}

impl Serialize for Tree<'_, '_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut tree = to.serialize_struct("Message", 2)?;
        tree.serialize_field("header", &self.0.header.tree())?;
        tree.serialize_field("payloads", &PayloadsTree(&self.0.payloads))?;
        tree.end()
    }
}

impl Serialize for PayloadsTree<'_, '_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(Node))
    }
}

impl Serialize for SelectorsTree<'_, '_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(Node))
    }
}

impl Serialize for HeaderTree<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let header = self.0;
        let mut tree = to.serialize_struct("Header", 9)?;
        tree.serialize_field("spi_i", &HexTree(&header.spi_i.0))?;
        tree.serialize_field("spi_r", &HexTree(&header.spi_r.0))?;
        tree.serialize_field("major", &header.major)?;
        tree.serialize_field("minor", &header.minor)?;
        tree.serialize_field("exchange", &header.exchange.0)?;
        tree.serialize_field("initiator", &header.flags.initiator)?;
        tree.serialize_field("version", &header.flags.version)?;
        tree.serialize_field("response", &header.flags.response)?;
        tree.serialize_field("message_id", &header.message_id.0)?;
        tree.serialize_field("length", &header.length)?;
        tree.end()
    }
}

impl fmt::Display for HexTree<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl Serialize for HexTree<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Anything that is an object of its own.
struct Node<'m, T>(&'m T);

impl Serialize for Node<'_, Payload<'_>> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut tree = to.serialize_map(None)?;
        tree.serialize_entry("type", &self.0.kind().0)?;
        tree.serialize_entry("critical", &self.0.critical)?;
        body(&self.0.body, &mut tree)?;
        tree.end()
    }
}

fn body<M: SerializeMap>(body: &Body<'_>, tree: &mut M) -> Result<(), M::Error> {
    let data: &[u8] = match body {
        Body::Sa(sa) => {
            let proposals: Vec<_> = sa.proposals.iter().map(Node).collect();
            return tree.serialize_entry("proposals", &proposals);
        }
        Body::Ke(ke) => {
            tree.serialize_entry("group", &ke.method.0)?;
            &ke.data
        }
        Body::IdI(id) | Body::IdR(id) => {
            tree.serialize_entry("id_type", &id.id_type.0)?;
            &id.data
        }
        Body::Cert(cert) | Body::CertReq(cert) => {
            tree.serialize_entry("encoding", &cert.encoding.0)?;
            &cert.data
        }
        Body::Auth(auth) => {
            tree.serialize_entry("method", &auth.method.0)?;
            &auth.data
        }
        Body::Nonce(data) | Body::VendorId(data) | Body::Unknown(_, data) => data,
        Body::Notify(notify) => {
            tree.serialize_entry("protocol", &notify.protocol.0)?;
            tree.serialize_entry("notify_type", &notify.kind.0)?;
            tree.serialize_entry("spi", &HexTree(&notify.spi))?;
            &notify.data
        }
        Body::Delete(delete) => return self::delete(delete, tree),
        Body::TsI(list) | Body::TsR(list) => {
            let selectors: Vec<_> = list.iter().map(Node).collect();
            return tree.serialize_entry("selectors", &selectors);
        }
        Body::Sk(sk) => {
            tree.serialize_entry("next", &sk.next.0)?;
            &sk.data
        }
        Body::Skf(skf) => {
            tree.serialize_entry("fragment", &skf.number)?;
            tree.serialize_entry("total", &skf.total)?;
            tree.serialize_entry("next", &skf.next.0)?;
            &skf.data
        }
        Body::Cp(cp) => {
            tree.serialize_entry("cfg_type", &cp.kind.0)?;
            let attributes: Vec<_> = cp.attributes.iter().map(Node).collect();
            return tree.serialize_entry("attributes", &attributes);
        }
        Body::Eap(eap) => {
            tree.serialize_entry("code", &eap.code)?;
            tree.serialize_entry("identifier", &eap.identifier)?;
            &eap.data
        }
    };
    tree.serialize_entry("data", &HexTree(data))
}

fn delete<M: SerializeMap>(delete: &Delete, tree: &mut M) -> Result<(), M::Error> {
    let mut entries = |protocol: ProtocolId, size: u8, spis: &[HexTree<'_>]| {
        tree.serialize_entry("protocol", &protocol.0)?;
        tree.serialize_entry("spi_size", &size)?;
        tree.serialize_entry("spis", spis)
    };
    match delete {
        Delete::IkeSa => entries(ProtocolId::IKE, 0, &[]),
        Delete::Child(protocol, spis) => {
            let octets: Vec<_> = spis.iter().map(|spi| spi.0.to_be_bytes()).collect();
            let spis: Vec<_> = octets.iter().map(|spi| HexTree(spi)).collect();
            entries(*protocol, 4, &spis)
        }
        Delete::Other(protocol, size, spis) => {
            let spis: Vec<_> = spis.iter().map(|spi| HexTree(spi)).collect();
            entries(*protocol, *size, &spis)
        }
    }
}

impl Serialize for Node<'_, Proposal<'_>> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let transforms: Vec<_> = self.0.transforms.iter().map(Node).collect();
        let mut tree = to.serialize_struct("Proposal", 4)?;
        tree.serialize_field("number", &self.0.number)?;
        tree.serialize_field("protocol", &self.0.protocol.0)?;
        tree.serialize_field("spi", &HexTree(&self.0.spi))?;
        tree.serialize_field("transforms", &transforms)?;
        tree.end()
    }
}

impl Serialize for Node<'_, Transform<'_>> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let attributes: Vec<_> = self.0.attributes.iter().map(Node).collect();
        let mut tree = to.serialize_struct("Transform", 3)?;
        tree.serialize_field("type", &self.0.kind.0)?;
        tree.serialize_field("id", &self.0.id)?;
        tree.serialize_field("attributes", &attributes)?;
        tree.end()
    }
}

impl Serialize for Node<'_, Attribute<'_>> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut tree = to.serialize_map(Some(2))?;
        match self.0 {
            Attribute::Value(kind, value) => {
                tree.serialize_entry("type", &kind.0)?;
                tree.serialize_entry("value", value)?;
            }
            Attribute::Data(kind, data) => {
                tree.serialize_entry("type", &kind.0)?;
                tree.serialize_entry("data", &HexTree(data))?;
            }
        }
        tree.end()
    }
}

impl Serialize for Node<'_, (CfgAttr, alloc::borrow::Cow<'_, [u8]>)> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut tree = to.serialize_struct("Attribute", 2)?;
        tree.serialize_field("type", &self.0.0.0)?;
        tree.serialize_field("data", &HexTree(&self.0.1))?;
        tree.end()
    }
}

impl Serialize for Node<'_, Selector<'_>> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut tree = to.serialize_map(None)?;
        let mut range = |kind: TsType, protocol: u8, ports: [u16; 2], addrs: [&[u8]; 2]| {
            let [start, end] = addrs;
            tree.serialize_entry("ts_type", &kind.0)?;
            tree.serialize_entry("protocol", &protocol)?;
            tree.serialize_entry("start_port", &ports[0])?;
            tree.serialize_entry("end_port", &ports[1])?;
            tree.serialize_entry("start", &HexTree(start))?;
            tree.serialize_entry("end", &HexTree(end))
        };
        match self.0 {
            Selector::Ip(ts) => {
                let ports = [ts.ports.start(), ts.ports.end()];
                match (ts.addrs.start(), ts.addrs.end()) {
                    (IpAddr::V4(start), IpAddr::V4(end)) => {
                        let kind = TsType::IPV4_ADDR_RANGE;
                        range(kind, ts.protocol, ports, [&start.octets(), &end.octets()])?;
                    }
                    (start, end) => {
                        let octets = |addr| match addr {
                            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                            IpAddr::V6(v6) => v6.octets(),
                        };
                        let kind = TsType::IPV6_ADDR_RANGE;
                        range(kind, ts.protocol, ports, [&octets(start), &octets(end)])?;
                    }
                }
            }
            Selector::Invalid(kind, protocol, first, last, addrs) => {
                let (start, end) = addrs.split_at_checked(addrs.len() / 2).unwrap_or_default();
                range(*kind, *protocol, [*first, *last], [start, end])?;
            }
            Selector::Other(kind, protocol, data) => {
                tree.serialize_entry("ts_type", &kind.0)?;
                tree.serialize_entry("protocol", protocol)?;
                tree.serialize_entry("data", &HexTree(data))?;
            }
        }
        tree.end()
    }
}
