//! One thing that was done: an action of an agent, or a change of a path by a commit.

use longhaul_core::action::{Action, ActionResult};
use longhaul_core::commands::Ran;
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::grant::Capability;
use longhaul_core::id::{Name, TaskId};
use longhaul_core::spend::Spent;
use longhaul_core::units::{Bytes, Timestamp};
use serde::Serialize;
use std::collections::HashMap;

/// Operations that change files.
const WRITES: [&str; 9] =
    ["write", "truncate", "remove", "remove-folder", "make-folder", "rename", "symlink", "link", "commit"];

/// A thing that was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deed {
    /// Where it stands in the record.
    pub position: u64,
    /// When.
    pub at: Timestamp,
    /// By whose task.
    pub task: Option<TaskId>,
    /// By which attempt at it.
    pub attempt: Option<u32>,
    /// By which agent, where the record says it.
    pub agent: Option<Name>,
    /// The capability that was used.
    pub capability: Capability,
    /// What was done with it.
    pub operation: String,
    /// What it was done to.
    pub resource: String,
    /// More about it, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Calls that it stands for.
    pub calls: u64,
    /// Bytes that went through.
    pub bytes: Bytes,
    /// What it took of the budget.
    #[serde(skip_serializing_if = "Spent::is_nothing")]
    pub spent: Spent,
    /// Names of secrets that were filled in, never their values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// How a command was kept apart: each dimension, with what does it, or `NOT APART`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub isolation: Vec<String>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// As asked.
    Ok {
        /// How a command ended; empty for anything else.
        #[serde(skip_serializing_if = "String::is_empty")]
        status: String,
    },
    /// The grant refused it.
    Denied {
        /// Why.
        reason: String,
        /// The line that would grant it; empty where nothing would.
        grant: String,
    },
    /// It went wrong.
    Failed {
        /// How.
        error: String,
    },
}

impl Deed {
    /// Whether it changed files, or tried to.
    pub fn is_write(&self) -> bool {
        self.capability == Capability::Fs
            && (WRITES.contains(&self.operation.as_str())
                || self.operation == "open" && ["create", "truncate"].iter().any(|flag| self.detail.contains(flag)))
    }

    /// The host that it went to; none for what goes to none.
    pub fn host(&self) -> Option<&str> {
        let rest = match self.capability {
            Capability::Http => self.resource.split_once("://")?.1,
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let named = authority.rsplit('@').next()?;
        Some(match named.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => named,
        })
    }
}

/// Makes deeds of records. It has to see the beginnings of attempts to know who did them.
#[derive(Debug, Default)]
pub struct Deeds {
    agents: HashMap<(TaskId, u32), Name>,
}

impl Deeds {
    /// What a record says was done.
    pub fn of(&mut self, position: Position, record: &Record) -> Vec<Deed> {
        match &record.entry {
            Entry::AttemptStarted { agent, .. } => {
                if let (Some(task), Some(attempt)) = (&record.task, record.attempt) {
                    self.agents.insert((task.clone(), attempt), agent.clone());
                }
                Vec::new()
            }
            Entry::Action(action) => vec![self.action(position, record, action)],
            Entry::Committed { changes, .. } => changes
                .iter()
                .map(|change| Deed {
                    operation: "commit".to_owned(),
                    resource: change.path.to_string(),
                    detail: serde_json::to_value(change.change)
                        .ok()
                        .and_then(|text| Some(text.as_str()?.to_owned()))
                        .unwrap_or_default(),
                    ..self.blank(position, record)
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    fn action(&self, position: Position, record: &Record, action: &Action) -> Deed {
        let ran = action.exchange.as_ref().filter(|_| action.capability == Capability::Exec);
        let ran = ran.and_then(|exchange| Ran::read(&exchange.answer).ok());
        let outcome = match &action.result {
            ActionResult::Ok => {
                Outcome::Ok { status: ran.as_ref().map_or_else(String::new, |ran| ran.status.to_string()) }
            }
            ActionResult::Denied { reason, grant } => Outcome::Denied { reason: reason.clone(), grant: grant.clone() },
            ActionResult::Failed { error } => Outcome::Failed { error: error.clone() },
        };
        let isolation = ran.iter().flat_map(|ran| &ran.isolation).map(|reached| match reached.stands() {
            true => format!("{}: {}", reached.dimension, reached.mechanism()),
            false => format!("{}: NOT APART", reached.dimension),
        });
        Deed {
            capability: action.capability,
            operation: action.operation.clone().into_owned(),
            resource: action.resource.clone(),
            detail: action.detail.clone(),
            outcome,
            calls: action.calls,
            bytes: action.bytes,
            spent: action.exchange.as_ref().map(|exchange| exchange.spent).unwrap_or_default(),
            secrets: action.exchange.as_ref().map(|exchange| secrets(&exchange.asked)).unwrap_or_default(),
            isolation: isolation.collect(),
            ..self.blank(position, record)
        }
    }

    fn blank(&self, position: Position, record: &Record) -> Deed {
        let who = record.task.clone().zip(record.attempt);
        Deed {
            position: position.0,
            at: record.at,
            task: record.task.clone(),
            attempt: record.attempt,
            agent: who.and_then(|who| self.agents.get(&who).cloned()),
            capability: Capability::Fs,
            operation: String::new(),
            resource: String::new(),
            detail: String::new(),
            outcome: Outcome::Ok { status: String::new() },
            calls: 1,
            bytes: Bytes(0),
            spent: Spent::default(),
            secrets: Vec::new(),
            isolation: Vec::new(),
        }
    }
}

/// The names in `${secret:NAME}`.
fn secrets(asked: &str) -> Vec<String> {
    let mut names: Vec<String> =
        asked.split("${secret:").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0.to_owned())).collect();
    names.sort_unstable();
    names.dedup();
    names
}
