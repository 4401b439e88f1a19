//! Waiting is free: what waits holds no slot and no instance, and goes on where it was, also in another process.

use crate::world::{World, act, row, state, suspended, wait, write};
use longhaul_core::attempt::Wait;
use longhaul_core::entry::Entry;
use longhaul_core::incident::{Decision, IncidentClass};
use longhaul_core::state::{RunState, TaskState};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
const AGENT: &str =
    "agents: { a: { plugin: a } }\ndefaults: { agent: a }\nconcurrency: { max: 2 }\nbudget: { wall_time: 1000h }";

/// An agent that writes, waits an hour, and writes again; and how many of its instances there are at most at a time.
fn sleeper() -> (World, Arc<AtomicUsize>) {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let world = World::new().agent("a", move |job| {
        seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let now = now.clone();
        async move {
            let work = async {
                let task = job.task.attempt.task.to_string();
                act(&job, "begins").ok();
                write(&job, &task, "before");
                tokio::time::sleep(Duration::from_millis(5)).await;
                wait(&job, HOUR).await?;
                write(&job, &task, "after");
                act(&job, "ends").ok();
                Ok(json!({}))
            };
            let done = work.await;
            now.fetch_sub(1, Ordering::SeqCst);
            done
        }
    });
    (world, most)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_waits_take_no_longer_than_one() {
    let (world, most) = sleeper();
    let items: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
    let report = world.run(AGENT, &format!("  x: {{ for_each: [{}] }}", items.join(", "))).await.unwrap();
    assert_eq!(report.status, RunState::Completed);
    assert!(report.time >= HOUR && report.time < HOUR * 2, "{:?}", report.time);
    assert_eq!(most.load(Ordering::SeqCst), 2, "what waits holds no slot");
    let tree = world.files.version(report.version);
    assert_eq!(tree.values().filter(|text| *text == "after").count(), 1_000);
    // The instance that went on is the same attempt, and what it had done is in the record once.
    assert_eq!(row(&report, "x[7]").attempts, 1);
    let of_one = world.told(&["attempt-started", "action", "attempt-suspended", "attempt-ended"]);
    let of_one: Vec<_> =
        of_one.iter().filter(|line| line.ends_with(" x[7]")).map(|line| line.split(' ').next().unwrap()).collect();
    let expected =
        ["attempt-started", "action", "action", "attempt-suspended", "action", "action", "action", "attempt-ended"];
    assert_eq!(of_one, expected);
}

#[tokio::test(start_paused = true)]
async fn a_wait_goes_on_in_another_process() {
    let (whole, _) = sleeper();
    let undisturbed = whole.run(AGENT, "  x: {}\n  y: {}\n  z: { needs: [x, y] }").await.unwrap();
    let expected = whole.files.version(undisturbed.version);
    for room in 1..whole.journal.records().len() {
        let (world, _) = sleeper();
        world.journal.limit(room);
        world.run(AGENT, "  x: {}\n  y: {}\n  z: { needs: [x, y] }").await.unwrap_err();
        world.journal.reopen(room);
        // The process that goes on comes later, before or after the time that was waited for.
        tokio::time::sleep(Duration::from_secs(room as u64 * 300)).await;
        let report = world.resume(AGENT, "  x: {}\n  y: {}\n  z: { needs: [x, y] }").await.unwrap();
        assert_eq!(
            (report.status, world.files.version(report.version)),
            (RunState::Completed, expected.clone()),
            "{room}"
        );
        assert_eq!(report.tasks.iter().map(|row| row.attempts).sum::<u32>(), 3, "{room}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_only_waits_is_paused_and_cancelled_like_any_other() {
    let (world, _) = sleeper();
    let control = world.options.control.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        control.pause();
    });
    let paused = world.run(AGENT, "  x: {}").await.unwrap();
    assert_eq!((paused.status, state(&paused, "x")), (RunState::Paused, TaskState::Waiting));
    assert_eq!(paused.time, Duration::from_secs(60));
    let report = world.resume(AGENT, "  x: {}").await.unwrap();
    assert_eq!(report.status, RunState::Completed);

    let (world, _) = sleeper();
    let control = world.options.control.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        control.cancel();
    });
    let cancelled = world.run(AGENT, "  x: {}").await.unwrap();
    assert_eq!((cancelled.status, state(&cancelled, "x")), (RunState::Cancelled, TaskState::Cancelled));
}

/// Two tasks that wait for what nobody will bring, until they are told that the other one is gone.
fn deadlocked(decision: Decision) -> World {
    World::new().strategy("s", move |_| Ok(Some(decision.clone()))).agent("a", |job| async move {
        act(&job, "begins").ok();
        match job.task.attempt.task.as_str() {
            "z" => Ok(json!({})),
            _ if job.task.attempt.number > 1 => Ok(json!({})),
            _ => Err(suspended(&Wait::default())),
        }
    })
}

const CIRCLE: &str = "  x: {}\n  y: {}\n  z: { needs: [x, y] }";

#[tokio::test(start_paused = true)]
async fn waits_that_nothing_can_end_are_incidents_and_decided_on() {
    let head = format!("{AGENT}\nrecovery: [ s ]");
    for decision in [Decision::Skip { reason: "gone".into() }, Decision::Retry { after: Duration::ZERO }] {
        let world = deadlocked(decision.clone());
        let report = world.run(&head, CIRCLE).await.unwrap();
        assert_eq!((report.status, report.incidents), (RunState::Completed, 2), "{decision:?}\n{}", world.story());
        let raised = world.journal.records().into_iter().find_map(|record| match record.entry {
            Entry::IncidentRaised { incident } => Some(incident),
            _ => None,
        });
        let problem = raised.unwrap().problem;
        assert_eq!(problem.class, IncidentClass::Deadlock);
        assert_eq!(problem.evidence["tasks"].as_array().unwrap().len(), 2, "{}", problem.evidence);
        for room in 1..world.journal.records().len() {
            let cut = deadlocked(decision.clone());
            cut.journal.limit(room);
            cut.run(&head, CIRCLE).await.unwrap_err();
            cut.journal.reopen(room);
            let again = cut.resume(&head, CIRCLE).await.unwrap();
            assert_eq!((again.status, again.incidents), (RunState::Completed, 2), "{room}\n{}", cut.story());
        }
    }
    let world = deadlocked(Decision::Escalate { reason: "look".into() });
    let report = world.run(&head, CIRCLE).await.unwrap();
    assert_eq!((report.status, report.incidents), (RunState::Escalated, 1));
}
