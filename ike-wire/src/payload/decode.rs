//! Payload bodies from octets. Every structure has to fill what contains it; numbers that
//! are not known, reserved fields and contents without a meaning are no fault here.
use super::*;
use crate::DecodeErrorKind as Kind;
use crate::decode::{Parsed, Whole, block, fault, fixed, unwrap_nom};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ike_ts::{AddrRange, PortRange};
use nom::Parser;
use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u16, be_u32, be_u128};

impl<'a> Body<'a> {
    /// The body of a payload of type `kind`; `next` is its next-payload field.
    pub(crate) fn parse(kind: PayloadType, next: PayloadType, body: &'a [u8]) -> Whole<'a, Self> {
        unwrap_nom(parse(kind, next, body), body)
    }
}

type Content<'a, T> = Result<T, nom::Err<crate::decode::Fault<'a>>>;

fn parse<'a>(kind: PayloadType, next: PayloadType, body: &'a [u8]) -> Content<'a, Body<'a>> {
    Ok(match kind {
        PayloadType::SA => Body::Sa(sa(body)?),
        PayloadType::KE => {
            let (data, (method, _reserved)) = fixed((be_u16, be_u16), Kind::ShortPayload)(body)?;
            Body::Ke(KePayload {
                method: KeMethod(method),
                data: data.into(),
            })
        }
        PayloadType::IDI => Body::IdI(identification(body)?),
        PayloadType::IDR => Body::IdR(identification(body)?),
        PayloadType::CERT => Body::Cert(certificate(body)?),
        PayloadType::CERTREQ => Body::CertReq(certificate(body)?),
        PayloadType::AUTH => {
            let (data, (method, _reserved)) =
                fixed((be_u8, take(3usize)), Kind::ShortPayload)(body)?;
            Body::Auth(AuthPayload {
                method: AuthMethod(method),
                data: data.into(),
            })
        }
        PayloadType::NONCE => Body::Nonce(body.into()),
        PayloadType::NOTIFY => Body::Notify(notify(body)?),
        PayloadType::DELETE => Body::Delete(delete(body)?),
        PayloadType::VENDOR_ID => Body::VendorId(body.into()),
        PayloadType::TSI => Body::TsI(selectors(body)?),
        PayloadType::TSR => Body::TsR(selectors(body)?),
        PayloadType::SK => Body::Sk(Encrypted {
            next,
            data: body.into(),
        }),
        PayloadType::SKF => Body::Skf(fragment(next, body)?),
        PayloadType::CP => Body::Cp(configuration(body)?),
        PayloadType::EAP => Body::Eap(eap(body)?),
        other => Body::Unknown(other, body.into()),
    })
}

fn sa(mut rest: &[u8]) -> Content<'_, SaPayload<'_>> {
    let mut proposals = Vec::new();
    if rest.is_empty() {
        return fault(Kind::NoProposal, rest);
    }
    while !rest.is_empty() {
        let (after, (more, proposal)) = proposal(rest)?;
        //= rfc7296#3.3.1: 0 if this is the last proposal, 2 if more follow
        if more != if after.is_empty() { 0 } else { 2 } {
            return fault(Kind::MoreProposals, rest);
        }
        proposals.push(proposal);
        rest = after;
    }
    Ok(SaPayload { proposals })
}

fn proposal(at: &[u8]) -> Parsed<'_, (u8, Proposal<'_>)> {
    let header = (be_u8, be_u8, be_u16, be_u8, be_u8, be_u8, be_u8);
    let (_, (more, _reserved, length, number, protocol, spi_size, count)) =
        fixed(header, Kind::ProposalLength)(at)?;
    let (after, inside) = block(length.into(), 8, Kind::ProposalLength)(at)?;
    let (_, (_, spi_and_transforms)) = (take(8usize), nom::combinator::rest).parse(inside)?;
    let (mut rest, spi) = block(spi_size.into(), 0, Kind::SpiSize)(spi_and_transforms)?;
    let mut transforms = Vec::with_capacity(usize::from(count).min(rest.len() / 8));
    while !rest.is_empty() {
        let (after, (more, transform)) = transform(rest)?;
        //= rfc7296#3.3.2: 0 if this is the last transform, 3 if more follow
        if more != if after.is_empty() { 0 } else { 3 } {
            return fault(Kind::MoreTransforms, rest);
        }
        transforms.push(transform);
        rest = after;
    }
    if transforms.len() != usize::from(count) {
        return fault(Kind::TransformCount, at);
    }
    let proposal = Proposal {
        number,
        protocol: ProtocolId(protocol),
        spi: spi.into(),
        transforms,
    };
    Ok((after, (more, proposal)))
}

fn transform(at: &[u8]) -> Parsed<'_, (u8, Transform<'_>)> {
    let header = (be_u8, be_u8, be_u16, be_u8, be_u8, be_u16);
    let (_, (more, _reserved, length, kind, _reserved2, id)) =
        fixed(header, Kind::TransformLength)(at)?;
    let (after, inside) = block(length.into(), 8, Kind::TransformLength)(at)?;
    let (_, (_, mut rest)) = (take(8usize), nom::combinator::rest).parse(inside)?;
    let mut attributes = Vec::new();
    while !rest.is_empty() {
        let (after, (kind, value)) = fixed((be_u16, be_u16), Kind::AttributeLength)(rest)?;
        let number = AttributeType(kind & 0x7fff);
        //= rfc7296#3.3.5: with the AF bit the value stands where the length would be
        rest = if kind & 0x8000 != 0 {
            attributes.push(Attribute::Value(number, value));
            after
        } else {
            let (after, data) = block(value.into(), 0, Kind::AttributeLength)(after)
                .or_else(|_| fault(Kind::AttributeLength, rest))?;
            attributes.push(Attribute::Data(number, data.into()));
            after
        };
    }
    let transform = Transform {
        kind: TransformType(kind),
        id,
        attributes,
    };
    Ok((after, (more, transform)))
}

fn identification(body: &[u8]) -> Content<'_, Identification<'_>> {
    let (data, (id_type, _reserved)) = fixed((be_u8, take(3usize)), Kind::ShortPayload)(body)?;
    Ok(Identification {
        id_type: IdType(id_type),
        data: data.into(),
    })
}

fn certificate(body: &[u8]) -> Content<'_, CertPayload<'_>> {
    let (data, encoding) = fixed(be_u8, Kind::ShortPayload)(body)?;
    Ok(CertPayload {
        encoding: CertEncoding(encoding),
        data: data.into(),
    })
}

fn notify(body: &[u8]) -> Content<'_, Notify<'_>> {
    let (rest, (protocol, spi_size, kind)) =
        fixed((be_u8, be_u8, be_u16), Kind::ShortPayload)(body)?;
    let (data, spi) = block(spi_size.into(), 0, Kind::SpiSize)(rest)?;
    Ok(Notify {
        protocol: ProtocolId(protocol),
        spi: spi.into(),
        kind: NotifyType(kind),
        data: data.into(),
    })
}

fn delete(body: &[u8]) -> Content<'_, Delete> {
    let (spis, (protocol, size, count)) = fixed((be_u8, be_u8, be_u16), Kind::ShortPayload)(body)?;
    let protocol = ProtocolId(protocol);
    if usize::from(size).saturating_mul(count.into()) != spis.len() {
        return fault(Kind::SpiCount, body);
    }
    if size == 0 {
        // A count of SPIs of no size announces what is not there.
        return match (protocol, count) {
            (ProtocolId::IKE, 0) => Ok(Delete::IkeSa),
            (_, 0) => Ok(Delete::Other(protocol, 0, Vec::new())),
            _ => fault(Kind::SpiCount, body),
        };
    }
    if size == 4 && (protocol == ProtocolId::AH || protocol == ProtocolId::ESP) {
        let (fours, _) = spis.as_chunks();
        let spis = fours.iter().map(|spi| ChildSpi(u32::from_be_bytes(*spi)));
        return Ok(Delete::Child(protocol, spis.collect()));
    }
    let spis = spis.chunks_exact(size.into()).map(<[u8]>::to_vec);
    Ok(Delete::Other(protocol, size, spis.collect()))
}

fn selectors(body: &[u8]) -> Content<'_, Vec<Selector<'_>>> {
    let (mut rest, (count, _reserved)) = fixed((be_u8, take(3usize)), Kind::ShortPayload)(body)?;
    let mut selectors = Vec::with_capacity(usize::from(count).min(rest.len() / 16));
    while !rest.is_empty() {
        let (after, selector) = selector(rest)?;
        selectors.push(selector);
        rest = after;
    }
    if selectors.len() != usize::from(count) {
        return fault(Kind::SelectorCount, body);
    }
    Ok(selectors)
}

fn selector(at: &[u8]) -> Parsed<'_, Selector<'_>> {
    let (_, (ts_type, protocol, length)) = fixed((be_u8, be_u8, be_u16), Kind::SelectorLength)(at)?;
    let (after, inside) = block(length.into(), 4, Kind::SelectorLength)(at)?;
    let (_, (_, rest)) = (take(4usize), nom::combinator::rest).parse(inside)?;
    let ts_type = TsType(ts_type);
    let v4 = |bits: u32| IpAddr::V4(Ipv4Addr::from_bits(bits));
    let v6 = |bits: u128| IpAddr::V6(Ipv6Addr::from_bits(bits));
    let (left, (first, last, start, end)) = match ts_type {
        TsType::IPV4_ADDR_RANGE => fixed(
            (be_u16, be_u16, be_u32.map(v4), be_u32.map(v4)),
            Kind::SelectorLength,
        )(rest),
        TsType::IPV6_ADDR_RANGE => fixed(
            (be_u16, be_u16, be_u128.map(v6), be_u128.map(v6)),
            Kind::SelectorLength,
        )(rest),
        other => return Ok((after, Selector::Other(other, protocol, rest.into()))),
    }
    .or_else(|_| fault(Kind::SelectorLength, at))?;
    if !left.is_empty() {
        return fault(Kind::SelectorLength, at);
    }
    let selector = match (PortRange::new(first, last), AddrRange::new(start, end)) {
        (Some(ports), Some(addrs)) => Selector::Ip(TrafficSelector {
            protocol,
            ports,
            addrs,
        }),
        _ => {
            let (_, (_, addrs)) = (take(4usize), nom::combinator::rest).parse(rest)?;
            Selector::Invalid(ts_type, protocol, first, last, addrs.into())
        }
    };
    Ok((after, selector))
}

fn fragment(next: PayloadType, body: &[u8]) -> Content<'_, EncryptedFragment<'_>> {
    let (data, (number, total)) = fixed((be_u16, be_u16), Kind::ShortPayload)(body)?;
    //= rfc7383#2.5: fragments are numbered from 1 to the total
    if number == 0 || number > total {
        return fault(Kind::FragmentNumber, body);
    }
    Ok(EncryptedFragment {
        next,
        number,
        total,
        data: data.into(),
    })
}

fn configuration(body: &[u8]) -> Content<'_, ConfigPayload<'_>> {
    let (mut rest, (kind, _reserved)) = fixed((be_u8, take(3usize)), Kind::ShortPayload)(body)?;
    let mut attributes = Vec::new();
    while !rest.is_empty() {
        let (after, (kind, length)) = fixed((be_u16, be_u16), Kind::CfgAttributeLength)(rest)?;
        let (after, data) = block(length.into(), 0, Kind::CfgAttributeLength)(after)
            .or_else(|_| fault(Kind::CfgAttributeLength, rest))?;
        attributes.push((CfgAttr(kind & 0x7fff), data.into()));
        rest = after;
    }
    Ok(ConfigPayload {
        kind: CfgType(kind),
        attributes,
    })
}

fn eap(body: &[u8]) -> Content<'_, EapPayload<'_>> {
    let (data, (code, identifier, length)) =
        fixed((be_u8, be_u8, be_u16), Kind::ShortPayload)(body)?;
    if usize::from(length) != body.len() {
        return fault(Kind::EapLength, body);
    }
    Ok(EapPayload {
        code,
        identifier,
        data: data.into(),
    })
}
