//! What an attempt did outside: what no rollback takes back. It is part of the evidence of the attempt's incident.
//!
//! `evidence.effects` is a list of [`PastEffect`], oldest first: the first ones and the newest, [`MAX_LISTED`] at most.
//! `evidence.effects_omitted` counts those between them. Both are absent where the attempt did nothing outside. [`PastEffects::of`] reads them back.

use super::{IdempotencyKey, Intent};
use crate::action::{Action, ActionResult};
use crate::entry::Entry;
use crate::grant::Capability;
use crate::incident::Problem;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The most effects that an incident lists. All of them are in the record.
pub const MAX_LISTED: usize = 50;
/// The most characters of a text in that list.
const SHOWN: usize = 200;

/// An effect that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastEffect {
    /// The attempt that did it; one that judged its work may be another one than the incident's.
    pub attempt: u32,
    /// The number of the action.
    pub number: u64,
    /// The capability used.
    pub capability: Capability,
    /// What was done with it.
    pub operation: Cow<'static, str>,
    /// What it was done to.
    pub resource: String,
    /// What the service was given to recognise it by.
    pub key: IdempotencyKey,
    /// Whether it may be done again with this key.
    pub idempotent: bool,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: EffectOutcome,
}

/// What came of an effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum EffectOutcome {
    /// It happened.
    Done,
    /// Its service says that it did not go well. Something may have happened all the same.
    Failed {
        /// How, in a few words.
        error: String,
    },
    /// Nobody knows whether it happened.
    Unknown,
}

/// The effects of an attempt, gathered from its entries as they come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PastEffects {
    /// The first of them and the newest, oldest first: only of the newest the outcome can be unknown.
    pub listed: Vec<PastEffect>,
    /// How many more there were.
    pub omitted: u64,
}

impl PastEffects {
    /// Takes note of an entry of attempt `number`.
    pub fn note(&mut self, number: u32, entry: &Entry) {
        match entry {
            // Those that judge its work belong to the attempt that they judge.
            Entry::AttemptStarted { judges: None, .. } => *self = Self::default(),
            Entry::Intended(intent) => self.begun(number, intent),
            Entry::Action(action) if action.exchange.is_some() => self.ended(number, action),
            _ => {}
        }
    }

    fn begun(&mut self, attempt: u32, intent: &Intent) {
        if self.find(attempt, intent.number).is_some() {
            return;
        }
        if self.listed.len() == MAX_LISTED {
            self.listed.pop();
            self.omitted += 1;
        }
        self.listed.push(PastEffect {
            attempt,
            number: intent.number,
            capability: intent.capability,
            operation: intent.operation.clone(),
            resource: shown(&intent.resource),
            key: intent.key,
            idempotent: intent.idempotent,
            outcome: EffectOutcome::Unknown,
        });
    }

    fn ended(&mut self, attempt: u32, action: &Action) {
        if let Some(effect) = self.find(attempt, action.number) {
            effect.outcome = match &action.result {
                ActionResult::Ok => EffectOutcome::Done,
                ActionResult::Denied { reason: error, .. } | ActionResult::Failed { error } => {
                    EffectOutcome::Failed { error: shown(error) }
                }
            };
        }
    }

    /// The newest are the ones that are asked for.
    fn find(&mut self, attempt: u32, number: u64) -> Option<&mut PastEffect> {
        self.listed.iter_mut().rev().find(|effect| (effect.attempt, effect.number) == (attempt, number))
    }

    /// The problem with the effects as part of its evidence.
    #[must_use]
    pub fn listed_in(&self, problem: Problem) -> Problem {
        listed_in(problem, "effects", &self.listed, self.omitted)
    }

    /// The effects that `problem` lists.
    pub fn of(problem: &Problem) -> Self {
        let (listed, omitted) = of(problem, "effects");
        Self { listed, omitted }
    }
}

/// `problem` with a list as part of its evidence, where there is anything in it.
pub(super) fn listed_in<T: Serialize>(mut problem: Problem, name: &str, listed: &[T], omitted: u64) -> Problem {
    if listed.is_empty() {
        return problem;
    }
    if !problem.evidence.is_object() {
        let other = problem.evidence.take();
        let kept = (!other.is_null()).then(|| ("evidence".to_owned(), other));
        problem.evidence = Value::Object(Map::from_iter(kept));
    }
    if let (Some(evidence), Ok(listed)) = (problem.evidence.as_object_mut(), serde_json::to_value(listed)) {
        evidence.insert(name.to_owned(), listed);
        if omitted > 0 {
            evidence.insert(format!("{name}_omitted"), omitted.into());
        }
    }
    problem
}

/// A list of the evidence, and how many it leaves out.
pub(super) fn of<T: DeserializeOwned>(problem: &Problem, name: &str) -> (Vec<T>, u64) {
    let listed = problem.evidence.get(name).and_then(|listed| Vec::deserialize(listed).ok());
    let omitted = problem.evidence.get(format!("{name}_omitted")).and_then(Value::as_u64);
    (listed.unwrap_or_default(), omitted.unwrap_or(0))
}

pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
