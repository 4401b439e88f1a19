//! What agents are not granted does not happen, and the record says what would have granted it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::Place;

/// A codemod that is let loose on everything, and may write `src` alone.
const GREEDY: &str = r#"
version: 1
name: greedy
agents:
  codemod:
    plugin: codemod
    config: { rules: [ { name: rename, literal: old, replace: new } ] }
permissions:
  fs: { read: ["**"], write: ["src/**"] }
recovery: [escalate]
tasks:
  change: { agent: codemod }
"#;

#[test]
fn what_is_outside_the_grant_is_refused_and_told_with_the_line_that_would_grant_it() {
    let place = Place::with(&[("docs/guide.md", "old"), ("src/a.rs", "old"), ("src/b.rs", "old")]);
    let before = place.tree();
    let ended = place.run(GREEDY, &[]).code(3);
    let result = ended.result();
    assert_eq!(result["status"], "escalated");
    assert!(result["denials"].as_u64().unwrap() >= 1, "{result}");
    assert_eq!(place.tree(), before, "a failed run changes nothing, not even what it was granted");

    let shown = place.longhaul(["show", "last", "--json"]).code(0).json();
    let refusals = shown["refusals"].as_array().unwrap();
    let refusal = refusals.iter().find(|refusal| refusal["resource"] == "docs/guide.md").unwrap();
    assert_eq!(refusal["grant"], r#"fs: { write: ["docs/guide.md"] }"#);
    assert_eq!(refusal["agent"], "codemod");
    assert_eq!(shown["incidents"][0]["problem"]["class"], "denied");
    let grant = r#"fs: { write: ["docs/guide.md"] }"#;
    place.longhaul(["show"]).code(0).shows(&["docs/guide.md", grant]);
    let denied = place.longhaul(["logs", "last", "--denied"]).code(0).shows(&["DENIED", "docs/guide.md", grant]);
    assert!(denied.stdout.lines().all(|line| line.contains("DENIED")), "{denied}");
}

#[test]
fn granting_the_told_line_makes_it_work() {
    let place = Place::with(&[("docs/guide.md", "old"), ("src/a.rs", "old")]);
    place.run(&GREEDY.replace(r#"["src/**"]"#, r#"["src/**", "docs/guide.md"]"#), &[]).code(0);
    assert_eq!(place.text("docs/guide.md"), "new");
    assert_eq!(place.text("src/a.rs"), "new");
}

#[test]
fn what_may_not_be_read_is_not_even_listed() {
    let flow = r#"
version: 1
name: blind
agents:
  reviewer: { plugin: reviewer, config: { fail_at: never, rules: [ { name: all, glob: "**", regex: "." } ] } }
permissions: { fs: { read: ["src/**"] } }
tasks: { look: { agent: reviewer } }
"#;
    let place = Place::with(&[("secret/key.pem", "secret"), ("src/a.rs", "a"), ("top.txt", "t")]);
    place.run(flow, &[]).code(0);
    let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
    let output = lines.iter().find(|line| line["kind"] == "attempt-ended").unwrap().to_string();
    assert!(output.contains("src/a.rs"), "{output}");
    assert!(!output.contains("key.pem") && !output.contains("top.txt"), "{output}");
}

#[test]
fn a_task_that_withholds_what_its_agent_needs_is_refused_before_anything_runs() {
    let flow = GREEDY.replace(r#", write: ["src/**"]"#, "");
    let place = Place::with(&[("src/a.rs", "old")]);
    let before = place.whole_tree();
    place.run(&flow, &[]).code(5).says(&[
        "test.workflow.yaml:12:11: ",
        "(at tasks.change)",
        "codemod",
        "fs.write",
        "to write back the files",
        r#"fs: { write: ["**"] }"#,
    ]);
    let own = GREEDY.replace("agent: codemod }", "agent: codemod, permissions: { fs: { read: [\"**\"] } } }");
    place.run(&own, &[]).code(5).says(&["test.workflow.yaml:12:", "(at tasks.change.permissions)", "fs.write"]);
    assert_eq!(place.whole_tree(), before, "nothing is made, not even the state folder");
}

#[test]
fn a_tasks_own_permissions_replace_those_of_the_workflow() {
    let flow = GREEDY.replace(
        "change: { agent: codemod }",
        r#"change: { agent: codemod, permissions: { fs: { read: ["docs/**"], write: ["docs/**"] } } }"#,
    );
    let place = Place::with(&[("docs/guide.md", "old"), ("src/a.rs", "old")]);
    place.run(&flow, &[]).code(0);
    assert_eq!((place.text("docs/guide.md").as_str(), place.text("src/a.rs").as_str()), ("new", "old"));
}

#[test]
fn the_grant_is_part_of_the_record() {
    let place = Place::with(&[("src/a.rs", "old")]);
    place.run(GREEDY, &[]).code(0);
    let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
    let started = lines.iter().find(|line| line["kind"] == "attempt-started").unwrap();
    let text = started["grant"].to_string();
    assert!(text.contains("manifest") && text.contains("task") && text.contains("src/**"), "{text}");
    assert!(started["limits"]["fuel"].as_u64().unwrap() > 0);
}

#[test]
fn what_the_operators_policy_withholds_no_workflow_gives() {
    let flow = GREEDY.replace(r#"["src/**"]"#, r#"["**"]"#);
    let place = Place::with(&[("docs/guide.md", "old"), ("src/a.rs", "old")]);
    let policy = place
        .beside("night.policy.yaml", r#"{ version: 1, permissions: { fs: { read: ["**"], write: ["src/**"] } } }"#);
    let before = place.tree();
    let result = place.run(&flow, &["--policy", policy.to_str().unwrap()]).code(3).result();
    assert!(result["denials"].as_u64().unwrap() >= 1, "{result}");
    assert_eq!(place.tree(), before);
    place.longhaul(["logs", "last", "--denied"]).code(0).shows(&["docs/guide.md", "the operator's policy"]);
    // The policy is part of what the record says the attempt was granted.
    let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
    let started = lines.iter().find(|line| line["kind"] == "attempt-started").unwrap();
    assert_eq!(started["grant"][1][0], "policy", "{started}");
    assert_eq!(started["grant"][1][1]["fs"]["write"], serde_json::json!(["src/**"]));
}

#[test]
fn a_policy_that_withholds_what_an_agent_needs_or_does_not_read_stops_the_run_before_it_begins() {
    let place = Place::with(&[("src/a.rs", "old")]);
    let before = place.whole_tree();
    let narrow = place.beside("narrow.yaml", "version: 1\npermissions: { fs: { read: [\"**\"] } }\n");
    place.run(GREEDY, &["--policy", narrow.to_str().unwrap()]).code(5).says(&[
        "narrow.yaml:2:14: ",
        "tasks.change",
        "fs.write",
        "the policy does not allow it",
        r#"fs: { write: ["**"] }"#,
    ]);
    let wrong = place.beside("wrong.yaml", "version: 1\npermissions:\n  fs: { rite: [\"**\"] }\n");
    place.run(GREEDY, &["--policy", wrong.to_str().unwrap()]).code(2).says(&[
        "wrong.yaml:3",
        "rite",
        "did you mean `write`?",
    ]);
    place.run(GREEDY, &["--policy", "/nowhere/policy.yaml"]).code(2).says(&["/nowhere/policy.yaml", "permissions"]);
    assert_eq!(place.whole_tree(), before);
}

#[test]
fn what_is_given_without_any_bound_is_told_before_the_run() {
    let place = Place::with(&[("a", "a")]);
    let workflow = |more: &str, own: &str| {
        format!(
            "version: 1\nname: wide\nagents: {{ reviewer: {{ plugin: reviewer, config: {{ rules: [] }} }} }}\n\
             permissions: {{ fs: {{ read: [\"**\"] }}{more} }}\ntasks:\n  look: {{ agent: reviewer{own} }}\n"
        )
    };
    let wide = ", exec: [[git, log], [\"*\"]], model: [\"*\"], messages: [news, \"*\"], http: [\"https://*/*\"]";
    let ended = place.run(&workflow(wide, ""), &[]);
    let warnings: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
    for (warning, (field, all)) in warnings.iter().zip([
        ("permissions.http[0]", "every public host"),
        ("permissions.exec[1]", "every program of this machine"),
        ("permissions.model[0]", "every model of this host"),
        ("permissions.messages[1]", "every task and every topic"),
    ]) {
        assert!(warning.contains(&format!(": {field}: `")) && warning.contains(all), "{warning}");
    }
    assert_eq!(warnings.len(), 4, "{ended}");
    let own = ", permissions: { exec: [[\"*\"]] }";
    place.run(&workflow("", own), &[]).says(&["tasks.look.permissions.exec[0]: `*` gives agents every program"]);
    let narrow = ", exec: [[\"*\", x], [git]], model: [], messages: [news]";
    let ended = place.run(&workflow(narrow, ""), &[]);
    assert!(!ended.stderr.contains("warning: "), "{ended}");
}
