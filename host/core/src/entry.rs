//! What a run's journal holds: one entry for every action, transition and decision.
//!
//! The journal alone rebuilds all other state, so an entry says everything that its reader needs. These are the runtime
//! types; how they are stored, and in which versions, is the store's business.

pub use crate::change::{Change, ChangeKind};

use crate::action::{Action, ActionResult};
use crate::attachment::Captured;
use crate::attempt::{Limits, LogLevel, Outcome, Usage, Wait};
use crate::counts::TaskCounts;
use crate::digest::Digest;
use crate::effect::Intent;
use crate::grant::{Party, Permissions};
use crate::hook::HookEvent;
use crate::id::{AttemptId, Name, RunId, TaskId};
use crate::incident::{Decision, Incident, Problem};
use crate::manifest::PluginKind;
use crate::outbox::Outbox;
use crate::people::Answer;
use crate::state::{RunState, TaskState};
use crate::units::{Bytes, Fuel, Money, Timestamp, Tokens};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A position in a run's journal, from 0 on without gaps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

/// One line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When it happened.
    pub at: Timestamp,
    /// The task it belongs to; none for the run itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// The attempt it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// What happened.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Entry {
    /// A run begins.
    RunStarted {
        /// Its id.
        run: RunId,
        /// The workflow's name.
        workflow: String,
        /// The workflow file's name, as it was given.
        file: String,
        /// The workflow file as it was read, so that the run can be understood, and resumed, without it.
        source: String,
        /// The workspace version it begins with.
        base: Digest,
        /// The host's version.
        host: String,
        /// How the guests are kept apart on this machine, in words, for example `landlock`.
        isolation: Vec<String>,
        /// The inputs, complete.
        inputs: serde_json::Map<String, serde_json::Value>,
        /// What the operator allows; none where there is no policy.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<Permissions>,
        /// What all randomness of the run derives from.
        seed: u64,
        /// Whether the result is put into the user's folder when the run is done.
        apply: bool,
        /// How many checkpoints are kept.
        keep: u32,
        /// What answers for models of the workflow's own, by their names: the files as they were read.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        scripts: BTreeMap<String, String>,
    },
    /// The run goes on after a pause or a crash.
    RunResumed {
        /// The host's version.
        host: String,
        /// How the guests are kept apart now.
        isolation: Vec<String>,
        /// What the run may use up from now on, where that was changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        budget: Option<Budget>,
        /// How long the run was under way before, as far as the record says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worked: Option<Duration>,
    },
    /// Everything up to here was copied from another run, which goes on by itself, if at all.
    Forked {
        /// That run.
        from: RunId,
        /// The checkpoint that it was copied at.
        checkpoint: u32,
    },
    /// A plugin takes part.
    PluginUsed {
        /// Its name in the workflow.
        name: Name,
        /// What kind it is.
        plugin: PluginKind,
        /// The digest of its component.
        digest: Digest,
        /// Its version, as its manifest says.
        version: String,
    },
    /// A task was planned: by the workflow, by expansion of a `for_each`, or by another task.
    TaskPlanned {
        /// Tasks that have to end first.
        needs: Vec<TaskId>,
        /// The agent.
        agent: Name,
        /// Others that may do it as well.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        or: Vec<Name>,
    },
    /// A task went from one state to another.
    TaskChanged {
        /// The state before.
        from: TaskState,
        /// The state now.
        to: TaskState,
    },
    /// An attempt begins.
    AttemptStarted {
        /// The agent that works on it.
        agent: Name,
        /// The digest of its component.
        plugin: Digest,
        /// The input, evaluated.
        input: serde_json::Value,
        /// The workspace version it starts from.
        base: Digest,
        /// What it may do, by party.
        grant: Vec<(Party, Permissions)>,
        /// What bounds it.
        limits: Limits,
        /// The hash of what it does, by which equal work is found: component, configuration, input, grant, limits. None where nobody may
        /// reuse it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        work: Option<Digest>,
        /// The attempt whose work it judges, where that is what it is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        judges: Option<u32>,
    },
    /// What the task is given beside its input is captured, for this attempt and all later ones.
    Captured(Captured),
    /// A host call of the guest that changes something outside is about to be made. Its outcome is the action of this number.
    Intended(Intent),
    /// Content that the host call of this number, whose action comes next, needs when the attempt is done again.
    Kept {
        /// The number of the action.
        number: u64,
        /// The tree of content.
        tree: Digest,
    },
    /// A host call of the guest.
    Action(Action),
    /// A log line of the guest.
    Log {
        /// How much it matters.
        level: LogLevel,
        /// What it says.
        message: String,
    },
    /// How far an attempt is.
    Progress {
        /// Done so far.
        done: u64,
        /// Of how much.
        total: Option<u64>,
        /// One short line.
        note: String,
    },
    /// A task takes the output of an attempt that did the same, and has no attempt of its own.
    Reused {
        /// That attempt.
        from: AttemptId,
        /// Its output.
        output: serde_json::Value,
    },
    /// An attempt waits, and its instance is gone meanwhile.
    AttemptSuspended {
        /// For this.
        #[serde(flatten)]
        wait: Wait,
    },
    /// What an attempt held back for others is part of the run now. Its files are not.
    Published(Outbox),
    /// A person answered, or nobody did in time.
    Answered {
        /// The question's number in the run.
        number: u32,
        /// The answer.
        answer: Answer,
    },
    /// For this long the run waited for people and for nothing else, or rested while one answered. That time does not count.
    Idled {
        /// How long.
        span: Duration,
    },
    /// An attempt ended.
    AttemptEnded {
        /// How.
        #[serde(with = "ending")]
        result: Result<Outcome, Problem>,
        /// What it used.
        usage: Usage,
    },
    /// An attempt's changes became part of the workspace.
    Committed {
        /// The version before.
        base: Digest,
        /// The version now.
        version: Digest,
        /// What changed.
        changes: Vec<Change>,
        /// What the attempt held back for others, and is part of the run now.
        #[serde(default, skip_serializing_if = "Outbox::is_empty")]
        published: Outbox,
    },
    /// The run can be gone back to here: to this version, with the tasks as they stand in the record.
    Checkpointed {
        /// Its number in the run, from 1 on.
        number: u32,
        /// The version.
        version: Digest,
        /// Why now.
        reason: CheckpointReason,
        /// Where the oldest checkpoint stands that is kept beside it; none where it is the only one. What memory was before that is not
        /// needed any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        oldest: Option<Position>,
    },
    /// The run went back to a checkpoint: to its version, and to how its tasks stood then. What was under way then begins anew.
    RolledBack {
        /// The checkpoint's number.
        number: u32,
        /// Where it stands in the record: memory goes back to there too. Records of before there was memory do not say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Position>,
        /// Its version.
        version: Digest,
        /// The agent that has to accept the next try of the task that this is for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        validate: Option<Name>,
        /// Tasks that stand differently now.
        tasks: Vec<(TaskId, TaskState)>,
        /// Tasks that are not there any more: they were planned since.
        gone: Vec<TaskId>,
        /// How many tasks are in which state now.
        counts: TaskCounts,
    },
    /// Checkpoints took more than they may, so that the oldest are kept no more.
    CheckpointsDropped {
        /// Those up to this number.
        through: u32,
    },
    /// An attempt failed.
    IncidentRaised {
        /// What went wrong, in a field of its own: it has an `at` and an `attempt` as the record itself has.
        incident: Incident,
    },
    /// A strategy of the chain was asked.
    Decided {
        /// The strategy.
        strategy: Name,
        /// What it decided; none where it left it to the next.
        decision: Option<Decision>,
        /// Why it could not answer, where it could not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// The number of the checkpoint that the whole run goes back to by it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checkpoint: Option<u32>,
    },
    /// The run went from one state to another.
    RunChanged {
        /// The state before.
        from: RunState,
        /// The state now.
        to: RunState,
        /// Why, for a person; empty where it goes without saying.
        reason: String,
    },
    /// A hook was told of an earlier entry.
    HookCalled {
        /// The hook.
        hook: Name,
        /// What that entry is for hooks.
        event: HookEvent,
        /// Where it stands.
        about: Position,
        /// How often the call was tried.
        tries: u32,
        /// What came of it, in a few words.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        answer: String,
        /// How it ended.
        #[serde(flatten)]
        result: ActionResult,
    },
    /// The result was put into the user's folder.
    Applied {
        /// The version applied.
        version: Digest,
        /// Files written or removed.
        files: u64,
    },
}

/// Why a checkpoint was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckpointReason {
    /// A task's work was committed.
    Commit,
    /// Some time had passed since the last one.
    Interval,
    /// An operator or an agent asked for it.
    Demand,
}

/// What a run may use up, all its resumptions together. When one part is used up the run stops cleanly and can be resumed
/// after raising it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Time that it is under way.
    pub wall_time: Duration,
    /// Computing of all attempts; none for no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<Fuel>,
    /// Tokens of language models, read and written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// What models cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<Money>,
    /// What the content of the state folder may take on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Bytes>,
}

impl Default for Budget {
    /// 7 h 30 min of wall time, nothing else limited.
    fn default() -> Self {
        Self { wall_time: Duration::from_secs(27_000), fuel: None, tokens: None, money: None, disk: None }
    }
}

mod ending {
    //! A result as `{"ok": …}` or `{"error": …}`.
    use super::{Outcome, Problem};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    enum Ref<'a> {
        Ok(&'a Outcome),
        Error(&'a Problem),
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Owned {
        Ok(Outcome),
        Error(Problem),
    }

    pub(super) fn serialize<S: Serializer>(result: &Result<Outcome, Problem>, s: S) -> Result<S::Ok, S::Error> {
        match result {
            Ok(outcome) => Ref::Ok(outcome),
            Err(problem) => Ref::Error(problem),
        }
        .serialize(s)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Result<Outcome, Problem>, D::Error> {
        Ok(match Owned::deserialize(d)? {
            Owned::Ok(outcome) => Ok(outcome),
            Owned::Error(problem) => Err(problem),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::Capability;

    #[test]
    fn an_entry_survives_its_text() {
        let record = Record {
            at: Timestamp(5),
            task: Some(TaskId::new("change[1]").unwrap()),
            attempt: Some(2),
            entry: Entry::Action(Action {
                number: 7,
                capability: Capability::Fs,
                operation: "read".into(),
                resource: "src/a.rs".into(),
                detail: String::new(),
                calls: 3,
                bytes: Bytes(10),
                digest: Some(Digest::of(b"x")),
                exchange: None,
                result: ActionResult::Denied { reason: "no".into(), grant: "fs".into() },
            }),
        };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        assert!(
            text.starts_with(r#"{"at":5,"task":"change[1]","attempt":2,"kind":"action","number":7,"capability":"fs""#),
            "{text}"
        );
    }

    #[test]
    fn an_incident_survives_its_text_and_no_key_is_there_twice() {
        let attempt = crate::id::AttemptId { task: TaskId::new("change[1]").unwrap(), number: 2 };
        let record = Record {
            at: Timestamp(5),
            task: Some(attempt.task.clone()),
            attempt: Some(attempt.number),
            entry: Entry::IncidentRaised {
                incident: Incident {
                    attempt,
                    agent: Name::new("codemod").unwrap(),
                    problem: Problem::new(crate::incident::IncidentClass::Trap, "boom"),
                    at: Timestamp(4),
                },
            },
        };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        assert_eq!(
            text,
            concat!(
                r#"{"at":5,"task":"change[1]","attempt":2,"kind":"incident-raised","incident":{"#,
                r#""attempt":{"task":"change[1]","number":2},"agent":"codemod","#,
                r#""problem":{"class":"trap","message":"boom","evidence":{}},"at":4}}"#
            )
        );
        // A value keeps the last of several equal keys, so it would be shorter than the text.
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value.to_string().len(), text.len());
    }

    #[test]
    fn an_ending_survives_its_text() {
        for result in [
            Ok(Outcome::Completed(serde_json::json!({"n": 1}))),
            Err(Problem::new(crate::incident::IncidentClass::Trap, "boom")),
        ] {
            let record = Record {
                at: Timestamp(5),
                task: None,
                attempt: None,
                entry: Entry::AttemptEnded { result, usage: Usage::default() },
            };
            let text = serde_json::to_string(&record).unwrap();
            assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        }
    }
}
