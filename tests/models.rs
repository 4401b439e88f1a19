//! Agents ask language models: scripted ones need no key and no network, and everything that is asked is in the record.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Ended, Place, guest};
use serde_json::{Value, json};
use std::fs;

/// What the model answers.
const SCRIPT: &str = r#"
window: 1000
price: { input: 1000, output: 2000 }
rules:
  - when: { last: look }
    say: I look.
    call: [{ tool: read, with: { path: a.txt } }]
  - when: { last: was asked }
    say: It is there.
  - when: { last: slowly }
    say: Well.
    after: 1500ms
  - when: { last: as JSON }
    json: { kind: read }
  - when: { last: wait }
    fail: { rate_limited: 2s }
  - when: { last: break }
    fail: { cut_off: It was a dark }
  - say: "${turn}"
"#;

/// A workflow whose task `ask` does `steps`.
fn workflow(steps: &Value, more: &str) -> String {
    format!(
        "version: 1\nname: asking\nagents: {{ asker: {{ plugin: {:?} }} }}\n\
         permissions: {{ fs: {{ read: [\"**\"], write: [\"**\"] }}, model: [default] }}\n{more}\n\
         tasks:\n  ask: {{ agent: asker, with: {{ steps: {steps} }} }}\n",
        guest("asker")
    )
}

const SCRIPTED: &str = "models: { default: { script: model.yaml } }";

fn place() -> Place {
    let place = Place::new();
    place.beside("model.yaml", SCRIPT);
    place
}

fn lines(place: &Place) -> Vec<Value> {
    place.longhaul(["logs", "--json"]).code(0).json_lines()
}

/// All that was asked of models, in order.
fn asked(place: &Place) -> Vec<Value> {
    let mut lines = lines(place);
    lines.retain(|line| line["kind"] == "action" && line["capability"] == "model");
    lines
}

/// What the task `ask` put out.
fn output(place: &Place) -> Value {
    let ended = |line: &Value| line["kind"] == "attempt-ended" && line["task"] == "ask";
    let line = lines(place).into_iter().rfind(ended).unwrap();
    line["result"]["ok"]["completed"].clone()
}

fn say(text: &str) -> Value {
    json!({ "chat": { "say": text } })
}

#[test]
fn what_is_asked_and_answered_is_in_the_record_with_what_it_took() {
    let place = place();
    let steps = json!([
        { "chat": { "system": "Be short.", "say": "please look", "tools": ["read"] } },
        { "write": "told.json" },
        { "chat": { "say": "tell me as JSON", "schema": { "type": "object", "required": ["kind"] } } },
    ]);
    place.run(&workflow(&steps, SCRIPTED), &[]).code(0);
    assert!(place.text("told.json").contains("It is there."));
    let output = output(&place);
    assert_eq!(output["told"][1]["text"], r#"{"kind":"read"}"#);
    let asked = asked(&place);
    assert_eq!(asked.len(), 3);
    let mut spent = 0;
    for action in &asked {
        let exchange = &action["exchange"];
        let answer: Value = serde_json::from_str(exchange["answer"].as_str().unwrap()).unwrap();
        let tokens = answer["input"].as_u64().unwrap() + answer["output"].as_u64().unwrap();
        assert_eq!(exchange["spent"]["tokens"], tokens);
        assert!(exchange["spent"]["money"].as_u64().unwrap() > 0, "{exchange}");
        assert_eq!(exchange["context"], json!({ "used": tokens, "window": 1000 }));
        spent += tokens;
    }
    assert_eq!(output["context_window"], 1000);
    // Each message stands in the record once.
    let said = |index: usize| asked[index]["exchange"]["asked"].as_str().unwrap().to_owned();
    assert!(said(0).contains("Be short.") && said(0).contains("please look"));
    assert!(said(1).contains("read was asked") && !said(1).contains("please look"), "{}", said(1));
    assert!(said(2).contains("as JSON") && said(2).contains("\"as_before\":4"), "{}", said(2));
    let shown = place.longhaul(["show", "last", "--json"]).code(0).json();
    assert_eq!(shown["tokens"], spent, "{shown}");
    place.proves();
}

#[test]
fn a_run_that_was_killed_while_a_model_answers_goes_on_without_the_script_and_asks_nothing_twice() {
    let place = place();
    let steps = json!([say("one"), say("slowly"), say("two"), say("slowly"), { "write": "told.json" }]);
    let text = workflow(&steps, SCRIPTED);
    place.run(&text, &[]).code(0);
    let (undisturbed, told) = (output(&place), place.text("told.json"));
    fs::remove_file(place.path("told.json")).unwrap();
    let file = place.workflow(&text);
    let running = place.start(["run".as_ref(), file.as_os_str()]);
    // Its first answers are in the record while it waits for the second slow one.
    let deadline = std::time::Instant::now() + longhaul_tests::PATIENCE;
    while asked_of(&place, &["logs", "--json"]) < 3 {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    running.kill();
    fs::remove_file(place.outside().join("model.yaml")).unwrap();
    let before = asked(&place);
    assert_eq!(before.len(), 3);
    place.longhaul(["resume", "--json"]).code(0);
    let after = asked(&place);
    assert_eq!((&after[..3], after.len()), (&before[..], 4));
    assert_eq!((output(&place), place.text("told.json")), (undisturbed, told));
    place.proves();
}

fn asked_of(place: &Place, args: &[&str]) -> usize {
    let ended: Ended = place.longhaul(args);
    if ended.status.code() != Some(0) {
        return 0;
    }
    let is_asked = |line: &Value| line["kind"] == "action" && line["capability"] == "model";
    // The newest run may be the one before, which asked four times.
    let lines = ended.json_lines();
    let over = lines.iter().any(|line| line["kind"] == "run-changed" && line["to"] == "completed");
    if over { 0 } else { lines.iter().filter(|line| is_asked(line)).count() }
}

#[test]
fn a_model_that_fails_tells_the_agent_how() {
    let place = place();
    let steps = json!([
        say("wait"),
        say("break"),
        { "chat": { "say": "x", "model": "big" } },
        { "chat": { "say": "x", "schema": { "$ref": "#" } } },
        { "chat": { "say": "anything", "schema": { "type": "object" } } },
    ]);
    place.run(&workflow(&steps, SCRIPTED).replace("[default]", "[\"*\"]"), &[]).code(0);
    let told = output(&place)["told"].clone();
    let kinds: Vec<_> = told.as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["rate-limited", "failed", "unavailable", "invalid", "failed"], "{told}");
    assert!(told[2]["error"].as_str().unwrap().contains("there is no model `big`"), "{told}");
    let refused = asked(&place);
    assert_eq!(refused.len(), 5);
    // What broke off was written and is paid for.
    assert!(refused[1]["exchange"]["spent"]["tokens"].as_u64().unwrap() > 0);
    place.proves();
}

#[test]
fn a_model_that_is_not_granted_is_refused_with_the_line_that_would_grant_it() {
    let place = place();
    let steps = json!([{ "chat": { "say": "x", "model": "big" } }]);
    place.run(&workflow(&steps, SCRIPTED), &[]).code(0);
    assert_eq!(output(&place)["told"][0]["kind"], "denied");
    place.longhaul(["logs", "--denied"]).code(0).shows(&["model chat big", "model: [\"big\"]"]);
    place.proves();
}

#[test]
fn a_run_stops_when_its_tokens_are_used_up_and_goes_on_with_more() {
    for (budget, option, more) in [("tokens: 60", "--tokens", "100k"), ("money: 0.05", "--money", "100")] {
        let place = place();
        let steps: Value = (0..8).map(|n| say(&format!("question {n} of a long conversation"))).collect();
        let budget = format!("{SCRIPTED}\nbudget: {{ {budget} }}");
        let ended = place.run(&workflow(&steps, &budget), &[]).code(6);
        assert!(!ended.stderr.contains("without effect"), "{ended}");
        let asked_first = asked(&place).len();
        assert!((1..8).contains(&asked_first), "{asked_first}");
        let result = place.longhaul(["resume", option, more, "--json"]).code(0).result();
        assert_eq!(result["status"], "completed");
        let shown = place.longhaul(["show", "last", "--json"]).code(0).json();
        let spent: u64 =
            asked(&place).iter().map(|action| action["exchange"]["spent"]["tokens"].as_u64().unwrap()).sum();
        assert_eq!(shown["tokens"], spent);
    }
}

#[test]
fn an_earlier_run_answers_the_same_questions() {
    let place = place();
    let steps = json!([say("one"), say("two")]);
    place.run(&workflow(&steps, SCRIPTED), &[]).code(0);
    let told = output(&place)["told"].clone();
    place.beside("earlier.jsonl", place.longhaul(["logs", "--json"]).code(0).stdout);
    let replayed = "models: { default: { replay: earlier.jsonl } }";
    place.run(&workflow(&json!([say("one"), say("two"), say("three")]), replayed), &[]).code(0);
    let again = output(&place)["told"].clone();
    assert_eq!((&again[0], &again[1], &again[2]["kind"]), (&told[0], &told[1], &json!("failed")));
}

#[test]
fn models_that_cannot_answer_are_told_before_anything_begins() {
    let place = place();
    place.beside("bad.yaml", "rules:\n  - sya: hello\n");
    place.beside("empty.jsonl", "");
    let steps = json!([say("x")]);
    for (models, told) in [
        ("models: { default: { script: gone.yaml } }", &["models.default.script", "gone.yaml", "cannot be read"][..]),
        ("models: { default: { script: bad.yaml } }", &["models.default.script", "line 2", "sya"]),
        ("models: { default: { replay: empty.jsonl } }", &["models.default.replay", "no model answers"]),
        ("models: { default: {} }", &["models.default", "add `script: model.yaml`"]),
        (
            "models: { other: { script: model.yaml } }",
            &["permissions.model[0]", "there is no model `default`", "`other`"],
        ),
        ("models: { default: { scirpt: model.yaml } }", &["unknown field `scirpt`", "did you mean `script`?"]),
    ] {
        place.run(&workflow(&steps, models), &[]).code(2).says(told);
    }
    assert!(!place.path(".longhaul").exists());
}
