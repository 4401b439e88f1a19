//! Failed attempts, classified, and what can be decided about them.

use crate::id::{AttemptId, Name};
use crate::units::{Timestamp, show_duration};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// What kind of incident it is. Strategies choose by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentClass {
    /// Something outside failed and may work later.
    Transient,
    /// A service asked to slow down.
    RateLimited,
    /// Wall time ran out.
    Timeout,
    /// Two tasks changed the same thing.
    Conflict,
    /// The work was done and is not good enough.
    Validation,
    /// A grant is missing.
    Denied,
    /// Fuel, memory, handles, bytes or a budget ran out.
    Exhausted,
    /// The host died between an effect and the record of its outcome.
    UnknownOutcome,
    /// A replayed instance asked for something else than before.
    Diverged,
    /// The component trapped or panicked.
    Trap,
    /// A wait that nothing can end.
    Deadlock,
    /// Trying again changes nothing.
    Fatal,
}

impl IncidentClass {
    /// Its name in records and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            IncidentClass::Transient => "transient",
            IncidentClass::RateLimited => "rate-limited",
            IncidentClass::Timeout => "timeout",
            IncidentClass::Conflict => "conflict",
            IncidentClass::Validation => "validation",
            IncidentClass::Denied => "denied",
            IncidentClass::Exhausted => "exhausted",
            IncidentClass::UnknownOutcome => "unknown-outcome",
            IncidentClass::Diverged => "diverged",
            IncidentClass::Trap => "trap",
            IncidentClass::Deadlock => "deadlock",
            IncidentClass::Fatal => "fatal",
        }
    }
}

impl fmt::Display for IncidentClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong in an attempt, before it is placed in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind it is.
    pub class: IncidentClass,
    /// One sentence for a person: what failed, on what, what to do.
    pub message: String,
    /// What is known about it, a JSON object.
    #[serde(default)]
    pub evidence: serde_json::Value,
    /// How long the service asked to wait, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "millis")]
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// A problem without evidence.
    pub fn new(class: IncidentClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), evidence: serde_json::json!({}), retry_after: None }
    }

    /// The same with evidence.
    #[must_use]
    pub fn with_evidence(mut self, evidence: serde_json::Value) -> Self {
        self.evidence = evidence;
        self
    }
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The attempt that failed.
    pub attempt: AttemptId,
    /// The agent that worked on it.
    pub agent: Name,
    /// What went wrong.
    pub problem: Problem,
    /// When.
    pub at: Timestamp,
}

/// What the host shall do about an incident. This set is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "decision")]
pub enum Decision {
    /// Try again after this long.
    Retry {
        /// The wait.
        #[serde(with = "whole_millis")]
        after: Duration,
    },
    /// Go back to a checkpoint and try again from there.
    Rollback {
        /// The checkpoint; the newest where none is given.
        to: Option<String>,
        /// The agent that has to accept the new attempt's work before it is committed.
        validate: Option<Name>,
    },
    /// Let another agent try.
    Reassign {
        /// That agent.
        agent: Name,
    },
    /// Plan the task anew in smaller pieces.
    Split,
    /// Leave the task out.
    Skip {
        /// Why.
        reason: String,
    },
    /// Run the workflow's compensation.
    Compensate,
    /// Stop safely and tell a person.
    Escalate {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for Decision {
    /// The decision in words. What a strategy made up stands there as it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Decision::Retry { after } => write!(f, "try again after {}", show_duration(*after)),
            Decision::Rollback { to, validate } => {
                match to {
                    // A digest, unless the strategy made something up.
                    Some(to) => write!(f, "roll back to checkpoint {to:.12} and try again")?,
                    None => f.write_str("roll back to the newest version and try again")?,
                }
                validate.iter().try_for_each(|agent| write!(f, ", validated by {agent}"))
            }
            Decision::Reassign { agent } => write!(f, "let {agent} try"),
            Decision::Split => f.write_str("plan it anew in smaller pieces"),
            Decision::Skip { reason } => write!(f, "leave it out: {reason}"),
            Decision::Compensate => f.write_str("compensate"),
            Decision::Escalate { reason } => write!(f, "stop safely and tell a person: {reason}"),
        }
    }
}

/// An earlier incident of a task, with what was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// What happened.
    pub incident: Incident,
    /// The strategy that decided.
    pub strategy: Name,
    /// What it decided.
    pub decision: Decision,
}

/// All that a strategy sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Situation {
    /// What happened now.
    pub incident: Incident,
    /// What happened to the same task before, oldest first.
    pub history: Vec<Past>,
    /// Checkpoints that can be gone back to, newest first.
    pub checkpoints: Vec<String>,
    /// Agents that could take the task over.
    pub agents: Vec<Name>,
    /// A random number, the same whenever this situation is replayed.
    pub random: u64,
    /// The strategy's configuration, a JSON object.
    pub config: serde_json::Value,
}

mod whole_millis {
    //! A span of time as whole milliseconds.
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(span: &Duration, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        u64::deserialize(d).map(Duration::from_millis)
    }
}

mod millis {
    //! An optional span of time as whole milliseconds.
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(span: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => super::whole_millis::serialize(span, s),
            None => s.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(d)?.map(Duration::from_millis))
    }
}
