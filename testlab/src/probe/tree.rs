//! From the tree of PROBE.md section 5 back to a message; the other way is `ike_wire::tree`.
use std::net::IpAddr;

use ike_ts::{AddrRange, PortRange, TrafficSelector};
use ike_wire::payload::{
    Attribute, AuthPayload, Body, CertPayload, ConfigPayload, Delete, EapPayload, Encrypted,
    EncryptedFragment, Identification, KePayload, Notify, Payload, Proposal, SaPayload, Selector,
    Transform,
};
use ike_wire::{
    AttributeType, AuthMethod, CertEncoding, CfgAttr, CfgType, ChildSpi, ExchangeType, Flags,
    Header, IdType, KeMethod, Message, MessageId, NotifyType, PayloadType, ProtocolId, Spi,
    TransformType, TsType,
};

use super::{Fields, Refusal, refuse};

pub(super) fn message(tree: Fields<'_>) -> Result<Message<'static>, Refusal> {
    let header = header(tree.object("header")?)?;
    let payloads = tree.objects("payloads", payload)?;
    Ok(Message { header, payloads })
}

fn header(fields: Fields<'_>) -> Result<Header, Refusal> {
    let flags = Flags {
        initiator: fields.flag("initiator")?,
        version: fields.flag("version")?,
        response: fields.flag("response")?,
    };
    let mut header = Header::new(
        Spi(fields.array("spi_i")?),
        Spi(fields.array("spi_r")?),
        ExchangeType(fields.number("exchange")?),
        flags,
        MessageId(fields.number("message_id")?),
    );
    header.major = fields.number("major")?;
    header.minor = fields.number("minor")?;
    if header.major > 15 || header.minor > 15 {
        return refuse("a version has four bits");
    }
    Ok(header)
}

fn payload(fields: Fields<'_>) -> Result<Payload<'static>, Refusal> {
    let critical = fields.flag("critical")?;
    let body = body(PayloadType(fields.number("type")?), fields)?;
    Ok(Payload { critical, body })
}

fn body(kind: PayloadType, fields: Fields<'_>) -> Result<Body<'static>, Refusal> {
    let data = || fields.octets("data").map(Into::into);
    Ok(match kind {
        PayloadType::NONE => return refuse("no payload has type 0"),
        PayloadType::SA => Body::Sa(SaPayload {
            proposals: fields.objects("proposals", proposal)?,
        }),
        PayloadType::KE => Body::Ke(KePayload {
            method: KeMethod(fields.number("group")?),
            data: data()?,
        }),
        PayloadType::IDI => Body::IdI(identification(fields)?),
        PayloadType::IDR => Body::IdR(identification(fields)?),
        PayloadType::CERT => Body::Cert(certificate(fields)?),
        PayloadType::CERTREQ => Body::CertReq(certificate(fields)?),
        PayloadType::AUTH => Body::Auth(AuthPayload {
            method: AuthMethod(fields.number("method")?),
            data: data()?,
        }),
        PayloadType::NONCE => Body::Nonce(data()?),
        PayloadType::VENDOR_ID => Body::VendorId(data()?),
        PayloadType::NOTIFY => Body::Notify(Notify {
            protocol: ProtocolId(fields.number("protocol")?),
            spi: fields.octets("spi")?.into(),
            kind: NotifyType(fields.number("notify_type")?),
            data: data()?,
        }),
        PayloadType::DELETE => Body::Delete(delete(fields)?),
        PayloadType::TSI => Body::TsI(fields.objects("selectors", selector)?),
        PayloadType::TSR => Body::TsR(fields.objects("selectors", selector)?),
        PayloadType::SK => Body::Sk(Encrypted {
            next: PayloadType(fields.number("next")?),
            data: data()?,
        }),
        PayloadType::SKF => Body::Skf(EncryptedFragment {
            next: PayloadType(fields.number("next")?),
            number: fields.number("fragment")?,
            total: fields.number("total")?,
            data: data()?,
        }),
        PayloadType::CP => Body::Cp(ConfigPayload {
            kind: CfgType(fields.number("cfg_type")?),
            attributes: fields.objects("attributes", |attribute| {
                let kind: u16 = attribute.number("type")?;
                if kind > 0x7fff {
                    return refuse("a configuration attribute's type has 15 bits");
                }
                Ok((CfgAttr(kind), attribute.octets("data")?.into()))
            })?,
        }),
        PayloadType::EAP => Body::Eap(EapPayload {
            code: fields.number("code")?,
            identifier: fields.number("identifier")?,
            data: data()?,
        }),
        other => Body::Unknown(other, data()?),
    })
}

fn proposal(fields: Fields<'_>) -> Result<Proposal<'static>, Refusal> {
    Ok(Proposal {
        number: fields.number("number")?,
        protocol: ProtocolId(fields.number("protocol")?),
        spi: fields.octets("spi")?.into(),
        transforms: fields.objects("transforms", |transform| {
            Ok(Transform {
                kind: TransformType(transform.number("type")?),
                id: transform.number("id")?,
                attributes: transform.objects("attributes", attribute)?,
            })
        })?,
    })
}

fn attribute(fields: Fields<'_>) -> Result<Attribute<'static>, Refusal> {
    let kind: u16 = fields.number("type")?;
    if kind > 0x7fff {
        return refuse("an attribute's type has 15 bits");
    }
    let kind = AttributeType(kind);
    Ok(match fields.optional("value") {
        Some(_) => Attribute::Value(kind, fields.number("value")?),
        None => Attribute::Data(kind, fields.octets("data")?.into()),
    })
}

fn identification(fields: Fields<'_>) -> Result<Identification<'static>, Refusal> {
    let id_type = IdType(fields.number("id_type")?);
    Ok(Identification::new(id_type, fields.octets("data")?))
}

fn certificate(fields: Fields<'_>) -> Result<CertPayload<'static>, Refusal> {
    let encoding = CertEncoding(fields.number("encoding")?);
    Ok(CertPayload::new(encoding, fields.octets("data")?))
}

fn delete(fields: Fields<'_>) -> Result<Delete, Refusal> {
    let protocol = ProtocolId(fields.number("protocol")?);
    let size: u8 = fields.number("spi_size")?;
    let spis = fields.octets_list("spis")?;
    if spis.iter().any(|spi| spi.len() != usize::from(size)) {
        return refuse("an SPI is not of the size that all have");
    }
    if protocol == ProtocolId::IKE && size == 0 && spis.is_empty() {
        return Ok(Delete::IkeSa);
    }
    if matches!(protocol, ProtocolId::AH | ProtocolId::ESP) && size == 4 {
        let spis = spis.iter().filter_map(|spi| spi.first_chunk());
        let spis = spis.map(|&spi| ChildSpi(u32::from_be_bytes(spi)));
        return Ok(Delete::Child(protocol, spis.collect()));
    }
    Ok(Delete::Other(protocol, size, spis))
}

pub(super) fn selector(fields: Fields<'_>) -> Result<Selector<'static>, Refusal> {
    let kind = TsType(fields.number("ts_type")?);
    let protocol = fields.number("protocol")?;
    let addr = |name| match kind {
        TsType::IPV4_ADDR_RANGE => fields.array::<4>(name).map(IpAddr::from),
        _ => fields.array::<16>(name).map(IpAddr::from),
    };
    if kind != TsType::IPV4_ADDR_RANGE && kind != TsType::IPV6_ADDR_RANGE {
        let data = fields.octets("data")?.into();
        return Ok(Selector::Other(kind, protocol, data));
    }
    let (first, last) = (fields.number("start_port")?, fields.number("end_port")?);
    let (start, end) = (addr("start")?, addr("end")?);
    Ok(
        match (PortRange::new(first, last), AddrRange::new(start, end)) {
            (Some(ports), Some(addrs)) => Selector::Ip(TrafficSelector {
                protocol,
                ports,
                addrs,
            }),
            _ => {
                let addrs = [fields.octets("start")?, fields.octets("end")?].concat();
                Selector::Invalid(kind, protocol, first, last, addrs.into())
            }
        },
    )
}
