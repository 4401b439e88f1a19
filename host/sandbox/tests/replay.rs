//! An attempt that is done again along its record does the same, and goes on where the record ends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper of a test fails the test")]

mod support;

use longhaul_core::attempt::{AttemptEvent, AttemptReport, Limits, Ran, RecordError, Wait};
use longhaul_core::children::{ChildError, ChildStatus, Children, NewChild, Worker};
use longhaul_core::clock::Clock;
use longhaul_core::grant::{Grant, Party, Permissions};
use longhaul_core::id::TaskId;
use longhaul_core::incident::IncidentClass;
use longhaul_core::memory::{Hit, Keys, Memory, MemoryScope, Remembered};
use longhaul_core::payload::Payload;
use longhaul_core::reach::ServiceError;
use longhaul_core::units::Timestamp;
use longhaul_sandbox::{Plugin, Sandbox};
use serde_json::json;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{Attempt, Replaying, guests, limits, output, problem, run, sandbox};

/// A clock that shows other times than the one before did.
struct Later(u64);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000 + self.0)
    }
}

/// What an attempt came to that began with `script` in its record, and what it added.
async fn replay(
    sandbox: &Sandbox,
    plugin: &Plugin,
    (mode, limits): (&str, Limits),
    script: &[AttemptEvent],
    later: u64,
) -> (Ran, Vec<AttemptEvent>, Attempt) {
    let mut attempt = Attempt::mode(mode, limits);
    let recorder = Arc::new(Replaying {
        script: Mutex::new(script.to_vec()),
        live: Mutex::default(),
        attempt: attempt.job.task.attempt.clone(),
    });
    let job = std::mem::replace(&mut attempt.job, Attempt::mode(mode, support::limits()).job);
    let job = longhaul_core::attempt::Job { recorder: recorder.clone(), clock: Arc::new(Later(later)), ..job };
    let ran = sandbox.run_agent(plugin, job).await;
    assert!(
        !matches!(&ran, Ran::Ended(AttemptReport { result: Ok(_), .. })) || recorder.script.lock().unwrap().is_empty()
    );
    let live = recorder.live.lock().unwrap().clone();
    (ran, live, attempt)
}

#[test]
fn an_attempt_cut_off_anywhere_does_the_same_and_goes_on() {
    let sandbox = sandbox();
    run(async {
        let plugin = sandbox.load(&guests::built("hostile")).await.unwrap();
        for mode in ["good", "random", "crossing"] {
            let whole = Attempt::mode(mode, limits());
            let first = sandbox.run_agent(&plugin, whole.job).await.ended().unwrap();
            let events = whole.record.events();
            // What is not in the record yet of an attempt that asks for the time is another time now.
            let first_cut = if mode == "random" { events.len() } else { 0 };
            for cut in first_cut..=events.len() {
                // Clocks show another time now; what was answered before is answered from the record.
                let (ran, live, attempt) =
                    replay(&sandbox, &plugin, (mode, limits()), &events[..cut], 86_400_000).await;
                let report = ran.ended().unwrap();
                assert_eq!(report.result, first.result, "{mode} {cut}");
                if cut == events.len() {
                    assert_eq!((report.usage.fuel, live.len()), (first.usage.fuel, 0), "{mode}");
                }
                assert_eq!(live.len() + cut, events.len(), "{mode} {cut}");
                assert_eq!(attempt.stage.snapshot(), whole.stage.snapshot(), "{mode} {cut}");
            }
        }
    });
}

#[test]
fn an_attempt_that_does_something_else_ends_as_diverged() {
    let sandbox = sandbox();
    run(async {
        let plugin = sandbox.load(&guests::built("hostile")).await.unwrap();
        let whole = Attempt::mode("good", limits());
        sandbox.run_agent(&plugin, whole.job).await.ended().unwrap();
        let events = whole.record.events();
        for at in 0..events.len() {
            let mut changed = events.clone();
            match &mut changed[at] {
                AttemptEvent::Action(action) => action.resource.push('x'),
                AttemptEvent::Log { message, .. } => message.push('x'),
                AttemptEvent::Progress { done, .. } => *done += 1,
                AttemptEvent::Kept { number, .. } => *number += 1,
            }
            let (ran, live, _) = replay(&sandbox, &plugin, ("good", limits()), &changed, 0).await;
            let report = ran.ended().unwrap();
            assert_eq!(problem(&report).class, IncidentClass::Diverged, "{at}: {report:?}");
            assert_eq!(live, [], "nothing is recorded on a guess");
        }
    });
}

#[test]
fn a_long_wait_costs_no_instance_and_ends_when_its_time_has_come() {
    let sandbox = sandbox();
    let patient = || Limits { time: Duration::from_secs(30 * 86_400), ..limits() };
    run(async {
        let plugin = sandbox.load(&guests::built("hostile")).await.unwrap();
        let mut waiting = Attempt::mode("sleep", patient());
        waiting.job.clock = Arc::new(Later(0));
        let Ran::Suspended(until) = sandbox.run_agent(&plugin, waiting.job).await else {
            panic!("it was not suspended")
        };
        assert_eq!(until, Wait::until(Timestamp(1_700_000_000_000 + 3 * 86_400_000)));
        let events = waiting.record.events();
        // Too early, it is suspended again, and nothing is recorded twice.
        let (ran, live, _) = replay(&sandbox, &plugin, ("sleep", patient()), &events, 86_400_000).await;
        assert_eq!((ran, live.as_slice()), (Ran::Suspended(until.clone()), &[][..]));
        // When the time has come it goes on at once, from the same place.
        let (ran, live, _) = replay(&sandbox, &plugin, ("sleep", patient()), &events, 3 * 86_400_000).await;
        let report = ran.ended().unwrap();
        output(&report);
        assert!(report.usage.time < Duration::from_secs(60), "{:?}", report.usage.time);
        let waited =
            live.iter().filter(|event| matches!(event, AttemptEvent::Action(action) if action.operation == "wait"));
        assert_eq!(waited.count(), 1, "{live:?}");
        // And when all of that is in the record, nothing is waited for at all.
        let all: Vec<_> = events.iter().chain(&live).cloned().collect();
        let (ran, live, _) = replay(&sandbox, &plugin, ("sleep", patient()), &all, 0).await;
        assert_eq!((ran.ended().unwrap().result, live.len()), (report.result, 0));
    });
}

/// Children of which one stands as it is told, and how often it was published.
struct Told {
    status: ChildStatus,
    published: AtomicU32,
    asked: Mutex<Vec<(String, NewChild)>>,
}

impl Children for Told {
    fn spawn(&self, name: &str, child: NewChild) -> Result<TaskId, ChildError> {
        self.asked.lock().unwrap().push((name.to_owned(), child));
        match name {
            "piece-0" => Ok(TaskId::new("task.piece-0").unwrap()),
            _ => Err(ChildError::TooMany),
        }
    }

    fn ask_again(&self, name: &str, child: NewChild) {
        self.asked.lock().unwrap().push((name.to_owned(), child));
    }

    fn status(&self, _: &str) -> Result<ChildStatus, ChildError> {
        Ok(self.status.clone())
    }

    fn cancel(&self, _: &str) -> Result<(), ChildError> {
        Err(ChildError::OnlyLooks)
    }

    fn publish(&self) -> Pin<Box<dyn Future<Output = Result<(), RecordError>> + Send + '_>> {
        self.published.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(Ok(())))
    }
}

#[test]
fn a_wait_for_children_costs_no_instance_and_ends_with_what_they_put_out() {
    let sandbox = sandbox();
    run(async {
        let plugin = sandbox.load(&guests::built("delegate")).await.unwrap();
        let attempt = async |pieces: usize, status: ChildStatus, script: &[AttemptEvent]| {
            let piece = json!({ "n": 1 });
            let mut attempt = Attempt::new(json!({ "to": "hand", "pieces": vec![piece; pieces] }), limits());
            let give = Permissions { tasks: Some(vec!["hand".to_owned()]), ..Permissions::default() };
            attempt.job.grant = Grant::new([(Party::Task, give)]).unwrap();
            let recorder = Arc::new(Replaying {
                script: Mutex::new(script.to_vec()),
                live: Mutex::default(),
                attempt: attempt.job.task.attempt.clone(),
            });
            attempt.job.recorder = recorder.clone();
            let told = Arc::new(Told { status, published: AtomicU32::new(0), asked: Mutex::default() });
            attempt.job.reach.children = told.clone();
            let ran = sandbox.run_agent(&plugin, attempt.job).await;
            let live = recorder.live.lock().unwrap().clone();
            let asked = told.asked.lock().unwrap().clone();
            (ran, live, asked, told.published.load(Ordering::SeqCst))
        };
        let (ran, before, asked, published) = attempt(1, ChildStatus::Running, &[]).await;
        let wait = Wait { children: vec![TaskId::new("task.piece-0").unwrap()], ..Wait::default() };
        assert_eq!(ran, Ran::Suspended(wait));
        let child =
            NewChild { worker: Worker::Agent("hand".to_owned()), input: json!({ "n": 1 }), needs: vec![], priority: 0 };
        assert_eq!((asked.as_slice(), published), (&[("piece-0".to_owned(), child)][..], 1));
        // Brought back when the child has ended, it asks again for what it asked for, and gets the answer.
        let done = ChildStatus::Completed(Arc::new(json!({ "made": "it" })));
        let (ran, after, ..) = attempt(1, done.clone(), &before).await;
        let report = ran.ended().unwrap();
        assert_eq!(output(&report), &json!({ "done": [{ "made": "it" }], "failed": [] }));
        // And again along all of its record, where the answer is a letter that says how the child stood.
        let all: Vec<_> = before.iter().chain(&after).cloned().collect();
        let (ran, live, ..) = attempt(1, done, &all).await;
        assert_eq!((ran.ended().unwrap().result, live.len()), (report.result, 0));
        let (ran, ..) = attempt(1, ChildStatus::Failed("it broke".into()), &[]).await;
        assert_eq!(output(&ran.ended().unwrap())["failed"][0], "task.piece-0: TaskStatus::Failed(\"it broke\")");
        // A refusal of the engine's is the guest's to deal with, the same when it is replayed.
        let (ran, before, ..) = attempt(2, ChildStatus::Running, &[]).await;
        let refused = ran.ended().unwrap();
        assert_eq!(problem(&refused).class, IncidentClass::Exhausted);
        let (ran, live, ..) = attempt(2, ChildStatus::Running, &before).await;
        assert_eq!((ran.ended().unwrap().result, live.len()), (refused.result, 0));
    });
}

/// A memory of one scope that has room for some keys.
struct Notes {
    notes: Mutex<BTreeMap<String, Payload>>,
    room: usize,
    /// How often it was asked, and how often it was told again what had been granted.
    asked: AtomicU32,
    again: AtomicU32,
}

impl Notes {
    fn answer<'a, T: Send + 'a>(
        &self,
        scope: MemoryScope,
        find: impl FnOnce(&mut BTreeMap<String, Payload>) -> Result<T, ServiceError>,
    ) -> Remembered<'a, T> {
        assert_eq!(scope, MemoryScope::Run);
        self.asked.fetch_add(1, Ordering::SeqCst);
        let found = find(&mut self.notes.lock().unwrap());
        Box::pin(std::future::ready(found.map_err(Into::into)))
    }
}

impl Memory for Notes {
    fn get<'a>(&'a self, scope: MemoryScope, key: &'a str) -> Remembered<'a, Option<Payload>> {
        self.answer(scope, |notes| Ok(notes.get(key).cloned()))
    }

    fn set<'a>(&'a self, scope: MemoryScope, key: &'a str, value: Payload) -> Remembered<'a, ()> {
        self.answer(scope, |notes| match notes.len() < self.room {
            true => {
                notes.insert(key.to_owned(), value);
                Ok(())
            }
            false => Err(ServiceError::Exhausted("no room".to_owned())),
        })
    }

    fn delete<'a>(&'a self, scope: MemoryScope, key: &'a str) -> Remembered<'a, bool> {
        self.answer(scope, |notes| Ok(notes.remove(key).is_some()))
    }

    fn put_again(&self, _: MemoryScope, key: &str, value: Option<Payload>) {
        self.again.fetch_add(1, Ordering::SeqCst);
        let mut notes = self.notes.lock().unwrap();
        match value {
            Some(value) => drop(notes.insert(key.to_owned(), value)),
            None => drop(notes.remove(key)),
        }
    }

    fn keys<'a>(&'a self, scope: MemoryScope, wanted: Keys<'a>) -> Remembered<'a, Vec<String>> {
        self.answer(scope, |notes| Ok(notes.keys().take(wanted.limit).cloned().collect()))
    }

    fn search<'a>(&'a self, scope: MemoryScope, query: &'a str, _: usize) -> Remembered<'a, Vec<Hit>> {
        self.answer(scope, |notes| {
            let hit = |key: &String| Hit { key: key.clone(), excerpt: query.to_owned(), score: 0.1 + 0.2 };
            Ok(notes.keys().map(hit).collect())
        })
    }
}

#[test]
fn what_memory_answered_is_answered_again_whatever_it_holds_now() {
    let sandbox = sandbox();
    run(async {
        let plugin = sandbox.load(&guests::built("notebook")).await.unwrap();
        let attempt = async |notes: &[&str], room: usize, script: &[AttemptEvent]| {
            let write = json!({ "a": "x", "b": "y" });
            let input = json!({ "keep": "run", "write": write, "forget": ["a", "old"], "find": "x", "read": "b" });
            let mut attempt = Attempt::new(input, limits());
            let give = Permissions { memory: Some(vec!["run".to_owned()]), ..Permissions::default() };
            attempt.job.grant = Grant::new([(Party::Task, give)]).unwrap();
            let recorder = Arc::new(Replaying {
                script: Mutex::new(script.to_vec()),
                live: Mutex::default(),
                attempt: attempt.job.task.attempt.clone(),
            });
            attempt.job.recorder = recorder.clone();
            let notes = notes.iter().map(|key| ((*key).to_owned(), "7".into())).collect();
            let (asked, again) = (AtomicU32::new(0), AtomicU32::new(0));
            let memory = Arc::new(Notes { notes: Mutex::new(notes), room, asked, again });
            attempt.job.reach.memory = memory.clone();
            let report = sandbox.run_agent(&plugin, attempt.job).await.ended().unwrap();
            let live = recorder.live.lock().unwrap().clone();
            let kept: Vec<_> = memory.notes.lock().unwrap().keys().cloned().collect();
            (report, live, kept, [&memory.asked, &memory.again].map(|count| count.load(Ordering::SeqCst)))
        };
        let (whole, events, kept, counts) = attempt(&["old", "visits"], 9, &[]).await;
        assert_eq!((kept.join(" "), counts), ("b visits".to_owned(), [9, 0]));
        let expected = json!({
            "visits": 8, "keys": ["b", "visits"], "note": "y",
            "found": [{ "key": "b", "excerpt": "x" }, { "key": "visits", "excerpt": "x" }],
        });
        assert_eq!(output(&whole), &expected);
        for cut in 0..=events.len() {
            // What is held back is built again along the record, on a memory that knows nothing of before.
            let before: &[&str] = if cut == 0 { &["old", "visits"] } else { &["old"] };
            let (report, live, kept, counts) = attempt(before, 9, &events[..cut]).await;
            assert_eq!(report.result, whole.result, "{cut}");
            assert_eq!((live.len() + cut, kept.join(" ")), (events.len(), "b visits".to_owned()), "{cut}");
            assert_eq!(counts[0] as usize + cut, events.len(), "{cut}: {counts:?}");
            if cut == events.len() {
                assert_eq!((counts, report.usage.fuel), ([0, 5], whole.usage.fuel));
            }
        }
        // A refusal is the guest's to deal with, the same when it is replayed and there is room by now.
        let (refused, events, ..) = attempt(&["old"], 2, &[]).await;
        assert_eq!(problem(&refused).class, IncidentClass::Exhausted);
        let (again, live, ..) = attempt(&[], 9, &events).await;
        assert_eq!((again.result, live.len()), (refused.result, 0));
    });
}
