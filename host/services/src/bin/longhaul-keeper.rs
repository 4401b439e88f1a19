//! The keeper of a command as a program of its own, for hosts other than `longhaul`, which carries it inside.

use std::process::ExitCode;

fn main() -> ExitCode {
    longhaul_services::exec::keeper_main()
}
