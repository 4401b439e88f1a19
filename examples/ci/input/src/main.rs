//! Waits until a command succeeds.

use std::process::{Command, ExitCode};
use wait_until::Options;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = match Options::read(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(options) => options,
        Err(reason) => {
            eprintln!("wait-until: {reason}");
            return ExitCode::from(2);
        }
    };
    let mut tries = 0;
    loop {
        let ended = Command::new(&options.command[0]).args(&options.command[1..]).status();
        if ended.is_ok_and(|status| status.success()) {
            return ExitCode::SUCCESS;
        }
        tries += 1;
        if options.tries.is_some_and(|most| tries >= most) {
            eprintln!("wait-until: gave up after {tries} tries");
            return ExitCode::FAILURE;
        }
        std::thread::sleep(options.every);
    }
}
