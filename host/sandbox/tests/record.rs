//! What the host can rely on: the same attempt is the same to the last byte, and what cannot be recorded does not happen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use longhaul_core::attempt::{AttemptEvent, AttemptReport, RecordError, Recorder};
use longhaul_core::digest::Digest;
use longhaul_core::incident::IncidentClass;
use longhaul_sandbox::{Plugin, Sandbox};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Attempt, guests, limits, output, problem, run, sandbox};

/// Everything that an attempt leaves, but the wall time that it took.
#[derive(Debug, PartialEq)]
struct Trace {
    report: AttemptReport,
    events: Vec<AttemptEvent>,
    files: BTreeMap<String, String>,
}

async fn trace(sandbox: &Sandbox, plugin: &Plugin, mode: &str, number: u32) -> Trace {
    let mut attempt = Attempt::mode(mode, limits());
    attempt.job.task.attempt.number = number;
    attempt.job.seed = Digest::of(&number.to_be_bytes());
    let mut report = sandbox.run_agent(plugin, attempt.job).await.ended().unwrap();
    report.usage.time = std::time::Duration::ZERO;
    Trace { report, events: attempt.record.events(), files: attempt.stage.snapshot() }
}

#[test]
fn the_same_attempt_does_the_same_again() {
    let first_host = sandbox();
    let mut config = support::config();
    (config.threads, config.instances) = (1, 3);
    let second_host = Sandbox::new(config).unwrap();
    run(async {
        let bytes = guests::built("hostile");
        let (first, second) = (first_host.load(&bytes).await.unwrap(), second_host.load(&bytes).await.unwrap());
        // Those that fail, too: what was done up to then, and why it ended, is part of the record.
        for mode in ["random", "good", "escapes", "crossing", "memory", "loop", "panic", "recursion", "files-made"] {
            let alone = trace(&first_host, &first, mode, 1).await;
            // Beside a neighbour that keeps the only thread busy.
            let (busy, _) =
                tokio::join!(trace(&second_host, &second, mode, 1), trace(&second_host, &second, "memory", 1));
            let differ = alone.events.iter().zip(&busy.events).find(|(one, other)| one != other);
            assert_eq!(differ, None, "`{mode}` does something else from run to run");
            assert_eq!(alone, busy, "`{mode}` differs from run to run");
        }
        let (one, two) = (trace(&first_host, &first, "random", 1).await, trace(&first_host, &first, "random", 2).await);
        assert_ne!(output(&one.report)["seed"], output(&two.report)["seed"], "another attempt draws other numbers");
        assert_eq!(output(&one.report)["nan"], "7ff8000000000000");
    });
}

/// Takes so many events and no more.
struct FullDisk {
    left: AtomicUsize,
}

impl Recorder for FullDisk {
    fn record(&self, _: AttemptEvent) -> Result<(), RecordError> {
        let taken = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        taken.map(drop).map_err(|_| RecordError::Lost("no space left on the device".to_owned()))
    }
}

#[test]
fn what_cannot_be_recorded_does_not_happen() {
    let sandbox = sandbox();
    run(async {
        let plugin = sandbox.load(&guests::built("hostile")).await.unwrap();
        for events in [0, 1, 2, 3, 5, 8] {
            let mut attempt = Attempt::mode("good", limits());
            attempt.job.recorder = Arc::new(FullDisk { left: AtomicUsize::new(events) });
            let report = sandbox.run_agent(&plugin, attempt.job).await.ended().unwrap();
            assert_eq!(problem(&report).class, IncidentClass::Fatal, "{report:?}");
            assert!(problem(&report).message.contains("no space left"), "{report:?}");
            assert_eq!(report.usage.actions, events as u64);
        }
    });
}

#[test]
fn reads_and_writes_are_recorded_with_their_bytes() {
    use longhaul_core::digest::Digest;
    let sandbox = sandbox();
    run(async {
        let plugin = sandbox.load(&guests::built("hostile")).await.unwrap();
        let attempt = Attempt::mode("good", limits());
        let report = sandbox.run_agent(&plugin, attempt.job).await.ended().unwrap();
        let actions = attempt.record.actions();
        let read = actions.iter().find(|action| action.operation == "read").unwrap();
        let content = b"fn main() {}\n";
        assert_eq!((read.resource.as_str(), read.bytes.0), ("src/lib.rs", content.len() as u64));
        assert_eq!(read.digest, Some(Digest::of(content)));
        let written = actions.iter().rev().find(|action| action.operation == "write").unwrap();
        let left = attempt.stage.snapshot()["src/out.txt"].clone();
        assert_eq!(written.resource, "src/out.txt");
        assert_eq!(written.digest, Some(Digest::of(left.as_bytes())));
        assert_eq!(report.usage.actions, actions.len() as u64);
    });
}
