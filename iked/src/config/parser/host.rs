//! Hosts, ports, protocols and the flows made of them.
use super::super::ast::{Flow, Host, HostSpec};
use super::super::diagnostic::Diagnostic;
use super::super::lexer::{Kind, Token};
use super::super::line::Line;
use super::super::source::Spanned;
use super::super::words;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One host where a keyword wants one.
pub(super) fn host(line: &mut Line<'_>, what: &str) -> Option<Spanned<HostSpec>> {
    for (word, spec) in [("any", HostSpec::Any), ("dynamic", HostSpec::Dynamic)] {
        if let Some(span) = line.eat(word) {
            return Some(Spanned::new(spec, span));
        }
    }
    if line.peek().is_some_and(|t| t.is_punct('{')) {
        let span = line.here();
        let brace = line.peek().map_or(span, |t| t.span);
        line.report.push(
            Diagnostic::error(brace, "a list where only one host can stand")
                .label(format!("expected {what}"))
                .help("write a policy for each"),
        );
        skip_braces(line);
        return None;
    }
    let token = line.value(what)?;
    host_of(line, &token)
}

fn host_of(line: &mut Line<'_>, token: &Token) -> Option<Spanned<HostSpec>> {
    match spec(&token.text) {
        Ok(spec) => Some(Spanned::new(spec, token.span)),
        Err(fault) => {
            let text = token.text.as_str();
            line.report.push(
                Diagnostic::error(token.span, format!("`{text}` {}", fault.what))
                    .label(fault.label)
                    .maybe_help(fault.help),
            );
            None
        }
    }
}

struct Fault {
    what: &'static str,
    label: &'static str,
    help: Option<String>,
}

/// Reads an address, a network or a name.
fn spec(text: &str) -> Result<HostSpec, Fault> {
    let fault = |what, label, help: Option<&str>| Fault {
        what,
        label,
        help: help.map(Into::into),
    };
    if let Some((addr, len)) = text.split_once('/') {
        let Ok(addr) = addr.parse::<IpAddr>() else {
            let help = Some("write all four numbers of an IPv4 address: 10.1.0.0/16");
            return Err(fault("is not a network", "no address before the `/`", help));
        };
        let max = if addr.is_ipv4() { 32 } else { 128 };
        if let Some(len) = decimal(len).filter(|&len| len <= max) {
            return Ok(HostSpec::Net(addr, len));
        }
        if let Some(len) = len.parse::<Ipv4Addr>().ok().and_then(mask_len) {
            let help = format!("write {addr}/{len}");
            return Err(fault(
                "is not in CIDR notation",
                "a mask after the `/`",
                Some(&help),
            ));
        }
        let help = format!("a number from 0 to {max}");
        return Err(fault(
            "is not a network",
            "no prefix length after the `/`",
            Some(&help),
        ));
    }
    if let Ok(addr) = text.parse::<IpAddr>() {
        return Ok(HostSpec::Addr(addr));
    }
    if text.contains('%')
        && text
            .split('%')
            .next()
            .is_some_and(|a| a.parse::<Ipv6Addr>().is_ok())
    {
        return Err(fault(
            "has a zone",
            "an address with `%`",
            Some("write it without `%` and what follows"),
        ));
    }
    if text.contains(':') {
        let help =
            Some("write the address alone; after `from` and `to` a port follows as `port 22`");
        return Err(fault(
            "is not an IPv6 address",
            "colons, but no IPv6 address",
            help,
        ));
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        let help = Some("four numbers from 0 to 255 without leading zeros: 192.0.2.1");
        return Err(fault(
            "is not an IPv4 address",
            "digits and dots, but no IPv4 address",
            help,
        ));
    }
    if let Some((first, last)) = text.split_once('-')
        && first.parse::<IpAddr>().is_ok()
        && last.parse::<IpAddr>().is_ok()
    {
        let help = Some("write the networks that the range consists of");
        return Err(fault("is a range of addresses", "not known here", help));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if text.is_empty() || text.len() > 253 || !text.bytes().all(plain) || text.starts_with('-') {
        let help = Some("an address, a network such as 10.1.0.0/24, a host name, or `any`");
        return Err(fault("is not a host", "expected a host", help));
    }
    Ok(HostSpec::Name(text.to_owned()))
}

fn decimal(text: &str) -> Option<u8> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

fn mask_len(mask: Ipv4Addr) -> Option<u32> {
    let bits = mask.to_bits();
    (bits.count_ones() == bits.leading_ones() && bits != 0).then_some(bits.count_ones())
}

/// `from … to …`, or the other way round, after its first word.
pub(super) fn flow(line: &mut Line<'_>, first: &'static str) -> Option<Flow> {
    let start = line.here();
    let other = if first == "from" { "to" } else { "from" };
    let one = end(line, first);
    let found = line.eat(other);
    if found.is_none() {
        if one.is_some() {
            let mut fault = Diagnostic::error(start, format!("`{first}` without `{other}`"))
                .label(format!("`{other}` is missing after its host"))
                .help("every flow has two ends: from HOST to HOST");
            if let Some(next) = line.word().and_then(|w| words::nearest(w, [other]))
                && let Some(span) = line.peek().map(|t| t.span)
            {
                fault = Diagnostic::error(span, format!("`{first}` without `{other}`"))
                    .label("unknown word")
                    .help(format!("did you mean `{next}`?"));
                // Take what was meant, so that the rest is still read.
                line.bump();
                let _ = end(line, other);
            }
            line.report.push(fault);
        }
        return None;
    }
    let two = end(line, other);
    let (one, two) = (one?, two?);
    let (from, to) = if first == "from" {
        (one, two)
    } else {
        (two, one)
    };
    let mut to = to;
    for host in &mut to.0 {
        if let Some(nat) = host.srcnat.take() {
            line.report.push(
                Diagnostic::error(nat.span, "an address in parentheses after `to`")
                    .label("only the `from` side can be translated")
                    .help("from TRANSLATED (REAL) to PEER"),
            );
        }
    }
    Some(Flow {
        from: from.0,
        from_port: from.1,
        to: to.0,
        to_port: to.1,
    })
}

type End = (Vec<Host>, Option<Spanned<u16>>);

/// A host or a list of them, and a port.
fn end(line: &mut Line<'_>, keyword: &str) -> Option<End> {
    let what = format!("a host after `{keyword}`");
    let mut hosts = Vec::new();
    let mut complete = true;
    if let Some(open) = line.eat_punct('{') {
        loop {
            while line.eat_punct(',').is_some() {}
            if line.eat_punct('}').is_some() {
                break;
            }
            let at_end = line.peek().is_none_or(|t| {
                t.kind == Kind::Word
                    && words::is_reserved(&t.text)
                    && !t.is("any")
                    && !t.is("dynamic")
            });
            if at_end {
                line.report.push(
                    Diagnostic::error(open, "a list that is not closed")
                        .label("starts here")
                        .help("close it with `}`"),
                );
                return None;
            }
            match one_host(line, &what) {
                Some(host) => hosts.push(host),
                None => {
                    complete = false;
                    if line
                        .peek()
                        .is_some_and(|t| !t.is_string() && !t.is_punct(','))
                    {
                        skip_braces(line);
                        break;
                    }
                }
            }
        }
        if hosts.is_empty() && complete {
            line.report.push(
                Diagnostic::error(open, "an empty list")
                    .label("expected hosts")
                    .help("write hosts between the braces, or `any`"),
            );
            complete = false;
        }
    } else {
        match one_host(line, &what) {
            Some(host) => hosts.push(host),
            None => complete = false,
        }
    }
    let mut port = None;
    if line.eat("port").is_some() {
        port = self::port(line);
        complete &= port.is_some();
    }
    complete.then_some((hosts, port))
}

fn one_host(line: &mut Line<'_>, what: &str) -> Option<Host> {
    let spec = host(line, what)?;
    let mut srcnat = None;
    if line.eat_punct('(').is_some() {
        srcnat = Some(host(line, "the real source address")?);
        if line.eat_punct(')').is_none() {
            line.expected("`)`", None);
            return None;
        }
    }
    Some(Host { spec, srcnat })
}

fn skip_braces(line: &mut Line<'_>) {
    while let Some(token) = line.peek() {
        if token.kind == Kind::Word && words::is_option(&token.text) {
            return;
        }
        let closed = token.is_punct('}');
        line.bump();
        if closed {
            return;
        }
    }
}

fn port(line: &mut Line<'_>) -> Option<Spanned<u16>> {
    if line.peek().is_some_and(|t| t.is_punct('{')) {
        let span = line.peek().map_or_else(|| line.here(), |t| t.span);
        line.report.push(
            Diagnostic::error(span, "a list of ports")
                .label("expected one port")
                .help("write `from … to …` again for each port"),
        );
        skip_braces(line);
        return None;
    }
    let token = line.value("a port")?;
    let text = token.text.as_str();
    let number = match text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse().ok().filter(|&port| port != 0),
        false => words::PORTS
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, port)| *port),
    };
    if number.is_none() {
        let near = words::did_you_mean(text, words::PORTS.iter().map(|(name, _)| *name));
        let help = near.unwrap_or_else(|| "a number from 1 to 65535".into());
        line.report.push(
            Diagnostic::error(token.span, format!("`{text}` is not a port"))
                .label("expected a port number, or a well-known port's name")
                .help(help),
        );
    }
    number.map(|port| Spanned::new(port, token.span))
}

/// `proto NAME` or `proto { NAME, … }`, after its first word.
pub(super) fn protocols(line: &mut Line<'_>) -> Vec<Spanned<u8>> {
    let mut list = Vec::new();
    let Some(open) = line.eat_punct('{') else {
        list.extend(protocol(line));
        return list;
    };
    loop {
        while line.eat_punct(',').is_some() {}
        if line.eat_punct('}').is_some() {
            return list;
        }
        if line.peek().is_none_or(|t| !t.is_string()) {
            line.report.push(
                Diagnostic::error(open, "a list that is not closed")
                    .label("starts here")
                    .help("close it with `}`"),
            );
            return list;
        }
        match line.peek().cloned() {
            // `esp` and `ah` are protocols here.
            Some(token)
                if token.kind == Kind::Word
                    && words::is_reserved(&token.text)
                    && by_name(&token.text).is_none() =>
            {
                line.report.push(
                    Diagnostic::error(open, "a list that is not closed")
                        .label("starts here")
                        .help("close it with `}`"),
                );
                return list;
            }
            _ => list.extend(protocol(line)),
        }
    }
}

fn by_name(text: &str) -> Option<u8> {
    words::PROTOCOLS
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, number)| *number)
}

fn protocol(line: &mut Line<'_>) -> Option<Spanned<u8>> {
    if let Some((text, span)) = line.peek().map(|t| (t.text.to_string(), t.span))
        && let Some(number) = by_name(&text).filter(|_| line.word().is_some())
    {
        line.bump();
        return Some(Spanned::new(number, span));
    }
    let token = line.value("a protocol")?;
    let text = token.text.as_str();
    let number = by_name(text).or_else(|| decimal(text).filter(|&n| n != 0));
    if number.is_none() {
        let near = words::did_you_mean(text, words::PROTOCOLS.iter().map(|(name, _)| *name));
        let help = near.unwrap_or_else(|| "tcp, udp, icmp… or a number from 1 to 255".into());
        line.report.push(
            Diagnostic::error(token.span, format!("`{text}` is not a protocol"))
                .label("expected the name or number of an IP protocol")
                .help(help),
        );
    }
    number.map(|n| Spanned::new(n, token.span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_recognised_by_their_shape() {
        assert_eq!(
            spec("10.0.0.1").ok(),
            Some(HostSpec::Addr("10.0.0.1".parse().unwrap()))
        );
        assert_eq!(
            spec("::1/128").ok(),
            Some(HostSpec::Net("::1".parse().unwrap(), 128))
        );
        assert_eq!(
            spec("gw.example").ok(),
            Some(HostSpec::Name("gw.example".into()))
        );
        for wrong in [
            "10.0.0",
            "10.0.0.256",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10/8",
            "a:b",
            "",
            "a@b",
            "10.0.0.0/255.255.255.0",
            "fe80::1%eth0",
            "10.0.0.1-10.0.0.9",
            "-x",
            "10.0.0.0/08",
        ] {
            assert!(spec(wrong).is_err(), "{wrong}");
        }
    }
}
