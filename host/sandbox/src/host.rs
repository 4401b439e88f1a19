//! The functions of `longhaul:plugin`, as far as this host serves them.
//!
//! A capability whose service this host does not have answers truthfully: `denied`, with the line that would grant it,
//! where it is not granted, and `unavailable` where it is. Both are recorded.

use crate::audit::Deed;
use crate::bindings::agent::longhaul::plugin::{context, logging, types};
use crate::guest::Guest;
use longhaul_core::action::{Action, ActionResult};
use longhaul_core::attempt::{LogLevel, NotCommitted};
use longhaul_core::grant::{Capability, Denial, Permissions};

impl types::Host for Guest {}

impl logging::Host for Guest {
    fn log(&mut self, level: logging::Level, message: String) -> wasmtime::Result<()> {
        self.meter.charge_call(message.len());
        let level = match level {
            logging::Level::Trace => LogLevel::Trace,
            logging::Level::Debug => LogLevel::Debug,
            logging::Level::Info => LogLevel::Info,
            logging::Level::Warn => LogLevel::Warn,
            logging::Level::Error => LogLevel::Error,
        };
        Ok(self.audit.log(level, &message)?)
    }
}

impl context::Host for Guest {
    fn progress(&mut self, done: u64, total: Option<u64>, note: String) -> wasmtime::Result<()> {
        self.meter.charge_call(note.len());
        Ok(self.audit.progress(done, total, &note)?)
    }

    async fn checkpoint(&mut self) -> wasmtime::Result<Result<(), types::Error>> {
        self.meter.charge_call(0);
        let checkpoint = || Deed::new(Capability::Context, "checkpoint", "");
        let refused = match self.audit.replayed(Capability::Context, "checkpoint") {
            Some(Action { result: ActionResult::Failed { error }, .. }) => Some(error),
            Some(_) => None,
            None => match self.committer.commit().await {
                Ok(()) => None,
                Err(NotCommitted::Refused(reason)) => Some(reason),
                Err(NotCommitted::Record(error)) => return Err(self.audit.fail(error).into()),
            },
        };
        match refused {
            None => {
                self.audit.action(checkpoint())?;
                Ok(Ok(()))
            }
            Some(reason) => {
                self.audit.action(checkpoint().failed(reason.clone()))?;
                Ok(Err(types::Error::Failed(reason)))
            }
        }
    }

    async fn attachments(&mut self) -> wasmtime::Result<Vec<context::Attachment>> {
        self.list_attachments()
    }

    async fn read_attachment(&mut self, name: String) -> wasmtime::Result<Result<Vec<u8>, types::Error>> {
        self.one_attachment(&name).await
    }

    fn usage(&mut self) -> wasmtime::Result<context::Consumption> {
        self.meter.charge_call(0);
        let elapsed = millis(self.clock.elapsed(Capability::Context, "usage")?);
        let context = self.audit.context();
        Ok(context::Consumption {
            fuel_used: self.meter.fuel_used().0,
            fuel_limit: self.limits.fuel.0,
            memory_used: self.meter.memory().0,
            memory_limit: self.meter.memory_limit().0,
            elapsed,
            time_limit: millis(self.limits.time),
            // An instance that goes on as new is another attempt, so each begins with its own.
            instance_age: elapsed,
            context_used: context.map(|context| context.used.0),
            context_window: context.map(|context| context.window.0),
        })
    }
}

/// The beginning of a text that a guest gave.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(500).collect()
}

/// A span as guests are told it.
pub(crate) fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl Guest {
    /// Whether the grant has a capability. `granted` picks what a layer gives of it; `line` is the line of a workflow that
    /// would give it. A refusal is recorded.
    pub(crate) fn granted(
        &mut self,
        capability: Capability,
        operation: &'static str,
        resource: &str,
        line: String,
        granted: impl Fn(&Permissions) -> bool,
    ) -> wasmtime::Result<Result<(), types::Error>> {
        self.meter.charge_call(resource.len());
        match self.grant().check(capability, &short(resource), || line, granted) {
            Ok(()) => Ok(Ok(())),
            Err(denial) => self.refused(operation, denial),
        }
    }

    /// Records a refusal, and tells the guest of it.
    pub(crate) fn refused<T>(
        &self,
        operation: &'static str,
        denial: Denial,
    ) -> wasmtime::Result<Result<T, types::Error>> {
        self.audit.action(Deed::new(denial.capability, operation, denial.resource.clone()).denied(&denial))?;
        Ok(Err(types::Error::Denied(types::Denial {
            capability: denial.capability.to_string(),
            resource: denial.resource,
            grant: denial.grant,
            reason: denial.reason,
        })))
    }
}
