//! What a plugin says of itself: the content of the custom section `longhaul:manifest` of its component.
//!
//! The section is JSON, written by the SDK at build time. It is hostile until checked: unknown fields, unknown
//! capabilities, bad names and absurd sizes are errors.

use crate::grant::{FsPermissions, PatternError, Permissions, patterns};
use crate::id::Name;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The custom section's name.
pub const SECTION: &str = "longhaul:manifest";
/// The manifest format that this host reads.
pub const FORMAT: u32 = 1;
/// The plugin interface that this host speaks, as `major.minor.patch`.
pub const API: &str = "0.1.0";
/// The most bytes that a manifest may have.
pub const MAX_BYTES: usize = 256 * 1024;

/// The two kinds of plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginKind {
    /// Works on tasks.
    Agent,
    /// Decides how to recover.
    Strategy,
}

impl fmt::Display for PluginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PluginKind::Agent => "agent",
            PluginKind::Strategy => "strategy",
        })
    }
}

/// A plugin's manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format of this manifest, [`FORMAT`].
    pub manifest: u32,
    /// What kind of plugin it is.
    pub kind: PluginKind,
    /// The plugin's name.
    pub name: Name,
    /// The plugin's version, as its author counts.
    pub version: String,
    /// The version of the plugin interface it was built against.
    pub api: String,
    /// One sentence.
    #[serde(default)]
    pub description: String,
    /// What it asks for.
    #[serde(default)]
    pub permissions: Vec<Ask>,
    /// A JSON Schema of its configuration.
    #[serde(default)]
    pub config: Option<serde_json::Value>,
    /// A JSON Schema of an agent's input.
    #[serde(default)]
    pub input: Option<serde_json::Value>,
    /// What an agent can do, for the allocation of tasks.
    #[serde(default)]
    pub skills: Vec<String>,
}

/// One thing that a plugin asks for, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// What kind of thing.
    pub capability: AskKind,
    /// Which ones: a file pattern, the beginning of a command line, a host, a name.
    pub pattern: String,
    /// Why, for the operator to read.
    pub reason: String,
    /// Whether the plugin also works without it.
    #[serde(default)]
    pub optional: bool,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AskKind {
    /// Reading files.
    #[serde(rename = "fs.read")]
    FsRead,
    /// Writing files.
    #[serde(rename = "fs.write")]
    FsWrite,
    /// Running commands; the pattern is the argument vector's beginning, separated by spaces.
    #[serde(rename = "exec")]
    Exec,
    /// Asking models.
    #[serde(rename = "model")]
    Model,
    /// Asking hosts.
    #[serde(rename = "http")]
    Http,
    /// Keeping memory.
    #[serde(rename = "memory")]
    Memory,
    /// Sending messages.
    #[serde(rename = "messages")]
    Messages,
    /// Spawning tasks.
    #[serde(rename = "tasks")]
    Tasks,
    /// Asking people.
    #[serde(rename = "human")]
    Human,
}

impl fmt::Display for AskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AskKind::FsRead => "fs.read",
            AskKind::FsWrite => "fs.write",
            AskKind::Exec => "exec",
            AskKind::Model => "model",
            AskKind::Http => "http",
            AskKind::Memory => "memory",
            AskKind::Messages => "messages",
            AskKind::Tasks => "tasks",
            AskKind::Human => "human",
        })
    }
}

/// A manifest that this host does not take.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is larger than [`MAX_BYTES`].
    #[error("the manifest has {0} bytes, more than {MAX_BYTES}")]
    TooLarge(usize),
    /// It is not a manifest.
    #[error("the manifest does not parse: {0}")]
    Parse(#[from] serde_json::Error),
    /// It has a format of another time.
    #[error(
        "the manifest has format {found}, and this host reads format {FORMAT}; rebuild the plugin with a matching SDK"
    )]
    Format {
        /// The format found.
        found: u32,
    },
    /// It asks for files in a way that nothing could fit.
    #[error("the plugin `{plugin}` asks for files by a pattern that cannot be used: {source}; mend its `plugin.toml`")]
    Pattern {
        /// The plugin's name.
        plugin: Name,
        /// The pattern, and what is wrong with it.
        source: PatternError,
    },
    /// It was built against another interface.
    #[error(
        "the plugin `{plugin}` was built for the plugin interface {found}, and this host speaks {API}; rebuild it with a matching SDK"
    )]
    Api {
        /// The plugin's name.
        plugin: Name,
        /// The version found.
        found: String,
    },
}

impl Manifest {
    /// Reads and checks the bytes of the custom section.
    ///
    /// # Errors
    /// [`ManifestError`] where this host does not take it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MAX_BYTES {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        // The format comes first: a later one may have fields that are unknown here.
        #[derive(Deserialize)]
        struct Versioned {
            manifest: u32,
        }
        let Versioned { manifest: found } = serde_json::from_slice(bytes)?;
        if found != FORMAT {
            return Err(ManifestError::Format { found });
        }
        let manifest: Manifest = serde_json::from_slice(bytes)?;
        if !api_is_supported(&manifest.api) {
            return Err(ManifestError::Api { plugin: manifest.name, found: manifest.api.chars().take(40).collect() });
        }
        let asked = manifest.asked().fs.unwrap_or_default();
        for list in [&asked.read, &asked.write] {
            if let Err(source) = patterns(list) {
                return Err(ManifestError::Pattern { plugin: manifest.name, source });
            }
        }
        Ok(manifest)
    }

    /// What it asks for, as a layer of a grant.
    pub fn asked(&self) -> Permissions {
        let mut asked = Permissions::default();
        for ask in &self.permissions {
            let pattern = ask.pattern.clone();
            let list = match ask.capability {
                AskKind::FsRead => &mut asked.fs.get_or_insert_with(FsPermissions::default).read,
                AskKind::FsWrite => &mut asked.fs.get_or_insert_with(FsPermissions::default).write,
                AskKind::Exec => {
                    let argv = pattern.split_whitespace().map(str::to_owned).collect();
                    asked.exec.get_or_insert_default().push(argv);
                    continue;
                }
                AskKind::Model => asked.model.get_or_insert_default(),
                AskKind::Http => asked.http.get_or_insert_default(),
                AskKind::Memory => asked.memory.get_or_insert_default(),
                AskKind::Messages => asked.messages.get_or_insert_default(),
                AskKind::Tasks => asked.tasks.get_or_insert_default(),
                AskKind::Human => asked.human.get_or_insert_default(),
            };
            list.push(pattern);
        }
        asked
    }

    /// What it cannot do without and `given` has nothing of: each with the permission's line that would give it.
    pub fn unmet<'a>(&'a self, given: &Permissions) -> Vec<(&'a Ask, String)> {
        let some = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|l| !l.is_empty());
        self.permissions
            .iter()
            .filter(|ask| !ask.optional)
            .filter(|ask| match ask.capability {
                AskKind::FsRead => given.fs.as_ref().is_none_or(|fs| fs.read.is_empty()),
                AskKind::FsWrite => given.fs.as_ref().is_none_or(|fs| fs.write.is_empty()),
                AskKind::Exec => given.exec.as_ref().is_none_or(Vec::is_empty),
                AskKind::Model => !some(&given.model),
                AskKind::Http => !some(&given.http),
                AskKind::Memory => !some(&given.memory),
                AskKind::Messages => !some(&given.messages),
                AskKind::Tasks => !some(&given.tasks),
                AskKind::Human => !some(&given.human),
            })
            .map(|ask| {
                let line = match ask.capability {
                    AskKind::FsRead => format!("fs: {{ read: [\"{}\"] }}", ask.pattern),
                    AskKind::FsWrite => format!("fs: {{ write: [\"{}\"] }}", ask.pattern),
                    // Nobody shall be told to give everything.
                    AskKind::Exec if ask.pattern == "*" => "exec: [[\"PROGRAM\", \"ARGUMENT\"]]".to_owned(),
                    AskKind::Exec => {
                        let argv: Vec<&str> = ask.pattern.split_whitespace().collect();
                        format!("exec: [{argv:?}]")
                    }
                    other => format!("{other}: [\"{}\"]", ask.pattern),
                };
                (ask, line)
            })
            .collect()
    }
}

/// Whether a plugin built for interface `version` works here: before 1.0 the minor version has to be the same.
fn api_is_supported(version: &str) -> bool {
    let minor = |text: &str| {
        let mut parts = text.split('.').map(|p| p.parse::<u32>().ok());
        Some((parts.next()??, parts.next()??, parts.next()??))
            .filter(|_| parts.next().is_none())
            .map(|(major, minor, _)| (major, minor))
    };
    minor(version).is_some() && minor(version) == minor(API)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
        let mut value = serde_json::json!({
            "manifest": 1, "kind": "agent", "name": "codemod", "version": "0.1.0", "api": "0.1.0",
            "permissions": [{"capability": "fs.write", "pattern": "src/**", "reason": "to change it"}],
        });
        change(&mut value);
        serde_json::to_vec(&value).unwrap()
    }

    #[test]
    fn a_manifest_asks() {
        let manifest = Manifest::parse(&sample(|_| ())).unwrap();
        assert_eq!(manifest.asked().fs.unwrap().write, ["src/**"]);
        let unmet = manifest.unmet(&Permissions::default());
        assert_eq!(unmet[0].1, r#"fs: { write: ["src/**"] }"#);
    }

    #[test]
    fn versions_are_named_when_they_do_not_fit() {
        let error = Manifest::parse(&sample(|m| m["api"] = "0.9.0".into())).unwrap_err().to_string();
        assert!(error.contains("0.9.0") && error.contains(API), "{error}");
        let error = Manifest::parse(&sample(|m| m["manifest"] = 2.into())).unwrap_err().to_string();
        assert!(error.contains("format 2"), "{error}");
        for good in ["0.1.0", "0.1.9"] {
            assert!(Manifest::parse(&sample(|m| m["api"] = good.into())).is_ok());
        }
        for bad in ["", "0.1", "1.1.0", "x", "0.1.0.0"] {
            assert!(Manifest::parse(&sample(|m| m["api"] = bad.into())).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_pattern_that_cannot_be_used_is_named() {
        for bad in ["../**", "/etc/*", "src/[", ""] {
            let error =
                Manifest::parse(&sample(|m| m["permissions"][0]["pattern"] = bad.into())).unwrap_err().to_string();
            assert!(error.contains("`codemod`") && error.contains(&format!("`{bad}`")), "{error}");
        }
        let other = |m: &mut serde_json::Value| {
            m["permissions"][0]["capability"] = "exec".into();
            m["permissions"][0]["pattern"] = "cargo [".into();
        };
        assert!(Manifest::parse(&sample(other)).is_ok(), "only patterns of files are patterns");
    }

    #[test]
    fn rubbish_is_refused() {
        assert!(Manifest::parse(b"").is_err());
        assert!(Manifest::parse(b"[]").is_err());
        assert!(Manifest::parse(&vec![b' '; MAX_BYTES + 1]).is_err());
        assert!(Manifest::parse(&sample(|m| m["wish"] = 1.into())).is_err());
        assert!(Manifest::parse(&sample(|m| m["name"] = "../x".into())).is_err());
        assert!(Manifest::parse(&sample(|m| m["permissions"][0]["capability"] = "root".into())).is_err());
    }
}
