//! Equal work is done once, where that can be known; otherwise it is done.

use crate::world::{World, act, problem, read, row, state, write};
use longhaul_core::action::{Action, ActionResult};
use longhaul_core::attempt::{AttemptEvent, Job};
use longhaul_core::entry::Entry;
use longhaul_core::grant::Capability;
use longhaul_core::incident::{Decision, IncidentClass};
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::Bytes;
use longhaul_engine::RunReport;
use serde_json::json;
use std::time::Duration;

/// The tasks may read everything but `hidden` and write nothing, unless they say otherwise.
const HEAD: &str = "agents: { a: { plugin: a }, w: { plugin: w } }\nconcurrency: { max: 4 }\n\
                    defaults: { agent: a, reuse: true }\nrecovery: [ s ]";
const LOOKS: &str = "permissions: { fs: { read: [\"s*\", \"x*\"] } }";

/// An agent that tells what it sees and was given after a second, and one that writes `path`.
fn world() -> World {
    World::new()
        .strategy("s", |_| Ok(Some(Decision::Skip { reason: "too bad".into() })))
        .agent("a", |job| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            act(&job, "looks").ok();
            act_outside(&job);
            if job.task.input["writes"] == true {
                write(&job, job.task.attempt.task.as_str(), "written");
            }
            if job.task.input["fails"] == true {
                return Err(problem(IncidentClass::Fatal));
            }
            Ok(json!({ "seen": read(&job, "seed"), "n": job.task.input["n"] }))
        })
        .agent("w", |job| async move {
            let path = job.task.input["path"].as_str().unwrap().to_owned();
            write(&job, &path, job.task.attempt.task.as_str());
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(json!({}))
        })
}

fn act_outside(job: &Job) {
    let Some(capability) = job.task.input["asks"].as_str() else { return };
    let capability = if capability == "http" { Capability::Http } else { Capability::Clock };
    let action = Action {
        number: 0,
        capability,
        operation: "get".into(),
        resource: String::new(),
        detail: String::new(),
        calls: 1,
        bytes: Bytes(0),
        digest: None,
        exchange: None,
        result: ActionResult::Ok,
    };
    job.recorder.record(AttemptEvent::Action(action)).unwrap();
}

/// `TASK as ATTEMPT` for all that was reused.
fn reused(world: &World) -> Vec<String> {
    let all = world.journal.records().into_iter().filter_map(|record| match record.entry {
        Entry::Reused { from, .. } => Some(format!("{} as {from}", record.task.unwrap())),
        _ => None,
    });
    let mut all: Vec<_> = all.collect();
    all.sort();
    all
}

#[tokio::test(start_paused = true)]
async fn what_is_equal_and_side_by_side_is_done_once() {
    let world = world();
    let head = format!("{HEAD}\ndone_when: \"${{{{ tasks.x.items.all(one, one.n == 7) && tasks.y.n == 8 }}}}\"");
    let tasks = format!(
        "  x: {{ for_each: [1, 2, 3, 4, 5, 6], with: {{ n: 7 }}, {LOOKS} }}\n  y: {{ with: {{ n: 8 }}, {LOOKS} }}"
    );
    let report = world.run(&head, &tasks).await.unwrap();
    assert_eq!((report.status, report.time), (RunState::Completed, Duration::from_secs(1)), "{}", report.reason);
    assert_eq!(world.started(), ["x[0]", "y"]);
    assert_eq!(reused(&world).len(), 5);
    let from = row(&report, "x[3]").reused.clone().unwrap();
    assert_eq!((from.to_string(), row(&report, "x[3]").attempts), ("x[0]#1".to_owned(), 0));
    assert_eq!(row(&report, "x[0]").reused, None);
}

#[tokio::test(start_paused = true)]
async fn what_was_done_is_reused_as_long_as_nothing_that_it_may_read_has_changed() {
    let world = world();
    // Its own folder of permissions is part of the key, so both look with the same.
    let tasks = format!(
        "  one: {{ {LOOKS} }}\n  hide: {{ needs: one, agent: w, with: {{ path: hidden }} }}\n  two: {{ needs: hide, {LOOKS} }}\n  \
         change: {{ needs: two, agent: w, with: {{ path: seed }} }}\n  three: {{ needs: change, {LOOKS} }}\n  \
         four: {{ needs: three, {LOOKS} }}\n  other: {{ needs: three, {LOOKS}, with: {{ n: 1 }} }}\n  more: {{ needs: three, permissions: {{ fs: {{ read: [\"**\"] }} }} }}"
    );
    let report = world.run(HEAD, &tasks).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}", report.reason);
    assert_eq!(reused(&world), ["four as three#1", "two as one#1"]);
    assert_eq!(world.started(), ["one", "hide", "change", "three", "other", "more"]);
}

#[tokio::test(start_paused = true)]
async fn what_left_more_than_its_output_is_done_again() {
    for (input, takes) in [
        ("{ writes: true }", "permissions: { fs: { read: [\"s*\"], write: [\"**\"] } }"),
        ("{ asks: http }", LOOKS),
        ("{ fails: true }", LOOKS),
        ("{}", "reuse: false"),
        ("{}", "verify: true"),
    ] {
        let world = world();
        let tasks = format!(
            "  x: {{ with: {input}, {takes} }}\n  y: {{ with: {input}, {takes} }}\n  z: {{ needs: [x, y], with: {input}, {takes} }}"
        );
        let report = world.run(HEAD, &tasks).await.unwrap();
        assert_eq!(report.status, RunState::Completed, "{input} {takes}: {}", report.reason);
        assert_eq!((world.started().len(), reused(&world)), (3, Vec::new()), "{input} {takes}");
    }
    // A clock is recorded, and answered the same to whoever is replayed.
    let world = world();
    let tasks =
        format!("  x: {{ with: {{ asks: clock }}, {LOOKS} }}\n  y: {{ needs: x, with: {{ asks: clock }}, {LOOKS} }}");
    world.run(HEAD, &tasks).await.unwrap();
    assert_eq!(reused(&world), ["y as x#1"]);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_one_that_fails_do_it_side_by_side() {
    let world = world();
    let report = world
        .run(HEAD, &format!("  x: {{ for_each: [1, 2, 3, 4, 5], with: {{ fails: true }}, {LOOKS} }}"))
        .await
        .unwrap();
    assert_eq!((report.status, report.incidents), (RunState::Completed, 5));
    assert_eq!(report.time, Duration::from_secs(2), "the first, and then the other four");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_cancels_those_who_wait_too() {
    let world = world();
    let control = world.options.control.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        control.cancel();
    });
    let report = world.run(HEAD, &format!("  x: {{ for_each: [1, 2, 3], {LOOKS} }}")).await.unwrap();
    assert_eq!((report.status, state(&report, "x[2]")), (RunState::Cancelled, TaskState::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_fork_reuses_what_was_done_before_its_checkpoint() {
    let world = world();
    let tasks = format!(
        "  one: {{ {LOOKS} }}\n  hide: {{ needs: one, agent: w, with: {{ path: hidden }} }}\n  two: {{ needs: hide, {LOOKS} }}"
    );
    let head = format!("{HEAD}\ncheckpoints: {{ keep: 99 }}");
    let whole = world.run(&head, &tasks).await.unwrap();
    let records = world.journal.records();
    // The last checkpoint before the task was begun that reuses.
    let two = records.iter().position(|record| matches!(record.entry, Entry::Reused { .. })).unwrap();
    let at = (0..two).rev().find(|n| matches!(records[*n].entry, Entry::Checkpointed { .. })).unwrap();
    let fork = world.fork(at);
    let report = fork.resume(&head, &tasks).await.unwrap();
    assert_eq!((report.status, report.version), (RunState::Completed, whole.version));
    assert_eq!(reused(&fork), ["two as one#1"]);
    assert_eq!(fork.started(), ["one", "hide"], "both of them were copied");
}

/// How each task ended and what was put out for whom, and the files.
fn outcome(world: &World, report: &RunReport) -> (RunState, Vec<String>, Vec<(String, String)>) {
    let tasks = report.tasks.iter().map(|row| format!("{} {}", row.task, row.state)).collect();
    (report.status, tasks, world.files.version(report.version).into_iter().collect())
}

#[tokio::test(start_paused = true)]
async fn reuse_comes_to_the_same_end_wherever_the_run_is_cut_off() {
    let head = format!(
        "{HEAD}\ndone_when: \"${{{{ tasks.x.items.all(one, one.n == 7) && tasks.z.seen == 'change' && tasks.y.seen == '0' }}}}\""
    );
    let tasks = format!(
        "  x: {{ for_each: [1, 2, 3, 4], with: {{ n: 7 }}, {LOOKS} }}\n  y: {{ needs: x, with: {{ n: 7 }}, {LOOKS} }}\n  \
         change: {{ needs: y, agent: w, with: {{ path: seed }} }}\n  z: {{ needs: change, with: {{ n: 7 }}, {LOOKS} }}\n  \
         last: {{ needs: z, with: {{ n: 7 }}, {LOOKS} }}"
    );
    let whole = world();
    let undisturbed = whole.run(&head, &tasks).await.unwrap();
    assert_eq!(undisturbed.status, RunState::Completed, "{}", undisturbed.reason);
    assert_eq!(reused(&whole), ["last as z#1", "x[1] as x[0]#1", "x[2] as x[0]#1", "x[3] as x[0]#1", "y as x[0]#1"]);
    let expected = outcome(&whole, &undisturbed);
    for room in 1..whole.journal.records().len() {
        for keep_tail in [false, true] {
            let world = world();
            world.journal.limit(room);
            world.run(&head, &tasks).await.unwrap_err();
            world.journal.reopen(if keep_tail { room } else { world.journal.durable().max(1) });
            let report =
                world.resume(&head, &tasks).await.unwrap_or_else(|e| panic!("{room}: {e:?}\n{}", world.story()));
            assert_eq!(outcome(&world, &report), expected, "{room} {keep_tail}: {}\n{}", report.reason, world.story());
            // What a crash cut short is done, not waited for, so at most what ran side by side is done twice.
            assert!(world.started().len() <= 3 + 4, "{room} {keep_tail}\n{}", world.story());
        }
    }
}
