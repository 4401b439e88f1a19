//! The `longhaul` binary.

mod bundled;
mod commands;
mod configuration;
mod failure;
mod given;
mod keys;
mod logging;
mod progress;
mod question;
mod report;
mod report_text;
mod session;
mod state;
mod terminal;
mod verification;
mod wiring;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    if args.get(1).is_some_and(|arg| arg == wiring::COMPILE_WORKER) {
        return longhaul_sandbox::worker_main(&args[2..]);
    }
    if args.get(1).is_some_and(|arg| arg == wiring::COMMAND_KEEPER) {
        return longhaul_services::exec::keeper_main();
    }
    match commands::run() {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
