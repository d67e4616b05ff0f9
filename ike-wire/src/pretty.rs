//! A message as text for people: one line per structure, indented by nesting.
//!
//! What comes from the peer is escaped, so that it cannot drive a terminal, and long
//! values are cut. It refuses to be a format: tools read the types.
use crate::payload::*;
use crate::*;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

/// Displays a message or a chain as a tree; from [`Message::pretty`] or [`Chain::pretty`].
#[derive(Debug, Clone, Copy)]
pub struct Pretty<'m, 'a> {
    header: Option<&'m Header>,
    payloads: &'m [Payload<'a>],
}

impl<'a> Message<'a> {
    /// For display to people.
    pub fn pretty(&self) -> Pretty<'_, 'a> {
        Pretty {
            header: Some(&self.header),
            payloads: &self.payloads,
        }
    }
}

impl<'a> Chain<'a> {
    /// For display to people.
    pub fn pretty(&self) -> Pretty<'_, 'a> {
        Pretty {
            header: None,
            payloads: &self.payloads,
        }
    }
}

impl fmt::Display for Pretty<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(header) = self.header {
            self::header(header, f)?;
        }
        self.payloads.iter().try_for_each(|each| payload(each, f))
    }
}

fn header(header: &Header, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let kind = if header.flags.response {
        "response"
    } else {
        "request"
    };
    let sender = if header.flags.initiator {
        "initiator"
    } else {
        "responder"
    };
    writeln!(
        f,
        "{} {kind}, message ID {}, from the original {sender}, {} octets",
        header.exchange, header.message_id.0, header.length
    )?;
    write!(
        f,
        "  initiator SPI {}, responder SPI {}, version {}.{}",
        header.spi_i, header.spi_r, header.major, header.minor
    )?;
    writeln!(
        f,
        "{}",
        if header.flags.version {
            ", could speak higher"
        } else {
            ""
        }
    )
}

fn payload(payload: &Payload<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let critical = if payload.critical { " (critical)" } else { "" };
    write!(f, "  {}{critical}", payload.kind())?;
    match &payload.body {
        Body::Sa(sa) => {
            writeln!(f)?;
            sa.proposals.iter().try_for_each(|each| proposal(each, f))
        }
        Body::Ke(ke) => writeln!(f, " method {}, data {}", ke.method, Hex(&ke.data)),
        Body::IdI(id) | Body::IdR(id) => identification(id, f),
        Body::Cert(cert) | Body::CertReq(cert) => {
            writeln!(f, " encoding {}, data {}", cert.encoding, Hex(&cert.data))
        }
        Body::Auth(auth) => writeln!(f, " method {}, data {}", auth.method, Hex(&auth.data)),
        Body::Nonce(data) | Body::Unknown(_, data) => writeln!(f, " data {}", Hex(data)),
        Body::VendorId(data) => writeln!(f, " data {}", TextOrHex(data)),
        Body::Notify(notify) => self::notify(notify, f),
        Body::Delete(delete) => self::delete(delete, f),
        Body::TsI(list) | Body::TsR(list) => {
            writeln!(f)?;
            list.iter().try_for_each(|each| selector(each, f))
        }
        Body::Sk(sk) => writeln!(f, " next payload {}, {} octets", sk.next, sk.data.len()),
        Body::Skf(skf) => writeln!(
            f,
            " fragment {} of {}, next payload {}, {} octets",
            skf.number,
            skf.total,
            skf.next,
            skf.data.len()
        ),
        Body::Cp(cp) => {
            writeln!(f, " type {}", cp.kind)?;
            cp.attributes
                .iter()
                .try_for_each(|(kind, data)| attribute(*kind, data, f))
        }
        Body::Eap(eap) => writeln!(
            f,
            " code {}, identifier {}, data {}",
            eap.code,
            eap.identifier,
            Hex(&eap.data)
        ),
    }
}

fn proposal(proposal: &Proposal<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "    proposal {}, protocol {}",
        proposal.number, proposal.protocol
    )?;
    if !proposal.spi.is_empty() {
        write!(f, ", SPI {}", Hex(&proposal.spi))?;
    }
    writeln!(f)?;
    for transform in &proposal.transforms {
        write!(f, "      {} ", transform.kind)?;
        let id = transform.id;
        match transform.kind {
            TransformType::ENCR => write!(f, "{}", EncrId(id))?,
            TransformType::PRF => write!(f, "{}", PrfId(id))?,
            TransformType::INTEG => write!(f, "{}", IntegId(id))?,
            TransformType::ESN => write!(f, "{}", EsnId(id))?,
            TransformType(4 | 6..=12) => write!(f, "{}", KeMethod(id))?,
            _ => write!(f, "{id}")?,
        }
        for attribute in &transform.attributes {
            match attribute {
                Attribute::Value(AttributeType::KEY_LENGTH, bits) => write!(f, " {bits} bits")?,
                Attribute::Value(kind, value) => write!(f, ", {kind} {value}")?,
                Attribute::Data(kind, data) => write!(f, ", {kind} {}", Hex(data))?,
            }
        }
        writeln!(f)?;
    }
    Ok(())
}

fn identification(id: &Identification<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, " type {}, data ", id.id_type)?;
    match id.id_type {
        IdType::IPV4_ADDR | IdType::IPV6_ADDR => writeln!(f, "{}", Address(&id.data)),
        IdType::FQDN | IdType::RFC822_ADDR | IdType::KEY_ID => {
            writeln!(f, "{}", TextOrHex(&id.data))
        }
        _ => writeln!(f, "{}", Hex(&id.data)),
    }
}

fn notify(notify: &Notify<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, " type {}", notify.kind)?;
    if notify.protocol != ProtocolId::NONE || !notify.spi.is_empty() {
        write!(
            f,
            ", protocol {}, SPI {}",
            notify.protocol,
            Hex(&notify.spi)
        )?;
    }
    let (pairs, odd) = notify.data.as_chunks();
    match (notify.kind, pairs, odd) {
        _ if notify.data.is_empty() => writeln!(f),
        (NotifyType::SIGNATURE_HASH_ALGORITHMS, hashes, []) => {
            f.write_str(":")?;
            for hash in hashes {
                write!(f, " {}", HashId(u16::from_be_bytes(*hash)))?;
            }
            writeln!(f)
        }
        (NotifyType::INVALID_KE_PAYLOAD, [method], []) => {
            writeln!(f, ": {}", KeMethod(u16::from_be_bytes(*method)))
        }
        (NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, [], [kind]) => {
            writeln!(f, ": {}", PayloadType(*kind))
        }
        (NotifyType::ADDITIONAL_IP4_ADDRESS | NotifyType::ADDITIONAL_IP6_ADDRESS, ..) => {
            writeln!(f, ": {}", Address(&notify.data))
        }
        _ => writeln!(f, ", data {}", Hex(&notify.data)),
    }
}

fn delete(delete: &Delete, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match delete {
        Delete::IkeSa => f.write_str(" protocol IKE, this IKE SA")?,
        Delete::Child(protocol, spis) => {
            write!(f, " protocol {protocol}, SPIs")?;
            spis.iter().try_for_each(|spi| write!(f, " {spi}"))?;
        }
        Delete::Other(protocol, size, spis) => {
            write!(f, " protocol {protocol}, SPIs of {size}")?;
            spis.iter()
                .try_for_each(|spi| write!(f, ", {}", Hex(spi)))?;
        }
    }
    writeln!(f)
}

fn selector(selector: &Selector<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match selector {
        Selector::Ip(ts) => writeln!(f, "    {ts}"),
        Selector::Invalid(kind, protocol, first, last, addrs) => {
            let (start, end) = addrs.split_at_checked(addrs.len() / 2).unwrap_or_default();
            writeln!(
                f,
                "    {kind} protocol {protocol}, ports {first}-{last}, {}-{}: start after end",
                Address(start),
                Address(end)
            )
        }
        Selector::Other(kind, protocol, data) => {
            writeln!(f, "    {kind} protocol {protocol}, data {}", Hex(data))
        }
    }
}

fn attribute(kind: CfgAttr, data: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "    {kind}")?;
    match (kind, data) {
        (_, []) => writeln!(f),
        (CfgAttr::APPLICATION_VERSION | CfgAttr::INTERNAL_DNS_DOMAIN, _) => {
            writeln!(f, " {}", TextOrHex(data))
        }
        (CfgAttr::INTERNAL_IP4_SUBNET, [addr @ .., _, _, _, _]) if data.len() == 8 => {
            let mask = data.get(4..).unwrap_or_default();
            writeln!(f, " {} mask {}", Address(addr), Address(mask))
        }
        (CfgAttr::INTERNAL_IP6_ADDRESS | CfgAttr::INTERNAL_IP6_SUBNET, [addr @ .., len])
            if data.len() == 17 =>
        {
            writeln!(f, " {}/{len}", Address(addr))
        }
        _ if data.len() == 4 || data.len() == 16 => writeln!(f, " {}", Address(data)),
        _ => writeln!(f, " {}", Hex(data)),
    }
}

/// Hexadecimal digits; long values are cut and their size is told.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 32;
        if self.0.is_empty() {
            return f.write_str("empty");
        }
        self.0
            .iter()
            .take(SHOWN)
            .try_for_each(|octet| write!(f, "{octet:02x}"))?;
        if self.0.len() > SHOWN {
            write!(f, "... ({} octets)", self.0.len())?;
        }
        Ok(())
    }
}

/// An address if the size is right.
struct Address<'a>(&'a [u8]);

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Ok(v4) = <[u8; 4]>::try_from(self.0) {
            Ipv4Addr::from(v4).fmt(f)
        } else if let Ok(v6) = <[u8; 16]>::try_from(self.0) {
            Ipv6Addr::from(v6).fmt(f)
        } else {
            Hex(self.0).fmt(f)
        }
    }
}

/// Printable ASCII in quotation marks, anything else in hexadecimal.
struct TextOrHex<'a>(&'a [u8]);

impl fmt::Display for TextOrHex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printable = |octet: &u8| octet.is_ascii_graphic() || *octet == b' ';
        if !self.0.is_empty() && self.0.len() <= 256 && self.0.iter().all(printable) {
            write!(f, "\"{}\"", self.0.escape_ascii())
        } else {
            Hex(self.0).fmt(f)
        }
    }
}
