//! `longhaul init`.

use crate::failure::{Exit, Failure};
use crate::terminal::say;
use longhaul_core::workflow::template::STARTER;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// The file that is written.
const FILE_NAME: &str = "starter.workflow.yaml";

/// Write a commented workflow that runs at once
///
/// For example: longhaul init && longhaul run starter.workflow.yaml
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder to write it into
    #[arg(default_value = ".")]
    folder: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let path = args.folder.join(FILE_NAME);
    // `create_new`: a file that is there already is somebody's work.
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(|e| {
        let failure = Failure::of(Exit::Invalid, format!("write {}", path.display()), &e);
        match e.kind() {
            std::io::ErrorKind::AlreadyExists => failure.hint("it is left as it is; remove it first, or run it"),
            std::io::ErrorKind::NotFound => failure.hint("make the folder first"),
            _ => failure,
        }
    })?;
    file.write_all(STARTER.as_bytes())
        .map_err(|e| Failure::of(Exit::Internal, format!("write {}", path.display()), &e))?;
    say(&format!("wrote {}; run it with\n  longhaul run {}", path.display(), path.display()));
    Ok(ExitCode::SUCCESS)
}
