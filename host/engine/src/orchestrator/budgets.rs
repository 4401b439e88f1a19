//! What the dispatcher does when a part of the run's budget is used up.
//!
//! Nothing new begins, and the run stops when what is under way has ended. Of the disk it is looked first whether old content can go.

use super::dispatcher::Dispatcher;
use super::events::Ending;
use crate::error::Halt;
use crate::spending::Part;
use longhaul_core::digest::Digest;
use longhaul_core::id::{AttemptId, TaskId};
use longhaul_core::incident::Problem;
use longhaul_core::state::TaskEvent;
use longhaul_core::units::Bytes;

impl Dispatcher {
    /// A part of the budget is used up, and something was about to begin.
    pub(super) fn run_out(&mut self, part: Part) {
        match part {
            Part::Disk => self.is_full = true,
            part => self.end(Ending::Exhaust(part)),
        }
    }

    /// Collects old content; where that is not enough the run is at its end.
    pub(super) async fn make_room(&mut self, base: Digest) -> Result<(), Halt> {
        self.collect(base, Bytes(0)).await?;
        if let Some(part) = self.shared.exhausted() {
            self.end(Ending::Exhaust(part));
        }
        Ok(())
    }

    /// A try has failed. Where the run's budget is used up that is not the task's failure: with a larger one it goes on.
    pub(super) fn failed(&mut self, task: &TaskId, attempt: AttemptId, problem: Problem) -> Result<(), Halt> {
        let Some(part) = Part::of(&problem) else { return self.fail(task, attempt, problem) };
        let agent = self.book.facts(task)?.agent.clone();
        self.release(&agent);
        self.apply(task, TaskEvent::Fail, None)?;
        self.apply(task, TaskEvent::Retry, None)?;
        if self.shared.exhausted().is_some() {
            self.end(Ending::Exhaust(part));
        }
        Ok(())
    }
}
