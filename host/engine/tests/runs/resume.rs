//! A run that is cut off anywhere, any number of times, comes to the end that it would have come to.

use crate::world::{FUEL, World, act, problem, read, row, state, wait, write};
use longhaul_core::attempt::RecordError;
use longhaul_core::entry::{Budget, Entry};
use longhaul_core::incident::{Decision, IncidentClass};
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::Fuel;
use longhaul_engine::{EngineError, ResumeOptions, RunReport};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const HEAD: &str = "agents: { a: { plugin: a }, judge: { plugin: judge } }\ndefaults: { agent: a }\n\
                    recovery: [ unsure, s ]\nconcurrency: { max: 2 }\ndone_when: \"${{ tasks.z.all == 6 }}\"";
const TASKS: &str = "  x: {}\n  y: { for_each: [1, 2, 3], with: { n: \"${{ item }}\" } }\n  \
                     z: { needs: [x, y], with: { all: \"${{ tasks.y.items }}\" } }\n  \
                     w: { needs: x, if: \"${{ tasks.x.n == 7 }}\" }";

/// Every task fails once, is tried again after a second (those of `y` under the eyes of a judge), renews itself once, and
/// makes several host calls in between.
fn world() -> World {
    World::new()
        .strategy("unsure", |_| Ok(None))
        .strategy("s", |situation| {
            Ok(Some(match situation.incident.attempt.task.name() {
                "y" => Decision::Rollback { to: situation.checkpoints.first().cloned(), validate: Some("judge".parse().unwrap()) },
                _ => Decision::Retry { after: Duration::from_secs(1) },
            }))
        })
        .agent("judge", |job| async move {
            act(&job, "looks").ok();
            Ok(json!({}))
        })
        .agent("a", |job| async move {
            let (task, number) = (job.task.attempt.task.to_string(), job.task.attempt.number);
            write(&job, &task, &format!("{} by {number}", read(&job, &task).unwrap_or_default()));
            tokio::time::sleep(Duration::from_millis(10)).await;
            act(&job, "thinks").ok();
            tokio::time::sleep(Duration::from_millis(10)).await;
            act(&job, "acts").ok();
            match (number, &job.task.state) {
                (1, _) => Err(problem(IncidentClass::Transient)),
                (_, None) => Ok(json!({ "continue": { "half": task } })),
                (_, Some(_)) => Ok(match job.task.attempt.task.name() {
                    "z" => json!({ "all": job.task.input["all"].as_array().unwrap().iter().map(|one| one["n"].as_u64().unwrap()).sum::<u64>() }),
                    _ => json!({ "n": job.task.input["n"] }),
                }),
            }
        })
}

/// What must be the same, however often the run was cut off.
fn outcome(world: &World, report: &RunReport) -> (RunState, BTreeMap<String, String>, Vec<String>) {
    let tasks = report.tasks.iter().map(|row| format!("{} {} {:?}", row.task, row.state, row.problem));
    (report.status, world.files.version(report.version), tasks.collect())
}

/// No completed step is in the record twice: each attempt began once, ended once and was committed once at most.
fn nothing_twice(world: &World) {
    let mut seen = std::collections::BTreeSet::new();
    for record in world.journal.records() {
        let kind = match &record.entry {
            Entry::AttemptStarted { .. } => "started",
            Entry::AttemptEnded { .. } => "ended",
            Entry::Committed { .. } => "committed",
            Entry::IncidentRaised { .. } => "incident",
            _ => continue,
        };
        let line = format!("{kind} {}#{}", record.task.unwrap(), record.attempt.unwrap());
        assert!(seen.insert(line.clone()), "{line} is there twice:\n{}", world.story());
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_cut_off_anywhere_comes_to_the_same_end() {
    let whole = world();
    let undisturbed = whole.run(HEAD, TASKS).await.unwrap();
    assert_eq!(undisturbed.status, RunState::Completed);
    let expected = outcome(&whole, &undisturbed);
    let length = whole.journal.records().len();
    assert!(length > 150, "{length}");
    for room in 1..length {
        // The tail that was not durable is lost, or got to the disk all the same.
        for keep_tail in [false, true] {
            let world = world();
            world.journal.limit(room);
            world.run(HEAD, TASKS).await.unwrap_err();
            let kept = if keep_tail { room } else { world.journal.durable().max(1) };
            world.journal.reopen(kept);
            let report = world.resume(HEAD, TASKS).await.unwrap_or_else(|e| panic!("{room} {keep_tail}: {e:?}"));
            assert_eq!(outcome(&world, &report), expected, "{room} {keep_tail}");
            nothing_twice(&world);
            assert_eq!(
                (report.incidents, report.fuel),
                (undisturbed.incidents, undisturbed.fuel),
                "{room} {keep_tail}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_cut_off_again_and_again_comes_to_the_same_end() {
    let whole = world();
    let undisturbed = whole.run(HEAD, TASKS).await.unwrap();
    let expected = outcome(&whole, &undisturbed);
    for step in [3, 7, 19] {
        let world = world();
        world.journal.limit(step);
        let mut ended = world.run(HEAD, TASKS).await;
        let mut lives = 1;
        while ended.is_err() {
            let found = world.journal.records().len();
            world.journal.reopen(found);
            world.journal.limit(found + step);
            ended = world.resume(HEAD, TASKS).await;
            lives += 1;
            assert!(lives < 500, "it gets nowhere:\n{}", world.story());
        }
        assert!(lives > 5, "{lives}");
        assert_eq!(outcome(&world, &ended.unwrap()), expected, "{step}");
        nothing_twice(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_run_goes_on_in_the_middle_of_its_tasks() {
    let whole = world();
    let expected = outcome(&whole, &whole.run(HEAD, TASKS).await.unwrap());
    for moment in (5..1_500).step_by(35) {
        let world = world();
        let control = world.options.control.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(moment)).await;
            control.pause();
        });
        let paused = world.run(HEAD, TASKS).await.unwrap();
        if paused.status == RunState::Completed {
            continue;
        }
        assert_eq!(paused.status, RunState::Paused, "{moment}");
        // Days later.
        tokio::time::sleep(Duration::from_secs(3 * 86_400)).await;
        let report = world.resume(HEAD, TASKS).await.unwrap();
        assert_eq!(outcome(&world, &report), expected, "{moment}");
        nothing_twice(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_does_something_else_is_an_incident_and_is_not_built_on() {
    let lives = Arc::new(AtomicU32::new(0));
    let seen = lives.clone();
    let world = World::new().agent("a", move |job| {
        let life = seen.fetch_add(1, Ordering::Relaxed);
        async move {
            act(&job, "begins").unwrap();
            match act(&job, if life == 0 { "reads" } else { "writes" }) {
                Err(RecordError::Diverged(divergence)) => return Err(divergence.into()),
                other => other.unwrap(),
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
            write(&job, "x", "done");
            Ok(json!({}))
        }
    });
    const AGENT: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a }";
    let control = world.options.control.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(30)).await;
        control.pause();
    });
    assert_eq!(world.run(AGENT, "  x: {}").await.unwrap().status, RunState::Paused);
    let report = world.resume(AGENT, "  x: {}").await.unwrap();
    assert_eq!(report.status, RunState::Failed);
    let found = row(&report, "x").problem.clone().unwrap();
    assert_eq!(found.class, IncidentClass::Diverged);
    assert!(found.message.contains("reads") && found.message.contains("writes"), "{}", found.message);
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_was_used_up_can_be_raised() {
    const AGENT: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a }\nconcurrency: { max: 1 }";
    const CHAIN: &str = "  x: {}\n  y: { needs: x }\n  z: { needs: y }";
    let world = World::new().writer("a");
    let head = format!("{AGENT}\nbudget: {{ fuel: {} }}", FUEL * 2);
    let stopped = world.run(&head, CHAIN).await.unwrap();
    assert_eq!((stopped.status, state(&stopped, "z")), (RunState::Exhausted, TaskState::Pending));
    let again = world.resume(&head, CHAIN).await.unwrap();
    assert_eq!(again.status, RunState::Exhausted, "nothing was raised");
    let budget = Some(Budget { fuel: Some(Fuel(FUEL * 3)), ..Budget::default() });
    let report = world.resume_with(&head, CHAIN, ResumeOptions { budget, ..ResumeOptions::default() }).await.unwrap();
    assert_eq!((report.status, report.fuel), (RunState::Completed, Fuel(FUEL * 3)));
}

#[tokio::test(start_paused = true)]
async fn an_escalated_task_is_tried_again_when_a_person_resumes_the_run() {
    let lives = Arc::new(AtomicU32::new(0));
    let seen = lives.clone();
    let world = World::new().strategy("s", |_| Ok(Some(Decision::Escalate { reason: "look at it".into() }))).agent(
        "a",
        move |job| {
            let life = seen.fetch_add(1, Ordering::Relaxed);
            async move {
                write(&job, job.task.attempt.task.as_str(), "done");
                if life == 0 { Err(problem(IncidentClass::Fatal)) } else { Ok(json!({})) }
            }
        },
    );
    const AGENT: &str =
        "agents: { a: { plugin: a } }\ndefaults: { agent: a }\nrecovery: [ s ]\nconcurrency: { max: 1 }";
    const EACH: &str = "  x: { for_each: [1, 2] }\n  y: { needs: x }";
    let stopped = world.run(AGENT, EACH).await.unwrap();
    assert_eq!((stopped.status, state(&stopped, "x[0]")), (RunState::Escalated, TaskState::Escalated));
    let report = world.resume(AGENT, EACH).await.unwrap();
    assert_eq!(report.status, RunState::Completed);
    let files: Vec<_> = world.files.version(report.version).into_keys().collect();
    assert_eq!(files, ["seed", "x[0]", "x[1]", "y"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_over_does_not_go_on() {
    const AGENT: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a }";
    let world = World::new().writer("a");
    world.run(AGENT, "  x: {}").await.unwrap();
    let error = world.resume(AGENT, "  x: {}").await.unwrap_err();
    assert!(matches!(error, EngineError::Over { state: RunState::Completed, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_element_that_escalated_is_tried_again_with_what_it_was_given() {
    const AGENT: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a }\nrecovery: [ s ]";
    const EACH: &str = "  x: { for_each: [7, 8], with: { n: \"${{ item }}\" } }";
    let mended = Arc::new(AtomicU32::new(0));
    let is_mended = mended.clone();
    let world = World::new()
        .strategy("s", |_| Ok(Some(Decision::Escalate { reason: "look".into() })))
        .agent("a", move |job| {
            let fails = is_mended.load(Ordering::Relaxed) == 0 && job.task.input["n"] == 8;
            async move { if fails { Err(problem(IncidentClass::Trap)) } else { Ok(json!({ "n": job.task.input["n"] })) } }
        });
    let head = format!("{AGENT}\ndone_when: \"${{{{ tasks.x.items == [{{'n': 7}}, {{'n': 8}}] }}}}\"");
    assert_eq!(world.run(&head, EACH).await.unwrap().status, RunState::Escalated);
    mended.store(1, Ordering::Relaxed);
    let report = world.resume(&head, EACH).await.unwrap();
    assert_eq!((report.status, report.reason.as_str()), (RunState::Completed, ""));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_back_neither_turns_the_record_back_nor_holds_the_run_up() {
    const AGENT: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a, timeout: 9h }\nbudget: { wall_time: 3h }";
    let world = World::new().agent("a", |job| async move {
        // It acts and does nothing else for two hours, so that all that the record has of it are actions.
        for _ in 0..120 {
            if job.recorder.replayed().is_none() {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
            act(&job, "works").map_err(|_| problem(IncidentClass::Fatal))?;
        }
        wait(&job, Duration::from_secs(5 * 3600)).await.map(|()| json!({}))
    });
    // The run is cut off after an hour, and the clock is set back by two.
    world.journal.limit(69);
    world.run(AGENT, "  x: {}").await.unwrap_err();
    world.journal.reopen(69);
    *world.set_back.lock().unwrap() = Duration::from_secs(2 * 3600);
    let cut = world.journal.records().last().unwrap().at;
    let report = world.resume(AGENT, "  x: {}").await.unwrap();
    // Of the three hours one is used up before the cut, although nothing but actions was recorded meanwhile.
    assert_eq!(report.status, RunState::Exhausted);
    let spent = world.journal.records().last().unwrap().at.since(cut);
    assert!(spent.abs_diff(Duration::from_secs(2 * 3600)) < Duration::from_secs(120), "{spent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumped_ahead_while_the_run_was_down_costs_it_nothing() {
    const AGENT: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a, timeout: 9h }\nbudget: { wall_time: 3h }";
    let world = || {
        World::new().agent("a", |job| async move {
            act(&job, "works").map_err(|_| problem(IncidentClass::Fatal))?;
            wait(&job, Duration::from_secs(3600)).await?;
            act(&job, "works on").map_err(|_| problem(IncidentClass::Fatal))?;
            write(&job, "x", "done");
            Ok(json!({}))
        })
    };
    let whole = world();
    let expected = whole.run(AGENT, "  x: {}").await.unwrap();
    for room in 1..whole.journal.records().len() {
        let cut = world();
        cut.journal.limit(room);
        cut.run(AGENT, "  x: {}").await.unwrap_err();
        cut.journal.reopen(room);
        // Ten years.
        tokio::time::advance(Duration::from_secs(315_360_000)).await;
        let report = cut.resume(AGENT, "  x: {}").await.unwrap();
        assert_eq!((report.status, report.version), (RunState::Completed, expected.version), "{room}\n{}", cut.story());
    }
}
