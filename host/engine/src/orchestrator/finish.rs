//! How a run comes to its end: is the objective met, what becomes of the result, what is reported.

use super::dispatcher::Dispatcher;
use super::events::Ending;
use crate::error::Halt;
use crate::options::Apply;
use crate::ports::Applied;
use crate::questions::OpenQuestion;
use crate::report::RunReport;
use longhaul_core::digest::Digest;
use longhaul_core::entry::Entry;
use longhaul_core::state::{RunEvent, RunState};
use longhaul_core::units::Timestamp;

/// A run on its last steps.
struct Closing {
    state: RunState,
    reason: String,
    applied: Option<u64>,
    /// What people are asked, where only they can bring the run on.
    questions: Vec<OpenQuestion>,
}

impl Dispatcher {
    /// Ends the run and its record. Comes after [`Dispatcher::work`]. A run that was killed while its result was applied
    /// is in that `state` still.
    pub(crate) async fn finish(
        mut self,
        state: RunState,
        base: Digest,
        started: Timestamp,
        apply: Apply,
    ) -> Result<RunReport, Halt> {
        let questions = if self.ending == Some(Ending::People) { self.shared.forum.open() } else { Vec::new() };
        let mut closing = Closing { state, reason: String::new(), applied: None, questions };
        let (event, reason) = self.outcome()?;
        // First, so that the end of the run is the end of its record.
        self.collect(base, self.to_spare()).await?;
        match event {
            RunEvent::Finish => self.deliver(&mut closing, base, apply).await?,
            event => self.step(&mut closing, event, reason)?,
        }
        self.shared.ledger.flush().await?;
        Ok(self.report(closing, base, started))
    }

    /// What the run came to. Cancels what will not be done.
    fn outcome(&mut self) -> Result<(RunEvent, String), Halt> {
        Ok(match self.ending.take() {
            Some(Ending::Fail(reason)) => {
                self.book.cancel_open()?;
                (RunEvent::Fail, reason)
            }
            Some(Ending::Cancel) => {
                self.book.cancel_open()?;
                (RunEvent::Cancel, "cancelled by the operator".to_owned())
            }
            Some(Ending::People) => (RunEvent::Pause, self.asks()),
            Some(Ending::Pause) => (RunEvent::Pause, "paused by the operator; `longhaul resume` goes on".to_owned()),
            Some(Ending::GoBack(..)) => {
                return Err(Halt::Defect("the run was to go back to a checkpoint, and came to its end".to_owned()));
            }
            Some(Ending::Escalate(reason)) => (RunEvent::Escalate, reason),
            Some(Ending::Exhaust(part)) => (RunEvent::Exhaust, part.reason(&self.shared.spending.budget())),
            None if !self.book.is_done() => {
                let waiting = self.book.open().count();
                (
                    RunEvent::Escalate,
                    format!("nothing is under way, and {waiting} tasks wait for something that cannot come"),
                )
            }
            None => match self.workflow.done_when.as_ref().map(|goal| (goal, goal.holds(&self.outputs.scope(None)))) {
                None | Some((_, Ok(true))) => (RunEvent::Finish, String::new()),
                Some((goal, Ok(false))) => {
                    let goal = goal.source();
                    (RunEvent::Fail, format!("all tasks are done, but `done_when` does not hold: {goal}"))
                }
                Some((_, Err(error))) => (RunEvent::Fail, format!("`done_when`: {error}")),
            },
        })
    }

    /// What people are asked, in words.
    fn asks(&self) -> String {
        let open = self.shared.forum.open();
        let first = open.first().map(|open| {
            format!("question {} of task `{}`: {}", open.asked.number, open.task, open.asked.question.summary)
        });
        match (first, open.len()) {
            (None, _) => "it waits for people".to_owned(),
            (Some(first), 1) => format!("it waits for an answer to {first}"),
            (Some(first), many) => format!("it waits for answers to {many} questions, among them {first}"),
        }
    }

    /// Puts the result of a run that met its objective where it belongs.
    async fn deliver(&self, closing: &mut Closing, base: Digest, apply: Apply) -> Result<(), Halt> {
        let version = self.shared.head.version();
        if closing.state == RunState::Running {
            self.step(closing, RunEvent::Finish, String::new())?;
        }
        if version == base {
            return self.step(closing, RunEvent::Apply, String::new());
        }
        if apply == Apply::Later {
            return self.step(closing, RunEvent::Apply, "the result is kept and was not applied".to_owned());
        }
        // The folder changes only when the record says that it is about to.
        self.shared.ledger.flush().await?;
        match self.shared.ports.workspace.apply(base, version).await {
            Ok(Applied { files }) => {
                closing.applied = Some(files);
                self.shared.ledger.run(Entry::Applied { version, files })?;
                self.step(closing, RunEvent::Apply, String::new())
            }
            Err(failed) => {
                let reason = format!("the result is kept and was not applied: {failed}");
                self.step(closing, RunEvent::Escalate, reason)
            }
        }
    }

    fn step(&self, closing: &mut Closing, event: RunEvent, reason: String) -> Result<(), Halt> {
        let from = closing.state;
        let to = from.after(event)?;
        tracing::info!(run = %self.shared.run, %from, %to, reason, "the run goes on to another state");
        self.shared.ledger.run(Entry::RunChanged { from, to, reason: reason.clone() })?;
        closing.state = to;
        closing.reason = reason;
        Ok(())
    }

    fn report(self, closing: Closing, base: Digest, started: Timestamp) -> RunReport {
        let used = self.shared.spending.used();
        let (counts, tasks) = self.book.report();
        RunReport {
            run: self.shared.run.clone(),
            status: closing.state,
            reason: closing.reason,
            questions: closing.questions,
            base,
            version: self.shared.head.version(),
            applied: closing.applied,
            changes: self.changes,
            counts,
            incidents: self.incidents,
            fuel: used.fuel,
            tokens: used.spent.tokens,
            money: used.spent.money,
            disk: self.shared.ports.workspace.used(),
            memory: tasks.iter().map(|task| task.memory).max().unwrap_or_default(),
            tasks,
            time: self.shared.ports.time.now().since(started),
        }
    }
}
