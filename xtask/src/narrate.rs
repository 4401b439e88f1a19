//! The one place in which xtask talks to the person who runs it.
//!
//! Progress goes to standard error so that the output of a command stays clean; a failure is printed with
//! its whole chain of causes, one line each.

#![expect(clippy::print_stderr, clippy::print_stdout, reason = "xtask is a command line: printing is its job")]

use std::error::Error;

/// Announces a step before it starts, in words a newcomer understands.
pub(crate) fn step(text: impl AsRef<str>) {
    eprintln!("==> {}", text.as_ref());
}

/// Adds a line to the step announced last.
pub(crate) fn detail(text: impl AsRef<str>) {
    eprintln!("    {}", text.as_ref());
}

/// Prints a result to standard output.
pub(crate) fn result(text: impl AsRef<str>) {
    println!("{}", text.as_ref());
}

/// Prints an error and what caused it.
pub(crate) fn failure(error: &dyn Error) {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
