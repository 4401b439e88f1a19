//! Measures the sandbox: `cargo run --release -p longhaul-sandbox --example measure_sandbox -- [--json]`, after `cargo xtask plugins`.
//!
//! Each figure is the median of several runs, and comparisons alternate between their two sides, so that a machine whose speed
//! drifts does not decide them. What each of them includes is told in `docs/benchmarks.md`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark that cannot run should stop and say where"
)]

mod bare;
#[path = "../../../../tests/guests/bench/src/kernel.rs"]
#[expect(unreachable_pub, reason = "the file is the guest's, where others reach it")]
mod kernel;

use bare::Bare;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use longhaul_core::attempt::{AttemptEvent, Job, Limits, Outcome, RecordError, Recorder, TaskInput};
use longhaul_core::clock::Clock;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::grant::{FsPermissions, Grant, Party, Permissions};
use longhaul_core::id::{AttemptId, Name, RunId, TaskId};
use longhaul_core::reach::{Reach, Services};
use longhaul_core::stage::Stage;
use longhaul_core::units::{Fuel, Timestamp};
use longhaul_sandbox::{CompileLimits, CompileWorker, Enclosure, Plugin, Sandbox, SandboxConfig, WallPolicy};
use longhaul_store::{Journal, RunJournal, StateLock};
use longhaul_workspace::{Options, StageLimits, Workspace};
use serde_json::{Value, json};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const FILES: u32 = 1_000;
const SIEVE: usize = 200_000;
const WORDS: usize = 400_000;
const ROUNDS: u64 = 60;
const CALLS: u32 = 200_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let rows = runtime.block_on(measure());
    if std::env::args().any(|arg| arg == "--json") {
        for row in rows {
            println!("{row}");
        }
    } else {
        for row in rows {
            println!(
                "{:<50} {:>10.3} {:>10.3} {}",
                row["name"].as_str().unwrap(),
                row["measured"],
                row["bound"],
                row["unit"].as_str().unwrap()
            );
        }
    }
}

async fn measure() -> Vec<Value> {
    let component = std::fs::read(guest())
        .unwrap_or_else(|e| panic!("{}: {e}; run `cargo xtask plugins` first", guest().display()));
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(folder.path(), &component).await;
    let (own, seen) = instance(&bench).await;
    let input = json!({ "mode": "hash", "words": WORDS, "rounds": ROUNDS });
    let hash = compute(&bench, input, || kernel::hash(black_box(WORDS), black_box(ROUNDS))).await;
    let input = json!({ "mode": "sieve", "n": SIEVE, "rounds": ROUNDS });
    let sieve = compute(&bench, input, || kernel::sieve(black_box(SIEVE), black_box(ROUNDS))).await;
    vec![
        row("attempt that does nothing, on a fresh instance", "µs", 25.0, own),
        row("the same as its caller sees it, with the way to its thread and back", "µs", 200.0, seen),
        row("integer work under all limits, against native: a hash", "×", 1.1, hash),
        row("integer work under all limits, against native: a sieve, loops of three instructions", "×", 1.1, sieve),
        row("recorded host call of a guest, with its entry handed to the journal", "µs", 3.0, call(&bench).await),
        row("recorded file operations, against WASI's own", "×", 2.0, files(&bench, folder.path(), &component).await),
    ]
}

fn row(name: &str, unit: &str, bound: f64, measured: f64) -> Value {
    json!({ "name": name, "measured": measured, "bound": bound, "unit": unit })
}

/// A sandbox with the benchmarks' guest, a workspace for its files, and a journal on the disk for its record.
struct Bench {
    sandbox: Sandbox,
    plugin: Plugin,
    workspace: Workspace,
    record: Arc<JournalRecord>,
}

impl Bench {
    async fn new(folder: &Path, component: &[u8]) -> Self {
        let (root, state) = (folder.join("root"), folder.join("state"));
        std::fs::create_dir_all(&root).unwrap();
        std::fs::create_dir_all(&state).unwrap();
        let open = |path: &Path| Dir::open_ambient_dir(path, ambient_authority()).unwrap();
        let workspace = Workspace::open(open(&root), open(&state), &Options::default()).unwrap();
        let sandbox = Sandbox::new(SandboxConfig {
            cache: folder.join("cache"),
            worker: CompileWorker { program: worker(), args: Vec::new() },
            compile: CompileLimits::default(),
            instances: 8,
            threads: 2,
            enclosure: Enclosure { writable: vec![state.join("stages")], readable: vec![state.join("objects")] },
            wall: WallPolicy::BestEffort,
        })
        .unwrap();
        let plugin = sandbox.load(component).await.unwrap();
        Self { sandbox, plugin, workspace, record: Arc::new(JournalRecord::open(&folder.join("journal"))) }
    }

    /// Runs the guest; gives the time of the whole attempt as its caller sees it.
    async fn run(&self, input: Value) -> Duration {
        self.times(input).await.1
    }

    /// Runs the guest; gives the attempt's own time (from its store over instance and call until its last handle is closed), and
    /// that of its caller, which waits for a thread for guests and for the answer as well. What is recorded is handed to the
    /// journal within the attempt's own time.
    async fn times(&self, input: Value) -> (Duration, Duration) {
        let version = self.workspace.import().unwrap().version;
        let stage: Arc<dyn Stage> =
            self.workspace.stage(version, "bench", StageLimits { bytes: 1 << 30, files: 100_000 }).unwrap();
        let everything = Permissions {
            fs: Some(FsPermissions { read: vec!["**".to_owned()], write: vec!["**".to_owned()] }),
            ..Permissions::default()
        };
        let job = Job {
            task: TaskInput {
                run: RunId::new("bench").unwrap(),
                workflow: "bench".to_owned(),
                objective: String::new(),
                attempt: AttemptId { task: TaskId::new("bench").unwrap(), number: 1 },
                agent: Name::new("bench").unwrap(),
                input,
                config: json!({}),
                state: None,
            },
            limits: Limits { fuel: Fuel(u64::MAX / 2), ..Limits::default() },
            grant: Grant::new([(Party::Task, everything)]).unwrap(),
            stage,
            recorder: Arc::clone(&self.record) as _,
            clock: Arc::new(Stopped),
            committer: Arc::new(longhaul_core::attempt::NeverCommits),
            recall: Arc::new(longhaul_core::recall::NeverRecalled),
            reach: Reach::alone(Services::default()),
            model: None,
            meter: Arc::new(longhaul_core::spend::Unmetered),
            began: Timestamp(0),
            seed: Digest::of(b"seed"),
        };
        let began = Instant::now();
        let report = self.sandbox.run_agent(&self.plugin, job).await.ended().unwrap();
        let time = began.elapsed();
        assert!(matches!(report.result, Ok(Outcome::Completed(_))), "{:?}", report.result);
        (report.usage.time, time)
    }
}

/// Times of a whole attempt that does nothing, as [`Bench::times`] gives them.
async fn instance(bench: &Bench) -> (f64, f64) {
    let (mut own, mut seen) = (Vec::new(), Vec::new());
    for _ in 0..2_000 {
        let (attempt, caller) = bench.times(json!({ "mode": "nothing" })).await;
        own.push(attempt.as_secs_f64() * 1e6);
        seen.push(caller.as_secs_f64() * 1e6);
    }
    (median(own), median(seen))
}

/// Time of integer work in the guest, as `input` asks for it, over that of the same work on the machine.
async fn compute(bench: &Bench, input: Value, native: impl Fn() -> u64) -> f64 {
    let mut ratios = Vec::new();
    for _ in 0..9 {
        let began = Instant::now();
        black_box(native());
        let native = began.elapsed();
        let guest = bench.run(input.clone()).await;
        ratios.push(guest.as_secs_f64() / native.as_secs_f64());
    }
    median(ratios)
}

/// What a recorded host call takes in the guest's attempt, in microseconds. The call is the one that does least beside being
/// recorded: it asks for the time.
async fn call(bench: &Bench) -> f64 {
    let mut costs = Vec::new();
    for _ in 0..9 {
        let before = bench.record.count.load(Ordering::Relaxed);
        let own = bench.times(json!({ "mode": "clock", "calls": CALLS })).await.0;
        let recorded = bench.record.count.load(Ordering::Relaxed) - before;
        assert!(recorded >= u64::from(CALLS), "the record has {recorded} of {CALLS} calls");
        costs.push(own.as_secs_f64() * 1e6 / recorded as f64);
    }
    median(costs)
}

async fn files(bench: &Bench, folder: &Path, component: &[u8]) -> f64 {
    let bare = Bare::new(component);
    let mut ratios = Vec::new();
    for _ in 0..9 {
        let before = bench.record.count.load(Ordering::Relaxed);
        let audited = bench.run(json!({ "mode": "files", "files": FILES })).await;
        let plain = bare.run(&folder.join("bare"), &json!({ "mode": "files", "files": FILES })).await;
        ratios.push(audited.as_secs_f64() / plain.as_secs_f64());
        assert!(
            bench.record.count.load(Ordering::Relaxed) - before > u64::from(FILES),
            "the record has the operations"
        );
    }
    median(ratios)
}

/// Records as the engine does: each event is appended to a journal in SQLite, whose thread writes it.
struct JournalRecord {
    run: RunJournal,
    count: AtomicU64,
    _journal: Journal,
}

impl JournalRecord {
    fn open(folder: &Path) -> Self {
        let lock = StateLock::acquire(folder, Timestamp(1), "measure").unwrap();
        let journal = Journal::open(lock, longhaul_store::Options::default()).unwrap();
        let entry = Entry::RunStarted {
            run: RunId::new("bench").unwrap(),
            workflow: "bench".to_owned(),
            file: String::new(),
            source: String::new(),
            base: Digest::of(b"base"),
            host: "0".to_owned(),
            isolation: Vec::new(),
            inputs: serde_json::Map::new(),
            policy: None,
            seed: 0,
            apply: false,
            keep: 3,
            scripts: Default::default(),
        };
        let run = journal.start_run(&Record { at: Timestamp(1), task: None, attempt: None, entry }).unwrap();
        Self { run, count: AtomicU64::new(0), _journal: journal }
    }
}

impl Recorder for JournalRecord {
    fn record(&self, event: AttemptEvent) -> Result<(), RecordError> {
        let entry = match event {
            AttemptEvent::Action(action) => Entry::Action(action),
            AttemptEvent::Log { level, message } => Entry::Log { level, message },
            AttemptEvent::Progress { done, total, note } => Entry::Progress { done, total, note },
            AttemptEvent::Kept { number, tree } => Entry::Kept { number, tree },
        };
        let task = Some(TaskId::new("bench").unwrap());
        self.run
            .append(&Record { at: Timestamp(1), task, attempt: Some(1), entry })
            .map_err(|e| RecordError::Lost(e.to_string()))?;
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn guest() -> PathBuf {
    let folder = std::env::var_os("LONGHAUL_GUESTS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests"), PathBuf::from);
    folder.join("bench-guest.wasm")
}

/// The compiler process, built beside this program.
fn worker() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().unwrap().parent().unwrap().join("longhaul-compile")
}
