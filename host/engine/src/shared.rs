//! What all layers of one run share: its facts, its ports, the current version, what is spent, the signal to stop.

use crate::board::Board;
use crate::captures::Captures;
use crate::deadlines::Deadlines;
use crate::executor::{Grants, Readable};
use crate::ledger::Ledger;
use crate::mail::Mail;
use crate::places::Seat;
use crate::ports::{Observer, PluginInfo, Ports};
use crate::questions::Forum;
use crate::room::Room;
use crate::spending::{Part, Spending};
use longhaul_core::digest::Digest;
use longhaul_core::grant::Permissions;
use longhaul_core::id::{Name, RunId, TaskId};
use longhaul_core::reach::Live;
use longhaul_core::workflow::model::CheckSpec;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{MutexGuard, watch};

/// Facts and services of one run.
pub(crate) struct Shared {
    pub(crate) run: RunId,
    /// The workflow's name.
    pub(crate) workflow: Name,
    pub(crate) objective: String,
    /// What the operator allows; none means that there is no policy.
    pub(crate) policy: Option<Permissions>,
    pub(crate) grants: Grants,
    pub(crate) agents: BTreeMap<Name, Configured>,
    pub(crate) strategies: BTreeMap<Name, Configured>,
    /// Commands that can judge the work of attempts.
    pub(crate) checks: BTreeMap<Name, CheckSpec>,
    /// What the run's randomness derives from.
    pub(crate) seed: u64,
    pub(crate) ports: Ports,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) head: Head,
    pub(crate) in_use: Arc<InUse>,
    /// Whether what was published to memory can be read.
    pub(crate) readable: Readable,
    /// What was captured for tasks.
    pub(crate) captures: Captures,
    /// The tasks that were spawned.
    pub(crate) board: Board,
    /// The messages between tasks.
    pub(crate) mail: Arc<Mail>,
    /// The questions to people.
    pub(crate) forum: Arc<Forum>,
    pub(crate) spending: Spending,
    /// Where it takes places for its attempts; none where it need not share them.
    pub(crate) seat: Option<Seat>,
    /// That of outputs which are kept.
    pub(crate) room: Arc<Room>,
    pub(crate) deadlines: Deadlines,
    pub(crate) stop: Stop,
    /// Whether commits that were made before are made again, to be compared.
    pub(crate) proves: bool,
}

/// Shows what one task does to whoever watches the run.
struct Shown {
    observer: Arc<dyn Observer>,
    task: TaskId,
}

impl Live for Shown {
    fn show(&self, line: &str) {
        self.observer.live(&self.task, line);
    }
}

impl Shared {
    /// Where lines of output of `task` are shown.
    pub(crate) fn live(&self, task: &TaskId) -> Arc<dyn Live> {
        Arc::new(Shown { observer: self.ports.observer.clone(), task: task.clone() })
    }

    /// The part of the run's budget that is used up, where one is.
    pub(crate) fn exhausted(&self) -> Option<Part> {
        self.spending.exhausted(self.ports.workspace.used())
    }
}

/// A plugin with its configuration.
pub(crate) struct Configured {
    pub(crate) info: PluginInfo,
    /// A JSON object, evaluated.
    pub(crate) config: Value,
    /// What an agent is able to do.
    pub(crate) skills: BTreeSet<Name>,
    /// The model that it works with, where the workflow says.
    pub(crate) model: Option<String>,
}

/// The current version of the run's workspace. Commits are made one at a time, in the order in which they ask.
pub(crate) struct Head {
    /// A fair lock: first come, first served.
    line: tokio::sync::Mutex<()>,
    version: Mutex<Digest>,
    /// The version that the record named last; it is the current one as soon as that is durable.
    recorded: Mutex<Digest>,
}

/// The right to make the next commit.
pub(crate) struct Turn<'a> {
    head: &'a Head,
    _line: MutexGuard<'a, ()>,
}

impl Head {
    pub(crate) fn new(version: Digest) -> Self {
        Self { line: tokio::sync::Mutex::new(()), version: Mutex::new(version), recorded: Mutex::new(version) }
    }

    /// Lets `record` make an entry about the version that the record named last, or about another one that it names from then on: so
    /// that an entry about a version stands behind the one that made it, and before the next.
    pub(crate) fn record<T, E>(&self, record: impl FnOnce(&mut Digest) -> Result<T, E>) -> Result<T, E> {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        let mut version = *recorded;
        let done = record(&mut version)?;
        *recorded = version;
        Ok(done)
    }

    pub(crate) fn version(&self) -> Digest {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the right to commit.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        Turn { head: self, _line: self.line.lock().await }
    }
}

impl Turn<'_> {
    /// Makes `version` the current one.
    pub(crate) fn advance(self, version: Digest) {
        *self.head.version.lock().unwrap_or_else(PoisonError::into_inner) = version;
    }
}

/// The versions that attempts work on now.
#[derive(Debug, Default)]
pub(crate) struct InUse(Mutex<BTreeMap<Digest, u32>>);

/// A version is in use as long as this lives.
#[derive(Debug)]
pub(crate) struct Hold(Arc<InUse>, Digest);

impl Hold {
    /// The version.
    pub(crate) fn version(&self) -> Digest {
        self.1
    }
}

impl InUse {
    pub(crate) fn hold(self: &Arc<Self>, version: Digest) -> Hold {
        self.take(version);
        Hold(Arc::clone(self), version)
    }

    pub(crate) fn take(&self, version: Digest) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(version).or_default() += 1;
    }

    pub(crate) fn give_back(&self, version: Digest) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&version) {
            *count -= 1;
            if *count == 0 {
                held.remove(&version);
            }
        }
    }

    pub(crate) fn versions(&self) -> Vec<Digest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.give_back(self.1);
    }
}

/// The signal that whatever is under way ends at once. Commits that have begun end well all the same.
pub(crate) struct Stop(watch::Sender<bool>);

impl Stop {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn give(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_given(&self) -> bool {
        *self.0.borrow()
    }

    /// Runs `work`, unless and until the signal is given.
    pub(crate) async fn unless<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut given = self.0.subscribe();
        tokio::select! {
            biased;
            // An error means that the sender is gone, which cannot be while it is borrowed here.
            _ = given.wait_for(|given| *given) => None,
            done = work => Some(done),
        }
    }
}
