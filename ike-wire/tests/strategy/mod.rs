//! Messages of every kind for property tests. What is generated is canonical: it is what
//! decoding gives for its own octets (a Delete of the IKE SA is never an `Other`, ranges
//! that are valid are never `Invalid`).
use ike_ts::{AddrRange, PortRange, TrafficSelector};
use ike_wire::payload::*;
use ike_wire::*;
use proptest::prelude::*;
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(crate) fn message() -> impl Strategy<Value = Message<'static>> {
    (header(), outer_chain()).prop_map(|(mut header, payloads)| {
        header.next_payload = payloads.first().map_or(PayloadType::NONE, Payload::kind);
        let mut message = Message { header, payloads };
        let mut octets = Vec::new();
        message.encode(&mut octets);
        message.header.length = u32::try_from(octets.len()).unwrap();
        message
    })
}

/// The inside of SK: no SK, no SKF.
pub(crate) fn chain() -> impl Strategy<Value = Chain<'static>> {
    prop::collection::vec(payload(body()), 0..6).prop_map(|payloads| Chain { payloads })
}

pub(crate) fn header() -> impl Strategy<Value = Header> {
    let flags = any::<[bool; 3]>().prop_map(|[initiator, version, response]| Flags {
        initiator,
        version,
        response,
    });
    let spis = any::<([u8; 8], [u8; 8])>();
    (spis, flags, any::<u8>(), any::<u32>(), 0u8..16).prop_map(
        |((spi_i, spi_r), flags, exchange, id, minor)| Header {
            minor,
            ..Header::new(
                Spi(spi_i),
                Spi(spi_r),
                ExchangeType(exchange),
                flags,
                MessageId(id),
            )
        },
    )
}

pub(crate) fn outer_chain() -> impl Strategy<Value = Vec<Payload<'static>>> {
    let last = prop::option::of(payload(sealed()));
    (prop::collection::vec(payload(body()), 0..5), last).prop_map(|(mut payloads, last)| {
        payloads.extend(last);
        payloads
    })
}

fn payload(body: impl Strategy<Value = Body<'static>>) -> impl Strategy<Value = Payload<'static>> {
    (any::<bool>(), body).prop_map(|(critical, body)| Payload { critical, body })
}

fn octets() -> impl Strategy<Value = Cow<'static, [u8]>> {
    prop::collection::vec(any::<u8>(), 0..40).prop_map(Cow::Owned)
}

fn sealed() -> impl Strategy<Value = Body<'static>> {
    let next = any::<u8>().prop_map(PayloadType);
    let sk = (next.clone(), octets()).prop_map(|(next, data)| Body::Sk(Encrypted { next, data }));
    let skf = (next, 1u16.., any::<u16>(), octets()).prop_map(|(next, a, b, data)| {
        let (number, total) = (a.min(b.max(1)), a.max(b));
        Body::Skf(EncryptedFragment {
            next,
            number,
            total,
            data,
        })
    });
    prop_oneof![sk, skf]
}

fn body() -> impl Strategy<Value = Body<'static>> {
    let id = || (any::<u8>(), octets()).prop_map(|(t, data)| Identification::new(IdType(t), data));
    let cert =
        || (any::<u8>(), octets()).prop_map(|(t, data)| CertPayload::new(CertEncoding(t), data));
    let ts = || prop::collection::vec(selector(), 0..5);
    prop_oneof![
        3 => prop::collection::vec(proposal(), 1..4).prop_map(|proposals| Body::Sa(SaPayload { proposals })),
        1 => (any::<u16>(), octets()).prop_map(|(m, data)| Body::Ke(KePayload::new(KeMethod(m), data))),
        1 => id().prop_map(Body::IdI),
        1 => id().prop_map(Body::IdR),
        1 => cert().prop_map(Body::Cert),
        1 => cert().prop_map(Body::CertReq),
        1 => (any::<u8>(), octets()).prop_map(|(m, data)| Body::Auth(AuthPayload::new(AuthMethod(m), data))),
        1 => octets().prop_map(Body::Nonce),
        1 => (any::<u8>(), octets(), any::<u16>(), octets()).prop_map(|(protocol, spi, kind, data)| Body::Notify(Notify {
            protocol: ProtocolId(protocol), spi, kind: NotifyType(kind), data,
        })),
        2 => delete().prop_map(Body::Delete),
        1 => octets().prop_map(Body::VendorId),
        2 => ts().prop_map(Body::TsI),
        1 => ts().prop_map(Body::TsR),
        1 => configuration().prop_map(Body::Cp),
        1 => (any::<u8>(), any::<u8>(), octets()).prop_map(|(code, identifier, data)| Body::Eap(EapPayload {
            code, identifier, data,
        })),
        1 => (unknown_type(), octets()).prop_map(|(kind, data)| Body::Unknown(kind, data)),
    ]
}

fn unknown_type() -> impl Strategy<Value = PayloadType> {
    any::<u8>()
        .prop_filter("a known payload", |kind| {
            *kind != 0 && !(33..=48).contains(kind) && *kind != 53
        })
        .prop_map(PayloadType)
}

fn proposal() -> impl Strategy<Value = Proposal<'static>> {
    let transforms = prop::collection::vec(transform(), 0..5);
    (any::<u8>(), any::<u8>(), octets(), transforms).prop_map(
        |(number, protocol, spi, transforms)| Proposal {
            number,
            protocol: ProtocolId(protocol),
            spi,
            transforms,
        },
    )
}

fn transform() -> impl Strategy<Value = Transform<'static>> {
    let kind = || prop_oneof![Just(14), 0u16..0x8000].prop_map(AttributeType);
    let attribute = prop_oneof![
        (kind(), any::<u16>()).prop_map(|(kind, value)| Attribute::Value(kind, value)),
        (kind(), octets()).prop_map(|(kind, data)| Attribute::Data(kind, data)),
    ];
    let attributes = prop::collection::vec(attribute, 0..3);
    (any::<u8>(), any::<u16>(), attributes).prop_map(|(kind, id, attributes)| Transform {
        kind: TransformType(kind),
        id,
        attributes,
    })
}

fn delete() -> impl Strategy<Value = Delete> {
    let child = (
        any::<bool>(),
        prop::collection::vec(any::<u32>().prop_map(ChildSpi), 0..5),
    );
    let other = (any::<u8>(), 0u8..12, 0usize..5, any::<[u8; 60]>());
    prop_oneof![
        Just(Delete::IkeSa),
        child.prop_map(|(ah, spis)| Delete::Child(
            if ah { ProtocolId::AH } else { ProtocolId::ESP },
            spis
        )),
        other
            .prop_map(|(protocol, size, count, octets)| {
                let spis = octets.chunks_exact(usize::from(size).max(1)).take(count);
                let spis = if size == 0 {
                    Vec::new()
                } else {
                    spis.map(<[u8]>::to_vec).collect()
                };
                Delete::Other(ProtocolId(protocol), size, spis)
            })
            .prop_filter("a canonical form of its own", |delete| !matches!(
                delete,
                Delete::Other(ProtocolId::IKE, 0, _)
                    | Delete::Other(ProtocolId::AH | ProtocolId::ESP, 4, _)
            )),
    ]
}

fn selector() -> impl Strategy<Value = Selector<'static>> {
    let v4 = any::<[u32; 2]>().prop_map(|bits| bits.map(|b| IpAddr::V4(Ipv4Addr::from_bits(b))));
    let v6 = any::<[u128; 2]>().prop_map(|bits| bits.map(|b| IpAddr::V6(Ipv6Addr::from_bits(b))));
    let ports = prop_oneof![Just((0, 65535)), Just((65535, 0)), any::<(u16, u16)>()];
    let ip = (any::<u8>(), ports, prop_oneof![v4, v6]).prop_map(
        |(protocol, (first, last), [start, end])| match (
            PortRange::new(first, last),
            AddrRange::new(start, end),
        ) {
            (Some(ports), Some(addrs)) => Selector::Ip(TrafficSelector {
                protocol,
                ports,
                addrs,
            }),
            _ => {
                let octets = |addr| match addr {
                    IpAddr::V4(v4) => v4.octets().to_vec(),
                    IpAddr::V6(v6) => v6.octets().to_vec(),
                };
                let kind = if start.is_ipv4() {
                    TsType::IPV4_ADDR_RANGE
                } else {
                    TsType::IPV6_ADDR_RANGE
                };
                let addrs = [octets(start), octets(end)].concat();
                Selector::Invalid(kind, protocol, first, last, addrs.into())
            }
        },
    );
    let kind = any::<u8>().prop_filter("a range", |kind| *kind != 7 && *kind != 8);
    let other = (kind, any::<u8>(), octets())
        .prop_map(|(kind, protocol, data)| Selector::Other(TsType(kind), protocol, data));
    prop_oneof![3 => ip, 1 => other]
}

fn configuration() -> impl Strategy<Value = ConfigPayload<'static>> {
    let attribute = ((0u16..0x8000).prop_map(CfgAttr), octets());
    (any::<u8>(), prop::collection::vec(attribute, 0..5)).prop_map(|(kind, attributes)| {
        ConfigPayload {
            kind: CfgType(kind),
            attributes,
        }
    })
}
