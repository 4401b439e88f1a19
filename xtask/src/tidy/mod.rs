//! The house rules that a program can prove, one file each.
//!
//! A rule takes what it checks as a value and returns [`Finding`]s, so each of them has tests on bad samples: a
//! rule that was never seen to fail is not trusted.

mod addresses;
mod code;
mod edges;
mod finding;
mod generated;
mod header;
mod length;
mod prints;
mod sources;
mod unsafe_reasons;

use crate::house::{House, HouseError};
use crate::process::{self, ProcessError};

pub(crate) use finding::Finding;

/// What to do about files that differ from what a program would write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Report them.
    Check,
    /// Write them.
    Write,
}

/// Why the rules could not be checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TidyError {
    #[error(transparent)]
    House(#[from] HouseError),
    #[error(transparent)]
    Sources(#[from] sources::SourcesError),
    #[error(transparent)]
    Generated(#[from] generated::GeneratedError),
    #[error("the formatter is not there; `rustup component add rustfmt` installs it, on Debian `apt install rustfmt`")]
    NoFormatter(#[source] ProcessError),
    #[error("formatting could not be written")]
    Format(#[source] ProcessError),
}

/// Checks all rules and returns what breaks them, ordered by place.
pub(crate) fn check(house: &House, mode: Mode) -> Result<Vec<Finding>, TidyError> {
    let mut findings = formatting(house, mode)?;
    findings.extend(edges::check(&house.metadata(&[])?));
    findings.extend(generated::check(house, generated::FILES, mode)?);
    for file in sources::below(&house.root)? {
        findings.extend(addresses::check(&file));
        if file.is_rust() {
            findings.extend(header::check(&file));
            findings.extend(length::check(&file));
            findings.extend(prints::check(&file));
            findings.extend(unsafe_reasons::check(&file));
        }
    }
    findings.sort();
    Ok(findings)
}

/// Formatting; the formatter itself prints what it would change.
fn formatting(house: &House, mode: Mode) -> Result<Vec<Finding>, TidyError> {
    // Asked first, because one that is missing and one that finds something end alike.
    process::capture(house.cargo().args(["fmt", "--version"])).map_err(TidyError::NoFormatter)?;
    let mut cargo = house.cargo();
    cargo.args(["fmt", "--all"]);
    if mode == Mode::Write {
        process::show(&mut cargo).map_err(TidyError::Format)?;
        return Ok(Vec::new());
    }
    Ok(match process::show(cargo.arg("--check")) {
        Ok(()) => Vec::new(),
        Err(_) => vec![Finding::new("Cargo.toml", 1, "the sources are not formatted", "run `cargo fmt --all`")],
    })
}
