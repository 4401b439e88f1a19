//! `longhaul fork`.

use super::resume::{self, Carry};
use super::run::name;
use crate::failure::{Exit, Failure};
use crate::keys;
use crate::session::Manner;
use crate::state::{self, Place, resolve};
use crate::terminal::say;
use longhaul_core::id::RunId;
use longhaul_engine::{Checkpoint, History};
use longhaul_wiring::{ForkError, RecordsPort, fork};
use std::process::ExitCode;

/// Start another run from a checkpoint of a run
///
/// The other run begins with the files, the finished tasks and the record that the first one had there, and goes its own way;
/// the first one is not touched, whether it has ended or not.
///
/// For example: longhaul fork last --at 4
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run's id, the beginning of one, or `last`
    #[arg(default_value = "last")]
    run: String,
    /// The checkpoint, by its number in `longhaul checkpoint list`; by default the newest
    #[arg(long, value_name = "NUMBER")]
    at: Option<u32>,
    /// Only make the other run; `longhaul resume` goes on with it
    #[arg(long)]
    paused: bool,
    #[command(flatten)]
    manner: Manner,
}

pub(crate) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let folder = place.find()?;
    let run = resolve(&place.reader()?, &args.run)?;
    let records = RecordsPort::new(place.reader()?);
    let lock = state::lock(&folder, "longhaul fork")?;
    let history = History::read(&records, &run)
        .map_err(|e| Failure::of(Exit::Internal, format!("read the record of {run}"), &e))?;
    let checkpoint = find(&run, &history, args.at)?;
    let journal = keys::open_journal(lock)?;
    let to = name::new_run_id(state::now(), super::run::random, |run| super::run::is_taken(&folder, run))?;
    fork(&journal, &records, &run, &checkpoint, &to).map_err(|error| match error {
        ForkError::Empty { .. } => Failure::new(Exit::Internal, error.to_string()),
        _ => Failure::of(Exit::Internal, format!("copy the record of {run}"), &error),
    })?;
    journal.close().map_err(|e| Failure::of(Exit::Internal, "close the record", &e))?;
    drop(journal);
    say(&format!("{to} begins as {run} was at checkpoint {}", checkpoint.number));
    if args.paused {
        return Ok(ExitCode::SUCCESS);
    }
    resume::go_on(place, to.as_str(), &args.manner, Carry::default())
}

/// A checkpoint that is kept.
pub(super) fn find(run: &RunId, history: &History, number: Option<u32>) -> Result<Checkpoint, Failure> {
    let kept = history.kept();
    let found = match number {
        Some(number) => kept.iter().find(|checkpoint| checkpoint.number == number),
        None => kept.last(),
    };
    found.cloned().ok_or_else(|| {
        let numbers: Vec<_> = kept.iter().map(|checkpoint| checkpoint.number.to_string()).collect();
        let (message, hint) = match (number, numbers.is_empty()) {
            (_, true) => {
                (format!("run {run} has no checkpoint yet"), "one is made when a task's work is committed".to_owned())
            }
            (Some(number), _) => (
                format!("run {run} has no checkpoint {number}, or has it no more"),
                format!(
                    "those that are kept are {}; `checkpoints.keep` of a workflow says how many",
                    numbers.join(", ")
                ),
            ),
            (None, _) => (format!("run {run} has no checkpoint"), String::new()),
        };
        Failure::new(Exit::Invalid, message).hint(hint)
    })
}
