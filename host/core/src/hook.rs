//! What is called when something happens in a run: a command or a web address, beside the run and without a say in it.
//!
//! A hook is told of entries of the record, in their order, at least once each: every call names the entry by its position and carries a
//! key, by which a repetition after a crash is recognised.

use crate::effect::IdempotencyKey;
use crate::entry::Entry;
use crate::grant::Grant;
use crate::id::Name;
use crate::reach::{BoxFuture, ServiceError};
use crate::state::{RunState, TaskState};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident => $name:literal,)*) => {
        /// What a hook can be told of.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum HookEvent {
            $($(#[$doc])* $variant,)*
        }

        impl HookEvent {
            /// All of them.
            pub const ALL: &[HookEvent] = &[$(HookEvent::$variant,)*];

            /// Its name in workflows and records.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(HookEvent::$variant => $name,)*
                }
            }
        }
    };
}

events! {
    /// The run has begun.
    RunStarted => "run-started",
    /// It goes on after a pause or a crash.
    RunResumed => "run-resumed",
    /// It is done, and its result is where it belongs.
    RunCompleted => "run-completed",
    /// It has failed.
    RunFailed => "run-failed",
    /// A person has to look.
    RunEscalated => "run-escalated",
    /// It stopped at a safe point.
    RunPaused => "run-paused",
    /// A budget is used up.
    RunExhausted => "run-exhausted",
    /// It was cancelled.
    RunCancelled => "run-cancelled",
    /// A task is being worked on.
    TaskStarted => "task-started",
    /// A task is done.
    TaskCompleted => "task-completed",
    /// A task was given up.
    TaskFailed => "task-failed",
    /// A task was left out.
    TaskSkipped => "task-skipped",
    /// A task was handed to a person.
    TaskEscalated => "task-escalated",
    /// An attempt failed.
    Incident => "incident",
    /// A checkpoint was made.
    Checkpoint => "checkpoint",
}

impl HookEvent {
    /// What an entry of the record is for hooks; none where it is nothing.
    pub fn of(entry: &Entry) -> Option<Self> {
        Some(match entry {
            Entry::RunStarted { .. } => HookEvent::RunStarted,
            Entry::RunResumed { .. } => HookEvent::RunResumed,
            Entry::RunChanged { to, .. } => match to {
                RunState::Completed => HookEvent::RunCompleted,
                RunState::Failed => HookEvent::RunFailed,
                RunState::Escalated => HookEvent::RunEscalated,
                RunState::Paused => HookEvent::RunPaused,
                RunState::Exhausted => HookEvent::RunExhausted,
                RunState::Cancelled => HookEvent::RunCancelled,
                RunState::Running | RunState::Applying => return None,
            },
            Entry::TaskChanged { from, to } => match to {
                // One that waited goes on, and has begun before.
                TaskState::Running if *from == TaskState::Pending => HookEvent::TaskStarted,
                TaskState::Completed => HookEvent::TaskCompleted,
                TaskState::Failed => HookEvent::TaskFailed,
                TaskState::Skipped => HookEvent::TaskSkipped,
                TaskState::Escalated => HookEvent::TaskEscalated,
                _ => return None,
            },
            Entry::IncidentRaised { .. } => HookEvent::Incident,
            Entry::Checkpointed { .. } => HookEvent::Checkpoint,
            _ => return None,
        })
    }
}

impl fmt::Display for HookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A hook of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookSpec {
    /// What it is told of.
    pub on: Vec<HookEvent>,
    /// What is called.
    pub target: HookTarget,
    /// How often one call is tried.
    pub attempts: u32,
    /// The wall time of one try.
    pub timeout: Duration,
}

/// What a hook calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookTarget {
    /// A command, which finds what happened on its standard input. It sees the run's files, and what it changes of them is dropped.
    Run(Vec<String>),
    /// A web address, to which what happened is posted.
    Post {
        /// The address.
        url: String,
        /// Header lines beside the usual ones; values may name secrets.
        headers: Vec<(String, String)>,
    },
}

impl HookTarget {
    /// It in a few words.
    pub fn what(&self) -> String {
        match self {
            HookTarget::Run(argv) => argv.join(" "),
            HookTarget::Post { url, .. } => format!("POST {url}"),
        }
    }
}

/// One call of a hook.
#[derive(Debug, Clone)]
pub struct HookCall {
    /// The hook.
    pub hook: Name,
    /// What is called.
    pub target: HookTarget,
    /// What hooks of this run may do: what the workflow gives, within what the operator allows.
    pub grant: Grant,
    /// What happened, a JSON object.
    pub body: String,
    /// The same for each repetition of this call, and no other call's.
    pub key: IdempotencyKey,
    /// The wall time that it may take.
    pub timeout: Duration,
    /// The version that a command sees.
    pub version: crate::digest::Digest,
}

/// Calls hooks.
pub trait Hooks: Send + Sync {
    /// Makes one call, once. Gives what came of it in a few words.
    ///
    /// # Errors
    /// [`ServiceError`] where it was not made or did not go well.
    fn call<'a>(&'a self, call: &'a HookCall) -> BoxFuture<'a, Result<String, ServiceError>>;
}

/// For a host that can call nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHooks;

impl Hooks for NoHooks {
    fn call<'a>(&'a self, _: &'a HookCall) -> BoxFuture<'a, Result<String, ServiceError>> {
        let reason = "this host has nothing to call hooks with".to_owned();
        Box::pin(std::future::ready(Err(ServiceError::Unavailable(reason))))
    }
}
