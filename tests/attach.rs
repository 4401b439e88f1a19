//! Attachments: what a task is given beside its input is captured once, is in the record, and stays what it was.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{PATIENCE, Place, guest};
use serde_json::{Value, json};
use std::ffi::OsStr;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and some more";
const COMMIT: &str = "8a5bd1f0c2b94d56a1c3e0f1d2c3b4a596877665";

/// A workflow whose one task is given `attach` and does `steps`.
fn flow(attach: &str, steps: &Value, more: &str) -> String {
    format!(
        "version: 1\nname: given\nworkspace: {{ caches: [target] }}\nagents: {{ asker: {{ plugin: {:?} }} }}\n\
         permissions: {{ fs: {{ read: [\"src/**\", \"*.png\", \"*.txt\"] }}, exec: [[sh]] }}\n{more}\n\
         tasks:\n  ask: {{ agent: asker, attach: {attach}, with: {{ strict: true, steps: {steps} }} }}\n",
        guest("asker")
    )
}

fn place() -> Place {
    let place = Place::with(&[
        ("src/a.rs", "fn a() {}\n"),
        ("src/deep/b.rs", "fn b() {}\n"),
        ("secret/key", "k"),
        ("notes.txt", "n"),
    ]);
    place.file("shot.png", PNG);
    place
}

/// What the agent saw.
fn seen(place: &Place) -> Vec<Value> {
    let lines = place.longhaul(["logs", "last", "--json"]).code(0).json_lines();
    let ended = lines.iter().rfind(|line| line["kind"] == "attempt-ended").unwrap();
    ended["result"]["ok"]["completed"]["told"][0].as_array().unwrap_or_else(|| panic!("{ended}")).clone()
}

fn names(seen: &[Value]) -> Vec<&str> {
    seen.iter().map(|one| one["name"].as_str().unwrap()).collect()
}

/// The entries that say what was captured.
fn captured(place: &Place) -> Vec<Value> {
    let lines = place.longhaul(["logs", "last", "--json"]).code(0).json_lines();
    lines.into_iter().filter(|line| line["kind"] == "captured").collect()
}

/// Whether the newest run has captured something; it may not be there yet.
fn has_captured(place: &Place) -> bool {
    let logs = place.longhaul(["logs", "last", "--json"]);
    logs.status.success() && logs.stdout.contains("\"kind\":\"captured\"")
}

#[test]
fn files_pictures_output_and_repository_reach_the_agent_and_the_auditor() {
    let place = place();
    place.file(".git/HEAD", "ref: refs/heads/topic\n");
    place.file(".git/refs/heads/topic", format!("{COMMIT}\n"));
    let attach = r#"["src/**/*.rs", { image: shot.png }, { command: [sh, -c, "ls src; echo aside >&2"] }, { repository: true }]"#;
    place.run(&flow(attach, &json!([{ "attached": [] }]), ""), &[]).code(0);
    let seen = seen(&place);
    assert_eq!(names(&seen), ["src/a.rs", "src/deep/b.rs", "shot.png", "sh -c ls src; echo aside >&2", "repository"]);
    assert_eq!((&seen[0]["text"], &seen[0]["type"]), (&json!("fn a() {}\n"), &json!("text/plain")));
    assert_eq!((&seen[2]["size"], &seen[2]["type"]), (&json!(PNG.len()), &json!("image/png")));
    assert_eq!(seen[3]["text"], "a.rs\ndeep\n");
    let state: Value = serde_json::from_str(seen[4]["text"].as_str().unwrap()).unwrap();
    // There is no index, so that git knows none of the files; of those that the task may not read nothing is said.
    assert_eq!(
        state,
        json!({ "repository": true, "branch": "topic", "commit": COMMIT,
                "changed": ["A notes.txt", "A shot.png", "A src/a.rs", "A src/deep/b.rs"] })
    );

    let shown = place.longhaul(["show", "last", "--task", "ask", "--json"]).code(0).json();
    let listed: Vec<_> = shown["attachments"].as_array().unwrap().iter().map(|one| one["digest"].clone()).collect();
    assert_eq!(listed, seen.iter().map(|one| one["digest"].clone()).collect::<Vec<_>>());
    let table = place.longhaul(["show", "last", "--task", "ask"]).code(0);
    table.shows(&["5 attachments", "src/deep/b.rs", "image/png", listed[2].as_str().unwrap()]);
    let content = place.longhaul(["show", "last", "--task", "ask", "--attachment", "src/a.rs"]).code(0);
    assert_eq!(content.stdout, "fn a() {}\n");
    place.longhaul(["show", "last", "--task", "ask", "--attachment", "gone"]).code(2).says(&["no attachment `gone`"]);
    place.longhaul(["show", "last", "--task", "nobody"]).code(2).says(&["no task `nobody`"]);
    // Before anything that the agent did; what it looked at is recorded too.
    place.longhaul(["logs", "last", "--actions"]).code(0).shows(&[
        "exec run sh -c",
        "5 attachments are captured: src/a.rs",
        "context attachments",
        "context read-attachment shot.png",
    ]);
    place.proves();
}

#[test]
fn without_a_repository_the_state_says_so_and_what_is_unknown_is_an_error() {
    let place = place();
    let attach = "[{ repository: true }]";
    place.run(&flow(attach, &json!([{ "attached": [] }]), ""), &[]).code(0);
    let state: Value = serde_json::from_str(seen(&place)[0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(state["repository"], false);
    assert!(state["note"].as_str().unwrap().contains("no folder `.git`"), "{state}");
    place
        .run(&flow(attach, &json!([{ "attached": ["nothing"] }]), "recovery: [escalate]"), &[])
        .code(3)
        .says(&["has no attachment `nothing`"]);
}

#[test]
fn a_killed_run_goes_on_with_what_was_captured_whatever_became_of_its_sources() {
    let place = place();
    place.file(".git/HEAD", "ref: refs/heads/topic\n");
    let attach =
        r#"["src/a.rs", { repository: true }, { command: [sh, -c, "echo run >> target/runs; cat target/runs"] }]"#;
    let text = flow(attach, &json!([{ "attached": [] }, { "wait": 5000 }]), "");
    let workflow = place.workflow(&text);
    let mut life = place.start([OsStr::new("run"), workflow.as_os_str()]);
    assert!(life.runs_until(PATIENCE, || has_captured(&place)), "{}", life.end());
    life.kill();
    let before = captured(&place);
    place.file("src/a.rs", "fn another() {}\n");
    place.file(".git/HEAD", "ref: refs/heads/other\n");
    place.longhaul(["resume", "last"]).code(0);
    let seen = seen(&place);
    assert_eq!(seen[0]["text"], "fn a() {}\n");
    assert!(seen[1]["text"].as_str().unwrap().contains("topic"));
    assert_eq!(seen[2]["text"], "run\n", "the command was run once");
    assert_eq!((before.len(), captured(&place)), (1, before));
    place.proves();
}

#[test]
fn a_run_killed_while_it_captures_begins_that_again_and_records_it_once() {
    let place = place();
    let script =
        "echo begun >> target/runs; echo looks >&2; until test -e target/go; do sleep 0.05; done; cat target/runs";
    let attach = format!("[notes.txt, {{ command: [sh, -c, {script:?}] }}]");
    let workflow = place.workflow(&flow(&attach, &json!([{ "attached": [] }]), ""));
    let mut life = place.start([OsStr::new("run"), workflow.as_os_str()]);
    life.until("ask| looks");
    life.kill();
    place.file(".longhaul/caches/target/go", "");
    place.longhaul(["resume", "last"]).code(0);
    let seen = seen(&place);
    assert_eq!((&seen[0]["text"], &seen[1]["text"]), (&json!("n"), &json!("begun\nbegun\n")));
    assert_eq!(captured(&place).len(), 1);
}

#[test]
fn a_second_attempt_is_given_what_the_first_was() {
    let place = place();
    let attach = r#"[{ command: [sh, -c, "echo run >> target/runs; cat target/runs"] }]"#;
    let steps = json!([{ "attached": [] }, { "fetch": { "url": "https://nobody.invalid/" } }]);
    let more = "strategies: { again: { plugin: by-class, config: { rules: [ { class: denied, decide: retry } ] } } }\n\
                recovery: [again, escalate]";
    place.run(&flow(attach, &steps, more), &[]).code(3);
    let lines = place.longhaul(["logs", "last", "--json"]).code(0).json_lines();
    let read: Vec<_> = lines.iter().filter(|line| line["operation"] == "read-attachment").collect();
    assert_eq!((&read[0]["attempt"], &read[1]["attempt"]), (&json!(1), &json!(2)));
    assert_eq!((&read[0]["digest"], read.len()), (&read[1]["digest"], 2));
    // The command was an action of the first attempt, before those of its guest.
    assert_eq!((&read[0]["number"], &read[1]["number"]), (&json!(2), &json!(1)));
    assert_eq!((captured(&place).len(), place.text(".longhaul/caches/target/runs")), (1, "run\n".to_owned()));
    place.proves();
}

#[test]
fn what_cannot_be_captured_is_an_incident_that_says_why() {
    let place = place();
    place.file("big.txt", "x".repeat((4 << 20) + 1));
    for (attach, class, says) in [
        ("[src/gone.rs]", "validation", "files `src/gone.rs` cannot be attached: no file of the workspace fits it"),
        ("[\"src/*.py\"]", "validation", "files `src/*.py` cannot be attached: no file of the workspace fits it"),
        ("[secret/key]", "denied", "`secret/key` may not be read; fs: { read: [\"secret/key\"] }"),
        ("[big.txt]", "validation", "4194305 bytes, more than the 4194304 (4 MiB) of an attachment"),
        ("[{ image: notes.txt }]", "validation", "it is neither a PNG nor a JPEG picture"),
        ("[{ image: gone.png }]", "validation", "there is no such file in the workspace"),
        ("[{ image: secret/key }]", "denied", "`secret/key` may not be read"),
        ("[{ command: [sh, -c, \"echo oh >&2; exit 3\"] }]", "validation", "it ended with exit code 3"),
        (
            "[{ command: [sh, -c, \"yes | head -c 300000\"] }]",
            "validation",
            "it wrote 300000 bytes, more than the 262144 (256 KiB) of a command",
        ),
    ] {
        let ended = place.run(&flow(attach, &json!([]), "recovery: [escalate]"), &[]).code(3).says(&[says]);
        let shown = place.longhaul(["show", "last", "--json"]).code(0).json();
        assert_eq!(shown["incidents"][0]["problem"]["class"], class, "{attach}: {ended}");
        assert_eq!(captured(&place), Vec::<Value>::new());
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_runs() {
    let place = place();
    for (attach, says) in [
        ("[{ command: [git, log] }]", "the task's permissions do not cover the command"),
        ("[{ files: a, image: b }]", "an attachment is one thing"),
        ("[{ folder: a }]", "unknown field `folder`"),
        ("[\"../a\"]", "is not a file pattern"),
        ("[\"${{ item }}\"]", "there is no `item` here"),
    ] {
        place.run(&flow(attach, &json!([]), ""), &[]).code(2).says(&[says]);
    }
    let approve = "approvals: { exec: [[sh]] }";
    place.run(&flow("[{ command: [sh, -c, ls] }]", &json!([]), approve), &[]).code(2).says(&["cannot wait for that"]);
}

#[test]
fn each_element_is_given_its_own_and_defaults_hold_for_those_who_say_nothing() {
    let place = place();
    let workflow = flow("[]", &json!([{ "attached": [] }]), "defaults: { attach: [notes.txt] }").replace(
        "ask: { agent: asker, attach: [],",
        "usual: { agent: asker, with: { steps: [ { attached: [] } ] } }\n  ask: { agent: asker, for_each: [src/a.rs, src/deep/b.rs], attach: [\"${{ item }}\"],",
    );
    place.run(&workflow, &[]).code(0);
    let rows = place.longhaul(["show", "last", "--json"]).code(0).json();
    let given: Vec<_> = rows["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| Some((row["task"].as_str()?.to_owned(), row["attachments"][0]["name"].as_str()?.to_owned())))
        .collect();
    let given: Vec<_> = given.iter().map(|(task, name)| (task.as_str(), name.as_str())).collect();
    assert_eq!(given, [("usual", "notes.txt"), ("ask[0]", "src/a.rs"), ("ask[1]", "src/deep/b.rs")]);
}

#[test]
fn a_model_is_told_and_shown_what_is_attached() {
    let place = place();
    place.beside("model.yaml", "rules:\n  - call: [{ tool: finish, with: { summary: seen } }]\n");
    let workflow = "version: 1\nname: shown\nagents: { coder: { plugin: coder } }\n\
        models: { default: { script: model.yaml } }\n\
        permissions: { fs: { read: [\"**\"], write: [\"**\"] }, model: [default] }\n\
        tasks:\n  look: { agent: coder, attach: [notes.txt, { image: shot.png }], with: { requirement: look } }\n";
    place.run(workflow, &[]).code(0);
    let lines = place.longhaul(["logs", "last", "--json"]).code(0).json_lines();
    let asked = lines.iter().find(|line| line["capability"] == "model").unwrap()["exchange"]["asked"].to_string();
    for wanted in
        ["# Attachments", "## notes.txt (file, text/plain, 1 bytes)", "## shot.png (image, image/png", "image/png"]
    {
        assert!(asked.contains(wanted), "{wanted}: {asked}");
    }
    place.proves();
}
