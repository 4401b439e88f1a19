//! Budgets, time and cancellation end a run cleanly.

use crate::world::{FUEL, World, row, state, write};
use longhaul_core::incident::{Decision, IncidentClass};
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::Fuel;
use serde_json::json;
use std::time::Duration;

const AGENT: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a }\nconcurrency: { max: 1 }";

fn slow(seconds: u64) -> World {
    World::new().agent("a", move |job| async move {
        write(&job, job.task.attempt.task.as_str(), "slow");
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        Ok(json!({}))
    })
}

#[tokio::test(start_paused = true)]
async fn a_run_stops_when_its_fuel_is_used_up() {
    let world = World::new().writer("a");
    let head = format!("{AGENT}\nbudget: {{ fuel: {} }}", FUEL * 2 + FUEL / 2);
    let report = world.run(&head, "  x: {}\n  y: { needs: x }\n  z: { needs: y }").await.unwrap();
    assert_eq!((report.status, report.fuel), (RunState::Exhausted, Fuel(FUEL * 2 + FUEL / 2)));
    assert!(report.reason.contains("budget.fuel"), "{}", report.reason);
    // The third had half of what it needed. That is no failure of its own: it can go on with a larger budget.
    let states = ["x", "y", "z"].map(|task| state(&report, task));
    assert_eq!(states, [TaskState::Completed, TaskState::Completed, TaskState::Pending]);
    assert_eq!((report.incidents, report.applied), (0, None));
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_just_enough_is_enough() {
    let world = World::new().writer("a");
    let head = format!("{AGENT}\nbudget: {{ fuel: {} }}", FUEL * 2);
    let report = world.run(&head, "  x: {}\n  y: { needs: x }").await.unwrap();
    assert_eq!(report.status, RunState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_run_stops_when_its_time_is_up() {
    let world = slow(40 * 60);
    let head = format!("{AGENT}\nbudget: {{ wall_time: 1h }}\n")
        .replace("defaults: {", "defaults: { timeout: 2h, limits: { stall: 2h },");
    let report = world.run(&head, "  x: {}\n  y: { needs: x }").await.unwrap();
    assert_eq!((report.status, report.time), (RunState::Exhausted, Duration::from_secs(3600)));
    assert_eq!([state(&report, "x"), state(&report, "y")], [TaskState::Completed, TaskState::Running]);
    assert_eq!(world.files.version(report.version).keys().collect::<Vec<_>>(), ["seed", "x"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_takes_too_long_is_an_incident() {
    let world = slow(600);
    let head = AGENT.replace("defaults: {", "defaults: { timeout: 1m,");
    let report = world.run(&head, "  x: {}").await.unwrap();
    assert_eq!(row(&report, "x").problem.as_ref().unwrap().class, IncidentClass::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_ends_at_once_and_commits_nothing_more() {
    let world = slow(600);
    let control = world.options.control.clone();
    let canceller = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(700)).await;
        control.cancel();
        control.cancel();
    });
    let report = world.run(AGENT, "  x: {}\n  y: { needs: x }\n  z: { needs: y }").await.unwrap();
    canceller.await.unwrap();
    assert_eq!((report.status, report.time), (RunState::Cancelled, Duration::from_secs(700)));
    let states = ["x", "y", "z"].map(|task| state(&report, task));
    assert_eq!(states, [TaskState::Completed, TaskState::Cancelled, TaskState::Cancelled]);
    assert_eq!((world.files.committed.lock().unwrap().len(), report.applied), (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_for_a_retry_does_not_hold_up_the_end() {
    let world = World::new()
        .agent("a", |_| async { Err(crate::world::problem(IncidentClass::RateLimited)) })
        .strategy("s", |_| Ok(Some(Decision::Retry { after: Duration::MAX })));
    let control = world.options.control.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        control.cancel();
    });
    let report = world.run(&format!("{AGENT}\nrecovery: [ s ]"), "  x: {}").await.unwrap();
    assert_eq!((report.status, report.time), (RunState::Cancelled, Duration::from_secs(5)));
    assert_eq!(state(&report, "x"), TaskState::Cancelled);
}
