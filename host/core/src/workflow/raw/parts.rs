//! What several parts of a workflow file have in common: limits, permissions, quantities, names.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// What bounds one attempt.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Limits")]
pub(in crate::workflow) struct RawLimits {
    /// Computing, as in `50G`; about one unit for each instruction.
    pub fuel: Option<Quantity>,
    /// Memory, as in `256MiB`.
    pub memory: Option<Quantity>,
    /// How long an attempt may do nothing that is recorded, as in `10m`; a host call under way has a limit of its own.
    pub stall: Option<String>,
    /// Wall time of one host call, as in `30s`.
    pub call_time: Option<String>,
    /// Bytes that one host call may carry, as in `16MiB`.
    pub call_bytes: Option<Quantity>,
    /// Open handles at a time.
    pub handles: Option<u32>,
    /// Table elements, at most 100000.
    pub table_elements: Option<u32>,
    /// Bytes written to the stage, as in `1GiB`.
    pub disk: Option<Quantity>,
    /// Files, folders and links made in the stage.
    pub files: Option<u64>,
    /// Bytes of log lines that are kept, as in `1MiB`.
    pub log: Option<Quantity>,
    /// Recorded events, as in `1M`: host calls, log lines, reports of progress; 64 bytes of text each.
    pub events: Option<Quantity>,
}

/// What tasks may do. What is not mentioned is denied.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Permissions")]
pub(in crate::workflow) struct RawPermissions {
    /// Files of the workspace, by pattern.
    pub fs: Option<RawFiles>,
    /// Commands, each by the beginning of its argument vector, as in `[["cargo", "test"]]`.
    pub exec: Option<Vec<Vec<String>>>,
    /// Environment variables that commands may be given, by name, as in `RUST_LOG`.
    pub env: Option<Vec<String>>,
    /// Hosts that may be asked over HTTP, as in `https://api.example.com/v1/*`.
    pub http: Option<Vec<String>>,
    /// Models of the operator's list, by name.
    pub model: Option<Vec<String>>,
    /// Memory scopes: `task`, `run`, `workflow`.
    pub memory: Option<Vec<String>>,
    /// Topics and tasks that may be written to.
    pub messages: Option<Vec<String>>,
    /// Agents that child tasks may be given to; `*` is all of them.
    pub tasks: Option<Vec<String>>,
    /// What people may be asked for: `ask`, `approve`.
    pub human: Option<Vec<String>>,
}

/// Patterns of files, relative to the workspace's root, as in `src/**`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Files")]
pub(in crate::workflow) struct RawFiles {
    /// May be read.
    #[serde(default)]
    pub read: Vec<String>,
    /// May be written, made, renamed and removed.
    #[serde(default)]
    pub write: Vec<String>,
}

/// A count or a size as it is written: `2_000_000`, `50G`, `300MB`.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(in crate::workflow) struct Quantity(pub String);

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A count or a size: `2_000_000`, `50G`, `300MB`, `64MiB`.",
            "type": ["string", "number"],
        })
    }
}

/// One name or a list of names.
#[derive(Debug, Default)]
pub(in crate::workflow) struct Names {
    pub names: Vec<String>,
    /// Whether it was written as a list.
    pub is_list: bool,
}

impl JsonSchema for Names {
    fn schema_name() -> Cow<'static, str> {
        "Names".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One name or a list of names.",
            "type": ["string", "array"],
            "items": { "type": "string" },
        })
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NamesVisitor;

        impl<'de> Visitor<'de> for NamesVisitor {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one name or a list of names")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Names, E> {
                Ok(Names { names: vec![name.to_owned()], is_list: false })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(Names { names, is_list: true })
            }
        }

        deserializer.deserialize_any(NamesVisitor)
    }
}
