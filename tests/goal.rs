//! Goal mode, as a user sees it: a run that plans and works round after round until its check says that the objective is met.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Place, guest};
use serde_json::Value;
use std::ffi::OsStr;

/// Three files hold a word that the check does not want; each round takes it out of one of them.
fn flow(rounds: u32, budget: &str) -> String {
    format!(
        r#"
version: 1
name: until-gone
objective: No file says `old` any more
budget: {{ {budget} }}
agents:
  goal: {{ plugin: pursue, config: {{ planner: steps, check: gone, rounds: {rounds} }} }}
  steps: {{ plugin: {:?}, config: {{ text: old, agent: codemod }} }}
  codemod: {{ plugin: codemod, config: {{ rules: [ {{ name: replace, literal: old, replace: new }} ] }} }}
  gone: {{ plugin: reviewer, config: {{ rules: [ {{ name: old, literal: old, severity: error }} ] }} }}
permissions: {{ fs: {{ read: ["**"], write: ["**"] }}, tasks: ["*"] }}
recovery: [retry-jitter]
tasks:
  reach: {{ agent: goal }}
done_when: "${{{{ tasks.reach.met && tasks.reach.rounds == 3 && tasks.reach.completed == 3 }}}}"
"#,
        guest("steps")
    )
}

fn place() -> Place {
    Place::with(&[("a.txt", "old"), ("b/c.txt", "old old"), ("d.txt", "old"), ("e.txt", "fine")])
}

fn shown(place: &Place) -> Value {
    place.longhaul(["show", "last", "--json"]).code(0).json()
}

#[test]
fn rounds_of_planning_and_working_go_on_until_the_check_accepts() {
    let place = place();
    place.run(&flow(10, "wall_time: 1h"), &[]).code(0);
    let texts = ["a.txt", "b/c.txt", "d.txt"].map(|file| place.text(file));
    assert_eq!(texts, ["new", "new new", "new"]);
    let tasks = shown(&place);
    let states: Vec<_> = tasks["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["task"].as_str().unwrap().ends_with("-check"))
        .map(|row| row["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["failed", "failed", "failed", "completed"], "{tasks}");
    place.longhaul(["logs"]).code(0).shows(&[
        "round 1: a.txt is next",
        "round 2: b/c.txt is next",
        "round 3: d.txt is next",
    ]);
    place.proves();
}

#[test]
fn a_run_that_is_killed_in_any_round_goes_on_in_that_round() {
    for cut in ["reach.r2-step: codemod begins", "reach.r3-plan: steps begins", "reach.r4-check: gone begins"] {
        let place = place();
        let workflow = place.workflow(&flow(10, "wall_time: 1h"));
        let mut life = place.start([OsStr::new("run"), workflow.as_os_str()]);
        life.until(cut);
        life.kill();
        place.longhaul(["resume", "last"]).code(0);
        assert_eq!(place.text("d.txt"), "new", "{cut}");
        let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
        let steps = lines.iter().filter(|line| {
            line["kind"] == "task-planned" && line["task"].as_str().is_some_and(|task| task.ends_with("-step"))
        });
        assert_eq!(steps.count(), 3, "{cut}");
    }
}

#[test]
fn when_the_budget_ends_the_run_stops_and_a_larger_one_lets_it_reach_the_goal() {
    let place = place();
    place.run(&flow(10, "fuel: 1M"), &[]).code(6);
    assert_eq!(place.text("a.txt"), "old");
    place.longhaul(["resume", "last", "--fuel", "100G"]).code(0);
    assert_eq!((place.text("a.txt"), place.text("d.txt")), ("new".to_owned(), "new".to_owned()));
    place.proves();
}

#[test]
fn too_few_rounds_fail_the_run_with_what_the_check_said() {
    let place = place();
    let ended = place.run(&flow(2, "wall_time: 1h"), &[]);
    ended.code(1).shows(&["the objective is not met after 2 rounds", "gone"]);
    assert_eq!(place.text("a.txt"), "old");
    place.proves();
}
