//! What it was, how it ended, and whether the record of it can be believed.

use crate::html::gather::Gathered;
use crate::html::mark::{self, badge};
use crate::html::page::Page;
use crate::html::told::{Told, Verdict};
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::{Fuel, Money, Timestamp, Tokens, show_duration};
use std::collections::BTreeMap;

/// A time as a person reads it: to the second, in UTC.
pub(in crate::html) fn when(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} {} UTC", text.get(..10).unwrap_or(&text), text.get(11..19).unwrap_or_default())
}

pub(in crate::html) fn write(page: &mut Page, run: &Gathered, told: &Told) {
    let name = run.state.map_or_else(|| "unknown".to_owned(), |state| state.to_string());
    page.raw("<header><p class=kind>Longhaul run report</p><h1>");
    page.text(run.run.as_ref().map_or("a run", |facts| facts.workflow.as_str())).raw(" ");
    badge(page, mark::of_run(run.state), &name);
    page.raw("</h1>");
    let Some(facts) = &run.run else {
        page.raw("<p>The record does not begin with the start of a run.</p></header>");
        return;
    };
    if !facts.objective.is_empty() {
        page.raw("<p class=lead>").cut(&facts.objective, 1_000).raw("</p>");
    }
    page.raw("<p>").raw(meaning(run.state));
    if !run.reason.is_empty() {
        page.raw(" <strong>Why:</strong> ").cut(&run.reason, 1_000);
    }
    page.raw("</p><dl class=facts>");
    page.raw("<div><dt>Run</dt><dd>").code(facts.id.as_str()).raw("</dd></div>");
    page.raw("<div><dt>Workflow file</dt><dd>").code(&facts.file).raw("</dd></div>");
    let end = run.ended.unwrap_or(run.last);
    page.fact("Began", when(facts.started));
    page.fact(if run.ended.is_some() { "Ended" } else { "Last entry" }, when(end));
    page.fact("Took", show_duration(end.since(facts.started)));
    page.fact("Tasks", states(run));
    let (mut fuel, mut tokens, mut money, mut tries) = (Fuel(0), Tokens(0), Money(0), 0);
    for story in &run.tasks {
        fuel += story.used.fuel;
        tokens += story.used.tokens;
        money += story.used.money;
        tries += story.attempts();
    }
    page.fact("Attempts", tries);
    page.fact("Computing", format!("{fuel} fuel"));
    page.fact("Models", format!("{tokens} tokens, cost {money}"));
    page.fact("Host version", facts.hosts.join(", then "));
    page.fact("Guests kept apart by", facts.isolation.join(", "));
    page.raw("<div><dt>Began with version</dt><dd>").code(&facts.base.to_string()).raw("</dd></div>");
    if let Some(version) = run.version {
        page.raw("<div><dt>Result version</dt><dd>").code(&version.to_string()).raw("</dd></div>");
    }
    if let Some((from, checkpoint)) = &facts.forked {
        page.fact("Forked from", format!("{from} at checkpoint {checkpoint}"));
    }
    page.raw("</dl>");
    if !facts.inputs.is_empty() {
        page.raw("<details><summary>Inputs</summary><dl class=facts>");
        for (name, value) in &facts.inputs {
            page.raw("<div><dt>").text(name).raw("</dt><dd>").code(value).raw("</dd></div>");
        }
        page.raw("</dl></details>");
    }
    page.raw("</header>");
    verification(page, run, told);
}

fn meaning(state: Option<RunState>) -> &'static str {
    match state {
        Some(RunState::Completed) => "All tasks are done, and the result is where it belongs.",
        Some(RunState::Failed) => "A task was given up, so the run failed. The folder was not changed.",
        Some(RunState::Escalated) => "The run stopped safely and waits for a person. Everything is kept.",
        Some(RunState::Exhausted) => "A budget is used up. The run can be resumed after raising it.",
        Some(RunState::Paused) => "The run is paused, and goes on when it is resumed.",
        Some(RunState::Cancelled) => "The run was cancelled.",
        Some(RunState::Applying) => "All tasks are done, and the result was being put into the folder.",
        Some(RunState::Running) | None => "The record ends while the run was under way.",
    }
}

fn states(run: &Gathered) -> String {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for story in run.tasks.iter().filter(|story| !story.gone) {
        *counts.entry(story.state.to_string()).or_default() += 1;
    }
    let completed = TaskState::Completed.to_string();
    let total: u64 = counts.values().sum();
    match counts.remove(&completed) {
        Some(done) if done == total => format!("{total}, all completed"),
        done => {
            let done = done.map(|done| (completed, done));
            let parts = done.into_iter().chain(counts).map(|(state, count)| format!("{count} {state}"));
            format!("{total}: {}", parts.collect::<Vec<_>>().join(", "))
        }
    }
}

fn verification(page: &mut Page, run: &Gathered, told: &Told) {
    let verified = &told.verified;
    page.raw("<section id=verification aria-labelledby=h-verification><h2 id=h-verification>Is this the record?</h2>");
    match &verified.verdict {
        Verdict::AsRecorded => {
            page.raw("<p class=\"note ok\"><strong>✓ The record is as it was recorded.</strong> Every entry fits the signed heads that were made as it was written.</p>");
        }
        Verdict::Altered => {
            page.raw("<p class=\"note bad\"><strong>✗ The record is NOT as it was recorded.</strong> Do not rely on what follows.</p><ul>");
            for finding in verified.findings.iter().take(50) {
                page.raw("<li>").text(finding).raw("</li>");
            }
            page.raw("</ul>");
            let command = format!("longhaul audit verify {}", id(run));
            page.more(verified.findings.len().saturating_sub(50) as u64, "findings", &command);
        }
        Verdict::Unchecked(why) => {
            page.raw("<p class=\"note warn\"><strong>! The record was not verified.</strong> ").text(why).raw("</p>");
        }
    }
    page.raw("<dl class=facts>");
    page.fact("Entries", run.entries).fact("Signed heads", verified.heads);
    page.fact("Proven by a head", format!("{} entries", verified.proven));
    page.fact("Sealed by", verified.key.as_deref().unwrap_or("no key that is trusted here"));
    if run.unread > 0 {
        page.fact("Of kinds unknown to this version", format!("{} entries", run.unread));
    }
    page.raw("</dl>");
    if verified.verdict == Verdict::AsRecorded && verified.proven < run.entries {
        page.raw("<p>The entries after the last head are not sealed yet: the run was cut off there, or goes on.</p>");
    }
    if let Some(head) = &verified.head {
        page.raw("<details><summary>Newest signed head</summary><pre>").lines(head, 4_000).raw("</pre></details>");
    }
    page.raw("<p>This page is no proof by itself. <code>longhaul audit verify ").text(id(run));
    page.raw("</code> checks the record that it was made from.</p></section>");
}

/// The run's id, for commands.
pub(in crate::html) fn id(run: &Gathered) -> &str {
    run.run.as_ref().map_or("last", |facts| facts.id.as_str())
}
