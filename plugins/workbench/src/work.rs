//! Work that ends when the model says so: a bench, and what was said at the end.

use longhaul_sdk::Tools;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Bench;

/// What the tools share, the one that ends the work included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// Where the work is done.
    pub bench: Bench,
    /// What was done, in the model's words; empty until the end.
    pub summary: String,
}

/// Says that the work is done. What it is checked by, if anything, is run after this.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finish {
    /// What was changed and why, for the people who review it
    pub summary: String,
}

impl Work {
    /// Work that begins here.
    pub fn at(bench: Bench) -> Self {
        Self { bench, summary: String::new() }
    }
}

/// These tools, and `finish`, which ends the work.
pub fn tools(tools: Tools<Bench>) -> Tools<Work> {
    tools.sharing(|work: &mut Work| &mut work.bench).ending_with("finish", |work: &mut Work, finish: Finish| {
        if finish.summary.trim().is_empty() {
            return Err("`summary` is empty; say what you changed and why".into());
        }
        work.summary = finish.summary;
        Ok("thank you".to_owned())
    })
}
