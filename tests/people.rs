//! Agents that ask people, and people that answer, as a user sees them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Place, guest};
use serde_json::Value;
use std::ffi::OsStr;

/// One task asks, another one works on; at the end the answer has to be the one that is wanted.
fn flow(input: &str, wanted: &str) -> String {
    format!(
        r#"
version: 1
name: asks
agents:
  ask: {{ plugin: {:?} }}
  reviewer: {{ plugin: reviewer, config: {{ fail_at: never, rules: [ {{ name: any, literal: x, severity: info }} ] }} }}
permissions: {{ fs: {{ read: ["**"] }}, human: [ask, approve] }}
tasks:
  ask: {{ agent: ask, with: {{ {input} }} }}
  other: {{ agent: reviewer }}
done_when: "${{{{ {wanted} }}}}"
"#,
        guest("ask")
    )
}

fn colours() -> String {
    flow("question: \"Which colour?\", options: [red, blue]", "tasks.ask.answer == 'blue' && tasks.ask.by == 'ada'")
}

fn place() -> Place {
    Place::with(&[("a.txt", "x")])
}

fn shown(place: &Place) -> Value {
    place.longhaul(["show", "last", "--json"]).code(0).json()
}

#[test]
fn a_run_that_asks_rests_until_it_is_answered_and_resumed() {
    let place = place();
    let ended = place.run(&colours(), &[]);
    ended.code(3).shows(&[
        "question 1 of task ask: Which colour?",
        "1. red",
        "2. blue",
        "longhaul answer",
        "--option N",
    ]);
    assert_eq!((&shown(&place)["status"], &shown(&place)["questions"][0]["number"]), (&"paused".into(), &1.into()));
    place.longhaul(["runs"]).code(0).shows(&["paused, asks"]);
    let listed = place.longhaul(["answer", "last", "--json"]).code(0).json();
    assert_eq!((&listed[0]["task"], &listed[0]["options"][1]), (&"ask".into(), &"blue".into()));
    // What does not fit is refused, and nothing is recorded.
    place.longhaul(["answer", "last", "1", "green"]).code(2).says(&["question 1 wants one of `red`, `blue`"]);
    place.longhaul(["answer", "last", "1", "--option", "3"]).code(2);
    place.longhaul(["answer", "last", "1", "--approve"]).code(2);
    place.longhaul(["answer", "last", "2", "blue"]).code(2).says(&["question 2 is not open"]);
    place.longhaul(["resume", "last"]).code(3);
    place.longhaul(["answer", "last", "1", "--option", "2", "--by", "ada"]).code(0).says(&["longhaul resume"]);
    place.longhaul(["answer", "last", "1", "red"]).code(2).says(&["question 1 was answered by ada"]);
    place.longhaul(["answer", "last"]).code(0).says(&["asks nothing"]);
    place.longhaul(["resume", "last"]).code(0);
    place.longhaul(["answer", "last", "1", "red"]).code(2);
    place.longhaul(["logs"]).code(0).shows(&["asks question 1: Which colour?", "ada answers question 1: `blue`"]);
}

#[test]
fn a_run_that_stays_up_goes_on_as_it_is_answered() {
    let place = place();
    let workflow = place.workflow(&colours());
    let mut life = place.start([OsStr::new("run"), workflow.as_os_str(), OsStr::new("--wait")]);
    life.until("question 1 of task ask");
    place.longhaul(["answer", "last", "1", "green"]).code(2);
    place.longhaul(["answer", "last", "7", "blue"]).code(2).says(&["question 7 is not open"]);
    place.longhaul(["answer", "last", "1", "blue", "--by", "ada"]).code(0).says(&["the run goes on"]);
    life.end().code(0);
    place.longhaul(["logs"]).code(0).shows(&["only people were waited for"]);
}

#[test]
fn a_run_that_is_killed_while_it_waits_takes_the_answer_afterwards() {
    let place = place();
    let workflow = place.workflow(&colours());
    let mut life = place.start([OsStr::new("run"), workflow.as_os_str(), OsStr::new("--wait")]);
    life.until("question 1 of task ask");
    life.kill();
    place.longhaul(["answer", "last", "--option", "2", "--by", "ada", "--resume"]).code(0);
    assert_eq!(shown(&place)["status"], "completed");
}

#[test]
fn an_approval_is_bound_to_the_digest_of_what_is_approved() {
    let digest = "a".repeat(64);
    for (flag, answer) in [("--approve", "approved"), ("--reject", "rejected")] {
        let place = place();
        let wanted = format!("tasks.ask.answer == '{answer}'");
        place
            .run(&flow(&format!("question: \"Delete it?\", approve: \"{digest}\""), &wanted), &[])
            .code(3)
            .shows(&[&digest]);
        place.longhaul(["answer", "last", "1", "yes"]).code(2).says(&["a yes or no", &digest]);
        place.longhaul(["answer", "last", "1", flag, "--resume"]).code(0);
        let said = if flag == "--approve" { "yes to" } else { "no to" };
        place.longhaul(["logs"]).code(0).shows(&[&format!("answers question 1: {said} {digest}")]);
    }
}

#[test]
fn silence_is_answered_by_the_default() {
    let place = place();
    let input = "question: \"Shall I?\", default: \"no\", patience: 3000";
    place.run(&flow(input, "tasks.ask.answer == 'no' && tasks.ask.by == 'default'"), &[]).code(0);
}

#[test]
fn a_program_is_told_of_a_question() {
    let place = place();
    let news = place.outside().join("news");
    let program = place.beside("tell.sh", format!("#!/bin/sh\ncat >> {}\n", news.display()));
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    place.run(&colours(), &["--notify", program.to_str().unwrap()]).code(3);
    let told: Value = serde_json::from_str(std::fs::read_to_string(&news).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!((&told["status"], &told["question"]["summary"]), (&"asks".into(), &"Which colour?".into()));
    assert!(told["question"]["command"].as_str().unwrap().starts_with("longhaul answer "), "{told}");
}

#[test]
fn who_may_not_ask_does_not_and_the_line_that_grants_it_is_told() {
    let place = place();
    place.run(&colours().replace("human: [ask, approve]", "human: [approve]"), &[]).code(3);
    let refusal = &shown(&place)["refusals"][0];
    assert_eq!(
        (refusal["operation"].as_str(), refusal["grant"].as_str()),
        (Some("human ask"), Some(r#"human: ["ask"]"#)),
        "{refusal}"
    );
}
