//! What a simulated agent can do: the host calls of a guest, recorded and replayed as the sandbox does it.
//!
//! An agent here is an ordinary function. It keeps to the rule that the engine builds on, that the same answers lead to the same
//! calls, because all it learns of the world comes through this type.

use crate::faults::{Fault, Planned};
use crate::world::Process;
use longhaul_core::action::{Action, ActionResult};
use longhaul_core::attempt::{AttemptEvent, Job, NotCommitted, RecordError, Usage};
use longhaul_core::digest::Digest;
use longhaul_core::effect::{Answered, Call, CallKind, KeyScope, perform};
use longhaul_core::grant::{Capability, FsAccess};
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::memory::{MemoryError, MemoryScope};
use longhaul_core::path::StagePath;
use longhaul_core::payload::Payload;
use longhaul_core::stage::{Create, FsError, NodeKind, OpenMode};
use longhaul_core::units::{Bytes, Fuel, Timestamp};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The longest wait that keeps its instance, as in the sandbox.
const MOMENT: Duration = Duration::from_secs(2);
/// The longest that a model takes to answer.
const TURN: Duration = Duration::from_secs(150);
/// What a host call costs, as in the sandbox.
const CALL: u64 = 1_000;

/// One instance's way to the host.
pub(crate) struct Guest {
    pub(crate) job: Job,
    process: Arc<Process>,
    fault: Option<Planned>,
    steps: AtomicU32,
    calls: AtomicU64,
    fuel: AtomicU64,
}

/// Why an agent does not go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It failed.
    Failed(Problem),
    /// It waits.
    Suspended(Timestamp),
    /// It goes on in a fresh instance with this.
    Renewed(Value),
}

impl From<RecordError> for Stop {
    fn from(error: RecordError) -> Self {
        Stop::Failed(match error {
            RecordError::Diverged(divergence) => divergence.into(),
            RecordError::Unknown(unknown) => (*unknown).into(),
            RecordError::Lost(reason) => Problem::new(IncidentClass::Transient, reason),
        })
    }
}

impl From<MemoryError> for Stop {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::Record(error) => error.into(),
            MemoryError::Refused(error) => Stop::Failed(Problem::new(IncidentClass::Transient, error.to_string())),
        }
    }
}

impl From<FsError> for Stop {
    fn from(error: FsError) -> Self {
        Stop::Failed(Problem::new(IncidentClass::Transient, error.to_string()))
    }
}

impl Guest {
    pub(crate) fn new(process: &Arc<Process>, job: Job) -> Self {
        let world = &process.world;
        let fault = Planned::of(world.seed, &job.task.attempt, &world.rates());
        let (steps, calls, fuel) = (AtomicU32::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { job, process: Arc::clone(process), fault, steps, calls, fuel }
    }

    /// Whether its hang is such that the sandbox does not notice.
    pub(crate) fn is_deaf(&self) -> bool {
        self.fault.is_some_and(|planned| planned.fault == Fault::DeafHang)
    }

    /// What it used up to now; a function of its calls, but for the time.
    pub(crate) fn usage(&self, time: Duration) -> Usage {
        let (actions, fuel) = (self.calls.load(Relaxed), Fuel(self.fuel.load(Relaxed)));
        Usage { fuel, memory: Bytes(4 << 20), time, actions, ..Usage::default() }
    }

    /// Works with a model for `span`, turn by turn; a replay has the answers already.
    pub(crate) async fn think(&self, about: &str, span: Duration) -> Result<(), Stop> {
        let mut left = span;
        while !left.is_zero() {
            let turn = left.min(TURN);
            left -= turn;
            self.step().await?;
            let call = self.call(Capability::Model, "chat", about, CallKind::Query);
            let answer = async |_| {
                self.process.work(turn).await;
                Answered::ok("do it")
            };
            perform(self.job.recorder.as_ref(), call, answer).await?;
        }
        Ok(())
    }

    /// Changes something outside, under a name that every attempt at the task gives it: once, however often that is tried.
    pub(crate) async fn publish(&self, what: &str) -> Result<(), Stop> {
        self.post(what, true, KeyScope::Task(what.to_owned())).await
    }

    /// Changes something outside that must not be done a second time on a guess.
    pub(crate) async fn announce(&self, what: &str) -> Result<(), Stop> {
        self.post(what, false, KeyScope::Action).await
    }

    async fn post(&self, what: &str, idempotent: bool, scope: KeyScope) -> Result<(), Stop> {
        let call = self.call(Capability::Http, "post", what, CallKind::Effect { idempotent, scope });
        let act = async |key| {
            // The process may die before it, in its middle, and when it is done.
            self.process.survive().await;
            self.process.moment().await;
            self.process.world.outside.act(key, idempotent);
            self.process.survive().await;
            Answered::ok("done")
        };
        perform(self.job.recorder.as_ref(), call, act).await?;
        Ok(())
    }

    fn call(&self, capability: Capability, operation: &'static str, resource: &str, kind: CallKind) -> Call {
        self.fuel.fetch_add(CALL, Relaxed);
        Call {
            number: self.calls.fetch_add(1, Relaxed),
            capability,
            operation: operation.into(),
            resource: resource.to_owned(),
            detail: String::new(),
            request: Digest::of(resource.as_bytes()),
            kind,
        }
    }

    /// Reads a file; none where it is missing.
    pub(crate) fn read(&self, path: &str) -> Result<Option<String>, Stop> {
        let text = match self.job.stage.open(&at(path)?, OpenMode::Read) {
            Ok(file) => {
                let mut bytes = vec![0; usize::try_from(file.node().size).unwrap_or(0)];
                let read = file.read_at(&mut bytes, 0)?;
                bytes.truncate(read);
                Some(String::from_utf8_lossy(&bytes).into_owned())
            }
            Err(FsError::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        let (bytes, detail) = match &text {
            Some(text) => (text.len() as u64, Digest::of(text.as_bytes()).to_string()),
            None => (0, "missing".to_owned()),
        };
        self.act(Capability::Fs, "read", path, detail, bytes)?;
        Ok(text)
    }

    /// Writes a file, making it and its folder where they are missing.
    pub(crate) fn write(&self, path: &str, text: &str) -> Result<(), Stop> {
        let at = at(path)?;
        if let Err(denial) = self.job.grant.check_fs(&at, FsAccess::Write) {
            return Err(Stop::Failed(Problem::new(IncidentClass::Denied, denial.reason)));
        }
        let digest = Digest::of(text.as_bytes()).to_string();
        self.act(Capability::Fs, "write", path, digest, text.len() as u64)?;
        if let Some((folder, _)) = at.split().filter(|(folder, _)| !folder.is_root()) {
            match self.job.stage.create_dir(&folder) {
                Ok(()) | Err(FsError::Exists) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let file = self.job.stage.open(&at, OpenMode::Write { create: Create::IfMissing, truncate: true })?;
        Ok(file.write_at(text.as_bytes(), 0)?)
    }

    /// The files below a folder, sorted.
    pub(crate) fn files(&self, folder: &str) -> Result<Vec<String>, Stop> {
        let mut found = Vec::new();
        self.walk(&at(folder)?, &mut found)?;
        self.act(Capability::Fs, "list", folder, format!("{} files", found.len()), 0)?;
        Ok(found)
    }

    fn walk(&self, folder: &StagePath, found: &mut Vec<String>) -> Result<(), Stop> {
        for entry in self.job.stage.list(folder)? {
            let Some(path) = folder.join(&entry.name) else { continue };
            match entry.kind {
                NodeKind::Folder => self.walk(&path, found)?,
                NodeKind::File => found.push(path.as_str().to_owned()),
                NodeKind::Symlink => {}
            }
        }
        Ok(())
    }

    /// What time it is, or was when this was done first.
    pub(crate) fn now(&self) -> Result<Timestamp, Stop> {
        let recorded = self.job.recorder.replayed().and_then(|action| action.detail.parse().ok());
        let now = Timestamp(recorded.unwrap_or_else(|| self.job.clock.now().0));
        self.act(Capability::Context, "now", "", now.0.to_string(), 0)?;
        Ok(now)
    }

    /// Waits; where that is long, the instance goes meanwhile.
    pub(crate) async fn wait(&self, span: Duration) -> Result<(), Stop> {
        let due = Timestamp(self.now()?.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)));
        if self.job.recorder.replayed().is_none() {
            let left = due.since(self.job.clock.now());
            let end =
                self.job.began.0.saturating_add(u64::try_from(self.job.limits.time.as_millis()).unwrap_or(u64::MAX));
            if left > MOMENT && due.0 <= end {
                return Err(Stop::Suspended(due));
            }
            tokio::time::sleep(left).await;
        }
        self.act(Capability::Context, "wait", "", due.0.to_string(), 0)
    }

    /// Commits what was done so far. That others were first is no reason to stop.
    pub(crate) async fn checkpoint(&self) -> Result<(), Stop> {
        let recorded = self.job.recorder.replayed().filter(|action| action.operation == "checkpoint");
        let told = match recorded {
            Some(action) => action.detail,
            None => match self.job.committer.commit().await {
                Ok(()) => "committed".to_owned(),
                Err(NotCommitted::Refused(reason)) => reason,
                Err(NotCommitted::Record(error)) => return Err(error.into()),
            },
        };
        self.act(Capability::Context, "checkpoint", "", told, 0)
    }

    /// Keeps a text in the memory of the run.
    pub(crate) async fn remember(&self, key: &str, text: &str) -> Result<(), Stop> {
        let memory = &self.job.reach.memory;
        match self.job.recorder.replayed().filter(|action| action.operation == "set") {
            Some(_) => memory.put_again(MemoryScope::Run, key, Some(text.into())),
            None => memory.set(MemoryScope::Run, key, text.into()).await?,
        }
        self.act(Capability::Memory, "set", key, text.to_owned(), text.len() as u64)
    }

    /// What the run remembers; none where that is nothing.
    pub(crate) async fn recall(&self, key: &str) -> Result<Option<String>, Stop> {
        let told = match self.job.recorder.replayed().filter(|action| action.operation == "get") {
            Some(action) => action.detail,
            None => {
                let found = self.job.reach.memory.get(MemoryScope::Run, key).await?;
                found.as_ref().and_then(Payload::text).unwrap_or_default().to_owned()
            }
        };
        self.act(Capability::Memory, "get", key, told.clone(), told.len() as u64)?;
        Ok(Some(told).filter(|told| !told.is_empty()))
    }

    /// A step of the work, at which the attempt's fault may show.
    async fn step(&self) -> Result<(), Stop> {
        let step = self.steps.fetch_add(1, Relaxed);
        let Some(Planned { fault, .. }) = self.fault.filter(|planned| planned.step == step) else { return Ok(()) };
        let failed = |class, message: &str| Err(Stop::Failed(Problem::new(class, message)));
        match fault {
            Fault::Hang | Fault::DeafHang => std::future::pending().await,
            Fault::RateLimit(span) => {
                let problem = Problem::new(IncidentClass::RateLimited, "the model asks to slow down");
                Err(Stop::Failed(Problem { retry_after: Some(span), ..problem }))
            }
            Fault::Transient => failed(IncidentClass::Transient, "the model's connection was cut"),
            Fault::Trap => failed(IncidentClass::Trap, "wasm `unreachable` instruction executed"),
            Fault::Invalid => failed(IncidentClass::Validation, "two tests fail"),
        }
    }

    fn act(
        &self,
        capability: Capability,
        operation: &'static str,
        resource: &str,
        detail: String,
        bytes: u64,
    ) -> Result<(), Stop> {
        let number = self.calls.fetch_add(1, Relaxed);
        self.fuel.fetch_add(CALL + bytes, Relaxed);
        self.job.recorder.record(AttemptEvent::Action(Action {
            number,
            capability,
            operation: operation.into(),
            resource: resource.to_owned(),
            detail,
            calls: 1,
            bytes: Bytes(bytes),
            digest: None,
            exchange: None,
            result: ActionResult::Ok,
        }))?;
        Ok(())
    }
}

fn at(path: &str) -> Result<StagePath, Stop> {
    StagePath::new(path).map_err(|error| Stop::Failed(Problem::new(IncidentClass::Fatal, error.to_string())))
}
