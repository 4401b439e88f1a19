//! `longhaul audit head`.

use crate::commands::print_text;
use crate::failure::{Exit, Failure};
use crate::state::{Place, resolve};
use longhaul_store::Of;
use std::process::ExitCode;

/// Print the newest signed head of a run, or of the log of all runs
///
/// Kept elsewhere (mailed, committed, printed), it proves later that nothing before it was taken away: `audit verify --since FILE`.
///
/// For example: longhaul audit head > tonight.head
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A run's id, the beginning of one, or `last`; without it the log of all runs
    run: Option<String>,
}

pub(super) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    let reader = place.reader()?;
    let run = args.run.as_ref().map(|given| resolve(&reader, given)).transpose()?;
    let unread = |e| Failure::of(Exit::Internal, "read the heads", &e);
    let heads = reader.raw_heads(run.as_ref().map_or(Of::Log, Of::Run)).map_err(unread)?;
    let newest = heads.last().transpose().map_err(unread)?.ok_or_else(|| {
        Failure::new(Exit::Invalid, "nothing is sealed yet")
            .hint("a record is sealed as it is written, from this version on")
    })?;
    print_text(&String::from_utf8_lossy(&newest.bytes));
    Ok(ExitCode::SUCCESS)
}
