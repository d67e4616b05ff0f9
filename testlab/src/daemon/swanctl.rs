//! Reads what `swanctl --list-sas --pretty` prints: vici messages, one key,
//! section or list item per line.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::{ChildSa, IkeSa};

/// A vici message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Section {
    values: BTreeMap<String, String>,
    sections: Vec<(String, Self)>,
}

impl Section {
    fn value(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    fn section(&self, name: &str) -> Option<&Self> {
        self.sections
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, section)| section)
    }
}

/// The IKE SAs in the output of `swanctl --list-sas --pretty`.
pub fn parse_sas(text: &str) -> Result<Vec<IkeSa>> {
    let mut found = Vec::new();
    for (title, message) in parse(text)?.sections {
        if !title.starts_with("list-sa event") {
            continue;
        }
        for (name, sa) in &message.sections {
            found.push(ike_sa(name, sa)?);
        }
    }
    Ok(found)
}

fn ike_sa(name: &str, sa: &Section) -> Result<IkeSa> {
    let children = sa
        .section("child-sas")
        .map(|children| children.sections.as_slice())
        .unwrap_or_default()
        .iter()
        .filter(|(_, child)| child.value("state") == "INSTALLED")
        .map(|(_, child)| child_sa(child))
        .collect::<Result<Vec<_>>>()?;
    Ok(IkeSa {
        name: name.to_owned(),
        established: sa.value("state") == "ESTABLISHED",
        spis: Some(format!(
            "{}:{}",
            sa.value("initiator-spi"),
            sa.value("responder-spi")
        )),
        children,
    })
}

fn child_sa(child: &Section) -> Result<ChildSa> {
    let spi = |key| {
        u32::from_str_radix(child.value(key), 16)
            .with_context(|| format!("{key} is `{}`", child.value(key)))
    };
    let number = |key| child.value(key).parse().unwrap_or(0);
    Ok(ChildSa {
        encap: child.value("encap") == "yes",
        spi_in: spi("spi-in")?,
        spi_out: spi("spi-out")?,
        encr: format!(
            "{}-{}",
            child.value("encr-alg"),
            child.value("encr-keysize")
        ),
        bytes_in: number("bytes-in"),
        bytes_out: number("bytes-out"),
    })
}

/// Reads the pretty form of vici messages into one section with a section for each.
fn parse(text: &str) -> Result<Section> {
    let mut open = vec![(String::new(), Section::default())];
    let mut in_list = false;
    for line in text.lines().map(str::trim) {
        if in_list {
            in_list = line != "]";
        } else if let Some(name) = line.strip_suffix('{') {
            open.push((name.trim().to_owned(), Section::default()));
        } else if line == "}" {
            let (name, section) = open.pop().context("empty stack")?;
            let (_, parent) = open
                .last_mut()
                .context("swanctl printed a closing brace too many")?;
            parent.sections.push((name, section));
        } else if let Some((key, value)) = line.split_once('=') {
            let value = value.trim();
            in_list = value == "[";
            if let Some((_, section)) = open.last_mut() {
                section
                    .values
                    .insert(key.trim().to_owned(), value.to_owned());
            }
        } else if !line.is_empty() {
            bail!("cannot read this line of swanctl: `{line}`");
        }
    }
    match open.pop() {
        Some((_, section)) if open.is_empty() => Ok(section),
        _ => bail!("what swanctl printed ends too early"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "list-sa event {
  net {
    uniqueid = 1
    version = 2
    state = ESTABLISHED
    local-host = 192.0.2.1
    initiator = yes
    initiator-spi = 7d1b0c0e4a0e5f31
    responder-spi = 2a5b00a6ad0c8c9e
    child-sas {
      net-1 {
        name = net
        state = INSTALLED
        mode = TUNNEL
        protocol = ESP
        encap = yes
        spi-in = c1f0a3b2
        spi-out = 0012ab34
        encr-alg = AES_GCM_16
        encr-keysize = 256
        bytes-in = 420
        bytes-out = 336
        local-ts = [
          10.1.0.0/24
        ]
        remote-ts = [
          10.2.0.0/24
        ]
      }
      net-0 {
        state = DELETED
        spi-in = c0000000
        spi-out = c0000001
      }
    }
  }
}
list-sas reply {
}
";

    #[test]
    fn an_established_sa_is_read_with_its_installed_child_only() {
        let sas = parse_sas(LISTED).unwrap();
        assert_eq!(sas.len(), 1);
        assert_eq!(sas[0].name, "net");
        assert!(sas[0].established);
        assert_eq!(
            sas[0].spis.as_deref(),
            Some("7d1b0c0e4a0e5f31:2a5b00a6ad0c8c9e")
        );
        let [child] = sas[0].children.as_slice() else {
            panic!()
        };
        assert!(child.encap);
        assert_eq!((child.spi_in, child.spi_out), (0xc1f0_a3b2, 0x0012_ab34));
        assert_eq!(child.encr, "AES_GCM_16-256");
        assert_eq!((child.bytes_in, child.bytes_out), (420, 336));
    }

    #[test]
    fn no_sa_is_an_empty_list() {
        assert_eq!(parse_sas("list-sas reply {\n}\n").unwrap(), []);
    }

    #[test]
    fn nonsense_is_an_error_and_not_an_empty_list() {
        assert!(parse_sas("connecting to 'unix:///x' failed").is_err());
        assert!(parse_sas("list-sa event {\n net {\n").is_err());
        assert!(parse_sas("}\n").is_err());
    }
}
