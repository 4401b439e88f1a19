//! Measures effects that follow one another, each durable before it happens: engine and store as they are, with a world outside that
//! answers at once.
//!
//! `cargo run --release -p longhaul-wiring --example measure_effects [COUNT]` prints a JSON line of `name`, `measured`, `bound`, `unit`.
//! What it flushes is for `strace -f -c -e trace=fsync,fdatasync` to count.

#![expect(clippy::print_stdout, reason = "printing its row is what it is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use longhaul_core::attempt::{AttemptReport, Job, Outcome, Ran, Recorder, Usage};
use longhaul_core::digest::Digest;
use longhaul_core::effect::{Answered, Call, CallKind, KeyScope, perform};
use longhaul_core::grant::{Capability, Permissions};
use longhaul_core::id::{Name, RunId};
use longhaul_core::incident::{Decision, Situation};
use longhaul_core::state::RunState;
use longhaul_core::units::Timestamp;
use longhaul_core::workflow::parse::parse;
use longhaul_engine::ports::{BoxFuture, PluginInfo, Plugins, Ports, Unobserved};
use longhaul_engine::{Engine, RunOptions};
use longhaul_store::{Journal, Options, Reader, StateLock};
use longhaul_wiring::{JournalPort, MachineTime, MemoryPort, Place, WorkspacePort};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const COUNT: u64 = 5_000;
/// What an effect may cost: 3 000 a second.
const BOUND: f64 = 1e6 / 3_000.0;
const WORKFLOW: &str =
    "version: 1\nname: effects\nagents: { a: { plugin: a } }\nrecovery: []\ntasks: { x: { agent: a } }\n";

/// An agent that does nothing but effects.
struct Effects {
    count: u64,
    /// How long they took, in nanoseconds.
    took: AtomicU64,
}

impl Plugins for Effects {
    fn agent(&self, _: &Name) -> Option<PluginInfo> {
        Some(PluginInfo { digest: Digest::of(b"a"), version: "0.1.0".to_owned(), asks: Permissions::default() })
    }

    fn strategy(&self, _: &Name) -> Option<PluginInfo> {
        None
    }

    fn run_agent<'a>(&'a self, _: &'a Name, job: Job) -> BoxFuture<'a, Ran> {
        Box::pin(async move {
            let began = Instant::now();
            for number in 0..self.count {
                let call = Call {
                    number,
                    capability: Capability::Http,
                    operation: "post".into(),
                    resource: "https://example.org/orders".to_owned(),
                    detail: String::new(),
                    request: Digest::of(&number.to_be_bytes()),
                    kind: CallKind::Effect { idempotent: false, scope: KeyScope::Action },
                };
                perform(job.recorder.as_ref(), call, async |_| Answered::ok("{\"status\":201}")).await.unwrap();
            }
            self.took.store(u64::try_from(began.elapsed().as_nanos()).unwrap(), Ordering::Relaxed);
            let result = Ok(Outcome::Completed(serde_json::json!({})));
            Ran::Ended(AttemptReport { result, usage: Usage::default() })
        })
    }

    fn decide<'a>(
        &'a self,
        _: &'a Name,
        _: Situation,
        _: Arc<dyn Recorder>,
    ) -> BoxFuture<'a, Result<Option<Decision>, String>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

fn main() {
    let count = std::env::args().nth(1).map_or(COUNT, |count| count.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let took = runtime.block_on(run(count));
    let each = took.as_secs_f64() * 1e6 / count as f64;
    println!(
        "{}",
        serde_json::json!({ "name": "sequential durable effects, each", "measured": each, "bound": BOUND, "unit": "µs" })
    );
}

/// How long `count` effects take in one attempt.
async fn run(count: u64) -> Duration {
    let scratch = tempfile::tempdir().unwrap();
    let (root, state) = (scratch.path().join("root"), scratch.path().join("state"));
    std::fs::create_dir(&root).unwrap();
    std::fs::create_dir(&state).unwrap();
    let lock = Arc::new(StateLock::acquire(&state, Timestamp(1), "measure").unwrap());
    let workflow = parse("effects.workflow.yaml", WORKFLOW).unwrap();
    let workspace = Arc::new(WorkspacePort::open(&root, &lock, &workflow.workspace, Place::Threads).unwrap());
    let base = workspace.empty().await.unwrap();
    let store = Journal::open(Arc::clone(&lock), Options::default()).unwrap();
    let journal = Arc::new(JournalPort::new(store.clone(), Reader::open(&state).unwrap(), Place::Threads));
    let plugins = Arc::new(Effects { count, took: AtomicU64::new(0) });
    let ports = Ports {
        services: longhaul_core::reach::Services::default(),
        hooks: Arc::new(longhaul_core::hook::NoHooks),
        plugins: Arc::clone(&plugins) as _,
        workspace,
        journal,
        memories: Arc::new(MemoryPort::new(&state, Place::Threads).unwrap()),
        time: Arc::new(MachineTime::new(Timestamp(1))),
        observer: Arc::new(Unobserved),
    };
    let run = RunId::new("effects").unwrap();
    let report = Engine::new(ports).run(run, workflow, base, RunOptions::default()).await.unwrap();
    assert_eq!(report.status, RunState::Completed);
    store.close().unwrap();
    Duration::from_nanos(plugins.took.load(Ordering::Relaxed))
}
