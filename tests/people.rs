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
    ended.code(3).says(&[
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
    place.proves();
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
    place.proves();
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
    place.proves();
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

/// A granted command that the workflow wants approved.
fn approvals() -> &'static str {
    r#"
version: 1
name: careful
agents: { runner: { plugin: runner, config: { commands: [ { run: [sh, -c, "echo once >> out.txt"], env: { LEVEL: high } } ] } } }
permissions: { fs: { read: ["**"], write: ["**"] }, exec: [[sh]], env: [LEVEL] }
approvals: { exec: [[sh]] }
recovery: [escalate]
tasks: { work: { agent: runner } }
"#
}

#[test]
fn a_granted_command_that_has_to_be_approved_waits_for_a_person_and_does_just_what_was_approved() {
    let place = place();
    place.run(approvals(), &[]).code(3).shows(&["Approve exec run: sh -c echo once >> out.txt"]);
    let asked = place.longhaul(["answer", "last", "--json"]).code(0).json();
    let digest = asked[0]["approves"].as_str().unwrap().to_owned();
    assert!(asked[0]["detail"].as_str().unwrap().contains(r#"["sh", "-c", "echo once >> out.txt"]"#), "{asked}");
    assert!(asked[0]["detail"].as_str().unwrap().contains("environment: LEVEL=high"), "{asked}");
    assert!(!place.path("out.txt").exists());
    place.longhaul(["answer", "last", "1", "--approve", "--resume"]).code(0);
    assert_eq!(place.text("out.txt"), "once\n");
    let lines = place.longhaul(["logs", "last", "--actions", "--json"]).code(0).json_lines();
    let ran = lines.iter().find(|line| line["kind"] == "action" && line["capability"] == "exec").unwrap();
    assert_eq!(ran["exchange"]["request"], digest.as_str(), "what was done is what was approved");
    place.proves();
}

#[test]
fn a_command_that_a_person_rejects_is_not_run() {
    let place = place();
    place.run(approvals(), &[]).code(3);
    place.longhaul(["answer", "last", "--reject", "--by", "ada", "--resume"]).code(3);
    assert!(!place.path("out.txt").exists());
    assert_eq!(shown(&place)["refusals"][0]["reason"], "ada rejected it");
    place.proves();
}

#[test]
fn an_answer_to_a_question_that_is_gone_is_refused_and_not_recorded() {
    let place = place();
    place.run(&colours(), &[]).code(3);
    place.longhaul(["answer", "last", "1", "red", "--by", "ada"]).code(0);
    place
        .longhaul(["answer", "last", "1", "blue"])
        .code(2)
        .says(&["question 1 was answered by ada", "longhaul answer"]);
    place.longhaul(["answer", "last", "--option", "1"]).code(2).says(&["asks nothing"]);
    // The wrong colour: the run fails, and takes no answer any more.
    place.longhaul(["resume", "last"]).code(1);
    place.longhaul(["answer", "last", "1", "blue"]).code(2).says(&["question 1 is not open", "it was answered"]);

    // One that ended with its question open.
    place.run(&colours(), &[]).code(3);
    place.longhaul(["cancel", "last"]).code(0);
    assert_eq!(shown(&place)["status"], "cancelled");
    place.longhaul(["answer", "last", "1", "blue"]).code(2).says(&["question 1 is not open", "who asked it is over"]);
    place.longhaul(["answer", "last", "1", "--approve"]).code(2).says(&["question 1 is not open"]);
    assert!(!place.longhaul(["logs", "last"]).code(0).stdout.contains("answers question"));
}
