//! The compiler process as a program of its own, for hosts other than `longhaul`, which carries it inside.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    longhaul_sandbox::worker_main(&args)
}
