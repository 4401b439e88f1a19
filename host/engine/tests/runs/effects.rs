//! What leaves the host: an effect happens once, whatever is cut off, or an incident says that nobody knows.

use crate::world::{FUEL, FakeJournal, World, act, problem, row, wait, write};
use longhaul_core::attempt::{Job, RecordError};
use longhaul_core::digest::Digest;
use longhaul_core::effect::{Answered, Call, CallKind, EffectOutcome, IdempotencyKey, KeyScope, PastEffects, perform};
use longhaul_core::entry::Entry;
use longhaul_core::grant::Capability;
use longhaul_core::incident::{Decision, IncidentClass, Problem};
use longhaul_core::state::RunState;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HEAD: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a }\nrecovery: [ s ]\nconcurrency: { max: 2 }";
const TASKS: &str = "  x: {}\n  y: {}\n  z: { needs: [x, y] }";

/// The world outside. It outlives every process, and remembers what was done to it.
#[derive(Default)]
struct Outside {
    done: Mutex<Vec<Done>>,
    journal: Mutex<Option<Arc<FakeJournal>>>,
}

#[derive(Debug, Clone)]
struct Done {
    key: IdempotencyKey,
    kind: CallKind,
}

const QUERY: CallKind = CallKind::Query;
const ONCE: CallKind = CallKind::Effect { idempotent: false, scope: KeyScope::Action };
const AGAIN: CallKind = CallKind::Effect { idempotent: true, scope: KeyScope::Action };

impl Outside {
    /// Does `what`, and answers something that it never answered before.
    async fn ask(&self, job: &Job, number: u64, what: &str, kind: CallKind) -> Result<String, Problem> {
        let call = Call {
            number,
            capability: Capability::Http,
            operation: if kind == QUERY { "get" } else { "post" }.into(),
            resource: "https://example.org".into(),
            detail: String::new(),
            request: Digest::of(what.as_bytes()),
            kind: kind.clone(),
        };
        let action = perform(job.recorder.as_ref(), call, async |key| {
            tokio::time::sleep(Duration::from_millis(3)).await;
            self.check(job, key, &kind);
            let answer = {
                let mut done = self.done.lock().unwrap();
                done.push(Done { key, kind });
                format!("answer {}", done.len())
            };
            tokio::time::sleep(Duration::from_millis(3)).await;
            Answered::ok(answer)
        });
        Ok(action.await.map_err(said)?.exchange.unwrap().answer)
    }

    /// What has to be durable when something arrives here.
    fn check(&self, job: &Job, key: IdempotencyKey, kind: &CallKind) {
        let journal = self.journal.lock().unwrap().clone().unwrap();
        let (records, durable) = (journal.records(), journal.durable());
        if *kind != QUERY {
            let is_intent = |entry: &Entry| matches!(entry, Entry::Intended(intent) if intent.key == key);
            assert!(records[..durable].iter().any(|record| is_intent(&record.entry)), "its intent is not durable");
        }
        let attempt = &job.task.attempt;
        let late = records[durable..].iter().filter(|record| record.task.as_ref() == Some(&attempt.task));
        let answered =
            late.filter(|record| matches!(&record.entry, Entry::Action(action) if action.exchange.is_some()));
        assert_eq!(answered.count(), 0, "something depends on an answer that can be lost");
    }

    fn done(&self) -> Vec<Done> {
        self.done.lock().unwrap().clone()
    }

    /// How often each of these was done.
    fn times(&self, only: &CallKind) -> BTreeMap<IdempotencyKey, usize> {
        let mut times = BTreeMap::new();
        for done in self.done().into_iter().filter(|done| done.kind == *only) {
            *times.entry(done.key).or_default() += 1;
        }
        times
    }
}

/// How the sandbox ends an attempt whose call was not taken.
fn said(error: RecordError) -> Problem {
    match error {
        RecordError::Unknown(unknown) => (*unknown).into(),
        RecordError::Diverged(divergence) => divergence.into(),
        RecordError::Lost(_) => problem(IncidentClass::Fatal),
    }
}

/// Agents that ask, do, commit in the middle, wait for a while, do, and go on as new to do once more.
fn world() -> (World, Arc<Outside>) {
    let outside = Arc::new(Outside::default());
    let there = outside.clone();
    let world =
        World::new().strategy("s", |_| Ok(Some(Decision::Retry { after: Duration::ZERO }))).agent("a", move |job| {
            let there = there.clone();
            async move {
                let task = job.task.attempt.task.to_string();
                if let Some(state) = &job.task.state {
                    let last = there.ask(&job, 0, &format!("last of {task} after {state}"), ONCE).await?;
                    write(&job, &format!("{task}-last"), &last);
                    return Ok(json!({ "last": last }));
                }
                let asked = there.ask(&job, 0, "how", QUERY).await?;
                let asked = there.ask(&job, 1, &format!("{asked}?"), QUERY).await?;
                act(&job, "thinks").ok();
                let once = there.ask(&job, 3, &format!("do {task}: {asked}"), ONCE).await?;
                let again = there.ask(&job, 4, &format!("after {once}"), AGAIN).await?;
                write(&job, &task, &format!("{asked} {once} {again}"));
                job.committer.commit().await.ok();
                let more = there.ask(&job, 6, &format!("more {again}"), AGAIN).await?;
                wait(&job, Duration::from_secs(60)).await?;
                let late = there.ask(&job, 8, &format!("late {more}"), ONCE).await?;
                write(&job, &format!("{task}-late"), &late);
                Ok(json!({ "continue": { "late": late } }))
            }
        });
    *outside.journal.lock().unwrap() = Some(world.journal.clone());
    (world, outside)
}

/// What holds at every end of such a run.
fn check(world: &World, outside: &Outside, told: &str) {
    let records = world.journal.records();
    let done = outside.done();
    assert!(outside.times(&ONCE).values().all(|times| *times == 1), "{told}: done twice\n{done:?}");
    // What the record says was done was done, and what was done is in it.
    let keys: BTreeSet<_> = done.iter().filter(|done| done.kind != QUERY).map(|done| done.key).collect();
    let mut intents = BTreeMap::new();
    let mut unknown = BTreeSet::new();
    let mut outcomes = BTreeSet::new();
    for record in &records {
        let place = (record.task.clone(), record.attempt);
        match &record.entry {
            Entry::Intended(intent) => {
                let before = intents.insert((place, intent.number), intent.clone());
                assert_eq!(before.map_or(0, |before| before.repeats + 1), intent.repeats, "{told}");
            }
            Entry::Action(action) if action.exchange.is_some() && action.operation == "post" => {
                let key = intents[&(place, action.number)].key;
                assert!(outcomes.insert(key), "{told}: two outcomes of one effect");
            }
            Entry::IncidentRaised { incident } => {
                assert_eq!(
                    incident.problem.class,
                    IncidentClass::UnknownOutcome,
                    "{told}: {}",
                    incident.problem.message
                );
                let listed = PastEffects::of(&incident.problem).listed;
                let (open, ended): (Vec<_>, Vec<_>) =
                    listed.into_iter().partition(|effect| effect.outcome == EffectOutcome::Unknown);
                assert!(ended.iter().all(|effect| outcomes.contains(&effect.key)), "{told}");
                let key: IdempotencyKey =
                    serde_json::from_value(incident.problem.evidence["intent"]["key"].clone()).unwrap();
                assert_eq!(open.iter().map(|effect| effect.key).collect::<Vec<_>>(), [key], "{told}");
                assert!(!open[0].idempotent, "{told}");
                unknown.insert(key);
            }
            _ => {}
        }
    }
    assert!(outcomes.is_subset(&keys), "{told}: the record says what did not happen");
    let accounted: BTreeSet<_> = outcomes.union(&unknown).copied().collect();
    assert!(keys.is_subset(&accounted), "{told}: something happened that the record does not tell\n{}", world.story());
}

#[tokio::test(start_paused = true)]
async fn an_effect_happens_once_wherever_the_run_is_cut_off_or_nobody_knows_and_it_is_told() {
    let (whole, outside) = world();
    let undisturbed = whole.run(HEAD, TASKS).await.unwrap();
    assert_eq!((undisturbed.status, undisturbed.incidents), (RunState::Completed, 0), "{}", whole.story());
    check(&whole, &outside, "whole");
    assert_eq!((outside.times(&ONCE).len(), outside.times(&AGAIN).len()), (9, 6));
    let length = whole.journal.records().len();
    let (mut unknown, mut repeated) = (0, 0);
    for room in 1..length {
        for keep_tail in [false, true] {
            let told = format!("{room} {keep_tail}");
            let (world, outside) = world();
            world.journal.limit(room);
            world.run(HEAD, TASKS).await.unwrap_err();
            let kept = if keep_tail { room } else { world.journal.durable().max(1) };
            world.journal.reopen(kept);
            let report = world.resume(HEAD, TASKS).await.unwrap_or_else(|e| panic!("{told}: {e:?}"));
            assert_eq!(report.status, RunState::Completed, "{told}:\n{}", world.story());
            check(&world, &outside, &told);
            unknown += report.incidents;
            repeated += outside.times(&AGAIN).values().filter(|times| **times > 1).count();
            if report.incidents == 0 {
                assert_eq!(outside.times(&ONCE).len(), 9, "{told}");
                assert_eq!(outside.times(&AGAIN).len(), 6, "{told}");
            }
        }
    }
    assert!(unknown > 10 && repeated > 5, "{unknown} {repeated}: nothing was tried");
}

#[tokio::test(start_paused = true)]
async fn an_effect_happens_once_though_the_run_is_cut_off_again_and_again() {
    for step in [5, 9, 14] {
        let (world, outside) = world();
        world.journal.limit(step);
        let mut ended = world.run(HEAD, TASKS).await;
        let mut lives = 1;
        while ended.is_err() {
            // Every other time the tail is lost.
            let found = if lives % 2 == 0 { world.journal.durable().max(1) } else { world.journal.records().len() };
            world.journal.reopen(found);
            world.journal.limit(found + step);
            ended = world.resume(HEAD, TASKS).await;
            lives += 1;
            assert!(lives < 500, "it gets nowhere:\n{}", world.story());
        }
        assert!(lives > 5, "{lives}");
        let ended = ended.unwrap();
        assert!(matches!(ended.status, RunState::Completed | RunState::Failed), "{}", world.story());
        check(&world, &outside, &format!("{step}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_paused_where_nothing_is_under_way_outside() {
    for moment in 1..60 {
        let (world, outside) = world();
        let control = world.options.control.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(moment)).await;
            control.pause();
        });
        let mut report = world.run(HEAD, TASKS).await.unwrap();
        if report.status != RunState::Completed {
            assert_eq!(report.status, RunState::Paused, "{moment}");
            report = world.resume(HEAD, TASKS).await.unwrap();
        }
        assert_eq!((report.status, report.incidents), (RunState::Completed, 0), "{moment}:\n{}", world.story());
        check(&world, &outside, &format!("{moment}"));
        assert!(outside.times(&AGAIN).values().all(|times| *times == 1), "{moment}: {:?}", outside.done());
        assert_eq!((outside.times(&ONCE).len(), outside.times(&AGAIN).len()), (9, 6), "{moment}");
    }
}

const ONE: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a }\nrecovery: [ s ]";

/// One task whose agent is `work`; a person is asked about whatever goes wrong.
fn single<F>(work: impl Fn(Arc<Outside>, Job) -> F + Send + Sync + 'static) -> (World, Arc<Outside>)
where
    F: Future<Output = Result<serde_json::Value, Problem>> + Send + 'static,
{
    let outside = Arc::new(Outside::default());
    let there = outside.clone();
    let world = World::new()
        .strategy("s", |_| Ok(Some(Decision::Escalate { reason: "look".into() })))
        .agent("a", move |job| work(there.clone(), job));
    *outside.journal.lock().unwrap() = Some(world.journal.clone());
    (world, outside)
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_hangs_does_not_hold_up_a_pause_for_ever_and_is_not_done_again() {
    let (world, _) = single(|_, job| async move {
        let call = Call {
            number: 0,
            capability: Capability::Exec,
            operation: "run".into(),
            resource: "publish".into(),
            detail: String::new(),
            request: Digest::of(b""),
            kind: ONCE,
        };
        perform(job.recorder.as_ref(), call, async |_| std::future::pending().await).await.map_err(said)?;
        Ok(json!({}))
    });
    let control = world.options.control.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        control.pause();
    });
    let began = tokio::time::Instant::now();
    assert_eq!(world.run(ONE, "  x: {}").await.unwrap().status, RunState::Paused);
    assert_eq!(began.elapsed().as_secs(), 31, "the time of one host call");
    let report = world.resume(ONE, "  x: {}").await.unwrap();
    assert_eq!(report.status, RunState::Escalated);
    let found = row(&report, "x").problem.clone().unwrap();
    assert_eq!(found.class, IncidentClass::UnknownOutcome);
    assert!(found.message.contains("`exec run` on `publish`"), "{}", found.message);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_runs_out_of_time_tells_what_nobody_knows() {
    let (world, _) = single(|there, job| async move {
        there.ask(&job, 0, "first", ONCE).await?;
        for number in 1.. {
            there.ask(&job, number, "and on", if number == 1 { QUERY } else { AGAIN }).await?;
        }
        Ok(json!({}))
    });
    let report = world.run(ONE, "  x: { timeout: 1s }").await.unwrap();
    let found = row(&report, "x").problem.clone().unwrap();
    assert_eq!(found.class, IncidentClass::Timeout);
    let PastEffects { listed, omitted } = PastEffects::of(&found);
    assert_eq!(listed.len() as u64 + omitted, 166, "one in 6 ms, without the query");
    let (last, before) = listed.split_last().unwrap();
    assert_eq!(last.outcome, EffectOutcome::Unknown);
    assert!(before.iter().all(|effect| effect.outcome == EffectOutcome::Done));
}

#[tokio::test(start_paused = true)]
async fn work_that_is_refused_after_its_end_tells_what_it_did_outside_in_every_process() {
    let world = || {
        let (world, outside) = single(|there, job| async move {
            there.ask(&job, 0, "order", ONCE).await?;
            if job.task.attempt.number == 1 {
                return Err(problem(IncidentClass::Validation));
            }
            write(&job, "x", "done");
            Ok(json!({}))
        });
        let world = world
            .strategy("s", |situation| {
                Ok(Some(match situation.history.len() {
                    0 => Decision::Rollback { to: None, validate: Some("judge".parse().unwrap()) },
                    _ => Decision::Escalate { reason: "look".into() },
                }))
            })
            .agent("judge", |job| async move {
                act(&job, "looks").ok();
                Err(problem(IncidentClass::Validation))
            });
        (world, outside)
    };
    let head = ONE.replace("a: { plugin: a } }", "a: { plugin: a }, judge: { plugin: judge } }");
    let (whole, _) = world();
    whole.run(&head, "  x: {}").await.unwrap();
    for room in 1..=whole.journal.records().len() {
        let (world, outside) = world();
        world.journal.limit(room);
        let report = match world.run(&head, "  x: {}").await {
            Ok(report) => report,
            Err(_) => {
                world.journal.reopen(room);
                world.resume(&head, "  x: {}").await.unwrap()
            }
        };
        let done: Vec<_> = outside.done().into_iter().map(|done| done.key).collect();
        let listed = |problem: &Problem| PastEffects::of(problem).listed.into_iter().map(|effect| effect.key);
        let incidents = world.journal.records().into_iter().filter_map(|record| match record.entry {
            Entry::IncidentRaised { incident } => Some(listed(&incident.problem).collect::<Vec<_>>()),
            _ => None,
        });
        // Each incident lists what its own attempt did, and nothing else is done.
        assert_eq!(incidents.flatten().collect::<Vec<_>>(), done, "{room}:\n{}", world.story());
        let found = row(&report, "x").problem.clone().unwrap();
        assert_eq!(listed(&found).next_back(), done.last().copied(), "{room}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_outcome_of_one_effect_and_the_intent_of_the_next_share_a_flush() {
    let flushes = async |kind: CallKind, count: u64| {
        let (world, _) = single(move |there, job| {
            let kind = kind.clone();
            async move {
                for number in 0..count {
                    there.ask(&job, number, "on", kind.clone()).await?;
                }
                Ok(json!({}))
            }
        });
        world.run(ONE, "  x: {}").await.unwrap();
        world.journal.flushes()
    };
    for kind in [ONCE, QUERY] {
        assert_eq!(flushes(kind.clone(), 50).await - flushes(kind.clone(), 10).await, 40, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_would_do_something_else_outside_does_nothing_and_tells_what_was_done() {
    let lives = Arc::new(Mutex::new(0));
    for (first, second) in [("order", "cancel"), ("order", "look"), ("look", "order")] {
        let seen = lives.clone();
        *seen.lock().unwrap() = 0;
        let (world, outside) = single(move |there, job| {
            let what = {
                let mut life = seen.lock().unwrap();
                *life += 1;
                if *life == 1 { first } else { second }
            };
            async move {
                there.ask(&job, 0, what, if what == "look" { QUERY } else { ONCE }).await?;
                there.ask(&job, 1, "next", ONCE).await?;
                wait(&job, Duration::from_secs(60)).await?;
                Ok(json!({}))
            }
        });
        let report = world.run(ONE, "  x: {}").await.unwrap();
        assert_eq!(report.status, RunState::Escalated, "{first} {second}");
        let found = row(&report, "x").problem.clone().unwrap();
        assert_eq!(found.class, IncidentClass::Diverged);
        let done: Vec<_> = outside.done().into_iter().filter(|done| done.kind == ONCE).map(|done| done.key).collect();
        let listed: Vec<_> = PastEffects::of(&found).listed.into_iter().map(|effect| effect.key).collect();
        assert_eq!(listed, done, "{first} {second}");
        assert_eq!(outside.done().len(), 2, "{first} {second}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_used_up_the_budget_and_did_something_outside_is_not_begun_again_silently() {
    let work = |effects: bool| {
        single(move |there, job| async move {
            if effects {
                there.ask(&job, 0, "order", ONCE).await?;
            }
            Ok(json!({}))
        })
    };
    let head = format!("{ONE}\nbudget: {{ fuel: {} }}", FUEL / 2);
    let (world, _) = work(true);
    world.run(&head, "  x: {}").await.unwrap();
    assert_eq!(world.told(&["incident-raised"]), ["incident-raised x"]);
    let (world, _) = work(false);
    world.run(&head, "  x: {}").await.unwrap();
    assert_eq!(world.told(&["incident-raised"]), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_suspended_attempt_that_misses_its_deadline_tells_what_it_did_outside() {
    let work = || {
        single(|there, job| async move {
            there.ask(&job, 0, "order", ONCE).await?;
            wait(&job, Duration::from_secs(3 * 3_600)).await?;
            Ok(json!({}))
        })
    };
    let head = format!("{ONE}\nbudget: {{ wall_time: 12h }}");
    for paused in [false, true] {
        let (world, outside) = work();
        let control = world.options.control.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            if paused {
                control.pause();
            }
        });
        let mut report = world.run(&head, "  x: { timeout: 7h, deadline: 1h }").await.unwrap();
        if paused {
            assert_eq!(report.status, RunState::Paused);
            report = world.resume(&head, "  x: { timeout: 7h, deadline: 1h }").await.unwrap();
        }
        let found = row(&report, "x").problem.clone().unwrap();
        assert!(found.message.contains("deadline"), "{}", found.message);
        let listed: Vec<_> = PastEffects::of(&found).listed.into_iter().map(|effect| effect.key).collect();
        assert_eq!(listed, outside.done().into_iter().map(|done| done.key).collect::<Vec<_>>(), "{paused}");
        assert_eq!(listed.len(), 1);
    }
}
