//! Questions to people: asked once, waited for at no cost, answered once, across crashes, pauses and ways back.

use crate::world::{World, act, cut_anywhere, problem, state, suspended, write};
use longhaul_core::action::{Action, ActionResult, Exchange};
use longhaul_core::attempt::{AttemptEvent, Job, Wait};
use longhaul_core::digest::Digest;
use longhaul_core::entry::{CheckpointReason, Entry, Record};
use longhaul_core::grant::Capability;
use longhaul_core::id::RunId;
use longhaul_core::incident::{Decision, IncidentClass, Problem};
use longhaul_core::people::{Answer, AnswerError, NOBODY, Question, Reply, Wants};
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::{Bytes, Timestamp};
use longhaul_engine::RunReport;
use longhaul_engine::ports::Journal;
use serde_json::json;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);
const HEAD: &str = "agents: { a: { plugin: a }, b: { plugin: b } }\ndefaults: { agent: a }\nrecovery: [ s ]\n\
                    budget: { wall_time: 1h }\ncheckpoints: { keep: 99, every: 2h }";
const TASKS: &str = "  x: {}\n  y: { agent: b }\n  z: { agent: b, needs: [x, y] }";

fn fatal(error: impl std::fmt::Display) -> Problem {
    Problem::new(IncidentClass::Fatal, error.to_string())
}

fn text(text: &str) -> Reply {
    Reply::Text(text.to_owned())
}

fn question(summary: &str, wants: Wants) -> Question {
    Question { summary: summary.to_owned(), detail: String::new(), wants, until: None, default: String::new() }
}

/// Asks as a guest does: suspended until the answer is there, and the answer is recorded.
fn ask(job: &Job, question: Question) -> Result<Answer, Problem> {
    let until = question.until;
    let number = job.reach.people.ask(question).map_err(fatal)?.unwrap();
    let recorded = job.recorder.replayed().and_then(|action| action.exchange);
    let answer = match recorded {
        Some(exchange) => serde_json::from_str(&exchange.answer).unwrap(),
        None => match job.reach.people.answer(number) {
            Some(answer) => answer,
            None => return Err(suspended(&Wait { until, question: Some(number), ..Wait::default() })),
        },
    };
    let action = Action {
        number: 0,
        capability: Capability::Human,
        operation: "ask".into(),
        resource: number.to_string(),
        detail: String::new(),
        calls: 1,
        bytes: Bytes(0),
        digest: None,
        exchange: Some(Box::new(Exchange::answered(Digest::of(b""), serde_json::to_string(&answer).unwrap()))),
        result: ActionResult::Ok,
    };
    job.recorder.record(AttemptEvent::Action(action)).map_err(fatal)?;
    Ok(answer)
}

fn said(answer: &Answer) -> String {
    match &answer.reply {
        Reply::Text(text) => format!("{text} by {}", answer.by),
        Reply::Approve(_) => format!("approved by {}", answer.by),
        Reply::Reject(_) => format!("rejected by {}", answer.by),
    }
}

/// `x` asks two things, and fails once behind the second; the others work.
fn asker() -> World {
    World::new()
        .strategy("s", |_| Ok(Some(Decision::Retry { after: Duration::ZERO })))
        .agent("a", |job| async move {
            act(&job, "begins").ok();
            write(&job, "x", "before");
            let colour = ask(&job, question("which colour?", Wants::Option(vec!["red".into(), "blue".into()])))?;
            tokio::time::sleep(Duration::from_millis(5)).await;
            let sure = ask(&job, question("sure?", Wants::Approval(Digest::of(b"the plan"))))?;
            if job.task.attempt.number == 1 {
                return Err(problem(IncidentClass::Transient));
            }
            write(&job, "x", &format!("{}, {}", said(&colour), said(&sure)));
            Ok(json!({}))
        })
        .agent("b", |job| async move {
            act(&job, "works").ok();
            write(&job, job.task.attempt.task.as_str(), "done");
            Ok(json!({}))
        })
}

/// Answers while nobody carries the run, as `longhaul answer` does; a day after the record's end.
fn answer_at_rest(world: &World, number: u32, reply: Reply) -> Result<(), AnswerError> {
    let history = world.history();
    let task = history.admits(number, &reply)?;
    let day = Duration::from_secs(86_400);
    let at = Timestamp(history.last().0 + day.as_millis() as u64);
    let run = RunId::new("run-1").unwrap();
    let answer = Answer { reply, by: "ada".to_owned() };
    for (task, entry) in [(None, Entry::Idled { span: day }), (Some(task), Entry::Answered { number, answer })] {
        world.journal.append(&run, &Record { at, task, attempt: None, entry }).unwrap();
    }
    world.journal.reopen(world.journal.records().len());
    Ok(())
}

/// Answers whatever is open until the run is done.
async fn see_through(world: &World, mut report: RunReport) -> RunReport {
    while report.status == RunState::Paused {
        assert!(!report.questions.is_empty(), "{}", report.reason);
        for open in world.history().questions() {
            let reply = match &open.asked.question.wants {
                Wants::Option(options) => text(&options[1]),
                Wants::Approval(subject) => Reply::Approve(*subject),
                Wants::Text => text("something"),
            };
            answer_at_rest(world, open.asked.number, reply.clone()).unwrap();
            assert!(matches!(answer_at_rest(world, open.asked.number, reply), Err(AnswerError::Answered { .. })));
        }
        report = world.resume(HEAD, TASKS).await.unwrap();
    }
    report
}

#[tokio::test(start_paused = true)]
async fn a_run_that_only_people_can_bring_on_rests_and_goes_on_with_their_answers() {
    let world = asker();
    let report = world.run(HEAD, TASKS).await.unwrap();
    assert_eq!((report.status, state(&report, "y")), (RunState::Paused, TaskState::Completed), "{}", world.story());
    assert_eq!((report.questions.len(), report.questions[0].task.as_str()), (1, "x"));
    assert!(report.reason.contains("question 1 of task `x`: which colour?"), "{}", report.reason);
    // What does not fit is not taken, and what is not there cannot be answered.
    let refused = |number, reply| answer_at_rest(&world, number, reply).unwrap_err().to_string();
    assert_eq!(refused(1, text("green")), "question 1 wants one of `red`, `blue`");
    assert!(refused(7, text("red")).contains("question 7 is not open"));
    // Nothing changes by resuming it without an answer.
    let again = world.resume(HEAD, TASKS).await.unwrap();
    assert_eq!((again.status, again.questions.len()), (RunState::Paused, 1));
    let report = see_through(&world, again).await;
    assert_eq!(report.status, RunState::Completed, "{}\n{}", report.reason, world.story());
    // The second attempt asked again.
    assert_eq!(world.files.version(report.version)["x"], "blue by ada, approved by ada");
    let numbers: Vec<u32> = world
        .journal
        .records()
        .into_iter()
        .filter_map(|record| match record.entry {
            Entry::Answered { number, .. } => Some(number),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_a_crash_cuts_off_anywhere_is_asked_once_and_its_answer_is_kept() {
    let whole = asker();
    let report = whole.run(HEAD, TASKS).await.unwrap();
    see_through(&whole, report).await;
    for room in 1..whole.journal.records().len() {
        for keep_tail in [false, true] {
            let case = format!("cut at {room}, tail {keep_tail}");
            let world = asker();
            world.journal.limit(room);
            let mut cut = world.run(HEAD, TASKS).await;
            let mut rested = 0;
            // The disk fills up in one of the lives of the run; people answer between them.
            while let Ok(report) = cut {
                assert_eq!(report.status, RunState::Paused, "{case}");
                if world.journal.records().len() + 2 >= room {
                    rested += 1;
                    break;
                }
                let open = world.history().questions();
                let reply = match &open[0].asked.question.wants {
                    Wants::Approval(subject) => Reply::Approve(*subject),
                    _ => text("blue"),
                };
                answer_at_rest(&world, open[0].asked.number, reply).unwrap();
                world.journal.limit(room);
                cut = world.resume(HEAD, TASKS).await;
            }
            if rested == 0 {
                world.journal.reopen(if keep_tail { room } else { world.journal.durable().max(1) });
            } else {
                world.journal.reopen(world.journal.records().len());
            }
            let report = world.resume(HEAD, TASKS).await.unwrap_or_else(|e| panic!("{case}: {e:?}\n{}", world.story()));
            let report = see_through(&world, report).await;
            assert_eq!(report.status, RunState::Completed, "{case}: {}\n{}", report.reason, world.story());
            assert_eq!(world.files.version(report.version)["x"], "blue by ada, approved by ada", "{case}");
            let asked = world
                .journal
                .records()
                .into_iter()
                .filter(|record| matches!(&record.entry, Entry::Published(outbox) if outbox.asked.is_some()));
            assert_eq!(asked.count(), 4, "{case}\n{}", world.story());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_stays_up_takes_answers_as_they_come_and_does_not_count_the_wait() {
    let world = asker();
    let control = world.options.control.clone();
    control.wait_for_people();
    let answering = tokio::spawn(async move {
        let answer = |reply| Answer { reply, by: "ada".to_owned() };
        tokio::time::sleep(HOUR * 8).await;
        let none = control.answer(9, answer(text("blue"))).await.unwrap();
        assert_eq!(none, Err(AnswerError::NotOpen(9)));
        let unfit = control.answer(1, answer(Reply::Approve(Digest::of(b"the plan")))).await.unwrap();
        assert!(matches!(unfit, Err(AnswerError::Unfit { .. })));
        for number in 1..=4 {
            let reply = if number % 2 == 1 { text("red") } else { Reply::Reject(Digest::of(b"the plan")) };
            assert_eq!(control.answer(number, answer(reply)).await.unwrap(), Ok(()), "{number}");
            // What asked goes on, and asks the next question.
            tokio::time::sleep(HOUR).await;
        }
    });
    let report = world.run(HEAD, TASKS).await.unwrap();
    answering.await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}\n{}", report.reason, world.story());
    assert_eq!(world.files.version(report.version)["x"], "red by ada, rejected by ada");
    assert!(report.time > HOUR * 11, "{:?}", report.time);
}

#[tokio::test(start_paused = true)]
async fn silence_is_answered_by_the_default_in_time_and_after_a_crash_anywhere() {
    let make = || {
        World::new().strategy("s", |_| Ok(None)).agent("b", |_| async { Ok(json!({})) }).agent("a", |job| async move {
            let until = Some(Timestamp(job.began.0 + 60_000));
            let mut ask_for = question("shall I?", Wants::Text);
            (ask_for.until, ask_for.default) = (until, "better not".to_owned());
            let answer = ask(&job, ask_for)?;
            assert_eq!(answer.by, NOBODY);
            write(&job, "x", &said(&answer));
            Ok(json!({}))
        })
    };
    let check = |world: &World, report: &RunReport, case: &str| {
        assert_eq!(report.status, RunState::Completed, "{case}: {}\n{}", report.reason, world.story());
        assert_eq!(world.files.version(report.version)["x"], "better not by default", "{case}");
        assert_eq!(world.told(&["answered"]).len(), 1, "{case}");
    };
    let world = make();
    let report = world.run(HEAD, TASKS).await.unwrap();
    check(&world, &report, "whole");
    assert!(report.time >= Duration::from_secs(60) && report.time < Duration::from_secs(62), "{:?}", report.time);
    cut_anywhere(make, HEAD, TASKS, check).await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_somebody_who_asks_a_person_is_in_no_deadlock() {
    let world = World::new()
        .strategy("s", |_| Ok(None))
        .agent("b", |job| async move {
            match job.reach.mailbox.next().map_err(fatal)? {
                None => Err(suspended(&Wait { message: true, ..Wait::default() })),
                Some(_) => Ok(json!({})),
            }
        })
        .agent("a", |job| async move {
            ask(&job, question("may I write?", Wants::Text))?;
            let to = longhaul_core::messages::Recipient::task("y").unwrap();
            job.reach.mailbox.send(to, "hello".into()).map_err(fatal)?;
            Ok(json!({}))
        });
    let tasks = "  x: {}\n  y: { agent: b }";
    let report = world.run(HEAD, tasks).await.unwrap();
    assert_eq!((report.status, report.incidents), (RunState::Paused, 0), "{}", world.story());
    answer_at_rest(&world, 1, text("yes")).unwrap();
    let report = world.resume(HEAD, tasks).await.unwrap();
    assert_eq!((report.status, report.incidents), (RunState::Completed, 0), "{}", world.story());
}

#[tokio::test(start_paused = true)]
async fn a_fork_asks_its_own_questions_and_those_of_the_first_run_stay_its_own() {
    let world = World::new()
        .strategy("s", |_| Ok(None))
        .agent("a", |job| async move {
            write(&job, "x", &said(&ask(&job, question("which one?", Wants::Text))?));
            Ok(json!({}))
        })
        .agent("b", |job| async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            write(&job, job.task.attempt.task.as_str(), "done");
            Ok(json!({}))
        });
    let report = world.run(HEAD, TASKS).await.unwrap();
    assert_eq!(report.status, RunState::Paused);
    // The checkpoint is of the time when the question was open.
    let first = world
        .journal
        .records()
        .iter()
        .position(|record| matches!(record.entry, Entry::Checkpointed { reason: CheckpointReason::Commit, .. }));
    let fork = world.fork(first.unwrap());
    assert_eq!(fork.history().questions(), []);
    let again = fork.resume(HEAD, TASKS).await.unwrap();
    let numbers =
        |questions: &[longhaul_engine::OpenQuestion]| questions.iter().map(|q| q.asked.number).collect::<Vec<_>>();
    assert_eq!((again.status, numbers(&again.questions)), (RunState::Paused, vec![2]), "{}", fork.story());
    assert_eq!(numbers(&world.history().questions()), [1]);
    assert!(answer_at_rest(&fork, 1, text("old")).is_err());
    answer_at_rest(&fork, 2, text("new")).unwrap();
    let report = fork.resume(HEAD, TASKS).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}\n{}", report.reason, fork.story());
    assert_eq!(fork.files.version(report.version)["x"], "new by ada", "{}", fork.story());
}
