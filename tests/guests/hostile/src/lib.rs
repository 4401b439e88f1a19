//! A test guest that tries everything an agent must not get away with.
//!
//! The task's input names a mode, and each mode is one kind of misbehaviour: [`burn`] uses up what is limited, [`flood`] fills
//! what is recorded or kept open, [`escape`] tries paths and links that lead where nothing is granted, [`readonly`] tries
//! every way to write what may only be read, [`outside`] looks for what a component has no business with. The mode `list` tells
//! all modes, so that the host's tests can tell whether one of them has no test.
#![cfg(target_arch = "wasm32")]

mod burn;
mod escape;
mod flood;
mod outside;
mod probe;
mod readonly;
mod work;

use longhaul_sdk::{Agent, Empty, Failure, Task};
use serde::Deserialize;
use serde_json::{Value, json};

/// What to do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The mode.
    pub mode: String,
    /// The path, for modes that take one.
    #[serde(default)]
    pub path: String,
}

/// The guest.
#[derive(Debug)]
pub struct Hostile;

/// One kind of misbehaviour.
type Mode = fn(&Input) -> Result<Value, Failure>;

/// All of them by name.
const MODES: &[(&str, Mode)] = &[
    ("good", work::good),
    ("random", work::random),
    ("loop", burn::endless_loop),
    ("recursion", burn::recursion),
    ("recursion-data", burn::recursion_with_data),
    ("memory", burn::memory),
    ("memory-small", burn::memory_in_small_pieces),
    ("trap", burn::trap),
    ("panic", burn::panics),
    ("exit", burn::exit),
    ("exit-zero", burn::exit_zero),
    ("sleep", burn::sleep),
    ("sleep-often", burn::sleep_often),
    ("random-huge", burn::random_huge),
    ("output-huge", burn::output_huge),
    ("output-monstrous", burn::output_monstrous),
    ("output-fat", burn::output_fat),
    ("detail-fat", burn::detail_fat),
    ("rate-limited", burn::rate_limited),
    ("log-endless", flood::log_endless),
    ("log-empty", flood::log_empty),
    ("log-huge", flood::log_huge),
    ("log-many", flood::log_many),
    ("stderr-huge", flood::stderr_huge),
    ("progress-endless", flood::progress_endless),
    ("stat-endless", flood::stat_endless),
    ("clock-endless", flood::clock_endless),
    ("usage-endless", flood::usage_endless),
    ("detail-huge", flood::detail_huge),
    ("names-endless", flood::names_endless),
    ("files-open", flood::files_open),
    ("folders-open", flood::folders_open),
    ("listings-open", flood::listings_open),
    ("streams-open", flood::streams_open),
    ("timers-open", flood::timers_open),
    ("files-made", flood::files_made),
    ("listing-huge", flood::listing_huge),
    ("disk", flood::disk),
    ("far-offsets", flood::far_offsets),
    ("escapes", escape::paths),
    ("escapes-std", escape::paths_by_std),
    ("links", escape::links),
    ("crossing", escape::crossing),
    ("writes", readonly::raw),
    ("writes-std", readonly::by_std),
    ("sockets", outside::sockets),
    ("surroundings", outside::surroundings),
    ("capabilities", outside::capabilities),
    ("breach", outside::breach),
];

#[longhaul_sdk::agent]
impl Agent for Hostile {
    type Config = Empty;
    type Input = Input;
    type Output = Value;

    fn run(task: Task<Empty, Input>) -> Result<Value, Failure> {
        if task.input.mode == "list" {
            return Ok(json!({ "modes": MODES.iter().map(|(name, _)| name).collect::<Vec<_>>() }));
        }
        let mode = MODES.iter().find(|(name, _)| *name == task.input.mode);
        let (_, mode) = mode.ok_or_else(|| Failure::invalid_input("there is no such mode; `list` tells them"))?;
        mode(&task.input)
    }
}
