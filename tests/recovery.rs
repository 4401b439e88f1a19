//! When an agent fails: who is asked what to do, what becomes of the run, of its other tasks, and of the folder.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Place, guest};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

/// Rewrites, then finds fault with the result. `RECOVERY` is a line of the workflow.
fn faulty(recovery: &str) -> String {
    format!(
        r#"
version: 1
name: faulty
{recovery}
agents:
  codemod: {{ plugin: codemod, config: {{ rules: [ {{ name: rename, literal: old, replace: new }} ] }} }}
  reviewer:
    plugin: reviewer
    config: {{ fail_at: error, rules: [ {{ name: no-new, literal: new, severity: error, message: "is not wanted" }} ] }}
permissions: {{ fs: {{ read: ["**"], write: ["src/**"] }} }}
tasks:
  change: {{ agent: codemod, with: {{ glob: "src/**" }} }}
  check: {{ agent: reviewer, needs: change }}
  after: {{ agent: reviewer, needs: check }}
"#
    )
}

fn sample() -> Place {
    Place::with(&[("src/a.txt", "old"), ("b.txt", "b")])
}

fn states(show: &Value) -> Vec<(&str, &str, u64)> {
    let tasks = show["tasks"].as_array().unwrap();
    tasks
        .iter()
        .map(|t| (t["task"].as_str().unwrap(), t["state"].as_str().unwrap(), t["attempts"].as_u64().unwrap()))
        .collect()
}

#[test]
fn a_review_that_fails_is_rolled_back_once_and_then_a_person_is_told() {
    let place = sample();
    let before = place.tree();
    let ended = place.run(&faulty(""), &[]).code(3);
    let result = ended.result();
    assert_eq!(result["status"], "escalated");
    assert_eq!(result["incidents"], 2);
    assert_eq!(result["reason"].as_str().unwrap().matches("task `check`").count(), 1, "told once: {result}");
    assert_eq!(place.tree(), before, "safe mode: the folder is as it was");

    let show = place.longhaul(["show", "--json"]).code(0).json();
    assert_eq!(states(&show), [("change", "completed", 1), ("check", "escalated", 2), ("after", "pending", 0)]);
    let incidents = show["incidents"].as_array().unwrap();
    for incident in incidents {
        assert_eq!(incident["problem"]["class"], "validation");
        let message = incident["problem"]["message"].as_str().unwrap();
        assert!(message.contains("src/a.txt:1:1") && message.contains("is not wanted"), "{message}");
        assert!(incident["problem"]["evidence"].to_string().contains("no-new"), "{incident}");
    }
    assert_eq!(incidents[0]["decision"][0], "rollback-validate");
    assert_eq!(incidents[1]["decision"][0], "escalate");
    let text = place.longhaul(["show"]).code(0);
    text.shows(&["escalated", "roll back", "stop safely and tell a person", "src/a.txt", "not applied to your folder"]);
    place.longhaul(["logs"]).code(0).shows(&[
        "incident validation",
        "retry-jitter leaves it to the next",
        "escalate decides",
    ]);
    place.longhaul(["runs"]).code(0).shows(&["escalated"]);
    place.proves();
}

/// An executable script beside the workspace.
fn script(place: &Place, name: &str, body: &str) -> String {
    let path = place.beside(name, format!("#!/bin/sh\n{body}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn somebody_is_told_where_a_person_has_to_look() {
    let place = sample();
    let tell = script(&place, "tell.sh", "cat >> ../told; echo told somebody");
    let ended = place.run(&faulty(""), &["--notify", &tell]).code(3).says(&["told somebody"]);
    let told = std::fs::read_to_string(place.outside().join("told")).unwrap();
    assert_eq!(told, ended.stdout, "the program reads what `--json` prints, and prints nothing into it");
    assert_eq!(ended.result()["status"], "escalated");

    place.longhaul(["resume", "--json", "--notify", &tell]).code(3);
    let told = std::fs::read_to_string(place.outside().join("told")).unwrap();
    assert_eq!(told.lines().count(), 2, "told again: {told}");

    place.run(&faulty("").replace("fail_at: error", "fail_at: never"), &["--notify", &tell]).code(0);
    assert_eq!(std::fs::read_to_string(place.outside().join("told")).unwrap(), told, "all is well, and nobody is told");
}

#[test]
fn a_program_that_tells_nobody_is_a_warning_and_one_that_is_not_there_stops_the_run_before_it_begins() {
    let place = sample();
    let broken = script(&place, "broken.sh", "exit 9");
    place.run(&faulty("recovery: []"), &["--notify", &broken]).code(1).says(&["broken.sh", "exit status: 9"]);

    let place = sample();
    let before = place.whole_tree();
    let plain = place.beside("plain.sh", "#!/bin/sh\n").display().to_string();
    for program in ["./nowhere.sh", "longhaul-has-no-such-program", &plain] {
        place.run(&faulty(""), &["--notify", program]).code(2).says(&["--notify", program, "executable file"]);
    }
    assert_eq!(place.whole_tree(), before, "nothing was made");
}

#[test]
fn without_a_strategy_the_run_fails() {
    for recovery in ["recovery: []", "recovery: [retry-jitter]"] {
        let place = sample();
        let before = place.tree();
        let result = place.run(&faulty(recovery), &[]).code(1).says(&["no strategy knows what to do"]).result();
        assert_eq!(result["status"], "failed", "{recovery}");
        assert_eq!(result["incidents"], 1, "{recovery}");
        assert_eq!(place.tree(), before, "{recovery}");
        let show = place.longhaul(["show", "--json"]).code(0).json();
        assert_eq!(
            states(&show),
            [("change", "completed", 1), ("check", "failed", 1), ("after", "cancelled", 0)],
            "{recovery}"
        );
    }
}

#[test]
fn a_task_can_have_strategies_of_its_own() {
    let place = sample();
    let flow = faulty("recovery: []")
        .replace("agent: reviewer, needs: change }", "agent: reviewer, needs: change, recovery: [escalate] }");
    place.run(&flow, &[]).code(3);
    let show = place.longhaul(["show", "--json"]).code(0).json();
    assert_eq!(show["incidents"][0]["decision"][0], "escalate");
}

#[test]
fn what_is_under_way_when_another_task_fails_is_not_lost() {
    // `slow` works for a while; `bad` fails at once. What was under way ends in peace, and nothing new begins.
    let flow = format!(
        r#"
version: 1
name: side-by-side
recovery: [escalate]
agents:
  worker: {{ plugin: {:?} }}
  reviewer: {{ plugin: reviewer, config: {{ fail_at: info, rules: [ {{ name: any, regex: ".", severity: info }} ] }} }}
permissions: {{ fs: {{ read: ["**"], write: ["src/**"] }} }}
tasks:
  slow: {{ agent: worker, with: {{ mode: good }} }}
  bad: {{ agent: reviewer }}
  later: {{ agent: worker, needs: slow, with: {{ mode: good }} }}
"#,
        guest("hostile")
    );
    let place = Place::with(&[("src/lib.rs", "text of a file")]);
    let before = place.tree();
    place.run(&flow, &[]).code(3);
    let show = place.longhaul(["show", "--json"]).code(0).json();
    let states = states(&show);
    assert_eq!(states[1], ("bad", "escalated", 1));
    assert!(["completed", "pending"].contains(&states[0].1), "{states:?}");
    assert_eq!(place.tree(), before);
    place.proves();
}

#[test]
fn a_guest_that_traps_is_an_incident_and_not_the_end_of_the_host() {
    for (mode, class) in
        [("trap", "trap"), ("panic", "trap"), ("memory", "exhausted"), ("loop", "exhausted"), ("sleep", "timeout")]
    {
        let flow = format!(
            r#"
version: 1
name: hostile
recovery: [escalate]
agents: {{ guest: {{ plugin: {:?}, limits: {{ fuel: 200M, memory: 16MiB, call_time: 1s }} }} }}
permissions: {{ fs: {{ read: ["**"], write: ["**"] }} }}
tasks: {{ work: {{ agent: guest, with: {{ mode: {mode} }}, timeout: 1m }} }}
"#,
            guest("hostile")
        );
        let place = sample();
        let before = place.tree();
        place.run(&flow, &[]).code(3);
        let show = place.longhaul(["show", "--json"]).code(0).json();
        assert_eq!(show["incidents"][0]["problem"]["class"], class, "{mode}: {show}");
        assert_eq!(place.tree(), before, "{mode}");
    }
}

#[test]
fn a_budget_that_is_used_up_stops_the_run_with_its_own_code() {
    let flow = format!(
        r#"
version: 1
name: thirsty
budget: {{ fuel: 5M }}
agents: {{ guest: {{ plugin: {:?} }} }}
permissions: {{ fs: {{ read: ["**"], write: ["**"] }} }}
tasks: {{ work: {{ agent: guest, with: {{ mode: loop }} }} }}
"#,
        guest("hostile")
    );
    let place = sample();
    let before = place.tree();
    let result = place.run(&flow, &[]).code(6).says(&["budget.fuel"]).result();
    assert_eq!(result["status"], "exhausted");
    assert_eq!(place.tree(), before);
    place.proves();
}

#[test]
fn an_objective_that_is_not_met_fails_the_run_and_changes_nothing() {
    let place = sample();
    let flow =
        faulty("done_when: \"${{ tasks.check.counts.error == 1 }}\"").replace("fail_at: error", "fail_at: never");
    let before = place.tree();
    place.run(&flow.replace("== 1", "== 0"), &[]).code(1).says(&["done_when"]);
    assert_eq!(place.tree(), before);
    place.run(&flow, &[]).code(0);
    assert_eq!(place.text("src/a.txt"), "new");
}

#[test]
fn a_task_whose_condition_does_not_hold_is_skipped() {
    let place = sample();
    let flow = faulty("inputs: { really: { default: false } }")
        .replace("needs: change }", "needs: change, if: \"${{ inputs.really }}\" }");
    let flow = flow.replace("needs: check }", "needs: check, if: \"${{ inputs.really }}\" }");
    let result = place.run(&flow, &[]).code(0).result();
    assert_eq!(result["tasks"]["skipped"], 2);
    assert_eq!(place.text("src/a.txt"), "new");
}
