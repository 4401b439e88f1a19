//! What a host call means for the world outside, and what has to be durable before it: output commit.
//!
//! | class | examples | rule |
//! |---|---|---|
//! | local | files, log, progress | done again by a replay; recorded for the audit, without a flush |
//! | recorded | clocks, waits, what was received | the answer is recorded, without a flush of its own |
//! | query | model calls, HTTP GET | the answer is durable before anything that may depend on it leaves the host |
//! | effect | commands, HTTP POST | the intent is durable before, the outcome is recorded after, with an idempotency key |
//!
//! What leaves the host is a query, an effect, and a commit. Each of them first makes durable all that the attempt was answered
//! before; so outcome n and intent n + 1 share one flush, and a guest never waits for an answer of its own to be durable.
//! What stays within the record (messages, tasks, decisions) needs no flush: a record loses its tail or nothing.
//!
//! A service names the class of a call ([`Call`]) and does it through [`perform`]; everything else is done for it. A crash between
//! intent and outcome leaves the outcome unknown: an idempotent effect is done again with the same key, any other ends its
//! attempt with an [`UnknownOutcome`].

mod key;
mod past;
mod published;

pub use key::{IdempotencyKey, KeyScope};
pub use past::{EffectOutcome, MAX_LISTED, PastEffect, PastEffects};
pub use published::{PastPublications, Publication, Remains};

use crate::action::{Action, ActionResult, ContextFill, Exchange};
use crate::attempt::{AttemptEvent, RecordError, Recorder};
use crate::digest::Digest;
use crate::grant::Capability;
use crate::id::{AttemptId, RunId};
use crate::incident::{IncidentClass, Problem};
use crate::spend::Spent;
use crate::units::Bytes;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// The most bytes of an answer that is recorded. As JSON it can be six times as long, and an entry holds 64 MiB.
pub const MAX_ANSWER: usize = 8 << 20;

/// What a host call means for the world outside, the harmless first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectClass {
    /// It concerns the attempt alone.
    Local,
    /// It brings something in from outside the attempt, and sends nothing out.
    Recorded,
    /// It asks somebody outside, and changes nothing there.
    Query,
    /// It changes something outside.
    Effect,
}

impl EffectClass {
    /// The class of an operation. A service may treat a call of its own more strictly than this, and never less.
    pub fn of(capability: Capability, operation: &str) -> Self {
        match (capability, operation) {
            (Capability::Fs, _) => EffectClass::Local,
            (Capability::Clock | Capability::Human, _) => EffectClass::Recorded,
            (Capability::Context, "progress" | "attachments" | "read-attachment") => EffectClass::Local,
            (Capability::Context, _) => EffectClass::Recorded,
            // What is put there is buffered until the attempt commits or waits, and a replay buffers it again.
            (Capability::Memory, "set")
            | (Capability::Messages, "send" | "subscribe")
            | (Capability::Tasks, "spawn" | "cancel") => EffectClass::Local,
            (Capability::Memory | Capability::Messages | Capability::Tasks, _) => EffectClass::Recorded,
            (Capability::Model, _) | (Capability::Http, "get" | "head" | "options") => EffectClass::Query,
            (Capability::Http | Capability::Exec, _) => EffectClass::Effect,
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            EffectClass::Local => "local",
            EffectClass::Recorded => "recorded",
            EffectClass::Query => "query",
            EffectClass::Effect => "effect",
        }
    }
}

impl fmt::Display for EffectClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What kind of call leaves the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallKind {
    /// It only asks.
    Query,
    /// It changes something.
    Effect {
        /// Whether doing it twice with the same key is the same as doing it once.
        idempotent: bool,
        /// Which repetitions have the same key.
        scope: KeyScope,
    },
}

/// A host call that leaves the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its place among the attempt's actions.
    pub number: u64,
    /// The capability used.
    pub capability: Capability,
    /// What is done with it.
    pub operation: Cow<'static, str>,
    /// What it is done to.
    pub resource: String,
    /// Details in words; empty where there are none.
    pub detail: String,
    /// The digest of all that is sent, so that a replay which would send something else is found out.
    pub request: Digest,
    /// What kind of call it is.
    pub kind: CallKind,
}

impl Call {
    /// Its class: what its kind says, or what [`EffectClass::of`] says where that is stricter.
    pub fn class(&self) -> EffectClass {
        let said = match self.kind {
            CallKind::Query => EffectClass::Query,
            CallKind::Effect { .. } => EffectClass::Effect,
        };
        said.max(EffectClass::of(self.capability, &self.operation))
    }

    /// The key that its service is given.
    pub fn key(&self, run: &RunId, attempt: &AttemptId) -> IdempotencyKey {
        match &self.kind {
            CallKind::Effect { scope: KeyScope::Task(label), .. } => IdempotencyKey::of_task(run, &attempt.task, label),
            _ => IdempotencyKey::of_action(run, attempt, self.number),
        }
    }

    /// The intent to do it.
    pub fn intent(&self, run: &RunId, attempt: &AttemptId) -> Intent {
        Intent {
            number: self.number,
            capability: self.capability,
            operation: self.operation.clone(),
            resource: self.resource.clone(),
            detail: self.detail.clone(),
            request: self.request,
            key: self.key(run, attempt),
            idempotent: matches!(self.kind, CallKind::Effect { idempotent: true, .. }),
            repeats: 0,
        }
    }

    /// Whether `action` is one of this call.
    pub fn is_of(&self, action: &Action) -> bool {
        let request = action.exchange.as_ref().map(|exchange| exchange.request);
        (self.number, self.capability, Some(self.request)) == (action.number, action.capability, request)
            && (&self.operation, &self.resource) == (&action.operation, &action.resource)
    }

    /// The action that this call becomes with its answer. An answer longer than [`MAX_ANSWER`] is not kept, which makes
    /// the action a failed one: what was done is in the record all the same.
    pub fn answered(self, answered: Answered) -> Action {
        let Answered { result, asked, answer, bytes, digest, context, spent, took, kept: _ } = answered;
        let (result, answer) = match answer.len() {
            0..=MAX_ANSWER => (result, answer),
            length => {
                let error = format!("the answer has {length} bytes, more than the {MAX_ANSWER} (8 MiB) of a host call");
                (ActionResult::Failed { error }, String::new())
            }
        };
        Action {
            number: self.number,
            capability: self.capability,
            operation: self.operation,
            resource: self.resource,
            detail: self.detail,
            calls: 1,
            bytes,
            digest,
            exchange: Some(Box::new(Exchange { request: self.request, asked, answer, context, spent, took })),
            result,
        }
    }
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// How it ended.
    pub result: ActionResult,
    /// What was asked, in words, where the record shall have it; at most [`MAX_ANSWER`] bytes.
    pub asked: String,
    /// What the guest is to be told, in the words of the service: the same text comes back in a replay.
    pub answer: String,
    /// Bytes that went through.
    pub bytes: Bytes,
    /// Their digest, where they are kept elsewhere.
    pub digest: Option<Digest>,
    /// How full the context of the model is that answered: reported to the guest, and to its replays.
    pub context: Option<ContextFill>,
    /// What it took of the run's budget, also where it failed.
    pub spent: Spent,
    /// How long it took.
    pub took: Duration,
    /// The tree of content that a replay of the answer needs; none where it needs nothing but the answer.
    pub kept: Option<Digest>,
}

impl Answered {
    /// A call that went well.
    pub fn ok(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        Self { bytes: Bytes(answer.len() as u64), answer, ..Self::of(ActionResult::Ok) }
    }

    /// One that did not.
    pub fn failed(error: impl Into<String>) -> Self {
        Self::of(ActionResult::Failed { error: error.into() })
    }

    fn of(result: ActionResult) -> Self {
        Self {
            result,
            asked: String::new(),
            answer: String::new(),
            bytes: Bytes(0),
            digest: None,
            context: None,
            spent: Spent::default(),
            took: Duration::ZERO,
            kept: None,
        }
    }
}

/// An effect that is about to be done. In the record it stands before the effect, and is durable before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Its place among the attempt's actions: its outcome is the action with the same number.
    pub number: u64,
    /// The capability used.
    pub capability: Capability,
    /// What is done with it.
    pub operation: Cow<'static, str>,
    /// What it is done to.
    pub resource: String,
    /// Details in words; empty where there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The digest of all that is sent.
    pub request: Digest,
    /// What the service is given to recognise a repetition by.
    pub key: IdempotencyKey,
    /// Whether it may be done again with this key.
    pub idempotent: bool,
    /// How often it was done before, with an outcome that nobody knows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeats: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(repeats: &u32) -> bool {
    *repeats == 0
}

/// How a call begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It was done before: this is what came of it.
    Replayed(Box<Action>),
    /// It is to be done now; what it depends on is durable.
    Live(IdempotencyKey),
}

/// Does a call: takes its answer from the record, or has `act` do it once everything is durable that has to be.
///
/// Where this future is dropped before its end, the outcome of an effect is unknown.
///
/// # Errors
/// [`RecordError`]: then `act` was not called, or what it did is not recorded; the attempt ends either way.
pub async fn perform<F: Future<Output = Answered>>(
    recorder: &dyn Recorder,
    call: Call,
    act: impl FnOnce(IdempotencyKey) -> F,
) -> Result<Action, RecordError> {
    match recorder.begin(&call).await? {
        Begun::Replayed(action) => Ok(*action),
        Begun::Live(key) => {
            let answered = act(key).await;
            // Before the outcome, so that no record has the one without the other.
            if let Some(tree) = answered.kept {
                recorder.record(AttemptEvent::Kept { number: call.number, tree })?;
            }
            let action = call.answered(answered);
            recorder.record(AttemptEvent::Action(action.clone()))?;
            Ok(action)
        }
    }
}

/// An effect was begun before a crash, its outcome is not in the record, and it may not be done again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "attempt {attempt} was about to do `{} {}` on `{}` when it was cut off, and nobody knows whether it happened; \
     look there for the key {}, then resume",
    .intent.capability, .intent.operation, .intent.resource, .intent.key
)]
pub struct UnknownOutcome {
    /// The attempt.
    pub attempt: AttemptId,
    /// What it was about to do.
    pub intent: Intent,
}

impl From<UnknownOutcome> for Problem {
    fn from(unknown: UnknownOutcome) -> Self {
        let evidence = serde_json::json!({ "intent": unknown.intent });
        Problem::new(IncidentClass::UnknownOutcome, unknown.to_string()).with_evidence(evidence)
    }
}

#[cfg(test)]
mod tests;
