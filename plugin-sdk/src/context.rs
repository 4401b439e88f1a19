//! The attempt that an agent works in: how far it is, its restore points, and what it may still use.

use std::time::Duration;

use crate::{
    Error,
    host::{call, tell},
};

/// What this attempt has used so far, and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Units of computing used, host calls included.
    pub fuel_used: u64,
    /// The most fuel that this attempt may use.
    pub fuel_limit: u64,
    /// Bytes of linear memory in use by the whole component.
    pub memory_used: u64,
    /// The most bytes of linear memory that the component may have.
    pub memory_limit: u64,
    /// Wall time since this attempt began.
    pub elapsed: Duration,
    /// The most wall time that this attempt may take.
    pub time_limit: Duration,
    /// Age of this instance; a long-lived agent renews itself, by [`Outcome::ContinueAsNew`](crate::Outcome), at the
    /// latest after two hours.
    pub instance_age: Duration,
    /// Tokens of the model's context window that the last model call filled.
    pub context_used: Option<u64>,
    /// The size of that window in tokens.
    pub context_window: Option<u64>,
}

/// Reports how far the work is. `total` is none while it is not known; `note` is one short line.
pub fn progress(done: u64, total: Option<u64>, note: impl AsRef<str>) {
    tell!(context::progress(done, total, note.as_ref()));
}

/// Makes everything done so far (files, memory, messages, spawned tasks) visible and durable in one step.
///
/// # Errors
/// Nothing of it is visible then, and the attempt can go on.
pub fn checkpoint() -> Result<(), Error> {
    call!(context::checkpoint())
}

/// What this attempt has used so far; none outside a host.
pub fn usage() -> Option<Usage> {
    if !cfg!(target_arch = "wasm32") {
        return None;
    }
    let usage = crate::bindings::agent::longhaul::plugin::context::usage();
    Some(Usage {
        fuel_used: usage.fuel_used,
        fuel_limit: usage.fuel_limit,
        memory_used: usage.memory_used,
        memory_limit: usage.memory_limit,
        elapsed: Duration::from_millis(usage.elapsed),
        time_limit: Duration::from_millis(usage.time_limit),
        instance_age: Duration::from_millis(usage.instance_age),
        context_used: usage.context_used,
        context_window: usage.context_window,
    })
}
