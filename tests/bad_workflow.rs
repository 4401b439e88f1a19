//! Workflow files that are wrong: one clear error with file, line, field and what to do, and nothing is touched.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Ended, Place, Tree};
use std::ffi::OsStr;
use std::fs;

/// A workflow whose lines the cases below replace.
const GOOD: &str = r#"version: 1
name: good
budget: { wall_time: 1h, disk: 1GB }
agents:
  looker: { plugin: reviewer, config: { rules: [ { name: any, literal: x } ] } }
permissions: { fs: { read: ["**"] } }
tasks:
  first: { agent: looker, timeout: 5m }
  second: { agent: looker, needs: first }
"#;

/// Runs a file, which has to be refused with code 2 before anything is touched.
#[track_caller]
fn refused(name: &str, content: impl AsRef<[u8]>) -> Ended {
    let place = Place::with(&[("a.txt", "x")]);
    let file = place.beside(name, content);
    let before = Tree::read(place.outside());
    let ended = place.longhaul(["run".as_ref(), file.as_os_str()]).code(2);
    assert_eq!(Tree::read(place.outside()), before, "nothing is made, not even the state folder");
    assert_eq!(ended.stdout, "", "an error is no data: {ended}");
    assert!(ended.stderr.starts_with("error: "), "{ended}");
    assert!(ended.stderr.contains(name), "it names the file: {ended}");
    ended
}

/// Replaces one line of the good workflow by a wrong one, which has to be told with its line, its field, what is wrong
/// and what to do.
#[track_caller]
fn wrong(line: &str, by: &str, field: &str, says: &[&str]) {
    assert!(GOOD.contains(line));
    let text = GOOD.replace(line, by);
    let offending =
        text.lines().position(|known| by.lines().last().unwrap().contains(known) && !known.is_empty()).unwrap() + 1;
    let place = format!("bad.workflow.yaml:{offending}:");
    let at = format!("(at {field})");
    let ended = refused("bad.workflow.yaml", &text).says(&[&place, &at, "hint: "]).says(says);
    assert_eq!(ended.stderr.matches("hint: ").count(), 1, "one error, told once: {ended}");
}

#[test]
fn the_good_workflow_is_good() {
    Place::with(&[("a.txt", "y")]).run(GOOD, &[]).code(0);
}

#[test]
fn unknown_fields_are_told_with_what_may_have_been_meant() {
    let first = "  first: { agent: looker, timeout: 5m }";
    wrong(
        first,
        "  first: { agent: looker, timout: 5m }",
        "tasks.first.timout",
        &["unknown field `timout`", "`timeout`"],
    );
    wrong(
        first,
        "  first: { agent: looker, colour: 5m }",
        "tasks.first.colour",
        &["unknown field `colour`", "known fields"],
    );
    wrong("name: good", "name: good\nobjektive: x", "objektive", &["unknown field `objektive`", "`objective`"]);
    let permissions = "permissions: { fs: { read: [\"**\"] } }";
    wrong(permissions, "permissions: { fs: { raed: [\"**\"] } }", "permissions.fs.raed", &["`read`"]);
}

#[test]
fn needs_that_go_in_a_circle_or_nowhere_are_told() {
    let first = "  first: { agent: looker, timeout: 5m }";
    wrong(
        first,
        "  first: { agent: looker, needs: second }",
        "tasks.first.needs",
        &["wait for each other", "first", "second"],
    );
    wrong(
        first,
        "  first: { agent: looker, needs: first }",
        "tasks.first.needs",
        &["wait for each other", "first → first"],
    );
    let second = "  second: { agent: looker, needs: first }";
    wrong(
        second,
        "  second: { agent: looker, needs: frist }",
        "tasks.second.needs",
        &["there is no task `frist`", "`first`"],
    );
    wrong(
        second,
        "  second: { agent: looker, needs: [first, nobody] }",
        "tasks.second.needs[1]",
        &["`nobody`", "known tasks: first, second"],
    );
}

#[test]
fn agents_that_do_not_exist_are_told() {
    let second = "  second: { agent: looker, needs: first }";
    wrong(
        second,
        "  second: { agent: loker, needs: first }",
        "tasks.second.agent",
        &["there is no agent `loker`", "did you mean `looker`"],
    );
    wrong("name: good", "name: good\ndefaults: { agent: nobody }", "defaults.agent", &["`nobody`", "looker"]);
}

#[test]
fn durations_and_sizes_are_told_with_how_they_are_written() {
    let first = "  first: { agent: looker, timeout: 5m }";
    for bad in ["5", "5 minutes", "-5m", "5m5h", "1.5h", "\"\"", "99999999d"] {
        wrong(first, &first.replace("5m", bad), "tasks.first.timeout", &["is not a duration", "7h30m"]);
    }
    wrong(first, &first.replace("5m", "0s"), "tasks.first.timeout", &["zero", "30m"]);
    let budget = "budget: { wall_time: 1h, disk: 1GB }";
    wrong(budget, "budget: { wall_time: soon, disk: 1GB }", "budget.wall_time", &["`soon` is not a duration"]);
    for bad in ["1 gig", "-1GB", "1.5GB", "GB", "99999999999TB"] {
        wrong(budget, &budget.replace("1GB", bad), "budget.disk", &["is not a size", "300MB"]);
    }
    let limits = |text: &str| format!("  first: {{ agent: looker, limits: {{ {text} }} }}");
    wrong(first, &limits("memory: lots"), "tasks.first.limits.memory", &["`lots` is not a size"]);
    wrong(first, &limits("fuel: 1e9"), "tasks.first.limits.fuel", &["`1e9` is not a count", "50G"]);
    wrong(first, &limits("call_time: 3"), "tasks.first.limits.call_time", &["is not a duration"]);
}

#[test]
fn expressions_that_cannot_work_are_told_before_anything_runs() {
    let second = "  second: { agent: looker, needs: first }";
    let with =
        |text: &str| format!("  second: {{ agent: looker, needs: first, with: {{ glob: \"${{{{ {text} }}}}\" }} }}");
    let broken = refused("bad.workflow.yaml", GOOD.replace(second, &with("tasks.first.x +")));
    broken.says(&["bad.workflow.yaml:9:", "(at tasks.second.with.glob)", "does not parse"]);
    wrong(second, &with("tasks.third.x"), "tasks.second.with.glob", &["there is no task `third`"]);
    wrong(second, &with("input.x"), "tasks.second.with.glob", &["`inputs`"]);
    wrong(second, &with("item.x"), "tasks.second.with.glob", &["`for_each`"]);
    wrong(second, &with("exec('ls')"), "tasks.second.with.glob", &["there is no function `exec`"]);
    let first = "  first: { agent: looker, timeout: 5m }";
    let unneeded = "  first: { agent: looker, with: { glob: \"${{ tasks.second.x }}\" } }";
    wrong(first, unneeded, "tasks.first.with.glob", &["does not wait for `second`", "needs: second"]);
}

#[test]
fn what_has_no_value_with_these_inputs_is_told_before_anything_is_made() {
    let config = GOOD
        .replace("name: good", "name: good\ninputs: { n: { default: 0 }, list: { default: [a] } }")
        .replace("literal: x", "literal: \"${{ string(10 / inputs.n) }}\"");
    refused("bad.workflow.yaml", &config).says(&[
        "bad.workflow.yaml:6:",
        "(at agents.looker.config.rules[0].literal)",
        "10 / inputs.n",
        "hint: ",
    ]);
    Place::with(&[("a.txt", "y")]).run(&config, &["-i", "n=5"]).code(0);
    let objective = GOOD
        .replace("name: good", "name: good\nobjective: \"${{ inputs.list[1] }}\"\ninputs: { list: { default: [a] } }");
    refused("bad.workflow.yaml", objective).says(&["bad.workflow.yaml:3:", "(at objective)"]);
}

#[test]
fn what_is_not_versioned_is_said_in_the_language_of_gitignore() {
    let ignore =
        |pattern: &str| GOOD.replace("name: good", &format!("name: good\nworkspace: {{ ignore: [a, {pattern:?}] }}"));
    refused("bad.workflow.yaml", ignore("{b")).says(&[
        "bad.workflow.yaml:3:",
        "(at workspace.ignore[1])",
        ".gitignore",
    ]);
    let place = Place::with(&[("dist/a.txt", "x"), ("src/dist/b.txt", "x")]);
    place.run(&ignore("/dist").replace("rules:", "fail_at: never, rules:"), &[]).code(0);
    let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
    let output = lines.iter().find(|line| line["kind"] == "attempt-ended").unwrap().to_string();
    assert!(output.contains("src/dist/b.txt") && !output.contains("dist/a.txt"), "{output}");
}

#[test]
fn permissions_that_cannot_be_enforced_are_told() {
    let line = "permissions: { fs: { read: [\"**\"] } }";
    for pattern in ["/etc/**", "../x", "a/../../b", "[", ""] {
        let by = format!("permissions: {{ fs: {{ read: [\"{pattern}\"] }} }}");
        wrong(line, &by, "permissions.fs.read[0]", &["is not a file pattern"]);
    }
    wrong(line, "permissions: { human: [telepathy] }", "permissions.human[0]", &["telepathy", "ask, approve"]);
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let text = GOOD.replace("5m", "soon").replace("needs: first", "needs: nobody").replace("1GB", "much");
    let ended = refused("bad.workflow.yaml", text).says(&["`soon`", "`nobody`", "`much`"]);
    let lines: Vec<_> =
        ended.stderr.match_indices("bad.workflow.yaml:").map(|(at, _)| &ended.stderr[at..at + 22]).collect();
    assert_eq!(lines.len(), 3, "{ended}");
    assert!(lines.is_sorted(), "in the order of the file: {lines:?}");
}

#[test]
fn the_form_of_the_file_is_checked() {
    refused("bad.workflow.yaml", "").says(&["the file is empty", "longhaul init"]);
    refused("bad.workflow.yaml", "# only a comment\n").says(&["hint:"]);
    refused("bad.workflow.yaml", "version: 1\nname: x\n").says(&["the field `tasks` is missing"]);
    refused("bad.workflow.yaml", GOOD.replace("version: 1", "version: 2")).says(&["version 2", "version: 1"]);
    refused("bad.workflow.yaml", GOOD.replace("version: 1", "version: one")).says(&["bad.workflow.yaml:1:"]);
    refused("bad.workflow.yaml", format!("{GOOD}name: again\n")).says(&["twice", "bad.workflow.yaml:10:"]);
    refused("bad.workflow.yaml", format!("{GOOD}---\n{GOOD}")).says(&["more than one document"]);
    refused("bad.workflow.yaml", GOOD.replace("name: good", "name: ../etc"))
        .says(&["`../etc` is not a name", "(at name)"]);
    refused("bad.workflow.yaml", "version: 1\nname: x\ntasks: {}\n").says(&["no tasks"]);
    refused("bad.workflow.yaml", "version: 1\n\tname: x\n").says(&["tab", "indentation"]);
    refused("WORKFLOW.md", "no front matter").says(&["front matter", "---"]);
    refused("WORKFLOW.md", "---\nversion: 1\n").says(&["not closed"]);
}

#[test]
fn rubbish_is_refused_within_bounds() {
    let binary: Vec<u8> = (0..=255_u8).cycle().take(70_000).collect();
    refused("bad.workflow.yaml", binary);
    refused("bad.workflow.yaml", vec![0; 4_096]);
    refused("bad.workflow.yaml", "x".repeat(2 << 20)).says(&["more than 1048576"]);
    let huge = refused("bad.workflow.yaml", format!("{GOOD}# {}\n", "x".repeat(2 << 20)));
    assert!(huge.stderr.len() < 2_000, "a long file makes no long message: {}", huge.stderr.len());
    refused("bad.workflow.yaml", format!("{GOOD}inputs: {}{}\n", "[".repeat(20_000), "]".repeat(20_000)));
    refused("bad.workflow.yaml", format!("{GOOD}inputs: {}\n", "{ a: ".repeat(20_000)));
    let bomb: String =
        (1..9).map(|n| format!("  a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "))).collect();
    refused("bad.workflow.yaml", format!("{GOOD}inputs:\n  a0: &a0 [x, x]\n{bomb}"));
    let tasks: String = (0..3_000).map(|n| format!("  t{n}: {{ agent: looker }}\n")).collect();
    refused("bad.workflow.yaml", format!("{GOOD}{tasks}")).says(&["more than 2000"]);
    let text = refused("bad.workflow.yaml", GOOD.replace("name: good", "name: \"\\e[31mred\\e[0m\""));
    assert!(!text.stderr.contains('\x1b'), "a file cannot paint the terminal: {text}");
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let place = Place::new();
    place.longhaul(["run", "missing.workflow.yaml"]).code(2).says(&[
        "missing.workflow.yaml",
        "No such file",
        "longhaul init",
    ]);
    place.longhaul(["run", "."]).code(2).says(&["error: failed to read the workflow ."]);
    assert_eq!(place.whole_tree(), Tree(Default::default()));
    let not_text = place.beside("latin.workflow.yaml", b"version: 1\nname: caf\xe9\n");
    place.longhaul([OsStr::new("run"), not_text.as_os_str()]).code(2).says(&["latin.workflow.yaml", "UTF-8"]);
    if rustix::process::geteuid().is_root() {
        eprintln!("not checked as root: a file without permission to read it");
        return;
    }
    let secret = place.beside("secret.workflow.yaml", GOOD);
    fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    place.longhaul([OsStr::new("run"), secret.as_os_str()]).code(2).says(&["secret.workflow.yaml", "ermission denied"]);
}
