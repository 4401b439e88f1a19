//! A run's report as a person reads it.

use crate::report::RunReport;
use crate::terminal::{one_line, table};
use longhaul_core::entry::ChangeKind;
use longhaul_core::units::show_duration;
use std::time::Duration;

/// Rows of each list that are shown; JSON has all.
const SHOWN: usize = 12;
/// Refusals that are shown: each takes two lines.
const REFUSALS_SHOWN: usize = 6;

impl RunReport {
    /// The report as a person reads it.
    pub(crate) fn to_text(&self, record_place: &str) -> String {
        let mut text = format!("run {} of {}: {}", self.run, one_line(&self.workflow, 60), self.status);
        if !self.reason.is_empty() {
            text.push_str(&format!(" ({})", one_line(&self.reason, 400)));
        }
        text.push_str(&format!(
            "\n{} · {} tasks · {} host calls · {} fuel · {} memory at most in one agent\n",
            show_duration(Duration::from_secs_f64(self.seconds.clamp(0.0, 1e9))),
            self.tasks.len(),
            self.actions,
            self.fuel,
            self.memory,
        ));
        if self.tokens.0 > 0 || self.money.0 > 0 {
            text.push_str(&format!("{} tokens · {} of money\n", self.tokens, self.money));
        }
        for question in &self.questions {
            text.push('\n');
            text.push_str(&question.to_text());
        }
        self.write_tasks(&mut text);
        self.write_changes(&mut text);
        self.write_refusals(&mut text);
        self.write_incidents(&mut text);
        text.push_str(&format!("\nrecord: {} entries in {record_place}\n", self.entries));
        text
    }

    fn write_tasks(&self, text: &mut String) {
        let mut rows = vec![
            ["  TASK", "AGENT", "STATE", "TRIES", "CALLS", "FUEL", "MEMORY", "TIME", "CHANGED"]
                .map(str::to_owned)
                .to_vec(),
        ];
        // Those that did not end well first: they are what somebody has to look at.
        let (bad, good): (Vec<_>, Vec<_>) = self.tasks.iter().partition(|row| !row.state.satisfies());
        let shown = good.len().min(SHOWN.saturating_sub(bad.len().min(SHOWN)).max(4));
        for row in bad.iter().take(SHOWN).chain(good.iter().take(shown)) {
            rows.push(vec![
                format!("  {}", row.task),
                row.agent.to_string(),
                row.reused.as_ref().map_or_else(|| row.state.to_string(), |from| format!("as {from}")),
                row.attempts.to_string(),
                row.actions.to_string(),
                row.fuel.to_string(),
                row.memory.to_string(),
                show_duration(Duration::from_secs_f64(row.seconds.clamp(0.0, 1e9))),
                row.changes.to_string(),
            ]);
        }
        text.push_str("\ntasks\n");
        text.push_str(&table(&rows));
        rest(text, self.tasks.len(), rows.len() - 1);
    }

    fn write_changes(&self, text: &mut String) {
        let place = match self.applied {
            Some(_) => "in your folder now",
            None => "not applied to your folder",
        };
        if self.changes.is_empty() {
            text.push_str("\nno file changed\n");
            return;
        }
        text.push_str(&format!("\n{} files changed, {place}\n", self.changes.len()));
        for row in self.changes.iter().take(SHOWN) {
            let sign = match row.change {
                ChangeKind::Added => '+',
                ChangeKind::Modified => '~',
                ChangeKind::Removed => '-',
            };
            text.push_str(&format!("  {sign} {}\n", one_line(&row.path, 160)));
        }
        rest(text, self.changes.len(), SHOWN);
    }

    fn write_refusals(&self, text: &mut String) {
        if self.refusals.is_empty() {
            text.push_str("\nnothing was refused\n");
            return;
        }
        let calls = if self.denials == 1 { "host call" } else { "host calls" };
        text.push_str(&format!("\n{} {calls} refused\n", self.denials));
        for row in self.refusals.iter().take(REFUSALS_SHOWN) {
            let times = if row.times > 1 { format!(" ({} times)", row.times) } else { String::new() };
            text.push_str(&format!(
                "  {}: {} `{}`{times}: {}\n",
                row.agent,
                row.operation,
                one_line(&row.resource, 100),
                one_line(&row.reason, 160),
            ));
            if !row.grant.is_empty() {
                text.push_str(&format!("      would be granted by  {}\n", one_line(&row.grant, 160)));
            }
        }
        if self.refusals_cut {
            text.push_str("  … and more kinds than are told apart (`longhaul logs --denied` has all)\n");
        } else {
            rest(text, self.refusals.len(), REFUSALS_SHOWN);
        }
    }

    fn write_incidents(&self, text: &mut String) {
        if self.incidents.is_empty() {
            return;
        }
        text.push_str(&format!("\n{} incidents\n", self.incidents.len()));
        for row in self.incidents.iter().take(SHOWN) {
            let problem = &row.incident.problem;
            text.push_str(&format!(
                "  {} {}: {}\n",
                row.incident.attempt,
                problem.class,
                one_line(&problem.message, 400)
            ));
            if let Some((strategy, decision)) = &row.decision {
                text.push_str(&format!("      {strategy}: {}\n", one_line(&decision.to_string(), 300)));
            }
        }
        rest(text, self.incidents.len(), SHOWN);
    }
}

fn rest(text: &mut String, all: usize, shown: usize) {
    if all > shown {
        text.push_str(&format!("  … and {} more (`--json` has all)\n", all - shown));
    }
}
