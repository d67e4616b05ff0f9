//! `ikev2 …`. Options come in any order; after a mistake the next option is looked for.
use super::super::ast::{
    Attribute, Auth, Config, Encap, Family, Matching, PolicyStatement, Statement, Transforms,
};
use super::super::diagnostic::Diagnostic;
use super::super::lexer::{Kind, Token};
use super::super::line::{Line, Report, quoted_list};
use super::super::source::{Span, Spanned};
use super::super::words;
use super::host;
use ike_sa::{Initiation, Mode};
use std::path::Path;

/// Units of times; the smallest is the second.
pub(super) const TIME_UNITS: &[(char, u64)] = &[('m', 60), ('h', 3600)];
const BYTE_UNITS: &[(char, u64)] = &[('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30)];

/// Parses a statement; more than one policy in it is reported, and all are parsed.
pub(super) fn policies(report: &mut Report, config: &mut Config, tokens: Vec<Token>, dir: &Path) {
    let mut line = Line::new(report, tokens);
    while let Some(first) = line.bump() {
        if first.is("iked2") {
            line.report.push(
                Diagnostic::warning(first.span, "`iked2` is an old misprint of `ikev2`")
                    .label("read as `ikev2`")
                    .help("write `ikev2`"),
            );
        }
        let policy = policy(&mut line, first.span, dir);
        config.statements.push(Statement::Policy(Box::new(policy)));
        if let Some(next) = line.peek().map(|t| t.span) {
            line.report.push(
                Diagnostic::error(next, "a policy starts inside another")
                    .label("belongs on a line of its own")
                    .help("remove the `\\` at the end of the line before"),
            );
        }
    }
}

/// A policy, up to the end or the next `ikev2`.
fn policy(line: &mut Line<'_>, span: Span, dir: &Path) -> PolicyStatement {
    let mut policy = PolicyStatement::new(span);
    name(line, &mut policy);
    while let Some(token) = line.peek() {
        if token.is("ikev2") || token.is("iked2") {
            break;
        }
        if token.kind == Kind::Bad {
            policy.damaged = true;
            line.bump();
            continue;
        }
        let known = match token.kind {
            Kind::Word => token.text.to_string(),
            _ => String::new(),
        };
        if !words::is_option(&known) {
            policy.damaged = true;
            let keyword = token.span;
            // After a likely misspelling go on as if it were right.
            if let Some(meant) = unexpected(line, policy.auth.is_some())
                && option(line, &mut policy, meant, keyword, dir).is_none()
            {
                recover(line, true);
            }
            continue;
        }
        let keyword = token.span;
        line.bump();
        if option(line, &mut policy, &known, keyword, dir).is_none() {
            policy.damaged = true;
            recover(line, matches!(known.as_str(), "psk" | "ppk"));
        }
    }
    policy
}

fn name(line: &mut Line<'_>, policy: &mut PolicyStatement) {
    let Some(token) = line.peek().filter(|t| t.is_string()).cloned() else {
        return;
    };
    let text = token.text.as_str();
    if token.kind == Kind::Word {
        if words::is_reserved(text) {
            return;
        }
        if let Some(near) = words::nearest(text, words::POLICY.iter().copied()) {
            let goes_on = line
                .second()
                .is_some_and(|t| t.kind == Kind::Word && words::is_option(&t.text));
            if !goes_on {
                return;
            }
            line.report.push(
                Diagnostic::warning(token.span, format!("the policy's name is `{text}`"))
                    .label(format!("did you mean `{near}`?"))
                    .help(format!("put the name in quotes if it is meant: \"{text}\"")),
            );
        }
    }
    policy.name = line.text("a name");
}

/// Reports a word that no option starts with. Either says which option was probably meant, or
/// goes on at the next.
fn unexpected(line: &mut Line<'_>, has_auth: bool) -> Option<&'static str> {
    let token = line.peek().cloned()?;
    let text = token.text.as_str();
    let mut secret = false;
    let mut meant = None;
    let diagnostic = match token.kind {
        Kind::Punct(c) => Diagnostic::error(token.span, format!("unexpected `{c}`"))
            .label("no option starts with this"),
        Kind::Quoted => Diagnostic::error(token.span, "a string that belongs to no option")
            .label("unexpected")
            .help(match has_auth {
                true => "put the keyword it belongs to before it",
                false => "put the keyword it belongs to before it: `psk` if it is the key",
            }),
        _ if words::TRANSFORMS.contains(&text) => Diagnostic::error(
            token.span,
            format!("`{text}` outside `ikesa` and `childsa`"),
        )
        .label("belongs after one of these")
        .help(format!(
            "ikesa … {text} … for the IKE SA, childsa … {text} … for ESP"
        )),
        _ if text == "port" => Diagnostic::error(token.span, "`port` without a host")
            .label("belongs after the host of `from` or `to`")
            .help("from HOST port PORT to HOST port PORT"),
        _ if text == "bytes" => Diagnostic::error(token.span, "`bytes` without `lifetime`")
            .label("belongs after `lifetime`")
            .help("lifetime TIME bytes AMOUNT"),
        _ if matches!(text, "any" | "dynamic") => {
            Diagnostic::error(token.span, format!("`{text}` that belongs to no option"))
                .label("unexpected")
                .help(format!("from, to, peer or local can stand before `{text}`"))
        }
        _ if words::STATEMENTS.contains(&text) => {
            secret = true;
            Diagnostic::error(token.span, format!("`{text}` inside a policy"))
                .label("starts a statement of its own")
                .help("remove the `\\` at the end of the line before")
        }
        _ => {
            let near = words::nearest(text, words::POLICY.iter().copied());
            let psk_like = words::PSK_LIKE.contains(&text).then_some("psk");
            meant = psk_like.or(near).filter(|near| words::is_option(near));
            Diagnostic::error(token.span, format!("unknown word `{text}`"))
                .label("no option starts with this")
                .maybe_help(meant.map(|meant| format!("did you mean `{meant}`?")))
        }
    };
    line.report.push(diagnostic);
    line.bump();
    if meant.is_none() {
        recover(line, secret);
    }
    meant
}

/// Skips to the next option; what is skipped may be a secret.
fn recover(line: &mut Line<'_>, secret: bool) {
    while let Some(token) = line.peek().cloned() {
        let option = token.kind == Kind::Word
            && (words::is_option(&token.text) || matches!(token.text.as_str(), "ikev2" | "iked2"));
        if option {
            return;
        }
        if secret && token.is_string() {
            line.report.hide(&token);
        }
        line.bump();
    }
}

/// Takes the rest of an option. `None`: something was wrong and is reported.
fn option(
    line: &mut Line<'_>,
    policy: &mut PolicyStatement,
    word: &str,
    span: Span,
    dir: &Path,
) -> Option<()> {
    let flag = |line: &mut Line<'_>, slot: &mut Option<Span>| match slot.replace(span) {
        Some(first) => given_twice(line, word, first, span),
        None => Some(()),
    };
    match word {
        "quick" => once(
            line,
            &mut policy.matching,
            Spanned::new(Matching::Quick, span),
            "the kind of match",
        ),
        "skip" => once(
            line,
            &mut policy.matching,
            Spanned::new(Matching::Skip, span),
            "the kind of match",
        ),
        "default" => once(
            line,
            &mut policy.matching,
            Spanned::new(Matching::Default, span),
            "the kind of match",
        ),
        "active" => once(
            line,
            &mut policy.initiation,
            Spanned::new(Initiation::Active, span),
            "the mode",
        ),
        "passive" => once(
            line,
            &mut policy.initiation,
            Spanned::new(Initiation::Passive, span),
            "the mode",
        ),
        "tunnel" => once(
            line,
            &mut policy.mode,
            Spanned::new(Mode::Tunnel, span),
            "tunnel or transport",
        ),
        "transport" => once(
            line,
            &mut policy.mode,
            Spanned::new(Mode::Transport, span),
            "tunnel or transport",
        ),
        "esp" => once(
            line,
            &mut policy.encap,
            Spanned::new(Encap::Esp, span),
            "the encapsulation",
        ),
        "ah" => once(
            line,
            &mut policy.encap,
            Spanned::new(Encap::Ah, span),
            "the encapsulation",
        ),
        "inet" => once(
            line,
            &mut policy.family,
            Spanned::new(Family::V4, span),
            "the address family",
        ),
        "inet6" => once(
            line,
            &mut policy.family,
            Spanned::new(Family::V6, span),
            "the address family",
        ),
        "ipcomp" => flag(line, &mut policy.ipcomp),
        "natt" => flag(line, &mut policy.natt),
        "proto" => {
            let list = host::protocols(line);
            if let Some(first) = policy.protos.first() {
                return given_twice(line, "proto", first.span, span);
            }
            let any = !list.is_empty();
            policy.protos = list;
            any.then_some(())
        }
        "rdomain" => {
            let number = line.number("a routing domain", 255)?;
            let value = u32::try_from(number.value).ok()?;
            once(
                line,
                &mut policy.rdomain,
                Spanned::new(value, number.span),
                word,
            )
        }
        "from" => flows(line, policy, "from"),
        "to" => flows(line, policy, "to"),
        "peer" => {
            let host = host::host(line, "the peer's address")?;
            once(line, &mut policy.peer, host, word)
        }
        "local" => {
            let host = host::host(line, "the local address")?;
            once(line, &mut policy.local, host, word)
        }
        "ikesa" => transforms(line, span, word).map(|t| policy.ikesa.push(t)),
        "childsa" => transforms(line, span, word).map(|t| policy.childsa.push(t)),
        "srcid" => {
            let id = line.text("an identity")?;
            once(line, &mut policy.srcid, id, word)
        }
        "dstid" => {
            let id = line.text("an identity")?;
            once(line, &mut policy.dstid, id, word)
        }
        "ikelifetime" => {
            let time = line.amount("a time in seconds, minutes or hours", TIME_UNITS)?;
            once(line, &mut policy.ikelifetime, time, word)
        }
        "lifetime" => {
            let time = line.amount("a time in seconds, minutes or hours", TIME_UNITS)?;
            once(line, &mut policy.lifetime, time, word)?;
            if line.eat("bytes").is_some() {
                policy.bytes = Some(line.amount("an amount of data", BYTE_UNITS)?);
            }
            Some(())
        }
        "psk" => {
            let auth = psk(line, dir)?;
            no_more_secret(line)?;
            once(line, &mut policy.auth, auth, "the authentication")
        }
        "eap" => {
            let kind = line.text("an EAP type")?;
            let auth = Spanned::new(Auth::Eap(kind.value), span.to(kind.span));
            once(line, &mut policy.auth, auth, "the authentication")
        }
        "rsa" | "ecdsa256" | "ecdsa384" | "ecdsa521" | "rfc7427" | "signature" => {
            let auth = Spanned::new(Auth::Signature(word.to_owned()), span);
            once(line, &mut policy.auth, auth, "the authentication")
        }
        "config" => attribute(line).map(|a| policy.config.push(a)),
        "request" => attribute(line).map(|a| policy.request.push(a)),
        "iface" => {
            let name = line.text("the name of an interface")?;
            once(line, &mut policy.iface, name, word)
        }
        "tag" => {
            let tag = line.text("a tag")?;
            once(line, &mut policy.tag, tag, word)
        }
        "tap" => {
            let name = line.text("the name of an interface")?;
            once(line, &mut policy.tap, name, word)
        }
        "childless" => {
            let mode = line.one_of("a mode", &["allow", "force", "never"])?;
            once(line, &mut policy.childless, mode, word)
        }
        "ppk" => {
            line.text("the identity of the key")?;
            match line.eat("file") {
                Some(_) => drop(line.text("the path of a file")?),
                None => drop(line.key("the key")?),
            }
            line.eat("required");
            flag(line, &mut policy.ppk)
        }
        _ => None,
    }
}

fn once<T>(
    line: &mut Line<'_>,
    slot: &mut Option<Spanned<T>>,
    new: Spanned<T>,
    what: &str,
) -> Option<()> {
    if let Some(first) = slot {
        let (first, second) = (first.span, new.span);
        return given_twice(line, what, first, second);
    }
    *slot = Some(new);
    Some(())
}

fn given_twice(line: &mut Line<'_>, what: &str, first: Span, second: Span) -> Option<()> {
    let what = match words::POLICY.contains(&what) {
        true => format!("`{what}`"),
        false => what.to_owned(),
    };
    line.report.push(
        Diagnostic::error(second, format!("{what} is given twice"))
            .label("again here")
            .related(first, "first here")
            .help("remove one of them, or write two policies"),
    );
    // The option is understood, so nothing has to be skipped.
    Some(())
}

fn flows(line: &mut Line<'_>, policy: &mut PolicyStatement, first: &'static str) -> Option<()> {
    let flow = host::flow(line, first)?;
    policy.flows.push(flow);
    while line.eat_punct(',').is_some() {
        match line.word() {
            Some("from" | "to") => {}
            _ => {
                line.expected("another `from` or `to`", None);
                return None;
            }
        }
        let next = if line.eat("from").is_some() {
            "from"
        } else {
            line.eat("to");
            "to"
        };
        policy.flows.push(host::flow(line, next)?);
    }
    Some(())
}

fn transforms(line: &mut Line<'_>, span: Span, word: &str) -> Option<Transforms> {
    let mut out = Transforms {
        span,
        enc: Vec::new(),
        auth: Vec::new(),
        prf: Vec::new(),
        group: Vec::new(),
        ke: Vec::new(),
        esn: Vec::new(),
    };
    let child = word == "childsa";
    let mut any = false;
    while let Some(token) = line.peek().filter(|t| t.kind == Kind::Word).cloned() {
        let what = token.text.as_str();
        if !words::TRANSFORMS.contains(&what) {
            // `ikesa encr aes-256`: a misspelt word, unless an option goes on.
            let near = words::nearest(what, words::TRANSFORMS.iter().copied());
            if let Some(near) = near.filter(|_| !words::is_reserved(what)) {
                line.report.push(
                    Diagnostic::error(token.span, format!("unknown word `{what}` after `{word}`"))
                        .label("expected `enc`, `auth`, `prf` or `group`")
                        .help(format!("did you mean `{near}`?")),
                );
                return None;
            }
            break;
        }
        line.bump();
        any = true;
        let wrong = match what {
            "prf" if child => Some((
                "only the IKE SA has a PRF",
                "remove it, or move it to `ikesa`",
            )),
            "esn" | "noesn" if !child => Some((
                "only ESP has extended sequence numbers",
                "move it to `childsa`",
            )),
            _ => None,
        };
        if let Some((why, help)) = wrong {
            line.report.push(
                Diagnostic::error(token.span, format!("`{what}` in `{word}`"))
                    .label(why)
                    .help(help),
            );
        }
        match what {
            "esn" => out.esn.push(Spanned::new(true, token.span)),
            "noesn" => out.esn.push(Spanned::new(false, token.span)),
            "enc" => algorithm(line, "a cipher", &mut out.enc)?,
            "auth" => algorithm(line, "a MAC", &mut out.auth)?,
            "prf" => algorithm(line, "a PRF", &mut out.prf)?,
            "group" => algorithm(line, "a group", &mut out.group)?,
            ke => {
                let number = ke.trim_start_matches("ke").parse().unwrap_or(0);
                let mut list = Vec::new();
                algorithm(line, "a key exchange method", &mut list)?;
                out.ke
                    .extend(list.into_iter().map(|method| (number, method)));
            }
        }
    }
    if !any {
        let known: &[&str] = match child {
            true => &["enc", "auth", "group", "esn", "noesn"],
            false => &["enc", "auth", "prf", "group"],
        };
        line.report.push(
            Diagnostic::error(span, format!("`{word}` without algorithms"))
                .label(format!("expected {} after this", quoted_list(known)))
                .help("remove it to have the defaults"),
        );
        return None;
    }
    Some(out)
}

fn algorithm(line: &mut Line<'_>, what: &str, list: &mut Vec<Spanned<String>>) -> Option<()> {
    list.push(line.text(what)?);
    Some(())
}

fn psk(line: &mut Line<'_>, dir: &Path) -> Option<Spanned<Auth>> {
    if line.eat("file").is_some() {
        let path = line.text("the path of a file")?;
        return Some(Spanned::new(
            Auth::PskFile(dir.join(&path.value)),
            path.span,
        ));
    }
    let key = line.key("the pre-shared key")?;
    Some(Spanned::new(Auth::Psk(key.value), key.span))
}

/// A key with blanks and without quotes must not be shown piecemeal.
fn no_more_secret(line: &mut Line<'_>) -> Option<()> {
    let in_quotes = |t: &Token| t.kind == Kind::Quoted && t.origin.is_none();
    if line.previous().is_some_and(in_quotes) {
        return Some(());
    }
    let Some(token) = line.peek().filter(|t| t.is_string()).cloned() else {
        return Some(());
    };
    if words::is_reserved(&token.text) || token.is("iked2") {
        return Some(());
    }
    line.report.push(
        Diagnostic::error(token.span, "the pre-shared key goes on after a blank")
            .label("neither a part of the key nor an option")
            .help("put the whole key in quotes; in a macro in both kinds: key = \"'two words'\""),
    );
    recover(line, true);
    None
}

fn attribute(line: &mut Line<'_>) -> Option<Attribute> {
    let name = line.one_of("an attribute", words::ATTRIBUTES)?;
    let value = host::host(line, "an address")?;
    Some(Attribute { name, value })
}
