//! What the tests of the sandbox share: a sandbox, jobs, a stage and a record in memory, guests from files.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

pub mod guests;
pub mod stage;

use longhaul_core::action::{Action, ActionResult};
use longhaul_core::attempt::{
    AttemptEvent, AttemptReport, Divergence, Job, Limits, LogLevel, Outcome, RecordError, Recorder, TaskInput,
};
use longhaul_core::clock::Clock;
use longhaul_core::digest::Digest;
use longhaul_core::grant::{FsPermissions, Grant, Party, Permissions};
use longhaul_core::id::{AttemptId, Name, RunId, TaskId};
use longhaul_core::incident::Problem;
use longhaul_core::reach::{Reach, Services};
use longhaul_core::units::{Bytes, Fuel, Timestamp};
use longhaul_sandbox::{CompileLimits, CompileWorker, Enclosure, Plugin, Sandbox, SandboxConfig, WallPolicy};
use serde_json::{Value, json};
use stage::{MemoryStage, Quota};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How this test's sandbox is set up: few threads, few instances, and the cache of all tests of this program.
pub fn config() -> SandboxConfig {
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    SandboxConfig {
        cache: scratch.join("components"),
        worker: CompileWorker { program: env!("CARGO_BIN_EXE_longhaul-compile").into(), args: Vec::new() },
        compile: CompileLimits::default(),
        instances: 8,
        threads: 2,
        enclosure: Enclosure { writable: Vec::new(), readable: Vec::new() },
        wall: WallPolicy::BestEffort,
    }
}

pub fn sandbox() -> Sandbox {
    Sandbox::new(config()).unwrap()
}

/// Runs a test's future on a runtime of its own, and not on the guests'.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Keeps every event.
#[derive(Default)]
pub struct Record(Mutex<Vec<AttemptEvent>>);

impl Recorder for Record {
    fn record(&self, event: AttemptEvent) -> Result<(), RecordError> {
        self.0.lock().unwrap().push(event);
        Ok(())
    }
}

impl Record {
    pub fn events(&self) -> Vec<AttemptEvent> {
        self.0.lock().unwrap().clone()
    }

    pub fn actions(&self) -> Vec<Action> {
        let action = |event| match event {
            AttemptEvent::Action(action) => Some(action),
            _ => None,
        };
        self.events().into_iter().filter_map(action).collect()
    }

    /// Bytes of all texts in it: what a guest can make a record weigh.
    pub fn weight(&self) -> usize {
        self.events().iter().map(|event| serde_json::to_string(event).unwrap().len()).sum()
    }

    /// Bytes of log lines.
    pub fn log_bytes(&self) -> usize {
        let line = |event: &AttemptEvent| match event {
            AttemptEvent::Log { message, .. } => message.len(),
            _ => 0,
        };
        self.events().iter().map(line).sum()
    }

    pub fn log_lines(&self) -> usize {
        self.events().iter().filter(|event| matches!(event, AttemptEvent::Log { .. })).count()
    }

    /// The actions that belong to each try: those after its log line and before the next.
    pub fn by_try(&self) -> Vec<(String, Vec<Action>)> {
        let mut tries: Vec<(String, Vec<Action>)> = Vec::new();
        for event in self.events() {
            match event {
                AttemptEvent::Log { level: LogLevel::Info, message } => {
                    if let Some(name) = message.strip_prefix("try ") {
                        tries.push((name.to_owned(), Vec::new()));
                    }
                }
                AttemptEvent::Action(action) => {
                    if let Some((_, actions)) = tries.last_mut() {
                        actions.push(action);
                    }
                }
                _ => {}
            }
        }
        tries
    }
}

pub fn is_refusal(action: &Action) -> bool {
    !matches!(action.result, ActionResult::Ok)
}

/// A record that holds something already.
pub struct Replaying {
    pub script: Mutex<Vec<AttemptEvent>>,
    /// What was appended to it.
    pub live: Mutex<Vec<AttemptEvent>>,
    pub attempt: AttemptId,
}

impl Recorder for Replaying {
    fn record(&self, event: AttemptEvent) -> Result<(), RecordError> {
        let mut script = self.script.lock().unwrap();
        if script.is_empty() {
            self.live.lock().unwrap().push(event);
            return Ok(());
        }
        let recorded = script.remove(0);
        if recorded == event {
            return Ok(());
        }
        let (expected, found) = (format!("{recorded:?}"), format!("{event:?}"));
        Err(Divergence { attempt: self.attempt.clone(), expected, found }.into())
    }

    fn replayed(&self) -> Option<Action> {
        match self.script.lock().unwrap().first() {
            Some(AttemptEvent::Action(action)) => Some(action.clone()),
            _ => None,
        }
    }
}

/// Goes on by a millisecond each time it is asked, whatever the machine does.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Clock for Counter {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000 + self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// One attempt, with what is left of it.
pub struct Attempt {
    pub job: Job,
    pub stage: MemoryStage,
    pub record: Arc<Record>,
}

/// What the guest `hostile` finds in its stage.
pub const FILES: &[(&str, &str)] = &[
    ("src/lib.rs", "fn main() {}\n"),
    ("src/sub/deep.rs", "fn deep() {}\n"),
    ("docs/guide.md", "read me\n"),
    ("docs/empty/", ""),
    ("mixed/a.txt", "a\n"),
    ("mixed/keep.bin", "keep\n"),
    ("dropbox/in.txt", "for others to read\n"),
    ("secret/key", "the key of the house\n"),
    ("secret/link", "-> key"),
    ("planted-absolute", "-> /etc"),
    ("planted-up", "-> ../../../../.."),
    ("planted-secret", "-> secret/key"),
    ("planted-loop", "-> planted-loop"),
    ("planted-secret-folder", "-> secret"),
    ("hidden-link", "-> src"),
];

/// What it may do with that.
pub fn permissions() -> Permissions {
    let list = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    Permissions {
        fs: Some(FsPermissions {
            read: list(&["src/**", "docs/**", "mixed/**", "planted-*"]),
            write: list(&["src/**", "mixed", "mixed/a.txt", "dropbox/**"]),
        }),
        ..Permissions::default()
    }
}

/// Limits that a test reaches fast.
pub fn limits() -> Limits {
    Limits {
        fuel: Fuel(300_000_000),
        memory: Bytes(32 << 20),
        time: Duration::from_secs(60),
        call_time: Duration::from_secs(30),
        handles: 50,
        log: Bytes(64 << 10),
        events: 20_000,
        ..Limits::default()
    }
}

impl Attempt {
    pub fn new(input: Value, limits: Limits) -> Self {
        let stage = MemoryStage::new(Quota::default(), FILES);
        let record = Arc::new(Record::default());
        let everything = FsPermissions { read: vec!["**".to_owned()], write: vec!["**".to_owned()] };
        let asked = Permissions { fs: Some(everything), ..Permissions::default() };
        let job = Job {
            task: TaskInput {
                run: RunId::new("test").unwrap(),
                workflow: "test".to_owned(),
                objective: String::new(),
                attempt: AttemptId { task: TaskId::new("task").unwrap(), number: 1 },
                agent: Name::new("hostile").unwrap(),
                input,
                config: json!({}),
                state: None,
            },
            limits,
            grant: Grant::new([(Party::Manifest, asked), (Party::Task, permissions())]).unwrap(),
            stage: Arc::new(stage.clone()),
            recorder: record.clone(),
            clock: Arc::new(Counter::default()),
            committer: Arc::new(longhaul_core::attempt::NeverCommits),
            recall: Arc::new(longhaul_core::recall::NeverRecalled),
            reach: Reach::alone(Services::default()),
            model: None,
            meter: Arc::new(longhaul_core::spend::Unmetered),
            began: Timestamp(1_700_000_000_000),
            seed: Digest::of(b"seed"),
        };
        Self { job, stage, record }
    }

    pub fn mode(mode: &str, limits: Limits) -> Self {
        Self::new(json!({ "mode": mode }), limits)
    }
}

/// The output of an attempt that ended well.
/// Runs an attempt that never waits long to its end.
pub async fn whole(sandbox: &Sandbox, plugin: &Plugin, job: Job) -> AttemptReport {
    sandbox.run_agent(plugin, job).await.ended().expect("the attempt was suspended")
}

pub fn output(report: &AttemptReport) -> &Value {
    match &report.result {
        Ok(Outcome::Completed(output)) => output,
        other => panic!("the attempt did not complete: {other:?}"),
    }
}

/// The problem of an attempt that did not.
pub fn problem(report: &AttemptReport) -> &Problem {
    report.result.as_ref().expect_err("the attempt should have failed")
}
