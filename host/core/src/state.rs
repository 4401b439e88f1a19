//! The state machines of runs and tasks: for each one enum of states, one of events, one total transition function.
//!
//! ```text
//!      ┌─────wake────── waiting
//!      ▼                  ▲ suspend
//!             start       │    complete
//!   pending ────────► running ─────────► completed
//!      ▲  │              │ fail              ▲ complete: its pieces are done
//!      │  │ skip         ▼
//!      │  └──► skipped ◄─ failing ──give-up──► failed
//!      ├──────retry───────┘      └─escalate──► escalated ──┐       any open state ──cancel──► cancelled
//!      └──────retry────────────────────────────────────────┘
//! ```

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskState {
    /// Not started, or waiting for its next attempt.
    Pending,
    /// An attempt is under way.
    Running,
    /// An attempt is suspended until what it waits for comes.
    Waiting,
    /// An attempt failed, and what to do about it is being decided.
    Failing,
    /// Done; its changes are part of the workspace.
    Completed,
    /// Left out, because of its condition or by a decision.
    Skipped,
    /// Given up.
    Failed,
    /// Handed to a person, who may let it be tried again.
    Escalated,
    /// Cancelled.
    Cancelled,
}

/// What happens to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskEvent {
    /// An attempt begins.
    Start,
    /// The attempt succeeded and is committed.
    Complete,
    /// The attempt is suspended.
    Suspend,
    /// What it waited for has come.
    Wake,
    /// The attempt failed.
    Fail,
    /// It is to be tried again.
    Retry,
    /// It is to be left out.
    Skip,
    /// It is given up.
    GiveUp,
    /// It is handed to a person.
    Escalate,
    /// The run is being cancelled.
    Cancel,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Tasks are being worked on.
    Running,
    /// All tasks are done, and the result is being put into the user's folder.
    Applying,
    /// Stopped at a safe point; it goes on when it is resumed.
    Paused,
    /// Done, and the result is where it belongs.
    Completed,
    /// A task was given up.
    Failed,
    /// A person has to look: the run is in safe mode, with everything kept.
    Escalated,
    /// A budget is used up; it can be resumed after raising it.
    Exhausted,
    /// Cancelled.
    Cancelled,
}

/// What happens to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunEvent {
    /// No task is left, and none failed.
    Finish,
    /// The result is in the user's folder.
    Apply,
    /// A task was given up.
    Fail,
    /// A task was handed to a person, or the result cannot be applied as it is.
    Escalate,
    /// A budget is used up.
    Exhaust,
    /// The operator pauses it.
    Pause,
    /// The operator lets it go on.
    Resume,
    /// The operator cancels it.
    Cancel,
}

/// An event that its state does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {what} that is {state} cannot {event}")]
pub struct IllegalTransition {
    /// `task` or `run`.
    pub what: &'static str,
    /// The state it is in.
    pub state: String,
    /// The event.
    pub event: String,
}

impl TaskState {
    /// The state after `event`.
    ///
    /// # Errors
    /// [`IllegalTransition`] where this state does not allow it.
    pub fn after(self, event: TaskEvent) -> Result<TaskState, IllegalTransition> {
        use {TaskEvent as E, TaskState as S};
        match (self, event) {
            (S::Pending, E::Start) => Ok(S::Running),
            (S::Pending | S::Failing, E::Skip) => Ok(S::Skipped),
            (S::Running, E::Complete) => Ok(S::Completed),
            // It was split, and its pieces are done.
            (S::Failing, E::Complete) => Ok(S::Completed),
            (S::Running, E::Suspend) => Ok(S::Waiting),
            (S::Waiting, E::Wake) => Ok(S::Pending),
            (S::Running, E::Fail) => Ok(S::Failing),
            (S::Failing | S::Escalated, E::Retry) => Ok(S::Pending),
            (S::Failing, E::GiveUp) => Ok(S::Failed),
            (S::Failing, E::Escalate) => Ok(S::Escalated),
            (S::Pending | S::Running | S::Waiting | S::Failing | S::Escalated, E::Cancel) => Ok(S::Cancelled),
            _ => Err(IllegalTransition { what: "task", state: self.to_string(), event: name_of(&event) }),
        }
    }

    /// The event that leads from this state to `to`; none where no single one does.
    pub fn event_to(self, to: TaskState) -> Option<TaskEvent> {
        use TaskEvent as E;
        [E::Start, E::Complete, E::Suspend, E::Wake, E::Fail, E::Retry, E::Skip, E::GiveUp, E::Escalate, E::Cancel]
            .into_iter()
            .find(|event| self.after(*event) == Ok(to))
    }

    /// Whether nothing more will happen to it by itself.
    pub fn is_final(self) -> bool {
        !matches!(self, TaskState::Pending | TaskState::Running | TaskState::Waiting | TaskState::Failing)
    }

    /// Whether tasks that need it may go on.
    pub fn satisfies(self) -> bool {
        matches!(self, TaskState::Completed | TaskState::Skipped)
    }
}

impl RunState {
    /// The state after `event`.
    ///
    /// # Errors
    /// [`IllegalTransition`] where this state does not allow it.
    pub fn after(self, event: RunEvent) -> Result<RunState, IllegalTransition> {
        use {RunEvent as E, RunState as S};
        match (self, event) {
            (S::Running, E::Finish) => Ok(S::Applying),
            (S::Applying, E::Apply) => Ok(S::Completed),
            (S::Running, E::Fail) => Ok(S::Failed),
            (S::Running | S::Applying, E::Escalate) => Ok(S::Escalated),
            (S::Running, E::Exhaust) => Ok(S::Exhausted),
            (S::Running, E::Pause) => Ok(S::Paused),
            (S::Paused | S::Exhausted | S::Escalated, E::Resume) => Ok(S::Running),
            (S::Running | S::Paused | S::Exhausted | S::Escalated, E::Cancel) => Ok(S::Cancelled),
            _ => Err(IllegalTransition { what: "run", state: self.to_string(), event: name_of(&event) }),
        }
    }

    /// Whether nothing more will happen to it by itself.
    pub fn is_final(self) -> bool {
        !matches!(self, RunState::Running | RunState::Applying)
    }

    /// Whether it can be resumed, by itself or after a person has seen to it.
    pub fn can_resume(self) -> bool {
        !matches!(self, RunState::Completed | RunState::Failed | RunState::Cancelled)
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name_of(self))
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name_of(self))
    }
}

/// The name that a state or event has in records.
fn name_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_is_retried_completes() {
        let mut state = TaskState::Pending;
        for event in [TaskEvent::Start, TaskEvent::Fail, TaskEvent::Retry, TaskEvent::Start, TaskEvent::Complete] {
            assert!(!state.is_final());
            state = state.after(event).unwrap();
        }
        assert_eq!(state, TaskState::Completed);
        assert!(state.is_final() && state.satisfies());
    }

    #[test]
    fn final_states_allow_nothing() {
        use TaskEvent as E;
        let all =
            [E::Start, E::Complete, E::Suspend, E::Wake, E::Fail, E::Retry, E::Skip, E::GiveUp, E::Escalate, E::Cancel];
        for state in [TaskState::Completed, TaskState::Skipped, TaskState::Failed, TaskState::Cancelled] {
            for event in all {
                assert!(state.after(event).is_err(), "{state} {event:?}");
            }
        }
    }

    #[test]
    fn the_way_between_two_states_is_known_from_them() {
        assert_eq!(TaskState::Pending.event_to(TaskState::Running), Some(TaskEvent::Start));
        assert_eq!(TaskState::Escalated.event_to(TaskState::Pending), Some(TaskEvent::Retry));
        assert_eq!(TaskState::Completed.event_to(TaskState::Running), None);
    }

    #[test]
    fn a_run_that_rests_goes_on_when_it_is_resumed() {
        for (event, rests) in [(RunEvent::Pause, RunState::Paused), (RunEvent::Exhaust, RunState::Exhausted)] {
            assert_eq!(RunState::Running.after(event), Ok(rests));
            assert!(rests.is_final() && rests.can_resume());
            assert_eq!(rests.after(RunEvent::Resume), Ok(RunState::Running));
        }
        assert!(!RunState::Completed.can_resume() && RunState::Completed.after(RunEvent::Resume).is_err());
    }

    #[test]
    fn an_illegal_event_is_told_in_words() {
        let error = TaskState::Completed.after(TaskEvent::GiveUp).unwrap_err();
        assert_eq!(error.to_string(), "a task that is completed cannot give-up");
        assert!(RunState::Completed.after(RunEvent::Cancel).is_err());
    }
}
