//! Keys of IKE SAs from Wireshark's `ikev2_decryption_table`, which Wireshark, iked (`--keylog`)
//! and strongSwan (save-keys) write.
//!
//! A row is `SPIi,SPIr,SK_ei,SK_er,"encryption",SK_ai,SK_ar,"integrity"`. One pair of SPIs may have
//! several rows, one for each generation of keys; all are tried. A row that cannot be used is
//! told with its line; its keys are told to nobody.
use ike_crypto::{Cipher, CryptoError, Secret, SkCipher, SkDirection};
use ike_wire::{EncrId, IntegId, Spi};
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
    /// One for each algorithm that the names may mean; none if they are not supported.
    ciphers: Vec<[SkCipher; 2]>,
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
                    if row.ciphers.is_empty() {
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
    /// Whether the algorithms are supported.
    pub fn is_supported(&self) -> bool {
        !self.ciphers.is_empty()
    }

    /// Keys of the direction: none if the algorithms are not supported, more than one if the row
    /// does not say which they are.
    pub fn ciphers(&self, direction: SkDirection) -> impl Iterator<Item = &SkCipher> {
        self.ciphers.iter().map(move |[initiator, responder]| {
            if direction == SkDirection::Initiator {
                initiator
            } else {
                responder
            }
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
    let mut ciphers = Vec::new();
    let mut wrong_length = false;
    for cipher in candidates(&encr, &integ) {
        if cipher.is_aead() {
            // Wireshark does not look at them either.
            (ai, ar) = (Secret::empty(), Secret::empty());
        }
        let new = |e, a| SkCipher::new(cipher, e, a);
        match new(&ei, &ai).and_then(|initiator| Ok([initiator, new(&er, &ar)?])) {
            Ok(both) => ciphers.push(both),
            Err(CryptoError::KeyLength) => wrong_length = true,
            Err(_) => {}
        }
    }
    if ciphers.is_empty() && wrong_length {
        return Err(KeyErrorKind::KeyLength);
    }
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

/// What the names may mean.
fn candidates(encr: &str, integ: &str) -> Vec<Cipher> {
    let norm = |text: &str| text.to_ascii_uppercase().replace(['_', '/'], "-");
    let (encr, integ) = (norm(encr), norm(integ));
    let Some((id, key_bits)) = encryption(&encr) else {
        return Vec::new();
    };
    if let Some(aead) = Cipher::from_transforms(id, key_bits, None) {
        return vec![aead];
    }
    let macs = macs(&integ).iter();
    macs.filter_map(|mac| Cipher::from_transforms(id, key_bits, Some(*mac)))
        .collect()
}

fn encryption(name: &str) -> Option<(EncrId, Option<u16>)> {
    if name.starts_with("CHACHA20-POLY1305") {
        return Some((EncrId::CHACHA20_POLY1305, None));
    }
    if name == "3DES" {
        return Some((EncrId::TRIPLE_DES, None));
    }
    let (mode, icv) = name.split_once(" WITH ").unwrap_or((name, ""));
    let (mode, bits) = mode.rsplit_once('-')?;
    let id = match (mode, icv) {
        ("AES-CBC", "") => EncrId::AES_CBC,
        ("AES-CTR", "") => EncrId::AES_CTR,
        ("AES-GCM", "16 OCTET ICV") => EncrId::AES_GCM_16,
        ("AES-GCM", "12 OCTET ICV") => EncrId::AES_GCM_12,
        ("AES-GCM", "8 OCTET ICV") => EncrId::AES_GCM_8,
        ("AES-CCM", "16 OCTET ICV") => EncrId::AES_CCM_16,
        ("AES-CCM", "12 OCTET ICV") => EncrId::AES_CCM_12,
        ("AES-CCM", "8 OCTET ICV") => EncrId::AES_CCM_8,
        _ => return None,
    };
    Some((id, Some(bits.parse().ok()?)))
}

/// Wireshark has names for some of them only, and `ANY … [No Checking]` for those that it cannot
/// check; here each is tried, and checked.
fn macs(name: &str) -> &'static [IntegId] {
    match name {
        "HMAC-MD5-96" => &[IntegId::HMAC_MD5_96],
        "HMAC-SHA1-96" => &[IntegId::HMAC_SHA1_96],
        "HMAC-SHA2-256-128" => &[IntegId::HMAC_SHA2_256_128],
        "HMAC-SHA2-384-192" => &[IntegId::HMAC_SHA2_384_192],
        "HMAC-SHA2-512-256" => &[IntegId::HMAC_SHA2_512_256],
        "ANY 96-BITS OF AUTHENTICATION" => &[
            IntegId::AES_XCBC_96,
            IntegId::AES_CMAC_96,
            IntegId::HMAC_SHA1_96,
            IntegId::HMAC_MD5_96,
        ],
        "ANY 128-BITS OF AUTHENTICATION" => &[IntegId::HMAC_SHA2_256_128],
        "ANY 192-BITS OF AUTHENTICATION" => &[IntegId::HMAC_SHA2_384_192],
        "ANY 256-BITS OF AUTHENTICATION" => &[IntegId::HMAC_SHA2_512_256],
        _ => &[],
    }
}
