//! The record comes first, and without it nothing happens.

use crate::world::{World, problem, write};
use longhaul_core::entry::Entry;
use longhaul_core::incident::{Decision, IncidentClass};
use longhaul_core::state::RunState;
use longhaul_engine::EngineError;
use longhaul_engine::ports::JournalError;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

const HEAD: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a }\nrecovery: [ s ]\nconcurrency: { max: 2 }";
const TASKS: &str = "  x: {}\n  y: { for_each: [1, 2, 3] }\n  z: { needs: [x, y] }";

/// Every task fails once and is retried.
fn world() -> World {
    let again = Decision::Retry { after: Duration::from_secs(1) };
    World::new().strategy("s", move |_| Ok(Some(again.clone()))).agent("a", |job| async move {
        let task = job.task.attempt.task.to_string();
        write(&job, &task, "x");
        if job.task.attempt.number == 1 { Err(problem(IncidentClass::Transient)) } else { Ok(json!({})) }
    })
}

#[tokio::test(start_paused = true)]
async fn a_record_that_fails_anywhere_ends_the_run_and_nothing_is_committed_after_it() {
    let whole = world();
    assert_eq!(whole.run(HEAD, TASKS).await.unwrap().status, RunState::Completed);
    let length = whole.journal.records().len();
    assert!(length > 60, "{length}");
    for room in 0..length {
        let world = world();
        world.journal.limit(room);
        let error = world.run(HEAD, TASKS).await.unwrap_err();
        assert!(matches!(&error, EngineError::Journal { source: JournalError::DiskFull(_), .. }), "{error}");

        let records = world.journal.records();
        assert_eq!(records.len(), room);
        let durable = &records[..world.journal.durable()];
        let committed: BTreeSet<_> = durable
            .iter()
            .filter_map(|record| match &record.entry {
                Entry::Committed { version, .. } => Some(*version),
                _ => None,
            })
            .chain([world.base()])
            .collect();
        // Nobody ever worked on a version that the record does not have.
        for staged in world.files.staged.lock().unwrap().iter() {
            assert!(committed.contains(staged), "{room}");
        }
        // At most the commit whose record failed was made, and it is not part of the run.
        let lost = world.files.committed.lock().unwrap().iter().filter(|version| !committed.contains(version)).count();
        assert!(lost <= 1, "{room}: {lost}");
        let applying =
            durable.iter().any(|record| matches!(&record.entry, Entry::RunChanged { to: RunState::Applying, .. }));
        assert!(applying || world.files.folder.lock().unwrap().len() == 1, "{room}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_run_makes_the_same_record() {
    let (one, two) = (world(), world());
    one.run(HEAD, TASKS).await.unwrap();
    two.run(HEAD, TASKS).await.unwrap();
    assert_eq!(one.journal.records(), two.journal.records());
}

#[tokio::test(start_paused = true)]
async fn a_failed_try_is_told_from_its_start_to_its_retry() {
    let world = world();
    world.run(HEAD, "  x: {}").await.unwrap();
    let kinds = [
        "run-started",
        "plugin-used",
        "task-planned",
        "task-changed",
        "attempt-started",
        "action",
        "attempt-ended",
        "committed",
        "incident-raised",
        "decided",
        "run-changed",
        "applied",
    ];
    let told: Vec<_> = world.told(&kinds).into_iter().filter(|line| !line.starts_with("plugin-used")).collect();
    let try_ = ["task-changed x", "attempt-started x", "action x", "attempt-ended x"];
    let expected = [
        &["run-started -", "task-planned x"][..],
        &try_,
        &["incident-raised x", "task-changed x", "decided x", "task-changed x"],
        &try_,
        &["committed x", "task-changed x", "run-changed -", "applied -", "run-changed -"],
    ]
    .concat();
    assert_eq!(told, expected);
}
