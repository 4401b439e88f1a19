//! Compensation and splitting: what strategies can have done beside another try, carried out by tasks of their own.

use crate::world::{World, act, cut_anywhere, problem, read, row, state, write};
use longhaul_core::attempt::Wait;
use longhaul_core::incident::{Decision, IncidentClass, Situation};
use longhaul_core::state::{RunState, TaskState};
use longhaul_engine::RunReport;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const HEAD: &str = "agents: { a: { plugin: a }, undo: { plugin: undo }, plan: { plugin: plan } }\ndefaults: { agent: a }\n\
                    recovery: [ unsure, s ]\nconcurrency: { max: 2 }";
const TASKS: &str = "  x: { for_each: [1, 2], with: { n: \"${{ item }}\" }, compensate: { agent: undo, with: { n: \"${{ item }}\" } } }\n  \
                     big: { with: { keep: 7, list: [1, 2, 3] }, split: { agent: plan, pieces: found, as: list } }\n  \
                     z: { needs: [x, big], with: { all: \"${{ tasks.big.parts }}\" } }";

fn compensated(situation: &Situation) -> bool {
    situation.history.last().is_some_and(|past| past.decision == Decision::Compensate)
}

/// Every `x` fails once, is compensated and tried again; `big` fails and is split into three, each of which fails once.
fn world() -> World {
    World::new()
        .strategy("unsure", |_| Ok(None))
        .strategy("s", |situation| {
            let retry = Decision::Retry { after: Duration::from_secs(1) };
            Ok(Some(match situation.incident.attempt.task.as_str() {
                "big" => Decision::Split,
                task if task.starts_with("x[") && !task.contains('.') && !compensated(situation) => {
                    Decision::Compensate
                }
                _ => retry,
            }))
        })
        .agent("a", |job| async move {
            let (task, number) = (job.task.attempt.task.to_string(), job.task.attempt.number);
            act(&job, "works").ok();
            tokio::time::sleep(Duration::from_millis(10)).await;
            write(&job, &task, &format!("{} by {number}", read(&job, &task).unwrap_or_default()));
            if number == 1 && task != "z" {
                return Err(problem(IncidentClass::Validation));
            }
            Ok(match task.as_str() {
                "z" => job.task.input["all"].as_array().map(|all| json!({ "all": all })).unwrap(),
                _ => json!({ "did": job.task.input }),
            })
        })
        .agent("undo", |job| async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let failed = &job.task.input["failed"];
            write(
                &job,
                &format!("undone-{}", job.task.input["n"]),
                &format!("{}#{}", failed["task"], failed["attempt"]),
            );
            Ok(json!({}))
        })
        .agent("plan", |job| async move {
            act(&job, "plans").ok();
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(json!({ "found": job.task.input["list"] }))
        })
}

fn outcome(world: &World, report: &RunReport) -> (RunState, BTreeMap<String, String>, BTreeSet<String>) {
    let tasks = report.tasks.iter().map(|row| format!("{} {} {}", row.task, row.state, row.attempts)).collect();
    (report.status, world.files.version(report.version), tasks)
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_compensated_or_split_and_the_run_goes_on() {
    let world = world();
    let report = world.run(HEAD, TASKS).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}\n{}", report.reason, world.story());
    let files = world.files.version(report.version);
    assert_eq!((files["undone-1"].as_str(), files["undone-2"].as_str()), ("\"x[0]\"#1", "\"x[1]\"#1"));
    assert_eq!((files["x[0]"].as_str(), files["big._part-1-2"].as_str()), (" by 2", " by 2"));
    assert!(!files.contains_key("big"), "what failed is not committed");
    assert_eq!(row(&report, "big._part-1-0").attempts, 2);
    // What it puts out are the outputs of its pieces, in order, each with its part of the input.
    let last = world.journal.records().into_iter().rev().find_map(|record| match record.entry {
        longhaul_core::entry::Entry::AttemptStarted { input, .. } => Some(input),
        _ => None,
    });
    let did = |n: u32| json!({ "did": { "keep": 7, "list": n } });
    assert_eq!(last, Some(json!({ "all": [did(1), did(2), did(3)] })));
    let asked: Vec<_> = world.decisions().into_iter().filter_map(|(_, decision, _)| decision).collect();
    assert_eq!(asked.iter().filter(|decision| **decision == Decision::Compensate).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_run_under_repair_that_is_cut_off_anywhere_comes_to_the_same_end() {
    let whole = world();
    let undisturbed = whole.run(HEAD, TASKS).await.unwrap();
    let expected = outcome(&whole, &undisturbed);
    let length = whole.journal.records().len();
    assert!(length > 100, "{length}");
    cut_anywhere(world, HEAD, TASKS, |world, report, case| {
        assert_eq!(
            outcome(world, report),
            expected,
            "{case}
{}",
            world.story()
        );
        assert_eq!(report.incidents, undisturbed.incidents, "{case}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_remedy_that_the_workflow_does_not_know_counts_for_nothing() {
    for (decision, says) in [(Decision::Split, "add `split`"), (Decision::Compensate, "add `compensate`")] {
        let world = World::new()
            .strategy("s", move |_| Ok(Some(decision.clone())))
            .agent("a", |_| async { Err(problem(IncidentClass::Fatal)) });
        let report = world.run("agents: { a: { plugin: a } }\nrecovery: [ s ]", "  x: {}").await.unwrap();
        assert_eq!(report.status, RunState::Failed);
        let (_, _, error) = world.decisions().remove(0);
        assert!(error.as_deref().is_some_and(|error| error.contains(says)), "{error:?}");
    }
}

/// How a run ends whose only task fails, where `undo` and `plan` do this.
async fn ends(helper: &str, outcome: Result<serde_json::Value, IncidentClass>, decision: Decision) -> RunReport {
    let (head, tasks) = (HEAD.replace("[ unsure, s ]", "[ s ]"), TASKS.lines().next().unwrap().replace(", 2", ""));
    let tasks = if decision == Decision::Split {
        TASKS.lines().find(|line| line.contains("big:")).unwrap().trim_end().to_owned()
    } else {
        tasks
    };
    let mut world = World::new()
        .strategy("s", move |situation| {
            let is_helper = situation.incident.attempt.task.as_str().contains("._");
            Ok((!is_helper && !compensated(situation)).then(|| decision.clone()))
        })
        .agent("a", |job| async move {
            write(&job, "x", "1");
            Err(problem(IncidentClass::Validation))
        });
    for agent in ["undo", "plan"] {
        let outcome = if agent == helper { outcome.clone() } else { Ok(json!({})) };
        world = world.agent(agent, move |_| {
            let outcome = outcome.clone();
            async move { outcome.map_err(problem) }
        });
    }
    world.run(&head, &tasks).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_remedy_that_does_not_help_takes_a_person() {
    let report = ends("undo", Err(IncidentClass::Fatal), Decision::Compensate).await;
    assert_eq!((report.status, state(&report, "x[0]")), (RunState::Escalated, TaskState::Escalated));
    assert!(
        report.reason.contains("could not be compensated: `x[0]._undo-1` failed: it went wrong"),
        "{}",
        report.reason
    );
    for (output, says) in [
        (Err(IncidentClass::Fatal), "`big._split-1` failed: it went wrong"),
        (Ok(json!({ "chunks": [] })), "there is no list `found`"),
        (Ok(json!({ "found": [] })), "the list `found` is empty"),
        (Ok(json!({ "found": 3 })), "there is no list `found`"),
        (Ok(json!({ "found": [1] })), "1 of its 1 pieces are not done; `big._part-1-0` failed"),
    ] {
        let report = ends("plan", output, Decision::Split).await;
        assert_eq!((report.status, state(&report, "big")), (RunState::Escalated, TaskState::Escalated));
        assert!(report.reason.contains(says), "{}", report.reason);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_child_did_is_taken_back_as_what_its_parent_did() {
    let world = World::new()
        .strategy("unsure", |_| Ok(None))
        .strategy("s", |situation| {
            let is_child = situation.incident.attempt.task.as_str() == "x[0].first";
            Ok((is_child && !compensated(situation)).then_some(Decision::Compensate))
        })
        .agent("plan", |_| async { Ok(json!({})) })
        .agent("undo", |job| async move {
            write(&job, "undone", &format!("{} {}", job.task.input["failed"]["task"], job.task.input["n"]));
            Ok(json!({}))
        })
        .agent("hand", |_| async { Err(problem(IncidentClass::Validation)) })
        .agent("a", |job| async move {
            let first = crate::world::spawn(&job, "first", json!({ "n": 5 }), &[])?;
            job.reach.children.publish().await.map_err(|_| problem(IncidentClass::Fatal))?;
            let has_ended = job.reach.children.status(first.as_str()).unwrap().has_ended();
            if job.recorder.replayed().is_none() && !has_ended {
                return Err(crate::world::suspended(&Wait { children: vec![first], ..Wait::default() }));
            }
            act(&job, "waits").ok();
            Ok(json!({}))
        });
    let head = HEAD.replace("plan: { plugin: plan } }", "plan: { plugin: plan }, hand: { plugin: hand } }");
    let task = TASKS.lines().next().unwrap().replace(", 2", "");
    let report = world.run(&head, &task).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}\n{}", report.reason, world.story());
    assert_eq!(state(&report, "x[0].first"), TaskState::Failed);
    assert_eq!(world.files.version(report.version)["undone"], "\"x[0].first\" 1");
}

#[tokio::test(start_paused = true)]
async fn a_task_is_split_again_whose_pieces_came_to_nothing() {
    let tasks = "  big: { with: { list: [1, 2] }, split: { agent: plan, pieces: found, as: list } }\n  \
                 z: { needs: big, with: { all: \"${{ tasks.big.parts }}\" } }";
    let head = HEAD.replace("[ unsure, s ]", "[ s ]");
    let make = || {
        world()
            .strategy("s", |situation| {
                let is_piece = situation.incident.attempt.task.as_str().contains("._part");
                Ok((!is_piece).then_some(Decision::Split))
            })
            .agent("a", |job| async move {
                match job.task.attempt.task.as_str() {
                    "z" => Ok(json!({ "all": job.task.input["all"] })),
                    task if task.starts_with("big._part-2-") => Ok(json!({ "did": job.task.input["list"] })),
                    _ => Err(problem(IncidentClass::Validation)),
                }
            })
    };
    async fn escalated(world: World, head: &str, tasks: &str) -> World {
        let report = world.run(head, tasks).await.unwrap();
        assert!(report.reason.contains("2 of its 2 pieces are not done"), "{}", report.reason);
        world
    }
    let check = |world: &World, report: &RunReport, case: &str| {
        assert_eq!(report.status, RunState::Completed, "{case}: {}\n{}", report.reason, world.story());
        let given = world.journal.records().into_iter().rev().find_map(|record| match record.entry {
            longhaul_core::entry::Entry::AttemptStarted { input, .. } => Some(input),
            _ => None,
        });
        assert_eq!(given, Some(json!({ "all": [{ "did": 1 }, { "did": 2 }] })), "{case}");
    };
    let world = escalated(make(), &head, tasks).await;
    let begun = world.journal.records().len();
    let report = world.resume(&head, tasks).await.unwrap();
    check(&world, &report, "whole");
    for room in begun..world.journal.records().len() {
        let world = escalated(make(), &head, tasks).await;
        world.journal.limit(room);
        world.resume(&head, tasks).await.unwrap_err();
        world.journal.reopen(room);
        let report = world.resume(&head, tasks).await.unwrap();
        check(&world, &report, &format!("cut at {room}"));
    }
}
