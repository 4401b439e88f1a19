//! What it cost by agent and model, who took part, what people said, and where the record's clock is odd.

use super::head::{id, when};
use crate::html::gather::{Gathered, What};
use crate::html::page::Page;
use crate::query::Gap;
use longhaul_core::entry::CheckpointReason;
use longhaul_core::units::show_duration;

/// The most rows of each table.
const MAX_ROWS: usize = 100;

pub(in crate::html) fn write(page: &mut Page, run: &Gathered) {
    page.raw("<section id=cost aria-labelledby=h-cost><h2 id=h-cost>Cost</h2>");
    let totals = &run.totals;
    let command = format!("longhaul audit log {} --totals", id(run));
    page.raw("<h3>By agent</h3>")
        .table("Cost by agent", &["Agent", "#Attempts", "#Time", "#Fuel", "#Tokens", "#Money"]);
    for (agent, cost) in totals.agents.iter().take(MAX_ROWS) {
        page.raw("<tr>").cell(agent).count(cost.count).count(show_duration(cost.time)).count(cost.fuel);
        page.count(cost.tokens).count(cost.money).raw("</tr>");
    }
    page.end_table().more(totals.agents.len().saturating_sub(MAX_ROWS) as u64, "agents", &command);
    page.raw("<h3>By model</h3>");
    match totals.models.is_empty() {
        true => {
            page.raw("<p>No model was asked.</p>");
        }
        false => {
            page.table("Cost by model", &["Model", "#Calls", "#Tokens", "#Money"]);
            for (model, cost) in totals.models.iter().take(MAX_ROWS) {
                page.raw("<tr>").cell(model).count(cost.count).count(cost.tokens).count(cost.money).raw("</tr>");
            }
            page.end_table().more(totals.models.len().saturating_sub(MAX_ROWS) as u64, "models", &command);
        }
    }
    page.raw("</section>");
    people(page, run, &command);
    outside(page, run, &command);
    record(page, run, &command);
}

fn people(page: &mut Page, run: &Gathered, command: &str) {
    let people = &run.totals.people;
    if people.is_empty() {
        return;
    }
    page.raw("<section id=people aria-labelledby=h-people><h2 id=h-people>What people were asked</h2>");
    page.table("Questions", &["#No.", "Task", "Asked", "To be approved", "Answer", "By", "When"]);
    for said in people.values().take(MAX_ROWS) {
        page.raw("<tr>").count(said.number).code_cell(said.task.as_ref().map_or("", |task| task.as_str()));
        page.cell(&said.summary).code_cell(said.subject.as_deref().unwrap_or_default());
        page.cell(said.answer.as_deref().unwrap_or("not answered")).cell(said.by.as_deref().unwrap_or_default());
        page.cell(said.at.map(when).unwrap_or_default()).raw("</tr>");
    }
    page.end_table().more(people.len().saturating_sub(MAX_ROWS) as u64, "questions", command);
    page.raw("</section>");
}

fn outside(page: &mut Page, run: &Gathered, command: &str) {
    let totals = &run.totals;
    page.raw("<section id=outside aria-labelledby=h-outside><h2 id=h-outside>Commands, hosts and secrets</h2>");
    if totals.commands.is_empty() && totals.hosts.is_empty() && totals.secrets.is_empty() {
        page.raw("<p>No command was run, no host was contacted, and no secret was used.</p>");
    }
    if !totals.commands.is_empty() {
        page.raw("<h3>Commands</h3>").table("Commands", &["Command", "#Runs", "#Refused", "Ended", "Kept apart by"]);
        for (line, ran) in totals.commands.iter().take(MAX_ROWS) {
            let ended = ran.statuses.iter().take(10).map(|(status, count)| format!("{status} ×{count}"));
            let apart = ran.isolation.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
            page.raw("<tr>").code_cell(line).count(ran.runs).count(ran.denied);
            page.cell(ended.collect::<Vec<_>>().join(", ")).cell(apart).raw("</tr>");
        }
        page.end_table().more(totals.commands.len().saturating_sub(MAX_ROWS) as u64, "commands", command);
    }
    if !totals.hosts.is_empty() {
        page.raw("<h3>Hosts</h3>").table("Hosts contacted", &["Host", "#Requests", "#Refused", "Methods", "#Tasks"]);
        for (name, host) in totals.hosts.iter().take(MAX_ROWS) {
            let methods = host.methods.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
            page.raw("<tr>").code_cell(name).count(host.requests).count(host.denied).cell(methods);
            page.count(host.tasks.len()).raw("</tr>");
        }
        page.end_table().more(totals.hosts.len().saturating_sub(MAX_ROWS) as u64, "hosts", command);
    }
    if !totals.secrets.is_empty() {
        page.raw("<h3>Secrets</h3><p>By name. Their values are in no record.</p>");
        page.table("Secrets", &["Secret", "#Uses", "Hosts"]);
        for (name, used) in totals.secrets.iter().take(MAX_ROWS) {
            let hosts = used.hosts.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
            page.raw("<tr>").code_cell(name).count(used.uses).cell(hosts).raw("</tr>");
        }
        page.end_table().more(totals.secrets.len().saturating_sub(MAX_ROWS) as u64, "secrets", command);
    }
    page.raw("</section>");
}

fn record(page: &mut Page, run: &Gathered, command: &str) {
    page.raw("<section id=record aria-labelledby=h-record><h2 id=h-record>The run and its record</h2>");
    page.raw("<h3>Gaps and steps back of the clock</h3>");
    let gaps = &run.totals.gaps;
    match gaps.is_empty() {
        true => {
            page.raw(
                "<p>None: the record has no long silence that nothing explains, and its clock never goes back.</p>",
            );
        }
        false => {
            page.raw("<ul>");
            for gap in gaps.iter().take(MAX_ROWS) {
                let (position, what, span) = match gap {
                    Gap::Silence { position, span } => (position, "nothing was recorded for ", span),
                    Gap::Regression { position, by } => (position, "the clock goes back by ", by),
                };
                page.raw("<li>Entry ").show(position).raw(": ").raw(what).show(show_duration(*span)).raw("</li>");
            }
            page.raw("</ul>").more(gaps.len().saturating_sub(MAX_ROWS) as u64, "of them", command);
        }
    }
    page.raw("<h3>What happened to the run</h3>").table("The run over time", &["When", "What"]);
    let commits = |what: &What| matches!(what, What::Checkpoint(_, CheckpointReason::Commit));
    let told: Vec<_> = run.moments.iter().filter(|moment| !commits(&moment.what)).collect();
    for moment in told.iter().take(MAX_ROWS) {
        page.raw("<tr>").cell(when(moment.at)).raw("<td>");
        match &moment.what {
            What::Changed(state, why) if why.is_empty() => page.show(state),
            What::Changed(state, why) => page.show(state).raw(": ").text(why),
            What::Resumed => page.raw("resumed"),
            What::Checkpoint(number, _) => page.raw("checkpoint ").show(number),
            What::RolledBack(number) => page.raw("went back to checkpoint ").show(number),
            What::Applied(files) => page.raw("put the result into the folder: ").show(files).raw(" files"),
        };
        page.raw("</td></tr>");
    }
    page.end_table();
    page.more(told.len().saturating_sub(MAX_ROWS) as u64, "lines", &format!("longhaul logs {}", id(run)));
    page.raw("<p>").show(run.checkpoints).raw(" checkpoints were made.</p>");
    page.raw("<h3>Plugins</h3>").table("Plugins", &["Name", "Kind", "Version", "Digest"]);
    for plugin in run.plugins.iter().take(MAX_ROWS) {
        page.raw("<tr>").cell(&plugin.name).cell(&plugin.kind).cell(&plugin.version);
        page.code_cell(&plugin.digest.to_string()).raw("</tr>");
    }
    page.end_table();
    page.more(
        run.plugins.len().saturating_sub(MAX_ROWS) as u64,
        "plugins",
        &format!("longhaul show {} --json", id(run)),
    );
    page.raw("</section>");
}
