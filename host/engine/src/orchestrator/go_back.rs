//! The way back to an older checkpoint: the whole run stands as it stood then, and goes on from there.
//!
//! Everything under way has ended when the way is taken. One entry says where the run is now; after it the run is brought to that place
//! as a resumed one is, by its record. What happened since stays in the record, and attempts are numbered on: nothing is overwritten.

use super::dispatcher::Dispatcher;
use super::events::Ending;
use crate::error::Halt;
use crate::history::History;
use crate::recovery::GoBack;
use longhaul_core::counts::TaskCounts;
use longhaul_core::entry::Entry;
use longhaul_core::id::TaskId;
use longhaul_core::state::TaskState;
use std::collections::HashMap;

impl Dispatcher {
    /// Whether the run is about to go back.
    pub(super) fn goes_back(&self) -> bool {
        matches!(self.ending, Some(Ending::GoBack(..)))
    }

    /// Goes back where a strategy decided so; tells whether it did. Comes after [`Dispatcher::work`].
    pub(crate) async fn go_back(&mut self) -> Result<bool, Halt> {
        let Some(Ending::GoBack(task, way)) = &self.ending else { return Ok(false) };
        let (task, GoBack { number, version, validator }) = (task.clone(), way.clone());
        let shared = self.shared.clone();
        shared.ledger.flush().await?;
        let then = History::at_checkpoint(shared.ports.journal.as_ref(), &shared.run, number)
            .map_err(|error| Halt::Defect(format!("checkpoint {number} cannot be gone back to: {error}")))?;
        let to = then.checkpoints.last().map(|checkpoint| checkpoint.position);
        let mut then: HashMap<TaskId, TaskState> =
            then.standing().into_iter().map(|standing| (standing.task.clone(), standing.state)).collect();
        let mut counts = TaskCounts::default();
        then.values().for_each(|state| counts.add(*state));
        let (mut tasks, mut gone) = (Vec::new(), Vec::new());
        for (task, now) in self.book.states() {
            match then.remove(task) {
                Some(state) if state == now => {}
                Some(state) => tasks.push((task.clone(), state)),
                None => gone.push(task.clone()),
            }
        }
        tracing::warn!(run = %shared.run, %task, number, %version, "the run goes back to a checkpoint");
        let entry = Entry::RolledBack { number, to, version, validate: validator, tasks, gone, counts };
        shared.ledger.task(&task, entry)?;
        shared.ledger.flush().await?;
        Ok(true)
    }
}
