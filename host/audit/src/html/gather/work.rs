//! [`Work`]: what was done for one task, summed up from its actions.

use super::few::{Few, kept};
use crate::query::{Cost, Deed, Outcome};
use longhaul_core::change::ChangeKind;
use longhaul_core::grant::Capability;
use longhaul_core::outbox::Outbox;
use longhaul_core::units::Bytes;

/// Actions of one kind.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::html) struct Group {
    pub(in crate::html) calls: u64,
    pub(in crate::html) denied: u64,
    pub(in crate::html) failed: u64,
    pub(in crate::html) bytes: Bytes,
}

/// Actions by capability and operation.
pub(in crate::html) type Groups = Few<(Capability, String), Group, 40>;

/// Adds an action to its group.
pub(super) fn count(groups: &mut Groups, deed: &Deed) {
    let Some(group) = groups.of((deed.capability, kept(&deed.operation))) else { return };
    group.calls += deed.calls;
    group.bytes += deed.bytes;
    match deed.outcome {
        Outcome::Ok { .. } => {}
        Outcome::Denied { .. } => group.denied += deed.calls,
        Outcome::Failed { .. } => group.failed += deed.calls,
    }
}

/// Runs of one command that ended in the same way.
#[derive(Debug, Clone, Default)]
pub(in crate::html) struct Runs {
    pub(in crate::html) times: u64,
    /// What kept them apart.
    pub(in crate::html) isolation: Vec<String>,
}

/// What was done for a task.
#[derive(Debug, Clone, Default)]
pub(in crate::html) struct Work {
    pub(in crate::html) groups: Groups,
    /// Files read, with how often.
    pub(in crate::html) read: Few<String, u64, 24>,
    /// Files that its commits changed, with what became of each in the end.
    pub(in crate::html) changed: Few<String, Option<ChangeKind>, 24>,
    /// Commands, with how they ended.
    pub(in crate::html) commands: Few<(String, String), Runs, 12>,
    /// Hosts contacted, with how often.
    pub(in crate::html) hosts: Few<String, u64, 12>,
    /// Models asked.
    pub(in crate::html) models: Few<String, Cost, 8>,
    /// Secrets that were filled in, by name.
    pub(in crate::html) secrets: Few<String, u64, 12>,
    /// Keys of memory that it read, wrote or removed: `write run notes`.
    pub(in crate::html) memory: Few<String, u64, 12>,
    /// Whom it sent messages to, with how many.
    pub(in crate::html) sent: Few<String, u64, 12>,
    /// Messages that it received.
    pub(in crate::html) received: u64,
    /// Numbers of the questions that it asked.
    pub(in crate::html) questions: Vec<u32>,
    /// Actions in all.
    pub(in crate::html) actions: u64,
    /// Of those, refused ones.
    pub(in crate::html) denied: u64,
}

impl Work {
    /// Takes note of an action.
    pub(super) fn did(&mut self, deed: &Deed) {
        count(&mut self.groups, deed);
        self.actions += deed.calls;
        if matches!(deed.outcome, Outcome::Denied { .. }) {
            self.denied += deed.calls;
            return;
        }
        let add = |count: Option<&mut u64>| count.into_iter().for_each(|count| *count += deed.calls);
        match (deed.capability, deed.operation.as_str()) {
            (Capability::Fs, "read") => add(self.read.of(kept(&deed.resource))),
            (Capability::Exec, _) => {
                let ended = match &deed.outcome {
                    Outcome::Ok { status } => status.clone(),
                    Outcome::Failed { error } => kept(error),
                    Outcome::Denied { .. } => String::new(),
                };
                if let Some(runs) = self.commands.of((kept(&deed.resource), ended)) {
                    runs.times += 1;
                    runs.isolation.clone_from(&deed.isolation);
                }
            }
            (Capability::Model, _) => {
                if let Some(cost) = self.models.of(kept(&deed.resource)) {
                    cost.count += deed.calls;
                    cost.tokens += deed.spent.tokens;
                    cost.money += deed.spent.money;
                }
            }
            (Capability::Memory, operation) => add(self.memory.of(kept(&format!("{operation} {}", deed.resource)))),
            _ => {}
        }
        if let Some(host) = deed.host() {
            add(self.hosts.of(kept(host)));
        }
        deed.secrets.iter().for_each(|secret| add(self.secrets.of(kept(secret))));
    }

    /// Takes note of a path that a commit changed.
    pub(super) fn changes(&mut self, path: &str, change: ChangeKind) {
        if let Some(known) = self.changed.of(kept(path)) {
            *known = ChangeKind::together(*known, change);
        }
    }

    /// Takes note of what was made known to others.
    pub(super) fn published(&mut self, outbox: &Outbox) {
        for sent in &outbox.sent {
            if let Some(count) = self.sent.of(kept(&sent.to.to_string())) {
                *count += 1;
            }
        }
        self.received += outbox.received.len() as u64;
        if let Some(asked) = outbox.asked.as_ref().filter(|_| self.questions.len() < 50) {
            self.questions.push(asked.number);
        }
    }
}
