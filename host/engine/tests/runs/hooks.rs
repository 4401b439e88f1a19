//! Hooks are told of what happens, in its order and at least once, and the run does not wait for them.

use crate::world::{World, problem};
use longhaul_core::action::ActionResult;
use longhaul_core::effect::IdempotencyKey;
use longhaul_core::entry::Entry;
use longhaul_core::hook::{HookCall, HookTarget, Hooks};
use longhaul_core::incident::{Decision, IncidentClass};
use longhaul_core::reach::{BoxFuture, ServiceError};
use longhaul_core::state::RunState;
use longhaul_engine::EngineError;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Keeps what it is told; each call takes a while, and some of them fail first.
#[derive(Default)]
struct Ear {
    heard: Mutex<Vec<(String, Value, IdempotencyKey)>>,
    takes: Duration,
    /// Errors for the next calls of the hook of this name.
    errors: Mutex<BTreeMap<String, Vec<ServiceError>>>,
}

impl Hooks for Ear {
    fn call<'a>(&'a self, call: &'a HookCall) -> BoxFuture<'a, Result<String, ServiceError>> {
        Box::pin(async move {
            tokio::time::sleep(self.takes).await;
            if let Some(error) = self.errors.lock().unwrap().get_mut(call.hook.as_str()).and_then(Vec::pop) {
                return Err(error);
            }
            assert!(matches!(call.target, HookTarget::Run(_)));
            let body = serde_json::from_str(&call.body).unwrap();
            self.heard.lock().unwrap().push((call.hook.to_string(), body, call.key));
            Ok("0".to_owned())
        })
    }
}

impl Ear {
    /// What a hook was told of, in order: the event and its task.
    fn of(&self, hook: &str) -> Vec<(String, String)> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|(name, ..)| name == hook).map(|(_, body, _)| of_body(body)).collect()
    }
}

fn of_body(body: &Value) -> (String, String) {
    let task = body["entry"]["task"].as_str().unwrap_or_default();
    (body["event"].as_str().unwrap().to_owned(), task.to_owned())
}

const HEAD: &str = "agents: { a: { plugin: a } }
recovery: [ s ]
hooks:
  ends: { on: [run-started, task-completed, run-completed], run: [any, way] }
  troubles: { on: incident, run: [any], attempts: 3, timeout: 5s }";
const TASKS: &str = "  one: {}
  two: { needs: one }";

/// The second task fails once.
fn world(ear: &Arc<Ear>) -> World {
    let world = World::new().agent("a", |job| async move {
        match (job.task.attempt.task.as_str(), job.task.attempt.number) {
            ("two", 1) => Err(problem(IncidentClass::Transient)),
            _ => Ok(json!({})),
        }
    });
    let mut world = world.strategy("s", |_| Ok(Some(Decision::Retry { after: Duration::ZERO })));
    world.hooks = ear.clone();
    world
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(event, task)| ((*event).to_owned(), (*task).to_owned())).collect()
}

fn all_ends() -> Vec<(String, String)> {
    pairs(&[("run-started", ""), ("task-completed", "one"), ("task-completed", "two"), ("run-completed", "")])
}

#[tokio::test(start_paused = true)]
async fn each_hook_is_told_of_what_it_wants_in_the_order_of_the_record() {
    let ear = Arc::new(Ear { takes: Duration::from_secs(2), ..Ear::default() });
    let world = world(&ear);
    let report = world.run(HEAD, TASKS).await.unwrap();
    // It waited for nobody: its tasks take no time, and the calls do.
    assert_eq!((report.status, report.time), (RunState::Completed, Duration::ZERO));
    assert_eq!(ear.of("ends"), all_ends());
    assert_eq!(ear.of("troubles"), pairs(&[("incident", "two")]));
    let calls = world.journal.records().into_iter().filter(|record| {
        matches!(&record.entry, Entry::HookCalled { tries: 1, answer, result: ActionResult::Ok, .. } if answer == "0")
    });
    assert_eq!(calls.count(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_is_tried_again_and_in_the_end_recorded_as_failed() {
    let ear = Arc::new(Ear::default());
    let failed = || ServiceError::Failed("503".to_owned());
    ear.errors.lock().unwrap().insert("troubles".to_owned(), vec![failed(), failed(), failed()]);
    let patient = vec![failed(), ServiceError::RateLimited(Some(Duration::from_secs(7)))];
    ear.errors.lock().unwrap().insert("ends".to_owned(), patient);
    let world = world(&ear);
    let began = tokio::time::Instant::now();
    assert_eq!(world.run(HEAD, TASKS).await.unwrap().status, RunState::Completed);
    // 7 s as it was asked for, then 2 s; the other one waits 1 s and 2 s meanwhile.
    assert_eq!(began.elapsed(), Duration::from_secs(9));
    assert_eq!((ear.of("ends"), ear.of("troubles")), (all_ends(), Vec::new()));
    let tries: Vec<_> = world
        .journal
        .records()
        .into_iter()
        .filter_map(|record| match record.entry {
            Entry::HookCalled { hook, tries, result, .. } if tries > 1 => Some((hook.to_string(), tries, result)),
            _ => None,
        })
        .collect();
    let error = || ActionResult::Failed { error: "503".to_owned() };
    assert_eq!(tries, [("troubles".to_owned(), 3, error()), ("ends".to_owned(), 3, ActionResult::Ok)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_ends_is_given_up_at_its_time_limit() {
    let ear = Arc::new(Ear { takes: Duration::from_secs(3_600), ..Ear::default() });
    let world = world(&ear);
    let head = HEAD
        .replace("attempts: 3, timeout: 5s", "attempts: 1, timeout: 5s")
        .replace("run: [any, way]", "run: [any, way], attempts: 1, timeout: 1s");
    let began = tokio::time::Instant::now();
    assert_eq!(world.run(&head, TASKS).await.unwrap().status, RunState::Completed);
    // Four calls, each for ten seconds more than its limit, because this ear does not keep it.
    assert_eq!(began.elapsed(), Duration::from_secs(44));
}

#[tokio::test(start_paused = true)]
async fn wherever_a_run_is_cut_its_hooks_are_told_everything_and_repetitions_have_the_same_key() {
    let ears = Mutex::new(Vec::new());
    let make = || {
        let ear = Arc::new(Ear::default());
        ears.lock().unwrap().push(ear.clone());
        world(&ear)
    };
    let whole = make();
    whole.run(HEAD, TASKS).await.unwrap();
    for room in 1..whole.journal.records().len() {
        for keep_tail in [false, true] {
            let world = make();
            world.journal.limit(room);
            world.run(HEAD, TASKS).await.unwrap_err();
            world.journal.reopen(if keep_tail { room } else { world.journal.durable().max(1) });
            let case = format!("cut at {room}, tail {}", if keep_tail { "kept" } else { "lost" });
            match world.resume(HEAD, TASKS).await {
                Ok(report) => assert_eq!(report.status, RunState::Completed, "{case}"),
                // It was cut when it was over, and its hooks were not told all of it.
                Err(EngineError::Over { state, .. }) => assert_eq!(state, RunState::Completed, "{case}"),
                Err(error) => panic!("{case}: {error:?}"),
            }
            let ear = ears.lock().unwrap().last().unwrap().clone();
            for (hook, wanted) in [("ends", all_ends()), ("troubles", pairs(&[("incident", "two")]))] {
                // A call that was made and not recorded is made again, with the key that it had.
                let mut keys = HashSet::new();
                let heard = ear.heard.lock().unwrap().clone();
                let first = heard.into_iter().filter(|(name, _, key)| name == hook && keys.insert(*key));
                let first: Vec<_> =
                    first.map(|(_, body, _)| of_body(&body)).filter(|(event, _)| event != "run-resumed").collect();
                assert_eq!(first, wanted, "{case}\n{}", world.story());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_fork_does_not_tell_what_the_first_run_has_told() {
    let ear = Arc::new(Ear::default());
    let mut world = World::new().writer("a").strategy("s", |_| Ok(None));
    world.hooks = ear.clone();
    world.run(HEAD, TASKS).await.unwrap();
    assert_eq!(ear.of("ends"), all_ends());
    let records = world.journal.records();
    let first = records.iter().position(|record| matches!(record.entry, Entry::Checkpointed { .. })).unwrap();
    let told_alone = Arc::new(Ear::default());
    world.hooks = told_alone.clone();
    world.fork(first).resume(HEAD, TASKS).await.unwrap();
    assert_eq!(told_alone.of("ends"), pairs(&[("task-completed", "two"), ("run-completed", "")]));
}
