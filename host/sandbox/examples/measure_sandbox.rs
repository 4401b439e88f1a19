//! Measures the sandbox: `cargo run --release -p longhaul-sandbox --example measure_sandbox -- [--json]`, after `cargo xtask plugins`.
//!
//! Each figure is the median of several runs, and comparisons alternate between their two sides, so that a machine whose speed
//! drifts does not decide them.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark that cannot run should stop and say where")]

#[path = "../../../tests/guests/bench/src/kernel.rs"]
mod kernel;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use longhaul_core::attempt::{AttemptEvent, Job, Limits, Outcome, RecordError, Recorder, TaskInput};
use longhaul_core::clock::Clock;
use longhaul_core::grant::{FsPermissions, Grant, Party, Permissions};
use longhaul_core::id::{AttemptId, Name, RunId, TaskId};
use longhaul_core::stage::Stage;
use longhaul_core::units::{Fuel, Timestamp};
use longhaul_sandbox::{CompileLimits, CompileWorker, Enclosure, Plugin, Sandbox, SandboxConfig, WallPolicy};
use longhaul_workspace::{Options, StageLimits, Workspace};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

const FILES: u32 = 1_000;
const SIEVE: usize = 200_000;
const ROUNDS: u64 = 60;

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
    vec![
        row("fresh instance, from start to result", "µs", 25.0, instance(&bench).await),
        row("integer work, all limits on, against native", "×", 1.1, compute(&bench).await),
        row("audited file operations, against WASI's own", "×", 2.0, files(&bench, folder.path(), &component).await),
    ]
}

fn row(name: &str, unit: &str, bound: f64, measured: f64) -> Value {
    json!({ "name": name, "measured": measured, "bound": bound, "unit": unit })
}

/// A sandbox with the benchmarks' guest, and a workspace for its files.
struct Bench {
    sandbox: Sandbox,
    plugin: Plugin,
    workspace: Workspace,
    count: Arc<Count>,
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
        Self { sandbox, plugin, workspace, count: Arc::default() }
    }

    /// Runs the guest; gives the time that its attempt took, by the attempt's own measure.
    async fn run(&self, input: Value) -> Duration {
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
            recorder: Arc::clone(&self.count) as _,
            clock: Arc::new(Stopped),
        };
        let report = self.sandbox.run_agent(&self.plugin, job).await;
        assert!(matches!(report.result, Ok(Outcome::Completed(_))), "{:?}", report.result);
        report.usage.time
    }
}

/// Time of a whole attempt that does nothing: instance, call, end.
async fn instance(bench: &Bench) -> f64 {
    let mut times = Vec::new();
    for _ in 0..2_000 {
        times.push(bench.run(json!({ "mode": "nothing" })).await.as_secs_f64() * 1e6);
    }
    median(times)
}

async fn compute(bench: &Bench) -> f64 {
    let mut ratios = Vec::new();
    for _ in 0..9 {
        let began = Instant::now();
        std::hint::black_box(kernel::work(std::hint::black_box(SIEVE), std::hint::black_box(ROUNDS)));
        let native = began.elapsed();
        let guest = bench.run(json!({ "mode": "compute", "n": SIEVE, "rounds": ROUNDS })).await;
        ratios.push(guest.as_secs_f64() / native.as_secs_f64());
    }
    median(ratios)
}

async fn files(bench: &Bench, folder: &Path, component: &[u8]) -> f64 {
    let bare = Bare::new(component);
    let mut ratios = Vec::new();
    for _ in 0..9 {
        let audited = bench.run(json!({ "mode": "files", "files": FILES })).await;
        let plain = bare.run(&folder.join("bare"), &json!({ "mode": "files", "files": FILES })).await;
        ratios.push(audited.as_secs_f64() / plain.as_secs_f64());
    }
    assert!(bench.count.0.load(Ordering::Relaxed) > u64::from(FILES), "the audit saw the operations");
    median(ratios)
}

/// The same component on WASI's own files, without limits and without a record.
struct Bare {
    engine: Engine,
    component: Component,
    linker: Linker<BareState>,
}

struct BareState {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for BareState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl Bare {
    fn new(component: &[u8]) -> Self {
        let engine = Engine::new(Config::new().wasm_component_model(true)).unwrap();
        let component = Component::new(&engine, component).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        linker.define_unknown_imports_as_traps(&component).unwrap();
        Self { engine, component, linker }
    }

    async fn run(&self, folder: &Path, input: &Value) -> Duration {
        std::fs::create_dir_all(folder).unwrap();
        let wasi = WasiCtx::builder().preopened_dir(folder, "/", FsPerms::ReadWrite).unwrap().build();
        let mut store = Store::new(&self.engine, BareState { wasi, table: ResourceTable::new() });
        let instance = self.linker.instantiate_async(&mut store, &self.component).await.unwrap();
        let interface = instance.get_export_index(&mut store, None, "longhaul:plugin/work@0.1.0").unwrap();
        let run = instance.get_export_index(&mut store, Some(&interface), "run").unwrap();
        let run = instance.get_func(&mut store, run).unwrap();
        let text = |text: &str| wasmtime::component::Val::String(text.to_owned());
        let field = |name: &str, value| (name.to_owned(), value);
        use wasmtime::component::Val;
        let task = Val::Record(vec![
            field("run", text("bench")),
            field("workflow", text("bench")),
            field("objective", text("")),
            field("id", text("bench")),
            field("agent", text("bench")),
            field("attempt", Val::U32(1)),
            field("input", text(&input.to_string())),
            field("config", text("{}")),
            field("state", Val::Option(None)),
            field("time-limit", Val::U64(60_000)),
        ]);
        let mut results = [Val::Bool(false)];
        let began = Instant::now();
        run.call_async(&mut store, &[task], &mut results).await.unwrap();
        let time = began.elapsed();
        assert!(matches!(&results[0], Val::Result(Ok(_))), "{results:?}");
        time
    }
}

/// Takes every event and keeps its number: the cost of the audit itself, without that of a journal.
#[derive(Default)]
struct Count(AtomicU64);

impl Recorder for Count {
    fn record(&self, _: AttemptEvent) -> Result<(), RecordError> {
        self.0.fetch_add(1, Ordering::Relaxed);
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
