//! The loop: begins what can begin, waits for what is under way, takes note of how it ended.

use super::book::Book;
use super::checkpoints::Checkpoints;
use super::events::{Ending, Event};
use super::outputs::Outputs;
use super::repair::{Remedy, Repair};
use super::reuse::Reuse;
use super::slots::Slots;
use super::waits::Waits;
use crate::error::Halt;
use crate::executor::{Ended, Ending as TryEnding};
use crate::options::{Order, Orders};
use crate::ports::{BoxFuture, JournalError};
use crate::recovery::{Again, Verdict};
use crate::report::merge;
use crate::shared::{Hold, Shared, Stop};
use crate::spending::Part;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{ChangeKind, CheckpointReason};
use longhaul_core::graph::{Next, TaskChange};
use longhaul_core::id::{Name, RunId, TaskId};
use longhaul_core::incident::Past;
use longhaul_core::outbox::Outbox;
use longhaul_core::path::StagePath;
use longhaul_core::state::{TaskEvent, TaskState};
use longhaul_core::workflow::model::Workflow;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

/// Owns all state of a run.
pub(crate) struct Dispatcher {
    pub(super) shared: Arc<Shared>,
    pub(super) workflow: Arc<Workflow>,
    pub(super) book: Book,
    pub(super) outputs: Outputs,
    pub(super) slots: Slots,
    pub(super) reuse: Reuse,
    pub(super) checkpoints: Checkpoints,
    /// What is under way.
    pub(super) flight: JoinSet<Result<Event, JournalError>>,
    pub(super) waits: Waits,
    /// What is done about failed tasks beside trying them again.
    pub(super) under_repair: HashMap<TaskId, Repair>,
    /// What attempts have published.
    pub(super) arrivals: UnboundedReceiver<Outbox>,
    /// Suspended tasks that a message has come for.
    pub(super) letters: UnboundedReceiver<TaskId>,
    /// Ends the attempt of one task.
    pub(super) stops: HashMap<TaskId, Arc<Stop>>,
    /// Ends waits before another try, when there will be none.
    pub(super) no_more: Arc<Stop>,
    /// Why nothing new begins; none while the run goes on.
    pub(super) ending: Option<Ending>,
    /// Tasks whose deadline has passed, to be failed where they have not begun.
    pub(super) overdue: VecDeque<TaskId>,
    /// Whether old content has to be collected before anything begins.
    pub(super) is_full: bool,
    pub(super) incidents: u64,
    /// How often the run went back.
    pub(super) went_back: u32,
    pub(super) changes: BTreeMap<StagePath, ChangeKind>,
}

impl Dispatcher {
    pub(crate) fn new(shared: Arc<Shared>, workflow: Arc<Workflow>, book: Book, outputs: Outputs) -> Self {
        Self {
            slots: Slots::new(&workflow),
            reuse: Reuse::default(),
            checkpoints: Checkpoints::new(workflow.checkpoints.keep),
            overdue: shared.deadlines.missed().iter().map(TaskId::single).collect(),
            arrivals: shared.board.arrivals(),
            letters: shared.mail.woken(),
            waits: Waits::default(),
            under_repair: HashMap::new(),
            stops: HashMap::new(),
            shared,
            workflow,
            book,
            outputs,
            flight: JoinSet::new(),
            no_more: Arc::new(Stop::new()),
            ending: None,
            is_full: false,
            incidents: 0,
            went_back: 0,
            changes: BTreeMap::new(),
        }
    }

    /// The run.
    pub(crate) fn run(&self) -> &RunId {
        &self.shared.run
    }

    /// Works until nothing is under way and nothing more can begin.
    pub(crate) async fn work(&mut self, orders: &mut Orders, base: Digest, time_left: Duration) -> Result<(), Halt> {
        let ended = self.loop_(orders, base, time_left).await;
        if ended.is_err() {
            // Nothing may go on behind the back of a run that is over. What has begun to commit finds the record lost.
            self.shared.stop.give();
            self.no_more.give();
            while self.flight.join_next().await.is_some() {}
        }
        ended
    }

    async fn loop_(&mut self, orders: &mut Orders, base: Digest, time_left: Duration) -> Result<(), Halt> {
        let shared = self.shared.clone();
        let (began, mut idle) = (shared.ports.time.now(), Duration::ZERO);
        let mut time_is_up = shared.ports.time.sleep(time_left);
        let mut may_run_out = true;
        let every = self.workflow.checkpoints.every;
        let mut interval = shared.ports.time.sleep(every);
        let mut deadline = self.next_deadline();
        let mut circles: Option<BoxFuture<'static, ()>> = None;
        let answers = orders.answers();
        if shared.spending.budget().disk.is_some() {
            // From here on it is known what the content takes.
            self.collect(base, self.to_spare()).await?;
        }
        loop {
            self.begin_what_can()?;
            if std::mem::take(&mut self.is_full) {
                self.make_room(base).await?;
                continue;
            }
            if self.flight.is_empty() {
                let Some(waited) = self.at_rest(orders).await? else { return Ok(()) };
                if !waited.is_zero() {
                    // What people take for an answer is not the run's time.
                    idle += waited;
                    let worked = shared.ports.time.now().since(began).saturating_sub(idle);
                    time_is_up = shared.ports.time.sleep(time_left.saturating_sub(worked));
                }
                continue;
            }
            circles = circles.or_else(|| self.circles_due());
            tokio::select! {
                biased;
                error = shared.ledger.broken() => return Err(error.into()),
                order = orders.next() => self.order(order)?,
                answering = answers.next() => self.answer(answering).await?,
                () = &mut interval => {
                    self.checkpoint(CheckpointReason::Interval)?;
                    self.collect(base, self.to_spare()).await?;
                    interval = shared.ports.time.sleep(every);
                }
                () = &mut time_is_up, if may_run_out => {
                    may_run_out = false;
                    self.end(Ending::Exhaust(Part::WallTime));
                }
                span = &mut deadline => {
                    self.deadline_passed(span);
                    deadline = self.next_deadline();
                }
                Some(outbox) = self.arrivals.recv() => self.published(outbox)?,
                Some(task) = self.letters.recv() => self.wake(&task)?,
                () = due(&mut circles) => {
                    circles = None;
                    self.break_circle()?;
                }
                Some(joined) = self.flight.join_next() => match joined {
                    Ok(event) => self.take(event?)?,
                    // A timer that is not needed any more.
                    Err(error) if error.is_cancelled() => {}
                    Err(error) => return Err(Halt::Defect(error.to_string())),
                },
            }
        }
    }

    pub(super) fn order(&mut self, order: Order) -> Result<(), Halt> {
        match order {
            Order::Nothing => {}
            Order::Checkpoint => self.checkpoint(CheckpointReason::Demand)?,
            Order::Pause => self.end(Ending::Pause),
            Order::Cancel => self.end(Ending::Cancel),
        }
        Ok(())
    }

    fn begin_what_can(&mut self) -> Result<(), Halt> {
        self.fail_overdue()?;
        while self.ending.is_none() && !self.is_full && self.slots.any() {
            let slots = &self.slots;
            match self.book.next(|agents| slots.admit(agents)) {
                Some(Next::Expand(task)) => self.expand(&task)?,
                Some(Next::Run(task)) => self.begin(&task)?,
                None => break,
            }
        }
        Ok(())
    }

    /// From now on nothing new begins. The first reason is the one that is told; only to be cancelled is more than that.
    pub(super) fn end(&mut self, ending: Ending) {
        if ending.interrupts() {
            self.shared.stop.give();
        }
        self.no_more.give();
        tracing::info!(run = %self.shared.run, ?ending, "nothing new begins");
        match ending {
            Ending::Cancel => self.ending = Some(ending),
            ending => drop(self.ending.get_or_insert(ending)),
        }
    }

    fn take(&mut self, event: Event) -> Result<(), Halt> {
        // What an attempt published came before its end.
        self.arrivals()?;
        self.letters()?;
        match event {
            Event::Ended(task, ended) => self.ended(&task, *ended),
            Event::Looked(task, work, found) => self.looked(&task, *work, found),
            Event::Decided(task, verdict, past) => self.decided(&task, verdict, past),
            Event::Due(task) => match self.book.state(&task) {
                Some(TaskState::Failing) => self.apply(&task, TaskEvent::Retry, None),
                // It was cancelled meanwhile.
                _ => Ok(()),
            },
            Event::Woken(task, ticket) => self.woken(&task, ticket),
            Event::Dropped => Ok(()),
        }
    }

    fn ended(&mut self, task: &TaskId, mut ended: Ended) -> Result<(), Halt> {
        let committed = !ended.changes.is_empty();
        if let Some(key) = ended.key {
            self.no_longer_under_way(task, key, &ended)?;
        }
        merge(&mut self.changes, std::mem::take(&mut ended.changes));
        self.stops.remove(task);
        if !matches!(ended.ending, TryEnding::Suspended(_) | TryEnding::Interrupted) {
            self.shared.ledger.kept.forget(task);
        }
        let facts = self.book.facts(task)?;
        facts.used(&ended);
        let agent = facts.agent.clone();
        if self.book.state(task).is_some_and(TaskState::is_final) {
            // It was cancelled meanwhile.
            self.release(&agent);
            return Ok(());
        }
        self.book.facts(task)?.handed = ended.state;
        match ended.ending {
            TryEnding::Completed(output) => {
                self.release(&agent);
                self.apply(task, TaskEvent::Complete, Some(output))?;
                if committed { self.checkpoint(CheckpointReason::Commit) } else { Ok(()) }
            }
            TryEnding::Failed(attempt, problem) => self.failed(task, attempt, problem),
            TryEnding::Suspended(wait) => {
                let facts = self.book.facts(task)?;
                facts.suspended = Some(ended.script);
                facts.waits_on = ended.base.as_ref().map(Hold::version);
                self.release(&agent);
                self.book.keep_agent(task)?;
                self.apply(task, TaskEvent::Suspend, None)?;
                self.wait(task, wait)
            }
            // The task stays as it is: a run that goes on goes on in the middle of it.
            TryEnding::Interrupted => {
                self.book.facts(task)?.waits_on = ended.base.as_ref().map(Hold::version);
                self.release(&agent);
                Ok(())
            }
        }
    }

    pub(super) fn decided(&mut self, task: &TaskId, verdict: Verdict, past: Option<Box<Past>>) -> Result<(), Halt> {
        let facts = self.book.facts(task)?;
        let incident = past.as_ref().map(|past| past.incident.clone());
        facts.history.extend(past.map(|past| *past));
        let agent = facts.agent.clone();
        self.release(&agent);
        if self.book.state(task).is_some_and(TaskState::is_final) {
            // It was cancelled meanwhile.
            return Ok(());
        }
        match verdict {
            Verdict::Again(Again { after, agent, validator }) => {
                let facts = self.book.facts(task)?;
                facts.validator = validator;
                if let Some(agent) = agent {
                    facts.give_to(agent);
                }
                if after.is_zero() {
                    return self.apply(task, TaskEvent::Retry, None);
                }
                let wait = self.rest(task, after)?;
                let (no_more, task) = (self.no_more.clone(), task.clone());
                self.flight.spawn(async move {
                    // Cut short, the task is failing still: a run that goes on waits for what is left.
                    let waited = no_more.unless(wait).await;
                    Ok(waited.map_or(Event::Dropped, |()| Event::Due(task)))
                });
                Ok(())
            }
            Verdict::GoBack(way) => {
                self.end(Ending::GoBack(task.clone(), way));
                Ok(())
            }
            Verdict::Compensate => self.repair(task, incident, Remedy::Compensate),
            Verdict::Split => self.repair(task, incident, Remedy::Split),
            Verdict::Skip(reason) => {
                tracing::info!(run = %self.shared.run, %task, reason, "the task is skipped");
                self.apply(task, TaskEvent::Skip, None)
            }
            Verdict::Escalate(reason) => {
                self.apply(task, TaskEvent::Escalate, None)?;
                self.end(Ending::Escalate(of_task(task, reason)));
                Ok(())
            }
            Verdict::GiveUp(reason) => {
                let is_seen_to = self.is_seen_to(task);
                self.apply(task, TaskEvent::GiveUp, None)?;
                if is_seen_to {
                    tracing::warn!(run = %self.shared.run, %task, reason, "the task is given up, and its parent is told");
                    return Ok(());
                }
                self.end(Ending::Fail(of_task(task, reason)));
                Ok(())
            }
        }
    }

    /// Takes a task through `event` and keeps the outputs of what ended well.
    pub(super) fn apply(&mut self, task: &TaskId, event: TaskEvent, output: Option<Value>) -> Result<(), Halt> {
        let mut output = output;
        if event == TaskEvent::Retry {
            self.book.open_to_all(task)?;
        }
        for change in self.book.apply(task, event)? {
            let output = if change.task == *task { output.take() } else { None };
            self.note(change, output)?;
        }
        Ok(())
    }

    /// Takes note of what a change of a task means for others, and keeps the output of one that ended well.
    pub(super) fn note(&mut self, change: TaskChange, output: Option<Value>) -> Result<(), Halt> {
        let TaskChange { task, to, .. } = change;
        if to == TaskState::Cancelled {
            self.forget_wait(&task);
            if let Some(stop) = self.stops.get(&task) {
                stop.give();
            }
        }
        self.waits.unsure |= to.is_final();
        if to.is_final() && to != TaskState::Escalated {
            self.shared.board.forget(self.book.children(&task).into_iter());
        }
        if task.parent().is_some() {
            return self.child_changed(&task, to, output);
        }
        if !to.satisfies() {
            return Ok(());
        }
        let facts = self.book.facts(&task)?;
        match facts.item() {
            Some((_, index)) => self.outputs.element(&facts.name, index, output.unwrap_or(Value::Null)),
            None if self.outputs.is_expanded(&facts.name) => self.outputs.gather(&facts.name, to),
            None => self.outputs.end(&facts.name, to, output.unwrap_or_else(|| json!({}))),
        }
        Ok(())
    }

    pub(super) fn release(&mut self, agent: &Name) {
        self.slots.release(agent);
    }
}

/// Resolves when what is due is; never where nothing is.
async fn due(wait: &mut Option<BoxFuture<'static, ()>>) {
    match wait {
        Some(wait) => wait.await,
        None => std::future::pending().await,
    }
}

/// A reason that names its task, once: strategies may name it too.
fn of_task(task: &TaskId, reason: String) -> String {
    let named = format!("task `{task}`");
    if reason.starts_with(&named) { reason } else { format!("{named}: {reason}") }
}
