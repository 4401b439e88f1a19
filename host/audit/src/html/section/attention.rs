//! What needs a person first: questions, what was handed over, failures, refusals.

use super::head::{id, when};
use crate::html::gather::{Gathered, Story};
use crate::html::mark::{self, badge};
use crate::html::page::Page;
use longhaul_core::people::Wants;
use longhaul_core::state::{RunState, TaskState};

/// The most rows of each list here.
const MAX_ROWS: usize = 100;

pub(in crate::html) fn write(page: &mut Page, run: &Gathered) {
    page.raw("<section id=attention aria-labelledby=h-attention><h2 id=h-attention>What needs a person</h2>");
    let before = page.len();
    questions(page, run);
    handed_over(page, run);
    refusals(page, run);
    if page.len() == before {
        page.raw("<p class=\"note ok\">✓ Nothing: no question is open, no task was handed over or given up, nothing was refused.</p>");
    }
    page.raw("</section>");
}

fn questions(page: &mut Page, run: &Gathered) {
    if run.questions.is_empty() {
        return;
    }
    page.raw("<h3>Open questions</h3><ul class=plain>");
    for (task, asked) in run.questions.iter().take(MAX_ROWS) {
        let question = &asked.question;
        page.raw("<li class=\"note warn\"><p><strong>Question ").show(asked.number).raw("</strong> of ");
        page.code(task.as_str()).raw(": ").cut(&question.summary, 500).raw("</p>");
        if !question.detail.is_empty() {
            page.raw("<details><summary>What is needed to decide</summary><pre>");
            page.lines(&question.detail, 4_000).raw("</pre></details>");
        }
        let how = match &question.wants {
            Wants::Text => "TEXT",
            Wants::Option(options) => {
                page.raw("<ol>");
                for option in options.iter().take(20) {
                    page.raw("<li>").text(option).raw("</li>");
                }
                page.raw("</ol>");
                "--option N"
            }
            Wants::Approval(subject) => {
                page.raw("<p>To be approved: what has the digest ").code(&subject.to_string()).raw("</p>");
                "--approve (or --reject)"
            }
        };
        if let Some(until) = question.until {
            page.raw("<p>Nobody is waited for after ").show(when(until)).raw(".</p>");
        }
        page.raw("<p>Answer it: ")
            .code(&format!("longhaul answer {} {} {how}", id(run), asked.number))
            .raw("</p></li>");
    }
    page.raw("</ul>");
    let left_out = run.questions.len().saturating_sub(MAX_ROWS) as u64;
    page.more(left_out, "questions", &format!("longhaul answer {}", id(run)));
}

fn handed_over(page: &mut Page, run: &Gathered) {
    let needs = |story: &&Story| {
        !story.gone && matches!(story.state, TaskState::Escalated | TaskState::Failed | TaskState::Failing)
    };
    let all: Vec<_> = run.tasks.iter().filter(needs).collect();
    let stopped = match run.state {
        Some(RunState::Escalated | RunState::Exhausted) => Some("longhaul resume"),
        _ => None,
    };
    if all.is_empty() && stopped.is_none() {
        return;
    }
    page.raw("<h3>Handed over or given up</h3>");
    if let Some(command) = stopped {
        page.raw("<div class=\"note warn\"><p>! The run stopped: ")
            .cut(&run.reason, 1_000)
            .raw("</p><p>When it is seen to, go on with ");
        page.code(&format!("{command} {}", id(run))).raw("</p></div>");
    }
    page.raw("<ul class=plain>");
    for story in all.iter().take(MAX_ROWS) {
        page.raw("<li class=\"note bad\"><p>").code(story.task.as_str()).raw(" ");
        badge(page, mark::of_task(story.state), &story.state.to_string());
        page.raw(" after ").show(story.attempts()).raw(if story.attempts() == 1 {
            " attempt by "
        } else {
            " attempts by "
        });
        page.text(story.agent.as_str()).raw("</p>");
        let last = run.incidents.iter().rev().find(|failure| failure.incident.attempt.task == story.task);
        if let Some(failure) = last {
            page.raw("<p>").cut(&failure.incident.problem.message, 600).raw("</p>");
        }
        page.raw("</li>");
    }
    page.raw("</ul>");
    page.more(all.len().saturating_sub(MAX_ROWS) as u64, "tasks", &format!("longhaul show {}", id(run)));
}

fn refusals(page: &mut Page, run: &Gathered) {
    if run.refusals.is_empty() {
        return;
    }
    page.raw(
        "<h3>Refused</h3><p>What agents asked for and were not given. The line in the last column would grant it.</p>",
    );
    page.table("Refusals", &["Agent", "Asked for", "On", "#Times", "Why not", "Would be granted by"]);
    let mut all: Vec<_> = run.refusals.kept.iter().collect();
    all.sort_by_key(|(_, refusal)| refusal.position);
    for ((agent, operation, resource), refusal) in all.iter().take(MAX_ROWS) {
        page.raw("<tr>").cell(agent).cell(operation).code_cell(resource).count(refusal.times).cell(&refusal.reason);
        match refusal.grant.is_empty() {
            true => page.raw("<td>nothing would"),
            false => page.raw("<td>").code(&refusal.grant),
        };
        page.raw("</td></tr>");
    }
    page.end_table();
    let left_out = all.len().saturating_sub(MAX_ROWS) as u64 + run.refusals.others;
    page.more(left_out, "refusals", &format!("longhaul audit log {} --outcome denied", id(run)));
}
