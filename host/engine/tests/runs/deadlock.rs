//! Waits that nothing can end are found while others work, and whatever hides them: a deadline, somebody who sleeps, an open question.

use crate::world::{World, cut_anywhere, problem, spawn, state, suspended, wait};
use longhaul_core::attempt::{Job, Wait};
use longhaul_core::incident::{Decision, IncidentClass, Problem};
use longhaul_core::state::{RunState, TaskState};
use serde_json::{Value, json};
use std::time::Duration;

const HEAD: &str = "agents: { hand: { plugin: hand }, slow: { plugin: slow } }\ndefaults: { agent: hand }\nrecovery: [ s ]\n\
                    concurrency: { max: 3 }\nbudget: { wall_time: 1000h }";
/// What may send no messages.
const ALONE: &str = "permissions: { messages: [] }";

/// Waits for a message that nobody sends, at the first try.
async fn polite(job: Job) -> Result<Value, Problem> {
    match job.task.attempt.number {
        1 => Err(suspended(&Wait { message: true, ..Wait::default() })),
        _ => Ok(json!({})),
    }
}

/// `slow` sleeps for ten hours.
fn world() -> World {
    World::new().strategy("s", |_| Ok(Some(Decision::Retry { after: Duration::ZERO }))).agent("hand", polite).agent(
        "slow",
        |job| async move {
            wait(&job, Duration::from_secs(36_000)).await?;
            Ok(json!({}))
        },
    )
}

/// How many deadlocks there were, and how long after the start of the run the last was found.
fn deadlocks(world: &World) -> (usize, Duration) {
    let found = world.journal.records().into_iter().filter_map(|record| match record.entry {
        longhaul_core::entry::Entry::IncidentRaised { incident } => {
            assert_eq!(incident.problem.class, IncidentClass::Deadlock, "{}", incident.problem.message);
            Some(Duration::from_millis(record.at.0 - 1_700_000_000_000))
        }
        _ => None,
    });
    let found: Vec<_> = found.collect();
    (found.len(), found.last().copied().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn a_circle_is_found_while_somebody_else_sleeps() {
    let tasks = format!("  x: {{}}\n  y: {{}}\n  far: {{ agent: slow, {ALONE} }}");
    let check = |world: &World, report: &longhaul_engine::RunReport, case: &str| {
        assert_eq!((report.status, report.incidents), (RunState::Completed, 2), "{case}\n{}", world.story());
        let (count, last) = deadlocks(world);
        assert!(count == 2 && last < Duration::from_secs(60), "{case}: {count}, {last:?}");
    };
    let whole = world();
    let report = whole.run(HEAD, &tasks).await.unwrap();
    check(&whole, &report, "whole");
    assert!(report.time >= Duration::from_secs(36_000));
    let message = &whole.raised()[0].message;
    assert!(message.contains("waits for a message") && message.contains("2 tasks wait in vain"), "{message}");
    cut_anywhere(world, HEAD, &tasks, check).await;
}

#[tokio::test(start_paused = true)]
async fn somebody_who_sleeps_and_may_send_is_waited_for() {
    let world = world();
    let report = world.run(HEAD, "  x: {}\n  far: { agent: slow }").await.unwrap();
    assert_eq!((report.status, report.incidents), (RunState::Completed, 1), "{}", world.story());
    assert!(deadlocks(&world).1 >= Duration::from_secs(36_000), "nobody could have told before");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_hides_no_circle() {
    let world = world();
    let report = world.run(HEAD, "  x: { deadline: 9h }\n  y: { deadline: 9h }").await.unwrap();
    assert_eq!((report.status, report.incidents), (RunState::Completed, 2), "{}", world.story());
    assert!(deadlocks(&world).1 < Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_parent_and_its_child_that_wait_for_each_other_are_found() {
    let world = World::new()
        .strategy("s", |situation| {
            // The child waits in vain; its parent is to be told, not tried again.
            let is_child = situation.incident.attempt.task.parent().is_some();
            let reason = "it waits in vain".to_owned();
            Ok(Some(if is_child { Decision::Skip { reason } } else { Decision::Retry { after: Duration::ZERO } }))
        })
        .agent("slow", |job| async move {
            let child = spawn(&job, "child", json!({}), &[])?;
            job.reach.children.publish().await.map_err(|_| problem(IncidentClass::Fatal))?;
            match job.reach.children.status(child.as_str()).unwrap().has_ended() {
                true => Ok(json!({})),
                false => Err(suspended(&Wait { children: vec![child], ..Wait::default() })),
            }
        })
        .agent("hand", polite);
    let report = world.run(HEAD, "  x: { agent: slow }\n").await.unwrap();
    assert_eq!((report.status, state(&report, "x")), (RunState::Completed, TaskState::Completed), "{}", world.story());
    assert_eq!(deadlocks(&world).0, 1, "{}", world.story());
}
