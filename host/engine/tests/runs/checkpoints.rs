//! Checkpoints are made when something is done, in time and on demand; what they keep is there, and the rest goes.

use crate::world::{World, act, wait, write};
use longhaul_core::entry::{CheckpointReason, Entry, Record};
use longhaul_core::id::RunId;
use longhaul_core::incident::{IncidentClass, Problem};
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

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_went_for_lack_of_room_is_promised_by_no_record() {
    // The fake says a byte for each version: there is room for the base, the current one and one more.
    let head = HEAD.replace("keep: 2", "keep: 9").replace("1GB", "3");
    let whole = world();
    let undisturbed = whole.run(&head, CHAIN).await.unwrap();
    let dropped = |world: &World| world.told(&["checkpoints-dropped"]).len();
    assert!(dropped(&whole) > 1, "{}", whole.story());
    for room in 1..whole.journal.records().len() {
        let world = world();
        world.journal.limit(room);
        world.run(&head, CHAIN).await.unwrap_err();
        world.journal.reopen(world.journal.durable().max(1));
        let history = world.history();
        assert!(history.needed().iter().all(|version| world.files.has(*version)), "{room}: {}", world.story());
        let report = world.resume(&head, CHAIN).await.unwrap();
        assert_eq!((report.status, report.version), (RunState::Completed, undisturbed.version), "{room}");
        let history = world.history();
        assert!(history.kept().iter().all(|kept| world.files.has(kept.version)), "{room}: {}", world.story());
        assert!(history.kept().len() < history.checkpoints.len());
    }
}

#[tokio::test(start_paused = true)]
async fn a_fork_needs_nothing_that_the_first_run_collected() {
    let whole = world();
    whole.run(HEAD, CHAIN).await.unwrap();
    let records = whole.journal.records();
    let newest = (0..records.len()).rfind(|n| matches!(records[*n].entry, Entry::Checkpointed { .. })).unwrap();
    let fork = whole.fork(newest);
    let history = fork.history();
    assert_eq!((history.kept().len(), history.kept().last()), (1, history.checkpoints.last()));
    assert!(history.needed().iter().all(|version| whole.files.has(*version)));
}

#[tokio::test(start_paused = true)]
async fn what_a_paused_attempt_works_on_is_there_when_it_goes_on() {
    let world = World::new().agent("a", |job| async move {
        write(&job, job.task.attempt.task.as_str(), "done");
        let turns = if job.task.attempt.task.as_str() == "slow" { 20 } else { 2 };
        for _ in 0..turns {
            if job.recorder.replayed().is_none() {
                tokio::time::sleep(10 * MINUTE).await;
            }
            act(&job, "turn").map_err(|error| problem_of(&error))?;
        }
        Ok(json!({}))
    });
    let head = HEAD.replace("keep: 2", "keep: 1").replace("max: 1", "max: 2");
    let tasks = format!("{CHAIN}\n  slow: {{ needs: x }}");
    let control = world.options.control.clone();
    tokio::spawn(async move {
        tokio::time::sleep(100 * MINUTE).await;
        control.pause();
    });
    // `slow` has worked for long on what `x` left, and others have committed since.
    assert_eq!(world.run(&head, &tasks).await.unwrap().status, RunState::Paused);
    assert!(world.history().needed().iter().all(|version| world.files.has(*version)), "{}", world.story());
    let report = world.resume(&head, &tasks).await.unwrap();
    assert_eq!((report.status, report.incidents), (RunState::Completed, 0), "{}", report.reason);
}

fn problem_of(error: &longhaul_core::attempt::RecordError) -> Problem {
    Problem::new(IncidentClass::Fatal, error.to_string())
}
