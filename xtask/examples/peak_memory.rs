//! Runs a program and prints the peak resident memory, in bytes, of the largest process among it and its children.
//!
//! A program of its own, because the kernel keeps one maximum for all children of a process: xtask's would be a compiler.

#![expect(clippy::print_stdout, reason = "the figure is what this program is for")]

use std::env;
use std::error::Error;
use std::process::{Command, Stdio};

use nix::sys::resource::{UsageWho, getrusage};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let program = arguments.next().ok_or("expected PROGRAM ARGUMENTS…")?;
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status()?;
    if !status.success() {
        return Err(format!("the program ended with {status}").into());
    }
    // Linux counts in units of 1024 bytes.
    println!("{}", getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss() * 1024);
    Ok(())
}
