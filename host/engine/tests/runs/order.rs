//! What runs when, with what input, and what comes of it.

use crate::world::{World, name, problem, row, state};
use longhaul_core::incident::IncidentClass;
use longhaul_core::state::{RunState, TaskState};
use longhaul_engine::Apply;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

const AGENT: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a }";

#[tokio::test(start_paused = true)]
async fn tasks_run_in_order_and_the_result_is_applied() {
    let world = World::new().writer("a");
    let head = format!("{AGENT}\nconcurrency: {{ max: 1 }}");
    let tasks = "  last: { needs: [late, early] }\n  late: { needs: first }\n  early: { needs: first, priority: 5 }\n  first: {}";
    let report = world.run(&head, tasks).await.unwrap();
    assert_eq!(world.started(), ["first", "early", "late", "last"]);
    assert_eq!((report.status, report.counts.completed, report.counts.total()), (RunState::Completed, 4, 4));
    assert_eq!(report.applied, Some(4));
    assert_eq!(report.changes.len(), 4);
    assert_eq!((world.told(&["action"]).len(), report.incidents), (4, 0));
    assert_eq!(row(&report, "last").attempts, 1);
    let folder = world.files.folder.lock().unwrap().clone();
    assert_eq!(folder.keys().collect::<Vec<_>>(), ["early", "first", "last", "late", "seed"]);
}

#[tokio::test(start_paused = true)]
async fn the_limits_on_parallel_tasks_hold() {
    let running = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let most = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let mut world = World::new();
    for (which, agent) in ["a", "b"].into_iter().enumerate() {
        let (running, most) = (running.clone(), most.clone());
        world = world.agent(agent, move |_| {
            let (running, most) = (running.clone(), most.clone());
            async move {
                let own = running[which].fetch_add(1, SeqCst) + 1;
                most[which].fetch_max(own, SeqCst);
                most[2].fetch_max(own + running[1 - which].load(SeqCst), SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                running[which].fetch_sub(1, SeqCst);
                Ok(json!({}))
            }
        });
    }
    let head = "agents: { a: { plugin: a, max: 2 }, b: { plugin: b } }\nconcurrency: { max: 5 }\ninputs: { list: { default: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] } }";
    let mut world = world;
    world.options.inputs.insert("list".into(), json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    let tasks =
        "  x: { agent: a, for_each: \"${{ inputs.list }}\" }\n  y: { agent: b, for_each: \"${{ inputs.list }}\" }";
    let report = world.run(head, tasks).await.unwrap();
    assert_eq!(report.status, RunState::Completed);
    assert_eq!(most.map(|most| most.load(SeqCst)), [2, 3, 5]);
    // Ten tasks of one second, two at a time.
    assert_eq!(report.time, Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_for_each_is_done_once_for_each_element_and_its_outputs_are_gathered() {
    let world = World::new()
        .agent("plan", |_| async { Ok(json!({ "chunks": ["x", "y", "z"] })) })
        .agent("a", |job| async move { Ok(json!({ "got": job.task.input["chunk"], "at": job.task.input["index"] })) })
        .agent("sum", |job| async move {
            assert_eq!(
                job.task.input["all"],
                json!([{"got": "x", "at": 0}, {"got": "y", "at": 1}, {"got": "z", "at": 2}])
            );
            Ok(json!({ "fine": true }))
        });
    let head =
        "agents: { plan: { plugin: p }, a: { plugin: a }, sum: { plugin: s } }\ndone_when: \"${{ tasks.sum.fine }}\"";
    let tasks = concat!(
        "  plan: { agent: plan }\n",
        "  change: { agent: a, needs: plan, for_each: \"${{ tasks.plan.chunks }}\", with: { chunk: \"${{ item }}\", index: \"${{ index }}\" } }\n",
        "  sum: { agent: sum, needs: change, with: { all: \"${{ tasks.change.items }}\" } }",
    );
    let report = world.run(head, tasks).await.unwrap();
    assert_eq!((report.status, report.reason.as_str()), (RunState::Completed, ""));
    assert_eq!(world.started(), ["plan", "change[0]", "change[1]", "change[2]", "sum"]);
    assert_eq!(state(&report, "change[1]"), TaskState::Completed);
}

#[tokio::test(start_paused = true)]
async fn an_empty_list_and_a_false_condition_hold_up_nobody() {
    let world = World::new().writer("a");
    let tasks = concat!(
        "  none: { for_each: [] }\n",
        "  never: { if: \"${{ 1 > 2 }}\" }\n",
        "  nor: { if: \"${{ 1 > 2 }}\", for_each: [1, 2] }\n",
        "  then: { needs: [none, never, nor] }",
    );
    let report = world.run(AGENT, tasks).await.unwrap();
    assert_eq!(report.status, RunState::Completed);
    assert_eq!(world.started(), ["then"]);
    let states = ["none", "never", "nor", "then"].map(|task| state(&report, task));
    assert_eq!(states, [TaskState::Completed, TaskState::Skipped, TaskState::Skipped, TaskState::Completed]);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_continues_as_new_goes_on_from_its_state() {
    let world = World::new().agent("a", |job| async move {
        let done = job.task.state.as_ref().and_then(|state| state.as_u64()).unwrap_or(0);
        crate::world::write(&job, &format!("part{done}"), "done");
        Ok(if done < 3 { json!({ "continue": done + 1 }) } else { json!({ "parts": done + 1 }) })
    });
    let report = world.run(AGENT, "  t: {}").await.unwrap();
    assert_eq!((report.status, row(&report, "t").attempts), (RunState::Completed, 4));
    // Each instance committed what it had, and the next one saw it.
    assert_eq!(world.files.committed.lock().unwrap().len(), 4);
    assert_eq!(world.files.version(report.version).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_misses_the_objective_is_kept_and_not_applied() {
    let world = World::new().writer("a");
    let head = format!("{AGENT}\ndone_when: \"${{{{ tasks.t.by == 'somebody else' }}}}\"");
    let report = world.run(&head, "  t: {}").await.unwrap();
    assert_eq!((report.status, report.applied), (RunState::Failed, None));
    assert!(report.reason.contains("done_when"), "{}", report.reason);
    assert_eq!(world.files.folder.lock().unwrap().len(), 1);
    assert!(world.files.version(report.version).contains_key("t"));
}

#[tokio::test(start_paused = true)]
async fn a_result_is_applied_later_or_not_over_changes_of_the_user() {
    let mut world = World::new().writer("a");
    world.options.apply = Apply::Later;
    let report = world.run(AGENT, "  t: {}").await.unwrap();
    assert_eq!((report.status, report.applied), (RunState::Completed, None));
    assert_eq!(world.files.folder.lock().unwrap().len(), 1);

    let world = World::new().writer("a");
    world.files.folder.lock().unwrap().insert("t".into(), "mine".into());
    let report = world.run(AGENT, "  t: {}").await.unwrap();
    assert_eq!(report.status, RunState::Escalated);
    assert!(report.reason.contains("`t`"), "{}", report.reason);
    assert_eq!(world.files.folder.lock().unwrap()["t"], "mine");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_small_tasks_run_in_the_order_of_the_list() {
    let mut world = World::new().agent("a", |job| async move { Ok(job.task.input) });
    let list: Vec<_> = (0..1_000).collect();
    world.options.inputs.insert("list".into(), json!(list));
    let head = format!("{AGENT}\ninputs: {{ list: {{ default: [] }} }}\nconcurrency: {{ max: 1 }}");
    let tasks = "  t: { for_each: \"${{ inputs.list }}\", with: { n: \"${{ item }}\" } }";
    let report = world.run(&head, tasks).await.unwrap();
    // The thousand, and the task that they belong to.
    assert_eq!((report.status, report.counts.completed), (RunState::Completed, 1_001));
    assert_eq!(world.started(), (0..1_000).map(|i| format!("t[{i}]")).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_input_that_cannot_be_worked_out_is_an_incident() {
    let world = World::new().agent("a", |_| async { Ok(json!({})) });
    let tasks = "  plan: {}\n  t: { needs: plan, with: { x: \"${{ tasks.plan.nothing }}\" } }";
    let report = world.run(AGENT, tasks).await.unwrap();
    assert_eq!((report.status, report.incidents), (RunState::Failed, 1));
    assert!(report.reason.contains("tasks.plan.nothing"), "{}", report.reason);
    let broken = World::new().agent("a", |_| async { Ok(json!({ "chunks": 7 })) });
    let tasks = "  plan: {}\n  t: { needs: plan, for_each: \"${{ tasks.plan.chunks }}\" }\n  u: { needs: t }";
    let report = broken.run(AGENT, tasks).await.unwrap();
    assert_eq!(report.status, RunState::Failed);
    assert_eq!(["t", "u"].map(|task| state(&report, task)), [TaskState::Cancelled; 2]);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_loaded_stops_a_run_before_it_begins() {
    let world = World::new();
    let error = world.run(AGENT, "  t: {}").await.unwrap_err();
    assert_eq!(error.to_string(), "the agent `a` was not loaded");
    assert!(world.journal.records().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_judge_that_cannot_accept_makes_a_validation_incident() {
    let world = World::new().agent("a", |_| async { Err(problem(IncidentClass::Fatal)) });
    let report = world.run(AGENT, "  t: { verify: true }").await.unwrap();
    assert_eq!(row(&report, "t").problem.as_ref().unwrap().class, IncidentClass::Validation);
    assert_eq!(row(&report, "t").agent, name("a"));
}
