//! Names of algorithms as the keywords of iked.conf(5) write them. A number without a keyword is
//! printed with its registry, so that it can be looked up at IANA.
use ike_wire::{EncrId, IntegId, KeMethod, PrfId};

/// An encryption algorithm with its key length.
pub(crate) fn encr(id: EncrId, key_bits: Option<u16>) -> String {
    let sized = |suffix: &str| match key_bits {
        Some(bits) => format!("aes-{bits}{suffix}"),
        None => format!("aes{suffix}"),
    };
    match id {
        EncrId::AES_CBC => sized(""),
        EncrId::AES_CTR => sized("-ctr"),
        EncrId::AES_GCM_16 => sized("-gcm"),
        EncrId::AES_GCM_12 => sized("-gcm-12"),
        EncrId::AES_GCM_8 => sized("-gcm-8"),
        EncrId::AES_CCM_16 => sized("-ccm"),
        EncrId::AES_CCM_12 => sized("-ccm-12"),
        EncrId::AES_CCM_8 => sized("-ccm-8"),
        EncrId::NULL_AUTH_AES_GMAC => sized("-gmac"),
        EncrId::CHACHA20_POLY1305 => "chacha20-poly1305".into(),
        EncrId::TRIPLE_DES => "3des".into(),
        EncrId::DES => "des".into(),
        EncrId::BLOWFISH => "blowfish".into(),
        EncrId::CAST => "cast".into(),
        EncrId::NULL => "null".into(),
        EncrId(number) => format!("encr-{number}"),
    }
}

/// An integrity algorithm; none for an AEAD.
pub(crate) fn integ(id: IntegId) -> Option<String> {
    Some(match id {
        IntegId::NONE => return None,
        IntegId::HMAC_SHA2_256_128 => "hmac-sha2-256".into(),
        IntegId::HMAC_SHA2_384_192 => "hmac-sha2-384".into(),
        IntegId::HMAC_SHA2_512_256 => "hmac-sha2-512".into(),
        IntegId::HMAC_SHA1_96 => "hmac-sha1".into(),
        IntegId::HMAC_MD5_96 => "hmac-md5".into(),
        IntegId::AES_XCBC_96 => "aes-xcbc".into(),
        IntegId::AES_CMAC_96 => "aes-cmac".into(),
        IntegId(number) => format!("integ-{number}"),
    })
}

/// A pseudorandom function.
pub(crate) fn prf(id: PrfId) -> String {
    match id {
        PrfId::HMAC_SHA2_256 => "hmac-sha2-256".into(),
        PrfId::HMAC_SHA2_384 => "hmac-sha2-384".into(),
        PrfId::HMAC_SHA2_512 => "hmac-sha2-512".into(),
        PrfId::HMAC_SHA1 => "hmac-sha1".into(),
        PrfId::HMAC_MD5 => "hmac-md5".into(),
        PrfId::AES128_XCBC => "aes-xcbc".into(),
        PrfId::AES128_CMAC => "aes-cmac".into(),
        PrfId(number) => format!("prf-{number}"),
    }
}

/// A key exchange method, `group` in the configuration; none for NONE.
pub(crate) fn ke(id: KeMethod) -> Option<String> {
    Some(match id {
        KeMethod::NONE => return None,
        KeMethod::CURVE25519 => "curve25519".into(),
        KeMethod::CURVE448 => "curve448".into(),
        KeMethod::MODP1024_160 => "modp1024-160".into(),
        KeMethod::MODP2048_224 => "modp2048-224".into(),
        KeMethod::MODP2048_256 => "modp2048-256".into(),
        KeMethod::ML_KEM_512 => "mlkem512".into(),
        KeMethod::ML_KEM_768 => "mlkem768".into(),
        KeMethod::ML_KEM_1024 => "mlkem1024".into(),
        KeMethod(number) => match id.name() {
            // MODP2048, ECP256, BRAINPOOL256…
            Some(name) => name.to_ascii_lowercase(),
            None => format!("group-{number}"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_keywords_of_the_configuration() {
        assert_eq!(encr(EncrId::AES_GCM_16, Some(256)), "aes-256-gcm");
        assert_eq!(encr(EncrId::AES_CBC, Some(128)), "aes-128");
        assert_eq!(integ(IntegId::HMAC_SHA2_512_256).unwrap(), "hmac-sha2-512");
        assert_eq!(integ(IntegId::NONE), None);
        assert_eq!(prf(PrfId::HMAC_SHA2_256), "hmac-sha2-256");
        assert_eq!(ke(KeMethod::CURVE25519).unwrap(), "curve25519");
        assert_eq!(ke(KeMethod::MODP2048).unwrap(), "modp2048");
        assert_eq!(ke(KeMethod::ECP384).unwrap(), "ecp384");
        assert_eq!(ke(KeMethod::NONE), None);
    }

    #[test]
    fn the_configuration_understands_the_names_printed() {
        use iked::config::{HostInfo, MemoryLoader, load};
        let ciphers = ["aes-128-gcm", "aes-192-gcm", "aes-256-gcm"].map(|enc| (enc, None));
        let with_mac = [
            ("aes-128", Some("hmac-sha2-256")),
            ("aes-192", Some("hmac-sha2-384")),
            ("aes-256", Some("hmac-sha2-512")),
        ];
        let groups = ["curve25519", "ecp256", "ecp384", "modp2048"];
        let prfs = ["hmac-sha2-256", "hmac-sha2-384", "hmac-sha2-512"];
        for (n, (enc, mac)) in ciphers.into_iter().chain(with_mac).enumerate() {
            let (group, function) = (groups[n % groups.len()], prfs[n % prfs.len()]);
            let auth = mac.map(|mac| format!("auth {mac} ")).unwrap_or_default();
            let mut loader = MemoryLoader::default();
            let text = format!(
                "ikev2 from 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.2 \\\n\
                 ikesa enc {enc} {auth}prf {function} group {group} srcid a psk \"long enough\"\n"
            );
            loader.files.insert("x".into(), text);
            let host = HostInfo {
                hostname: "a".into(),
            };
            let loaded = load(&mut loader, "x".as_ref(), &[], &host)
                .unwrap_or_else(|e| panic!("{}", e.render(false)));
            let ike = &loaded.policies.policies[0].ike[0];
            let (id, bits) = ike.encr[0];
            assert_eq!(encr(id, bits), enc);
            assert_eq!(ike.integ.first().and_then(|id| integ(*id)).as_deref(), mac);
            assert_eq!(prf(ike.prf[0]), function);
            assert_eq!(ke(ike.ke[0]).as_deref(), Some(group));
        }
    }

    #[test]
    fn unknown_numbers_are_printed_as_numbers() {
        assert_eq!(encr(EncrId(99), Some(128)), "encr-99");
        assert_eq!(integ(IntegId(99)).unwrap(), "integ-99");
        assert_eq!(prf(PrfId(99)), "prf-99");
        assert_eq!(ke(KeMethod(1035)).unwrap(), "group-1035");
    }
}
