//! IANA's "Internet Key Exchange Version 2 (IKEv2) Parameters".
use crate::registry::registry;

registry! {
    /// Exchange types (RFC 7296 §3.1).
    pub struct ExchangeType(u8) {
        IKE_SA_INIT = 34, IKE_AUTH = 35, CREATE_CHILD_SA = 36, INFORMATIONAL = 37,
        IKE_SESSION_RESUME = 38, IKE_INTERMEDIATE = 43, IKE_FOLLOWUP_KE = 44,
    }
}
registry! {
    /// Payload types (RFC 7296 §3.2). 0 ends a chain.
    pub struct PayloadType(u8) {
        NONE = 0, SA = 33, KE = 34, IDI = 35, IDR = 36, CERT = 37, CERTREQ = 38, AUTH = 39, NONCE = 40,
        NOTIFY = 41, DELETE = 42, VENDOR_ID = 43, TSI = 44, TSR = 45, SK = 46, CP = 47, EAP = 48,
        GSPM = 49, SKF = 53, PUZZLE_SOLUTION = 54,
    }
}
registry! {
    /// Protocols of a proposal, notification or delete (RFC 7296 §3.3.1).
    pub struct ProtocolId(u8) { NONE = 0, IKE = 1, AH = 2, ESP = 3 }
}
registry! {
    /// Transform types (RFC 7296 §3.3.2, RFC 9370).
    pub struct TransformType(u8) {
        ENCR = 1, PRF = 2, INTEG = 3, KE = 4, ESN = 5, ADDKE1 = 6, ADDKE2 = 7, ADDKE3 = 8,
        ADDKE4 = 9, ADDKE5 = 10, ADDKE6 = 11, ADDKE7 = 12,
    }
}
registry! {
    /// Encryption algorithms, transform type 1.
    pub struct EncrId(u16) {
        DES = 2, TRIPLE_DES = 3, CAST = 6, BLOWFISH = 7, NULL = 11, AES_CBC = 12, AES_CTR = 13,
        AES_CCM_8 = 14, AES_CCM_12 = 15, AES_CCM_16 = 16, AES_GCM_8 = 18, AES_GCM_12 = 19, AES_GCM_16 = 20,
        NULL_AUTH_AES_GMAC = 21, CAMELLIA_CBC = 23, CAMELLIA_CTR = 24, CHACHA20_POLY1305 = 28,
    }
}
registry! {
    /// Pseudorandom functions, transform type 2.
    pub struct PrfId(u16) {
        HMAC_MD5 = 1, HMAC_SHA1 = 2, AES128_XCBC = 4, HMAC_SHA2_256 = 5, HMAC_SHA2_384 = 6,
        HMAC_SHA2_512 = 7, AES128_CMAC = 8,
    }
}
registry! {
    /// Integrity algorithms, transform type 3.
    pub struct IntegId(u16) {
        NONE = 0, HMAC_MD5_96 = 1, HMAC_SHA1_96 = 2, AES_XCBC_96 = 5, HMAC_MD5_128 = 6, HMAC_SHA1_160 = 7,
        AES_CMAC_96 = 8, AES_128_GMAC = 9, AES_192_GMAC = 10, AES_256_GMAC = 11, HMAC_SHA2_256_128 = 12,
        HMAC_SHA2_384_192 = 13, HMAC_SHA2_512_256 = 14,
    }
}
registry! {
    /// Key exchange methods, transform types 4 and 6 to 12.
    pub struct KeMethod(u16) {
        NONE = 0, MODP768 = 1, MODP1024 = 2, MODP1536 = 5, MODP2048 = 14, MODP3072 = 15, MODP4096 = 16,
        MODP6144 = 17, MODP8192 = 18, ECP256 = 19, ECP384 = 20, ECP521 = 21, MODP1024_160 = 22,
        MODP2048_224 = 23, MODP2048_256 = 24, ECP192 = 25, ECP224 = 26, BRAINPOOL224 = 27,
        BRAINPOOL256 = 28, BRAINPOOL384 = 29, BRAINPOOL512 = 30, CURVE25519 = 31, CURVE448 = 32,
        ML_KEM_512 = 35, ML_KEM_768 = 36, ML_KEM_1024 = 37,
    }
}
registry! {
    /// Extended sequence numbers, transform type 5.
    pub struct EsnId(u16) { NO_ESN = 0, ESN = 1 }
}
registry! {
    /// Transform attribute types (RFC 7296 §3.3.5), without the AF bit.
    pub struct AttributeType(u16) { KEY_LENGTH = 14 }
}
registry! {
    /// Identification types (RFC 7296 §3.5).
    pub struct IdType(u8) {
        IPV4_ADDR = 1, FQDN = 2, RFC822_ADDR = 3, IPV6_ADDR = 5, DER_ASN1_DN = 9, DER_ASN1_GN = 10,
        KEY_ID = 11, FC_NAME = 12, NULL = 13,
    }
}
registry! {
    /// Certificate encodings (RFC 7296 §3.6).
    pub struct CertEncoding(u8) {
        PKCS7 = 1, PGP = 2, DNS_SIGNED_KEY = 3, X509_SIGNATURE = 4, KERBEROS = 6, CRL = 7, ARL = 8, SPKI = 9,
        X509_ATTRIBUTE = 10, RAW_RSA_KEY = 11, HASH_AND_URL_CERT = 12, HASH_AND_URL_BUNDLE = 13,
        OCSP = 14, RAW_PUBLIC_KEY = 15,
    }
}
registry! {
    /// Authentication methods (RFC 7296 §3.8).
    pub struct AuthMethod(u8) {
        RSA = 1, SHARED_KEY_MIC = 2, DSS = 3, ECDSA_256 = 9, ECDSA_384 = 10, ECDSA_521 = 11,
        GENERIC_SECURE_PASSWORD = 12, NULL = 13, DIGITAL_SIGNATURE = 14,
    }
}
registry! {
    /// Hash algorithms of RFC 7427.
    pub struct HashId(u16) { SHA1 = 1, SHA2_256 = 2, SHA2_384 = 3, SHA2_512 = 4, IDENTITY = 5 }
}
registry! {
    /// Traffic selector types (RFC 7296 §3.13.1).
    pub struct TsType(u8) { IPV4_ADDR_RANGE = 7, IPV6_ADDR_RANGE = 8, FC_ADDR_RANGE = 9, SECLABEL = 10 }
}
registry! {
    /// Configuration payload types (RFC 7296 §3.15).
    pub struct CfgType(u8) { REQUEST = 1, REPLY = 2, SET = 3, ACK = 4 }
}
registry! {
    /// Configuration attribute types (RFC 7296 §3.15.1).
    pub struct CfgAttr(u16) {
        INTERNAL_IP4_ADDRESS = 1, INTERNAL_IP4_NETMASK = 2, INTERNAL_IP4_DNS = 3, INTERNAL_IP4_NBNS = 4,
        INTERNAL_IP4_DHCP = 6, APPLICATION_VERSION = 7, INTERNAL_IP6_ADDRESS = 8, INTERNAL_IP6_DNS = 10,
        INTERNAL_IP6_DHCP = 12, INTERNAL_IP4_SUBNET = 13, SUPPORTED_ATTRIBUTES = 14, INTERNAL_IP6_SUBNET = 15,
        MIP6_HOME_PREFIX = 16, INTERNAL_IP6_LINK = 17, INTERNAL_IP6_PREFIX = 18, HOME_AGENT_ADDRESS = 19,
        P_CSCF_IP4_ADDRESS = 20, P_CSCF_IP6_ADDRESS = 21, INTERNAL_DNS_DOMAIN = 25, INTERNAL_DNSSEC_TA = 26,
        INTERNAL_IP4_SERVER = 23456, INTERNAL_IP6_SERVER = 23457,
    }
}
registry! {
    /// Notify message types (RFC 7296 §3.10.1 and extensions). Below 16384: errors.
    pub struct NotifyType(u16) {
        UNSUPPORTED_CRITICAL_PAYLOAD = 1, INVALID_IKE_SPI = 4, INVALID_MAJOR_VERSION = 5, INVALID_SYNTAX = 7,
        INVALID_MESSAGE_ID = 9, INVALID_SPI = 11, NO_PROPOSAL_CHOSEN = 14, INVALID_KE_PAYLOAD = 17,
        AUTHENTICATION_FAILED = 24, SINGLE_PAIR_REQUIRED = 34, NO_ADDITIONAL_SAS = 35,
        INTERNAL_ADDRESS_FAILURE = 36, FAILED_CP_REQUIRED = 37, TS_UNACCEPTABLE = 38, INVALID_SELECTORS = 39,
        UNACCEPTABLE_ADDRESSES = 40, UNEXPECTED_NAT_DETECTED = 41, USE_ASSIGNED_HOA = 42,
        TEMPORARY_FAILURE = 43, CHILD_SA_NOT_FOUND = 44, STATE_NOT_FOUND = 47,
        INITIAL_CONTACT = 16384, SET_WINDOW_SIZE = 16385, ADDITIONAL_TS_POSSIBLE = 16386,
        IPCOMP_SUPPORTED = 16387, NAT_DETECTION_SOURCE_IP = 16388, NAT_DETECTION_DESTINATION_IP = 16389,
        COOKIE = 16390, USE_TRANSPORT_MODE = 16391, HTTP_CERT_LOOKUP_SUPPORTED = 16392, REKEY_SA = 16393,
        ESP_TFC_PADDING_NOT_SUPPORTED = 16394, NON_FIRST_FRAGMENTS_ALSO = 16395, MOBIKE_SUPPORTED = 16396,
        ADDITIONAL_IP4_ADDRESS = 16397, ADDITIONAL_IP6_ADDRESS = 16398, NO_ADDITIONAL_ADDRESSES = 16399,
        UPDATE_SA_ADDRESSES = 16400, COOKIE2 = 16401, NO_NATS_ALLOWED = 16402, AUTH_LIFETIME = 16403,
        MULTIPLE_AUTH_SUPPORTED = 16404, ANOTHER_AUTH_FOLLOWS = 16405, REDIRECT_SUPPORTED = 16406,
        REDIRECT = 16407, REDIRECTED_FROM = 16408, TICKET_LT_OPAQUE = 16409, TICKET_REQUEST = 16410,
        TICKET_ACK = 16411, TICKET_NACK = 16412, TICKET_OPAQUE = 16413, LINK_ID = 16414,
        USE_WESP_MODE = 16415, ROHC_SUPPORTED = 16416, EAP_ONLY_AUTHENTICATION = 16417,
        CHILDLESS_IKEV2_SUPPORTED = 16418, QUICK_CRASH_DETECTION = 16419,
        IKEV2_MESSAGE_ID_SYNC_SUPPORTED = 16420, IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED = 16421,
        IKEV2_MESSAGE_ID_SYNC = 16422, IPSEC_REPLAY_COUNTER_SYNC = 16423, SECURE_PASSWORD_METHODS = 16424,
        PSK_PERSIST = 16425, PSK_CONFIRM = 16426, ERX_SUPPORTED = 16427, IFOM_CAPABILITY = 16428,
        SENDER_REQUEST_ID = 16429, IKEV2_FRAGMENTATION_SUPPORTED = 16430, SIGNATURE_HASH_ALGORITHMS = 16431,
        CLONE_IKE_SA_SUPPORTED = 16432, CLONE_IKE_SA = 16433, PUZZLE = 16434, USE_PPK = 16435,
        PPK_IDENTITY = 16436, NO_PPK_AUTH = 16437, INTERMEDIATE_EXCHANGE_SUPPORTED = 16438,
        IP4_ALLOWED = 16439, IP6_ALLOWED = 16440, ADDITIONAL_KEY_EXCHANGE = 16441, USE_AGGFRAG = 16442,
        SUPPORTED_AUTH_METHODS = 16443, SA_RESOURCE_INFO = 16444, USE_PPK_INT = 16445,
        PPK_IDENTITY_KEY = 16446, IKE_SA_INIT_FULL_TRANSCRIPT_AUTH = 16447,
    }
}

impl NotifyType {
    /// Whether this reports an error (RFC 7296 §3.10.1: below 16384).
    pub fn is_error(self) -> bool {
        self.0 < 16384
    }
}
