//! A history that goes back to a checkpoint.
//!
//! How the tasks stood then is read from the record once more, up to the checkpoint. What was counted since stays counted: time, computing, incidents,
//! and the numbers of attempts, so that none is used twice.

use super::{History, HistoryError, Step};
use crate::history::task::TaskHistory;
use crate::ports::Records;
use longhaul_core::entry::Position;
use longhaul_core::id::{Name, TaskId};
use longhaul_core::state::TaskState;

impl History {
    /// How the run stood at checkpoint `number`, which the entry at `position` names; what was under way then begins anew.
    pub(super) fn prefix(&self, records: &dyn Records, number: u32, position: Position) -> Result<Self, HistoryError> {
        let checkpoint = self.checkpoints.iter().find(|checkpoint| checkpoint.number == number);
        let what = || format!("it names checkpoint {number}, which is not there");
        let misfit = || HistoryError::Misfit { at: position, what: what() };
        let mut then = Self::fold(records, &self.run, Some(checkpoint.ok_or_else(misfit)?.position), |_, _| {})?;
        then.begin_anew();
        Ok(then)
    }

    /// What was under way is not any more.
    fn begin_anew(&mut self) {
        use TaskState::{Failing, Pending, Running, Waiting};
        let mut steps = Vec::new();
        for (id, task) in &mut self.tasks {
            // A task that was expanded goes as its elements do, and what is committed only has to be said to be done.
            if task.elements > 0 || task.state == Running && task.is_done() {
                continue;
            }
            let way: &[TaskState] = match task.state {
                Running => &[Failing, Pending],
                Waiting | Failing => &[Pending],
                Pending => &[],
                _ => continue,
            };
            task.begin_anew();
            steps.extend(way.iter().map(|to| Step::Changed(id.clone(), *to)));
        }
        // The order in which tasks become ready again is not that of a hash.
        steps.sort_by(|one, other| one.task().cmp(&other.task()));
        self.steps.extend(steps);
    }

    /// The run as it stands after it went back to how it stood `then`, for `task`.
    pub(super) fn go_back(self, mut then: Self, task: Option<TaskId>, validate: Option<Name>) -> Self {
        then.state = self.state;
        then.plugins = self.plugins;
        then.last = self.last;
        then.active = self.active;
        then.budget = self.budget;
        then.used = self.used;
        then.incidents = self.incidents;
        then.applied = self.applied;
        then.next_checkpoint = self.next_checkpoint;
        then.dropped = self.dropped;
        then.gone = self.gone;
        for (id, now) in self.tasks {
            let known = match then.tasks.get_mut(&id) {
                Some(known) => known,
                None => then.gone.entry(id.clone()).or_insert_with(|| TaskHistory::of(now.agent.clone())),
            };
            known.count_on(&now);
            if task.as_ref() == Some(&id) {
                known.past = now.past;
                known.tries = now.tries;
                known.validator.clone_from(&validate);
            }
        }
        then
    }
}
