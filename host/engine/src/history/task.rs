//! What the record says of one task: a fold over its entries.

use super::Reusable;
use crate::captures::Capture;
use crate::deadlines::is_missed;
use crate::room::{MAX_KEPT, weight};
use longhaul_core::attempt::{Outcome, Usage, Wait};
use longhaul_core::digest::Digest;
use longhaul_core::entry::Position;
use longhaul_core::id::{AttemptId, Name, TaskId};
use longhaul_core::incident::{Decision, Incident, Past, Problem};
use longhaul_core::state::TaskState;
use longhaul_core::units::Timestamp;
use serde_json::Value;

/// What a task put out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    /// This.
    Here(Value),
    /// What this attempt did, which the record has behind the position: a history keeps no more of outputs than a run does.
    InRecord(AttemptId, Position),
}

/// What the record says of one task.
#[derive(Debug, Clone)]
pub(crate) struct TaskHistory {
    pub(crate) state: TaskState,
    /// Whether the record says that it was planned; of one that another task asked for it may not say so yet.
    pub(crate) is_planned: bool,
    /// Who works on it.
    pub(crate) agent: Name,
    /// Whom it was given to by a strategy.
    pub(crate) given_to: Option<Name>,
    /// The elements that were planned for it, where it has a `for_each`.
    pub(crate) elements: usize,
    /// The number of its next attempt.
    pub(crate) next: u32,
    pub(crate) attempts: u32,
    pub(crate) tries: u32,
    pub(crate) usage: Usage,
    pub(crate) past: Vec<Past>,
    /// What the last instance handed over to the next.
    pub(crate) handed: Option<Value>,
    pub(crate) validator: Option<Name>,
    /// Whether a person let it be tried after its deadline.
    pub(crate) excused: bool,
    /// Whether that person saw that it had missed it, which speaks for all tasks of its name.
    is_told: bool,
    /// What it put out, where it has completed.
    pub(crate) output: Option<Output>,
    pub(crate) problem: Option<Problem>,
    /// How the attempt ended that ended last, those that judge apart.
    pub(crate) ended: Option<(AttemptId, Result<Outcome, Problem>)>,
    /// Whether the work of that attempt was committed.
    pub(crate) is_committed: bool,
    /// What went wrong in the try under way.
    pub(crate) incident: Option<Incident>,
    /// Strategies that were asked about it and knew nothing.
    pub(crate) asked: Vec<Name>,
    /// What was decided about it.
    pub(crate) decided: Option<Decided>,
    /// The version that the last attempt of the try works on.
    pub(crate) base: Option<Digest>,
    /// Whether the try under way is one of the run that this one was copied from, and is not gone on with.
    pub(crate) is_foreign: bool,
    /// Trees of content that the try under way needs when it is done again.
    pub(crate) kept: Vec<Digest>,
    /// What was captured for it.
    pub(crate) captured: Option<Capture>,
    /// What a suspended try waits for.
    pub(crate) wait: Option<Wait>,
    /// Where the try under way begins, and the number of its first attempt.
    pub(crate) began: Option<(Position, u32)>,
    /// The attempt whose output it took.
    pub(crate) reused: Option<AttemptId>,
    /// What its last attempt does, its number and the version that it works on, as long as others can take what comes of it.
    pub(super) work: Option<(Digest, u32, Digest)>,
    judging: bool,
}

/// What was decided about an incident.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    pub(crate) decision: Decision,
    /// When.
    pub(crate) at: Timestamp,
    /// The checkpoint that the whole run goes back to by it.
    pub(crate) checkpoint: Option<u32>,
}

impl TaskHistory {
    pub(super) fn of(agent: Name) -> Self {
        Self {
            state: TaskState::Pending,
            is_planned: false,
            agent,
            given_to: None,
            elements: 0,
            next: 1,
            attempts: 0,
            tries: 0,
            usage: Usage::default(),
            past: Vec::new(),
            handed: None,
            validator: None,
            excused: false,
            is_told: false,
            output: None,
            problem: None,
            ended: None,
            is_committed: false,
            incident: None,
            asked: Vec::new(),
            decided: None,
            base: None,
            is_foreign: false,
            kept: Vec::new(),
            captured: None,
            wait: None,
            began: None,
            reused: None,
            work: None,
            judging: false,
        }
    }

    pub(super) fn change(&mut self, position: Position, to: TaskState) {
        let from = std::mem::replace(&mut self.state, to);
        // What was under way when the run was copied begins anew.
        let goes_on = !std::mem::take(&mut self.is_foreign);
        match to {
            TaskState::Pending if from == TaskState::Escalated => {
                // A person has seen to it: what failed before counts no more.
                self.settle();
                self.tries = 0;
                self.past = Vec::new();
                self.excused = true;
                self.is_told |= self.has_missed();
            }
            // It goes on in the middle of its try.
            TaskState::Running if self.wait.is_some() && goes_on => self.wait = None,
            TaskState::Waiting => {}
            TaskState::Pending if from == TaskState::Waiting && goes_on => {}
            TaskState::Running => {
                self.began = Some((position, self.next));
                self.wait = None;
                self.ended = None;
                self.is_committed = false;
            }
            TaskState::Pending => {
                match self.decided.take().map(|decided| decided.decision) {
                    Some(Decision::Reassign { agent }) => {
                        self.agent.clone_from(&agent);
                        self.given_to = Some(agent);
                        // Another agent cannot read what this one handed to itself.
                        self.handed = None;
                        self.validator = None;
                    }
                    Some(Decision::Rollback { validate, .. }) => self.validator = validate,
                    Some(_) => self.validator = None,
                    None => {}
                }
                self.settle();
            }
            TaskState::Failing => {}
            _ => {
                self.settle();
                self.handed = None;
            }
        }
    }

    /// Whether somebody works on it, or may.
    pub(super) fn is_open(&self) -> bool {
        !self.state.is_final() || self.state == TaskState::Escalated
    }

    /// Whether a try of it is under way.
    pub(super) fn has_try(&self) -> bool {
        self.began.is_some() && self.state != TaskState::Failing
    }

    /// Whether nothing is left to do of it but to say so.
    pub(super) fn is_done(&self) -> bool {
        self.is_committed && matches!(self.ended, Some((_, Ok(Outcome::Completed(_)))))
    }

    /// Its try is not under way any more.
    pub(super) fn begin_anew(&mut self) {
        self.settle();
        self.state = TaskState::Pending;
        self.is_foreign = false;
    }

    /// Counts what it came to since.
    pub(super) fn count_on(&mut self, now: &Self) {
        self.next = now.next;
        self.attempts = now.attempts;
        self.usage = now.usage;
        self.problem.clone_from(&now.problem);
        if !self.state.is_final() {
            // Going back is no way to have more tries.
            self.tries = now.tries;
            self.past.clone_from(&now.past);
            self.excused = now.excused;
        }
        self.is_told |= now.is_told;
    }

    /// Whether no task of its name has a deadline any more, once the run goes on.
    pub(crate) fn excuses_all(&self) -> bool {
        self.is_told || self.state == TaskState::Escalated && self.has_missed()
    }

    fn has_missed(&self) -> bool {
        self.problem.as_ref().is_some_and(is_missed)
    }

    /// What is under way stays with the run that this one is copied from.
    pub(super) fn leave_behind(&mut self) {
        let goes_on = matches!(self.state, TaskState::Running | TaskState::Waiting) || self.wait.is_some();
        self.is_foreign = goes_on && !self.is_done();
    }

    /// The version on which a try is done again when the run goes on; none where no try is.
    pub(crate) fn works_on(&self) -> Option<Digest> {
        let is_over = match &self.ended {
            Some((_, Err(_))) => true,
            Some((_, Ok(Outcome::Completed(_)))) => self.is_committed,
            _ => false,
        };
        let goes_on = match self.state {
            TaskState::Running => !is_over && self.incident.is_none(),
            TaskState::Waiting => true,
            TaskState::Pending => self.wait.is_some(),
            _ => false,
        };
        self.base.filter(|_| goes_on && !self.is_foreign)
    }

    /// The task is about to be completed with what its attempt put out; `taken` is what outputs take so far.
    pub(super) fn completes(&mut self, taken: &mut u64) {
        let Some((attempt, Ok(Outcome::Completed(output)))) = self.ended.take() else { return };
        let weight = weight(&output);
        self.output = Some(if taken.saturating_add(weight) > MAX_KEPT.0 {
            // What was taken from another task began somewhere before.
            let own = self.began.filter(|_| self.reused.is_none());
            Output::InRecord(attempt, own.map_or(Position(0), |(position, _)| position))
        } else {
            *taken += weight;
            Output::Here(output)
        });
    }

    /// What others can take of the attempt that completes the task, by the hash of what it did.
    pub(super) fn reusable(&self, task: &TaskId) -> Option<(Digest, Reusable)> {
        let ((key, number, base), (after, _)) = (self.work?, self.began?);
        Some((key, Reusable { attempt: AttemptId { task: task.clone(), number }, after, base }))
    }

    /// The try under way needs this tree of content when it is done again.
    pub(super) fn keep(&mut self, tree: Digest) {
        if !self.kept.contains(&tree) {
            self.kept.push(tree);
        }
    }

    /// The try under way is over.
    fn settle(&mut self) {
        self.began = None;
        self.ended = None;
        self.base = None;
        self.kept = Vec::new();
        self.wait = None;
        self.incident = None;
        self.decided = None;
        self.asked = Vec::new();
    }

    pub(super) fn attempt_started(&mut self, position: Position, number: u32, judges: bool) {
        self.attempts = self.attempts.saturating_add(1);
        self.next = number.saturating_add(1);
        self.judging = judges;
        if judges {
            return;
        }
        if let Some((_, Ok(Outcome::ContinueAsNew(state)))) = self.ended.take() {
            // What came before is done; the try goes on from what was handed over.
            self.handed = Some(state);
            self.kept = Vec::new();
            self.began = Some((Position(position.0.saturating_sub(1)), number));
        }
        self.is_committed = false;
    }

    pub(super) fn attempt_ended(&mut self, attempt: AttemptId, result: Result<Outcome, Problem>, usage: &Usage) {
        self.usage.fuel += usage.fuel;
        self.usage.tokens += usage.tokens;
        self.usage.money += usage.money;
        self.usage.memory = self.usage.memory.max(usage.memory);
        self.usage.time = self.usage.time.saturating_add(usage.time);
        if self.judging {
            return;
        }
        self.ended = Some((attempt, result));
    }
}
