//! The task graph as a picture.

use super::head::id;
use crate::html::gather::Gathered;
use crate::html::layout::{Boxed, Layout, ORDER, WIDTH};
use crate::html::mark;
use crate::html::page::Page;
use std::collections::BTreeMap;

/// The most lines between boxes.
const MAX_EDGES: usize = 4_000;

pub(in crate::html) fn write(page: &mut Page, run: &Gathered) {
    let layout = Layout::of(&run.tasks);
    page.raw("<section id=graph aria-labelledby=h-graph><h2 id=h-graph>Task graph</h2>");
    if layout.boxes.is_empty() {
        page.raw("<p>No task was planned.</p></section>");
        return;
    }
    page.raw("<p>Each box needs those that lines lead to it from. Elements of one task are one box where they are many; what a task asked for stands below its name. The list of <a href=\"#tasks\">tasks</a> says the same in words.</p>");
    page.raw("<div class=\"wide picture\" tabindex=0 role=region aria-label=\"Task graph\"><svg class=graph role=group aria-label=\"Task graph\" width=");
    page.at(layout.width).raw(" height=").at(layout.height).raw(" viewBox=\"0 0 ").at(layout.width).raw(" ");
    page.at(layout.height).raw("\"><g class=edges>");
    let mut edges = 0;
    for boxed in &layout.boxes {
        for need in &boxed.needs {
            edges += 1;
            if edges <= MAX_EDGES {
                edge(page, &layout.boxes[*need], boxed);
            }
        }
    }
    page.raw("</g>");
    layout.boxes.iter().for_each(|boxed| draw(page, boxed));
    page.raw("</svg></div>");
    let left_out = edges.saturating_sub(MAX_EDGES) as u64;
    page.more(left_out, "lines between tasks", &format!("longhaul logs {} --json", id(run)));
    page.more(layout.left_out + run.untold, "tasks", &format!("longhaul show {}", id(run)));
    page.raw("</section>");
}

fn edge(page: &mut Page, from: &Boxed<'_>, to: &Boxed<'_>) {
    let (x1, y1) = (from.x + WIDTH / 2.0, from.y + from.height());
    let (x2, y2) = (to.x + WIDTH / 2.0, to.y);
    let bend = ((y2 - y1) / 2.0).clamp(10.0, 60.0);
    page.raw("<path d=\"M").at(x1).raw(" ").at(y1).raw("C").at(x1).raw(" ").at(y1 + bend).raw(" ").at(x2).raw(" ");
    page.at(y2 - bend).raw(" ").at(x2).raw(" ").at(y2).raw("\"/>");
}

fn draw(page: &mut Page, boxed: &Boxed<'_>) {
    let (index, story) = boxed.first;
    let (class, sign) = mark::of_task(boxed.state());
    page.raw("<a href=\"#t").show(index).raw("\"><g class=\"box ").raw(class).raw("\"><title>");
    page.text(if boxed.tasks > 1 { story.task.name() } else { story.task.as_str() });
    page.raw(", ").text(&in_words(&boxed.states)).raw("</title>");
    if boxed.tasks > 1 {
        // Cards behind it say that it stands for several.
        rectangle(page, boxed.x + 5.0, boxed.y + 5.0, boxed.height());
    }
    rectangle(page, boxed.x, boxed.y, boxed.height());
    let (x, y) = (boxed.x + 9.0, boxed.y);
    line(page, x, y + 19.0, "name");
    match boxed.tasks {
        1 => page.cut(story.task.as_str(), 22),
        many => page.cut(story.task.name(), 14).raw(" ×").show(many),
    };
    page.raw("</text>");
    line(page, x, y + 36.0, "state");
    page.raw(sign).raw(" ");
    match boxed.tasks {
        1 => page.cut(&format!("{} · {}", story.state, story.agent), 28),
        _ => page.cut(&in_words(&boxed.states), 28),
    };
    page.raw("</text>");
    let mut below = y + 52.0;
    for child in &boxed.children {
        let own = child.task.as_str().get(child.task.root().len() + 1..).unwrap_or_default();
        line(page, x, below, "child");
        page.raw(mark::of_task(child.state).1).raw(" ").cut(own, 20).raw(" ").show(child.state).raw("</text>");
        below += 15.0;
    }
    let further = boxed.descendants.values().sum::<u64>() - boxed.children.len() as u64;
    if further > 0 {
        line(page, x, below, "child");
        page.raw("+ ").show(further).raw(if boxed.children.is_empty() { " asked for: " } else { " more" });
        if boxed.children.is_empty() {
            page.cut(&in_words(&boxed.descendants), 16);
        }
        page.raw("</text>");
    }
    page.raw("</g></a>");
}

fn rectangle(page: &mut Page, x: f64, y: f64, height: f64) {
    page.raw("<rect x=").at(x).raw(" y=").at(y).raw(" width=").at(WIDTH).raw(" height=").at(height).raw(" rx=6 />");
}

fn line(page: &mut Page, x: f64, y: f64, class: &'static str) {
    page.raw("<text class=").raw(class).raw(" x=").at(x).raw(" y=").at(y).raw(">");
}

/// States with how many tasks are in each: those that matter most first.
fn in_words(states: &BTreeMap<u8, u64>) -> String {
    let named = states.iter().filter_map(|(rank, count)| {
        let state = ORDER.get(usize::from(*rank))?;
        Some(format!("{count} {state}"))
    });
    named.collect::<Vec<_>>().join(", ")
}
