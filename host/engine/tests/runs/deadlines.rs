//! Attempts that do nothing any more, and tasks that are not done in time.

use crate::world::{World, act, problem, row, spawn, state, wait, write};
use longhaul_core::attempt::Job;
use longhaul_core::entry::Entry;
use longhaul_core::incident::{Decision, IncidentClass, Problem};
use longhaul_core::state::{RunState, TaskState};
use longhaul_engine::RunReport;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const AGENT: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a, timeout: 9h }\nconcurrency: { max: 2 }";
/// One strategy that always wants another try, and one that tells a person.
const STRICT: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a, timeout: 9h, limits: { stall: 9h } }\n\
                      concurrency: { max: 2 }\nrecovery: [ s, e ]";

fn strict(world: World) -> World {
    world
        .strategy("s", |_| Ok(Some(Decision::Retry { after: MINUTE })))
        .strategy("e", |situation| Ok(Some(Decision::Escalate { reason: situation.incident.problem.message.clone() })))
}

/// An agent that leaves a file, and is done after as many minutes as its task is told.
fn worker() -> World {
    strict(World::new()).agent("a", |job| async move {
        write(&job, job.task.attempt.task.as_str(), "done");
        tokio::time::sleep(MINUTE * job.task.input["minutes"].as_u64().unwrap_or(1) as u32).await;
        act(&job, "ends").ok();
        Ok(json!({}))
    })
}

fn limit(report: &RunReport, task: &str) -> (IncidentClass, Value) {
    let problem = row(report, task).problem.clone().unwrap();
    (problem.class, problem.evidence["limit"].clone())
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_does_nothing_any_more_is_ended_and_says_since_when() {
    let world = World::new().agent("a", |job| async move {
        tokio::time::sleep(MINUTE).await;
        act(&job, "begins").ok();
        tokio::time::sleep(60 * MINUTE).await;
        act(&job, "ends").ok();
        Ok(json!({}))
    });
    let report = world.run(AGENT, "  x: {}").await.unwrap();
    assert_eq!(limit(&report, "x"), (IncidentClass::Timeout, "stall".into()));
    let problem = row(&report, "x").problem.clone().unwrap();
    let began = world.journal.records()[0].at.0;
    assert_eq!((&problem.evidence["last_at"], &problem.evidence["recorded"]), (&json!(began + 60_000), &json!(1)));
    assert!(problem.message.contains("limits.stall"), "{}", problem.message);
    // Ten minutes, and half a minute for a host call that might have been under way.
    assert!((11..=13).contains(&(report.time.as_secs() / 60)), "{:?}", report.time);
    // What it used until then is counted.
    assert_eq!(row(&report, "x").fuel.0, crate::world::FUEL);
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_signs_of_life_does_not_stall() {
    let world = World::new().agent("a", |job| async move {
        for round in 0..40 {
            tokio::time::sleep(9 * MINUTE).await;
            // Some steps become part of an action that is recorded later.
            if round % 2 == 0 { job.recorder.alive() } else { act(&job, "works").unwrap() }
        }
        Ok(json!({}))
    });
    let report = world.run(AGENT, "  x: {}").await.unwrap();
    assert_eq!((report.status, report.time), (RunState::Completed, 360 * MINUTE));
    // Where the task says less, that holds.
    let report = World::new()
        .agent("a", |_| async {
            tokio::time::sleep(3 * MINUTE).await;
            Ok(json!({}))
        })
        .run(AGENT, "  x: { limits: { stall: 1m, call_time: 1s } }")
        .await
        .unwrap();
    assert_eq!(limit(&report, "x").1, json!("stall"));
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_does_not_heed_its_recall_is_dropped() {
    // The fake ends its agent by itself; this one hangs in a way that only dropping ends.
    let world = World::new().agent("a", |job| async move {
        let _job = job;
        std::future::pending().await
    });
    let report = world.run(AGENT, "  x: {}").await.unwrap();
    assert_eq!(limit(&report, "x").1, json!("stall"));
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_at_its_deadline_ends_and_is_not_tried_again() {
    let world = worker();
    let report = world
        .run(STRICT, "  x: { deadline: 1h, with: { minutes: 90 } }\n  y: { with: { minutes: 90 } }")
        .await
        .unwrap();
    assert_eq!((report.status, report.time), (RunState::Escalated, 90 * MINUTE), "{}", report.reason);
    assert_eq!([state(&report, "x"), state(&report, "y")], [TaskState::Escalated, TaskState::Completed]);
    assert_eq!(limit(&report, "x"), (IncidentClass::Timeout, "deadline".into()));
    let decisions = world.decisions();
    assert!(
        matches!(&decisions[0], (s, Some(Decision::Retry { .. }), Some(error)) if s == "s" && error.contains("deadline of 1h00m")),
        "{decisions:?}"
    );
    assert!(matches!(&decisions[1], (e, Some(Decision::Escalate { .. }), None) if e == "e"), "{decisions:?}");
    assert!(!world.files.version(report.version).contains_key("x"));
}

#[tokio::test(start_paused = true)]
async fn what_has_not_begun_by_its_deadline_fails_without_an_attempt() {
    let world = worker();
    let tasks = "  x: { with: { minutes: 90 } }\n  y: { needs: x, deadline: 1h }\n  z: { needs: y }";
    let report = world.run(STRICT, tasks).await.unwrap();
    let states = ["x", "y", "z"].map(|task| state(&report, task));
    assert_eq!(states, [TaskState::Completed, TaskState::Escalated, TaskState::Pending]);
    assert_eq!((row(&report, "y").attempts, limit(&report, "y").1), (0, json!("deadline")));
    let raised = world.journal.records().into_iter().find(|r| matches!(r.entry, Entry::IncidentRaised { .. })).unwrap();
    let began = world.journal.records()[0].at;
    assert_eq!(raised.at.since(began), 60 * MINUTE, "at once, and not when its turn comes");
}

#[tokio::test(start_paused = true)]
async fn elements_and_what_waits_for_another_try_fail_at_the_deadline_too() {
    let world = worker();
    let report =
        world.run(STRICT, "  x: { for_each: [1, 2, 3, 4, 5], deadline: 1h, with: { minutes: 25 } }").await.unwrap();
    let states: Vec<_> = report.tasks.iter().skip(1).map(|row| row.state).collect();
    use TaskState::{Completed, Escalated};
    assert_eq!(states[..4], [Completed; 4], "four of them fit into the hour");
    assert_eq!((states[4], limit(&report, "x[4]").1), (Escalated, json!("deadline")));

    let world = World::new()
        .strategy("s", |_| Ok(Some(Decision::Retry { after: 600 * MINUTE })))
        .strategy("e", |_| Ok(Some(Decision::Escalate { reason: "look".into() })))
        .agent("a", |_| async { Err(problem(IncidentClass::Transient)) });
    let report = world.run(STRICT, "  x: { deadline: 1h }").await.unwrap();
    assert_eq!((report.status, report.time), (RunState::Escalated, 60 * MINUTE));
    assert_eq!((report.incidents, limit(&report, "x").1), (2, json!("deadline")));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_pause_does_not_count() {
    let world = worker();
    let control = world.options.control.clone();
    tokio::spawn(async move {
        tokio::time::sleep(30 * MINUTE).await;
        control.pause();
    });
    let tasks = "  x: { deadline: 1h, with: { minutes: 50 } }\n  y: { needs: x, deadline: 1h }";
    assert_eq!(world.run(STRICT, tasks).await.unwrap().status, RunState::Paused);
    tokio::time::sleep(Duration::from_secs(3 * 86_400)).await;
    let report = world.resume(STRICT, tasks).await.unwrap();
    // The attempt is done again from its beginning here, which a real one is not: at 80 minutes it would be done.
    assert_eq!(limit(&report, "x").1, json!("deadline"));
    let raised = world.journal.records().into_iter().find(|r| matches!(r.entry, Entry::IncidentRaised { .. })).unwrap();
    let resumed = world.journal.records().into_iter().find(|r| matches!(r.entry, Entry::RunResumed { .. })).unwrap();
    assert_eq!(raised.at.since(resumed.at), 30 * MINUTE);
}

#[tokio::test(start_paused = true)]
async fn whom_a_person_lets_go_on_has_no_deadline_any_more() {
    let world = worker();
    let tasks = "  x: { deadline: 1h, with: { minutes: 90 } }";
    assert_eq!(world.run(STRICT, tasks).await.unwrap().status, RunState::Escalated);
    let control = longhaul_engine::RunControl::default();
    let pausing = control.clone();
    tokio::spawn(async move {
        tokio::time::sleep(10 * MINUTE).await;
        pausing.pause();
    });
    let options = longhaul_engine::ResumeOptions { control, ..Default::default() };
    assert_eq!(world.resume_with(STRICT, tasks, options).await.unwrap().status, RunState::Paused);
    // Also in the process after the next.
    let report = world.resume(STRICT, tasks).await.unwrap();
    assert_eq!((report.status, state(&report, "x")), (RunState::Completed, TaskState::Completed));
}

/// A run up to where a person has to see to it, and how long its record is then.
async fn escalated(world: World, head: &str, tasks: &str) -> (World, usize) {
    assert_eq!(world.run(head, tasks).await.unwrap().status, RunState::Escalated, "{}", world.story());
    let length = world.journal.records().len();
    (world, length)
}

#[tokio::test(start_paused = true)]
async fn a_person_who_lets_one_element_go_on_lets_all_go_on() {
    let head = format!("{STRICT}\nbudget: {{ wall_time: 99h }}");
    let tasks = "  x: { for_each: [1, 2, 3, 4, 5, 6, 7, 8, 9], deadline: 1h, with: { minutes: 25 } }\n  \
                 y: { deadline: 2h, with: { minutes: 300 } }";
    let (world, begun) = escalated(worker(), &head, tasks).await;
    // What another task has to keep to stays: of that nobody has said anything.
    let report = world.resume(&head, tasks).await.unwrap();
    assert_eq!((report.status, limit(&report, "y").1), (RunState::Escalated, json!("deadline")), "{}", world.story());
    let report = world.resume(&head, tasks).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}", report.reason);
    let incidents = report.incidents;
    let length = world.journal.records().len();
    for room in begun..length {
        let (world, _) = escalated(worker(), &head, tasks).await;
        world.journal.limit(room);
        if world.resume(&head, tasks).await.is_ok() {
            world.resume(&head, tasks).await.unwrap_err();
        }
        world.journal.reopen(room);
        let mut report = world.resume(&head, tasks).await.unwrap();
        if report.status == RunState::Escalated {
            assert_eq!(limit(&report, "y").1, json!("deadline"), "{room}");
            report = world.resume(&head, tasks).await.unwrap();
        }
        assert_eq!((report.status, report.incidents), (RunState::Completed, incidents), "{room}\n{}", world.story());
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_excused_task_asks_for_has_no_deadline_either() {
    let head = STRICT.replace("{ plugin: a } }", "{ plugin: a }, hand: { plugin: hand } }");
    let world = strict(World::new())
        .agent("a", |job| async move {
            if job.task.attempt.number == 1 {
                tokio::time::sleep(10 * MINUTE).await;
                return Err(problem(IncidentClass::Fatal));
            }
            spawn(&job, "late", json!({}), &[])?;
            Ok(json!({}))
        })
        .agent("hand", |job| async move {
            tokio::time::sleep(90 * MINUTE).await;
            act(&job, "ends").ok();
            Ok(json!({}))
        })
        .strategy("s", |_| Ok(None));
    let tasks = "  x: { deadline: 1h }";
    let (world, _) = escalated(world, &head, tasks).await;
    let report = world.resume(&head, tasks).await.unwrap();
    assert_eq!(
        (report.status, state(&report, "x.late")),
        (RunState::Completed, TaskState::Completed),
        "{}",
        report.reason
    );
}

#[tokio::test(start_paused = true)]
async fn what_repairs_a_task_that_was_late_has_no_deadline() {
    let head = STRICT
        .replace("{ plugin: a } }", "{ plugin: a }, undo: { plugin: undo }, plan: { plugin: plan } }")
        .replace("[ s, e ]", "[ s ]");
    let helper = |world: World, agent: &str| {
        world.agent(agent, |job| async move {
            act(&job, "begins").ok();
            wait(&job, 20 * MINUTE).await?;
            tokio::time::sleep(20 * MINUTE).await;
            Ok(json!({ "found": [1, 2] }))
        })
    };
    let world = ["undo", "plan"].into_iter().fold(worker(), helper).strategy("s", |situation| {
        let is_undone = situation.history.last().is_some_and(|past| past.decision == Decision::Compensate);
        Ok(Some(match situation.incident.attempt.task.as_str() {
            "x" if is_undone => Decision::Skip { reason: "too late".into() },
            "x" => Decision::Compensate,
            _ => Decision::Split,
        }))
    });
    let tasks = "  x: { deadline: 1h, with: { minutes: 90 }, compensate: { agent: undo } }\n  \
                 y: { deadline: 1h, with: { minutes: 90 }, split: { agent: plan, pieces: found, as: minutes } }";
    let report = world.run(&head, tasks).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}", report.reason);
    assert_eq!([state(&report, "x"), state(&report, "y")], [TaskState::Skipped, TaskState::Completed]);
    assert_eq!((row(&report, "x._undo-1").attempts, row(&report, "y._part-1-1").attempts), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_takes_longer_than_the_attempt_did_does_not_stall() {
    let lives = Arc::new(AtomicU32::new(0));
    let world = World::new().agent("a", move |job| {
        let is_slow = lives.fetch_add(1, Ordering::Relaxed) > 0;
        async move {
            act(&job, "begins").ok();
            tokio::time::sleep(if is_slow { 40 * MINUTE } else { MINUTE }).await;
            act(&job, "goes on").map_err(|_| problem(IncidentClass::Fatal))?;
            // From here on it is live, and silent for less than it may be.
            tokio::time::sleep(9 * MINUTE).await;
            act(&job, "ends").ok();
            Ok(json!({}))
        }
    });
    let control = world.options.control.clone();
    tokio::spawn(async move {
        tokio::time::sleep(5 * MINUTE).await;
        control.pause();
    });
    assert_eq!(world.run(AGENT, "  x: {}").await.unwrap().status, RunState::Paused);
    let report = world.resume(AGENT, "  x: {}").await.unwrap();
    assert_eq!((report.status, report.incidents), (RunState::Completed, 0), "{}", world.story());
}

/// Side by side: one that is in time, one that is under way at its deadline, one that is suspended then, one that waits for
/// another try, and elements of which some have not begun.
fn all_kinds() -> World {
    async fn work(job: &Job) -> Result<(), Problem> {
        let task = job.task.attempt.task.to_string();
        write(job, &task, "begun");
        match job.task.attempt.task.name() {
            "sleeps" => wait(job, 600 * MINUTE).await?,
            "fails" => return Err(problem(IncidentClass::Transient)),
            "late" => tokio::time::sleep(600 * MINUTE).await,
            _ => tokio::time::sleep(7 * MINUTE).await,
        }
        act(job, "ends").ok();
        Ok(())
    }
    World::new()
        .strategy("s", |situation| {
            Ok(Some(match situation.incident.problem.class {
                IncidentClass::Timeout => Decision::Retry { after: MINUTE },
                _ => Decision::Retry { after: 600 * MINUTE },
            }))
        })
        .strategy("e", |_| Ok(Some(Decision::Skip { reason: "too late".into() })))
        .agent("a", |job| async move {
            work(&job).await?;
            Ok(json!({}))
        })
}

const KINDS: &str = "  early: {}\n  late: { deadline: 20m }\n  sleeps: { deadline: 20m }\n  fails: { deadline: 20m }\n  \
                     each: { for_each: [1, 2, 3, 4, 5], deadline: 20m }\n  after: { needs: [late, each] }";

/// How each task ended and why, the files, and how many attempts failed.
fn outcome(world: &World, report: &RunReport) -> (RunState, BTreeMap<String, String>, Vec<String>) {
    let why = |row: &longhaul_engine::TaskRow| row.problem.as_ref().map(|problem| problem.message.clone());
    let rows = report.tasks.iter().map(|row| format!("{} {} {:?}", row.task, row.state, why(row)));
    (report.status, world.files.version(report.version), rows.collect())
}

#[tokio::test(start_paused = true)]
async fn deadlines_are_kept_wherever_the_run_is_cut_off() {
    let whole = all_kinds();
    let undisturbed = whole.run(STRICT, KINDS).await.unwrap();
    assert_eq!(undisturbed.status, RunState::Completed, "{}", undisturbed.reason);
    let (_, files, rows) = outcome(&whole, &undisturbed);
    assert_eq!(rows.iter().filter(|row| row.contains("skipped")).count(), 6, "{rows:#?}");
    let length = whole.journal.records().len();
    for room in 1..length {
        let world = all_kinds();
        world.journal.limit(room);
        world.run(STRICT, KINDS).await.unwrap_err();
        world.journal.reopen(room);
        let report =
            world.resume(STRICT, KINDS).await.unwrap_or_else(|error| panic!("{room}: {error:?}\n{}", world.story()));
        // Its attempts begin anew here, so what had little time left may be late: what counts is that nothing is left open,
        // that nobody is done after the deadline, and that nothing is told twice.
        assert_eq!(report.status, RunState::Completed, "{room}: {}", report.reason);
        assert!(world.files.version(report.version).keys().all(|path| files.contains_key(path)), "{room}");
        let mut ended = std::collections::BTreeSet::new();
        for record in world.journal.records() {
            if let Entry::IncidentRaised { incident } = &record.entry {
                assert!(
                    ended.insert(incident.attempt.clone()),
                    "{room}: {} twice\n{}",
                    incident.attempt,
                    world.story()
                );
            }
        }
    }
}
