//! What is told of a strategy that was tried on past incidents.

use crate::terminal::one_line;
use longhaul_core::id::{Name, RunId};
use longhaul_core::incident::{Decision, Incident};
use longhaul_engine::PastIncident;
use longhaul_sandbox::Inspection;
use serde_json::{Value, json};

/// How much of a message is shown; JSON has all of it.
const MESSAGE: usize = 200;

/// All that is told.
pub(super) struct Told<'a> {
    strategy: &'a Inspection,
    runs: usize,
    /// The incidents, in order.
    pub(super) rows: Vec<Row>,
}

/// An incident, what was decided about it and what would be now.
pub(super) struct Row {
    run: RunId,
    incident: Incident,
    then: Option<(Name, Decision)>,
    now: Now,
}

/// What the strategy says now.
pub(super) enum Now {
    /// This, and it could have been carried out.
    Decided(Decision),
    /// Nothing: the next one of the chain is asked.
    Left,
    /// An answer that could not be carried out, or none at all, for this reason.
    Refused(Option<Decision>, String),
}

impl Row {
    pub(super) fn new(run: RunId, incident: &PastIncident, now: Now) -> Self {
        let then = incident.decided().map(|(name, decision)| (name.clone(), decision.clone()));
        Self { run, incident: incident.incident.clone(), then, now }
    }

    /// Whether the strategy decides what was decided.
    fn is_as_then(&self) -> bool {
        matches!((&self.then, &self.now), (Some((_, then)), Now::Decided(now)) if then == now)
    }

    fn text(&self) -> String {
        let Incident { attempt, problem, .. } = &self.incident;
        let shown = |decision: &Decision| one_line(&decision.to_string(), MESSAGE);
        let then = match &self.then {
            Some((strategy, decision)) => format!("{strategy}: {}", shown(decision)),
            None => "nobody knew what to do".to_owned(),
        };
        let now = match &self.now {
            Now::Decided(decision) if self.is_as_then() => format!("the same: {}", shown(decision)),
            Now::Decided(decision) => shown(decision),
            Now::Left => "leaves it to the next".to_owned(),
            Now::Refused(Some(decision), why) => {
                format!("{}; cannot be carried out: {}", shown(decision), one_line(why, MESSAGE))
            }
            Now::Refused(None, why) => format!("does not answer: {}", one_line(why, MESSAGE)),
        };
        let message = one_line(&problem.message, MESSAGE);
        format!("{} {attempt} {}: {message}\n    then  {then}\n    now   {now}\n", self.run, problem.class)
    }

    fn json(&self) -> Value {
        let (decision, error) = match &self.now {
            Now::Decided(decision) => (Some(decision), None),
            Now::Left => (None, None),
            Now::Refused(decision, why) => (decision.as_ref(), Some(why)),
        };
        json!({
            "run": self.run,
            "attempt": self.incident.attempt,
            "agent": self.incident.agent,
            "problem": self.incident.problem,
            "then": self.then.as_ref().map(|(strategy, decision)| json!({ "strategy": strategy, "decision": decision })),
            "now": { "decision": decision, "error": error },
            "same": self.is_as_then(),
        })
    }
}

impl<'a> Told<'a> {
    pub(super) fn new(strategy: &'a Inspection, runs: usize) -> Self {
        Self { strategy, runs, rows: Vec::new() }
    }

    fn count(&self, wanted: impl Fn(&Now) -> bool) -> usize {
        self.rows.iter().filter(|row| wanted(&row.now)).count()
    }

    fn counts(&self) -> [usize; 4] {
        [
            self.count(|now| matches!(now, Now::Decided(_))),
            self.rows.iter().filter(|row| row.is_as_then()).count(),
            self.count(|now| matches!(now, Now::Left)),
            self.count(|now| matches!(now, Now::Refused(..))),
        ]
    }

    pub(super) fn text(&self) -> String {
        let [decided, same, left, refused] = self.counts();
        let mut text: String = self.rows.iter().map(Row::text).collect();
        text.push_str(&format!(
            "incidents {} · runs {} · decided {decided}, as then {same} · left to the next {left} · \
             cannot be carried out {refused}\n",
            self.rows.len(),
            self.runs
        ));
        text
    }

    pub(super) fn json(&self) -> Value {
        let [decided, same, left, refused] = self.counts();
        let manifest = &self.strategy.manifest;
        let rows: Vec<_> = self.rows.iter().map(Row::json).collect();
        json!({
            "strategy": { "name": manifest.name, "version": manifest.version, "digest": self.strategy.digest },
            "runs": self.runs,
            "incidents": rows,
            "counts": {
                "incidents": self.rows.len(), "decided": decided, "same": same, "left": left, "refused": refused,
            },
        })
    }
}
