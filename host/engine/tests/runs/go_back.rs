//! The way back to an older checkpoint: the whole run stands as it stood then, and comes to a good end from there.

use crate::world::{World, act, cut_anywhere, problem, read, row, spawn, write};
use longhaul_core::entry::{CheckpointReason, Entry};
use longhaul_core::incident::{Decision, IncidentClass, Situation};
use longhaul_core::state::RunState;
use longhaul_engine::RunReport;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const HEAD: &str = "agents: { a: { plugin: a }, hand: { plugin: hand } }\ndefaults: { agent: a }\nrecovery: [ unsure, s ]\n\
                    concurrency: { max: 3 }\ncheckpoints: { keep: 9 }\nbudget: { wall_time: 10h }";
/// `check` judges what the `change`s made of the `plan`; `slow` is under way all the time.
const TASKS: &str = "  first: {}\n  plan: { needs: first }\n  \
                     change: { needs: plan, for_each: \"${{ tasks.plan.parts }}\", with: { part: \"${{ item }}\" } }\n  \
                     check: { needs: change }\n  slow: {}\n  z: { needs: [check, slow] }";

/// Where the work of `first` was done and nothing else: the oldest that is kept.
fn after_first(situation: &Situation) -> Option<String> {
    situation.checkpoints.last().cloned()
}

/// The first plan is no good, which `check` finds out; the second plan has one part more.
fn world() -> World {
    World::new()
        .strategy("unsure", |_| Ok(None))
        .strategy("s", |situation| {
            Ok(match situation.history.is_empty() {
                true => Some(Decision::Rollback { to: after_first(situation), validate: None }),
                false => None,
            })
        })
        .agent("a", |job| async move {
            let (task, number) = (job.task.attempt.task.to_string(), job.task.attempt.number);
            act(&job, "works").ok();
            let busy = if task == "slow" { 70 } else { 10 };
            tokio::time::sleep(Duration::from_millis(busy)).await;
            write(&job, &task, &format!("{} by {number}", read(&job, &task).unwrap_or_default()));
            if task == "change[0]" {
                spawn(&job, "more", json!({}), &[])?;
            }
            if task == "check" {
                let bad = (0..9).any(|part| {
                    read(&job, &format!("change[{part}]")).is_some_and(|text| text == " by 1") && part == 0
                });
                if bad {
                    return Err(problem(IncidentClass::Validation));
                }
            }
            Ok(match task.as_str() {
                "plan" if number == 1 => json!({ "parts": [1, 2] }),
                "plan" => json!({ "parts": [1, 2, 3] }),
                _ => json!({}),
            })
        })
        .agent("hand", |job| async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            write(&job, job.task.attempt.task.as_str(), &format!("by {}", job.task.attempt.number));
            Ok(json!({}))
        })
}

fn outcome(world: &World, report: &RunReport) -> (RunState, BTreeMap<String, String>, BTreeSet<String>) {
    let tasks = report.tasks.iter().map(|row| format!("{} {}", row.task, row.state)).collect();
    (report.status, world.files.version(report.version), tasks)
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_back_to_a_checkpoint_and_on_from_there() {
    let world = world();
    let report = world.run(HEAD, TASKS).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}\n{}", report.reason, world.story());
    let files = world.files.version(report.version);
    // What was done before the checkpoint is not done again; what was done since is, as later attempts.
    assert_eq!((files["first"].as_str(), files["plan"].as_str()), (" by 1", " by 2"));
    assert_eq!((files["change[0]"].as_str(), files["change[2]"].as_str()), (" by 2", " by 1"));
    assert_eq!((files["change[0].more"].as_str(), files["check"].as_str()), ("by 2", " by 2"));
    // What it was about to do is in the changes once, and what it came to counts, the part included that was for nothing.
    assert_eq!(report.changes.len(), files.len() - 1, "{:?}", report.changes);
    assert_eq!((row(&report, "plan").attempts, row(&report, "first").attempts), (2, 1));
    let went_back = world.journal.records().into_iter().find_map(|record| match record.entry {
        Entry::RolledBack { number, gone, .. } => Some((record.task.unwrap().to_string(), number, gone.len())),
        _ => None,
    });
    assert_eq!(went_back, Some(("check".to_owned(), 1, 3)));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_back_and_is_cut_off_anywhere_comes_to_a_good_end() {
    let whole = world();
    let undisturbed = whole.run(HEAD, TASKS).await.unwrap();
    let (status, files, tasks) = outcome(&whole, &undisturbed);
    cut_anywhere(world, HEAD, TASKS, |world, report, case| {
        let found = outcome(world, report);
        assert_eq!(
            (found.0, &found.2),
            (status, &tasks),
            "{case}: {}
{}",
            report.reason,
            world.story()
        );
        // Which of two that are ready at once comes first may differ, and with it the number of tries cut short: what is there
        // does not.
        assert_eq!(found.1.keys().collect::<Vec<_>>(), files.keys().collect::<Vec<_>>(), "{case}");
        let went_back = world.journal.records().iter().any(|record| matches!(record.entry, Entry::RolledBack { .. }));
        assert!(went_back, "{case}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_checkpoint_cannot_be_gone_back_to() {
    let world = World::new()
        .strategy("unsure", |_| Ok(None))
        .strategy("s", |_| Ok(Some(Decision::Rollback { to: Some("5eed".into()), validate: None })))
        .agent("hand", |_| async { Ok(json!({})) })
        .agent("a", |_| async { Err(problem(IncidentClass::Validation)) });
    let report = world.run(HEAD, "  x: {}").await.unwrap();
    assert_eq!(report.status, RunState::Failed);
    assert_eq!(world.decisions()[1].2.as_deref(), Some("there is no checkpoint `5eed`"));
}

/// Tasks in a row, each of which fails until it was gone back for as often as its strategy does.
fn stubborn(times: usize) -> World {
    World::new()
        .strategy("unsure", |_| Ok(None))
        .strategy("s", move |situation| {
            let back = || Some(Decision::Rollback { to: after_first(situation), validate: None });
            let skip = || Some(Decision::Skip { reason: "enough".into() });
            Ok(if situation.history.len() < times { back() } else { skip() })
        })
        .agent("hand", |_| async { Ok(json!({})) })
        .agent("a", |job| async move {
            let task = job.task.attempt.task.to_string();
            write(&job, &task, &format!("by {}", job.task.attempt.number));
            tokio::time::sleep(Duration::from_millis(10)).await;
            if task.starts_with("bad") { Err(problem(IncidentClass::Validation)) } else { Ok(json!({})) }
        })
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_back_often_is_read_in_one_go_all_the_same() {
    let tasks: Vec<String> = (0..14)
        .map(|n| {
            format!(
                "  ok{n}: {{ needs: [{}] }}\n  bad{n}: {{ needs: ok{n} }}",
                if n == 0 { String::new() } else { format!("bad{}", n - 1) }
            )
        })
        .collect();
    let world = stubborn(1);
    let report = world.run(HEAD, &tasks.join("\n")).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}", report.reason);
    let went_back =
        world.journal.records().iter().filter(|record| matches!(record.entry, Entry::RolledBack { .. })).count();
    // The first of them has nothing older to go back to than the version that is the current one.
    assert_eq!(went_back, 13);
    // Folded once for each way back before, this would take 2 to the power of 14 times as long, and here that is minutes.
    let reads = world.journal.reads();
    longhaul_engine::History::read(world.journal.as_ref(), &report.run).unwrap();
    let pages = world.journal.records().len() as u64 / 3 + 2;
    assert!(world.journal.reads() - reads <= 3 * pages, "{} reads for {pages} pages", world.journal.reads() - reads);
}

#[tokio::test(start_paused = true)]
async fn two_tasks_that_go_back_do_not_give_each_other_new_tries() {
    let world = stubborn(2);
    let report = world
        .run(HEAD, "  first: {}\n  bad1: { needs: first }\n  bad2: { needs: first }\n  z: { needs: [bad1, bad2] }")
        .await
        .unwrap();
    assert_eq!(report.status, RunState::Completed, "{}", report.reason);
    let went_back =
        world.journal.records().iter().filter(|record| matches!(record.entry, Entry::RolledBack { .. })).count();
    assert!(went_back <= 4, "{went_back} times\n{}", world.story());
}

#[tokio::test(start_paused = true)]
async fn a_demanded_checkpoint_is_made_once_however_often_the_run_goes_back() {
    let world = world();
    world.options.control.checkpoint();
    let report = world.run(HEAD, TASKS).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}", report.reason);
    let (mut demanded, mut went_back) = (0, 0);
    for record in world.journal.records() {
        match record.entry {
            Entry::Checkpointed { reason: CheckpointReason::Demand, .. } => demanded += 1,
            Entry::RolledBack { .. } => went_back += 1,
            _ => {}
        }
    }
    assert_eq!((demanded, went_back), (1, 1));
}
