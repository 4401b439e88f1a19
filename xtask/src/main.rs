//! `cargo xtask`: everything this repository automates, in the language of the rest.
//!
//! The commands are in [`commands`], one file each. What they need to know about the repository is in
//! [`house`], how they start other programs in [`process`], and how plugins get a compiler in [`toolchain`].

mod bench;
mod commands;
mod demo;
mod house;
mod narrate;
mod nights;
mod process;
mod real_model;
mod scenario;
mod soak;
mod tidy;
mod toolchain;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Xtask;

fn main() -> ExitCode {
    match Xtask::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            narrate::failure(error.as_ref());
            ExitCode::FAILURE
        }
    }
}
