//! A guest that sends and receives: what it is told is in the record, and a replay is told the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper that fails is a test that fails")]

mod support;

use longhaul_core::action::{Action, ActionResult};
use longhaul_core::attempt::{AttemptEvent, Ran, RecordError, Wait};
use longhaul_core::grant::{Grant, Party, Permissions};
use longhaul_core::id::{Name, TaskId};
use longhaul_core::incident::IncidentClass;
use longhaul_core::messages::{Mailbox, Message, MessageError, MessageId, Recipient};
use longhaul_core::payload::Payload;
use longhaul_core::reach::BoxFuture;
use longhaul_core::units::Timestamp;
use serde_json::json;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use support::{Attempt, Replaying, guests, limits, output, problem, run, sandbox};

/// A mailbox with these messages, which takes what is sent as long as it is not full.
#[derive(Default)]
struct Fake {
    letters: Mutex<VecDeque<Message>>,
    sent: Mutex<Vec<(Recipient, Payload)>>,
    is_full: bool,
    /// What comes when somebody waits for it.
    late: Mutex<Option<Message>>,
}

impl Mailbox for Fake {
    fn send(&self, to: Recipient, body: Payload) -> Result<(), MessageError> {
        if self.is_full {
            return Err(MessageError::Full("the mailbox is full".to_owned()));
        }
        self.send_again(to, body);
        Ok(())
    }

    fn send_again(&self, to: Recipient, body: Payload) {
        self.sent.lock().unwrap().push((to, body));
    }

    fn subscribe(&self, _: &Name) -> Result<Result<(), MessageError>, RecordError> {
        Ok(Ok(()))
    }

    fn next(&self) -> Result<Option<Message>, RecordError> {
        Ok(self.letters.lock().unwrap().pop_front())
    }

    fn next_again(&self, message: &Message) {
        self.letters.lock().unwrap().retain(|letter| letter != message);
    }

    fn arrived(&self) -> BoxFuture<'_, ()> {
        match self.late.lock().unwrap().take() {
            None => Box::pin(std::future::pending()),
            Some(letter) => {
                self.letters.lock().unwrap().push_back(letter);
                Box::pin(std::future::ready(()))
            }
        }
    }
}

fn letter(place: u32, body: &str) -> Message {
    Message {
        id: MessageId { entry: 7, place },
        sender: TaskId::new("other").unwrap(),
        to: Recipient::task("task").unwrap(),
        body: Payload::from(body),
        sent_at: Timestamp(5),
    }
}

/// Runs the agent `talk` with a mailbox, along a script.
fn talk(
    mailbox: &Arc<Fake>,
    input: serde_json::Value,
    granted: &[&str],
    script: &[AttemptEvent],
) -> (Ran, Vec<AttemptEvent>) {
    let sandbox = sandbox();
    run(async {
        let plugin = sandbox.load(&guests::built("talk")).await.unwrap();
        let mut attempt = Attempt::new(input, limits());
        let list = granted.iter().map(|pattern| (*pattern).to_owned()).collect();
        let give = Permissions { messages: Some(list), ..Permissions::default() };
        attempt.job.grant = Grant::new([(Party::Task, give)]).unwrap();
        let recorder = Arc::new(Replaying {
            script: Mutex::new(script.to_vec()),
            live: Mutex::default(),
            attempt: attempt.job.task.attempt.clone(),
        });
        attempt.job.recorder = recorder.clone();
        attempt.job.reach.mailbox = mailbox.clone();
        let ran = sandbox.run_agent(&plugin, attempt.job).await;
        let live = recorder.live.lock().unwrap().clone();
        (ran, live)
    })
}

fn mailbox(letters: &[Message]) -> Arc<Fake> {
    Arc::new(Fake { letters: Mutex::new(letters.iter().cloned().collect()), ..Fake::default() })
}

#[test]
fn a_wait_for_a_message_costs_no_instance_and_a_replay_is_told_what_was_told_before() {
    let input = || json!({ "to": "other", "rounds": 2 });
    let empty = mailbox(&[]);
    let (ran, before) = talk(&empty, input(), &["other"], &[]);
    assert_eq!(ran, Ran::Suspended(Wait { message: true, ..Wait::default() }));
    assert_eq!(
        empty.sent.lock().unwrap().as_slice(),
        &[(Recipient::task("other").unwrap(), r#"{"question":1}"#.into())]
    );
    // Another instance is brought to the same place, sends the same again, and goes on. The second answer comes within a moment.
    let letters = Arc::new(Fake {
        letters: Mutex::new([letter(0, r#"{"answer":1}"#)].into()),
        late: Mutex::new(Some(letter(1, r#"{"answer":2}"#))),
        ..Fake::default()
    });
    let (ran, after) = talk(&letters, input(), &["other"], &before);
    let report = ran.ended().unwrap();
    assert_eq!(output(&report), &json!({ "heard": 2, "last": 2 }));
    assert_eq!(letters.sent.lock().unwrap().len(), 3, "two questions, and that it is enough");
    // Along all of its record nobody is asked for a message, and what it received is not received by others.
    let all: Vec<_> = before.iter().chain(&after).cloned().collect();
    for cut in 0..=all.len() {
        let mailbox = mailbox(&[letter(0, r#"{"answer":1}"#), letter(1, r#"{"answer":2}"#)]);
        let (ran, live) = talk(&mailbox, input(), &["other"], &all[..cut]);
        assert_eq!((ran.ended().unwrap().result, live.len()), (report.result.clone(), all.len() - cut), "{cut}");
        assert!(mailbox.letters.lock().unwrap().is_empty(), "{cut}");
        assert_eq!(mailbox.sent.lock().unwrap().len(), 3, "{cut}");
    }
}

#[test]
fn what_is_not_granted_is_not_sent_and_the_denial_says_the_line() {
    let empty = mailbox(&[]);
    let (ran, live) = talk(&empty, json!({ "to": "other" }), &["review*"], &[]);
    let report = ran.ended().unwrap();
    assert_eq!(problem(&report).class, IncidentClass::Denied);
    assert!(empty.sent.lock().unwrap().is_empty());
    match live.as_slice() {
        [AttemptEvent::Action(Action { result: ActionResult::Denied { grant, .. }, .. })] => {
            assert_eq!(grant, r#"messages: ["other"]"#);
        }
        other => panic!("the denial is not recorded: {other:?}"),
    }
}

#[test]
fn a_refusal_is_the_guests_to_deal_with_and_the_same_in_a_replay() {
    let full = || Arc::new(Fake { is_full: true, ..Fake::default() });
    let (ran, live) = talk(&full(), json!({ "to": "other" }), &["*"], &[]);
    let refused = ran.ended().unwrap();
    assert_eq!(problem(&refused).class, IncidentClass::Exhausted);
    let (ran, more) = talk(&mailbox(&[]), json!({ "to": "other" }), &["*"], &live);
    assert_eq!((ran.ended().unwrap().result, more.len()), (refused.result, 0));
    let (ran, _) = talk(&mailbox(&[]), json!({ "to": "no task" }), &["*"], &[]);
    assert!(problem(&ran.ended().unwrap()).message.contains("is not a task id"));
}
