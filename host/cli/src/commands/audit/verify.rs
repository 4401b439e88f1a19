//! `longhaul audit verify`.

use crate::commands::print_json;
use crate::commands::print_text;
use crate::failure::{Exit, Failure};
use crate::state::{Place, resolve};
use crate::verification::{Beliefs, Bundle, Elsewhere, StateFolder, Verdict};
use longhaul_core::id::RunId;
use std::path::PathBuf;
use std::process::ExitCode;

/// Check every entry, signature and head of a run, or of all runs
///
/// Exit code 4 says that something is not as it was recorded; what is found names the entry and the reason.
///
/// For example: longhaul audit verify last --since tonight.head
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run's id, the beginning of one, or `last`
    #[arg(default_value = "last", conflicts_with = "all")]
    run: String,
    /// Verify all runs, and that none of them is missing
    #[arg(long)]
    all: bool,
    /// Verify this bundle, as `audit export --bundle` wrote it, and nothing else; no state folder is needed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "run"])]
    bundle: Option<PathBuf>,
    /// A signed head that was kept elsewhere, as `audit head` printed it; can be given several times
    #[arg(long, value_name = "FILE")]
    since: Vec<PathBuf>,
    /// A public key that is trusted, as a text or a file; by default this user's own. Can be given several times
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let keys = super::trusted(&args.key)?;
    let held = args.since.iter().map(|file| Elsewhere::read(file, &keys)).collect::<Result<Vec<_>, _>>()?;
    let beliefs = Beliefs { keys: &keys, held: &held };
    let verdicts = match &args.bundle {
        Some(file) => Bundle::open(file)?.verify(beliefs)?,
        None => of_state(place, args, beliefs)?,
    };
    match args.json {
        true => print_json(&verdicts)?,
        false => print_text(&verdicts.iter().map(Verdict::to_text).collect::<String>()),
    }
    let is_intact = verdicts.iter().all(|verdict| verdict.findings.is_empty());
    Ok(if is_intact { ExitCode::SUCCESS } else { Exit::Unverified.into() })
}

fn of_state(place: &Place, args: &Args, beliefs: Beliefs<'_>) -> Result<Vec<Verdict>, Failure> {
    let state = place.find()?;
    let reader = place.reader()?;
    let folder = StateFolder { reader: &reader, state: &state, beliefs };
    let moment = reader.hold_still();
    let _moment = moment.map_err(|e| Failure::of(Exit::Internal, "read the record", &e))?;
    let only: Option<RunId> = match args.all {
        true => None,
        false => Some(resolve(&reader, &args.run)?),
    };
    folder.verify(only.as_ref())
}
