//! How a state is shown: by a colour, by a sign and by its name, so that none of them is needed alone.

use super::page::Page;
use longhaul_core::state::{RunState, TaskState};

/// The class that gives a colour, and the sign.
pub(super) fn of_task(state: TaskState) -> (&'static str, &'static str) {
    match state {
        TaskState::Completed => ("ok", "✓"),
        TaskState::Failed => ("bad", "✗"),
        TaskState::Failing => ("bad", "↯"),
        TaskState::Escalated => ("warn", "!"),
        TaskState::Running => ("live", "▸"),
        TaskState::Waiting => ("live", "…"),
        TaskState::Pending => ("idle", "○"),
        TaskState::Skipped => ("idle", "–"),
        TaskState::Cancelled => ("idle", "⊘"),
    }
}

/// The same for a run.
pub(super) fn of_run(state: Option<RunState>) -> (&'static str, &'static str) {
    match state {
        Some(RunState::Completed) => ("ok", "✓"),
        Some(RunState::Failed) => ("bad", "✗"),
        Some(RunState::Escalated | RunState::Exhausted) => ("warn", "!"),
        Some(RunState::Paused) => ("idle", "…"),
        Some(RunState::Cancelled) => ("idle", "⊘"),
        Some(RunState::Running | RunState::Applying) | None => ("live", "▸"),
    }
}

/// A sign with a name beside it.
pub(super) fn badge(page: &mut Page, (class, sign): (&'static str, &'static str), name: &str) {
    page.raw("<span class=\"badge ").raw(class).raw("\"><span aria-hidden=true>").raw(sign).raw("</span> ");
    page.text(name).raw("</span>");
}
