//! [`Story`]: what became of one task over time.

use super::work::Work;
use longhaul_core::attempt::{Outcome, Usage};
use longhaul_core::id::{AttemptId, Name, TaskId};
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::state::TaskState;
use longhaul_core::units::Timestamp;

/// The most attempts of a task that are kept one by one.
const MAX_TRIES: usize = 60;
/// The most pieces of one attempt.
const MAX_SPANS: usize = 200;

/// A task.
#[derive(Debug, Clone)]
pub(in crate::html) struct Story {
    pub(in crate::html) task: TaskId,
    pub(in crate::html) agent: Name,
    pub(in crate::html) needs: Vec<TaskId>,
    pub(in crate::html) state: TaskState,
    /// The first attempts, in order.
    pub(in crate::html) tries: Vec<Try>,
    /// How many more there were.
    pub(in crate::html) further: u64,
    /// What all attempts used.
    pub(in crate::html) used: Usage,
    /// When its attempts failed.
    pub(in crate::html) failures: Vec<Timestamp>,
    /// The attempt whose output it took.
    pub(in crate::html) reused: Option<AttemptId>,
    /// Whether a rollback took it out of the run.
    pub(in crate::html) gone: bool,
    pub(in crate::html) work: Work,
}

/// An attempt.
#[derive(Debug, Clone)]
pub(in crate::html) struct Try {
    pub(in crate::html) number: u32,
    pub(in crate::html) agent: Name,
    /// The attempt whose work it judges.
    pub(in crate::html) judges: Option<u32>,
    pub(in crate::html) spans: Vec<Span>,
    pub(in crate::html) ending: Option<Ending>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::html) enum Ending {
    Completed,
    Renewed,
    Failed(IncidentClass),
}

/// A piece of an attempt.
#[derive(Debug, Clone, Copy)]
pub(in crate::html) struct Span {
    pub(in crate::html) from: Timestamp,
    /// None while it is open.
    pub(in crate::html) to: Option<Timestamp>,
    /// Whether it only waits.
    pub(in crate::html) waits: bool,
}

impl Story {
    pub(in crate::html) fn new(task: TaskId, agent: Name) -> Self {
        Self {
            task,
            agent,
            needs: Vec::new(),
            state: TaskState::Pending,
            tries: Vec::new(),
            further: 0,
            used: Usage::default(),
            failures: Vec::new(),
            reused: None,
            gone: false,
            work: Work::default(),
        }
    }

    /// Attempts made.
    pub(in crate::html) fn attempts(&self) -> u64 {
        self.tries.len() as u64 + self.further
    }

    /// Whether a reader looks here first.
    pub(in crate::html) fn stands_out(&self) -> bool {
        let ended_badly = matches!(self.state, TaskState::Failed | TaskState::Escalated | TaskState::Failing);
        ended_badly || !self.failures.is_empty() || self.work.denied > 0
    }

    pub(in crate::html) fn begin(&mut self, number: u32, agent: &Name, judges: Option<u32>, at: Timestamp) {
        self.cut_off(at);
        if judges.is_none() {
            self.agent.clone_from(agent);
        }
        if self.tries.len() >= MAX_TRIES {
            self.further += 1;
            return;
        }
        let spans = vec![Span { from: at, to: None, waits: false }];
        self.tries.push(Try { number, agent: agent.clone(), judges, spans, ending: None });
    }

    /// From now on the attempt under way waits, or does not wait any more.
    pub(in crate::html) fn waits(&mut self, waits: bool, at: Timestamp) {
        let Some(last) = self.tries.last_mut().filter(|last| last.ending.is_none()) else { return };
        if last.spans.last().is_none_or(|span| span.waits == waits && span.to.is_none()) {
            return;
        }
        close(&mut last.spans, at);
        if last.spans.len() < MAX_SPANS {
            last.spans.push(Span { from: at, to: None, waits });
        }
    }

    pub(in crate::html) fn end(&mut self, number: u32, result: &Result<Outcome, Problem>, used: &Usage, at: Timestamp) {
        self.used.fuel += used.fuel;
        self.used.tokens += used.tokens;
        self.used.money += used.money;
        self.used.memory = self.used.memory.max(used.memory);
        self.used.time = self.used.time.saturating_add(used.time);
        let Some(last) = self.tries.iter_mut().rev().find(|one| one.number == number) else { return };
        close(&mut last.spans, at);
        last.ending = Some(match result {
            Ok(Outcome::Completed(_)) => Ending::Completed,
            Ok(Outcome::ContinueAsNew(_)) => Ending::Renewed,
            Err(problem) => Ending::Failed(problem.class),
        });
    }

    /// Whatever is under way is so no more.
    pub(in crate::html) fn cut_off(&mut self, at: Timestamp) {
        self.tries.iter_mut().for_each(|one| close(&mut one.spans, at));
    }

    pub(in crate::html) fn failed(&mut self, at: Timestamp) {
        if self.failures.len() < MAX_TRIES {
            self.failures.push(at);
        }
    }
}

fn close(spans: &mut [Span], at: Timestamp) {
    if let Some(span) = spans.last_mut() {
        span.to.get_or_insert(at);
    }
}
