//! Checkpoints are made when something is done, in time and on demand; what they keep is there, and the rest goes.

use crate::world::{World, act, wait, write};
use longhaul_core::entry::{CheckpointReason, Entry, Record};
use longhaul_core::id::RunId;
use longhaul_core::state::RunState;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HEAD: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a, timeout: 9h, limits: { stall: 9h } }\nconcurrency: { max: 1 }\n\
                    budget: { wall_time: 100h }\ncheckpoints: { every: 10m, keep: 2, max_disk: 1GB }";
const CHAIN: &str = "  x: {}\n  y: { needs: x }\n  z: { needs: y }\n  w: { needs: z }";

/// An agent whose tasks take 25 minutes each and leave a file.
fn world() -> World {
    World::new().agent("a", |job| async move {
        write(&job, job.task.attempt.task.as_str(), "done");
        tokio::time::sleep(25 * MINUTE).await;
        act(&job, "ends").ok();
        Ok(json!({}))
    })
}

fn reasons(world: &World) -> Vec<CheckpointReason> {
    let reason = |record: Record| match record.entry {
        Entry::Checkpointed { reason, .. } => Some(reason),
        _ => None,
    };
    world.journal.records().into_iter().filter_map(reason).collect()
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_is_made_where_something_was_committed() {
    let world = world();
    let report = world.run(HEAD, CHAIN).await.unwrap();
    assert_eq!(report.status, RunState::Completed);
    // One for each task; by interval only the one at the beginning, because the commits came in between.
    use CheckpointReason::{Commit, Interval};
    assert_eq!(reasons(&world), [Interval, Commit, Commit, Commit, Commit]);
    // The base, the two newest, of which one is the current version.
    assert_eq!(world.files.versions(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_is_made_on_demand() {
    let world = world();
    let control = world.options.control.clone();
    tokio::spawn(async move {
        tokio::time::sleep(MINUTE).await;
        control.checkpoint();
        tokio::time::sleep(MINUTE).await;
        control.checkpoint();
        control.pause();
    });
    let report = world.run(HEAD, CHAIN).await.unwrap();
    assert_eq!(report.status, RunState::Paused);
    let demanded = reasons(&world).into_iter().filter(|reason| *reason == CheckpointReason::Demand).count();
    assert!((1..=2).contains(&demanded), "{demanded}");
}

#[tokio::test(start_paused = true)]
async fn what_suspended_attempts_work_on_is_not_collected() {
    let world = World::new().agent("a", |job| async move {
        let task = job.task.attempt.task.to_string();
        write(&job, &task, "before");
        if task == "sleeper" {
            wait(&job, 300 * MINUTE).await?;
        } else {
            tokio::time::sleep(25 * MINUTE).await;
        }
        write(&job, &task, "after");
        Ok(json!({}))
    });
    let tasks = format!("  sleeper: {{}}\n{CHAIN}");
    let report = world.run(HEAD, &tasks).await.unwrap();
    assert_eq!(report.status, RunState::Completed);
    assert_eq!(world.files.version(report.version)["sleeper"], "after");
}

#[tokio::test(start_paused = true)]
async fn a_fork_goes_on_from_any_checkpoint_and_comes_to_the_same_end() {
    let whole = world();
    let undisturbed = whole.run(&HEAD.replace("keep: 2", "keep: 99"), CHAIN).await.unwrap();
    let records = whole.journal.records();
    let at: Vec<usize> =
        (0..records.len()).filter(|n| matches!(records[*n].entry, Entry::Checkpointed { .. })).collect();
    assert!(at.len() > 3);
    for last in at {
        let fork = whole.fork(last);
        let report = fork.resume(&HEAD.replace("keep: 2", "keep: 99"), CHAIN).await.unwrap();
        assert_eq!(report.run, RunId::new("run-2").unwrap());
        assert_eq!((report.status, report.version), (RunState::Completed, undisturbed.version), "{last}");
        // What was completed is not done again, and what was under way is another attempt.
        let mut completed = BTreeSet::new();
        for record in &fork.journal.records() {
            if let Entry::TaskChanged { to: longhaul_core::state::TaskState::Completed, .. } = record.entry {
                assert!(completed.insert(record.task.clone()), "{last}: {:?} completed twice", record.task);
            }
        }
        assert_eq!(whole.journal.records(), records, "the first one is untouched");
    }
}
