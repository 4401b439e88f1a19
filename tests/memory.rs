//! What agents remember, as a user sees it: across attempts, tasks and runs, after a kill, in a fork, and never without a grant.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Place, guest};
use serde_json::Value;
use std::ffi::OsStr;

/// A workflow of the agent that keeps notes.
fn flow(tasks: &str) -> String {
    format!(
        "version: 1\nname: notes\nagents:\n  notebook: {{ plugin: {:?} }}\nrecovery: [escalate]\n\
         permissions: {{ fs: {{ read: [\"**\"] }}, memory: [task, run, workflow] }}\n\
         defaults: {{ agent: notebook, reuse: false }}\ntasks:\n{tasks}\n",
        guest("notebook")
    )
}

/// What a task of the newest run put out.
fn output(place: &Place, task: &str) -> Value {
    let lines = place.longhaul(["logs", "last", "--json"]).code(0).json_lines();
    let ended = |line: &&Value| line["kind"] == "attempt-ended" && line["task"] == task;
    lines.iter().rev().find(ended).unwrap_or_else(|| panic!("{lines:#?}"))["result"]["ok"]["completed"].clone()
}

#[test]
fn a_workflow_remembers_from_one_run_to_the_next() {
    let place = Place::with(&[("a.txt", "a")]);
    let first =
        "  keep: { with: { write: { style: 'Tabs are four spaces wide', build: 'The build is slow on Mondays' } } }";
    place.run(&flow(first), &[]).code(0);
    assert_eq!(output(&place, "keep")["visits"], 1);
    let second = "  look: { with: { find: 'slow builds', read: style } }\n  \
                  forget: { needs: look, with: { find: 'slow builds', forget: [build] } }";
    place.run(&flow(second), &[]).code(0);
    let seen = output(&place, "look");
    assert_eq!((&seen["visits"], &seen["note"]), (&Value::from(2), &Value::from("Tabs are four spaces wide")));
    assert_eq!(seen["found"][0]["excerpt"], "The build is slow on Mondays");
    let seen = output(&place, "forget");
    assert_eq!(seen["keys"], serde_json::json!(["style", "visits"]), "what an attempt forgot it sees no more");
    assert_eq!(seen["found"], serde_json::json!([]));
    place.longhaul(["logs", "last", "--actions"]).code(0).shows(&[
        "memory search slow builds (workflow, 10)",
        "[recorded]",
        "2 writes to memory",
    ]);

    // Whoever operates it can look.
    place.longhaul(["memory", "list", "last", "--workflow"]).code(0).shows(&[
        "style",
        "Tabs are four spaces wide",
        "visits",
    ]);
    let listed = place.longhaul(["memory", "list", "--workflow", "--prefix", "st", "--json"]).code(0).json();
    assert_eq!(listed, serde_json::json!([{ "key": "style", "size": 25, "value": "Tabs are four spaces wide" }]));
    assert_eq!(place.longhaul(["memory", "show", "visits", "--workflow"]).code(0).stdout, "3");
    place.longhaul(["memory", "show", "style"]).code(2).says(&["remembers nothing under `style`"]);
    place.longhaul(["memory", "list", "--task", "look"]).code(0).says(&["remembers nothing"]);

    // Another workflow in the same folder has a memory of its own, and so has what is one run's.
    place.run(&flow("  look: {}").replace("name: notes", "name: others"), &[]).code(0);
    assert_eq!(output(&place, "look")["visits"], 1);
    place.run(&flow("  one: { with: { keep: run } }\n  two: { needs: one, with: { keep: run } }"), &[]).code(0);
    assert_eq!(
        (output(&place, "one")["visits"].clone(), output(&place, "two")["visits"].clone()),
        (1.into(), 2.into())
    );
    place.proves();
}

#[test]
fn what_an_attempt_wrote_goes_with_its_failure_and_stays_where_it_waited() {
    let place = Place::with(&[("a.txt", "a")]);
    place.run(&flow("  lose: { with: { write: { lost: x }, fail: true } }"), &[]).code(3);
    place.run(&flow("  keep: { with: { write: { kept: x }, rest: 2500, fail: true } }"), &[]).code(3);
    place.run(&flow("  look: {}"), &[]).code(0);
    let seen = output(&place, "look");
    assert_eq!((&seen["visits"], &seen["keys"]), (&Value::from(2), &serde_json::json!(["kept", "visits"])));
    place.proves();
}

#[test]
fn a_run_is_killed_anywhere_and_remembers_what_an_undisturbed_one_does() {
    let tasks = "  one: { with: { keep: run, write: { a: x } } }\n  \
                 two: { needs: one, with: { keep: run, find: x, rest: 2500, forget: [a] } }\n  \
                 three: { needs: two, with: { keep: run, write: { b: y } } }\n  \
                 all: { needs: three, with: { keep: workflow } }";
    for cut in [
        "one: notebook begins",
        "two: notebook begins",
        "is suspended",
        "three: notebook begins",
        "all: notebook begins",
    ] {
        let place = Place::with(&[("a.txt", "a")]);
        let workflow = place.workflow(&flow(tasks));
        let mut life = place.start([OsStr::new("run"), workflow.as_os_str()]);
        match cut {
            "is suspended" => {
                life.until("two: notebook begins");
                // The wait is long enough to be seen from outside.
                while !place.longhaul(["logs", "last"]).stdout.contains(cut) {}
            }
            _ => drop(life.until(cut)),
        }
        life.kill();
        let status = place.longhaul(["show", "last", "--json"]).code(0).json()["status"].clone();
        if status != "completed" {
            place.longhaul(["resume", "last"]).code(0);
        }
        let visits = ["one", "two", "three", "all"].map(|task| output(&place, task)["visits"].as_u64().unwrap());
        assert_eq!(visits, [1, 2, 3, 1], "{cut}");
        assert_eq!(output(&place, "three")["keys"], serde_json::json!(["b", "visits"]), "{cut}");
    }
}

#[test]
fn a_fork_remembers_what_its_run_did_and_not_what_came_after() {
    let place = Place::with(&[("a.txt", "a")]);
    let tasks = "  one: { with: { keep: run, write: { a: x } } }\n  \
                 change: { needs: one, agent: codemod }\n  \
                 two: { needs: change, with: { keep: run, write: { b: y } } }\n  \
                 all: { needs: two, with: { keep: workflow } }";
    let codemod =
        "  codemod: { plugin: codemod, config: { rules: [ { name: r, literal: a, replace: b } ] } }\nrecovery:";
    let flow =
        flow(tasks).replace("recovery:", codemod).replace("read: [\"**\"] }", "read: [\"**\"], write: [\"**\"] }");
    place.run(&flow, &[]).code(0);
    assert_eq!(output(&place, "two")["visits"], 2);
    let kept = place.longhaul(["checkpoint", "list", "last", "--json"]).code(0).json();
    assert_eq!(kept.as_array().unwrap().len(), 1, "{kept}");
    place.longhaul(["fork", "last"]).code(0);
    let again = output(&place, "two");
    assert_eq!((&again["visits"], &again["keys"]), (&Value::from(2), &serde_json::json!(["a", "b", "visits"])));
    assert_eq!(output(&place, "all")["visits"], 2, "both runs were here");
}

#[test]
fn an_agent_that_is_not_granted_a_scope_remembers_nothing() {
    let place = Place::with(&[("a.txt", "a")]);
    let flow = flow("  keep: {}").replace("memory: [task, run, workflow]", "memory: [run]");
    place.run(&flow, &[]).code(3);
    let shown = place.longhaul(["show", "last", "--json"]).code(0).json();
    let refusal = &shown["refusals"][0];
    assert_eq!(
        (refusal["operation"].as_str(), refusal["grant"].as_str()),
        (Some("memory get"), Some(r#"memory: ["workflow"]"#)),
        "{shown}"
    );
}
