//! Payloads to octets.
use super::*;
use crate::encode::Writer;
use core::net::IpAddr;

impl Payload<'_> {
    /// Writes the payload with its generic header. The last payload of a chain has `next`
    /// NONE; SK and SKF name their first inner payload there instead.
    pub(crate) fn write(&self, next: PayloadType, to: &mut Writer<'_>) {
        let start = to.out.len();
        let next = match &self.body {
            Body::Sk(sk) => sk.next,
            Body::Skf(skf) => skf.next,
            _ => next,
        };
        generic_header(next, self.critical, to);
        self.body.write(to);
        to.length16("payload", start, 2, 0);
    }
}

/// The generic payload header with a length of zero, for `length16` to fill in.
pub(crate) fn generic_header(next: PayloadType, critical: bool, to: &mut Writer<'_>) {
    to.u8(next.0);
    to.u8(if critical { 0x80 } else { 0 });
    to.u16(0);
}

impl Body<'_> {
    fn write(&self, to: &mut Writer<'_>) {
        match self {
            Self::Sa(sa) => sa.write(to),
            Self::Ke(ke) => {
                to.u16(ke.method.0);
                to.reserved(2);
                to.bytes(&ke.data);
            }
            Self::IdI(id) | Self::IdR(id) => {
                to.u8(id.id_type.0);
                to.reserved(3);
                to.bytes(&id.data);
            }
            Self::Cert(cert) | Self::CertReq(cert) => {
                to.u8(cert.encoding.0);
                to.bytes(&cert.data);
            }
            Self::Auth(auth) => {
                to.u8(auth.method.0);
                to.reserved(3);
                to.bytes(&auth.data);
            }
            Self::Nonce(data) | Self::VendorId(data) | Self::Unknown(_, data) => to.bytes(data),
            Self::Notify(notify) => {
                to.u8(notify.protocol.0);
                to.count8("SPI", notify.spi.len());
                to.u16(notify.kind.0);
                to.bytes(&notify.spi);
                to.bytes(&notify.data);
            }
            Self::Delete(delete) => delete.write(to),
            Self::TsI(selectors) | Self::TsR(selectors) => {
                to.count8("selectors", selectors.len());
                to.reserved(3);
                selectors.iter().for_each(|selector| selector.write(to));
            }
            Self::Sk(sk) => to.bytes(&sk.data),
            Self::Skf(skf) => {
                to.u16(skf.number);
                to.u16(skf.total);
                to.bytes(&skf.data);
            }
            Self::Cp(cp) => {
                to.u8(cp.kind.0);
                to.reserved(3);
                for (kind, data) in &cp.attributes {
                    //= rfc7296#3.15.1: the highest bit of the type is reserved, zero when sent
                    to.u16(kind.0 & 0x7fff);
                    to.count16("configuration attribute", data.len());
                    to.bytes(data);
                }
            }
            Self::Eap(eap) => {
                to.u8(eap.code);
                to.u8(eap.identifier);
                to.count16("EAP packet", eap.data.len().saturating_add(4));
                to.bytes(&eap.data);
            }
        }
    }
}

impl SaPayload<'_> {
    fn write(&self, to: &mut Writer<'_>) {
        let mut left = self.proposals.len();
        for proposal in &self.proposals {
            left = left.saturating_sub(1);
            let start = to.out.len();
            to.u8(if left == 0 { 0 } else { 2 });
            to.reserved(3);
            to.u8(proposal.number);
            to.u8(proposal.protocol.0);
            to.count8("SPI", proposal.spi.len());
            to.count8("transforms", proposal.transforms.len());
            to.bytes(&proposal.spi);
            let mut left = proposal.transforms.len();
            for transform in &proposal.transforms {
                left = left.saturating_sub(1);
                transform.write(left != 0, to);
            }
            to.length16("proposal", start, 2, 0);
        }
    }
}

impl Transform<'_> {
    fn write(&self, more: bool, to: &mut Writer<'_>) {
        let start = to.out.len();
        to.u8(if more { 3 } else { 0 });
        to.reserved(3);
        to.u8(self.kind.0);
        to.reserved(1);
        to.u16(self.id);
        for attribute in &self.attributes {
            match attribute {
                Attribute::Value(kind, value) => {
                    to.u16(kind.0 | 0x8000);
                    to.u16(*value);
                }
                Attribute::Data(kind, data) => {
                    to.u16(kind.0 & 0x7fff);
                    to.count16("attribute", data.len());
                    to.bytes(data);
                }
            }
        }
        to.length16("transform", start, 2, 0);
    }
}

impl Delete {
    fn write(&self, to: &mut Writer<'_>) {
        match self {
            Self::IkeSa => {
                to.u8(ProtocolId::IKE.0);
                to.reserved(3);
            }
            Self::Child(protocol, spis) => {
                to.u8(protocol.0);
                to.u8(4);
                to.count16("SPIs", spis.len());
                spis.iter().for_each(|spi| to.u32(spi.0));
            }
            Self::Other(protocol, size, spis) => {
                to.u8(protocol.0);
                to.u8(*size);
                to.count16("SPIs", spis.len());
                for spi in spis {
                    if spi.len() != usize::from(*size) {
                        to.refuse("SPI", spi.len(), ());
                    }
                    to.bytes(spi);
                }
            }
        }
    }
}

impl Selector<'_> {
    fn write(&self, to: &mut Writer<'_>) {
        let start = to.out.len();
        match self {
            Self::Ip(ts) => {
                let kind = if ts.addrs.is_ipv4() {
                    TsType::IPV4_ADDR_RANGE
                } else {
                    TsType::IPV6_ADDR_RANGE
                };
                to.u8(kind.0);
                to.u8(ts.protocol);
                to.u16(0);
                to.u16(ts.ports.start());
                to.u16(ts.ports.end());
                for addr in [ts.addrs.start(), ts.addrs.end()] {
                    match addr {
                        IpAddr::V4(v4) => to.bytes(&v4.octets()),
                        IpAddr::V6(v6) => to.bytes(&v6.octets()),
                    }
                }
            }
            Self::Invalid(kind, protocol, first, last, addrs) => {
                to.u8(kind.0);
                to.u8(*protocol);
                to.u16(0);
                to.u16(*first);
                to.u16(*last);
                to.bytes(addrs);
            }
            Self::Other(kind, protocol, data) => {
                to.u8(kind.0);
                to.u8(*protocol);
                to.u16(0);
                to.bytes(data);
            }
        }
        to.length16("selector", start, 2, 0);
    }
}
