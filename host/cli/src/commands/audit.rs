//! `longhaul audit`.

mod export;
pub(super) mod grants;
mod head;
mod log;
mod replay;
mod verify;

use crate::failure::{Exit, Failure};
use crate::keys;
use crate::state::Place;
use longhaul_audit::note::VerifierKey;
use std::path::Path;
use std::process::ExitCode;

/// Prove what was recorded, or find out that it was altered
///
/// The record of each run is a tree of hashes whose head is signed as it grows, and a log holds the heads of all runs.
///
/// For example: longhaul audit verify last
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Verify(verify::Args),
    Replay(replay::Args),
    Log(log::Args),
    Grants(grants::Args),
    Export(export::Args),
    Head(head::Args),
    Key(KeyArgs),
}

/// Print the public key that this user's records are sealed with
///
/// Whoever is to verify them elsewhere has to be given it on a way that can be trusted.
///
/// For example: longhaul audit key > longhaul.pub
#[derive(Debug, clap::Args)]
struct KeyArgs {}

pub(crate) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::Verify(args) => verify::run(place, args),
        Command::Replay(args) => replay::run(place, args),
        Command::Grants(args) => grants::run(place, args),
        Command::Log(args) => log::run(place, args),
        Command::Export(args) => export::run(place, args),
        Command::Head(args) => head::run(place, args),
        Command::Key(KeyArgs {}) => key(),
    }
}

fn key() -> Result<ExitCode, Failure> {
    let key = keys::own()?
        .ok_or_else(|| Failure::new(Exit::Invalid, "there is no signing key yet").hint("the first run makes one"))?;
    super::print_text(&format!("{key}\n"));
    Ok(ExitCode::SUCCESS)
}

/// Keys that are trusted: those given, as texts or as files with one, else the user's own.
fn trusted(given: &[String]) -> Result<Vec<VerifierKey>, Failure> {
    if given.is_empty() {
        let own = keys::own()?.ok_or_else(|| {
            Failure::new(Exit::Invalid, "no key is given, and this user has none")
                .hint("give the key that the record was sealed with: `--key FILE`; `longhaul audit key` prints it where the runs were made")
        })?;
        return Ok(vec![own]);
    }
    given.iter().map(|given| read_key(given)).collect()
}

fn read_key(given: &str) -> Result<VerifierKey, Failure> {
    let text = match given.parse::<VerifierKey>() {
        Ok(key) => return Ok(key),
        Err(_) => std::fs::read_to_string(Path::new(given))
            .map_err(|e| Failure::of(Exit::Invalid, format!("read the key `{given}`"), &e))?,
    };
    text.trim_end().parse().map_err(|e| Failure::of(Exit::Invalid, format!("use the key in `{given}`"), &e))
}
