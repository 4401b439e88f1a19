//! A run can be killed at any moment, any number of times, and goes on exactly where it was.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Place, Running, guest};
use rustix::process::Signal;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::time::Duration;

/// Plans, rewrites in parallel, and looks at the result.
const WORK: &str = r#"
version: 1
name: work
agents:
  planner: { plugin: chunk-planner, config: { chunk: 2m, per_file: 5s } }
  codemod: { plugin: codemod, config: { rules: [ { name: replace, literal: old, replace: new } ] } }
  reviewer: { plugin: reviewer, config: { fail_at: never, rules: [ { name: any, literal: new, severity: info } ] } }
permissions: { fs: { read: ["**"], write: ["**"] } }
tasks:
  plan: { agent: planner }
  change: { agent: codemod, needs: plan, for_each: "${{ tasks.plan.chunks }}", with: { chunk: "${{ item }}" } }
  look: { agent: reviewer, needs: change }
"#;

/// A task that makes host calls until it is stopped, behind one that is done.
fn busy() -> String {
    format!(
        r#"
version: 1
name: busy
agents:
  codemod: {{ plugin: codemod, config: {{ rules: [ {{ name: replace, literal: old, replace: new }} ] }} }}
  sleeper: {{ plugin: {:?}, limits: {{ call_time: 20m }} }}
permissions: {{ fs: {{ read: ["**"], write: ["**"] }} }}
tasks:
  change: {{ agent: codemod }}
  wait: {{ agent: sleeper, needs: change, with: {{ mode: sleep }} }}
"#,
        guest("hostile")
    )
}

fn many() -> Place {
    let place = Place::new();
    for n in 0..240 {
        place.file(&format!("part{}/f{n}.txt", n % 12), format!("old text of file {n}\n").repeat(n % 9 + 1));
    }
    place
}

fn newest(place: &Place) -> Value {
    place.longhaul(["show", "last", "--json"]).code(0).json()
}

/// What has to be the same, however often a run was killed.
fn essence(shown: &Value) -> Value {
    let tasks: Vec<_> = shown["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["task"].clone(), row["state"].clone(), row["attempts"].clone(), row["actions"].clone()))
        .collect();
    serde_json::json!({
        "status": shown["status"], "workspace": shown["workspace"], "actions": shown["actions"], "tasks": tasks,
        "incidents": shown["incidents"],
    })
}

#[test]
fn a_run_killed_again_and_again_ends_as_an_undisturbed_one() {
    let undisturbed = many();
    undisturbed.run(WORK, &[]).code(0);
    let expected = essence(&newest(&undisturbed));
    let place = many();
    let workflow = place.workflow(WORK);
    let mut life = place.start([OsStr::new("run"), workflow.as_os_str()]);
    // Each life is a little longer than the one before, so that kills fall everywhere and the run comes to an end.
    let mut killed = 0;
    for life_span in 0_u64.. {
        let goes_on = life.runs_until(Duration::from_millis(40 + 15 * life_span), || false);
        if !goes_on {
            life.end().code(0);
            break;
        }
        life.kill();
        if newest_is_there(&place) && newest(&place)["status"] == "completed" {
            // It was killed when there was nothing left to do.
            break;
        }
        // A run that was killed before it was recorded has to be started again.
        if newest_is_there(&place) {
            killed += 1;
            life = place.start(["resume", "last"]);
        } else {
            life = place.start([OsStr::new("run"), workflow.as_os_str()]);
        }
        assert!(life_span < 200, "it gets nowhere");
    }
    assert!(killed >= 2, "it was killed {killed} times only");
    assert_eq!(essence(&newest(&place)), expected);
    assert_eq!(place.tree().differences(&undisturbed.tree()), Vec::<String>::new());
    let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
    let mut seen = std::collections::BTreeSet::new();
    for line in &lines {
        let once = ["attempt-started", "attempt-ended", "committed", "action"];
        if once.contains(&line["kind"].as_str().unwrap()) {
            let step = format!("{} {} {} {}", line["kind"], line["task"], line["attempt"], line["number"]);
            assert!(seen.insert(step.clone()), "done twice: {step}");
        }
    }
}

fn newest_is_there(place: &Place) -> bool {
    let listed = place.longhaul(["runs", "--json"]);
    listed.status.success() && listed.json().as_array().is_some_and(|runs| !runs.is_empty())
}

#[test]
fn a_paused_run_goes_on_later_and_applies_its_result() {
    let undisturbed = many();
    undisturbed.run(WORK, &[]).code(0);
    let place = many();
    let before = place.tree();
    let workflow = place.workflow(WORK);
    let mut running = place.start([OsStr::new("run"), workflow.as_os_str()]);
    running.until("change[0]: codemod begins").signal(Signal::TERM);
    let ended = running.end();
    if ended.status.code() == Some(1) {
        assert_eq!(place.tree(), before);
        place.longhaul(["show"]).code(0).shows(&["paused", "longhaul resume"]);
        place.longhaul(["resume"]).code(0).shows(&["completed", "in your folder now"]);
    }
    assert_eq!(place.tree().differences(&undisturbed.tree()), Vec::<String>::new());
    place.longhaul(["resume"]).code(2).says(&["is completed", "does not go on"]);
}

#[test]
fn another_terminal_pauses_and_cancels_a_run() {
    let place = Place::with(&[("a.txt", "old")]);
    let workflow = place.workflow(&busy());
    let mut running = place.start([OsStr::new("run"), workflow.as_os_str()]);
    running.until("wait: sleeper begins");
    place.longhaul(["resume"]).code(2).says(&["is used by process"]);
    place.longhaul(["pause"]).code(0).says(&["is at rest", "longhaul resume"]);
    running.end().code(1);
    assert_eq!(newest(&place)["status"], "paused");
    place.longhaul(["pause"]).code(2).says(&["is not under way"]);

    let mut running = place.start(["resume", "last"]);
    running.until("sleeper goes on");
    place.longhaul(["cancel"]).code(0).says(&["is cancelled"]);
    running.end().code(1);
    let shown = newest(&place);
    assert_eq!((shown["status"].as_str(), shown["tasks"][1]["state"].as_str()), (Some("cancelled"), Some("cancelled")));
    assert_eq!(place.text("a.txt"), "old");
    place.longhaul(["resume"]).code(2).says(&["is cancelled", "does not go on"]);
    place.longhaul(["cancel"]).code(2).says(&["is cancelled already"]);
}

#[test]
fn a_run_that_is_told_to_stop_twice_ends_at_once_and_goes_on_later() {
    let undisturbed = many();
    undisturbed.run(WORK, &[]).code(0);
    let place = many();
    let workflow = place.workflow(WORK);
    let mut running = place.start([OsStr::new("run"), workflow.as_os_str()]);
    running.until("change[0]: codemod begins").signal(Signal::INT);
    if running.runs_until(Duration::ZERO, || true) {
        running.signal(Signal::INT);
    }
    let ended = running.end();
    if ended.status.code() != Some(0) {
        place.longhaul(["resume"]).code(0).shows(&["completed"]);
    }
    assert_eq!(essence(&newest(&place)), essence(&newest(&undisturbed)));
    assert_eq!(place.tree().differences(&undisturbed.tree()), Vec::<String>::new());
}

#[test]
fn a_run_goes_on_by_the_workflow_that_it_began_with_whatever_became_of_the_file() {
    let undisturbed = many();
    undisturbed.run(WORK, &[]).code(0);
    for edited in ["version: 1\nname: other\nagents: {}\ntasks: {}\n", "rubbish: [", ""] {
        let place = many();
        let workflow = place.workflow(WORK);
        let mut running = place.start([OsStr::new("run"), workflow.as_os_str()]);
        running.until("change[0]: codemod begins");
        running.kill();
        fs::write(&workflow, edited).unwrap();
        place.longhaul(["resume"]).code(0).shows(&["completed"]);
        assert_eq!(essence(&newest(&place)), essence(&newest(&undisturbed)), "{edited}");
        assert_eq!(place.tree().differences(&undisturbed.tree()), Vec::<String>::new(), "{edited}");
    }
}

#[test]
fn of_several_who_resume_a_run_at_once_one_does_and_the_others_are_told() {
    let undisturbed = many();
    undisturbed.run(WORK, &[]).code(0);
    let place = many();
    let workflow = place.workflow(WORK);
    let mut running = place.start([OsStr::new("run"), workflow.as_os_str()]);
    running.until("plan: planner begins");
    running.kill();
    let all: Vec<_> = (0..4).map(|_| place.start(["resume", "last"])).collect();
    let ended: Vec<_> = all.into_iter().map(Running::end).collect();
    let done = ended.iter().filter(|ended| ended.status.code() == Some(0)).count();
    assert_eq!(done, 1, "{ended:?}");
    for refused in ended.iter().filter(|ended| ended.status.code() != Some(0)) {
        assert_eq!(refused.status.code(), Some(2), "{refused}");
        let says = &refused.stderr;
        assert!(says.contains("is used by process") || says.contains("is completed"), "{refused}");
    }
    assert_eq!(essence(&newest(&place)), essence(&newest(&undisturbed)));
    assert_eq!(place.tree().differences(&undisturbed.tree()), Vec::<String>::new());
}

#[test]
fn a_run_at_rest_is_cancelled_without_doing_anything_more() {
    let place = Place::with(&[("a.txt", "old")]);
    let workflow = place.workflow(&busy());
    let mut running = place.start([OsStr::new("run"), workflow.as_os_str()]);
    running.until("wait: sleeper begins").signal(Signal::INT);
    running.end().code(1);
    let actions = newest(&place)["actions"].clone();
    place.longhaul(["cancel", "last", "--quiet"]).code(0);
    let shown = newest(&place);
    assert_eq!((shown["status"].as_str(), &shown["actions"]), (Some("cancelled"), &actions));
}

#[test]
fn a_run_goes_on_with_the_components_it_began_with() {
    let place = Place::with(&[("a.txt", "old")]);
    let plugin = place.beside("sleeper.wasm", fs::read(guest("hostile")).unwrap());
    let workflow = place.workflow(&busy().replace(&format!("{:?}", guest("hostile")), "\"./sleeper.wasm\""));
    let mut running = place.start([OsStr::new("run"), workflow.as_os_str()]);
    running.until("wait: sleeper begins").signal(Signal::INT);
    running.end().code(1);
    // The file is another one now, and the workflow is gone.
    fs::write(&plugin, "no component at all").unwrap();
    fs::remove_file(&workflow).unwrap();
    let mut running = place.start(["resume", "last"]);
    running.until("sleeper goes on").signal(Signal::INT);
    running.end().code(1);
    // Where the copy that the run kept is lost too, nothing is guessed.
    fs::remove_dir_all(place.path(".longhaul/components")).unwrap();
    place.longhaul(["resume", "last"]).code(2).says(&["sleeper.wasm"]);
    fs::write(&plugin, fs::read(guest("bench-guest")).unwrap()).unwrap();
    place.longhaul(["resume", "last"]).code(5).says(&["sleeper", "the run began with"]);
    assert_eq!(newest(&place)["status"], "paused");
}

#[test]
fn a_budget_that_is_used_up_is_raised_by_resuming() {
    let place = many();
    let tight = WORK.replace("permissions:", "budget: { fuel: 20M }\npermissions:");
    place.run(&tight, &[]).code(6).says(&[]);
    let stopped = newest(&place);
    assert_eq!(stopped["status"], "exhausted");
    place.longhaul(["resume", "last", "--fuel", "soon"]).code(2).says(&["--fuel"]);
    place.longhaul(["resume", "last", "--fuel", "50G"]).code(0).shows(&["completed"]);
    let undisturbed = many();
    undisturbed.run(WORK, &[]).code(0);
    assert_eq!(place.tree().differences(&undisturbed.tree()), Vec::<String>::new());
}
