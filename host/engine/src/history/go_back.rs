//! A history that goes back to a checkpoint.
//!
//! What was counted since stays counted: time, computing, incidents,
//! and the numbers of attempts, so that none is used twice.

use super::fold::{self, Fold};
use super::{History, HistoryError, Step};
use crate::history::task::TaskHistory;
use crate::ports::Records;
use longhaul_core::entry::Position;
use longhaul_core::id::{Name, RunId, TaskId};
use longhaul_core::state::TaskState;

impl History {
    /// How the run stood at a checkpoint, with what was under way then to begin anew.
    pub(crate) fn at_checkpoint(records: &dyn Records, run: &RunId, number: u32) -> Result<Self, HistoryError> {
        let mut kept = fold::targets(records, run)?;
        kept.insert(number);
        let fold = Fold::along(records, run, None, Some(&kept), |_, _| {})?.ok_or(HistoryError::NoStart)?;
        let mut then = fold.stood_at(number).ok_or_else(|| HistoryError::Misfit {
            at: Position(0),
            what: format!("checkpoint {number} is not there"),
        })?;
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

    /// Goes back to how the run stood `then`, for `task`.
    pub(super) fn go_back(&mut self, mut then: Self, task: Option<TaskId>, validate: Option<Name>) {
        then.begin_anew();
        let now = std::mem::replace(self, then);
        self.state = now.state;
        self.plugins = now.plugins;
        self.last = now.last;
        self.active = now.active;
        self.budget = now.budget;
        self.used = now.used;
        self.told = now.told;
        self.incidents = now.incidents;
        self.applied = now.applied;
        self.next_checkpoint = now.next_checkpoint;
        self.went_back = now.went_back.saturating_add(1);
        self.gone = now.gone;
        self.captured = now.captured;
        let tasks = &self.tasks;
        self.questions.retain(|task| tasks.get(task).is_some_and(TaskHistory::has_try));
        self.questions.count_on(&now.questions);
        for (id, now) in now.tasks {
            let known = match self.tasks.get_mut(&id) {
                Some(known) => known,
                None => self.gone.entry(id.clone()).or_insert_with(|| TaskHistory::of(now.agent.clone())),
            };
            known.count_on(&now);
            if task.as_ref() == Some(&id) {
                known.validator.clone_from(&validate);
            }
        }
    }
}
