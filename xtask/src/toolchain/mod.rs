//! How to compile for `wasm32-wasip2` on this machine.
//!
//! Three remedies, tried in this order; the first that works gives a [`WasmToolchain`]:
//!
//! ```text
//! 1. installed   the active toolchain has the target already
//! 2. rustup      `rustup target add`, where rustup can download
//! 3. debian      Debian's own compiler and C library, the standard library built from its sources
//! ```
//!
//! What an earlier call prepared is found again before anything is tried, so that a prepared machine pays some
//! milliseconds. When all three fail, one error names them with the reason of each.

mod debian;
mod installed;
pub(crate) use debian::{browser, tracer};
pub(crate) use installed::sysroot;
mod lock;
mod remedy;
mod rustup;

use std::ffi::OsString;

use crate::house::House;
use crate::narrate;
use crate::toolchain::remedy::{Chosen, Failures, Remedy};

/// The target that plugins are compiled for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// What must be added to a call of cargo so that it compiles plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WasmToolchain {
    /// Where the toolchain comes from, for the person who watches.
    pub(crate) origin: String,
    /// Variables to set.
    pub(crate) env: Vec<(&'static str, OsString)>,
    /// Arguments to add to `cargo build`.
    pub(crate) cargo_arguments: Vec<String>,
}

impl WasmToolchain {
    /// The active toolchain as it is, which has the target.
    fn active(origin: String) -> WasmToolchain {
        WasmToolchain { origin, env: Vec::new(), cargo_arguments: Vec::new() }
    }
}

/// Why there is no way to compile plugins.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolchainError {
    #[error("plugins cannot be compiled: none of the three ways to {TARGET} worked{0}")]
    NoneWorked(Failures),
    #[error(transparent)]
    Choice(#[from] remedy::UnknownRemedy),
    #[error(transparent)]
    Lock(#[from] lock::LockError),
}

/// Finds a way to compile plugins, and prepares it when there is none yet.
pub(crate) fn prepare(house: &House) -> Result<WasmToolchain, ToolchainError> {
    let chosen = Chosen::from_environment()?;
    if let Some(ready) = ready(house, chosen) {
        return Ok(ready);
    }
    // A second call of xtask waits here and then finds what the first one prepared.
    let _lock = lock::exclusive()?;
    if let Some(ready) = ready(house, chosen) {
        return Ok(ready);
    }
    narrate::step(format!("Preparing a compiler for plugins ({TARGET}); this happens once on a machine"));
    let mut failures = Failures::default();
    for remedy in Remedy::ALL.into_iter().filter(|remedy| chosen.allows(*remedy)) {
        let outcome = match remedy {
            Remedy::Installed => installed::find(house).map_err(|error| remedy::reason(&error)),
            Remedy::Rustup => rustup::add_target(house).map_err(|error| remedy::reason(&error)),
            Remedy::Debian => debian::prepare(house).map_err(|error| remedy::reason(&error)),
        };
        match outcome {
            Ok(toolchain) => {
                narrate::detail(format!("plugins are compiled by {}", toolchain.origin));
                return Ok(toolchain);
            }
            Err(reason) => {
                narrate::detail(format!("{remedy} does not work here"));
                failures.add(remedy, reason);
            }
        }
    }
    Err(ToolchainError::NoneWorked(failures))
}

/// What needs no preparation.
fn ready(house: &House, chosen: Chosen) -> Option<WasmToolchain> {
    let active_has_it = chosen.allows(Remedy::Installed) || chosen.allows(Remedy::Rustup);
    let installed = if active_has_it { installed::find(house).ok() } else { None };
    installed.or_else(|| if chosen.allows(Remedy::Debian) { debian::prepared() } else { None })
}
