//! Agents that ask for tasks of their own, as a user sees them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Place, guest};
use serde_json::Value;
use std::ffi::OsStr;

/// One agent hands two pieces to another; a third task needs the whole.
fn flow() -> String {
    format!(
        r#"
version: 1
name: parts
agents:
  lead: {{ plugin: {:?} }}
  codemod: {{ plugin: codemod, config: {{ rules: [ {{ name: replace, literal: old, replace: new }} ] }} }}
  reviewer: {{ plugin: reviewer, config: {{ fail_at: never, rules: [ {{ name: any, literal: new, severity: info }} ] }} }}
permissions: {{ fs: {{ read: ["**"], write: ["**"] }}, tasks: [codemod] }}
tasks:
  change: {{ agent: lead, with: {{ to: codemod, pieces: [ {{ glob: "a/**" }}, {{ glob: "b/**" }} ] }} }}
  look: {{ agent: reviewer, needs: change }}
done_when: "${{{{ tasks.look.counts.info == 2 && size(tasks.change.done) == 2 && size(tasks.change.failed) == 0 }}}}"
"#,
        guest("delegate")
    )
}

fn place() -> Place {
    Place::with(&[("a/x.txt", "old"), ("b/y.txt", "old"), ("c/z.txt", "old")])
}

fn shown(place: &Place) -> Value {
    place.longhaul(["show", "last", "--json"]).code(0).json()
}

#[test]
fn an_agent_gives_pieces_to_another_and_goes_on_when_they_are_done() {
    let place = place();
    place.run(&flow(), &[]).code(0);
    assert_eq!(
        (place.text("a/x.txt"), place.text("b/y.txt"), place.text("c/z.txt")),
        ("new".into(), "new".into(), "old".into())
    );
    let shown = shown(&place);
    let tasks: Vec<_> = shown["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["task"].as_str().unwrap(), row["state"].as_str().unwrap(), row["attempts"].as_u64().unwrap()))
        .collect();
    let all = ["change", "change.piece-0", "change.piece-1", "look"];
    for task in all {
        assert!(tasks.contains(&(task, "completed", 1)), "{task}: {tasks:?}");
    }
    assert_eq!(tasks.len(), all.len());
    place.longhaul(["logs"]).code(0).shows(&["asks for 2 children", "is suspended and waits for 2 children"]);
    place.proves();
}

#[test]
fn a_run_with_children_is_killed_anywhere_and_ends_as_an_undisturbed_one() {
    let undisturbed = place();
    undisturbed.run(&flow(), &[]).code(0);
    let entries = undisturbed.longhaul(["logs", "--json"]).code(0).json_lines().len();
    for cut in ["change: lead begins", "change.piece-0: codemod begins", "look: reviewer begins"] {
        let place = place();
        let workflow = place.workflow(&flow());
        let mut life = place.start([OsStr::new("run"), workflow.as_os_str()]);
        life.until(cut);
        life.kill();
        if shown(&place)["status"] != "completed" {
            place.longhaul(["resume", "last"]).code(0);
        }
        assert_eq!(place.tree().differences(&undisturbed.tree()), Vec::<String>::new(), "{cut}");
        let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
        // What is there once more is that the run was resumed.
        assert!(lines.len() <= entries + 1, "{cut}: {} entries, {entries} undisturbed", lines.len());
    }
}

#[test]
fn an_agent_that_is_not_granted_gets_no_tasks() {
    let place = place();
    let flow = flow().replace("tasks: [codemod] }", "tasks: [reviewer] }");
    place.run(&flow, &[]).code(3);
    let shown = shown(&place);
    let refusal = &shown["refusals"][0];
    assert_eq!(
        (refusal["operation"].as_str(), refusal["grant"].as_str()),
        (Some("tasks spawn"), Some(r#"tasks: ["codemod"]"#)),
        "{shown}"
    );
    assert_eq!(place.text("a/x.txt"), "old");
}

#[test]
fn a_request_for_an_agent_that_is_not_there_says_which_are() {
    let place = place();
    let flow = flow().replace("to: codemod", "to: nobody").replace("tasks: [codemod]", "tasks: [\"*\"]");
    place.run(&flow, &[]).code(3);
    let problem = shown(&place)["incidents"][0]["problem"]["message"].as_str().unwrap().to_owned();
    assert!(problem.contains("the workflow has no agent `nobody`; it has `codemod`, `lead`, `reviewer`"), "{problem}");
}

#[test]
fn pieces_go_to_whoever_is_granted_and_has_the_skills() {
    let place = place();
    let flow = flow().replace("to: codemod", "skills: [rewrite]").replace("tasks: [codemod]", "tasks: [\"*\"]");
    let able = flow.replace("codemod: { plugin: codemod,", "codemod: { plugin: codemod, skills: [rewrite, rust],");
    place.run(&able, &[]).code(0);
    assert_eq!((place.text("a/x.txt"), place.text("b/y.txt")), ("new".into(), "new".into()));
    let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
    let asks = lines.iter().filter(|line| line["capability"] == "tasks" && line["operation"] == "spawn");
    assert_eq!(asks.count(), 2);

    // Nobody has them.
    place.run(&flow, &[]).code(3);
    let problem = shown(&place)["incidents"][0]["problem"]["message"].as_str().unwrap().to_owned();
    assert!(problem.contains("rewrite"), "{problem}");
    // Who has them is not granted.
    place.run(&able.replace("tasks: [\"*\"]", "tasks: [reviewer]"), &[]).code(3);
    let problem = shown(&place)["incidents"][0]["problem"]["message"].as_str().unwrap().to_owned();
    assert!(problem.contains("grant"), "{problem}");
}
