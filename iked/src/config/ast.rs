//! What stands in a configuration, before anything is looked up, derived or defaulted. The whole
//! grammar is here, what [`super::lower`] refuses included; every value has its place.
use super::loaded::Dataplane;
use super::source::{Span, Spanned};
use ike_crypto::Secret;
use ike_sa::{Initiation, Mode};
use std::net::IpAddr;
use std::path::PathBuf;

/// All statements, includes resolved and macros expanded.
#[derive(Debug, Default)]
pub struct Config {
    /// In the order of the text.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Debug)]
pub enum Statement {
    /// `set …`
    Set(Spanned<Setting>),
    /// `user NAME PASSWORD`
    User(User),
    /// `ikev2 …`
    Policy(Box<PolicyStatement>),
    /// `radius …`: known, and what its first word is.
    Radius(Spanned<String>),
}

/// A global setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// `active`, `passive`
    Passive(bool),
    /// `couple`, `decouple`
    Decouple(bool),
    /// `dataplane auto|userspace|xfrm|none`
    Dataplane(Dataplane),
    /// `leak`, `noleak`
    Leak(bool),
    /// `dpd_check_interval SECONDS`
    DpdCheckInterval(u32),
    /// `enforcesingleikesa`, `noenforcesingleikesa`
    EnforceSingleIkeSa(bool),
    /// `cookie_threshold NUMBER`
    CookieThreshold(u32),
    /// A setting that is switched on or off, with no meaning yet.
    Later {
        /// The word without `no`.
        word: String,
        /// Whether it is the `no` form.
        off: bool,
    },
}

/// `user NAME PASSWORD`
#[derive(Debug)]
pub struct User {
    /// Name.
    pub name: Spanned<String>,
    /// Password.
    pub password: Spanned<Secret>,
}

/// How a policy takes part in the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// Stop here.
    Quick,
    /// Refuse.
    Skip,
    /// Fallback.
    Default,
}

/// Address family of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `inet`
    V4,
    /// `inet6`
    V6,
}

impl Family {
    /// Of an address.
    pub fn of(addr: IpAddr) -> Self {
        match addr.is_ipv4() {
            true => Self::V4,
            false => Self::V6,
        }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// `esp`, `ah`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encap {
    /// ESP.
    Esp,
    /// AH.
    Ah,
}

/// Addresses as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostSpec {
    /// `any`
    Any,
    /// `dynamic`: the address leased to the client.
    Dynamic,
    /// An address.
    Addr(IpAddr),
    /// A network; bits after the prefix may be set.
    Net(IpAddr, u8),
    /// A host, interface or interface group.
    Name(String),
}

/// One end of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// What the peer sees.
    pub spec: Spanned<HostSpec>,
    /// `(real source)`, before NAT.
    pub srcnat: Option<Spanned<HostSpec>>,
}

/// `from … to …`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// `from`; more than one for a list.
    pub from: Vec<Host>,
    /// Port of `from`.
    pub from_port: Option<Spanned<u16>>,
    /// `to`.
    pub to: Vec<Host>,
    /// Port of `to`.
    pub to_port: Option<Spanned<u16>>,
}

/// `ikesa …` or `childsa …`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transforms {
    /// The keyword.
    pub span: Span,
    /// `enc`
    pub enc: Vec<Spanned<String>>,
    /// `auth`
    pub auth: Vec<Spanned<String>>,
    /// `prf`
    pub prf: Vec<Spanned<String>>,
    /// `group`
    pub group: Vec<Spanned<String>>,
    /// `ke1` to `ke7`
    pub ke: Vec<(u8, Spanned<String>)>,
    /// `esn`, `noesn`
    pub esn: Vec<Spanned<bool>>,
}

/// How to authenticate.
#[derive(Debug)]
pub enum Auth {
    /// `psk "…"` or `psk 0x…`, decoded.
    Psk(Secret),
    /// `psk file PATH`, relative to the file it stands in.
    PskFile(PathBuf),
    /// `eap TYPE`
    Eap(String),
    /// `rsa`, `ecdsa256`, … `signature`
    Signature(String),
}

/// `config ATTR HOST` or `request ATTR HOST`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// `address`, `name-server`…
    pub name: Spanned<String>,
    /// Value.
    pub value: Spanned<HostSpec>,
}

/// `ikev2 …`. Each option stands as written, in whatever order it came.
#[derive(Debug)]
pub struct PolicyStatement {
    /// The word `ikev2`.
    pub span: Span,
    /// Name.
    pub name: Option<Spanned<String>>,
    /// `quick`, `skip`, `default`
    pub matching: Option<Spanned<Matching>>,
    /// `active`, `passive`
    pub initiation: Option<Spanned<Initiation>>,
    /// `ipcomp`
    pub ipcomp: Option<Span>,
    /// `tunnel`, `transport`
    pub mode: Option<Spanned<Mode>>,
    /// `natt`
    pub natt: Option<Span>,
    /// `esp`, `ah`
    pub encap: Option<Spanned<Encap>>,
    /// `inet`, `inet6`
    pub family: Option<Spanned<Family>>,
    /// `proto`
    pub protos: Vec<Spanned<u8>>,
    /// `rdomain`
    pub rdomain: Option<Spanned<u32>>,
    /// `from … to …`
    pub flows: Vec<Flow>,
    /// `peer`
    pub peer: Option<Spanned<HostSpec>>,
    /// `local`
    pub local: Option<Spanned<HostSpec>>,
    /// `ikesa …`
    pub ikesa: Vec<Transforms>,
    /// `childsa …`
    pub childsa: Vec<Transforms>,
    /// `srcid`
    pub srcid: Option<Spanned<String>>,
    /// `dstid`
    pub dstid: Option<Spanned<String>>,
    /// `ikelifetime`, seconds
    pub ikelifetime: Option<Spanned<u64>>,
    /// `lifetime`, seconds
    pub lifetime: Option<Spanned<u64>>,
    /// `bytes`
    pub bytes: Option<Spanned<u64>>,
    /// `psk`, `eap`, `rsa`…
    pub auth: Option<Spanned<Auth>>,
    /// `config`
    pub config: Vec<Attribute>,
    /// `request`
    pub request: Vec<Attribute>,
    /// `iface`
    pub iface: Option<Spanned<String>>,
    /// `tag`
    pub tag: Option<Spanned<String>>,
    /// `tap`
    pub tap: Option<Spanned<String>>,
    /// `childless allow|force|never`
    pub childless: Option<Spanned<String>>,
    /// `ppk …`: the word only.
    pub ppk: Option<Span>,
    /// Something in it was not understood and reported.
    pub damaged: bool,
}

impl PolicyStatement {
    pub(super) fn new(span: Span) -> Self {
        Self {
            span,
            name: None,
            matching: None,
            initiation: None,
            ipcomp: None,
            mode: None,
            natt: None,
            encap: None,
            family: None,
            protos: Vec::new(),
            rdomain: None,
            flows: Vec::new(),
            peer: None,
            local: None,
            ikesa: Vec::new(),
            childsa: Vec::new(),
            srcid: None,
            dstid: None,
            ikelifetime: None,
            lifetime: None,
            bytes: None,
            auth: None,
            config: Vec::new(),
            request: Vec::new(),
            iface: None,
            tag: None,
            tap: None,
            childless: None,
            ppk: None,
            damaged: false,
        }
    }
}
