//! Agents that talk with each other, as a user sees them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Place, guest};
use serde_json::Value;
use std::ffi::OsStr;

/// One asks ten times, the other answers, and a third looks at what came of it.
fn flow() -> String {
    format!(
        r#"
version: 1
name: talk
agents: {{ talk: {{ plugin: {:?} }} }}
defaults: {{ agent: talk }}
permissions: {{ messages: ["p*ng"] }}
tasks:
  ping: {{ with: {{ to: pong, rounds: 10, burst: 3 }} }}
  pong: {{}}
done_when: "${{{{ tasks.ping.last == 10 && tasks.ping.heard == 10 && tasks.pong.heard == 31 && tasks.pong.last == 10 }}}}"
"#,
        guest("talk")
    )
}

fn shown(place: &Place) -> Value {
    place.longhaul(["show", "last", "--json"]).code(0).json()
}

#[test]
fn two_agents_talk_and_the_record_tells_every_message() {
    let place = Place::new();
    place.run(&flow(), &[]).code(0);
    place.longhaul(["logs", "--actions"]).code(0).shows(&["sends 3 messages", "messages send", "messages receive"]);
    let lines = place.longhaul(["logs", "--actions", "--json"]).code(0).json_lines();
    let received = lines.iter().filter(|line| line["kind"] == "action" && line["operation"] == "receive").count();
    assert_eq!(received, 10 + 31);
    place.proves();
}

#[test]
fn a_conversation_is_killed_anywhere_and_goes_on_with_every_message_once() {
    for cut in ["ping: talk begins", "pong: talk begins", "pong: done", "ping: done"] {
        let place = Place::new();
        let workflow = place.workflow(&flow());
        let mut life = place.start([OsStr::new("run"), workflow.as_os_str()]);
        life.until(cut);
        life.kill();
        if shown(&place)["status"] != "completed" {
            place.longhaul(["resume", "last"]).code(0);
        }
        assert_eq!(shown(&place)["status"], "completed", "{cut}");
    }
}

#[test]
fn two_that_wait_for_each_other_are_a_deadlock_and_a_person_is_told() {
    let place = Place::new();
    let flow = flow().replace("with: { to: pong, rounds: 10, burst: 3 }", "").replace("\ndone_when", "\n#");
    place.run(&flow, &[]).code(3);
    let shown = shown(&place);
    let problem = &shown["incidents"][0]["problem"];
    assert_eq!(problem["class"], "deadlock", "{shown}");
    assert!(problem["message"].as_str().unwrap().contains("waits for a message"), "{problem}");
    place.proves();
}

#[test]
fn who_may_not_be_written_to_is_not_and_the_line_that_grants_it_is_told() {
    let place = Place::new();
    let flow = flow().replace("\"p*ng\"", "ping");
    place.run(&flow, &[]).code(3);
    let refusal = &shown(&place)["refusals"][0];
    assert_eq!(
        (refusal["operation"].as_str(), refusal["grant"].as_str()),
        (Some("messages send"), Some(r#"messages: ["pong"]"#)),
        "{refusal}"
    );
    place.proves();
}
