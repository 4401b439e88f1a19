//! The commands: one file each, whose doc comment is its help.

mod answer;
mod apply;
mod audit;
mod checkpoint;
mod completions;
mod doctor;
mod fork;
mod init;
mod logs;
mod memory;
mod pause;
mod plugin;
mod resume;
mod run;
pub(crate) mod runs;
mod schema;
mod show;
mod strategy;

use crate::failure::Failure;
use crate::state::Place;
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  longhaul init                        write a commented workflow that runs at once
  longhaul run starter.workflow.yaml   run it on this folder
  longhaul resume last                 go on with a run that was paused or killed
  longhaul show last                   what happened, task by task
  longhaul logs last --denied          what the agents were refused, and what would grant it
  longhaul audit verify last           prove that the record is what was recorded

Exit codes: 0 done, 1 the run failed, 2 usage or invalid input, 3 waiting for a person, 4 verification failed,
5 refused, 6 budget exhausted, 70 internal error";

/// Run agents overnight, unattended, and in the morning prove what they did
#[derive(Debug, Parser)]
#[command(name = "longhaul", version, after_help = EXAMPLES, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Run(run::Args),
    Resume(resume::Args),
    Pause(pause::PauseArgs),
    Cancel(pause::CancelArgs),
    Answer(answer::Args),
    Checkpoint(checkpoint::Args),
    Fork(fork::Args),
    Runs(runs::Args),
    Show(show::Args),
    Apply(apply::Args),
    Logs(logs::Args),
    Audit(audit::Args),
    Memory(memory::Args),
    Plugin(plugin::Args),
    Strategy(strategy::Args),
    Doctor(doctor::Args),
    Schema(schema::Args),
    Completions(completions::Args),
}

/// Runs the command that the arguments name.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    // Bad usage ends here, with code 2 and clap's own message.
    let Cli { place, command } = Cli::parse();
    match command {
        Command::Init(args) => init::run(&args),
        Command::Run(args) => run::run(&place, &args),
        Command::Resume(args) => resume::run(&place, &args),
        Command::Pause(args) => pause::pause(&place, &args),
        Command::Cancel(args) => pause::cancel(&place, &args),
        Command::Answer(args) => answer::run(&place, &args),
        Command::Checkpoint(args) => checkpoint::run(&place, &args),
        Command::Fork(args) => fork::run(&place, &args),
        Command::Runs(args) => runs::run(&place, &args),
        Command::Show(args) => show::run(&place, &args),
        Command::Apply(args) => apply::run(&place, &args),
        Command::Logs(args) => logs::run(&place, &args),
        Command::Audit(args) => audit::run(&place, &args),
        Command::Memory(args) => memory::run(&place, &args),
        Command::Plugin(args) => plugin::run(args),
        Command::Strategy(args) => strategy::run(&place, &args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}

/// The whole command line, for completions and generated help.
fn definition() -> clap::Command {
    Cli::command()
}

/// Writes a value as JSON on stdout, on one line or indented.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| Failure::of(crate::failure::Exit::Internal, "write the answer as JSON", &e))?;
    print_text(&format!("{text}\n"));
    Ok(())
}

/// Writes text on stdout. Whoever closes the pipe early (`| head`) has seen enough: that is no error.
pub(crate) fn print_text(text: &str) {
    use std::io::Write;
    drop(std::io::stdout().write_all(text.as_bytes()));
}
