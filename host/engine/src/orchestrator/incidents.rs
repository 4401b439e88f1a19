//! Incidents: what went wrong with a try, and who is asked about it.

use super::dispatcher::Dispatcher;
use super::events::Event;
use crate::error::Halt;
use crate::recovery::{Case, Remedies, recover};
use longhaul_core::entry::Entry;
use longhaul_core::id::{AttemptId, Name, TaskId};
use longhaul_core::incident::{Incident, Problem};
use longhaul_core::state::TaskEvent;

impl Dispatcher {
    /// A try has failed: makes it an incident, and has it decided on.
    pub(super) fn fail(&mut self, task: &TaskId, attempt: AttemptId, problem: Problem) -> Result<(), Halt> {
        self.incidents += 1;
        let facts = self.book.facts(task)?;
        facts.failed(&problem);
        let incident = Incident { attempt, agent: facts.agent.clone(), problem, at: self.shared.ports.time.now() };
        tracing::warn!(run = %self.shared.run, %task, class = %incident.problem.class, "{}", incident.problem.message);
        // First what happened, then what it means: a task that is failing has an incident in the record.
        self.shared.ledger.attempt(&incident.attempt.clone(), Entry::IncidentRaised { incident: incident.clone() })?;
        self.apply(task, TaskEvent::Fail, None)?;
        self.recover(task, incident, Vec::new())
    }

    /// An incident with all that is needed to decide on it.
    pub(super) fn case(&mut self, task: &TaskId, incident: Incident, asked: Vec<Name>) -> Result<Case, Halt> {
        let overdue = self.is_overdue(task)?;
        let facts = self.book.facts(task)?;
        let spec = self.workflow.tasks.get(&facts.name);
        Ok(Case {
            overdue,
            incident,
            history: facts.history.clone(),
            chain: spec.map(|spec| spec.recovery.clone()).unwrap_or_default(),
            asked,
            tries: facts.tries,
            allowed: spec.map_or(0, |spec| spec.attempts),
            checkpoint: self.shared.head.version(),
            older: self.checkpoints.newest_first(),
            went_back: self.went_back,
            remedies: Remedies::of(task, spec),
        })
    }

    /// Has an incident decided on, by those strategies that were not asked yet.
    pub(super) fn recover(&mut self, task: &TaskId, incident: Incident, asked: Vec<Name>) -> Result<(), Halt> {
        let case = self.case(task, incident, asked)?;
        let (shared, task) = (self.shared.clone(), task.clone());
        self.flight.spawn(async move {
            let decided = shared.stop.unless(recover(&shared, &case)).await;
            Ok(match decided.transpose()? {
                Some((verdict, past)) => Event::Decided(task, verdict, past.map(Box::new)),
                None => Event::Dropped,
            })
        });
        Ok(())
    }
}
