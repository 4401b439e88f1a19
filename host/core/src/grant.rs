//! What a plugin may do. Deny by default.
//!
//! Several parties have a say: the plugin's manifest asks, the operator's policy allows, the task gives. A [`Grant`] holds
//! the [`Permissions`] of each as a layer, and something is granted when every layer allows it; so the intersection
//! needs no arithmetic on patterns, and nobody can widen what another one withheld. What no layer mentions is denied.

mod patterns;

pub use patterns::patterns;

use crate::approvals::Approvals;
use crate::path::StagePath;
use globset::GlobSet;
use patterns::leads_to;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A kind of action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Files of the stage.
    Fs,
    /// Commands.
    Exec,
    /// Language models.
    Model,
    /// Outgoing HTTP.
    Http,
    /// Memory that outlives the attempt.
    Memory,
    /// Messages between agents.
    Messages,
    /// Child tasks.
    Tasks,
    /// Questions to people.
    Human,
    /// Clocks: reading and sleeping. Always granted, always recorded.
    Clock,
    /// Progress, checkpoints, usage. Always granted.
    Context,
}

impl Capability {
    /// Its name in workflows, manifests and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Capability::Fs => "fs",
            Capability::Exec => "exec",
            Capability::Model => "model",
            Capability::Http => "http",
            Capability::Memory => "memory",
            Capability::Messages => "messages",
            Capability::Tasks => "tasks",
            Capability::Human => "human",
            Capability::Clock => "clock",
            Capability::Context => "context",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Permissions as they are written in a workflow, a policy or (by conversion) a manifest. An absent field grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permissions {
    /// Files of the workspace, by pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fs: Option<FsPermissions>,
    /// Commands, each by the beginning of its argument vector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<Vec<Vec<String>>>,
    /// Environment variables that commands may be given, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// Hosts that may be asked over HTTP, as `https://host/path*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Vec<String>>,
    /// Models, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Vec<String>>,
    /// Memory scopes: `task`, `run`, `workflow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Vec<String>>,
    /// Topics and tasks that may be written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<String>>,
    /// Agents that child tasks may be given to; `*` is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Vec<String>>,
    /// `ask`, `approve`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human: Option<Vec<String>>,
}

/// Patterns of files that may be read and written. Writing includes making, renaming and removing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FsPermissions {
    /// May be read.
    #[serde(default)]
    pub read: Vec<String>,
    /// May be written.
    #[serde(default)]
    pub write: Vec<String>,
}

impl Permissions {
    /// These permissions with each field that `narrower` sets replaced by it: how a task's permissions stand over the
    /// workflow's.
    pub fn overridden_by(&self, narrower: &Permissions) -> Permissions {
        let pick = |a: &Option<Vec<String>>, b: &Option<Vec<String>>| b.clone().or_else(|| a.clone());
        Permissions {
            fs: narrower.fs.clone().or_else(|| self.fs.clone()),
            exec: narrower.exec.clone().or_else(|| self.exec.clone()),
            env: pick(&self.env, &narrower.env),
            http: pick(&self.http, &narrower.http),
            model: pick(&self.model, &narrower.model),
            memory: pick(&self.memory, &narrower.memory),
            messages: pick(&self.messages, &narrower.messages),
            tasks: pick(&self.tasks, &narrower.tasks),
            human: pick(&self.human, &narrower.human),
        }
    }
}

impl Permissions {
    /// Whether a command with these arguments is given: they begin as one of the list does, or the list has `*`.
    pub fn gives_command(&self, argv: &[String]) -> bool {
        let gives = |given: &Vec<String>| match given.as_slice() {
            [] => false,
            [any] if any == "*" => true,
            given => argv.starts_with(given),
        };
        self.exec.iter().flatten().any(gives)
    }
}

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a file pattern: {reason}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Who withholds or gives: a layer of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// The plugin's manifest, which asks.
    Manifest,
    /// The operator's policy, which allows.
    Policy,
    /// The workflow's `permissions`, overridden by the task's.
    Task,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Party::Manifest => "the plugin's manifest",
            Party::Policy => "the operator's policy",
            Party::Task => "the task's permissions",
        })
    }
}

/// Why something is not granted, and what would grant it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{capability} on `{resource}` is not granted: {reason}")]
pub struct Denial {
    /// The capability.
    pub capability: Capability,
    /// What was asked for.
    pub resource: String,
    /// The line of a workflow's `permissions` that would grant it; empty where nothing would.
    pub grant: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// How a file is touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FsAccess {
    /// Content, metadata, listing.
    Read,
    /// Content, existence, name.
    Write,
}

/// What one attempt may do: every layer has to allow it.
#[derive(Debug, Clone)]
pub struct Grant {
    layers: Vec<Layer>,
    /// What of it a person has to approve each time.
    approvals: Arc<Approvals>,
}

#[derive(Debug, Clone)]
struct Layer {
    party: Party,
    permissions: Permissions,
    read: GlobSet,
    write: GlobSet,
    /// Folders that can hold something readable, so that they may be listed on the way to it.
    has_read: bool,
}

impl Grant {
    /// Makes a grant of the permissions of each party.
    ///
    /// # Errors
    /// [`PatternError`] for a file pattern that cannot be used.
    pub fn new(layers: impl IntoIterator<Item = (Party, Permissions)>) -> Result<Self, PatternError> {
        let layers = layers
            .into_iter()
            .map(|(party, permissions)| {
                let fs = permissions.fs.clone().unwrap_or_default();
                Ok(Layer {
                    party,
                    read: patterns(&fs.read)?,
                    write: patterns(&fs.write)?,
                    has_read: !fs.read.is_empty(),
                    permissions,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { layers, approvals: Arc::default() })
    }

    /// The same, of which a person has to approve something each time.
    #[must_use]
    pub fn approving(self, approvals: &Arc<Approvals>) -> Self {
        Self { approvals: Arc::clone(approvals), ..self }
    }

    /// What of it a person has to approve each time.
    pub fn approvals(&self) -> &Arc<Approvals> {
        &self.approvals
    }

    /// The layers, as they go into the record.
    pub fn layers(&self) -> impl Iterator<Item = (Party, &Permissions)> {
        self.layers.iter().map(|l| (l.party, &l.permissions))
    }

    /// Whether anything may be written at all.
    pub fn may_write(&self) -> bool {
        !self.layers.is_empty()
            && self.layers.iter().all(|l| l.permissions.fs.as_ref().is_some_and(|fs| !fs.write.is_empty()))
    }

    /// Whether `path` may be touched so. `path` must be canonical: links on the way resolved.
    ///
    /// # Errors
    /// A [`Denial`] that names the party which withholds it and the line that would grant it.
    pub fn check_fs(&self, path: &StagePath, access: FsAccess) -> Result<(), Denial> {
        let withheld = self.layers.iter().find(|layer| {
            let set = match access {
                FsAccess::Read => &layer.read,
                FsAccess::Write => &layer.write,
            };
            !set.is_match(path.as_str())
        });
        match withheld {
            None if !self.layers.is_empty() => Ok(()),
            withheld => Err(self.fs_denial(path, access, withheld.map(|l| l.party))),
        }
    }

    /// Whether the folder `path` may be seen: it is readable itself, or lies on the way to a pattern that grants
    /// reading. Knowing that a folder exists is not knowing what is in it; entries of a listing are checked one by one.
    ///
    /// # Errors
    /// As [`Grant::check_fs`].
    pub fn check_folder(&self, path: &StagePath) -> Result<(), Denial> {
        self.check_layers(path, |layer| {
            layer.has_read && (layer.read.is_match(path.as_str()) || layer.is_on_the_way(path))
        })
    }

    /// Whether a path may lead through the folder `path`: something that may be read or written can be below it.
    ///
    /// # Errors
    /// As [`Grant::check_fs`].
    pub fn check_way(&self, path: &StagePath) -> Result<(), Denial> {
        self.check_layers(path, |layer| {
            layer.read.is_match(path.as_str()) || layer.write.is_match(path.as_str()) || layer.is_on_the_way(path)
        })
    }

    fn check_layers(&self, path: &StagePath, allows: impl Fn(&Layer) -> bool) -> Result<(), Denial> {
        match self.layers.iter().find(|layer| !allows(layer)) {
            None if !self.layers.is_empty() => Ok(()),
            withheld => Err(self.fs_denial(path, FsAccess::Read, withheld.map(|l| l.party))),
        }
    }

    /// Whether every layer has something of a capability. `has` says whether one does; `line` is the line of a workflow's
    /// `permissions` that would grant it.
    ///
    /// # Errors
    /// A [`Denial`] that names the party which withholds it.
    pub fn check(
        &self,
        capability: Capability,
        resource: &str,
        line: impl FnOnce() -> String,
        has: impl Fn(&Permissions) -> bool,
    ) -> Result<(), Denial> {
        let withheld = self.layers.iter().find(|layer| !has(&layer.permissions)).map(|layer| layer.party);
        let Some(party) = withheld.or_else(|| self.layers.is_empty().then_some(Party::Task)) else { return Ok(()) };
        Err(Denial {
            capability,
            resource: resource.to_owned(),
            grant: if party == Party::Manifest { String::new() } else { line() },
            reason: format!("it is not given by {party}"),
        })
    }

    /// Whether a command may be run: every layer gives the beginning of its arguments.
    ///
    /// # Errors
    /// As [`Grant::check`].
    pub fn check_exec(&self, argv: &[String]) -> Result<(), Denial> {
        self.check(
            Capability::Exec,
            &argv.join(" "),
            || format!("exec: [{argv:?}]"),
            |permissions| permissions.gives_command(argv),
        )
    }

    fn fs_denial(&self, path: &StagePath, access: FsAccess, party: Option<Party>) -> Denial {
        let (verb, field) = match access {
            FsAccess::Read => ("reading", "read"),
            FsAccess::Write => ("writing", "write"),
        };
        let party = party.unwrap_or(Party::Task);
        Denial {
            capability: Capability::Fs,
            resource: path.to_string(),
            grant: match party {
                Party::Manifest => String::new(),
                Party::Policy | Party::Task => format!("fs: {{ {field}: [\"{}\"] }}", path.as_str()),
            },
            reason: format!("{verb} it is not covered by {party}"),
        }
    }
}

impl Layer {
    /// Whether the folder `path` lies on the way to what some pattern names.
    fn is_on_the_way(&self, path: &StagePath) -> bool {
        let mut patterns = self.permissions.fs.iter().flat_map(|fs| fs.read.iter().chain(&fs.write));
        path.is_root() || patterns.any(|pattern| leads_to(path.as_str(), pattern))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(read: &[&str], write: &[&str]) -> Permissions {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Permissions { fs: Some(FsPermissions { read: own(read), write: own(write) }), ..Permissions::default() }
    }

    fn path(text: &str) -> StagePath {
        StagePath::new(text).unwrap()
    }

    #[test]
    fn nothing_is_granted_by_default() {
        let nobody = Grant::new([]).unwrap();
        assert!(nobody.check_fs(&path("a"), FsAccess::Read).is_err());
        assert!(nobody.check_folder(&StagePath::root()).is_err());
        let silent = Grant::new([(Party::Task, Permissions::default())]).unwrap();
        assert!(silent.check_fs(&path("a"), FsAccess::Read).is_err());
        assert!(silent.check_folder(&StagePath::root()).is_err());
        assert!(!silent.may_write() && !nobody.may_write());
    }

    #[test]
    fn every_layer_has_to_allow() {
        let grant = Grant::new([
            (Party::Manifest, permissions(&["**"], &["**"])),
            (Party::Task, permissions(&["**"], &["src/**"])),
        ])
        .unwrap();
        assert!(grant.check_fs(&path("docs/a.md"), FsAccess::Read).is_ok());
        assert!(grant.check_fs(&path("src/deep/a.rs"), FsAccess::Write).is_ok());
        let denial = grant.check_fs(&path("docs/a.md"), FsAccess::Write).unwrap_err();
        assert_eq!(denial.grant, r#"fs: { write: ["docs/a.md"] }"#);
        assert_eq!(
            denial.to_string(),
            "fs on `docs/a.md` is not granted: writing it is not covered by the task's permissions"
        );
    }

    #[test]
    fn a_command_is_granted_by_the_beginning_of_its_arguments_and_by_every_layer() {
        let exec = |list: &[&[&str]]| Permissions {
            exec: Some(list.iter().map(|argv| argv.iter().map(|word| (*word).to_owned()).collect()).collect()),
            ..Permissions::default()
        };
        let argv = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let grant = Grant::new([
            (Party::Policy, exec(&[&["cargo"], &["git", "push"]])),
            (Party::Task, exec(&[&["cargo", "test"], &[]])),
        ])
        .unwrap();
        assert!(grant.check_exec(&argv("cargo test --all")).is_ok());
        for (refused, party) in [
            ("cargo run", "the task's permissions"),
            ("git pull", "the operator's policy"),
            ("cargo-test", "the operator's policy"),
        ] {
            let denial = grant.check_exec(&argv(refused)).unwrap_err();
            assert!(denial.reason.contains(party), "{denial}");
        }
        assert_eq!(grant.check_exec(&argv("cargo run")).unwrap_err().grant, r#"exec: [["cargo", "run"]]"#);
        assert!(Grant::new([]).unwrap().check_exec(&argv("cargo test")).is_err());
    }

    #[test]
    fn what_the_manifest_does_not_ask_for_no_line_grants() {
        let grant =
            Grant::new([(Party::Manifest, permissions(&["**"], &[])), (Party::Task, permissions(&["**"], &["**"]))])
                .unwrap();
        let denial = grant.check_fs(&path("a"), FsAccess::Write).unwrap_err();
        assert_eq!(denial.grant, "");
        assert!(!grant.may_write());
    }

    #[test]
    fn folders_on_the_way_can_be_seen_and_others_not() {
        let grant = Grant::new([(Party::Task, permissions(&["src/*/api.rs", "docs/**"], &[]))]).unwrap();
        for seen in ["", "src", "src/net", "docs", "docs/deep"] {
            assert!(grant.check_folder(&path(seen)).is_ok(), "{seen}");
        }
        for hidden in [".git", "src/net/tls", "secrets"] {
            assert!(grant.check_folder(&path(hidden)).is_err(), "{hidden}");
        }
    }

    #[test]
    fn folders_on_the_way_to_what_may_only_be_written_can_be_passed_and_not_seen() {
        let grant = Grant::new([(Party::Task, permissions(&[], &["out/*.txt", "drop/**"]))]).unwrap();
        for way in ["", "out", "drop", "drop/deep"] {
            assert!(grant.check_way(&path(way)).is_ok() && grant.check_folder(&path(way)).is_err(), "{way}");
        }
        assert!(grant.check_way(&path("secrets")).is_err());
    }

    #[test]
    fn a_star_stays_within_its_component() {
        let grant = Grant::new([(Party::Task, permissions(&["src/*.rs"], &[]))]).unwrap();
        assert!(grant.check_fs(&path("src/a.rs"), FsAccess::Read).is_ok());
        assert!(grant.check_fs(&path("src/a/b.rs"), FsAccess::Read).is_err());
        assert!(grant.check_fs(&path("src"), FsAccess::Read).is_err());
    }

    #[test]
    fn patterns_cannot_leave_the_workspace() {
        for bad in ["/etc/**", "../**", "a/../b", "", "a[", "./a"] {
            assert!(patterns(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
