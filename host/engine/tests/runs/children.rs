//! Tasks that agents ask for: done once, waited for at no cost, their parents told what came of them.

use crate::world::{World, act, cut_anywhere, problem, read, row, spawn, state, suspended, write};
use longhaul_core::attempt::{Job, Wait};
use longhaul_core::children::{ChildError, ChildStatus, MAX_CHILDREN};
use longhaul_core::id::TaskId;
use longhaul_core::incident::{Decision, IncidentClass, Problem};
use longhaul_core::state::{RunState, TaskState};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const HEAD: &str = "agents: { boss: { plugin: boss }, hand: { plugin: hand } }\ndefaults: { agent: boss }\n\
                    recovery: [ s ]\nconcurrency: { max: 2 }";
const TASKS: &str = "  plan: { for_each: [1, 2] }\n  z: { needs: plan, agent: hand }";

/// Waits for children as a guest does: what is held back is published, and the answer is recorded.
async fn wait_for(job: &Job, children: &[TaskId]) -> Result<Vec<ChildStatus>, Problem> {
    job.reach.children.publish().await.map_err(|_| problem(IncidentClass::Fatal))?;
    let all = || children.iter().map(|child| job.reach.children.status(child.as_str()).unwrap()).collect::<Vec<_>>();
    if job.recorder.replayed().is_none() && !all().iter().all(ChildStatus::has_ended) {
        return Err(suspended(&Wait { children: children.to_vec(), ..Wait::default() }));
    }
    act(job, "wait-for").map_err(|_| problem(IncidentClass::Fatal))?;
    Ok(all())
}

fn output(status: &ChildStatus) -> Value {
    match status {
        ChildStatus::Completed(output) => Value::clone(output),
        other => panic!("{other:?}"),
    }
}

/// Each boss asks for `first` and, behind it, `second`, waits for both, fails once, and then adds up what they put out.
/// The first try of every `first` fails too, and each `second` asks for one more that nobody waits for.
fn world() -> World {
    World::new()
        .strategy("s", |_| Ok(Some(Decision::Retry { after: Duration::from_secs(1) })))
        .agent("boss", |job| async move {
            let (task, number) = (job.task.attempt.task.to_string(), job.task.attempt.number);
            act(&job, "begins").ok();
            let first = spawn(&job, "first", json!({ "n": 1 }), &[])?;
            let second = spawn(&job, "second", json!({ "n": 2 }), &["first"])?;
            tokio::time::sleep(Duration::from_millis(10)).await;
            let all = wait_for(&job, &[first, second]).await?;
            let sum: u64 = all.iter().map(|one| output(one)["n"].as_u64().unwrap()).sum();
            act(&job, "adds").ok();
            tokio::time::sleep(Duration::from_millis(10)).await;
            write(&job, &task, &format!("{sum}"));
            if number == 1 {
                return Err(problem(IncidentClass::Transient));
            }
            // One more with the commit.
            spawn(&job, "last", json!({ "n": 3 }), &["second"])?;
            Ok(json!({ "sum": sum }))
        })
        .agent("hand", |job| async move {
            let (task, number) = (job.task.attempt.task.to_string(), job.task.attempt.number);
            act(&job, "works").ok();
            tokio::time::sleep(Duration::from_millis(10)).await;
            write(&job, &task, &format!("{} by {number}", read(&job, &task).unwrap_or_default()));
            if task.ends_with(".first") && number == 1 {
                return Err(problem(IncidentClass::Transient));
            }
            if task.ends_with(".second") {
                spawn(&job, "deep", json!({}), &[])?;
            }
            Ok(json!({ "n": job.task.input["n"] }))
        })
}

/// Where a failure is final.
fn strict() -> World {
    World::new().strategy("s", |_| Ok(None))
}

fn expected_files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::from([("seed".to_owned(), "0".to_owned()), ("z".to_owned(), " by 1".to_owned())]);
    for plan in ["plan[0]", "plan[1]"] {
        files.insert(plan.to_owned(), "3".to_owned());
        files.insert(format!("{plan}.first"), " by 2".to_owned());
        for one in ["second", "second.deep", "last"] {
            files.insert(format!("{plan}.{one}"), " by 1".to_owned());
        }
    }
    files
}

/// Each task's attempts.
fn attempts(world: &World) -> BTreeMap<String, usize> {
    let mut attempts = BTreeMap::new();
    for task in world.started() {
        *attempts.entry(task).or_default() += 1;
    }
    attempts
}

#[tokio::test(start_paused = true)]
async fn children_are_done_once_and_their_parents_get_what_they_put_out() {
    let world = world();
    let report = world.run(HEAD, TASKS).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}\n{}", report.reason, world.story());
    assert_eq!(world.files.version(report.version), expected_files());
    // The second try of the parent asks for the same again, and they are not done again.
    let attempts = attempts(&world);
    assert_eq!((attempts["plan[0]"], attempts["plan[0].first"], attempts["plan[0].second"]), (2, 2, 1));
    // Those who need the parent wait for all of its children, those included that it does not wait for itself.
    let order = world.told(&["task-changed"]);
    let last = |task: &str| order.iter().rposition(|line| line.ends_with(&format!(" {task}"))).unwrap();
    assert!(last("z") > last("plan[1].last") && last("z") > last("plan[1].second.deep"));
    assert_eq!(row(&report, "plan[1].last").state, TaskState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_run_with_children_that_is_cut_off_anywhere_comes_to_the_same_end() {
    let whole = world();
    let undisturbed = whole.run(HEAD, TASKS).await.unwrap();
    let length = whole.journal.records().len();
    assert!(length > 100, "{length}");
    cut_anywhere(world, HEAD, TASKS, |world, report, case| {
        assert_eq!(
            report.status,
            RunState::Completed,
            "{case}: {}
{}",
            report.reason,
            world.story()
        );
        assert_eq!(world.files.version(report.version), expected_files(), "{case}");
        assert_eq!(attempts(world), attempts(&whole), "{case}");
        assert_eq!((report.incidents, report.counts), (undisturbed.incidents, undisturbed.counts), "{case}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_held_back_is_dropped_with_the_attempt_that_failed() {
    let world = strict().agent("boss", |job| async move {
        spawn(&job, "first", json!({}), &[])?;
        Err(problem(IncidentClass::Fatal))
    });
    let world = world.agent("hand", |_| async { Ok(json!({})) });
    let report = world.run(HEAD, "  plan: {}").await.unwrap();
    assert_eq!(report.status, RunState::Failed);
    assert_eq!(report.tasks.len(), 1);
    assert!(world.told(&["published", "task-planned"]) == ["task-planned plan"]);
}

#[tokio::test(start_paused = true)]
async fn a_parent_is_told_of_a_child_that_was_given_up_and_the_run_goes_on() {
    let world = strict()
        .agent("hand", |job| async move {
            let is_bad = job.task.attempt.task.as_str().ends_with(".bad");
            if is_bad { Err(problem(IncidentClass::Fatal)) } else { Ok(json!({})) }
        })
        .agent("boss", |job| async move {
            let bad = spawn(&job, "bad", json!({}), &[])?;
            let after = spawn(&job, "after", json!({}), &["bad"])?;
            let all = wait_for(&job, &[bad, after]).await?;
            assert_eq!(all, [ChildStatus::Failed("it went wrong".into()), ChildStatus::Cancelled]);
            let better = spawn(&job, "better", json!({}), &[])?;
            wait_for(&job, &[better]).await?;
            Ok(json!({}))
        });
    let report = world.run(HEAD, "  plan: {}\n  z: { needs: plan, agent: hand }").await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}", report.reason);
    assert_eq!(
        (state(&report, "plan.bad"), state(&report, "plan.better"), state(&report, "z")),
        (TaskState::Failed, TaskState::Completed, TaskState::Completed)
    );
}

#[tokio::test(start_paused = true)]
async fn a_child_that_fails_when_its_parent_is_over_fails_the_run() {
    let world =
        strict().agent("hand", |_| async { Err(problem(IncidentClass::Fatal)) }).agent("boss", |job| async move {
            spawn(&job, "bad", json!({}), &[])?;
            Ok(json!({}))
        });
    let report = world.run(HEAD, "  plan: {}\n  z: { needs: plan, agent: hand }").await.unwrap();
    assert_eq!((report.status, state(&report, "z")), (RunState::Failed, TaskState::Cancelled));
    assert!(report.reason.contains("`plan.bad`"), "{}", report.reason);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_not_wanted_any_more_stops_at_once() {
    let world = strict()
        .agent("hand", |job| async move {
            write(&job, job.task.attempt.task.as_str(), "done");
            tokio::time::sleep(Duration::from_secs(600)).await;
            Ok(json!({}))
        })
        .agent("boss", |job| async move {
            let slow = spawn(&job, "slow", json!({}), &[])?;
            crate::world::wait(&job, Duration::from_secs(60)).await?;
            job.reach.children.cancel(slow.as_str()).unwrap();
            act(&job, "cancels").ok();
            assert_eq!(wait_for(&job, &[slow]).await?, [ChildStatus::Cancelled]);
            Ok(json!({}))
        });
    let report = world.run(HEAD, "  plan: {}").await.unwrap();
    assert_eq!((report.status, state(&report, "plan.slow")), (RunState::Completed, TaskState::Cancelled));
    assert!(report.time < Duration::from_secs(70), "{:?}", report.time);
    assert_eq!(world.files.version(report.version).len(), 1, "what was cancelled is not committed");
}

#[tokio::test(start_paused = true)]
async fn requests_that_make_no_sense_are_refused_in_words() {
    let world = strict().agent("hand", |_| async { Ok(json!({})) }).agent("boss", |job| async move {
        let refused = |name: &str, agent: &str, needs: &[&str]| {
            job.reach.children.spawn(name, crate::world::new_child(agent, json!({}), needs)).unwrap_err().to_string()
        };
        assert!(refused("a b", "hand", &[]).contains("is not a name"));
        assert_eq!(refused("a", "nobody", &[]), "the workflow has no agent `nobody`; it has `boss`, `hand`");
        assert_eq!(refused("a", "hand", &["b"]), "it needs `b`, which was not asked for before");
        assert_eq!(refused("a", "hand", &["b"; 1_001]), "it needs 1001 others, and 1000 are allowed at most");
        assert_eq!(refused("_undo-1", "hand", &[]), "`_undo-1` begins with `_`, as names of the host's own do");
        job.reach.children.spawn("a", crate::world::new_child("hand", json!({}), &[])).unwrap();
        assert_eq!(refused("a", "boss", &[]), "a child `a` was asked for before, and differently");
        for foreign in ["z", "plan", "plan.a.b", "nothing at all", "plan.unknown"] {
            assert!(job.reach.children.status(foreign).is_err(), "{foreign}");
            assert!(job.reach.children.cancel(foreign).is_err(), "{foreign}");
        }
        job.reach.children.cancel("plan.a").unwrap();
        Ok(json!({}))
    });
    let report = world.run(HEAD, "  plan: {}\n  z: {agent: hand}").await.unwrap();
    assert_eq!((report.status, report.tasks.len()), (RunState::Completed, 3), "{}", world.story());
}

/// A boss that asks for six pieces by whoever is able to do them, four at a time, and tells who did them.
fn chooser() -> World {
    let able = |world: World, agent: &'static str| {
        world.agent(agent, move |job| async move {
            act(&job, "works").ok();
            tokio::time::sleep(Duration::from_secs(60)).await;
            write(&job, job.task.attempt.task.as_str(), agent);
            Ok(json!({}))
        })
    };
    let boss = strict().agent("boss", |job| async move {
        let mut children = Vec::new();
        for n in 0..6 {
            let name = format!("c{n}");
            children.push(job.reach.children.spawn(&name, skilled(&["rust", "tests"], &["*"])).unwrap());
            act(&job, "spawn").ok();
        }
        wait_for(&job, &children).await?;
        Ok(json!({}))
    });
    ["one", "two", "half"].into_iter().fold(boss, able)
}

fn skilled(skills: &[&str], granted: &[&str]) -> longhaul_core::children::NewChild {
    let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let worker = longhaul_core::children::Worker::Skilled { skills: own(skills), granted: vec![own(granted)] };
    longhaul_core::children::NewChild { worker, ..crate::world::new_child("", json!({}), &[]) }
}

const ABLE: &str = "agents: { boss: { plugin: boss }, one: { plugin: one, skills: [rust, tests] }, \
                    two: { plugin: two, skills: [tests, docs, rust], max: 1 }, half: { plugin: half, skills: [rust] } }\n\
                    defaults: { agent: boss }\nrecovery: [ s ]\nconcurrency: { max: 4 }";

#[tokio::test(start_paused = true)]
async fn work_goes_to_who_is_able_and_has_least_to_do_also_across_a_crash_anywhere() {
    let by = |world: &World, report: &longhaul_engine::RunReport| {
        let files = world.files.version(report.version);
        (0..6).map(|n| files[&format!("plan.c{n}")].clone()).collect::<Vec<_>>()
    };
    let world = chooser();
    let report = world.run(ABLE, "  plan: {}").await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}\n{}", report.reason, world.story());
    let done = by(&world, &report);
    // The first of two that have as little to do, and the second one does one thing at a time.
    assert_eq!(done[..4], ["one", "two", "one", "one"], "{}", world.story());
    cut_anywhere(chooser, ABLE, "  plan: {}", |world, report, case| {
        assert_eq!(report.status, RunState::Completed, "{case}: {}\n{}", report.reason, world.story());
        assert!(by(world, report).iter().all(|agent| agent != "half"), "{case}");
        assert_eq!(attempts(world).values().filter(|tries| **tries > 1).count(), 0, "{case}\n{}", world.story());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn skills_that_nobody_has_or_nobody_granted_has_are_refused_in_words() {
    let world = strict().agent("one", |_| async { Ok(json!({})) }).agent("two", |_| async { Ok(json!({})) });
    let world = world.agent("half", |_| async { Ok(json!({})) }).agent("boss", |job| async move {
        let refused = |skills: &[&str], granted: &[&str]| {
            job.reach.children.spawn("a", skilled(skills, granted)).unwrap_err().to_string()
        };
        let nobody = refused(&["cobol"], &["one", "boss"]);
        assert_eq!(
            nobody,
            "no agent that is granted has all of the skills `cobol`: `boss` has none, `one` has rust, tests"
        );
        assert!(refused(&["docs"], &["one"]).contains("`docs`"));
        Ok(json!({}))
    });
    let report = world.run(ABLE, "  plan: {}").await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}", world.story());
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_asks_without_end_is_refused() {
    let world = strict().agent("hand", |_| async { Ok(json!({})) }).agent("boss", |job| async move {
        let big = json!({ "text": "x".repeat(1 << 20) });
        let ask =
            |n: usize, input| job.reach.children.spawn(&format!("c{n}"), crate::world::new_child("hand", input, &[]));
        let mut asked = 0;
        let error = loop {
            match ask(asked, big.clone()) {
                Ok(_) => asked += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((asked, error), (63, ChildError::TooMuch));
        // What is published counts as well.
        job.reach.children.publish().await.unwrap();
        assert_eq!(ask(asked, big), Err(ChildError::TooMuch));
        while ask(asked, json!({})).is_ok() {
            asked += 1;
        }
        assert_eq!((asked, ask(asked, json!({}))), (MAX_CHILDREN, Err(ChildError::TooMany)));
        Ok(json!({}))
    });
    let report = world.run(HEAD, "  plan: {}").await.unwrap();
    assert_eq!((report.status, report.tasks.len()), (RunState::Completed, MAX_CHILDREN + 1));
}

#[tokio::test(start_paused = true)]
async fn ten_children_hold_no_more_slots_than_there_are() {
    let most = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (now, seen) = (std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)), most.clone());
    let world = strict()
        .agent("hand", move |_| {
            use std::sync::atomic::Ordering::SeqCst;
            seen.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            let now = now.clone();
            async move {
                tokio::time::sleep(Duration::from_secs(60)).await;
                now.fetch_sub(1, SeqCst);
                Ok(json!({}))
            }
        })
        .agent("boss", |job| async move {
            let mut children = Vec::new();
            for n in 0..10 {
                children.push(spawn(&job, &format!("c{n}"), json!({}), &[])?);
            }
            wait_for(&job, &children).await?;
            Ok(json!({}))
        });
    let report = world.run(HEAD, "  plan: {}").await.unwrap();
    assert_eq!(report.status, RunState::Completed);
    // The parent waits and holds none.
    assert_eq!(most.load(std::sync::atomic::Ordering::SeqCst), 2);
    assert!(report.time < Duration::from_secs(5 * 60 + 10), "{:?}", report.time);
}

/// A boss that changes its mind about children that are not there yet, and about one that has ended by then.
fn fickle() -> World {
    strict()
        .agent("hand", |job| async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            write(&job, job.task.attempt.task.as_str(), "done");
            Ok(json!({}))
        })
        .agent("boss", |job| async move {
            let quick = spawn(&job, "quick", json!({}), &[])?;
            let gone = spawn(&job, "gone", json!({}), &[])?;
            let after = spawn(&job, "after", json!({}), &["gone"])?;
            let behind = spawn(&job, "behind", json!({}), &["after"])?;
            job.reach.children.cancel(gone.as_str()).unwrap();
            act(&job, "cancels").ok();
            let all = wait_for(&job, &[gone, after, behind]).await?;
            assert_eq!(all, [ChildStatus::Cancelled, ChildStatus::Cancelled, ChildStatus::Cancelled]);
            // It ends at the very moment at which it is not wanted any more.
            crate::world::wait(&job, Duration::from_secs(60)).await?;
            job.reach.children.cancel(quick.as_str()).unwrap();
            act(&job, "cancels").ok();
            wait_for(&job, &[quick]).await?;
            Ok(json!({}))
        })
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_agent_changes_its_mind_and_that_is_cut_off_anywhere_comes_to_an_end() {
    cut_anywhere(fickle, HEAD, "  plan: {}\n  z: { needs: plan, agent: hand }", |world, report, case| {
        assert_eq!(report.status, RunState::Completed, "{case}: {}\n{}", report.reason, world.story());
        let states = ["plan.gone", "plan.after", "plan.behind"].map(|task| state(report, task));
        assert_eq!(states, [TaskState::Cancelled; 3], "{case}");
        assert!(state(report, "plan.quick").is_final(), "{case}");
    })
    .await;
}
