//! Messages between agents: delivered once, in their order, kept through crashes, failures and ways back.

use crate::world::{World, cut_anywhere, name, problem, spawn, state, suspended, write};
use longhaul_core::action::{Action, ActionResult, Exchange};
use longhaul_core::attempt::{AttemptEvent, Job, Wait};
use longhaul_core::digest::Digest;
use longhaul_core::entry::{CheckpointReason, Entry};
use longhaul_core::grant::Capability;
use longhaul_core::incident::{Decision, IncidentClass, Problem};
use longhaul_core::messages::{MAX_BODY, MAX_TOPICS, MAX_WAITING, Message, MessageError, Recipient};
use longhaul_core::payload::Payload;
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::{Bytes, Timestamp};
use serde_json::json;
use std::time::Duration;

const HEAD: &str = "agents: { ping: { plugin: ping }, pong: { plugin: pong }, s: { plugin: s } }\nrecovery: [ s ]\n\
                    concurrency: { max: 2 }\nbudget: { wall_time: 1000h }\ncheckpoints: { keep: 99 }";
const TASKS: &str = "  ping: { agent: ping }\n  pong: { agent: pong }\n  z: { agent: s, needs: [ping, pong] }";

fn fatal(error: impl std::fmt::Display) -> Problem {
    Problem::new(IncidentClass::Fatal, error.to_string())
}

/// Records a call about messages with its answer, as the sandbox does.
fn record(job: &Job, operation: &'static str, answer: &str) -> Result<(), Problem> {
    let action = Action {
        number: 0,
        capability: Capability::Messages,
        operation: operation.into(),
        resource: String::new(),
        detail: String::new(),
        calls: 1,
        bytes: Bytes(0),
        digest: None,
        exchange: Some(Box::new(Exchange::answered(Digest::of(b""), answer.to_owned()))),
        result: ActionResult::Ok,
    };
    job.recorder.record(AttemptEvent::Action(action)).map_err(fatal)
}

fn answer(job: &Job) -> Option<String> {
    job.recorder.replayed().and_then(|action| action.exchange).map(|exchange| exchange.answer)
}

fn send(job: &Job, to: Recipient, text: &str) -> Result<(), Problem> {
    let body = Payload::from(text);
    match answer(job) {
        Some(refused) if !refused.is_empty() => return Err(fatal(refused)),
        Some(_) => job.reach.mailbox.send_again(to, body),
        None => job.reach.mailbox.send(to, body).map_err(fatal)?,
    }
    record(job, "send", "")
}

fn send_to(job: &Job, task: &str, text: &str) -> Result<(), Problem> {
    send(job, Recipient::task(task).unwrap(), text)
}

fn subscribe(job: &Job, topic: &str) -> Result<(), Problem> {
    job.reach.mailbox.subscribe(&name(topic)).map_err(fatal)?.map_err(fatal)?;
    record(job, "subscribe", "")
}

/// Receives as a guest does: suspended where nothing is there.
fn receive(job: &Job, until: Option<Timestamp>) -> Result<Option<Message>, Problem> {
    let next = job.reach.mailbox.next().map_err(fatal)?;
    let message = match answer(job) {
        Some(text) => {
            let message: Option<Message> = serde_json::from_str(&text).unwrap();
            message.iter().for_each(|message| job.reach.mailbox.next_again(message));
            message
        }
        None if next.is_none() && until.is_none_or(|until| job.clock.now() < until) => {
            return Err(suspended(&Wait { until, message: true, ..Wait::default() }));
        }
        None => next,
    };
    record(job, "receive", &serde_json::to_string(&message).unwrap())?;
    Ok(message)
}

fn text(message: Option<Message>) -> String {
    message.map_or_else(
        || "nothing".to_owned(),
        |message| format!("{} from {}", std::str::from_utf8(message.body.as_bytes()).unwrap(), message.sender),
    )
}

fn due(job: &Job, span: Duration) -> Timestamp {
    Timestamp(job.began.0 + span.as_millis() as u64)
}

/// Two agents that play three rounds, and write down what they were told. The first attempt of `pong` fails in the middle of its
/// second round, with a message in its hands.
fn players() -> World {
    World::new()
        .strategy("s", |_| Ok(Some(Decision::Retry { after: Duration::from_secs(1) })))
        .agent("s", |_| async { Ok(json!({})) })
        .agent("ping", |job| async move {
            let mut heard = Vec::new();
            for round in 0..3 {
                send_to(&job, "pong", &format!("ping {round}"))?;
                tokio::time::sleep(Duration::from_millis(5)).await;
                heard.push(text(receive(&job, None)?));
            }
            send_to(&job, "pong", "enough")?;
            write(&job, "ping", &heard.join(", "));
            Ok(json!({}))
        })
        .agent("pong", |job| async move {
            let number = job.task.attempt.number;
            let mut round = 0;
            loop {
                let message = text(receive(&job, None)?);
                tokio::time::sleep(Duration::from_millis(5)).await;
                if message.starts_with("enough") {
                    break;
                }
                if number == 1 && message.starts_with("ping 1") {
                    return Err(problem(IncidentClass::Transient));
                }
                send_to(&job, "ping", &format!("pong for {message} by {number}"))?;
                round += 1;
            }
            write(&job, "pong", &format!("{round} rounds by {number}"));
            Ok(json!({}))
        })
}

const HEARD: &str = "pong for ping 0 from ping by 1 from pong, pong for ping 1 from ping by 2 from pong, \
                     pong for ping 2 from ping by 2 from pong";

#[tokio::test(start_paused = true)]
async fn a_message_comes_once_and_again_only_where_the_attempt_failed_that_had_it() {
    let world = players();
    let report = world.run(HEAD, TASKS).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}\n{}", report.reason, world.story());
    let files = world.files.version(report.version);
    assert_eq!((files["ping"].as_str(), files["pong"].as_str()), (HEARD, "2 rounds by 2"));
    // Whoever waits holds no slot, and no flush is made for a message.
    assert!(world.told(&["attempt-suspended"]).len() >= 4, "{}", world.story());
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_is_cut_off_anywhere_comes_to_the_same_end() {
    cut_anywhere(players, HEAD, TASKS, |world, report, case| {
        assert_eq!(report.status, RunState::Completed, "{case}: {}\n{}", report.reason, world.story());
        let files = world.files.version(report.version);
        assert_eq!((files["ping"].as_str(), files["pong"].as_str()), (HEARD, "2 rounds by 2"), "{case}");
    })
    .await;
}

/// Three listeners; one of them comes late. Who speaks sends to two topics, to a child that it has just asked for, and to nobody.
fn listeners() -> World {
    World::new()
        .strategy("s", |_| Ok(Some(Decision::Retry { after: Duration::from_secs(1) })))
        .agent("s", |_| async { Ok(json!({})) })
        .agent("hand", |job| async move {
            write(&job, "child", &text(receive(&job, None)?));
            Ok(json!({}))
        })
        .agent("pong", |job| async move {
            let task = job.task.attempt.task.to_string();
            if task == "hear[2]" {
                crate::world::wait(&job, Duration::from_secs(100)).await?;
            }
            subscribe(&job, "news")?;
            subscribe(&job, "news")?;
            if task == "hear[1]" {
                subscribe(&job, "sport")?;
                if job.task.attempt.number == 1 {
                    return Err(problem(IncidentClass::Transient));
                }
            }
            let until = due(&job, Duration::from_secs(200));
            let mut heard = Vec::new();
            while let Some(message) = receive(&job, Some(until))? {
                tokio::time::sleep(Duration::from_millis(5)).await;
                heard.push(text(Some(message)));
            }
            write(&job, &task, &heard.join(", "));
            Ok(json!({}))
        })
        .agent("ping", |job| async move {
            crate::world::wait(&job, Duration::from_secs(50)).await?;
            let child = spawn(&job, "child", json!({}), &[])?;
            send_to(&job, child.as_str(), "welcome")?;
            for n in 0..2 {
                send(&job, Recipient::topic("news").unwrap(), &format!("news {n}"))?;
                send(&job, Recipient::topic("sport").unwrap(), &format!("sport {n}"))?;
                send(&job, Recipient::topic("nobody").unwrap(), "hello?")?;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            crate::world::wait(&job, Duration::from_secs(150)).await?;
            send(&job, Recipient::topic("news").unwrap(), "late news")?;
            Ok(json!({}))
        })
}

const LISTEN: &str = "agents: { ping: { plugin: ping }, pong: { plugin: pong }, s: { plugin: s }, hand: { plugin: hand } }\n\
                      recovery: [ s ]\nconcurrency: { max: 2 }\nbudget: { wall_time: 1000h }";
const HEARERS: &str = "  hear: { agent: pong, for_each: [0, 1, 2] }\n  speak: { agent: ping }";

#[tokio::test(start_paused = true)]
async fn a_topic_reaches_those_who_subscribed_before_also_across_a_crash_anywhere() {
    let told = |files: &std::collections::BTreeMap<String, String>| {
        ["hear[0]", "hear[1]", "hear[2]", "child"].map(|file| files[file].replace(" from speak", ""))
    };
    let all = ["news 0, news 1, late news", "news 0, sport 0, news 1, sport 1, late news", "late news", "welcome"];
    let world = listeners();
    let report = world.run(LISTEN, HEARERS).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}\n{}", report.reason, world.story());
    assert_eq!(told(&world.files.version(report.version)), all, "{}", world.story());
    cut_anywhere(listeners, LISTEN, HEARERS, |world, report, case| {
        assert_eq!(report.status, RunState::Completed, "{case}: {}\n{}", report.reason, world.story());
        assert_eq!(told(&world.files.version(report.version)), all, "{case}\n{}", world.story());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_agents_that_wait_for_each_others_message_are_a_deadlock_and_decided_on() {
    // Each waits for the other one to begin, until it has failed once.
    async fn polite(job: Job, other: &str) -> Result<serde_json::Value, Problem> {
        let number = job.task.attempt.number;
        if number == 1 {
            let first = text(receive(&job, None)?);
            send_to(&job, other, "after you")?;
            write(&job, job.task.attempt.task.as_str(), &format!("{first}, at last"));
        } else {
            send_to(&job, other, "me first")?;
            write(&job, job.task.attempt.task.as_str(), &text(receive(&job, None)?));
        }
        Ok(json!({}))
    }
    let make = || {
        World::new()
            .strategy("s", |_| Ok(Some(Decision::Retry { after: Duration::ZERO })))
            .agent("s", |_| async { Ok(json!({})) })
            .agent("ping", |job| polite(job, "pong"))
            .agent("pong", |job| polite(job, "ping"))
    };
    let check = |world: &World, report: &longhaul_engine::RunReport, case: &str| {
        assert_eq!((report.status, report.incidents), (RunState::Completed, 1), "{case}\n{}", world.story());
        let files = world.files.version(report.version);
        let mut said = [files["ping"].as_str(), files["pong"].as_str()].map(|said| said.split(" from").next().unwrap());
        said.sort_unstable();
        assert_eq!(said, ["after you", "me first"], "{case}");
    };
    let world = make();
    let report = world.run(HEAD, TASKS).await.unwrap();
    check(&world, &report, "whole");
    let raised = world.journal.records().into_iter().find_map(|record| match record.entry {
        Entry::IncidentRaised { incident } => Some(incident.problem),
        _ => None,
    });
    let raised = raised.unwrap();
    assert_eq!(raised.class, IncidentClass::Deadlock);
    assert!(raised.message.contains("waits for a message"), "{}", raised.message);
    assert_eq!(raised.evidence["tasks"].as_array().map(Vec::len), Some(2), "{}", raised.evidence);
    cut_anywhere(make, HEAD, TASKS, check).await;
}

/// `ping` sends two messages and ends, which makes a checkpoint; `pong` takes the first before it and the second after it, and its
/// work turns out to be no good: the whole run goes back.
fn undone() -> World {
    World::new()
        .strategy("s", |situation| {
            Ok(match situation.history.is_empty() {
                true => Some(Decision::Rollback { to: situation.checkpoints.last().cloned(), validate: None }),
                false => None,
            })
        })
        .agent("s", |_| async { Ok(json!({})) })
        .agent("ping", |job| async move {
            if job.task.attempt.task.as_str() == "z" {
                return match job.task.attempt.number {
                    1 => Err(problem(IncidentClass::Validation)),
                    _ => Ok(json!({})),
                };
            }
            send_to(&job, "pong", "one")?;
            send_to(&job, "pong", "two")?;
            write(&job, "ping", "done");
            Ok(json!({}))
        })
        .agent("pong", |job| async move {
            subscribe(&job, "any")?;
            let (first, second) = (text(receive(&job, None)?), text(receive(&job, None)?));
            tokio::time::sleep(Duration::from_millis(50)).await;
            write(&job, "pong", &format!("{first}, {second} by {}", job.task.attempt.number));
            Ok(json!({}))
        })
}

const UNDONE: &str = "  ping: { agent: ping }\n  pong: { agent: pong, needs: ping }\n  z: { agent: ping, needs: pong }";

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_back_has_the_messages_that_it_had_then() {
    let check = |world: &World, report: &longhaul_engine::RunReport, case: &str| {
        assert_eq!(report.status, RunState::Completed, "{case}: {}\n{}", report.reason, world.story());
        let files = world.files.version(report.version);
        assert_eq!(files["pong"], "one from ping, two from ping by 2", "{case}\n{}", world.story());
    };
    let world = undone();
    let head = HEAD.replace("recovery: [ s ]", "recovery: [ s ]\ndefaults: { agent: ping }");
    let report = world.run(&head, UNDONE).await.unwrap();
    if world.told(&["rolled-back"]).is_empty() {
        panic!("it did not go back\n{}", world.story());
    }
    check(&world, &report, "whole");
    cut_anywhere(undone, &head, UNDONE, check).await;
}

#[tokio::test(start_paused = true)]
async fn a_fork_has_the_messages_of_its_checkpoint_and_leaves_the_first_run_alone() {
    let world = undone();
    let report = world.run(HEAD, UNDONE).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}", world.story());
    let first = world.journal.records().iter().position(|record| {
        matches!(record.entry, Entry::Checkpointed { number: 1, reason: CheckpointReason::Commit, .. })
    });
    let fork = world.fork(first.unwrap());
    let again = fork.resume(HEAD, UNDONE).await.unwrap();
    assert_eq!(again.status, RunState::Completed, "{}\n{}", again.reason, fork.story());
    assert!(fork.files.version(again.version)["pong"].starts_with("one from ping, two from ping"), "{}", fork.story());
}

#[tokio::test(start_paused = true)]
async fn messages_that_make_no_sense_or_find_no_room_are_refused_in_words() {
    let world = World::new()
        .strategy("s", |_| Ok(None))
        .agent("s", |_| async { Ok(json!({})) })
        .agent("pong", |job| async move {
            crate::world::wait(&job, Duration::from_secs(60)).await?;
            Ok(json!({}))
        })
        .agent("ping", |job| async move {
            if job.task.attempt.task.as_str() != "ping" {
                return Ok(json!({}));
            }
            crate::world::wait(&job, Duration::from_secs(1)).await?;
            let mail = job.reach.mailbox.clone();
            let refused = |to: &str, body: &str| {
                let sent = mail.send(Recipient::task(to).unwrap(), Payload::from(body));
                sent.unwrap_err().to_string()
            };
            for nobody in ["nobody", "each", "ping.child", "over"] {
                assert!(refused(nobody, "x").contains(&format!("nobody works on a task `{nobody}`")));
            }
            assert!(Recipient::task("no name").is_err() && Recipient::topic("a b").is_err());
            let big = "x".repeat(MAX_BODY.0 as usize);
            assert!(refused("pong", &format!("{big}x")).contains("64 KiB"));
            let to_pong = |body: &str| mail.send(Recipient::task("pong").unwrap(), Payload::from(body));
            let mut sent = 0;
            while to_pong(&big).is_ok() {
                sent += 1;
            }
            assert_eq!(sent, 255, "16 MiB with their envelopes");
            // What is published counts as well.
            job.reach.children.publish().await.unwrap();
            assert!(matches!(to_pong(&big), Err(MessageError::Full(reason)) if reason.contains("16 MiB")));
            let to_self = |body: &str| mail.send(Recipient::task("ping").unwrap(), Payload::from(body));
            (0..MAX_WAITING).for_each(|_| to_self("x").unwrap());
            assert!(matches!(to_self("x"), Err(MessageError::Full(reason)) if reason.contains("10000")));
            job.reach.children.publish().await.unwrap();
            assert!(to_self("x").is_err());
            // What it received and did not see to counts too, and then no more.
            let next = || mail.next().unwrap();
            assert!(next().is_some() && to_self("x").is_err());
            assert_eq!(std::iter::from_fn(next).count(), MAX_WAITING - 1);
            assert!(to_self("x").is_ok());
            for n in 0..MAX_TOPICS {
                mail.subscribe(&name(&format!("t{n}"))).unwrap().unwrap();
            }
            assert!(matches!(mail.subscribe(&name("more")).unwrap(), Err(MessageError::Full(_))));
            assert!(mail.subscribe(&name("t7")).unwrap().is_ok());
            // One that nobody subscribes to is bounded by what may be held back.
            let to_topic = || mail.send(Recipient::topic("void").unwrap(), Payload::from(big.as_str()));
            assert_eq!(std::iter::repeat_with(to_topic).take_while(Result::is_ok).count(), 254);
            Ok(json!({}))
        });
    let tasks = "  ping: { agent: ping, needs: over }\n  over: { agent: s }\n  pong: { agent: pong }\n  \
                 each: { agent: ping, for_each: [1] }";
    let report = world.run(HEAD, tasks).await.unwrap();
    assert_eq!(
        (report.status, state(&report, "ping")),
        (RunState::Completed, TaskState::Completed),
        "{}",
        world.story()
    );
}

#[tokio::test(start_paused = true)]
async fn the_messages_that_wait_in_a_run_are_bounded_together() {
    let world = World::new()
        .strategy("s", |_| Ok(None))
        .agent("pong", |job| async move {
            crate::world::wait(&job, Duration::from_secs(60)).await?;
            Ok(json!({}))
        })
        .agent("ping", |job| async move {
            let big = "x".repeat(MAX_BODY.0 as usize);
            let send = |to: &str| job.reach.mailbox.send(Recipient::task(to).unwrap(), Payload::from(big.as_str()));
            let mut sent = 0;
            for number in 0..4 {
                while send(&format!("pong[{number}]")).is_ok() {
                    sent += 1;
                }
                job.reach.children.publish().await.unwrap();
            }
            assert_eq!(sent, 4 * 255);
            // There is room for those that remain of 64 MiB, whoever they are for.
            let last = std::iter::repeat_with(|| send("pong[4]")).take_while(Result::is_ok).count();
            assert_eq!(last, 0, "{last}");
            assert!(matches!(send("pong[4]"), Err(MessageError::Full(reason)) if reason.contains("in this run take the 64 MiB")));
            Ok(json!({}))
        });
    let tasks = "  pong: { agent: pong, for_each: [0, 1, 2, 3, 4] }\n  ping: { agent: ping }";
    let head = "agents: { ping: { plugin: ping }, pong: { plugin: pong } }\nrecovery: [ s ]\nconcurrency: { max: 9 }";
    let report = world.run(head, tasks).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}", world.story());
}

#[tokio::test(start_paused = true)]
async fn whoever_gets_a_message_finds_the_memory_that_was_published_with_it() {
    use crate::memories::{get, set};
    use longhaul_core::memory::MemoryScope::Run;
    let world = World::new().agent("a", |job| async move {
        if job.task.attempt.task.as_str() == "writes" {
            // The other one waits by then, with its instance.
            tokio::time::sleep(Duration::from_secs(1)).await;
            set(&job, Run, "place", "found").await?;
            send_to(&job, "reads", "look")?;
            return Ok(json!({}));
        }
        job.reach.mailbox.arrived().await;
        text(receive(&job, None)?);
        Ok(json!({ "found": get(&job, Run, "place").await? }))
    });
    let head = "agents: { a: { plugin: a } }\ndone_when: \"${{ tasks.reads.found == 'found' }}\"";
    let report = world.run(head, "  reads: {}\n  writes: {}").await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}\n{}", report.reason, world.story());
}
