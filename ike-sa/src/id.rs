//! Identities (RFC 7296 §3.5, RFC 4945 §3).
use ike_wire::IdType;
use serde::{Deserialize, Serialize};

/// An identity as it stands in an ID payload.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Id {
    /// Type.
    pub kind: IdType,
    /// Value in its wire form (text without terminator, 4 or 16 address octets, DER of a name…).
    pub data: Vec<u8>,
}

/// Which identities a policy accepts from its peer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IdMatch {
    /// Any authenticated identity.
    Any,
    /// Exactly this one. Names compare without case, the rest octet by octet.
    Exact(Id),
}

impl core::fmt::Display for Id {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match (self.kind, self.data.len()) {
            (IdType::IPV4_ADDR, 4) | (IdType::IPV6_ADDR, 16) => {
                let mut v6 = [0u8; 16];
                if let Ok(v4) = <[u8; 4]>::try_from(self.data.as_slice()) {
                    return write!(f, "{}", core::net::Ipv4Addr::from(v4));
                }
                v6.copy_from_slice(&self.data);
                write!(f, "{}", core::net::Ipv6Addr::from(v6))
            }
            (IdType::FQDN | IdType::RFC822_ADDR, _) => {
                write!(
                    f,
                    "{}",
                    String::from_utf8_lossy(&self.data).escape_default()
                )
            }
            _ => {
                write!(f, "{}:", self.kind)?;
                self.data.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }
    }
}

impl core::fmt::Debug for Id {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}
