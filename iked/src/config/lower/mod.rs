//! From what is written to what it means: names looked up, missing ends and identities derived,
//! defaults filled in. What the daemon cannot do yet is refused here, at its word.
mod hosts;
pub(super) mod transforms;

use super::ast::{Auth, Config, Encap, Matching, PolicyStatement, Setting, Statement};
use super::diagnostic::Diagnostic;
use super::line::{Report, decode_key};
use super::loaded::{DaemonSettings, Secrets};
use super::loader::{HostInfo, Loader};
use super::source::{Span, Spanned};
use ike_crypto::Secret;
use ike_sa::{AuthPolicy, ChildPolicy, Id, IdMatch, Initiation, Mode, Policy, PolicySet, Settings};
use ike_ts::AddrRange;
use ike_wire::{IdType, ProtocolId};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// `ikelifetime` if not given: a day.
pub(super) const IKE_LIFETIME_S: u64 = 24 * 3600;
/// `lifetime` if not given: three hours.
pub(super) const CHILD_LIFETIME_S: u64 = 3 * 3600;
/// `bytes` if not given: 4 GiB.
pub(super) const CHILD_LIFETIME_BYTES: u64 = 4 << 30;
/// What `iked -nv` prints in place of a secret.
pub(super) const HIDDEN: &str = "<hidden>";

const MIN_PSK_LEN: usize = 20;
const MAX_NAME_LEN: usize = 255;

/// Everything a configuration means.
pub(super) struct Lowered {
    pub(super) policies: PolicySet,
    pub(super) secrets: Secrets,
    pub(super) daemon: DaemonSettings,
}

/// Lowers a whole configuration; what is wrong is in the report.
pub(super) fn lower(
    config: Config,
    report: &mut Report,
    loader: &mut dyn Loader,
    host: &HostInfo,
) -> Lowered {
    let mut lowering = Lowering {
        report,
        loader,
        host,
        names: BTreeMap::new(),
        out: Lowered {
            policies: PolicySet::default(),
            secrets: Secrets::default(),
            daemon: DaemonSettings::default(),
        },
    };
    let mut users = BTreeMap::new();
    let mut number = 0;
    for statement in config.statements {
        match statement {
            Statement::Set(setting) => lowering.set(&setting),
            Statement::User(user) => {
                let name = user.name.value;
                if let Some(first) = users.insert(name.clone(), user.name.span) {
                    lowering.report.push(
                        Diagnostic::error(
                            user.name.span,
                            format!("the user `{name}` exists twice"),
                        )
                        .related(first, "first here")
                        .help("remove one of them"),
                    );
                }
                lowering.out.secrets.users.insert(name, user.password.value);
            }
            Statement::Radius(word) => lowering.not_yet(word.span, "RADIUS servers", None),
            Statement::Policy(policy) => {
                number += 1;
                lowering.policy(*policy, number);
            }
        }
    }
    lowering.out
}

struct Lowering<'a> {
    report: &'a mut Report,
    loader: &'a mut dyn Loader,
    host: &'a HostInfo,
    names: BTreeMap<String, Span>,
    out: Lowered,
}

impl Lowering<'_> {
    /// Known to the language, but not to this version.
    fn not_yet(&mut self, span: Span, what: &str, instead: Option<&str>) {
        self.report.push(
            Diagnostic::error(span, format!("not supported yet: {what}"))
                .label("this version cannot do it")
                .maybe_help(instead.map(str::to_owned)),
        );
    }

    fn set(&mut self, setting: &Spanned<Setting>) {
        let settings: &mut Settings = &mut self.out.policies.settings;
        match &setting.value {
            Setting::Passive(passive) => settings.passive = *passive,
            Setting::Decouple(decouple) => {
                settings.decouple = *decouple;
                self.out.daemon.decouple = *decouple;
            }
            Setting::Dataplane(dataplane) => self.out.daemon.dataplane = *dataplane,
            Setting::Leak(leak) => self.out.daemon.leak = *leak,
            Setting::DpdCheckInterval(seconds) => settings.dpd_check_interval_s = *seconds,
            Setting::EnforceSingleIkeSa(on) => settings.enforce_single_ike_sa = *on,
            Setting::CookieThreshold(count) => settings.cookie_threshold = *count,
            // This is how it is anyway.
            Setting::Later { off: true, .. } => {}
            Setting::Later { word, off: false } => {
                let help = match word.as_str() {
                    "mobike" | "fragmentation" | "stickyaddress" | "vendorid" => {
                        format!("remove the line, or write `set no{word}`")
                    }
                    _ => "remove the line".to_owned(),
                };
                self.not_yet(setting.span, &format!("`set {word}`"), Some(&help));
            }
        }
    }

    fn policy(&mut self, policy: PolicyStatement, number: usize) {
        let name = self.name(&policy, number);
        self.unsupported(&policy);
        if policy.flows.is_empty() && !policy.damaged {
            self.report.push(
                Diagnostic::error(policy.span, "a policy without `from … to …`")
                    .label("says not which packets it is for")
                    .help("add what is to be protected: from 10.1.0.0/24 to 10.2.0.0/24"),
            );
        }
        let flows = self.flows(&policy);
        let ends = self.ends(&policy, &flows);
        let skip = policy.matching.is_some_and(|m| m.value == Matching::Skip);
        let secret = self.auth(&policy, &name, skip);
        let local_id = self.local_id(&policy, ends.local);
        let peer_id = match &policy.dstid {
            None => Some(IdMatch::Any),
            Some(id) => self.id(id).map(IdMatch::Exact),
        };
        let ike = transforms::ike(self.report, &policy.ikesa);
        let child = transforms::child(self.report, &policy.childsa);
        let (Some(local_id), Some(peer_id)) = (local_id, peer_id) else {
            return;
        };
        if let Some(secret) = secret {
            self.out.secrets.psk.insert(name.clone(), secret);
        }
        let value = |given: Option<Spanned<u64>>, default| given.map_or(default, |s| s.value);
        let matching = policy.matching.map(|m| m.value);
        self.out.policies.policies.push(Policy {
            name: name.clone(),
            initiation: policy.initiation.map_or(Initiation::Passive, |i| i.value),
            quick: matching == Some(Matching::Quick),
            skip: matching == Some(Matching::Skip),
            default: matching == Some(Matching::Default),
            local: ends.local,
            peer: ends.peer,
            ike,
            local_id,
            peer_id,
            auth: AuthPolicy::Psk,
            children: vec![ChildPolicy {
                name,
                protocol: ProtocolId::ESP,
                mode: Mode::Tunnel,
                flows,
                proposals: child,
                lifetime_s: value(policy.lifetime, CHILD_LIFETIME_S),
                lifetime_bytes: value(policy.bytes, CHILD_LIFETIME_BYTES),
            }],
            ike_lifetime_s: value(policy.ikelifetime, IKE_LIFETIME_S),
        });
    }

    fn name(&mut self, policy: &PolicyStatement, number: usize) -> String {
        let (name, span) = match &policy.name {
            Some(name) => (name.value.clone(), name.span),
            None => (format!("policy{number}"), policy.span),
        };
        let fault = if name.is_empty() {
            Some("the policy's name is empty")
        } else if name.len() > MAX_NAME_LEN {
            Some("the policy's name is longer than 255 octets")
        } else if name.chars().any(char::is_control) {
            Some("a control character in the policy's name")
        } else {
            None
        };
        if let Some(fault) = fault {
            self.report.push(
                Diagnostic::error(span, fault).help("a name is any printable text: \"office\""),
            );
        }
        if let Some(first) = self.names.get(&name) {
            let fault = Diagnostic::error(span, format!("two policies are called `{name}`"))
                .label("the second")
                .related(*first, "the first")
                .help("give each policy its own name: ikev2 \"NAME\" …");
            self.report.push(fault);
        } else {
            self.names.insert(name.clone(), span);
        }
        name
    }

    /// Refuses what this version cannot do.
    fn unsupported(&mut self, policy: &PolicyStatement) {
        if let Some(span) = policy.ipcomp {
            self.not_yet(span, "compression (`ipcomp`)", Some("remove the word"));
        }
        if let Some(mode) = policy.mode.filter(|m| m.value == Mode::Transport) {
            self.not_yet(
                mode.span,
                "transport mode",
                Some("use `tunnel`, or remove the word"),
            );
        }
        if let Some(span) = policy.natt {
            self.not_yet(
                span,
                "forced UDP encapsulation (`natt`)",
                Some("remove the word; a NAT between the peers is found without it"),
            );
        }
        if let Some(encap) = policy.encap.filter(|e| e.value == Encap::Ah) {
            self.not_yet(
                encap.span,
                "AH",
                Some("use `esp`; with AES-GCM it authenticates as well"),
            );
        }
        if let Some(domain) = policy.rdomain {
            self.not_yet(
                domain.span,
                "routing domains (`rdomain`)",
                Some("remove it"),
            );
        }
        for attribute in &policy.config {
            self.not_yet(
                attribute.name.span,
                "addresses and settings for clients (`config`)",
                None,
            );
        }
        for attribute in &policy.request {
            self.not_yet(
                attribute.name.span,
                "asking for addresses and settings (`request`)",
                None,
            );
        }
        for (what, option) in [
            ("`iface`", &policy.iface),
            ("packet tags (`tag`)", &policy.tag),
            ("`tap`", &policy.tap),
            ("IKE SAs without children (`childless`)", &policy.childless),
        ] {
            if let Some(value) = option {
                self.not_yet(value.span, what, Some("remove it"));
            }
        }
        if let Some(span) = policy.ppk {
            self.not_yet(
                span,
                "post-quantum pre-shared keys (`ppk`)",
                Some("remove it"),
            );
        }
        for set in policy.ikesa.iter().chain(&policy.childsa) {
            for (number, method) in &set.ke {
                let what = format!("additional key exchanges (`ke{number}`)");
                self.not_yet(method.span, &what, Some("remove it"));
            }
        }
    }

    /// The key, if there has to be one and it is known.
    fn auth(&mut self, policy: &PolicyStatement, name: &str, skip: bool) -> Option<Secret> {
        let Some(auth) = &policy.auth else {
            if !skip && !policy.damaged {
                self.report.push(
                    Diagnostic::error(
                        policy.span,
                        "not supported yet: authentication with certificates",
                    )
                    .label("this policy has no `psk`, so it asks for them")
                    .help("add a pre-shared key: psk \"…\" or psk file \"PATH\""),
                );
            }
            return None;
        };
        let key = match &auth.value {
            Auth::Psk(key) => key.duplicate(),
            Auth::PskFile(path) => match self.loader.read_secret(path) {
                Ok(contents) => self.key_in_file(auth.span, &contents)?,
                Err(error) => {
                    let fault = format!("cannot read {}: {}", path.display(), error.message);
                    self.report.push(
                        Diagnostic::error(auth.span, fault)
                            .label("should hold the pre-shared key")
                            .maybe_help(error.help),
                    );
                    return None;
                }
            },
            Auth::Eap(_) => {
                self.not_yet(auth.span, "EAP", Some("authenticate with `psk`"));
                return None;
            }
            Auth::Signature(word) => {
                let what = format!("authentication with certificates (`{word}`)");
                self.not_yet(auth.span, &what, Some("authenticate with `psk`"));
                return None;
            }
        };
        if key.expose() == HIDDEN.as_bytes() {
            self.report.push(
                Diagnostic::warning(auth.span, format!("the key of policy `{name}` is left out"))
                    .label("as printed by iked -nv")
                    .help("write the key itself: nobody can authenticate with this policy"),
            );
            return None;
        }
        if key.len() < MIN_PSK_LEN {
            self.report.push(
                Diagnostic::warning(
                    auth.span,
                    format!("the pre-shared key is shorter than {MIN_PSK_LEN} characters"),
                )
                .label("who records a connection attempt can search for it offline")
                .help("make a long random one, such as with `openssl rand -base64 32`"),
            );
        }
        Some(key)
    }

    /// A key file holds what could stand after `psk`, and perhaps a newline.
    fn key_in_file(&mut self, span: Span, contents: &Secret) -> Option<Secret> {
        let mut octets = contents.expose();
        octets = octets.strip_suffix(b"\n").unwrap_or(octets);
        octets = octets.strip_suffix(b"\r").unwrap_or(octets);
        let fault = match std::str::from_utf8(octets) {
            Ok(text) => match decode_key(text) {
                Ok(key) => return Some(key),
                Err(fault) => fault,
            },
            // Any octets are a key.
            Err(_) => return Some(Secret::from_slice(octets)),
        };
        self.report.push(
            Diagnostic::error(span, format!("the key file is of no use: {fault}"))
                .label("this file")
                .help("it holds the key as text, or as `0x` and hexadecimal digits"),
        );
        None
    }

    fn local_id(&mut self, policy: &PolicyStatement, local: Option<AddrRange>) -> Option<Id> {
        if let Some(id) = &policy.srcid {
            return self.id(id);
        }
        let hostname = &self.host.hostname;
        if let Ok(Ok(id)) = (!hostname.is_empty()).then(|| parse_id(hostname)).ok_or(()) {
            return Some(id);
        }
        if let Some(local) = local.filter(AddrRange::is_host) {
            return Some(address_id(local.start()));
        }
        self.report.push(
            Diagnostic::error(
                policy.span,
                "a policy without `srcid` on a host without a name",
            )
            .label("has no identity to show to the peer")
            .help("add one: srcid gateway.example.com"),
        );
        None
    }

    fn id(&mut self, id: &Spanned<String>) -> Option<Id> {
        match parse_id(&id.value) {
            Ok(id) => Some(id),
            Err(IdFault::Name) => {
                self.not_yet(
                    id.span,
                    "distinguished names as identities",
                    Some("use a host name, an e-mail address or an IP address"),
                );
                None
            }
            Err(IdFault::Text) => {
                self.report.push(
                    Diagnostic::error(id.span, "not an identity")
                        .label("empty, too long, or with characters outside printable ASCII")
                        .help("a host name, an e-mail address or an IP address"),
                );
                None
            }
        }
    }
}

pub(super) enum IdFault {
    /// A distinguished name.
    Name,
    /// Nothing that an ID payload can hold.
    Text,
}

/// The identity of a text, by its shape.
pub(super) fn parse_id(text: &str) -> Result<Id, IdFault> {
    if text.starts_with('/') {
        return Err(IdFault::Name);
    }
    if let Ok(addr) = text.parse::<IpAddr>() {
        return Ok(address_id(addr));
    }
    if text.is_empty()
        || text.len() > 255
        || !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
    {
        return Err(IdFault::Text);
    }
    let kind = match text.contains('@') {
        true => IdType::RFC822_ADDR,
        false => IdType::FQDN,
    };
    Ok(Id {
        kind,
        data: text.as_bytes().to_vec(),
    })
}

fn address_id(addr: IpAddr) -> Id {
    match addr {
        IpAddr::V4(addr) => Id {
            kind: IdType::IPV4_ADDR,
            data: addr.octets().to_vec(),
        },
        IpAddr::V6(addr) => Id {
            kind: IdType::IPV6_ADDR,
            data: addr.octets().to_vec(),
        },
    }
}
