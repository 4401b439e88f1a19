//! Live progress of a run: bars on a terminal, plain lines elsewhere. Always on stderr.

use crate::terminal::{is_interactive, one_line, say};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use longhaul_core::attempt::LogLevel;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::id::TaskId;
use longhaul_core::state::TaskState;
use longhaul_core::units::show_duration;
use longhaul_engine::ports::Observer;
use longhaul_engine::{History, Standing};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Shows a run as it goes.
pub(crate) struct Progress {
    /// On a terminal.
    bars: Option<MultiProgress>,
    /// Whether nothing is shown of the tasks; what concerns the run as a whole is said all the same.
    quiet: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    whole: Option<ProgressBar>,
    tasks: HashMap<TaskId, Task>,
    ended: u64,
    changes: u64,
    denials: u64,
}

#[derive(Default)]
struct Task {
    agent: String,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Progress on this process's stderr.
    pub(crate) fn new(quiet: bool) -> Self {
        let bars = (!quiet && is_interactive()).then(MultiProgress::new);
        Self { bars, quiet, state: Mutex::default() }
    }

    /// Takes note of what was recorded before the run went on, and shows what of it goes on.
    pub(crate) fn catch_up(&self, history: &History) {
        if self.quiet {
            return;
        }
        let mut state = self.lock();
        state.changes = history.files_changed();
        for Standing { task, agent, state: to, goes_on } in history.standing() {
            self.plan(&mut state, task, agent.as_str());
            if goes_on {
                self.begin(&mut state, task, agent.as_str(), "goes on");
            } else {
                self.end(&mut state, task, to);
            }
        }
    }

    /// Says something between the bars.
    pub(crate) fn say(&self, line: &str) {
        match &self.bars {
            Some(bars) => drop(bars.println(line)),
            None => say(line),
        }
    }

    /// Takes the bars away.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        if let Some(bars) = &self.bars {
            state.tasks.clear();
            state.whole = None;
            drop(bars.clear());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self, state: &mut State, task: &TaskId, agent: &str) {
        state.tasks.entry(task.clone()).or_default().agent = agent.to_owned();
        if let Some(bars) = &self.bars {
            let whole = state.whole.get_or_insert_with(|| {
                let bar = bars.add(ProgressBar::new(0));
                bar.set_style(style("{elapsed_precise} [{bar:30}] {pos}/{len} tasks {msg}"));
                bar.enable_steady_tick(Duration::from_millis(250));
                bar
            });
            whole.set_length(state.tasks.len() as u64);
        }
    }

    fn begin(&self, state: &mut State, task: &TaskId, agent: &str, how: &str) {
        let entry = state.tasks.entry(task.clone()).or_default();
        entry.agent = agent.to_owned();
        match &self.bars {
            Some(bars) => {
                let bar = bars.add(ProgressBar::no_length());
                bar.set_style(style("  {spinner} {prefix} {elapsed} {msg}"));
                bar.set_prefix(format!("{task} ({agent})"));
                bar.enable_steady_tick(Duration::from_millis(120));
                entry.bar = Some(bar);
            }
            None => say(&format!("{task}: {agent} {how}")),
        }
    }

    fn end(&self, state: &mut State, task: &TaskId, to: TaskState) {
        if let (Some(bars), Some(bar)) = (&self.bars, state.tasks.get_mut(task).and_then(|t| t.bar.take())) {
            bar.finish_and_clear();
            bars.remove(&bar);
        }
        if to.is_final() {
            state.ended += 1;
            if let Some(whole) = &state.whole {
                whole.set_position(state.ended);
                whole.set_message(format!("{} files changed, {} calls refused", state.changes, state.denials));
            }
        }
    }
}

impl Observer for Progress {
    fn live(&self, task: &TaskId, line: &str) {
        if self.quiet {
            return;
        }
        let line = one_line(line, 200);
        match self.lock().tasks.get(task).and_then(|task| task.bar.as_ref()) {
            Some(bar) => bar.set_message(one_line(&line, 60)),
            None => say(&format!("{task}| {line}")),
        }
    }

    fn seen(&self, record: &Record) {
        if self.quiet {
            return;
        }
        let Some(task) = &record.task else {
            if let Entry::RunChanged { to, reason, .. } = &record.entry
                && self.bars.is_none()
            {
                let reason = if reason.is_empty() { String::new() } else { format!(": {}", one_line(reason, 300)) };
                say(&format!("run is {to}{reason}"));
            }
            return;
        };
        let mut state = self.lock();
        match &record.entry {
            Entry::TaskPlanned { agent, .. } => self.plan(&mut state, task, agent.as_str()),
            Entry::AttemptStarted { agent, .. } => self.begin(&mut state, task, agent.as_str(), "begins"),
            Entry::Captured(captured) if self.bars.is_none() => {
                drop(state);
                self.say(&format!("{task}: {} attachments captured", captured.attachments.len()));
            }
            Entry::Progress { done, total, note } => {
                if let Some(bar) = state.tasks.get(task).and_then(|t| t.bar.as_ref()) {
                    let total = total.map_or_else(String::new, |total| format!("/{total}"));
                    bar.set_message(format!("{done}{total} {}", one_line(note, 60)));
                }
            }
            Entry::Log { level, message } if *level >= LogLevel::Info => {
                let line = format!("{task}: {}", one_line(message, 300));
                drop(state);
                self.say(&line);
            }
            Entry::Action(action) if action.is_denied() => state.denials += 1,
            Entry::Committed { changes, .. } => state.changes += changes.len() as u64,
            Entry::AttemptEnded { result, usage } => {
                let ended = match result {
                    Ok(_) => format!(
                        "{task}: done in {}, {} fuel, {} host calls",
                        show_duration(usage.time),
                        usage.fuel,
                        usage.actions
                    ),
                    Err(problem) => format!("{task}: {}: {}", problem.class, one_line(&problem.message, 300)),
                };
                let worth_it = self.bars.is_none() || result.is_err();
                drop(state);
                if worth_it {
                    self.say(&ended);
                }
            }
            Entry::Reused { from, .. } => {
                drop(state);
                self.say(&format!("{task}: takes the output of {from}, which did the same"));
            }
            Entry::RolledBack { number, gone, counts, .. } => {
                let bars = state.tasks.values_mut().filter_map(|entry| entry.bar.take());
                bars.for_each(|bar| bar.finish_and_clear());
                state.tasks.retain(|task, _| !gone.contains(task));
                state.ended = counts.total() - counts.pending - counts.running - counts.waiting - counts.failing;
                if let Some(whole) = &state.whole {
                    whole.set_length(state.tasks.len() as u64);
                    whole.set_position(state.ended);
                }
                drop(state);
                self.say(&format!("{task}: the run goes back to checkpoint {number}"));
            }
            Entry::TaskChanged { to, .. } if !matches!(to, TaskState::Running) => self.end(&mut state, task, *to),
            _ => {}
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants; a mistake in one shows as the default style.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}
