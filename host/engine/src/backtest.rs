//! Past incidents, as a strategy would see them: what a strategy would decide can be tried on recorded runs.
//!
//! A [`Backtest`] is read from the record alone and changes nothing. Of each incident it knows what the engine knew when it
//! asked the task's chain, and makes the same situation of it by the same code; what a strategy answers now is checked as
//! the engine would have checked it then.
//!
//! One thing the record does not tell: a task that committed at the very moment of an incident may have been seen by
//! the chain as not committed yet. The newest checkpoint is then that commit.

use crate::engine::run_facts;
use crate::history::{History, HistoryError};
use crate::ports::Records;
use crate::recovery::{Asker, Case, Remedies};
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::id::{Name, RunId, TaskId};
use longhaul_core::incident::{Decision, Incident, Past, Situation};
use longhaul_core::workflow::expr::{EvaluationError, Scope};
use longhaul_core::workflow::model::{TaskSpec, Workflow};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// The incidents of one recorded run.
#[derive(Debug, Clone)]
pub struct Backtest {
    /// All that is known of the run.
    pub history: History,
    /// Its incidents, oldest first.
    pub incidents: Vec<PastIncident>,
}

/// A recorded incident.
#[derive(Debug, Clone)]
pub struct PastIncident {
    /// What happened.
    pub incident: Incident,
    /// What the strategies of the task's chain answered, in turn.
    pub answers: Vec<Answer>,
    history: Vec<Past>,
    tries: u32,
    checkpoint: Digest,
    older: Vec<(u32, Digest)>,
    went_back: u32,
}

/// What a strategy answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The strategy.
    pub strategy: Name,
    /// What it decided; none where it left it to the next.
    pub decision: Option<Decision>,
    /// Why that counted for nothing, where it did.
    pub error: Option<String>,
}

impl Backtest {
    /// Reads the incidents of `run`.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn read(records: &dyn Records, run: &RunId) -> Result<Self, HistoryError> {
        let mut incidents: Vec<PastIncident> = Vec::new();
        // The newest incident of each task.
        let mut open: HashMap<TaskId, usize> = HashMap::new();
        let history = History::follow(records, run, |history, Record { task, entry, .. }| match entry {
            Entry::IncidentRaised { incident } => {
                let Some(known) = history.tasks.get(&incident.attempt.task) else { return };
                open.insert(incident.attempt.task.clone(), incidents.len());
                incidents.push(PastIncident {
                    incident: incident.clone(),
                    answers: Vec::new(),
                    history: known.past.clone(),
                    tries: known.tries.saturating_add(1),
                    checkpoint: history.version,
                    went_back: history.went_back,
                    older: history.kept().iter().rev().map(|kept| (kept.number, kept.version)).collect(),
                });
            }
            Entry::Decided { strategy, decision, error, .. } => {
                let newest = task.as_ref().and_then(|task| open.get(task)).and_then(|at| incidents.get_mut(*at));
                if let Some(newest) = newest {
                    let (strategy, decision, error) = (strategy.clone(), decision.clone(), error.clone());
                    newest.answers.push(Answer { strategy, decision, error });
                }
            }
            _ => {}
        })?;
        Ok(Self { history, incidents })
    }

    /// What `strategy` would see of an incident of this run, with this configuration.
    pub fn situation(&self, incident: &PastIncident, workflow: &Workflow, strategy: &Name, config: Value) -> Situation {
        let asker = Asker { run: &self.history.run, seed: self.history.seed, strategy };
        incident.case(workflow).situation(asker, workflow.agents.keys(), config)
    }

    /// The configuration that the run's workflow gives to `strategy`; none where it has no such strategy.
    ///
    /// # Errors
    /// [`EvaluationError`], as the run would have ended with.
    pub fn config(&self, workflow: &Workflow, strategy: &Name) -> Result<Option<Value>, EvaluationError> {
        let History { run, inputs, started, .. } = &self.history;
        let facts = run_facts(run, workflow, *started);
        let scope = Scope { inputs, tasks: &BTreeMap::new(), item: None, run: &facts };
        workflow.strategies.get(strategy).map(|spec| spec.config.evaluate(&scope)).transpose()
    }
}

impl PastIncident {
    /// What was decided, and by whom; none where no strategy of the chain knew what to do.
    pub fn decided(&self) -> Option<(&Name, &Decision)> {
        let heeded = self.answers.iter().rev().filter(|answer| answer.error.is_none());
        heeded.filter_map(|answer| Some((&answer.strategy, answer.decision.as_ref()?))).next()
    }

    /// Whether `decision` could have been carried out.
    ///
    /// # Errors
    /// Why it could not, as the engine would have recorded it.
    pub fn check(&self, workflow: &Workflow, decision: &Decision) -> Result<(), String> {
        self.case(workflow).verdict(decision, &workflow.agents, &workflow.checks).map(drop)
    }

    /// The task of the workflow that it happened to.
    pub fn task<'w>(&self, workflow: &'w Workflow) -> Option<&'w TaskSpec> {
        let name = self.incident.attempt.task.name();
        workflow.tasks.iter().find(|(task, _)| task.as_str() == name).map(|(_, spec)| spec)
    }

    fn case(&self, workflow: &Workflow) -> Case {
        let spec = self.task(workflow);
        Case {
            overdue: None,
            incident: self.incident.clone(),
            history: self.history.clone(),
            chain: Vec::new(),
            asked: Vec::new(),
            tries: self.tries,
            allowed: spec.map_or(0, |spec| spec.attempts),
            checkpoint: self.checkpoint,
            older: self.older.clone(),
            went_back: self.went_back,
            remedies: Remedies::of(&self.incident.attempt.task, spec),
        }
    }
}
