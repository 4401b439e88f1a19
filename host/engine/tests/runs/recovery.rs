//! What strategies decide, and what comes of it.

use crate::world::{World, act, cut_anywhere, name, problem, read, row, state, write};
use longhaul_core::grant::FsAccess;
use longhaul_core::incident::{Decision, IncidentClass};
use longhaul_core::path::StagePath;
use longhaul_core::state::{RunState, TaskState};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

const HEAD: &str = "agents: { a: { plugin: a }, b: { plugin: b } }\ndefaults: { agent: a }\nrecovery: [ s ]";

/// An agent `a` that fails the first `times` tries of every task, and an agent `b` that never does.
fn failing(times: u32, class: IncidentClass) -> World {
    World::new().writer("b").agent("a", move |job| async move {
        write(&job, "rubbish", "of a failed try");
        if job.task.attempt.number <= times {
            return Err(problem(class));
        }
        write(&job, "done", "well");
        Ok(json!({}))
    })
}

fn retry(after: u64) -> Result<Option<Decision>, String> {
    Ok(Some(Decision::Retry { after: Duration::from_secs(after) }))
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_retried_waits_and_completes() {
    let world = failing(2, IncidentClass::Transient).strategy("s", |situation| {
        assert_eq!(situation.history.len() as u32, situation.incident.attempt.number - 1);
        assert_eq!(situation.agents, [name("b")]);
        retry(5)
    });
    let report = world.run(HEAD, "  t: {}").await.unwrap();
    assert_eq!((report.status, report.incidents, row(&report, "t").attempts), (RunState::Completed, 2, 3));
    assert_eq!(report.time, Duration::from_secs(10));
    assert_eq!(world.files.version(report.version)["done"], "well");
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_failed_try_is_committed() {
    let world = failing(9, IncidentClass::Validation).strategy("s", |_| Ok(None));
    let report = world.run(HEAD, "  t: {}").await.unwrap();
    assert_eq!((report.status, report.version), (RunState::Failed, world.base()));
    assert!(world.files.committed.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn retries_end_where_the_workflow_says() {
    let world = failing(1_000, IncidentClass::Transient).strategy("s", |_| retry(0));
    let report = world.run(HEAD, "  t: { retry: { attempts: 3 } }\n  u: { agent: b, needs: t }").await.unwrap();
    assert_eq!((report.status, row(&report, "t").attempts), (RunState::Failed, 3));
    assert_eq!([state(&report, "t"), state(&report, "u")], [TaskState::Failed, TaskState::Cancelled]);
    let (_, decision, error) = world.decisions().pop().unwrap();
    assert!(decision.is_some() && error.unwrap().contains("up to 3"));
}

#[tokio::test(start_paused = true)]
async fn a_strategy_cannot_loop_for_ever() {
    let rollback = Decision::Rollback { to: None, validate: None };
    for decision in [rollback, Decision::Reassign { agent: name("a") }] {
        let world = failing(u32::MAX, IncidentClass::Conflict).strategy("s", move |_| Ok(Some(decision.clone())));
        let report = world.run(HEAD, "  t: {}").await.unwrap();
        assert_eq!((report.status, row(&report, "t").attempts), (RunState::Failed, 100));
    }
}

#[tokio::test(start_paused = true)]
async fn the_chain_goes_on_where_a_strategy_cannot_help() {
    let world = failing(1, IncidentClass::Trap)
        .mute_strategy("mute")
        .strategy("broken", |_| Err("it trapped".into()))
        .strategy("dreamer", |_| Ok(Some(Decision::Reassign { agent: name("nobody") })))
        .strategy("lost", |_| Ok(Some(Decision::Rollback { to: Some("yesterday".into()), validate: None })))
        .strategy("s", |_| retry(0));
    let head = HEAD.replace("[ s ]", "[ mute, broken, dreamer, lost, s ]");
    let report = world.run(&head, "  t: {}").await.unwrap();
    assert_eq!(report.status, RunState::Completed);
    let errors: Vec<_> = world.decisions().into_iter().map(|(_, _, error)| error.unwrap_or_default()).collect();
    for (error, part) in
        errors.iter().zip(["did not answer", "it trapped", "no agent `nobody`", "no checkpoint `yesterday`", ""])
    {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(errors.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_escalated_run_lets_work_under_way_finish_and_keeps_the_rest() {
    let world = failing(1, IncidentClass::Fatal)
        .agent("b", |job| async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            write(&job, "slow", "and steady");
            Ok(json!({}))
        })
        .strategy("s", |_| Ok(Some(Decision::Escalate { reason: "look at this".into() })));
    let head = format!("{HEAD}\nconcurrency: {{ max: 2 }}");
    let report =
        world.run(&head, "  t: {}\n  slow: { agent: b }\n  after: { needs: t }\n  other: { agent: b }").await.unwrap();
    assert_eq!((report.status, report.applied), (RunState::Escalated, None));
    assert!(report.reason.contains("look at this"), "{}", report.reason);
    let states = ["t", "slow", "after", "other"].map(|task| state(&report, task));
    assert_eq!(states, [TaskState::Escalated, TaskState::Completed, TaskState::Pending, TaskState::Pending]);
    assert_eq!(world.files.version(report.version)["slow"], "and steady");
}

#[tokio::test(start_paused = true)]
async fn another_agent_takes_over() {
    let world = failing(9, IncidentClass::Denied).strategy("s", |_| Ok(Some(Decision::Reassign { agent: name("b") })));
    let report = world.run(HEAD, "  t: {}").await.unwrap();
    assert_eq!((report.status, &row(&report, "t").agent), (RunState::Completed, &name("b")));
    assert_eq!(world.files.version(report.version)["t"], "t");
}

#[tokio::test(start_paused = true)]
async fn tasks_go_on_without_one_that_is_left_out() {
    let world =
        failing(9, IncidentClass::Fatal).strategy("s", |_| Ok(Some(Decision::Skip { reason: "not needed".into() })));
    let tasks = "  t: {}\n  u: { agent: b, needs: t, with: { was: \"${{ tasks.t.status }}\" } }";
    let report = world.run(HEAD, tasks).await.unwrap();
    assert_eq!(report.status, RunState::Completed);
    assert_eq!([state(&report, "t"), state(&report, "u")], [TaskState::Skipped, TaskState::Completed]);
}

#[tokio::test(start_paused = true)]
async fn the_first_of_two_that_change_one_file_wins() {
    let world = World::new()
        .agent("a", |job| async move {
            let before = read(&job, "seed").unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            write(&job, "seed", &format!("{before}+"));
            Ok(json!({}))
        })
        .writer("b")
        .strategy("s", |situation| {
            assert_eq!(situation.incident.problem.class, IncidentClass::Conflict);
            assert_eq!(situation.incident.problem.evidence, json!({ "paths": ["seed"] }));
            Ok(Some(Decision::Rollback { to: Some(situation.checkpoints[0].clone()), validate: None }))
        });
    let report = world.run(HEAD, "  t: {}\n  u: {}").await.unwrap();
    assert_eq!((report.status, report.incidents), (RunState::Completed, 1));
    // The second began again from what the first had made: no change is lost.
    assert_eq!(world.files.version(report.version)["seed"], "0++");
}

#[tokio::test(start_paused = true)]
async fn a_rolled_back_task_is_accepted_before_it_is_committed() {
    let asked = Arc::new(AtomicU32::new(0));
    let world = failing(1, IncidentClass::Validation)
        .agent("b", move |job| {
            let asked = asked.clone();
            async move {
                assert_eq!(job.task.input, json!({ "task": "t", "output": {} }));
                // It sees the work, before anybody else does, and may not touch it.
                assert_eq!(read(&job, "done").as_deref(), Some("well"));
                let path = StagePath::new("done").unwrap();
                assert!(job.grant.check_fs(&path, FsAccess::Read).is_ok());
                assert!(job.grant.check_fs(&path, FsAccess::Write).is_err());
                write(&job, "done", "badly");
                if asked.fetch_add(1, SeqCst) == 0 {
                    Err(problem(IncidentClass::Timeout))
                } else {
                    Ok(Value::Object(Default::default()))
                }
            }
        })
        .strategy("s", |situation| {
            if situation.incident.attempt.number > 1 {
                assert_eq!(situation.incident.problem.class, IncidentClass::Validation);
                assert_eq!(situation.incident.problem.evidence["validator"], "b");
            }
            Ok(Some(Decision::Rollback { to: None, validate: Some(name("b")) }))
        });
    let report = world.run(HEAD, "  t: {}").await.unwrap();
    // Failed; worked and refused; worked and accepted.
    assert_eq!((report.status, report.incidents, row(&report, "t").attempts), (RunState::Completed, 2, 5));
    assert_eq!(world.files.version(report.version)["done"], "well");
    assert_eq!((world.files.committed.lock().unwrap().len(), world.denials()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_judge_that_is_cut_off_after_its_verdict_still_says_that_the_work_is_no_good() {
    let make = || {
        World::new()
            .strategy("s", |situation| {
                let is_no_good = situation.incident.problem.class == IncidentClass::Validation;
                Ok(is_no_good.then_some(Decision::Retry { after: Duration::ZERO }))
            })
            .agent("a", |job| async move {
                act(&job, "judges").ok();
                if job.task.attempt.number == 1 { Err(problem(IncidentClass::Fatal)) } else { Ok(json!({})) }
            })
    };
    let head = "agents: { a: { plugin: a } }\ndefaults: { agent: a }\nrecovery: [ s ]";
    cut_anywhere(make, head, "  t: { verify: true }", |world, report, case| {
        assert_eq!(report.status, RunState::Completed, "{case}: {}\n{}", report.reason, world.story());
    })
    .await;
}
