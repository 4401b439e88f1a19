//! What a run came to, as an in-toto statement: which version came out, of which version and workflow, by which plugins, under which head.

use crate::note::Checkpoint;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::id::RunId;
use longhaul_core::manifest::PluginKind;
use longhaul_core::state::RunState;
use serde::Serialize;
use serde_json::{Value, json};

/// The media type of a statement in an envelope.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The type of a statement.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// The type of what it says.
pub const PREDICATE: &str = "urn:longhaul:run:v1";

/// Gathers what a statement says from a run's entries, which are given in order.
#[derive(Debug)]
pub struct Gathering {
    run: RunId,
    began: Option<Began>,
    result: Option<Digest>,
    state: Option<RunState>,
    plugins: Vec<Plugin>,
}

#[derive(Debug)]
struct Began {
    workflow: String,
    file: String,
    source: Digest,
    base: Digest,
    host: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Plugin {
    name: String,
    kind: PluginKind,
    version: String,
    digest: Sha256,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Sha256 {
    sha256: Digest,
}

impl Gathering {
    /// Of this run.
    pub fn new(run: RunId) -> Self {
        Self { run, began: None, result: None, state: None, plugins: Vec::new() }
    }

    /// The next entry.
    pub fn entry(&mut self, record: &Record) {
        match &record.entry {
            Entry::RunStarted { workflow, file, source, base, host, .. } => {
                self.result = Some(*base);
                self.began = Some(Began {
                    workflow: workflow.clone(),
                    file: file.clone(),
                    source: Digest::of(source.as_bytes()),
                    base: *base,
                    host: host.clone(),
                });
            }
            Entry::PluginUsed { name, plugin, digest, version } => {
                let plugin = Plugin {
                    name: name.to_string(),
                    kind: *plugin,
                    version: version.clone(),
                    digest: Sha256 { sha256: *digest },
                };
                if !self.plugins.contains(&plugin) {
                    self.plugins.push(plugin);
                }
            }
            Entry::Committed { version, .. } | Entry::RolledBack { version, .. } => self.result = Some(*version),
            Entry::RunChanged { to, .. } => self.state = Some(*to),
            _ => {}
        }
    }

    /// The statement, under the newest head of the record: its note, and what that says. None where the record has no beginning.
    pub fn finish(self, head: &Checkpoint, note: &str) -> Option<Value> {
        let Self { run, began, result, state, plugins } = self;
        let (began, result) = (began?, result?);
        let sha256 = |sha256| Sha256 { sha256 };
        Some(json!({
            "_type": STATEMENT,
            "subject": [{ "name": format!("longhaul/version/{run}"), "digest": sha256(result) }],
            "predicateType": PREDICATE,
            "predicate": {
                "run": run,
                "state": state,
                "host": began.host,
                "workflow": { "name": began.workflow, "file": began.file, "digest": sha256(began.source) },
                "base": { "digest": sha256(began.base) },
                "result": { "digest": sha256(result) },
                "plugins": plugins,
                "head": { "origin": head.origin, "size": head.head.size, "root": head.head.root, "note": note },
            },
        }))
    }
}
