//! What was done for one task: actions by capability, and what they were done to.

use crate::html::gather::{Few, Work};
use crate::html::page::Page;
use longhaul_core::change::ChangeKind;

pub(in crate::html) fn write(page: &mut Page, work: &Work) {
    if !work.groups.is_empty() {
        page.raw("<p class=groups>");
        let mut last = None;
        for ((capability, operation), group) in &work.groups.kept {
            if last != Some(capability) {
                page.raw(if last.is_some() { "; " } else { "" }).raw("<strong>").show(capability).raw("</strong> ");
                last = Some(capability);
            } else {
                page.raw(", ");
            }
            page.text(operation).raw(" ×").show(group.calls);
            if group.denied > 0 {
                page.raw(" (").show(group.denied).raw(" refused)");
            }
            if group.failed > 0 {
                page.raw(" (").show(group.failed).raw(" failed)");
            }
        }
        rest(page, work.groups.others);
        page.raw("</p>");
    }
    page.raw("<dl class=work>");
    if !work.changed.is_empty() {
        page.raw("<div><dt>Files changed</dt><dd>");
        let shown = work.changed.kept.iter().filter_map(|(path, change)| Some((path, (*change)?)));
        for (place, (path, change)) in shown.enumerate() {
            page.raw(if place == 0 { "" } else { ", " });
            page.raw(match change {
                ChangeKind::Added => "+ ",
                ChangeKind::Modified => "~ ",
                ChangeKind::Removed => "− ",
            });
            page.code(path);
        }
        rest(page, work.changed.others);
        page.raw("</dd></div>");
    }
    counted(page, "Files read", &work.read);
    if !work.commands.is_empty() {
        page.raw("<div><dt>Commands</dt><dd><ul>");
        for ((command, ended), runs) in &work.commands.kept {
            page.raw("<li>").code(command).raw(": ").text(ended);
            if runs.times > 1 {
                page.raw(" ×").show(runs.times);
            }
            if !runs.isolation.is_empty() {
                page.raw(" <span class=more>(").cut(&runs.isolation.join(", "), 300).raw(")</span>");
            }
            page.raw("</li>");
        }
        page.raw("</ul>");
        rest(page, work.commands.others);
        page.raw("</dd></div>");
    }
    counted(page, "Hosts", &work.hosts);
    if !work.models.is_empty() {
        page.raw("<div><dt>Models</dt><dd>");
        for (place, (model, cost)) in work.models.kept.iter().enumerate() {
            page.raw(if place == 0 { "" } else { ", " }).code(model).raw(" ×").show(cost.count).raw(", ");
            page.show(cost.tokens).raw(" tokens, cost ").show(cost.money);
        }
        rest(page, work.models.others);
        page.raw("</dd></div>");
    }
    counted(page, "Secrets, by name", &work.secrets);
    counted(page, "Memory", &work.memory);
    counted(page, "Messages sent to", &work.sent);
    if work.received > 0 {
        page.fact("Messages received", work.received);
    }
    if !work.questions.is_empty() {
        let numbers: Vec<_> = work.questions.iter().map(u32::to_string).collect();
        page.fact("Asked people", format!("question {}", numbers.join(", ")));
    }
    page.raw("</dl>");
}

fn counted<const MOST: usize>(page: &mut Page, term: &'static str, things: &Few<String, u64, MOST>) {
    if things.is_empty() {
        return;
    }
    page.raw("<div><dt>").raw(term).raw("</dt><dd>");
    for (place, (thing, count)) in things.kept.iter().enumerate() {
        page.raw(if place == 0 { "" } else { ", " }).code(thing);
        if *count > 1 {
            page.raw(" ×").show(count);
        }
    }
    rest(page, things.others);
    page.raw("</dd></div>");
}

fn rest(page: &mut Page, others: u64) {
    if others > 0 {
        page.raw(" and ").show(others).raw(" more");
    }
}
