//! Constructors, owned copies and look-ups for those who build and read messages.
use super::*;

impl<'a> Notify<'a> {
    /// A notification without protocol and SPI.
    pub fn new(kind: NotifyType, data: impl Into<Cow<'a, [u8]>>) -> Self {
        Self {
            protocol: ProtocolId::NONE,
            spi: Cow::Borrowed(&[]),
            kind,
            data: data.into(),
        }
    }

    /// A notification about a Child SA, named by an inbound SPI of the sender.
    pub fn child(kind: NotifyType, protocol: ProtocolId, spi: ChildSpi) -> Self {
        Self {
            protocol,
            spi: Cow::Owned(spi.0.to_be_bytes().to_vec()),
            kind,
            data: Cow::Borrowed(&[]),
        }
    }

    /// The SPI as one of ESP or AH, if it has that size.
    pub fn child_spi(&self) -> Option<ChildSpi> {
        child_spi(&self.spi)
    }
}

impl<'a> Proposal<'a> {
    /// A proposal for an IKE SA in its first exchange: no SPI.
    pub fn ike(number: u8, transforms: Vec<Transform<'a>>) -> Self {
        Self {
            number,
            protocol: ProtocolId::IKE,
            spi: Cow::Borrowed(&[]),
            transforms,
        }
    }

    /// A proposal that rekeys an IKE SA, with the sender's new SPI.
    pub fn ike_rekey(number: u8, spi: Spi, transforms: Vec<Transform<'a>>) -> Self {
        Self {
            spi: Cow::Owned(spi.0.to_vec()),
            ..Self::ike(number, transforms)
        }
    }

    /// A proposal for a Child SA, with the sender's inbound SPI.
    pub fn child(
        number: u8,
        protocol: ProtocolId,
        spi: ChildSpi,
        transforms: Vec<Transform<'a>>,
    ) -> Self {
        Self {
            number,
            protocol,
            spi: Cow::Owned(spi.0.to_be_bytes().to_vec()),
            transforms,
        }
    }

    /// The SPI as one of ESP or AH, if it has that size.
    pub fn child_spi(&self) -> Option<ChildSpi> {
        child_spi(&self.spi)
    }

    /// The SPI as one of IKE, if it has that size.
    pub fn ike_spi(&self) -> Option<Spi> {
        (*self.spi).try_into().ok().map(Spi)
    }

    /// The transforms of one type, in order.
    pub fn of_type(&self, kind: TransformType) -> impl Iterator<Item = &Transform<'a>> {
        self.transforms
            .iter()
            .filter(move |transform| transform.kind == kind)
    }
}

impl Transform<'_> {
    /// A transform, with a key length attribute if it takes one.
    pub fn new(kind: TransformType, id: u16, key_bits: Option<u16>) -> Self {
        let attribute = |bits| Attribute::Value(AttributeType::KEY_LENGTH, bits);
        Self {
            kind,
            id,
            attributes: key_bits.map(attribute).into_iter().collect(),
        }
    }

    /// The key length attribute, if there is one.
    pub fn key_bits(&self) -> Option<u16> {
        self.attributes
            .iter()
            .find_map(|attribute| match attribute {
                Attribute::Value(AttributeType::KEY_LENGTH, bits) => Some(*bits),
                _ => None,
            })
    }

    /// Whether there is anything but a single key length among the attributes.
    //= rfc7296#3.3.6: a transform with an attribute that is not understood is not chosen
    pub fn has_unknown_attributes(&self) -> bool {
        match self.attributes.as_slice() {
            [] => false,
            [Attribute::Value(kind, _)] => *kind != AttributeType::KEY_LENGTH,
            _ => true,
        }
    }
}

impl<'a> KePayload<'a> {
    /// A public value.
    pub fn new(method: KeMethod, data: impl Into<Cow<'a, [u8]>>) -> Self {
        Self {
            method,
            data: data.into(),
        }
    }
}

impl<'a> Identification<'a> {
    /// An identity.
    pub fn new(id_type: IdType, data: impl Into<Cow<'a, [u8]>>) -> Self {
        Self {
            id_type,
            data: data.into(),
        }
    }

    /// The payload body without the generic header: what AUTH covers (RFC 7296 §2.15).
    pub fn signed_octets(&self) -> Vec<u8> {
        let mut octets = alloc::vec![self.id_type.0, 0, 0, 0];
        octets.extend_from_slice(&self.data);
        octets
    }
}

impl<'a> CertPayload<'a> {
    /// A certificate, or the hashes of a request.
    pub fn new(encoding: CertEncoding, data: impl Into<Cow<'a, [u8]>>) -> Self {
        Self {
            encoding,
            data: data.into(),
        }
    }
}

impl<'a> AuthPayload<'a> {
    /// An authentication value.
    pub fn new(method: AuthMethod, data: impl Into<Cow<'a, [u8]>>) -> Self {
        Self {
            method,
            data: data.into(),
        }
    }
}

impl Selector<'_> {
    /// The range, if it is a valid one of a type known here.
    pub fn as_ip(&self) -> Option<TrafficSelector> {
        match self {
            Self::Ip(ts) => Some(*ts),
            Self::Invalid(..) | Self::Other(..) => None,
        }
    }
}

impl From<TrafficSelector> for Selector<'_> {
    fn from(ts: TrafficSelector) -> Self {
        Self::Ip(ts)
    }
}

macro_rules! from_content {
    ($($content:ty => $variant:ident),* $(,)?) => {$(
        impl<'a> From<$content> for Body<'a> {
            fn from(content: $content) -> Self {
                Self::$variant(content)
            }
        }
        impl<'a> From<$content> for Payload<'a> {
            fn from(content: $content) -> Self {
                Body::from(content).into()
            }
        }
    )*};
}
from_content! {
    SaPayload<'a> => Sa, KePayload<'a> => Ke, AuthPayload<'a> => Auth, Notify<'a> => Notify, Delete => Delete,
    Encrypted<'a> => Sk, EncryptedFragment<'a> => Skf, ConfigPayload<'a> => Cp, EapPayload<'a> => Eap,
}

/// The first payload of which `select` is something, as
/// `find(&payloads, |body| if let Body::Ke(ke) = body { Some(ke) } else { None })`.
pub fn find<'p, 'a, T>(
    payloads: &'p [Payload<'a>],
    select: impl FnMut(&'p Body<'a>) -> Option<T>,
) -> Option<T> {
    payloads
        .iter()
        .map(|payload| &payload.body)
        .find_map(select)
}

macro_rules! first {
    ($($(#[$doc:meta])* $name:ident: $variant:ident -> $content:ty;)*) => {$(
        $(#[$doc])*
        fn $name(&self) -> Option<&$content> {
            find(self.payloads(), |body| match body {
                Body::$variant(content) => Some(content),
                _ => None,
            })
        }
    )*};
}

/// Look-ups in a list of payloads: the first of a type.
pub trait Payloads<'a> {
    /// The list.
    fn payloads(&self) -> &[Payload<'a>];

    first! {
        /// The SA payload.
        sa: Sa -> SaPayload<'a>;
        /// The KE payload.
        ke: Ke -> KePayload<'a>;
        /// The IDi payload.
        id_i: IdI -> Identification<'a>;
        /// The IDr payload.
        id_r: IdR -> Identification<'a>;
        /// The AUTH payload.
        auth: Auth -> AuthPayload<'a>;
        /// The nonce.
        nonce: Nonce -> Cow<'a, [u8]>;
        /// The TSi payload.
        ts_i: TsI -> Vec<Selector<'a>>;
        /// The TSr payload.
        ts_r: TsR -> Vec<Selector<'a>>;
        /// The CP payload.
        cp: Cp -> ConfigPayload<'a>;
        /// The EAP payload.
        eap: Eap -> EapPayload<'a>;
        /// The SK payload.
        sk: Sk -> Encrypted<'a>;
        /// The SKF payload.
        skf: Skf -> EncryptedFragment<'a>;
    }

    /// The certificates, in order.
    fn certs<'p>(&'p self) -> impl Iterator<Item = &'p CertPayload<'a>>
    where
        'a: 'p,
    {
        self.payloads()
            .iter()
            .filter_map(|payload| match &payload.body {
                Body::Cert(cert) => Some(cert),
                _ => None,
            })
    }

    /// The certificate requests, in order.
    fn cert_requests<'p>(&'p self) -> impl Iterator<Item = &'p CertPayload<'a>>
    where
        'a: 'p,
    {
        self.payloads()
            .iter()
            .filter_map(|payload| match &payload.body {
                Body::CertReq(request) => Some(request),
                _ => None,
            })
    }

    /// The notifications, in order.
    fn notifies<'p>(&'p self) -> impl Iterator<Item = &'p Notify<'a>>
    where
        'a: 'p,
    {
        self.payloads()
            .iter()
            .filter_map(|payload| match &payload.body {
                Body::Notify(notify) => Some(notify),
                _ => None,
            })
    }

    /// The first notification of a type.
    fn notify<'p>(&'p self, kind: NotifyType) -> Option<&'p Notify<'a>>
    where
        'a: 'p,
    {
        self.notifies().find(|notify| notify.kind == kind)
    }

    /// The deletes, in order.
    fn deletes<'p>(&'p self) -> impl Iterator<Item = &'p Delete>
    where
        'a: 'p,
    {
        self.payloads()
            .iter()
            .filter_map(|payload| match &payload.body {
                Body::Delete(delete) => Some(delete),
                _ => None,
            })
    }

    /// The vendor IDs, in order.
    fn vendor_ids<'p>(&'p self) -> impl Iterator<Item = &'p [u8]>
    where
        'a: 'p,
    {
        self.payloads()
            .iter()
            .filter_map(|payload| match &payload.body {
                Body::VendorId(id) => Some(&**id),
                _ => None,
            })
    }

    /// The first payload of an unknown type with the critical bit set.
    //= rfc7296#2.5: an unknown payload is skipped, unless it is critical
    fn unknown_critical(&self) -> Option<PayloadType> {
        self.payloads()
            .iter()
            .find_map(|payload| match &payload.body {
                Body::Unknown(kind, _) if payload.critical => Some(*kind),
                _ => None,
            })
    }
}

impl<'a> Payloads<'a> for [Payload<'a>] {
    fn payloads(&self) -> &[Payload<'a>] {
        self
    }
}

impl<'a> Payloads<'a> for Vec<Payload<'a>> {
    fn payloads(&self) -> &[Payload<'a>] {
        self
    }
}

impl<'a> Payloads<'a> for Message<'a> {
    fn payloads(&self) -> &[Payload<'a>] {
        &self.payloads
    }
}

impl<'a> Payloads<'a> for Chain<'a> {
    fn payloads(&self) -> &[Payload<'a>] {
        &self.payloads
    }
}

fn child_spi(spi: &[u8]) -> Option<ChildSpi> {
    spi.try_into().ok().map(u32::from_be_bytes).map(ChildSpi)
}

fn owned(data: Cow<'_, [u8]>) -> Cow<'static, [u8]> {
    Cow::Owned(data.into_owned())
}

macro_rules! into_owned {
    ($($name:ident { $($plain:ident),* ; $($data:ident),* })*) => {$(
        impl $name<'_> {
            /// A copy that borrows nothing.
            pub fn into_owned(self) -> $name<'static> {
                $name { $($plain: self.$plain,)* $($data: owned(self.$data),)* }
            }
        }
    )*};
}
into_owned! {
    KePayload { method; data }
    Identification { id_type; data }
    CertPayload { encoding; data }
    AuthPayload { method; data }
    Notify { protocol, kind; spi, data }
    Encrypted { next; data }
    EncryptedFragment { next, number, total; data }
    EapPayload { code, identifier; data }
}

impl SaPayload<'_> {
    /// A copy that borrows nothing.
    pub fn into_owned(self) -> SaPayload<'static> {
        let proposals = self.proposals.into_iter().map(Proposal::into_owned);
        SaPayload {
            proposals: proposals.collect(),
        }
    }
}

impl Proposal<'_> {
    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Proposal<'static> {
        let transforms = self.transforms.into_iter().map(Transform::into_owned);
        Proposal {
            number: self.number,
            protocol: self.protocol,
            spi: owned(self.spi),
            transforms: transforms.collect(),
        }
    }
}

impl Transform<'_> {
    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Transform<'static> {
        let attributes = self
            .attributes
            .into_iter()
            .map(|attribute| match attribute {
                Attribute::Value(kind, value) => Attribute::Value(kind, value),
                Attribute::Data(kind, data) => Attribute::Data(kind, owned(data)),
            });
        Transform {
            kind: self.kind,
            id: self.id,
            attributes: attributes.collect(),
        }
    }
}

impl ConfigPayload<'_> {
    /// A copy that borrows nothing.
    pub fn into_owned(self) -> ConfigPayload<'static> {
        let attributes = self
            .attributes
            .into_iter()
            .map(|(kind, data)| (kind, owned(data)));
        ConfigPayload {
            kind: self.kind,
            attributes: attributes.collect(),
        }
    }
}

impl Selector<'_> {
    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Selector<'static> {
        match self {
            Self::Ip(ts) => Selector::Ip(ts),
            Self::Invalid(kind, protocol, first, last, addrs) => {
                Selector::Invalid(kind, protocol, first, last, owned(addrs))
            }
            Self::Other(kind, protocol, data) => Selector::Other(kind, protocol, owned(data)),
        }
    }
}

impl Body<'_> {
    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Body<'static> {
        let selectors =
            |list: Vec<Selector<'_>>| list.into_iter().map(Selector::into_owned).collect();
        match self {
            Self::Sa(sa) => Body::Sa(sa.into_owned()),
            Self::Ke(ke) => Body::Ke(ke.into_owned()),
            Self::IdI(id) => Body::IdI(id.into_owned()),
            Self::IdR(id) => Body::IdR(id.into_owned()),
            Self::Cert(cert) => Body::Cert(cert.into_owned()),
            Self::CertReq(request) => Body::CertReq(request.into_owned()),
            Self::Auth(auth) => Body::Auth(auth.into_owned()),
            Self::Nonce(data) => Body::Nonce(owned(data)),
            Self::Notify(notify) => Body::Notify(notify.into_owned()),
            Self::Delete(delete) => Body::Delete(delete),
            Self::VendorId(data) => Body::VendorId(owned(data)),
            Self::TsI(list) => Body::TsI(selectors(list)),
            Self::TsR(list) => Body::TsR(selectors(list)),
            Self::Sk(sk) => Body::Sk(sk.into_owned()),
            Self::Skf(skf) => Body::Skf(skf.into_owned()),
            Self::Cp(cp) => Body::Cp(cp.into_owned()),
            Self::Eap(eap) => Body::Eap(eap.into_owned()),
            Self::Unknown(kind, data) => Body::Unknown(kind, owned(data)),
        }
    }
}

impl Payload<'_> {
    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Payload<'static> {
        Payload {
            critical: self.critical,
            body: self.body.into_owned(),
        }
    }
}

impl Message<'_> {
    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Message<'static> {
        Message {
            header: self.header,
            payloads: self.payloads.into_iter().map(Payload::into_owned).collect(),
        }
    }
}

impl Chain<'_> {
    /// A copy that borrows nothing.
    pub fn into_owned(self) -> Chain<'static> {
        Chain {
            payloads: self.payloads.into_iter().map(Payload::into_owned).collect(),
        }
    }
}
