//! Deadlines of tasks: how far the run may be when each of them has to be done.
//!
//! They are counted in the time that the run is under way, as its budget of wall time is, so that a run that was paused over a
//! weekend does not come back with all of them missed. How far a resumed run was is said by its record.

use longhaul_core::id::Name;
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::units::show_duration;
use longhaul_core::workflow::model::Workflow;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;

/// The deadlines of a run's tasks, and which of them have passed.
pub(crate) struct Deadlines {
    spans: BTreeMap<Name, Duration>,
    /// Deadlines up to here have passed.
    reached: watch::Sender<Duration>,
}

impl Deadlines {
    /// Those of `workflow`, of a run that was under way for `before` when this process began.
    pub(crate) fn new(workflow: &Workflow, before: Duration) -> Self {
        let spans = workflow.tasks.iter().filter_map(|(name, spec)| Some((name.clone(), spec.deadline?)));
        Self { spans: spans.collect(), reached: watch::Sender::new(before) }
    }

    /// Whether a deadline of `span` has passed.
    pub(crate) fn has_passed(&self, span: Duration) -> bool {
        span <= *self.reached.borrow()
    }

    /// The deadline that passes next, and how long that is after the last one, or after the beginning of this process.
    pub(crate) fn next(&self) -> Option<(Duration, Duration)> {
        let reached = *self.reached.borrow();
        let next = self.spans.values().filter(|span| **span > reached).min()?;
        Some((*next, next.saturating_sub(reached)))
    }

    /// The deadlines up to `span` have passed. Gives the tasks whose deadline that is.
    pub(crate) fn reach(&self, span: Duration) -> Vec<Name> {
        self.reached.send_replace(span);
        self.spans.iter().filter(|(_, of)| **of == span).map(|(name, _)| name.clone()).collect()
    }

    /// The tasks whose deadline has passed.
    pub(crate) fn missed(&self) -> Vec<Name> {
        self.spans.iter().filter(|(_, span)| self.has_passed(**span)).map(|(name, _)| name.clone()).collect()
    }

    /// Resolves when a deadline of `span` has passed; never where there is none.
    pub(crate) async fn pass(&self, span: Option<Duration>) {
        let Some(span) = span else { return std::future::pending().await };
        let mut reached = self.reached.subscribe();
        if reached.wait_for(|reached| *reached >= span).await.is_err() {
            // The sender is borrowed here, so it is not gone.
            std::future::pending().await
        }
    }
}

/// Whether this went wrong because a deadline had passed. What a guest tells goes to `detail`, so none can pretend it.
pub(crate) fn is_missed(problem: &Problem) -> bool {
    problem.class == IncidentClass::Timeout && problem.evidence["limit"] == "deadline"
}

/// What went wrong with a task that was not done by its deadline.
pub(crate) fn missed(span: Duration) -> Problem {
    let span = show_duration(span);
    let message = format!(
        "the task was not done when the run had been under way for {span}, its `deadline`; allow more, or split the task"
    );
    Problem::new(IncidentClass::Timeout, message).with_evidence(json!({ "limit": "deadline", "deadline": span }))
}
