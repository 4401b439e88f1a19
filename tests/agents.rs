//! The bundled agents that ask a model, with models that answer from a script.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::Place;
use serde_json::Value;

/// A coder that reads six parts, one after the other, and then writes down what it read. Its context is too small for all of them.
const READER: &str = r#"
window: 3200
rules:
  - when: { system: You keep the notes }
    say: The parts that were read so far are fine.
    after: 100ms
  - { when: { last: "part1.txt, lines" }, call: [{ tool: read_file, with: { path: part2.txt } }], after: 100ms }
  - { when: { last: "part2.txt, lines" }, call: [{ tool: read_file, with: { path: part3.txt } }], after: 100ms }
  - { when: { last: "part3.txt, lines" }, call: [{ tool: read_file, with: { path: part4.txt } }], after: 100ms }
  - { when: { last: "part4.txt, lines" }, call: [{ tool: read_file, with: { path: part5.txt } }], after: 100ms }
  - { when: { last: "part5.txt, lines" }, call: [{ tool: read_file, with: { path: part6.txt } }], after: 100ms }
  - when: { last: "part6.txt, lines" }
    call: [{ tool: edit, with: { path: result.txt, old: nothing, new: "six parts" } }]
  - { when: { last: "result.txt is changed", any: "are fine" }, call: [{ tool: finish, with: { summary: Read all of it } }], after: 500ms }
  - { when: { first: count the parts, turn: 0 }, call: [{ tool: read_file, with: { path: part1.txt } }] }
"#;

const READING: &str = "
version: 1
name: reading
agents: { coder: { plugin: coder } }
models: { default: { script: reader.yaml } }
permissions: { fs: { read: [\"**\"], write: [result.txt] }, model: [default] }
tasks:
  read: { agent: coder, with: { requirement: count the parts } }
";

fn reading() -> Place {
    let place = Place::new();
    place.beside("reader.yaml", READER);
    for part in 1..=6 {
        place.file(&format!("part{part}.txt"), format!("part {part} ").repeat(400));
    }
    place.file("result.txt", "nothing\n");
    place
}

fn lines(place: &Place) -> Vec<Value> {
    let ended = place.longhaul(["logs", "--json"]);
    if ended.status.code() == Some(0) { ended.json_lines() } else { Vec::new() }
}

/// What a task put out.
fn output(place: &Place, task: &str) -> Value {
    let ended = |line: &Value| line["kind"] == "attempt-ended" && line["task"] == task;
    lines(place).into_iter().rfind(ended).unwrap()["result"]["ok"]["completed"].clone()
}

/// How often a model was asked.
fn asked(place: &Place) -> usize {
    let is_asked = |line: &&Value| line["kind"] == "action" && line["capability"] == "model";
    lines(place).iter().filter(is_asked).count()
}

#[test]
fn a_coder_whose_context_is_full_goes_on_in_fresh_instances_and_loses_nothing() {
    let place = reading();
    place.run(READING, &[]).code(0);
    assert_eq!(place.text("result.txt"), "six parts\n");
    let all = lines(&place);
    let renewed = |line: &&Value| line["message"].as_str().is_some_and(|text| text.contains("in a fresh instance"));
    let renewals = all.iter().filter(renewed).count();
    assert!(renewals >= 1, "{renewals} renewals");
    let done = output(&place, "read");
    assert_eq!((done["turns"].as_u64(), &done["files"]), (Some(8), &serde_json::json!(["result.txt"])));
    let is_notes = |line: &&Value| line["exchange"]["asked"].as_str().is_some_and(|text| text.contains("MATERIAL:"));
    let notes = all.iter().filter(is_notes).count();
    assert!(notes >= renewals, "{notes} times notes were taken");
    assert_eq!(asked(&place), 8 + notes);
}

#[test]
fn a_coder_that_was_killed_goes_on_without_asking_anything_twice() {
    let whole = reading();
    whole.run(READING, &[]).code(0);
    let (wanted, questions) = (output(&whole, "read"), asked(&whole));
    for moment in ["turn 2: ", "in a fresh instance", "turn 7: "] {
        let place = reading();
        let file = place.workflow(READING);
        let mut running = place.start(["run".as_ref(), file.as_os_str()]);
        running.until(moment);
        running.kill();
        place.longhaul(["resume", "--json"]).code(0);
        assert_eq!((output(&place, "read"), asked(&place)), (wanted.clone(), questions), "killed at `{moment}`");
        assert_eq!(place.text("result.txt"), "six parts\n");
    }
}

/// An architect whose first plan makes no sense, a documenter, and a reviewer's model that also names what is not there.
const TEAM: &str = r#"
rules:
  - { when: { agent: architect, turn: 0 }, say: There is a README. }
  - when: { agent: architect, turn: 1 }
    json: { title: Say more, design: Text., tasks: [{ name: a, requirement: more, needs: [b] }] }
  - when: { agent: architect, last: "`b`, which is no task" }
    json: { title: Say more, design: Text., tasks: [{ name: more, requirement: more text, files: [README.md] }] }
  - when: { agent: writer, turn: 0 }
    call:
      - { tool: write_file, with: { path: code.txt, content: mine } }
      - { tool: edit, with: { path: README.md, old: Little., new: "Little more." } }
      - { tool: list_files, with: { globs: "**" } }
  - { when: { agent: writer, last: "field `globs`", any: "is not yours to write" }, call: [{ tool: finish, with: { summary: done } }] }
  - { when: { agent: reviewer, attempt: 1, turn: 0 }, say: "looks good to me" }
  - when: { agent: reviewer }
    json:
      findings:
        - { file: README.md, line: 1, severity: error, message: it says too little }
        - { file: gone.md, line: 1, severity: error, message: it is not there }
"#;

const WORK: &str = "
version: 1
name: team
objective: say more
agents:
  architect: { plugin: architect, config: { design: docs/design } }
  writer: { plugin: documenter, config: { docs: \"*.md\" } }
  reviewer: { plugin: reviewer, config: { model_review: { glob: \"*.md\" } } }
models: { default: { script: team.yaml } }
permissions: { fs: { read: [\"**\"], write: [\"**\"] }, model: [default] }
tasks:
  plan: { agent: architect }
  write:
    needs: plan
    for_each: \"${{ tasks.plan.tasks }}\"
    agent: writer
    with: { requirement: \"${{ item.with.requirement }}\", files: \"${{ item.with.files }}\" }
  review: { needs: write, agent: reviewer }
done_when: \"${{ tasks.review.counts.warning == 1 && tasks.review.counts.error == 0 }}\"
";

#[test]
fn agents_plan_write_and_review_and_a_models_nonsense_goes_back_to_it() {
    let place = Place::with(&[("README.md", "Little.\n"), ("code.txt", "theirs")]);
    place.beside("team.yaml", TEAM);
    place.run(WORK, &[]).code(0);
    assert_eq!(place.text("README.md"), "Little more.\n");
    assert_eq!(place.text("code.txt"), "theirs", "a documenter changes documents alone");
    assert_eq!(place.text("docs/design/say-more.md"), "# Say more\n\nText.\n");
    assert_eq!(output(&place, "plan")["tasks"][0]["with"]["requirement"], "more text");
    assert_eq!(output(&place, "review")["findings"][0]["message"], "it says too little");
}

#[test]
fn a_model_that_never_does_the_work_is_an_incident_with_its_words() {
    let place = reading();
    place.beside("reader.yaml", "rules: [{ say: \"I would rather not.\" }]");
    let workflow = READING.replace("tasks:", "recovery: []\ntasks:");
    place.run(&workflow, &[]).code(1);
    let lines = lines(&place);
    let incident = lines.iter().find(|line| line["kind"] == "incident-raised").unwrap().to_string();
    assert!(incident.contains("validation") && incident.contains("I would rather not."), "{incident}");
    assert_eq!(asked(&place), 4);
}

/// A goal that a model's first plan does not reach: the check runs a command, and its word goes back to the planner.
const PLANNER: &str = r#"
rules:
  - when: { agent: architect, first: '"round": 1' }
    json: { title: Forty-one, design: Text., tasks: [{ name: first, requirement: write 41, files: [answer.txt] }] }
  - when: { agent: architect, first: ['"round": 2', "grep -x 42", '"summary": "written"'] }
    json: { title: Forty-two, design: Text., tasks: [{ name: second, requirement: write 42, files: [answer.txt] }] }
  - when: { agent: coder, first: write 41, turn: 0 }
    call: [{ tool: edit, with: { path: answer.txt, old: nothing, new: "41" } }]
  - when: { agent: coder, first: write 42, turn: 0 }
    call: [{ tool: edit, with: { path: answer.txt, old: "41", new: "42" } }]
  - { when: { agent: coder }, call: [{ tool: finish, with: { summary: written } }] }
"#;

const GOAL: &str = "
version: 1
name: goal
objective: answer.txt says 42
agents:
  goal: { plugin: pursue, config: { planner: architect, worker: coder, check: check, rounds: 3 } }
  architect: { plugin: architect, config: { explore: false } }
  coder: { plugin: coder }
  check: { plugin: runner, config: { commands: [[grep, -x, \"42\", answer.txt]] } }
models: { default: { script: planner.yaml } }
permissions: { fs: { read: [\"**\"], write: [answer.txt] }, model: [default], exec: [[grep]], tasks: [\"*\"] }
recovery: []
tasks: { reach: { agent: goal } }
done_when: \"${{ tasks.reach.met && tasks.reach.rounds == 2 }}\"
";

#[test]
fn a_planner_and_a_coder_pursue_a_goal_until_a_command_accepts_it() {
    let place = Place::with(&[("answer.txt", "nothing\n")]);
    place.beside("planner.yaml", PLANNER);
    place.run(GOAL, &[]).code(0);
    assert_eq!(place.text("answer.txt"), "42\n");
}

/// The first try does nothing, the second one not enough.
const TRIES: &str = r#"
rules:
  - { when: { attempt: 1 }, say: I would rather not. }
  - { when: { attempt: 2, turn: 0 }, call: [{ tool: edit, with: { path: result.txt, old: nothing, new: nearly } }] }
  - { when: { turn: 0 }, call: [{ tool: edit, with: { path: result.txt, old: nothing, new: done } }] }
  - { call: [{ tool: finish, with: { summary: written } }] }
"#;

#[test]
fn work_is_rolled_back_until_the_tests_accept_it() {
    let place = Place::with(&[("result.txt", "nothing\n")]);
    place.beside("tries.yaml", TRIES);
    let workflow = "
version: 1
name: validated
agents:
  coder: { plugin: coder }
  tests: { plugin: runner, config: { commands: [[grep, -x, done, result.txt]] } }
strategies: { again: { plugin: rollback-validate, config: { validate: tests, rollbacks: 3 } } }
models: { default: { script: tries.yaml } }
permissions: { fs: { read: [\"**\"], write: [result.txt] }, model: [default], exec: [[grep]] }
recovery: [again]
tasks: { work: { agent: coder, with: { requirement: be done } } }
";
    place.run(workflow, &[]).code(0);
    assert_eq!(place.text("result.txt"), "done\n");
    let lines = lines(&place);
    let incidents: Vec<String> =
        lines.iter().filter(|line| line["kind"] == "incident-raised").map(Value::to_string).collect();
    assert_eq!(incidents.len(), 2, "{incidents:#?}");
    assert!(incidents[0].contains("I would rather not."), "{}", incidents[0]);
    assert!(
        incidents[1].contains("`tests` does not accept the work") && incidents[1].contains("grep"),
        "{}",
        incidents[1]
    );
}
