//! decode, encode, open, reassemble, narrow.
use ike_crypto::SkCipher;
use ike_ts::TrafficSelector;
use ike_wire::{
    Added, Chain, DecodeError, DecodeErrorKind, FragmentLimits, Fragments, Header, Message,
    PayloadType,
    payload::{Body, EncryptedFragment, Selector},
    tree::SelectorsTree,
};
use serde_json::Value;

use super::{Answer, Fields, Refusal, names, one, refuse, tree};

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self::Error(error.to_string())
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        Self::Error(error.to_string())
    }
}

pub(super) fn decode(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let octets = request.octets("message")?;
    let message = Message::decode(&octets)?;
    Ok(one("tree", serde_json::to_value(message.tree())?))
}

pub(super) fn encode(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let message = tree::message(request.object("tree")?)?;
    let mut octets = Vec::new();
    if let Err(error) = message.try_encode(&mut octets) {
        return refuse(error.to_string());
    }
    // SK before other payloads and the like can be written in a tree.
    if message.header.major == 2 {
        Message::decode(&octets)?;
    }
    Ok(one("message", hex::encode(octets)))
}

pub(super) fn open(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let keys = keys(request)?;
    let octets = request.octets("message")?;
    let message = Message::decode(&octets)?;
    let (Some(last), Some(from)) = (message.payloads.last(), message.sk_body_offset()) else {
        return refuse("neither SK nor SKF");
    };
    let plaintext = keys.open(&octets, from)?;
    match &last.body {
        Body::Skf(fragment) => {
            let mut answer = one("first", fragment.next.0);
            answer.insert("fragment".to_owned(), fragment.number.into());
            answer.insert("total".to_owned(), fragment.total.into());
            let plaintext = hex::encode(plaintext.expose());
            answer.insert("plaintext".to_owned(), plaintext.into());
            Ok(answer)
        }
        Body::Sk(sk) => opened(sk.next, plaintext.expose()),
        _ => refuse("neither SK nor SKF"),
    }
}

pub(super) fn reassemble(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let keys = keys(request)?;
    let mut first_header: Option<Header> = None;
    let mut fragments = Fragments::new(FragmentLimits {
        fragments: u16::MAX,
        octets: usize::MAX,
    });
    for octets in request.octets_list("messages")? {
        let Ok(message) = Message::decode(&octets) else {
            continue;
        };
        let Some(fragment) = fragment(&message) else {
            continue;
        };
        //= rfc7383#2.6: fragments of one message have the same SPIs, exchange, flags and message ID
        if first_header.is_some_and(|first| !same_message(&first, &message.header)) {
            continue;
        }
        let from = message.sk_body_offset().unwrap_or(octets.len());
        let Ok(piece) = keys.open(&octets, from) else {
            continue;
        };
        first_header.get_or_insert(message.header);
        let len = piece.len();
        if let Added::Complete(first, pieces) = fragments.add(fragment, piece, len) {
            let whole: Vec<u8> = pieces
                .iter()
                .flat_map(|piece| piece.expose())
                .copied()
                .collect();
            return opened(first, &whole);
        }
    }
    refuse("fragments are missing")
}

pub(super) fn narrow(request: &Fields<'_>) -> Result<Answer, Refusal> {
    let list = |name| request.objects(name, valid_selector);
    let narrowed = ike_ts::narrow(&list("offered")?, &list("configured")?);
    let selectors: Vec<_> = narrowed.selectors.into_iter().map(Selector::Ip).collect();
    let selectors = serde_json::to_value(SelectorsTree(&selectors))?;
    Ok(one("selectors", selectors))
}

fn valid_selector(fields: Fields<'_>) -> Result<TrafficSelector, Refusal> {
    match tree::selector(fields)? {
        Selector::Ip(selector) => Ok(selector),
        Selector::Invalid(..) => refuse("a selector that starts after its end"),
        Selector::Other(..) => refuse("a selector of neither type 7 nor type 8"),
    }
}

fn keys(request: &Fields<'_>) -> Result<SkCipher, Refusal> {
    let (encr, integ) = (request.text("encr")?, request.optional_text("integ")?);
    let (e, a) = (request.secret("sk_e")?, request.secret("sk_a")?);
    let cipher = names::sk_cipher(encr, integ, e.len())?;
    Ok(SkCipher::new(cipher, &e, &a)?)
}

fn fragment<'m, 'a>(message: &'m Message<'a>) -> Option<&'m EncryptedFragment<'a>> {
    match &message.payloads.last()?.body {
        Body::Skf(fragment) => Some(fragment),
        _ => None,
    }
}

fn same_message(one: &Header, other: &Header) -> bool {
    one.spi_i == other.spi_i
        && one.spi_r == other.spi_r
        && one.exchange == other.exchange
        && one.flags == other.flags
        && one.message_id == other.message_id
}

fn opened(first: PayloadType, plaintext: &[u8]) -> Result<Answer, Refusal> {
    let mut answer = one("first", first.0);
    answer.insert("plaintext".to_owned(), hex::encode(plaintext).into());
    let payloads = match Chain::decode(first, plaintext) {
        Ok(chain) => serde_json::to_value(chain.tree())?,
        Err(error) if error.kind == DecodeErrorKind::SkInside => return Err(error.into()),
        Err(error) => {
            answer.insert("reason".to_owned(), error.to_string().into());
            Value::Null
        }
    };
    answer.insert("payloads".to_owned(), payloads);
    Ok(answer)
}
