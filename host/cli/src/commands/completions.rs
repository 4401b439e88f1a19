//! `longhaul completions`.

use crate::failure::Failure;
use clap_complete::Shell;
use std::process::ExitCode;

/// Write completions for a shell
///
/// For example: longhaul completions bash > ~/.local/share/bash-completion/completions/longhaul
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut super::definition(), "longhaul", &mut text);
    super::print_text(&String::from_utf8_lossy(&text));
    Ok(ExitCode::SUCCESS)
}
