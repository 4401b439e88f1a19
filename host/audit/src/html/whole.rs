//! The whole document: its policy, its style, its script, and the sections in the order in which they are read.

use super::gather::Gathered;
use super::page::Page;
use super::section::{attention, changes, costs, graph, head, incidents, tasks, timeline};
use super::told::Told;
use data_encoding::BASE64;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Where the sections are.
const CONTENTS: &str = "<nav aria-label=Contents><ul><li><a href=\"#verification\">Is this the record?</a><li><a href=\"#attention\">What needs a person</a><li><a href=\"#graph\">Task graph</a><li><a href=\"#timeline\">Timeline</a><li><a href=\"#changes\">Files changed</a><li><a href=\"#incidents\">Incidents</a><li><a href=\"#agents\">What the agents did</a><li><a href=\"#tasks\">Tasks</a><li><a href=\"#cost\">Cost</a><li><a href=\"#outside\">Commands, hosts, secrets</a><li><a href=\"#record\">The record</a></ul></nav>";

/// The report as an HTML document. The same record and the same findings make the same bytes.
pub fn write(run: &Gathered, told: &Told) -> String {
    let mut page = Page::default();
    page.raw("<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>");
    page.raw("<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-");
    page.text(&hash(STYLE)).raw("'; script-src 'sha256-").text(&hash(SCRIPT)).raw("'\">");
    page.raw("<meta name=viewport content=\"width=device-width, initial-scale=1\"><meta name=color-scheme content=\"light dark\">");
    page.raw("<meta name=referrer content=no-referrer><title>");
    let state = run.state.map(|state| state.to_string()).unwrap_or_default();
    let workflow = run.run.as_ref().map_or("run", |facts| facts.workflow.as_str());
    page.text(workflow).raw(" ").text(&state).raw(" – Longhaul run ").text(head::id(run)).raw("</title><style>");
    page.raw(STYLE).raw("</style></head><body><a class=skip href=\"#main\">Skip to the report</a>");
    page.raw(CONTENTS).raw("<main id=main>");
    head::write(&mut page, run, told);
    attention::write(&mut page, run);
    graph::write(&mut page, run);
    timeline::write(&mut page, run);
    changes::write(&mut page, run, told);
    incidents::write(&mut page, run);
    tasks::write(&mut page, run);
    costs::write(&mut page, run);
    page.raw("</main><footer><p>Made from the record of run ").code(head::id(run)).raw(" up to entry ");
    page.show(run.entries.saturating_sub(1)).raw(", ").show(head::when(run.last));
    page.raw(". Times are in UTC.</p></footer><script>").raw(SCRIPT).raw("</script></body></html>\n");
    page.into_text()
}

fn hash(text: &str) -> String {
    BASE64.encode(&Sha256::digest(text.as_bytes()))
}
