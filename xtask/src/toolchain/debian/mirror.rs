//! [`Mirror`]: the Debian mirror that this machine uses, read from its apt configuration.
//!
//! No address is written down in this project: whoever set the machine up chose one, and it may be the only
//! one that is reachable. Both forms of configuration are understood: `.sources` in paragraphs (deb822) and `.list` with
//! one source a line.

use std::fs;
use std::path::{Path, PathBuf};

/// The machine's own configuration.
const APT: &str = "/etc/apt";

/// Suffixes of suites that hold only changes to a release, on mirrors that may have nothing else.
const PARTIAL_SUITES: [&str; 4] = ["-security", "-updates", "-backports", "/updates"];

/// A mirror with a whole Debian release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mirror {
    /// Its address.
    pub(crate) address: String,
    /// Further fields in deb822 form that apt needs to trust it.
    pub(crate) trust: Vec<String>,
}

/// Why no mirror was found.
#[derive(Debug, thiserror::Error)]
#[error("no Debian mirror is configured below {0}; add the one your machine should use")]
pub(crate) struct MirrorError(PathBuf);

impl Mirror {
    /// A sources file for one suite of this mirror.
    pub(crate) fn sources_for(&self, suite: &str) -> String {
        let mut text =
            format!("Types: deb\nTargets: Packages\nURIs: {}\nSuites: {suite}\nComponents: main\n", self.address);
        for field in &self.trust {
            text.push_str(field);
            text.push('\n');
        }
        text
    }
}

/// The mirror that apt uses on this machine.
pub(crate) fn of_this_machine() -> Result<Mirror, MirrorError> {
    below(Path::new(APT)).ok_or_else(|| MirrorError(APT.into()))
}

fn below(apt: &Path) -> Option<Mirror> {
    let mut files = vec![apt.join("sources.list")];
    let parts = fs::read_dir(apt.join("sources.list.d")).into_iter().flatten().flatten();
    files.extend(parts.map(|part| part.path()));
    files.sort();
    files.iter().find_map(|file| {
        let text = fs::read_to_string(file).ok()?;
        match file.extension()?.to_str()? {
            "sources" => in_paragraphs(&text),
            "list" => in_lines(&text),
            _ => None,
        }
    })
}

fn in_paragraphs(text: &str) -> Option<Mirror> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.split(|line| line.trim().is_empty()).find_map(|paragraph| {
        let fields = fields(paragraph);
        let value = |name: &str| {
            fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.as_str())
        };
        if value("Enabled").trim().eq_ignore_ascii_case("no") || !value("Types").split_whitespace().any(|t| t == "deb")
        {
            return None;
        }
        let address = value("URIs").split_whitespace().next()?;
        let suites: Vec<&str> = value("Suites").split_whitespace().collect();
        let components: Vec<&str> = value("Components").split_whitespace().collect();
        let trust = ["Signed-By", "Trusted"].into_iter().filter(|name| !value(name).trim().is_empty());
        let trust = trust.map(|name| format!("{name}:{}", value(name))).collect();
        accept(address, &suites, &components, trust)
    })
}

/// The fields of a paragraph; a value keeps its continuation lines, as a key written into the file needs.
fn fields(paragraph: &[&str]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in paragraph {
        match (line.starts_with([' ', '\t']), fields.last_mut(), line.split_once(':')) {
            (true, Some((_, value)), _) => {
                value.push('\n');
                value.push_str(line);
            }
            (false, _, Some((name, value))) => fields.push((name.trim().to_owned(), value.to_owned())),
            _ => {}
        }
    }
    fields
}

fn in_lines(text: &str) -> Option<Mirror> {
    text.lines().find_map(|line| {
        let rest = line.split('#').next()?.trim().strip_prefix("deb")?;
        let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(bracket) => bracket.split_once(']')?,
            None => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let (address, suite) = (words.next()?, words.next()?);
        let components: Vec<&str> = words.collect();
        let trust = options.split_whitespace().filter_map(|option| match option.split_once('=')? {
            ("signed-by", keys) => Some(format!("Signed-By: {}", keys.replace(',', " "))),
            ("trusted", value) => Some(format!("Trusted: {value}")),
            _ => None,
        });
        accept(address, &[suite], &components, trust.collect())
    })
}

/// A source counts when it holds the main part of a whole release of Debian itself.
fn accept(address: &str, suites: &[&str], components: &[&str], trust: Vec<String>) -> Option<Mirror> {
    let whole = suites.iter().any(|suite| !PARTIAL_SUITES.iter().any(|suffix| suite.ends_with(suffix)));
    let debian = address.trim_end_matches('/').ends_with("debian");
    (whole && debian && components.contains(&"main")).then(|| Mirror { address: address.to_owned(), trust })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_read_with_their_keys() {
        let text = "# a comment\nTypes: deb\nURIs: mirror:/security/debian-security\nSuites: bookworm-security\nComponents: main\n\n\
            Types: deb deb-src\n# another\nURIs: file:/one/debian\nSuites: bookworm bookworm-updates\nComponents: main contrib\n\
            Signed-By:\n -----BEGIN\n .\n -----END\n";
        let mirror = in_paragraphs(text).unwrap();
        assert_eq!(mirror.address, "file:/one/debian");
        assert_eq!(mirror.trust, ["Signed-By:\n -----BEGIN\n .\n -----END"]);
        assert!(mirror.sources_for("trixie").contains("Suites: trixie\nComponents: main\nSigned-By:\n -----BEGIN"));
    }

    #[test]
    fn a_switched_off_paragraph_is_passed_over() {
        let text = "Enabled: no\nTypes: deb\nURIs: file:/one/debian\nSuites: bookworm\nComponents: main\n";
        assert_eq!(in_paragraphs(text), None);
    }

    #[test]
    fn lines_are_read_with_their_options() {
        let text = "# deb file:/off/debian bookworm main\ndeb-src file:/src/debian bookworm main\n\
            deb file:/sec/debian-security bookworm-security main\n\
            deb [arch=amd64 signed-by=/keys/a.gpg] file:/two/debian/ bookworm main # ours\n";
        let mirror = in_lines(text).unwrap();
        assert_eq!(
            mirror,
            Mirror { address: "file:/two/debian/".into(), trust: vec!["Signed-By: /keys/a.gpg".into()] }
        );
    }

    #[test]
    fn sources_of_other_projects_are_no_debian_mirror() {
        assert_eq!(in_lines("deb file:/node nodistro main\ndeb file:/three/debian bookworm-backports main\n"), None);
    }

    #[test]
    fn files_with_other_endings_are_not_configuration() {
        let apt = std::env::temp_dir().join(format!("xtask-apt-{}", std::process::id()));
        fs::create_dir_all(apt.join("sources.list.d")).unwrap();
        let line = "deb file:/four/debian bookworm main\n";
        fs::write(apt.join("sources.list.d/a.list.off"), line).unwrap();
        assert_eq!(below(&apt), None);
        fs::write(apt.join("sources.list.d/b.list"), line).unwrap();
        assert_eq!(below(&apt).unwrap().address, "file:/four/debian");
        fs::remove_dir_all(&apt).unwrap();
    }
}
