//! Errors of decoding, with place and cause, and the small parsers that all formats share.
use crate::PayloadType;
use nom::Parser;
use nom::error::{ErrorKind, ParseError};

/// Why and where a message could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at octet {offset} in {within}")]
pub struct DecodeError {
    /// The cause.
    pub kind: DecodeErrorKind,
    /// Octet of the message (or of the chain) where the structure at fault begins.
    pub offset: usize,
    /// The payload it is in; NONE is the header, or the space behind the last payload.
    pub within: PayloadType,
}

/// Causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// Fewer than 28 octets.
    #[error("shorter than an IKE header")]
    ShortHeader,
    /// The header's length is not the number of octets.
    #[error("length field differs from the message's size")]
    WrongLength,
    /// Not version 2.
    #[error("major version is not 2")]
    MajorVersion,
    /// A payload shorter than its fixed part.
    #[error("payload shorter than its fixed part")]
    ShortPayload,
    /// A payload runs past the message, or there is none where one is announced.
    #[error("payload runs past the message")]
    PayloadOverrun,
    /// Octets after the last payload.
    #[error("octets after the last payload")]
    TrailingOctets,
    /// SK or SKF is not the last payload.
    #[error("encrypted payload is not the last one")]
    SkNotLast,
    /// SK or SKF inside an encrypted payload.
    #[error("encrypted payload inside an encrypted payload")]
    SkInside,
    /// An SA payload without proposals.
    #[error("no proposal")]
    NoProposal,
    /// A proposal shorter than its fixed part or running past the payload.
    #[error("wrong proposal length")]
    ProposalLength,
    /// A proposal's "last or more" field does not agree with what follows.
    #[error("more-proposals field does not agree with what follows")]
    MoreProposals,
    /// A transform shorter than its fixed part or running past the proposal.
    #[error("wrong transform length")]
    TransformLength,
    /// A transform's "last or more" field does not agree with what follows.
    #[error("more-transforms field does not agree with what follows")]
    MoreTransforms,
    /// The number of transforms is another one.
    #[error("wrong number of transforms")]
    TransformCount,
    /// A transform attribute shorter than its fixed part or running past the transform.
    #[error("wrong attribute length")]
    AttributeLength,
    /// The SPI runs past its proposal or notification.
    #[error("SPI runs past its structure")]
    SpiSize,
    /// Number and size of the SPIs of a Delete are not what is there.
    #[error("SPIs do not fill the payload")]
    SpiCount,
    /// A selector shorter than its fixed part, running past the payload, or not of its type's size.
    #[error("wrong selector length")]
    SelectorLength,
    /// The number of selectors is another one.
    #[error("wrong number of selectors")]
    SelectorCount,
    /// A configuration attribute shorter than its fixed part or running past the payload.
    #[error("wrong configuration attribute length")]
    CfgAttributeLength,
    /// The EAP length is not the payload's.
    #[error("EAP length differs from the payload's")]
    EapLength,
    /// A fragment number of 0 or above the total.
    #[error("fragment number is 0 or above the total")]
    FragmentNumber,
}

/// A fault while it is on its way up: the place is a slice of the input.
#[derive(Debug)]
pub(crate) struct Fault<'a> {
    pub(crate) kind: DecodeErrorKind,
    pub(crate) at: &'a [u8],
}

impl<'a> ParseError<&'a [u8]> for Fault<'a> {
    // nom's own parsers are used for fixed parts only; `fixed` renames this.
    fn from_error_kind(at: &'a [u8], _: ErrorKind) -> Self {
        Self {
            kind: DecodeErrorKind::ShortPayload,
            at,
        }
    }
    fn append(_: &'a [u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

impl Fault<'_> {
    /// With the offset within `whole`, which the place must be a slice of.
    pub(crate) fn within(&self, whole: &[u8], within: PayloadType) -> DecodeError {
        let offset = (self.at.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
        DecodeError {
            kind: self.kind,
            offset: offset.min(whole.len()),
            within,
        }
    }
}

pub(crate) type Parsed<'a, T> = nom::IResult<&'a [u8], T, Fault<'a>>;
pub(crate) type Whole<'a, T> = Result<T, Fault<'a>>;

pub(crate) fn fault<T>(kind: DecodeErrorKind, at: &[u8]) -> Result<T, nom::Err<Fault<'_>>> {
    Err(nom::Err::Error(Fault { kind, at }))
}

/// Reads the fixed part of a structure; if it is not all there, that is a `kind` at its start.
pub(crate) fn fixed<'a, P>(
    mut fields: P,
    kind: DecodeErrorKind,
) -> impl FnMut(&'a [u8]) -> Parsed<'a, P::Output>
where
    P: Parser<&'a [u8], Error = Fault<'a>>,
{
    move |at| fields.parse(at).or_else(|_| fault(kind, at))
}

/// Splits off a structure of `length` octets, which is at least `least`.
pub(crate) fn block(
    length: usize,
    least: usize,
    kind: DecodeErrorKind,
) -> impl FnMut(&[u8]) -> Parsed<'_, &[u8]> {
    move |at| match at.split_at_checked(length) {
        Some((inside, rest)) if length >= least => Ok((rest, inside)),
        _ => fault(kind, at),
    }
}

/// The fault inside nom's wrapping; complete parsers never ask for more.
pub(crate) fn unwrap_nom<'a, T>(
    result: Result<T, nom::Err<Fault<'a>>>,
    whole: &'a [u8],
) -> Whole<'a, T> {
    result.map_err(|error| match error {
        nom::Err::Error(fault) | nom::Err::Failure(fault) => fault,
        nom::Err::Incomplete(_) => Fault {
            kind: DecodeErrorKind::ShortPayload,
            at: whole,
        },
    })
}
