//! Keys of IKE SAs from Wireshark's `ikev2_decryption_table`, which Wireshark, iked (`--keylog`)
//! and strongSwan (save-keys) write.
//!
//! A row is `SPIi,SPIr,SK_ei,SK_er,"encryption",SK_ai,SK_ar,"integrity"`. One pair of SPIs may have
//! several rows, one for each generation of keys; all are tried. A row that cannot be used is
//! told with its line; its keys are told to nobody.
use ike_crypto::{Cipher, CryptoError, Integ, Secret, SkCipher, SkDirection};
use ike_wire::{EncrId, Spi};
use std::collections::BTreeMap;

/// All rows of a file.
#[derive(Debug, Default)]
pub struct Keys {
    rows: BTreeMap<(Spi, Spi), Vec<Row>>,
}

/// One row.
#[derive(Debug)]
pub struct Row {
    /// Its line in the file, from 1.
    pub line: usize,
    /// Algorithms as the row names them, without the documents they are from.
    pub encr: String,
    /// As `encr`.
    pub integ: String,
    ciphers: Option<[SkCipher; 2]>,
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {cause}")]
pub struct KeyError {
    /// Line, from 1.
    pub line: usize,
    /// Why.
    pub cause: KeyErrorKind,
}

/// Causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyErrorKind {
    /// Not eight fields.
    #[error("a row has eight fields, separated by commas")]
    Fields,
    /// An SPI that is not 16 digits.
    #[error("an SPI has 16 hexadecimal digits")]
    Spi,
    /// A key that is not hexadecimal.
    #[error("a key is not hexadecimal")]
    Hex,
    /// A key of the wrong length.
    #[error("a key has not the length that its algorithm needs")]
    KeyLength,
    /// An algorithm that is not built in, or none of the kind.
    #[error("an algorithm that is not supported here")]
    Algorithm,
}

impl Keys {
    /// Reads all rows; those in error are left out and told. Of a row whose algorithms are not
    /// supported it is remembered that it is there.
    pub fn parse(text: &str) -> (Self, Vec<KeyError>) {
        let mut keys = Self::default();
        let mut errors = Vec::new();
        for (index, text) in text.lines().enumerate() {
            let text = text.trim_start_matches('\u{feff}').trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let line = index + 1;
            match row(line, text) {
                Ok((spis, row)) => {
                    if row.ciphers.is_none() {
                        let cause = KeyErrorKind::Algorithm;
                        errors.push(KeyError { line, cause });
                    }
                    keys.rows.entry(spis).or_default().push(row);
                }
                Err(cause) => errors.push(KeyError { line, cause }),
            }
        }
        (keys, errors)
    }

    /// The rows of an IKE SA, the last one first: that is where the newest keys are.
    pub fn of(&self, spi_i: Spi, spi_r: Spi) -> impl Iterator<Item = &Row> {
        let rows = self.rows.get(&(spi_i, spi_r));
        rows.into_iter().flatten().rev()
    }
}

impl Row {
    /// Keys of the direction; `None` if the algorithms are not supported.
    pub fn cipher(&self, direction: SkDirection) -> Option<&SkCipher> {
        let [initiator, responder] = self.ciphers.as_ref()?;
        Some(match direction {
            SkDirection::Initiator => initiator,
            SkDirection::Responder => responder,
        })
    }
}

fn row(line: usize, text: &str) -> Result<((Spi, Spi), Row), KeyErrorKind> {
    let fields = fields(text);
    let [spi_i, spi_r, ei, er, encr, ai, ar, integ] = fields[..] else {
        return Err(KeyErrorKind::Fields);
    };
    let spi = |text| {
        let octets = secret(text).ok();
        let octets = octets.and_then(|octets| octets.expose().try_into().ok());
        octets.map(Spi).ok_or(KeyErrorKind::Spi)
    };
    let spis = (spi(spi_i)?, spi(spi_r)?);
    let (ei, er) = (secret(ei)?, secret(er)?);
    let (mut ai, mut ar) = (secret(ai)?, secret(ar)?);
    let (encr, integ) = (name(encr), name(integ));
    let ciphers = match cipher(&encr, &integ) {
        None => None,
        Some(cipher) => {
            if cipher.is_aead() {
                // Wireshark does not look at them either.
                (ai, ar) = (Secret::empty(), Secret::empty());
            }
            let new = |e, a| {
                SkCipher::new(cipher, e, a).map_err(|error| match error {
                    CryptoError::KeyLength => KeyErrorKind::KeyLength,
                    _ => KeyErrorKind::Algorithm,
                })
            };
            Some([new(&ei, &ai)?, new(&er, &ar)?])
        }
    };
    let row = Row {
        line,
        encr,
        integ,
        ciphers,
    };
    Ok((spis, row))
}

/// Splits at commas that are not between quotation marks, which go away.
fn fields(text: &str) -> Vec<&str> {
    let mut quoted = false;
    let split = text.split(|c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    split
        .take(9)
        .map(|field| field.trim().trim_matches('"').trim())
        .collect()
}

fn secret(text: &str) -> Result<Secret, KeyErrorKind> {
    let digits = text
        .strip_prefix("0x")
        .unwrap_or(text)
        .as_bytes()
        .as_chunks();
    let (pairs, []) = digits else {
        return Err(KeyErrorKind::Hex);
    };
    let mut octets = Vec::with_capacity(pairs.len());
    for &[high, low] in pairs {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        let (Some(high), Some(low)) = (digit(high), digit(low)) else {
            drop(Secret::new(octets));
            return Err(KeyErrorKind::Hex);
        };
        octets.push((high << 4 | low) as u8);
    }
    Ok(Secret::new(octets))
}

/// `AES-CBC-128 [RFC3602]` as `AES-CBC-128`; nothing that could steer a terminal.
fn name(text: &str) -> String {
    let name = text.split('[').next().unwrap_or_default().trim();
    let clean = |c: char| c.is_ascii_graphic() || c == ' ';
    name.chars().filter(|c| clean(*c)).take(64).collect()
}

fn cipher(encr: &str, integ: &str) -> Option<Cipher> {
    let norm = |text: &str| text.to_ascii_uppercase().replace(['_', '/'], "-");
    let (encr, integ) = (norm(encr), norm(integ));
    if encr.starts_with("CHACHA20-POLY1305") {
        return Cipher::from_transforms(EncrId::CHACHA20_POLY1305, None, None);
    }
    if let Some(bits) = encr.strip_prefix("AES-CBC-") {
        let bits = bits.parse().ok()?;
        let cipher = |integ| Cipher::AesCbc {
            key_bits: bits,
            integ,
        };
        return matches!(bits, 128 | 192 | 256)
            .then(|| mac(&integ).map(cipher))
            .flatten();
    }
    let (bits, icv) = encr.strip_prefix("AES-GCM-")?.split_once(" WITH ")?;
    let id = match icv {
        "16 OCTET ICV" => EncrId::AES_GCM_16,
        "12 OCTET ICV" => EncrId::AES_GCM_12,
        "8 OCTET ICV" => EncrId::AES_GCM_8,
        _ => return None,
    };
    Cipher::from_transforms(id, Some(bits.parse().ok()?), None)
}

fn mac(name: &str) -> Option<Integ> {
    Some(match name {
        "HMAC-SHA1-96" => Integ::HmacSha1_96,
        "HMAC-SHA2-256-128" => Integ::HmacSha2_256_128,
        "HMAC-SHA2-384-192" => Integ::HmacSha2_384_192,
        "HMAC-SHA2-512-256" => Integ::HmacSha2_512_256,
        _ => return None,
    })
}
