//! What a history tells of its run: where the tasks stand, what was changed, what is kept.

use super::{Checkpoint, History};
use crate::history::task::TaskHistory;
use crate::questions::OpenQuestion;
use crate::report::TaskRow;
use longhaul_core::digest::Digest;
use longhaul_core::entry::Budget;
use longhaul_core::id::{Name, TaskId};
use longhaul_core::manifest::PluginKind;
use longhaul_core::people::{AnswerError, Reply};
use longhaul_core::state::TaskState;
use longhaul_core::units::Timestamp;
use longhaul_core::workflow::model::Workflow;

/// Where a task stands that goes on with its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The task.
    pub task: &'a TaskId,
    /// Who works on it.
    pub agent: &'a Name,
    /// Its state.
    pub state: TaskState,
    /// Whether an attempt of it is under way, and goes on.
    pub goes_on: bool,
}

impl History {
    /// Where all tasks stand, by name.
    pub fn standing(&self) -> Vec<Standing<'_>> {
        let mut all = Vec::with_capacity(self.tasks.len());
        for (task, known) in &self.tasks {
            let goes_on = known.state == TaskState::Running && known.base.is_some() && !known.is_foreign;
            all.push(Standing { task, agent: &known.agent, state: known.state, goes_on });
        }
        all.sort_unstable_by_key(|standing| standing.task);
        all
    }

    /// The questions that a person has to answer, by number.
    pub fn questions(&self) -> Vec<OpenQuestion> {
        self.questions.open()
    }

    /// The task that asked question `number`, where `reply` answers it.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn admits(&self, number: u32, reply: &Reply) -> Result<TaskId, AnswerError> {
        self.questions.admit(number, reply)
    }

    /// When its record ends.
    pub fn last(&self) -> Timestamp {
        self.last
    }

    /// How many files differ from what the run began with.
    pub fn files_changed(&self) -> u64 {
        self.changes.len() as u64
    }

    /// The version that the run began with.
    pub fn base(&self) -> Digest {
        self.base
    }

    /// The version that it has reached.
    pub fn version(&self) -> Digest {
        self.version
    }

    /// The version of it that is in the user's folder, where one was put there.
    pub fn applied_version(&self) -> Option<Digest> {
        self.applied
    }

    /// How the tasks stand, in the order of their names.
    pub fn tasks(&self) -> Vec<TaskRow> {
        let row = |(task, known): (&TaskId, &TaskHistory)| TaskRow {
            task: task.clone(),
            agent: known.agent.clone(),
            state: known.state,
            attempts: known.attempts,
            fuel: known.usage.fuel,
            tokens: known.usage.tokens,
            money: known.usage.money,
            memory: known.usage.memory,
            time: known.usage.time,
            problem: known.problem.clone(),
            reused: known.reused.clone(),
        };
        let mut rows: Vec<_> = self.tasks.iter().map(row).collect();
        rows.sort_by(|one, other| one.task.listed().cmp(&other.task.listed()));
        rows
    }

    /// The versions that the run needs: to be looked at, applied, forked and resumed.
    pub fn needed(&self) -> Vec<Digest> {
        let kept = self.kept().iter().map(|checkpoint| checkpoint.version);
        let open = self.tasks.values().filter_map(TaskHistory::works_on);
        let trees = self.tasks.values().filter(|task| task.works_on().is_some()).flat_map(|task| &task.kept).copied();
        let captured = self.captured.iter().copied();
        [self.base, self.version].into_iter().chain(kept).chain(open).chain(trees).chain(captured).collect()
    }

    /// The checkpoints that can be gone back to, oldest first.
    pub fn kept(&self) -> &[Checkpoint] {
        let dropped = self.checkpoints.partition_point(|checkpoint| checkpoint.number <= self.dropped);
        &self.checkpoints[dropped..]
    }

    /// What the run may use up.
    pub fn budget(&self, workflow: &Workflow) -> Budget {
        self.budget.unwrap_or(workflow.budget)
    }

    /// The component that the run began with under this name; none where the record does not have it.
    pub fn plugin(&self, kind: PluginKind, name: &Name) -> Option<Digest> {
        self.plugins.iter().find(|(plugin, known, _)| *plugin == kind && known == name).map(|(_, _, digest)| *digest)
    }
}
