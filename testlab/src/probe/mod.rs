//! `testlab probe`: the crates for anybody's test vectors, in any language. One JSON object per line
//! in, one per line out; the operations and their fields are in `PROBE.md`.
//!
//! It has no algorithms of its own and keeps nothing from line to line. It refuses input, never
//! panics on it, and writes nothing else to standard output.
mod fields;
mod ke;
mod keys;
mod message;
mod names;
mod primitives;
mod random;
mod signature;
mod tree;

use std::io::{BufRead, BufReader, Read, Write};

use anyhow::Result;
use serde_json::{Map, Value, json};

use fields::Fields;

/// Fields of a good answer.
type Answer = Map<String, Value>;

/// Why there is no good answer.
#[derive(Debug)]
enum Refusal {
    /// The input is refused.
    Error(String),
    /// It does not exist here.
    Unsupported(String),
}

impl From<ike_crypto::CryptoError> for Refusal {
    fn from(error: ike_crypto::CryptoError) -> Self {
        match error {
            ike_crypto::CryptoError::Unsupported => Self::Unsupported(error.to_string()),
            _ => Self::Error(error.to_string()),
        }
    }
}

impl From<ike_crypto::AuthenticationFailed> for Refusal {
    fn from(error: ike_crypto::AuthenticationFailed) -> Self {
        Self::Error(error.to_string())
    }
}

fn refuse<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Error(text.into()))
}

fn unsupported<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Unsupported(text.into()))
}

/// An answer of one field.
fn one(field: &str, value: impl Into<Value>) -> Answer {
    Answer::from_iter([(field.to_owned(), value.into())])
}

/// Answers every line of `input`, until it ends. Flushes when there is nothing more to read yet.
pub fn run(input: impl Read, output: &mut impl Write) -> Result<()> {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        serde_json::to_writer(&mut *output, &answer(&line))?;
        output.write_all(b"\n")?;
        if input.buffer().is_empty() {
            output.flush()?;
        }
        line.clear();
    }
    Ok(output.flush()?)
}

/// The answer to one line.
pub fn answer(line: &[u8]) -> Value {
    let request = match serde_json::from_slice(line) {
        Ok(Value::Object(request)) => request,
        Ok(_) => return json!({"id": null, "error": "not a JSON object"}),
        Err(error) => return json!({"id": null, "error": format!("not JSON: {error}")}),
    };
    let id = request.get("id").cloned().unwrap_or_default();
    let mut answer = match operate(&Fields(&request)) {
        Ok(answer) => answer,
        Err(Refusal::Error(text)) => one("error", text),
        Err(Refusal::Unsupported(text)) => one("unsupported", text),
    };
    answer.insert("id".to_owned(), id);
    Value::Object(answer)
}

fn operate(request: &Fields<'_>) -> Result<Answer, Refusal> {
    match request.text("op")? {
        "hash" => primitives::hash(request),
        "prf" => primitives::prf(request),
        "prfplus" => primitives::prfplus(request),
        "mac" => primitives::mac(request),
        "aead" => primitives::aead(request),
        "cbc" => primitives::cbc(request),
        "ctr" => primitives::ctr(request),
        "dh" => ke::dh(request),
        "kem" => ke::kem(request),
        "verify" => signature::verify(request),
        "sign" => signature::sign(request),
        "kdf" => keys::kdf(request),
        "kdf_rekey" => keys::kdf_rekey(request),
        "kdf_child" => keys::kdf_child(request),
        "decode" => message::decode(request),
        "encode" => message::encode(request),
        "open" => message::open(request),
        "reassemble" => message::reassemble(request),
        "narrow" => message::narrow(request),
        other => unsupported(format!("operation {other}")),
    }
}

#[cfg(test)]
mod tests;
