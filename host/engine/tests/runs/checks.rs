//! Commands that judge, and commands of agents: what they leave is there for every replay, and gone afterwards.

use crate::commands::FakeCommands;
use crate::world::{World, cut_anywhere, problem, read, row, state, wait, write};
use longhaul_core::attempt::Job;
use longhaul_core::commands::{Command, CommandLimits, NotFollowed, Ran, Site, run_in};
use longhaul_core::effect::{Answered, Call, CallKind, KeyScope, perform};
use longhaul_core::entry::Entry;
use longhaul_core::grant::Capability;
use longhaul_core::incident::{Decision, IncidentClass, Problem};
use longhaul_core::path::StagePath;
use longhaul_core::state::{RunState, TaskState};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const HEAD: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a, limits: { stall: 9h } }\nrecovery: [ s ]\n\
                    checks: { tests: { run: [test, all], timeout: 1m } }\n\
                    checkpoints: { every: 1s, keep: 1 }";

/// A world whose commands accept the files where `x` is good, and put their mark there.
fn commands(world: World) -> (World, FakeCommands) {
    let commands = FakeCommands::new(&world.files, |argv, tree| {
        match argv[0].as_str() {
            "make" => {
                let made = format!("{}{}", tree.get("made").cloned().unwrap_or_default(), argv[1]);
                tree.insert("made".to_owned(), made);
            }
            _ => drop(tree.insert("left".to_owned(), "behind".to_owned())),
        }
        i32::from(argv[0] == "test" && tree.get("x").is_none_or(|x| x != "good"))
    });
    (world.with_commands(&commands), commands)
}

/// The agent's first work is refused for another reason, its second by the check, its third is good.
fn judged() -> (World, FakeCommands) {
    let world = World::new()
        .agent("a", |job| async move {
            let number = job.task.attempt.number;
            if number == 1 {
                return Err(problem(IncidentClass::Validation));
            }
            write(&job, "x", if number > 3 { "good" } else { "bad" });
            Ok(json!({ "by": number }))
        })
        .strategy("s", |situation| match situation.history.len() {
            0..=3 => Ok(Some(Decision::Rollback { to: None, validate: Some("tests".parse().unwrap()) })),
            _ => Ok(None),
        });
    commands(world)
}

#[tokio::test(start_paused = true)]
async fn work_is_committed_only_when_the_check_accepts_it() {
    let (world, commands) = judged();
    let report = world.run(HEAD, "  t: {}").await.unwrap();
    assert_eq!(report.status, RunState::Completed);
    assert_eq!(*commands.ran.lock().unwrap(), ["test all", "test all"]);
    let folder = world.files.folder.lock().unwrap().clone();
    assert_eq!(folder["x"], "good");
    assert!(!folder.contains_key("left"), "what a check changes is thrown away");
    let incidents = world.raised();
    assert_eq!(incidents[1].class, IncidentClass::Validation);
    assert_eq!(incidents[1].message, "`tests` does not accept the work: `test all` ended with exit code 1");
    assert_eq!(incidents[1].evidence["evidence"]["stdout"], "test all ran");
    // Attempts that judge are told apart from those that work.
    assert_eq!(row(&report, "t").attempts, 5);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_cut_off_anywhere_judges_once_in_the_record() {
    cut_anywhere(
        || judged().0,
        HEAD,
        "  t: {}",
        |world, report, case| {
            assert_eq!(report.status, RunState::Completed, "{case}\n{}", world.story());
            assert_eq!(world.files.folder.lock().unwrap()["x"], "good", "{case}");
            let judged = world.journal.records().into_iter().filter(
                |record| matches!(&record.entry, Entry::Action(action) if action.capability == Capability::Exec),
            );
            assert_eq!(judged.count(), 2, "{case}\n{}", world.story());
        },
    )
    .await;
}

/// A check that takes that long has to accept the second work of the agent.
fn slowly_judged(takes: Duration) -> (World, FakeCommands) {
    let world = World::new()
        .agent("a", |job| async move {
            if job.task.attempt.number == 1 {
                return Err(problem(IncidentClass::Validation));
            }
            write(&job, "x", "good");
            Ok(json!({}))
        })
        .strategy("s", |situation| match situation.history.len() {
            0 => Ok(Some(Decision::Rollback { to: None, validate: Some("tests".parse().unwrap()) })),
            _ => Ok(None),
        });
    let commands = FakeCommands::new(&world.files, |_, _| 0).taking(takes);
    (world.with_commands(&commands), commands)
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_paused_in_the_middle_of_a_check_judges_when_it_goes_on() {
    let (world, commands) = slowly_judged(Duration::from_secs(50));
    let control = world.options.control.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        control.pause();
    });
    let report = world.run(HEAD, "  t: {}").await.unwrap();
    assert_eq!((report.status, state(&report, "t")), (RunState::Paused, TaskState::Running), "{}", world.story());
    assert!(report.time < Duration::from_secs(40), "as long as a host call may take: {:?}", report.time);
    let report = world.resume(HEAD, "  t: {}").await.unwrap();
    assert_eq!((report.status, report.incidents), (RunState::Completed, 1), "{}", world.story());
    assert_eq!(*commands.ran.lock().unwrap(), ["test all"], "the one that was cut off came to no end");
    assert_eq!(world.files.folder.lock().unwrap()["x"], "good");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cancelled_in_the_middle_of_a_check_commits_nothing() {
    let (world, commands) = slowly_judged(Duration::from_secs(50));
    let control = world.options.control.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        control.cancel();
    });
    let report = world.run(HEAD, "  t: {}").await.unwrap();
    assert_eq!((report.status, state(&report, "t")), (RunState::Cancelled, TaskState::Cancelled), "{}", world.story());
    assert!(commands.ran.lock().unwrap().is_empty());
    assert!(world.told(&["committed"]).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_check_that_takes_too_long_does_not_accept_the_work() {
    let (world, _) = slowly_judged(Duration::from_secs(3600));
    let report = world.run(HEAD, "  t: {}").await.unwrap();
    assert_eq!(report.status, RunState::Failed);
    let refused = &world.raised()[1];
    assert_eq!(refused.class, IncidentClass::Validation);
    assert_eq!(refused.message, "`tests` does not accept the work: `test all` took more than 1m00s");
    assert!(world.told(&["committed"]).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_neither_agent_nor_check_validates_nothing() {
    let (world, _) = commands(
        World::new()
            .agent("a", |_| async move { Err(problem(IncidentClass::Validation)) })
            .strategy("s", |_| Ok(Some(Decision::Rollback { to: None, validate: Some("nobody".parse().unwrap()) }))),
    );
    let report = world.run(HEAD, "  t: {}").await.unwrap();
    assert_eq!(state(&report, "t"), TaskState::Failed);
    let refused = world.decisions().into_iter().find_map(|(_, _, error)| error).unwrap();
    assert!(refused.contains("no agent and no check `nobody`"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_host_without_commands_accepts_nothing() {
    let (world, _) = judged();
    let world = world.without_commands();
    let report = world.run(HEAD, "  t: {}").await.unwrap();
    let found = row(&report, "t").problem.clone().unwrap();
    assert!(found.message.contains("this host runs no commands"), "{found:?}");
}

/// Runs a command as the sandbox does for a guest.
async fn make(job: &Job, number: u64, what: &str) -> Result<(), Problem> {
    let command = Command {
        argv: vec!["make".to_owned(), what.to_owned()],
        env: Vec::new(),
        site: Site::default(),
        cwd: StagePath::root(),
        stdin: Vec::new(),
        limits: CommandLimits::default(),
    };
    let call = Call {
        number,
        capability: Capability::Exec,
        operation: "run".into(),
        resource: command.argv.join(" "),
        detail: String::new(),
        request: command.request(),
        kind: CallKind::Effect { idempotent: true, scope: KeyScope::Action },
    };
    let (ground, commands) = (job.reach.ground.clone(), job.reach.services.commands.clone().unwrap());
    let is_live = AtomicBool::new(false);
    let action = perform(job.recorder.as_ref(), call, async |_| {
        is_live.store(true, Ordering::Relaxed);
        let ran = run_in(
            commands.as_ref(),
            (ground.as_ref(), ground.claim().await),
            &job.grant,
            command,
            Arc::new(NotFollowed),
        )
        .await;
        ran.unwrap_or_else(|error| Answered::failed(error.to_string()))
    });
    let action = action.await.map_err(|_| problem(IncidentClass::Fatal))?;
    let ran = Ran::read(&action.exchange.unwrap().answer).unwrap();
    if !is_live.load(Ordering::Relaxed) {
        ground.put(ran.taken.tree.unwrap()).await.unwrap();
    }
    Ok(())
}

/// Agents that have things made, wait for long in between, commit in the middle, and have one more made.
fn making() -> (World, FakeCommands) {
    commands(World::new().strategy("s", |_| Ok(None)).agent("a", |job| async move {
        make(&job, 0, "one ").await?;
        wait(&job, Duration::from_secs(3_600)).await?;
        make(&job, 2, "two ").await?;
        if job.committer.commit().await.is_err() {
            return Err(problem(IncidentClass::Fatal));
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        make(&job, 3, "three").await?;
        Ok(json!({ "made": read(&job, "made") }))
    }))
}

const MAKING: &str = "  t: { timeout: 5h, deadline: 7h }";

#[tokio::test(start_paused = true)]
async fn what_commands_left_is_there_for_every_replay_and_gone_when_the_work_is_done() {
    let (world, commands) = making();
    let report = world.run(HEAD, MAKING).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}", world.story());
    assert_eq!(world.files.folder.lock().unwrap()["made"], "one two three");
    // The wait ended the instance, and the one after it was brought to the same place without a command.
    assert_eq!(*commands.ran.lock().unwrap(), ["make one ", "make two ", "make three"]);
    assert_eq!(world.told(&["kept"]).len(), 3);
    assert_eq!(world.files.versions(), 2, "the base and the end");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cut_anywhere_makes_the_same_with_its_commands() {
    cut_anywhere(
        || making().0,
        HEAD,
        MAKING,
        |world, report, case| {
            assert_eq!(report.status, RunState::Completed, "{case}\n{}", world.story());
            assert_eq!(world.files.folder.lock().unwrap()["made"], "one two three", "{case}");
        },
    )
    .await;
}
