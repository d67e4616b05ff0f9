//! Rows of Wireshark's `ikev2_decryption_table`. Holds secrets; only made when asked for.
//! Wireshark refuses the whole table for one algorithm it does not know: such rows are comments.
use crate::KeyLogRow;
use ike_crypto::{Cipher, IkeSuite, Integ, Secret, schedule::SkKeys};
use ike_wire::Spi;

fn hex(secret: &Secret) -> String {
    secret.expose().iter().map(|b| format!("{b:02x}")).collect()
}

/// SPIi,SPIr,SK_ei,SK_er,"cipher",SK_ai,SK_ar,"integrity", with Wireshark's names.
pub(crate) fn row(spi_i: Spi, spi_r: Spi, suite: &IkeSuite, sk: &SkKeys) -> KeyLogRow {
    let (cipher, integ) = match suite.cipher {
        Cipher::AesGcm16 { key_bits } => (
            format!("AES-GCM-{key_bits} with 16 octet ICV [RFC5282]"),
            "NONE [RFC4306]",
        ),
        Cipher::AesGcm12 { key_bits } => (
            format!("AES-GCM-{key_bits} with 12 octet ICV [RFC5282]"),
            "NONE [RFC4306]",
        ),
        Cipher::AesGcm8 { key_bits } => (
            format!("AES-GCM-{key_bits} with 8 octet ICV [RFC5282]"),
            "NONE [RFC4306]",
        ),
        Cipher::ChaCha20Poly1305 => ("ChaCha20-Poly1305 [RFC7634]".to_owned(), "NONE [RFC4306]"),
        Cipher::AesCcm16 { key_bits } => (
            format!("AES-CCM-{key_bits} with 16 octet ICV [RFC5282]"),
            "NONE [RFC4306]",
        ),
        Cipher::AesCcm12 { key_bits } => (
            format!("AES-CCM-{key_bits} with 12 octet ICV [RFC5282]"),
            "NONE [RFC4306]",
        ),
        Cipher::AesCcm8 { key_bits } => (
            format!("AES-CCM-{key_bits} with 8 octet ICV [RFC5282]"),
            "NONE [RFC4306]",
        ),
        Cipher::AesCbc { key_bits, integ } => (format!("AES-CBC-{key_bits} [RFC3602]"), mac(integ)),
        Cipher::AesCtr { key_bits, integ } => (format!("AES-CTR-{key_bits} [RFC5930]"), mac(integ)),
        Cipher::TripleDesCbc { integ } => ("3DES [RFC2451]".to_owned(), mac(integ)),
        Cipher::Null { integ } => ("NULL [RFC2410]".to_owned(), mac(integ)),
        // No IKE SA has it; there is no name for it.
        Cipher::NullAesGmac { .. } => ("NULL [RFC2410]".to_owned(), "NONE [RFC4306]"),
    };
    let comment = match suite.cipher {
        Cipher::ChaCha20Poly1305 => "# ",
        _ => "",
    };
    KeyLogRow {
        spi_i,
        spi_r,
        line: format!(
            "{comment}{spi_i},{spi_r},{},{},\"{cipher}\",{},{},\"{integ}\"",
            hex(&sk.ei),
            hex(&sk.er),
            hex(&sk.ai),
            hex(&sk.ar)
        ),
    }
}

fn mac(integ: Integ) -> &'static str {
    match integ {
        Integ::HmacSha2_256_128 => "HMAC_SHA2_256_128 [RFC4868]",
        Integ::HmacSha2_384_192 => "HMAC_SHA2_384_192 [RFC4868]",
        Integ::HmacSha2_512_256 => "HMAC_SHA2_512_256 [RFC4868]",
        Integ::HmacSha1_96 => "HMAC_SHA1_96 [RFC2404]",
        Integ::HmacMd5_96 => "HMAC_MD5_96 [RFC2403]",
        // Wireshark has no other MAC; it decrypts without checking.
        Integ::AesXcbc96 | Integ::AesCmac96 => "ANY 96-bits of Authentication [No Checking]",
    }
}
