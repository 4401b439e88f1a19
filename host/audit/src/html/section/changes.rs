//! Files changed, as differences of lines. Each line has a sign beside its colour.

use super::head::id;
use crate::html::diff::{Body, Lines, Sign, WIDTH};
use crate::html::gather::Gathered;
use crate::html::page::Page;
use crate::html::told::{FileChange, Files, Told};
use longhaul_core::change::ChangeKind;
use longhaul_core::units::Bytes;

/// The most bytes that all differences together take here.
const ROOM: usize = 900_000;
/// Beyond this many files they are folded at first.
const FEW: usize = 5;
/// Beyond this many the others are seen when they are asked for.
const OPEN: usize = 30;

pub(in crate::html) fn write(page: &mut Page, run: &Gathered, told: &Told) {
    page.raw("<section id=changes aria-labelledby=h-changes><h2 id=h-changes>Files changed</h2>");
    match &told.files {
        Files::Unknown(why) => {
            page.raw("<p class=\"note warn\">! What changed cannot be shown: ").text(why).raw("</p>");
        }
        Files::Changed { listed, .. } if listed.is_empty() => {
            page.raw("<p>No file differs between the version that the run began with and its last one.</p>");
        }
        Files::Changed { listed, left_out } => {
            page.raw("<p>Between the version that the run began with and its last one: ");
            page.show(listed.len() as u64 + left_out).raw(" changed.</p>");
            let end = page.len() + ROOM;
            let mut left_out = *left_out;
            for (place, file) in listed.iter().enumerate() {
                if place == OPEN {
                    page.raw("<details class=rest><summary>").show(listed.len() - OPEN).raw(" more files</summary>");
                }
                if page.len() > end {
                    left_out += 1;
                    continue;
                }
                one(page, file, listed.len() <= FEW);
            }
            page.raw(if listed.len() > OPEN { "</details>" } else { "" });
            page.more(left_out, "files", &format!("longhaul show {} --json", id(run)));
        }
    }
    page.raw("</section>");
}

fn one(page: &mut Page, file: &FileChange, open: bool) {
    page.raw(if open { "<details class=file open><summary>" } else { "<details class=file><summary>" });
    page.raw(match file.change {
        ChangeKind::Added => "<span class=\"badge ok\"><span aria-hidden=true>+</span> added</span> ",
        ChangeKind::Modified => "<span class=\"badge live\"><span aria-hidden=true>~</span> modified</span> ",
        ChangeKind::Removed => "<span class=\"badge bad\"><span aria-hidden=true>−</span> removed</span> ",
    });
    page.code(&file.path);
    let size = |size: &Option<u64>| size.map_or_else(|| "not there".to_owned(), |size| Bytes(size).to_string());
    match &file.body {
        Body::Lines(lines) => {
            page.raw(" <span class=more>+").show(lines.added).raw(" −").show(lines.removed).raw("</span></summary>");
            difference(page, lines);
        }
        Body::Binary { before, after } => {
            page.raw("</summary><p>Not a text. Before: ")
                .show(size(before))
                .raw("; now: ")
                .show(size(after))
                .raw(".</p>");
        }
        Body::Large { before, after } => {
            page.raw("</summary><p>Too large to be compared here. Before: ").show(size(before)).raw("; now: ");
            page.show(size(after)).raw(".</p>");
        }
        Body::Note(note) => {
            page.raw("</summary><p>").text(note).raw("</p>");
        }
    }
    page.raw("</details>");
}

fn difference(page: &mut Page, lines: &Lines) {
    page.raw("<pre class=diff tabindex=0>");
    for piece in &lines.pieces {
        page.raw("<span class=at>@@ before ").show(piece.before).raw(", now ").show(piece.after).raw(" @@</span>\n");
        for (sign, line) in &piece.lines {
            page.raw(match sign {
                Sign::Same => "  ",
                Sign::Added => "<ins>+ ",
                Sign::Removed => "<del>- ",
            });
            page.cut(line, WIDTH).raw(match sign {
                Sign::Same => "\n",
                Sign::Added => "</ins>\n",
                Sign::Removed => "</del>\n",
            });
        }
    }
    page.raw("</pre>");
    if lines.left_out > 0 {
        page.raw("<p class=more>").show(lines.left_out).raw(" more lines are left out here.</p>");
    }
}
