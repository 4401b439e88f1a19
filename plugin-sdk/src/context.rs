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

/// How full a model's context may be, in per cent of its window, before an agent goes on in a fresh one.
pub const RENEW_AT_PERCENT: u64 = 80;
/// How old an instance may be before its agent goes on in a fresh one. Its memory is flat then, and its replay short.
pub const RENEW_AFTER: Duration = Duration::from_secs(2 * 60 * 60);

/// When a long-lived agent goes on in a fresh instance with a fresh context: the part of its work that it can sum up
/// in a state goes with it, as [`Outcome::ContinueAsNew`](crate::Outcome).
///
/// ```
/// # use longhaul_sdk::context::{Renewal, Due};
/// # fn summary() -> String { String::new() }
/// match Renewal::default().due() {
///     Some(Due::ContextFull | Due::Old) => { let state = summary(); /* return Outcome::ContinueAsNew(state) */ }
///     None => {}
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// At how many per cent of the model's context window.
    pub percent: u64,
    /// At which age of the instance.
    pub after: Duration,
}

/// Why an agent has to go on in a fresh instance now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The model's context is as full as it may be.
    ContextFull,
    /// The instance is as old as it may be.
    Old,
}

impl Default for Renewal {
    /// [`RENEW_AT_PERCENT`] and [`RENEW_AFTER`].
    fn default() -> Self {
        Self { percent: RENEW_AT_PERCENT, after: RENEW_AFTER }
    }
}

impl Renewal {
    /// Whether it is time now. Asks the host, whose answer a replay is given again; outside a host it never is.
    pub fn due(&self) -> Option<Due> {
        self.due_at(&usage()?)
    }

    /// Whether it is time for an attempt that has used this.
    pub fn due_at(&self, usage: &Usage) -> Option<Due> {
        let is_full = usage
            .context_used
            .zip(usage.context_window)
            .is_some_and(|(used, window)| u128::from(used) * 100 >= u128::from(window) * u128::from(self.percent));
        if is_full { Some(Due::ContextFull) } else { (usage.instance_age >= self.after).then_some(Due::Old) }
    }
}

/// Whether an agent has to sum up its work and go on in a fresh instance: at 80 % of its model's context window, and at the
/// latest after two hours.
pub fn should_renew() -> bool {
    Renewal::default().due().is_some()
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

/// Waits. A wait of more than a moment ends the instance, and costs nothing until another one goes on behind it.
pub fn pause(span: Duration) {
    #[cfg(target_arch = "wasm32")]
    std::thread::sleep(span);
    #[cfg(not(target_arch = "wasm32"))]
    tell!(context::pause(span));
}

/// What this attempt has used so far; none outside a host.
#[cfg(not(target_arch = "wasm32"))]
pub fn usage() -> Option<Usage> {
    crate::testing::current().map(|host| host.context().usage())
}

/// What this attempt has used so far; none outside a host.
#[cfg(target_arch = "wasm32")]
pub fn usage() -> Option<Usage> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(context: Option<(u64, u64)>, minutes: u64) -> Usage {
        Usage {
            fuel_used: 0,
            fuel_limit: 1,
            memory_used: 0,
            memory_limit: 1,
            elapsed: Duration::from_secs(minutes * 60),
            time_limit: Duration::from_secs(8 * 3_600),
            instance_age: Duration::from_secs(minutes * 60),
            context_used: context.map(|(used, _)| used),
            context_window: context.map(|(_, window)| window),
        }
    }

    #[test]
    fn an_agent_is_renewed_at_four_fifths_of_its_context_and_after_two_hours() {
        let renewal = Renewal::default();
        for (context, minutes, due) in [
            (None, 0, None),
            (None, 119, None),
            (None, 120, Some(Due::Old)),
            (Some((6_553, 8_192)), 119, None),
            (Some((6_554, 8_192)), 0, Some(Due::ContextFull)),
            (Some((9_000, 8_192)), 200, Some(Due::ContextFull)),
            (Some((u64::MAX, u64::MAX)), 0, Some(Due::ContextFull)),
            (Some((0, 8_192)), 120, Some(Due::Old)),
        ] {
            assert_eq!(renewal.due_at(&usage(context, minutes)), due, "{context:?} after {minutes} minutes");
        }
        let early = Renewal { percent: 50, after: Duration::from_secs(60) };
        assert_eq!(early.due_at(&usage(Some((50, 100)), 0)), Some(Due::ContextFull));
        assert_eq!(early.due_at(&usage(Some((49, 100)), 1)), Some(Due::Old));
    }

    #[test]
    fn outside_a_host_nothing_is_due() {
        assert!(!should_renew());
    }
}
