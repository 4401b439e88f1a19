//! What each agent did, and what was done for each task.

use super::head::id;
use super::work;
use crate::html::gather::{Ending, Gathered, Story};
use crate::html::mark::{self, badge};
use crate::html::page::Page;
use longhaul_core::units::{Timestamp, show_duration};

/// The most bytes that the details of all tasks take.
const ROOM: usize = 2_300_000;
/// The most tasks that are listed.
const MAX_LISTED: usize = 2_500;
/// Up to this many are seen at once.
const OPEN: usize = 60;
/// The most rows of what agents did.
const MAX_ROWS: usize = 200;

pub(in crate::html) fn write(page: &mut Page, run: &Gathered) {
    agents(page, run);
    page.raw("<section id=tasks aria-labelledby=h-tasks><h2 id=h-tasks>Tasks</h2><div id=filter hidden></div>");
    let mut order = run.order();
    if order.len() > OPEN {
        order.sort_by_key(|at| !run.tasks[*at].stands_out());
    }
    // What stands out is told first, also where there is not room for all.
    let mut details: Vec<Option<Page>> = (0..run.tasks.len()).map(|_| None).collect();
    let (mut room, mut without) = (ROOM, 0_u64);
    let (first, others): (Vec<usize>, Vec<usize>) = order.iter().partition(|at| run.tasks[**at].stands_out());
    for at in first.into_iter().chain(others) {
        let mut part = Page::default();
        detail(&mut part, run, &run.tasks[at]);
        match room.checked_sub(part.len()) {
            Some(left) => {
                room = left;
                details[at] = Some(part);
            }
            None => without += 1,
        }
    }
    for (place, at) in order.iter().take(MAX_LISTED).enumerate() {
        if place == OPEN {
            page.raw("<details class=rest><summary>").show(order.len() - OPEN).raw(" more tasks</summary>");
        }
        let story = &run.tasks[*at];
        match details[*at].take() {
            Some(detail) => {
                page.raw("<details class=task id=t").show(at).raw("><summary>");
                line(page, story);
                page.raw("</summary>").part(&detail).raw("</details>");
            }
            None => {
                page.raw("<p class=task id=t").show(at).raw(">");
                line(page, story);
                page.raw("</p>");
            }
        }
    }
    page.raw(if order.len() > OPEN { "</details>" } else { "" });
    page.more(without, "details of tasks", &format!("longhaul audit log {} --task TASK", id(run)));
    let left_out = order.len().saturating_sub(MAX_LISTED) as u64 + run.untold;
    page.more(left_out, "tasks", &format!("longhaul show {}", id(run)));
    page.raw("</section>");
}

fn agents(page: &mut Page, run: &Gathered) {
    page.raw("<section id=agents aria-labelledby=h-agents><h2 id=h-agents>What the agents did</h2>");
    page.table("Actions by agent", &["Agent", "Capability", "Action", "#Calls", "#Refused", "#Failed", "#Bytes"]);
    let mut rows = 0_usize;
    for (agent, groups) in &run.agents {
        for ((capability, operation), group) in &groups.kept {
            rows += 1;
            if rows > MAX_ROWS {
                continue;
            }
            page.raw("<tr>").cell(agent).cell(capability).cell(operation);
            page.count(group.calls).count(group.denied).count(group.failed).count(group.bytes).raw("</tr>");
        }
    }
    page.end_table();
    let others: u64 = run.agents.values().map(|groups| groups.others).sum();
    let command = format!("longhaul audit log {}", id(run));
    page.more(rows.saturating_sub(MAX_ROWS) as u64 + others, "kinds of actions", &command);
    page.raw("</section>");
}

/// A task on a line.
fn line(page: &mut Page, story: &Story) {
    match story.gone {
        true => badge(page, ("idle", "↶"), "taken back"),
        false => badge(page, mark::of_task(story.state), &story.state.to_string()),
    }
    page.raw(" ").code(story.task.as_str()).raw(" <span class=more>").text(story.agent.as_str()).raw(" · ");
    match (&story.reused, story.attempts()) {
        (Some(from), _) => page.raw("took the output of ").show(from),
        (None, 0) => page.raw("no attempt"),
        (None, 1) => page.raw("1 attempt"),
        (None, many) => page.show(many).raw(" attempts"),
    };
    if story.attempts() > 0 {
        page.raw(", ").show(show_duration(story.used.time)).raw(", ").show(story.work.actions).raw(" actions");
    }
    if !story.failures.is_empty() {
        page.raw(", ").show(story.failures.len()).raw(" failed");
    }
    if story.work.denied > 0 {
        page.raw(", ").show(story.work.denied).raw(" refused");
    }
    page.raw("</span>");
}

fn detail(page: &mut Page, run: &Gathered, story: &Story) {
    page.raw("<div class=detail>");
    if !story.needs.is_empty() {
        page.raw("<p>Needed ");
        for (place, need) in story.needs.iter().take(12).enumerate() {
            page.raw(if place == 0 { "" } else { ", " }).code(need.as_str());
        }
        if story.needs.len() > 12 {
            page.raw(" and ").show(story.needs.len() - 12).raw(" more");
        }
        page.raw("</p>");
    }
    if !story.tries.is_empty() {
        page.raw("<ul class=tries>");
        for one in story.tries.iter().take(12) {
            let begin = one.spans.first().map_or(Timestamp(0), |span| span.from).to_string();
            page.raw("<li>#").show(one.number).raw(" by ").text(one.agent.as_str()).raw(" at ");
            page.text(begin.get(11..19).unwrap_or(&begin));
            if let Some(judged) = one.judges {
                page.raw(", judging #").show(judged);
            }
            match one.ending {
                Some(Ending::Completed) => page.raw(": succeeded"),
                Some(Ending::Renewed) => page.raw(": went on in a fresh instance"),
                Some(Ending::Failed(class)) => page.raw(": failed, ").show(class),
                None => page.raw(": not ended"),
            };
            page.raw("</li>");
        }
        page.raw("</ul>");
        page.more(story.attempts().saturating_sub(12), "attempts", &format!("longhaul logs {}", id(run)));
        page.raw("<p class=more>")
            .show(story.used.fuel)
            .raw(" fuel, ")
            .show(story.used.memory)
            .raw(" of memory at most, ");
        page.show(story.used.tokens).raw(" tokens, cost ").show(story.used.money).raw("</p>");
    }
    work::write(page, &story.work);
    page.raw("</div>");
}
