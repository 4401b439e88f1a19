//! What the engine needs from the rest of the host, as traits that live here, with their crash contracts.
//!
//! ```text
//!             ┌──────────► Plugins    runs agents, asks strategies        (sandbox)
//!   engine ───┼──────────► Workspace  stages, commits, application        (workspace)
//!             ├──────────► Services   what host calls reach outside       (services)
//!             ├──────────► Journal    the record                          (store)
//!             ├──────────► Memories   what agents remember                (store)
//!             └──────────► Hooks, Time, Observer                                 (command line, simulation)
//! ```
//!
//! Calls that may take long are futures, boxed so that ports are objects; an adapter moves blocking work to threads made
//! for it. Every future may be dropped before its end unless its documentation says otherwise.

mod captures;

pub use captures::{CaptureFailed, Captures, Content, FilesFound};

use longhaul_core::attempt::{Job, Limits, Ran, Recorder};
use longhaul_core::clock::Clock;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Change, Position, Record};
use longhaul_core::grant::{Grant, Permissions};
use longhaul_core::ground::{Ground, NoGround};
use longhaul_core::hook::Hooks;
use longhaul_core::id::{AttemptId, Name, RunId, TaskId};
use longhaul_core::incident::{Decision, Situation};
use longhaul_core::memory::{Finder, Found, Keys, MemorySpace, Room};
use longhaul_core::path::StagePath;
use longhaul_core::payload::Payload;
use longhaul_core::reach::Services;
use longhaul_core::stage::Stage;
use longhaul_core::units::{Bytes, Timestamp};
use std::sync::Arc;
use std::time::Duration;

pub use longhaul_core::reach::BoxFuture;

/// All ports of one run.
#[derive(Clone)]
pub struct Ports {
    /// The plugins that the workflow names.
    pub plugins: Arc<dyn Plugins>,
    /// The versions of the workspace.
    pub workspace: Arc<dyn Workspace>,
    /// What host calls of agents reach outside.
    pub services: Services,
    /// Calls the hooks of the run.
    pub hooks: Arc<dyn Hooks>,
    /// The record.
    pub journal: Arc<dyn Journal>,
    /// What agents have published to memory.
    pub memories: Arc<dyn Memories>,
    /// Clock and timers.
    pub time: Arc<dyn Time>,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
}

/// What the engine has to know of a plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginInfo {
    /// The digest of its component.
    pub digest: Digest,
    /// Its version, as its manifest says.
    pub version: String,
    /// What its manifest asks for.
    pub asks: Permissions,
}

/// The plugins of a run: found, checked and loaded before it begins.
///
/// Crash contract: a plugin has no state of its own between two calls, so there is nothing to restore. Dropping a future
/// ends its instance soon, also in the middle of a host call, and nothing of it acts after that.
pub trait Plugins: Send + Sync {
    /// The agent that the workflow calls so.
    fn agent(&self, name: &Name) -> Option<PluginInfo>;

    /// The strategy that the workflow calls so.
    fn strategy(&self, name: &Name) -> Option<PluginInfo>;

    /// Runs an agent on a task, within the job's limits, to its end or into a long wait. Whatever goes wrong is part of the
    /// report.
    fn run_agent<'a>(&'a self, agent: &'a Name, job: Job) -> BoxFuture<'a, Ran>;

    /// Asks a strategy, within limits of the adapter's own. The error is in words; it counts as no decision.
    fn decide<'a>(
        &'a self,
        strategy: &'a Name,
        situation: Situation,
        recorder: Arc<dyn Recorder>,
    ) -> BoxFuture<'a, Result<Option<Decision>, String>>;
}

/// The workspace as versions: immutable, named by digest.
///
/// Crash contract: a version that was ever handed out by a commit is complete and durable. Which version is the run's
/// current one is said by the journal alone, so a commit that the journal does not acknowledge has not happened; the
/// files that it left are rubbish to be collected.
pub trait Workspace: Send + Sync {
    /// Opens a stage of `version` for `attempt`, bounded by the limits on files, handles and disk.
    ///
    /// # Errors
    /// [`WorkspaceError`], where nothing of it is left behind.
    fn stage<'a>(
        &'a self,
        version: Digest,
        attempt: &'a AttemptId,
        limits: &'a Limits,
    ) -> BoxFuture<'a, Result<Arc<dyn OpenStage>, WorkspaceError>>;

    /// Brings the user's folder from version `from` to version `to`, all or nothing. This future is never dropped. After a
    /// crash in its middle the next call, or the opening of the workspace, finishes it or takes it back. A path that is as
    /// in `to` already is no change of the user's, so it can be called again with the same versions.
    ///
    /// # Errors
    /// [`ApplyFailed`]; the folder is then as it was.
    fn apply(&self, from: Digest, to: Digest) -> BoxFuture<'_, Result<Applied, ApplyFailed>>;

    /// A digest of all that `grant` lets an attempt see of `version`: the same for two versions that differ in nothing of it.
    ///
    /// # Errors
    /// [`WorkspaceError`] where the version cannot be read.
    fn inputs<'a>(&'a self, version: Digest, grant: &'a Grant) -> BoxFuture<'a, Result<Digest, WorkspaceError>>;

    /// What is captured for tasks, and kept beside versions; none where this workspace captures nothing.
    fn captures(&self) -> Option<&dyn Captures> {
        None
    }

    /// What the content takes, without looking: what the last [`collect`](Workspace::collect) left, and what commits added since.
    /// Nothing of before is known until something was collected.
    fn used(&self) -> Bytes;

    /// Whether all content of a version, or of what a command left, is there.
    fn has(&self, version: Digest) -> BoxFuture<'_, bool>;

    /// Removes content that none of these versions has, nor any version that other runs still need, the oldest first, until all content takes
    /// `spare` at most. No commit is under way meanwhile. Gives what the content takes that is left. Interrupted at any moment, it has
    /// removed some of what it may.
    ///
    /// # Errors
    /// [`WorkspaceError`]; some of it may be removed then.
    fn collect(&self, keep: Vec<Digest>, spare: Bytes) -> BoxFuture<'_, Result<Bytes, WorkspaceError>>;
}

/// A stage that an attempt works in. Dropping it discards it, at the latest when the last clone of [`OpenStage::files`] is gone.
pub trait OpenStage: Send + Sync {
    /// The files, as the guest's side sees them.
    fn files(&self) -> Arc<dyn Stage>;

    /// The stage as a folder, for commands.
    fn ground(&self) -> Arc<dyn Ground> {
        Arc::new(NoGround)
    }

    /// Makes a version of what the stage holds, on top of `head`. Where `head` is not the stage's own version, the changes
    /// made since are merged; a path changed on both sides that cannot be merged is a conflict (first wins). No changes
    /// give `head` itself. This future is never dropped.
    ///
    /// # Errors
    /// [`CommitFailed`], and no version was made. The stage goes on either way: after a commit it shows what it held, without
    /// what others changed, and a later commit is about what is changed from now on.
    fn commit(&self, head: Digest) -> BoxFuture<'static, Result<Committed, CommitFailed>>;

    /// Takes what the stage holds for what it began with, and makes it part of nothing: as after a commit that was made before.
    ///
    /// # Errors
    /// [`CommitFailed::Io`].
    fn seal(&self) -> BoxFuture<'static, Result<(), CommitFailed>>;

    /// Throws the stage away.
    fn discard(self: Arc<Self>) -> BoxFuture<'static, ()>;
}

/// A commit that worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The version that it was made on.
    pub base: Digest,
    /// The version that it made.
    pub version: Digest,
    /// What changed from the one to the other.
    pub changes: Vec<Change>,
}

/// A result that was put into the user's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Files written or removed.
    pub files: u64,
}

/// A stage cannot be opened, or content not be collected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the workspace cannot be used: {0}")]
pub struct WorkspaceError(pub String);

/// A stage was not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitFailed {
    /// Somebody else changed the same paths since the stage was opened.
    #[error("{} changed by another task since this one began", list(paths))]
    Conflict {
        /// These paths.
        paths: Vec<StagePath>,
    },
    /// The machine failed; the text says how.
    #[error("the changes cannot be stored: {0}")]
    Io(String),
}

/// A result was not put into the user's folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyFailed {
    /// Somebody changed the folder since the run began, and those changes would be lost.
    #[error("{} changed in the folder since the run began", list(paths))]
    Changed {
        /// These paths.
        paths: Vec<StagePath>,
    },
    /// The machine failed; the text says how.
    #[error("the folder cannot be written: {0}")]
    Io(String),
}

/// A few paths in words.
fn list(paths: &[StagePath]) -> String {
    /// How many are named before the rest is counted.
    const NAMED: usize = 5;
    let named: Vec<_> = paths.iter().take(NAMED).map(|path| format!("`{}`", path.as_str())).collect();
    match paths.len().saturating_sub(NAMED) {
        0 if paths.len() == 1 => format!("{} was", named.join(", ")),
        0 => format!("{} were", named.join(", ")),
        more => format!("{} and {more} more were", named.join(", ")),
    }
}

/// A run's append-only record.
///
/// Crash contract: what a flush acknowledged survives any crash; what was appended after it may be lost, but only as a
/// whole tail. After any other error than [`JournalError::Refused`] every later call fails as well: the record has no holes.
pub trait Journal: Records {
    /// Appends a record. Cheap and buffered; may block for a moment while the disk catches up.
    ///
    /// # Errors
    /// [`JournalError`], and nothing was appended.
    fn append(&self, run: &RunId, record: &Record) -> Result<Position, JournalError>;

    /// Makes all that was appended before durable.
    ///
    /// # Errors
    /// [`JournalError`]: nothing may be taken as durable that was not before.
    fn flush(&self) -> BoxFuture<'_, Result<(), JournalError>>;
}

/// Reads what journals hold.
pub trait Records: Send + Sync {
    /// The records of `run` that `query` asks for, in order: some of them, as many as are read in one go; none where there
    /// are no more. Blocks while the disk is read. What was appended and not flushed may be missing; what was flushed is there before
    /// it is said that there are no more.
    ///
    /// # Errors
    /// [`JournalError`] where they cannot be read, or one of them is of a later version.
    fn read(&self, run: &RunId, query: &Query) -> Result<Vec<(Position, Record)>, JournalError>;

    /// The time of the newest of all records of `run`, which has some. What was appended and not flushed may be missing.
    ///
    /// # Errors
    /// [`JournalError`] where it cannot be read.
    fn newest(&self, run: &RunId) -> Result<Timestamp, JournalError>;
}

/// Which records are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Only those after this position.
    pub after: Option<Position>,
    /// Only those of this task.
    pub task: Option<TaskId>,
    /// Also actions, log lines and progress, which are most of a journal.
    pub details: bool,
}

/// The record cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// The disk, or the quota of the state folder, is full.
    #[error("the disk is full: {0}")]
    DiskFull(String),
    /// This one record is at fault, too large for example; the journal is as good as before.
    #[error("{0}")]
    Refused(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// Reads what attempts have published to memory.
///
/// Crash contract: memory is what the record says it is, at every moment of a crash as well. What is durable in the record is read here,
/// and nothing else: a run that went back has the task and run memory of its checkpoint, and a fork has that of the run it is copied
/// from.
pub trait Memories: Send + Sync {
    /// The value of a key, none where there is none.
    ///
    /// # Errors
    /// [`MemoryFailed`] where it cannot be read.
    fn get<'a>(&'a self, space: &'a MemorySpace, key: &'a str) -> Looked<'a, Option<Payload>>;

    /// What all memories of a space take.
    ///
    /// # Errors
    /// [`MemoryFailed`] where they cannot be read.
    fn taken<'a>(&'a self, space: &'a MemorySpace) -> Looked<'a, Room>;

    /// What one of them takes: nothing where it is not there.
    ///
    /// # Errors
    /// [`MemoryFailed`] where it cannot be read.
    fn taken_by<'a>(&'a self, space: &'a MemorySpace, key: &'a str) -> Looked<'a, Room>;

    /// Keys in the order of their bytes.
    ///
    /// # Errors
    /// [`MemoryFailed`] where they cannot be read.
    fn keys<'a>(&'a self, space: &'a MemorySpace, wanted: Keys<'a>) -> Looked<'a, Vec<String>>;

    /// Memories that have a word of a query, `limit` of those that may fit best.
    ///
    /// # Errors
    /// [`MemoryFailed`] where they cannot be read.
    fn find<'a>(&'a self, space: &'a MemorySpace, finder: &'a Finder, limit: usize) -> Looked<'a, Found>;
}

/// What a look into memory finds.
pub type Looked<'a, T> = BoxFuture<'a, Result<T, MemoryFailed>>;

/// Memory cannot be read; the text says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the memory cannot be read: {0}")]
pub struct MemoryFailed(pub String);

/// Clock and timers of one kind of time: the machine's or a simulation's.
pub trait Time: Clock {
    /// Resolves after `span`.
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()>;
}

/// Watches a run as it goes, for live progress.
pub trait Observer: Send + Sync {
    /// A record was appended. It need not be durable yet. Must not block; records of one task come in their order.
    fn seen(&self, record: &Record);

    /// What a task does wrote this line: a command, a model. Nothing of it is recorded as such. Must not block.
    fn live(&self, _task: &TaskId, _line: &str) {}
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn seen(&self, _: &Record) {}
}
