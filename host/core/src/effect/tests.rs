//! Classes, keys, and what an incident says of effects.

use super::*;
use crate::entry::{Change, ChangeKind, Entry};
use crate::id::TaskId;
use crate::memory::{MemoryScope, MemoryWrite};
use crate::messages::{MessageId, Recipient, Sent};
use crate::outbox::Outbox;
use crate::path::StagePath;
use crate::payload::Payload;
use serde_json::json;

fn call(number: u64, kind: CallKind) -> Call {
    Call {
        number,
        capability: Capability::Http,
        operation: "post".into(),
        resource: "https://example.org/orders".into(),
        detail: String::new(),
        request: Digest::of(b"one"),
        kind,
    }
}

fn effect() -> CallKind {
    CallKind::Effect { idempotent: false, scope: KeyScope::Action }
}

fn attempt(number: u32) -> AttemptId {
    AttemptId { task: TaskId::new("x").unwrap(), number }
}

fn run() -> RunId {
    RunId::new("run-1").unwrap()
}

#[test]
fn a_service_can_be_stricter_than_the_table_and_never_laxer() {
    let asks = |capability, operation: &'static str, kind| {
        Call { capability, operation: operation.into(), ..call(0, kind) }.class()
    };
    assert_eq!(asks(Capability::Http, "get", CallKind::Query), EffectClass::Query);
    assert_eq!(asks(Capability::Http, "get", effect()), EffectClass::Effect);
    assert_eq!(asks(Capability::Http, "post", CallKind::Query), EffectClass::Effect);
    assert_eq!(asks(Capability::Exec, "run", CallKind::Query), EffectClass::Effect);
    assert_eq!(EffectClass::of(Capability::Fs, "write"), EffectClass::Local);
    assert_eq!(EffectClass::of(Capability::Memory, "get"), EffectClass::Recorded);
    assert_eq!(EffectClass::of(Capability::Messages, "send"), EffectClass::Local);
}

#[test]
fn a_key_is_the_same_for_the_same_action_and_for_no_other() {
    let key = |number, kind, at| call(number, kind).key(&run(), &attempt(at));
    assert_eq!(key(1, effect(), 1), key(1, effect(), 1));
    assert_ne!(key(1, effect(), 1), key(2, effect(), 1));
    assert_ne!(key(1, effect(), 1), key(1, effect(), 2));
    let publish = || CallKind::Effect { idempotent: true, scope: KeyScope::Task("publish".into()) };
    assert_eq!(key(1, publish(), 1), key(7, publish(), 2));
    assert_ne!(
        call(1, publish()).key(&run(), &attempt(1)),
        call(1, publish()).key(&RunId::new("run-2").unwrap(), &attempt(1))
    );
    // A key is in the hands of services for as long as they keep it.
    assert_eq!(
        key(1, effect(), 1).to_string(),
        Digest::of(b"action\nrun-1\nx\n1\n1").to_string(),
        "keys of runs that go on with this version would be others"
    );
}

#[test]
fn an_answer_that_is_too_long_is_a_failure_and_no_loss_of_the_outcome() {
    let action = call(3, effect()).answered(Answered::ok("x".repeat(MAX_ANSWER + 1)));
    assert!(matches!(&action.result, ActionResult::Failed { error } if error.contains("8388609 bytes")), "{action:?}");
    assert_eq!(action.exchange.as_ref().unwrap().answer, "");
    assert!(call(3, effect()).is_of(&action));
    assert!(!call(4, effect()).is_of(&action));
    assert!(!Call { request: Digest::of(b"two"), ..call(3, effect()) }.is_of(&action));
}

#[test]
fn an_incident_lists_what_was_done_what_failed_and_what_nobody_knows() {
    let mut past = PastEffects::default();
    let intent = |number| call(number, effect()).intent(&run(), &attempt(2));
    for number in 0..3 {
        past.note(2, &Entry::Intended(intent(number)));
    }
    past.note(2, &Entry::Action(call(0, effect()).answered(Answered::ok("done"))));
    past.note(2, &Entry::Action(call(1, effect()).answered(Answered::failed("refused"))));
    past.note(2, &Entry::Intended(Intent { repeats: 1, ..intent(2) }));
    let problem = past.listed_in(Problem::new(IncidentClass::Timeout, "too slow"));
    let outcomes: Vec<_> = PastEffects::of(&problem).listed.into_iter().map(|effect| effect.outcome).collect();
    let failed = EffectOutcome::Failed { error: "refused".into() };
    assert_eq!(outcomes, [EffectOutcome::Done, failed, EffectOutcome::Unknown]);
    assert_eq!(
        problem.evidence["effects"][1],
        serde_json::json!({
            "attempt": 2, "number": 1, "capability": "http", "operation": "post", "resource": "https://example.org/orders",
            "key": intent(1).key, "idempotent": false, "outcome": "failed", "error": "refused",
        })
    );
    assert_eq!(past.listed_in(problem.clone()), problem, "once more changes nothing");
}

#[test]
fn what_is_listed_is_bounded_and_the_rest_is_counted() {
    let mut past = PastEffects::default();
    for number in 0..120 {
        let mut intent = call(number, effect()).intent(&run(), &attempt(1));
        intent.resource = "x".repeat(10_000);
        past.note(1, &Entry::Intended(intent));
    }
    let problem = past.listed_in(Problem { evidence: "text".into(), ..Problem::new(IncidentClass::Fatal, "") });
    assert_eq!((past.listed.len(), past.omitted), (MAX_LISTED, 70));
    assert_eq!(past.listed.iter().map(|effect| effect.number).collect::<Vec<_>>()[47..], [47, 48, 119]);
    assert!(problem.evidence.to_string().len() < 40_000);
    assert_eq!(problem.evidence["evidence"], "text");
    assert_eq!(PastEffects::of(&problem), past);
}

#[test]
fn an_incident_lists_what_the_attempt_had_published() {
    let task = |text: &str| TaskId::new(text).unwrap();
    let message = |to: Recipient| Sent { to, body: Payload::from("hello") };
    let outbox = Outbox {
        cancelled: vec![task("a.slow")],
        sent: vec![message(Recipient::task("b").unwrap()), message(Recipient::topic("news").unwrap())],
        received: vec![MessageId { entry: 7, place: 0 }],
        memory: vec![MemoryWrite { scope: MemoryScope::Run, key: "k".repeat(1000), value: None }],
        ..Outbox::default()
    };
    let change = Change { path: StagePath::new("a").unwrap(), change: ChangeKind::Added, digest: None };
    let digest = Digest::of(b"v");
    let committed = |changes| Entry::Committed { base: digest, version: digest, changes, published: outbox.clone() };
    let mut past = Remains::default();
    past.note(1, &Entry::Published(outbox.clone()));
    past.note(1, &committed(vec![change]));
    let problem = past.listed_in(Problem::new(IncidentClass::Timeout, "too slow"));
    let key = "k".repeat(200);
    let of_outbox = [
        json!({ "kind": "cancelled", "task": "a.slow" }),
        json!({ "kind": "message", "to": { "task": "b" } }),
        json!({ "kind": "message", "to": { "topic": "news" } }),
        json!({ "kind": "memory", "scope": "run", "key": key }),
    ];
    let files = json!({ "kind": "files", "changed": 1, "version": digest });
    let expected: Vec<_> = of_outbox.iter().chain([&files]).chain(&of_outbox).cloned().collect();
    assert_eq!(problem.evidence, json!({ "published": expected }));
    assert_eq!(PastPublications::of(&problem), past.published);

    for _ in 0..100 {
        past.note(1, &committed(Vec::new()));
    }
    let many = PastPublications::of(&past.listed_in(Problem::new(IncidentClass::Timeout, "too slow")));
    assert_eq!((many.listed.len(), many.omitted), (MAX_LISTED, 409 - MAX_LISTED as u64));
}
