//! Attempts, waits, incidents and checkpoints over time, as a picture.

use super::head::{id, when};
use crate::html::gather::{Ending, Gathered, Story, What};
use crate::html::lanes::{Lane, lanes};
use crate::html::page::Page;
use crate::html::scale::Scale;
use longhaul_core::state::RunState;
use longhaul_core::units::{Timestamp, show_duration};

const LEFT: f64 = 170.0;
const RIGHT: f64 = 990.0;
const WIDTH: f64 = 1_000.0;
/// Above the lines: the marks of time, and what happened to the run.
const TOP: f64 = 46.0;
const ROW: f64 = 20.0;
/// What the text beside a mark takes.
const ROOM: f64 = 52.0;
/// The least width at which a bar is seen.
const LEAST: f64 = 1.5;
/// The most bars.
const MAX_BARS: usize = 4_000;

pub(in crate::html) fn write(page: &mut Page, run: &Gathered) {
    page.raw("<section id=timeline aria-labelledby=h-timeline><h2 id=h-timeline>Timeline</h2>");
    let begin = run.run.as_ref().map_or(Timestamp(0), |facts| facts.started);
    let (lanes, mut left_out) = lanes(&run.listed(), run.last);
    if lanes.is_empty() {
        page.raw("<p>No attempt was made.</p></section>");
        return;
    }
    let scale = Scale::new(begin, run.last, &run.rests, LEFT, RIGHT);
    let height = TOP + ROW * lanes.len() as f64 + 8.0;
    page.raw("<ul class=key><li><svg width=26 height=12 aria-hidden=true><rect class=\"bar ok\" width=26 height=12 rx=2 /></svg> attempt that succeeded<li><svg width=26 height=12 aria-hidden=true><rect class=\"bar bad\" y=2 width=26 height=8 /><path class=mishap d=\"M20 1l6 5-6 5-6-5z\"/></svg> attempt that failed<li><svg width=26 height=12 aria-hidden=true><rect class=\"bar live\" width=26 height=12 rx=2 /></svg> not ended, or cut off<li><svg width=26 height=12 aria-hidden=true><rect class=\"bar wait\" y=4 width=26 height=4 /></svg> waiting<li><svg width=26 height=12 aria-hidden=true><path class=point d=\"M13 0v12\"/></svg> checkpoint</ul>");
    page.raw("<div class=\"wide picture\" tabindex=0 role=region aria-label=Timeline><svg class=timeline role=img aria-label=\"Timeline of attempts\" width=");
    page.at(WIDTH).raw(" height=").at(height).raw(" viewBox=\"0 0 ").at(WIDTH).raw(" ").at(height).raw("\">");
    axis(page, &scale, height);
    moments(page, run, &scale, height);
    let mut bars = 0;
    for (row, lane) in lanes.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        label(page, lane, y);
        for story in &lane.stories {
            if bars > MAX_BARS {
                left_out += 1;
                continue;
            }
            bars += draw(page, story, &scale, y, run.last);
        }
    }
    page.raw("</svg></div>");
    page.more(left_out, "tasks", &format!("longhaul logs {}", id(run)));
    page.raw("</section>");
}

fn axis(page: &mut Page, scale: &Scale, height: f64) {
    page.raw("<g class=axis>");
    for (x, width, rest) in scale.rests() {
        page.raw("<rect class=rest x=").at(x).raw(" y=16 width=").at(width).raw(" height=").at(height - 16.0);
        page.raw("><title>The run rested for ").show(show_duration(rest)).raw("</title></rect>");
    }
    for (x, after) in scale.marks() {
        page.raw("<path d=\"M").at(x).raw(" 16V").at(height).raw("\"/>");
        if x + ROOM < WIDTH {
            page.raw("<text x=").at(x + 3.0).raw(" y=12>+").show(show_duration(after)).raw("</text>");
        }
    }
    page.raw("</g>");
}

/// What happened to the run as a whole: between the marks of time and the lines.
fn moments(page: &mut Page, run: &Gathered, scale: &Scale, height: f64) {
    page.raw("<g class=moments>");
    let mut last_point = f64::MIN;
    for moment in &run.moments {
        let x = scale.x(moment.at);
        match &moment.what {
            // Of those that would lie on one another the first is drawn.
            What::Checkpoint(number, _) if x - last_point >= 3.0 => {
                last_point = x;
                page.raw("<path class=point d=\"M").at(x).raw(" 30v12\"><title>Checkpoint ").show(number).raw(", ");
                page.show(when(moment.at)).raw("</title></path>");
            }
            What::Changed(state, _) if state.is_final() => {
                let class =
                    if *state == RunState::Completed { "<path class=end d=\"M" } else { "<path class=stop d=\"M" };
                page.raw(class).at(x).raw(" 18V").at(height).raw("\"><title>The run is ").show(state).raw(", ");
                page.show(when(moment.at)).raw("</title></path>");
            }
            What::Resumed => line(page, x, height, "resumed", moment.at),
            What::RolledBack(_) => line(page, x, height, "went back to a checkpoint", moment.at),
            _ => {}
        }
    }
    page.raw("</g>");
}

fn line(page: &mut Page, x: f64, height: f64, what: &'static str, at: Timestamp) {
    page.raw("<path class=again d=\"M").at(x).raw(" 18V").at(height).raw("\"><title>The run ").raw(what).raw(", ");
    page.show(when(at)).raw("</title></path>");
}

fn label(page: &mut Page, lane: &Lane<'_>, y: f64) {
    if lane.name.is_empty() {
        return;
    }
    page.raw("<text class=label x=4 y=").at(y + 14.0).raw(">");
    match lane.tasks {
        1 => page.cut(&lane.name, 23),
        many => page.cut(&lane.name, 16).raw(" ×").show(many),
    };
    page.raw("<title>").text(&lane.name).raw("</title></text>");
}

/// Draws the attempts of a task; tells how many bars that took.
fn draw(page: &mut Page, story: &Story, scale: &Scale, y: f64, end: Timestamp) -> usize {
    let mut bars = 0;
    for one in &story.tries {
        let name = || format!("{}#{} by {}", story.task, one.number, one.agent);
        for span in &one.spans {
            bars += 1;
            let to = span.to.unwrap_or(end);
            let (x, width) = (scale.x(span.from), (scale.x(to) - scale.x(span.from)).max(LEAST));
            page.raw(match (span.waits, one.ending) {
                (true, _) => "<rect class=\"bar wait\" height=4 y=",
                (false, Some(Ending::Failed(_))) => "<rect class=\"bar bad\" height=8 y=",
                (false, Some(_)) => "<rect class=\"bar ok\" height=12 rx=2 y=",
                (false, None) => "<rect class=\"bar live\" height=12 rx=2 y=",
            });
            page.at(match (span.waits, one.ending) {
                (true, _) => y + 8.0,
                (false, Some(Ending::Failed(_))) => y + 6.0,
                _ => y + 4.0,
            });
            page.raw(" x=").at(x).raw(" width=").at(width).raw("><title>").text(&name()).raw(": ");
            match (span.waits, one.ending) {
                (true, _) => page.raw("waits"),
                (false, Some(Ending::Completed)) => page.raw("succeeded"),
                (false, Some(Ending::Renewed)) => page.raw("went on in a fresh instance"),
                (false, Some(Ending::Failed(class))) => page.raw("failed, ").show(class),
                (false, None) => page.raw("not ended"),
            };
            page.raw(", ").show(show_duration(to.since(span.from))).raw("</title></rect>");
        }
    }
    for at in &story.failures {
        page.raw("<path class=mishap d=\"M")
            .at(scale.x(*at))
            .raw(" ")
            .at(y + 5.0)
            .raw("l5 5-5 5-5-5z\"><title>Incident of ");
        page.text(story.task.as_str()).raw(", ").show(when(*at)).raw("</title></path>");
    }
    bars
}
