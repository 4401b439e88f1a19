//! Failed attempts with their evidence and every decision, and what no rollback takes back.

use super::head::{id, when};
use crate::html::gather::Gathered;
use crate::html::page::Page;

/// The most bytes that all incidents together take here.
const ROOM: usize = 600_000;
/// The most characters of an incident's evidence.
const EVIDENCE: usize = 4_000;
/// The most rows of effects.
const MAX_ROWS: usize = 150;

pub(in crate::html) fn write(page: &mut Page, run: &Gathered) {
    page.raw("<section id=incidents aria-labelledby=h-incidents><h2 id=h-incidents>Incidents and decisions</h2>");
    if run.incidents.is_empty() {
        page.raw("<p>No attempt failed.</p>");
    }
    let end = page.len() + ROOM;
    let mut left_out = run.further_incidents;
    page.raw("<ol class=plain>");
    for failure in &run.incidents {
        if page.len() > end {
            left_out += 1;
            continue;
        }
        let incident = &failure.incident;
        page.raw("<li class=incident><h3><span class=\"badge bad\"><span aria-hidden=true>✗</span> ");
        page.text(incident.problem.class.as_str()).raw("</span> ").show(&incident.attempt).raw("</h3><p>");
        page.cut(&incident.problem.message, 1_000).raw("</p><p class=more>").show(when(incident.at)).raw(", agent ");
        page.text(incident.agent.as_str()).raw(", entry ").show(failure.position).raw("</p>");
        if !failure.decisions.is_empty() {
            page.raw("<table><thead><tr><th scope=col>Strategy<th scope=col>Decided</tr></thead><tbody>");
            for (strategy, decision, error) in &failure.decisions {
                page.raw("<tr>").cell(strategy).raw("<td>");
                match decision {
                    Some(decision) => page.cut(&decision.to_string(), 600),
                    None => page.raw("left it to the next one"),
                };
                if let Some(error) = error {
                    page.raw(" <em>refused:</em> ").text(error);
                }
                page.raw("</td></tr>");
            }
            page.raw("</tbody></table>");
        }
        let evidence = serde_json::to_string_pretty(&incident.problem.evidence).unwrap_or_default();
        if evidence.len() > 4 {
            page.raw("<details><summary>Evidence</summary><pre>").lines(&evidence, EVIDENCE).raw("</pre></details>");
        }
        page.raw("</li>");
    }
    page.raw("</ol>");
    page.more(left_out, "incidents", &format!("longhaul logs {}", id(run)));
    effects(page, run);
    page.raw("</section>");
}

fn effects(page: &mut Page, run: &Gathered) {
    page.raw("<h3>What cannot be undone</h3>");
    if run.effects.is_empty() {
        page.raw("<p>Nothing was done outside of the run's own files.</p>");
        return;
    }
    page.raw("<p>These were done outside, by commands and requests. No rollback takes them back.</p>");
    page.table("Effects", &["Capability", "Done", "To", "#Times", "#Failed", "#Outcome unknown", "May be repeated"]);
    let mut all: Vec<_> = run.effects.kept.iter().collect();
    all.sort_by_key(|(_, outside)| outside.position);
    for ((capability, operation, resource), outside) in all.iter().take(MAX_ROWS) {
        page.raw("<tr>").cell(capability).cell(operation).code_cell(resource);
        page.count(outside.times).count(outside.failed).count(outside.times.saturating_sub(outside.ended));
        page.cell(if outside.repeatable { "yes" } else { "no" }).raw("</tr>");
    }
    page.end_table();
    let left_out = all.len().saturating_sub(MAX_ROWS) as u64 + run.effects.others;
    page.more(left_out, "effects", &format!("longhaul audit log {}", id(run)));
}
