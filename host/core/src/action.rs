//! One host call made by a plugin: what it asked, what it got, what it cost.

use crate::digest::Digest;
use crate::grant::{Capability, Denial};
use crate::spend::Spent;
use crate::units::{Bytes, Tokens};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum ActionResult {
    /// As asked.
    Ok,
    /// Refused by the grant.
    Denied {
        /// Why, in one sentence.
        reason: String,
        /// The line that would grant it; empty where nothing would.
        grant: String,
    },
    /// It went wrong.
    Failed {
        /// How, in a few words.
        error: String,
    },
}

impl From<&Denial> for ActionResult {
    fn from(denial: &Denial) -> Self {
        ActionResult::Denied { reason: denial.reason.clone(), grant: denial.grant.clone() }
    }
}

/// A host call. Consecutive reads or writes on one handle are one action with their number, bytes and digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Its place in its attempt, from 0 on without gaps.
    pub number: u64,
    /// The capability used.
    pub capability: Capability,
    /// What was done with it: `open`, `read`, `rename`, `chat` …
    pub operation: Cow<'static, str>,
    /// What it was done to: a path, a host, a command. Canonical where that is known, else as the guest wrote it.
    pub resource: String,
    /// Flags, second paths and other details in words; empty where there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Calls that this action stands for.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub calls: u64,
    /// Bytes that went through.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: Bytes,
    /// The digest of those bytes, in the order they went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What was asked of somebody outside, and what came back; none for what stays within the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Box<Exchange>>,
    /// How it ended.
    #[serde(flatten)]
    pub result: ActionResult,
}

/// A question to somebody outside with its answer, from which a replay answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The digest of all that was sent.
    pub request: Digest,
    /// What was asked, where the service says it in words; what an earlier exchange of the attempt has already is not said again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub asked: String,
    /// What the guest was told, in the words of the service.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answer: String,
    /// How full the context of the model was that answered, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextFill>,
    /// What it took of the run's budget.
    #[serde(default, skip_serializing_if = "Spent::is_nothing")]
    pub spent: Spent,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub took: Duration,
}

impl Exchange {
    /// One that cost nothing.
    pub fn answered(request: Digest, answer: String) -> Self {
        Self { request, asked: String::new(), answer, context: None, spent: Spent::default(), took: Duration::ZERO }
    }
}

/// How full a model's context is: what an agent has to know to sum up in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextFill {
    /// Tokens that the last call filled, its answer included.
    pub used: Tokens,
    /// Tokens that there is room for.
    pub window: Tokens,
}

impl Action {
    /// Whether the grant refused it.
    pub fn is_denied(&self) -> bool {
        matches!(self.result, ActionResult::Denied { .. })
    }
}

fn one() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_one(calls: &u64) -> bool {
    *calls == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(bytes: &Bytes) -> bool {
    bytes.0 == 0
}
