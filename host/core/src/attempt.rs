//! One try at a task by one instance of an agent: what goes in, what comes out, what is seen of it meanwhile.
//!
//! The engine starts attempts and the sandbox runs them; these types are all that they share.

use crate::action::Action;
use crate::clock::Clock;
use crate::digest::Digest;
use crate::effect::{Begun, Call, UnknownOutcome};
use crate::grant::Grant;
use crate::id::{AttemptId, Name, RunId, TaskId};
use crate::incident::{IncidentClass, Problem};
use crate::reach::Reach;
use crate::recall::Recall;
use crate::spend::Meter;
use crate::stage::Stage;
use crate::units::{Bytes, Fuel, Money, Timestamp, Tokens};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// The most table elements that a component can have: places for instances are made with room for as many.
pub const MAX_TABLE_ELEMENTS: u32 = 100_000;

/// What bounds an attempt. Each limit ends it with an incident of class `exhausted` or `timeout`, or makes a host call
/// fail; none of them can be raised by the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Computing, host calls included.
    pub fuel: Fuel,
    /// Linear memory of the whole component.
    pub memory: Bytes,
    /// Wall time of the attempt.
    pub time: Duration,
    /// How long the attempt may do nothing that is recorded, beside one host call under way, which has a limit of its own; none for no
    /// such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall: Option<Duration>,
    /// Wall time of one host call.
    pub call_time: Duration,
    /// Bytes that one host call may carry.
    pub call_bytes: Bytes,
    /// Open handles at a time.
    pub handles: u32,
    /// Table elements of the whole component; at most [`MAX_TABLE_ELEMENTS`].
    pub table_elements: u32,
    /// Bytes written to the stage.
    pub disk: Bytes,
    /// Files, folders and links made in the stage.
    pub files: u64,
    /// Bytes of log lines and of standard output and error that are kept.
    pub log: Bytes,
    /// Recorded events: actions, log lines, progress reports. Their texts may have 64 bytes each on average.
    pub events: u64,
}

impl Default for Limits {
    /// 50 G of fuel, 256 MiB of memory, 30 minutes, of which 10 without a sign of life, 30 seconds and 16 MiB a call, 1 024 handles, 100 000 table elements,
    /// 1 GiB and 100 000 files in the stage, 1 MiB of log, 1 000 000 recorded events.
    fn default() -> Self {
        Self {
            fuel: Fuel(50_000_000_000),
            memory: Bytes(256 << 20),
            time: Duration::from_secs(30 * 60),
            stall: Some(Duration::from_secs(10 * 60)),
            call_time: Duration::from_secs(30),
            call_bytes: Bytes(16 << 20),
            handles: 1_024,
            table_elements: MAX_TABLE_ELEMENTS,
            disk: Bytes(1 << 30),
            files: 100_000,
            log: Bytes(1 << 20),
            events: 1_000_000,
        }
    }
}

/// What an agent is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskInput {
    /// The run.
    pub run: RunId,
    /// The workflow's name.
    pub workflow: String,
    /// What the whole run is for; may be empty.
    pub objective: String,
    /// The attempt.
    pub attempt: AttemptId,
    /// The agent's name in the workflow.
    pub agent: Name,
    /// The task's `with`, evaluated.
    pub input: serde_json::Value,
    /// The agent's `config`.
    pub config: serde_json::Value,
    /// What the previous instance handed over by `continue-as-new`.
    pub state: Option<serde_json::Value>,
}

/// All that one attempt needs.
pub struct Job {
    /// What the agent is told.
    pub task: TaskInput,
    /// What bounds it.
    pub limits: Limits,
    /// What it may do.
    pub grant: Grant,
    /// Where it works.
    pub stage: Arc<dyn Stage>,
    /// Where its actions are recorded.
    pub recorder: Arc<dyn Recorder>,
    /// What time it is for the guest.
    pub clock: Arc<dyn Clock>,
    /// How its work is committed before its end.
    pub committer: Arc<dyn Committer>,
    /// Says when it has to end before its limits say so.
    pub recall: Arc<dyn Recall>,
    /// What it reaches beyond its files.
    pub reach: Reach,
    /// The model that its agent works with where it names none; none for the host's default.
    pub model: Option<String>,
    /// Told what models cost while it works.
    pub meter: Arc<dyn Meter>,
    /// When the attempt began. A replayed one began when the first did.
    pub began: Timestamp,
    /// Where the guest's random numbers come from.
    pub seed: Digest,
}

/// Commits what an attempt has done so far, in the middle of it.
pub trait Committer: Send + Sync {
    /// Makes it part of the workspace. The attempt goes on either way.
    ///
    /// # Errors
    /// [`NotCommitted`]: nothing of it is visible to others.
    fn commit(&self) -> Pin<Box<dyn Future<Output = Result<(), NotCommitted>> + Send + '_>>;
}

/// Why something was not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCommitted {
    /// It cannot be recorded, so the attempt ends.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// It does not go, for a reason that the guest is told.
    #[error("{0}")]
    Refused(String),
}

/// Commits nothing: for an attempt whose work is not its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct NeverCommits;

impl Committer for NeverCommits {
    fn commit(&self) -> Pin<Box<dyn Future<Output = Result<(), NotCommitted>> + Send + '_>> {
        let refused = NotCommitted::Refused("this attempt only looks at the work of another one".to_owned());
        Box::pin(std::future::ready(Err(refused)))
    }
}

/// What a guest does, as it does it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum AttemptEvent {
    /// A host call.
    Action(Action),
    /// A log line.
    Log {
        /// How much it matters.
        level: LogLevel,
        /// What it says.
        message: String,
    },
    /// How far the work is.
    Progress {
        /// Done so far.
        done: u64,
        /// Of how much, where that is known.
        total: Option<u64>,
        /// One short line.
        note: String,
    },
    /// Content that the action of this number needs when it is replayed.
    Kept {
        /// The action.
        number: u64,
        /// The tree of content.
        tree: Digest,
    },
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Every step.
    Trace,
    /// Detail for the plugin's author.
    Debug,
    /// What an operator wants to read.
    Info,
    /// Something is odd.
    Warn,
    /// Something failed.
    Error,
}

/// Takes what a guest does into the record.
///
/// While an attempt is replayed, the record holds what comes next already: events are compared with it instead of being
/// appended, and answers from outside are taken from it. Where it ends, the attempt goes live; the guest cannot tell.
pub trait Recorder: Send + Sync {
    /// Records an event. May block for a moment while the record catches up.
    ///
    /// Recording fails closed: after an error the action must not happen and the attempt ends.
    ///
    /// # Errors
    /// [`RecordError`].
    fn record(&self, event: AttemptEvent) -> Result<(), RecordError>;

    /// The number of the first action that is the guest's: before it come those that the host made to begin with.
    fn first(&self) -> u64 {
        0
    }

    /// The action that the record holds next, which has the answer to what the guest asks now; none when it is live.
    fn replayed(&self) -> Option<Action> {
        None
    }

    /// Tells that the guest is at work, where a host call becomes part of an action that is recorded later.
    fn alive(&self) {}

    /// Begins a call that leaves the host: gives the recorded answer, or comes back when everything is durable that has to be
    /// before the call may be made. Its outcome is then recorded as an action of the same number.
    ///
    /// # Errors
    /// [`RecordError`], and the call must not be made. A recorder that cannot make anything durable takes no such call.
    fn begin<'a>(&'a self, call: &'a Call) -> Pin<Box<dyn Future<Output = Result<Begun, RecordError>> + Send + 'a>> {
        let refused = RecordError::Lost(format!("`{} {}` leaves the host here", call.capability, call.operation));
        Box::pin(std::future::ready(Err(refused)))
    }
}

/// An event was not recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The record cannot be written.
    #[error("the record cannot be written: {0}")]
    Lost(String),
    /// A replayed guest does something else than before.
    #[error(transparent)]
    Diverged(#[from] Divergence),
    /// Nobody knows whether an effect has happened.
    #[error(transparent)]
    Unknown(#[from] Box<UnknownOutcome>),
}

/// A replay is not what was recorded, so nothing can be built on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the replay of attempt {attempt} is not what was recorded: expected {expected}, found {found}")]
pub struct Divergence {
    /// The attempt.
    pub attempt: AttemptId,
    /// What the record holds.
    pub expected: String,
    /// What came instead.
    pub found: String,
}

impl From<Divergence> for Problem {
    fn from(divergence: Divergence) -> Self {
        let evidence = serde_json::json!({ "expected": divergence.expected, "found": divergence.found });
        Problem::new(IncidentClass::Diverged, divergence.to_string()).with_evidence(evidence)
    }
}

/// How an attempt ended well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done, with its output, a JSON object.
    Completed(serde_json::Value),
    /// Not done: go on in a fresh instance with this state.
    ContinueAsNew(serde_json::Value),
}

/// What an attempt used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Computing.
    pub fuel: Fuel,
    /// The most linear memory it had at a time.
    pub memory: Bytes,
    /// Wall time.
    pub time: Duration,
    /// Actions it made.
    pub actions: u64,
    /// Actions that were refused.
    pub denials: u64,
    /// Actions that concern more than the attempt's files and clocks: what is sent, asked for, or asked outside.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub outside: u64,
    /// Tokens of language models, read and written.
    #[serde(default, skip_serializing_if = "is_none_of")]
    pub tokens: Tokens,
    /// What they cost.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub money: Money,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_none_of(tokens: &Tokens) -> bool {
    tokens.0 == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_nothing(money: &Money) -> bool {
    money.0 == 0
}

/// How an instance left off.
#[derive(Debug, Clone, PartialEq)]
pub enum Ran {
    /// The attempt is finished.
    Ended(AttemptReport),
    /// It waits. The instance is gone; another one is to be brought to the same place by replay when that has come.
    Suspended(Wait),
}

/// What a suspended attempt waits for: whichever of it comes first. One that waits for nothing waits for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// This time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The end of all of these children.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<TaskId>,
    /// A message.
    #[serde(default, skip_serializing_if = "is_not")]
    pub message: bool,
    /// The answer of a person to this question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_not(flag: &bool) -> bool {
    !flag
}

impl Wait {
    /// For a time.
    pub fn until(time: Timestamp) -> Self {
        Self { until: Some(time), ..Self::default() }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let things = match self.children.as_slice() {
            [] if self.message => "for a message".to_owned(),
            [] => self.question.map(|number| format!("for an answer to question {number}")).unwrap_or_default(),
            [one] => format!("for its child `{one}`"),
            many => format!("for {} children", many.len()),
        };
        match (things.as_str(), self.until) {
            ("", None) => f.write_str("for something that cannot come"),
            ("", Some(time)) => write!(f, "until {time}"),
            (things, None) => f.write_str(things),
            (things, Some(time)) => write!(f, "{things}, until {time} at most"),
        }
    }
}

impl Ran {
    /// The finished attempt; none where it is not finished.
    pub fn ended(self) -> Option<AttemptReport> {
        match self {
            Ran::Ended(report) => Some(report),
            Ran::Suspended(_) => None,
        }
    }
}

/// A finished attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptReport {
    /// How it ended.
    pub result: Result<Outcome, Problem>,
    /// What it used.
    pub usage: Usage,
}
