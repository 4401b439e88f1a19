//! Each bad input gets an error that names line, column and field, and says what to do.

use super::super::error::WorkflowError;
use super::super::parse::{MAX_BYTES, parse};
use super::DESIGN;
use proptest::prelude::*;

fn errors(text: &str) -> Vec<WorkflowError> {
    parse("a.workflow.yaml", text).map(|_| panic!("accepted:\n{text}")).unwrap_err().0
}

/// The design's workflow with one thing changed; it has to have that thing.
fn changed(from: &str, to: &str) -> String {
    assert!(DESIGN.contains(from), "{from}");
    DESIGN.replacen(from, to, 1)
}

/// The one error of the changed workflow has this field, message and hint, and points at `at`.
#[track_caller]
fn expect(from: &str, to: &str, at: &str, field: &str, message: &str, hint: &str) {
    let text = changed(from, to);
    let errors = errors(&text);
    let error = &errors[0];
    let shown = error.to_string();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(error.field, field, "{shown}");
    assert_eq!(error.message, message, "{shown}");
    assert!(error.hint.contains(hint), "{shown}");
    let line = text.lines().nth(error.line as usize - 1).unwrap();
    let rest: String = line.chars().skip(error.column as usize - 1).collect();
    assert!(rest.starts_with(at), "{shown}\npoints at {rest:?}, not at {at:?}");
}

#[test]
fn an_unknown_field() {
    expect(
        "priority: 3",
        "priorty: 3",
        "priorty",
        "tasks.test.priorty",
        "unknown field `priorty`",
        "did you mean `priority`?",
    );
    expect(
        "budget: {",
        "colour: {",
        "colour",
        "colour",
        "unknown field `colour`",
        "remove it; known fields here: version, name",
    );
}

#[test]
fn attachments_that_make_no_sense() {
    for (attach, field, message, hint) in [
        (
            "[{ files: a, image: b }]",
            "tasks.test.attach[0]",
            "an attachment is one thing",
            "write one of `files: PATTERN`",
        ),
        ("[a, {}]", "tasks.test.attach[1]", "an attachment is one thing", "`repository: true`"),
        ("[/etc/passwd]", "tasks.test.attach[0]", "is not a file pattern", "`src/**/*.rs`"),
        ("[{ files: \"a[\" }]", "tasks.test.attach[0].files", "is not a file pattern", "`src/**/*.rs`"),
        ("[{ command: [] }]", "tasks.test.attach[0].command", "the command is empty", "`[git, log, -5]`"),
        (
            "[{ command: [rm, x] }]",
            "tasks.test.attach[0].command",
            "do not cover the command",
            r#"`exec: [["rm", "x"]]`"#,
        ),
        ("[\"${{ tasks.change.x }}\", \"${{ nobody }}\"]", "tasks.test.attach[1]", "`nobody`", ""),
    ] {
        let text = changed("verify: true", &format!("attach: {attach}, verify: true"));
        let errors = errors(&text);
        let error = &errors[0];
        assert_eq!((errors.len(), error.field.as_str()), (1, field), "{attach}: {errors:#?}");
        assert!(error.message.contains(message) && error.hint.contains(hint), "{error}");
    }
}

#[test]
fn hooks_that_cannot_be_called() {
    for (hook, field, message, hint) in [
        ("{ on: incident, run: [git, push] }", "hooks.tell", "a hook cannot wait for that", "leave it to a task"),
        ("{ on: run-done, run: [cargo, test] }", "hooks.tell.on", "there is no event `run-done`", "run-completed"),
        ("{ on: [], run: [cargo, test] }", "hooks.tell.on", "the hook is told of nothing", "run-started"),
        ("{ on: incident }", "hooks.tell", "a hook calls one thing", "either `run:"),
        (
            "{ on: incident, run: [cargo, test], post: https://a.b }",
            "hooks.tell",
            "a hook calls one thing",
            "`post: ADDRESS`",
        ),
        ("{ on: incident, run: [] }", "hooks.tell.run", "the command is empty", "`[notify, --all]`"),
        (
            "{ on: incident, run: [rm, -rf] }",
            "hooks.tell.run",
            "do not cover the command",
            r#"`exec: [["rm", "-rf"]]`"#,
        ),
        (
            "{ on: incident, post: ftp://a.b }",
            "hooks.tell.post",
            "this is no web address",
            "`https://example.com/hook`",
        ),
        (
            "{ on: incident, post: https://a.b/c }",
            "hooks.tell.post",
            "do not cover the address",
            r#"`http: ["https://a.b/c"]`"#,
        ),
        (
            "{ on: incident, run: [cargo, test], headers: { a: b } }",
            "hooks.tell.headers",
            "no header lines",
            "leave `headers` out",
        ),
        (
            "{ on: incident, run: [cargo, test], attempts: 0 }",
            "hooks.tell.attempts",
            "tried 1 to 20 times",
            "a number in this range",
        ),
    ] {
        let text = changed("permissions: {", "permissions: { exec: [[cargo, test], [git]], ");
        let text = text.replacen("tasks:", "approvals: { exec: [[git, push]] }\ntasks:", 1);
        let error = errors(&text.replacen("tasks:", &format!("hooks: {{ tell: {hook} }}\ntasks:"), 1)).remove(0);
        assert_eq!(error.field, field, "{error}");
        assert!(error.message.contains(message) && error.hint.contains(hint), "{hook}: {error}");
    }
}

#[test]
fn checks_that_cannot_be_run() {
    for (check, field, message, hint) in [
        ("{ tell: { run: [] } }", "checks.tell.run", "the command is empty", "`[cargo, test]`"),
        ("{ tell: { run: [rm, -rf] } }", "checks.tell.run", "do not cover the command", r#"`exec: [["rm", "-rf"]]`"#),
        ("{ tell: { run: [cargo, test], cwd: ../x } }", "checks.tell.cwd", "not a path within a stage", "relative to"),
        ("{ tell: { run: [cargo, test], timeout: 1ms } }", "checks.tell.timeout", "at least a second", "`1s`"),
        ("{ tell: { run: [cargo, test], env: { a=b: c } } }", "checks.tell.env.a=b", "no environment variable", "RUST"),
        ("{ planner: { run: [cargo, test] } }", "checks.planner", "an agent has this name", "another name"),
    ] {
        let text = changed("permissions: {", "permissions: { exec: [[cargo, test], [git]], ");
        let text = text.replacen("tasks:", "approvals: { exec: [[git, push]] }\ntasks:", 1);
        let error = errors(&text.replacen("tasks:", &format!("checks: {check}\ntasks:"), 1)).remove(0);
        assert_eq!(error.field, field, "{error}");
        assert!(error.message.contains(message) && error.hint.contains(hint), "{check}: {error}");
    }
}

#[test]
fn a_cycle() {
    expect(
        "plan:   { agent: planner",
        "plan:   { needs: test, agent: planner",
        "test",
        "tasks.plan.needs",
        "these tasks wait for each other: plan → test → change → plan",
        "remove one of these `needs`",
    );
    expect(
        "{ needs: plan,",
        "{ needs: change,",
        "change",
        "tasks.change.needs",
        "these tasks wait for each other: change → change",
        "remove one",
    );
}

#[test]
fn a_missing_need() {
    expect(
        "needs: [change]",
        "needs: [chance]",
        "chance",
        "tasks.test.needs[0]",
        "there is no task `chance`",
        "did you mean `change`? known tasks: plan, change, test",
    );
}

#[test]
fn an_unknown_agent() {
    expect(
        "agent: tester",
        "agent: robot",
        "robot",
        "tasks.test.agent",
        "there is no agent `robot`",
        "known agents: codemod, planner, tester",
    );
    expect(
        "agent: codemod,",
        "agent: codmod,",
        "codmod",
        "defaults.agent",
        "there is no agent `codmod`",
        "did you mean `codemod`?",
    );
    expect("agent: codemod, ", "", "change", "tasks.change", "nobody works on this task", "add `agent:` here");
}

#[test]
fn a_bad_duration_or_size() {
    expect(
        "timeout: 5m",
        "timeout: 5 minutes",
        "5 minutes",
        "tasks.test.timeout",
        "`5 minutes` is not a duration",
        "write it like `30s`, `15m`",
    );
    expect("timeout: 5m", "timeout: 30", "30", "tasks.test.timeout", "`30` is not a duration", "write it like");
    expect(
        "stall: 4m",
        "stall: 20ms",
        "20ms",
        "agents.codemod.limits.stall",
        "it is at least a second",
        "write `1s` or more",
    );
    expect("deadline: 45m", "deadline: noon", "noon", "tasks.test.deadline", "`noon` is not a duration", "`7h30m`");
    expect("wall_time: 1h", "wall_time: 0s", "0s", "budget.wall_time", "the time is zero", "`30m`");
    expect("memory: 64MiB", "memory: lots", "lots", "agents.codemod.limits.memory", "`lots` is not a size", "`64MiB`");
    expect("events: 20k", "events: few", "few", "agents.codemod.limits.events", "`few` is not a count", "`50G`");
    expect(
        "events: 20k",
        "table_elements: 100001",
        "100001",
        "agents.codemod.limits.table_elements",
        "100001 table elements are more than a component can have",
        "at most 100000",
    );
    expect("tokens: 2_000_000", "tokens: -1", "-1", "budget.tokens", "`-1` is not a count", "`500k`");
    expect(
        "money: 12.5",
        "money: a fortune",
        "a fortune",
        "budget.money",
        "`a fortune` is not a sum of money",
        "`12.50`",
    );
    expect("attempts: 2", "attempts: 0", "0", "defaults.retry.attempts", "a task is tried at least once", "1 to 100");
    expect("max: 4", "max: 0", "0", "concurrency.max", "the number of parallel tasks is 1 to 256", "range");
    expect(
        "agent: tester,",
        "agent: [tester, robot],",
        "robot",
        "tasks.test.agent[1]",
        "there is no agent `robot`",
        "known agents: codemod, planner, tester",
    );
    expect(
        "agent: tester,",
        "agent: [tester, tester],",
        "tester]",
        "tasks.test.agent[1]",
        "`tester` is there twice",
        "remove one",
    );
    expect("agent: tester,", "agent: [],", "[]", "tasks.test.agent", "nobody is named", "anyone may do it");
    expect(
        "max: 4 }",
        "max: 4, models: { small: 0 } }",
        "0",
        "concurrency.models.small",
        "the number of parallel tasks is 1 to 256",
        "range",
    );
    expect(
        "max: 4 }",
        "max: 4, models: { smal: 2 } }",
        "2",
        "concurrency.models.smal",
        "there is no model of an agent `smal`",
        "did you mean `small`?",
    );
    expect("model: small", "model: \"\"", "\"\"", "agents.tester.model", "a model has a name", "leave the field out");
    expect(
        "verify: true,",
        "verify: true, reuse: true,",
        "true,",
        "tasks.test.reuse",
        "a task that judges looks itself",
        "remove `reuse` or `verify`",
    );
    expect("max: 4", "max: 257", "257", "concurrency.max", "the number of parallel tasks is 1 to 256", "range");
}

#[test]
fn an_unknown_profile() {
    expect(
        "every: 10m",
        "profile: staging",
        "staging",
        "checkpoints.profile",
        "there is no profile `staging`",
        "write `production` or `development`",
    );
}

#[test]
fn for_each_on_something_else_than_a_list() {
    expect(
        "for_each: \"${{ tasks.plan.chunks }}\"",
        "for_each: 7",
        "7",
        "tasks.change.for_each",
        "`for_each` takes a list",
        "as in `${{ tasks.plan.chunks }}`",
    );
    expect(
        "for_each: \"${{ tasks.plan.chunks }}\"",
        "for_each: \"all of ${{ tasks.plan.chunks }}\"",
        "\"all of",
        "tasks.change.for_each",
        "`for_each` takes a list",
        "one expression",
    );
}

#[test]
fn expressions_that_cannot_be() {
    let error = errors(&changed("tasks.test.status ==", "tasks.test.status = =")).remove(0);
    assert_eq!((error.line, error.field.as_str()), (23, "done_when"), "{error}");
    assert!(error.message.starts_with("an expression does not parse"), "{error}");
    expect(
        "${{ item }}",
        "${{ itm }}",
        "itm",
        "tasks.change.with.chunk",
        "there is no variable `itm`",
        "did you mean `item`?",
    );
    expect(
        "${{ item }}",
        "${{ item",
        "${{ item",
        "tasks.change.with.chunk",
        "an expression is not closed",
        "write `}}` behind it",
    );
    expect(
        "glob: \"src/**/*.rs\"",
        "glob: \"${{ item }}\"",
        "\"${{ item",
        "tasks.plan.with.glob",
        "there is no `item` here",
        "add `for_each`",
    );
    expect(
        "${{ inputs.since }}",
        "${{ inputs.sinc }}",
        "Replace",
        "objective",
        "there is no input `sinc`",
        "did you mean `since`?",
    );
    expect(
        "chunk: 30m",
        "chunk: \"${{ tasks.plan.size }}\"",
        "\"${{",
        "agents.planner.config.chunk",
        "`tasks.plan.size` is not known here, because this is read before any task runs",
        "only `inputs` and `run` are",
    );
}

#[test]
fn a_need_that_is_mentioned_and_not_declared() {
    expect(
        "{ needs: plan, for_each",
        "{ for_each",
        "\"${{ tasks.plan",
        "tasks.change.for_each",
        "`tasks.plan.chunks` is mentioned, but `change` does not wait for `plan`",
        "add `needs: plan` to the task `change`",
    );
    expect(
        "tasks.test.status ==",
        "tasks.tests.status ==",
        "\"${{",
        "done_when",
        "there is no task `tests`",
        "did you mean `test`?",
    );
}

#[test]
fn a_name_that_is_there_twice_or_is_none() {
    let error = errors(&changed("  test:   {", "  plan:   {")).remove(0);
    assert_eq!((error.line, error.message.as_str()), (22, "`plan` is there twice"), "{error}");
    assert_eq!(error.hint, "remove or rename one of the two");
    expect(
        "name: modernise",
        "name: all of it",
        "all of it",
        "name",
        "`all of it` is not a name: a letter or `_`, then letters, digits, `_` and `-`, at most 64",
        "rename",
    );
    expect(
        "[ patient, escalate ]",
        "[ patient, patient ]",
        "patient ]",
        "recovery[1]",
        "`patient` is there twice",
        "remove",
    );
}

#[test]
fn a_version_of_another_time() {
    expect(
        "version: 1",
        "version: 2",
        "2",
        "version",
        "version 2 of the file format is not supported",
        "write `version: 1`",
    );
    let error = errors(&changed("version: 1\n", "")).remove(0);
    assert_eq!(
        (error.message.as_str(), error.hint.as_str()),
        ("the field `version` is missing", "add `version:` here")
    );
}

#[test]
fn permissions_that_cannot_be_enforced() {
    expect(
        "write: [\"src/**\"]",
        "write: [\"../**\"]",
        "\"../**\"",
        "permissions.fs.write[0]",
        "`../**` is not a file pattern: it must be relative to the workspace's root, without `.` and `..`",
        "`src/**`",
    );
    expect(
        "[[\"cargo\", \"test\"]]",
        "[[]]",
        "[]",
        "tasks.test.permissions.exec[0]",
        "a command has no program",
        "cargo",
    );
    expect(
        "exec: [[\"cargo\", \"test\"]]",
        "memory: [runs]",
        "runs",
        "tasks.test.permissions.memory[0]",
        "there is no memory scope `runs`",
        "did you mean `run`?",
    );
    expect(
        "exec: [[\"cargo\", \"test\"]]",
        "http: [\"api.example.com/*\"]",
        "\"api.example.com/*\"",
        "tasks.test.permissions.http[0]",
        "this is not a pattern of addresses: it does not name its host",
        "https://",
    );
}

#[test]
fn all_errors_are_told_in_the_order_of_the_file() {
    let text = changed("timeout: 20m", "timeout: soon")
        .replace("agent: tester", "agent: robot")
        .replace("needs: plan", "needs: plam");
    let found: Vec<_> = errors(&text).into_iter().map(|e| (e.line, e.field)).collect();
    let fields: Vec<_> = found.iter().map(|(_, field)| field.as_str()).collect();
    assert_eq!(fields, ["defaults.timeout", "tasks.change.needs", "tasks.change.for_each", "tasks.test.agent"]);
    assert!(found.iter().map(|(line, _)| line).is_sorted());
}

#[test]
fn an_error_reads_well() {
    let error = &errors(&changed("agent: tester", "agent: testr"))[0];
    assert_eq!(
        error.to_string(),
        "a.workflow.yaml:22:37: there is no agent `testr` (at tasks.test.agent)\n   \
         22 |   test:   { needs: [change], agent: testr, permissions: { exec: [[\"cargo\", \"test\"]] }, verify: true, timeout: 5m, deadline: 45m, priority: 3 }\n      \
         |                                     ^\n  hint: did you mean `tester`? known agents: codemod, planner, tester"
    );
    let json = serde_json::to_value(error).unwrap();
    assert_eq!((json["line"].as_u64(), json["field"].as_str()), (Some(22), Some("tasks.test.agent")));
}

#[test]
fn an_error_does_not_speak_to_the_terminal() {
    let error = errors("version: 1\nname: \"\\e[31m\u{9b}1m\"\ntasks: {}\n").remove(0).to_string();
    assert!(!error.chars().any(|c| c.is_control() && c != '\n'), "{error:?}");
}

#[test]
fn what_is_no_workflow_at_all() {
    for text in [
        "",
        "\n\n",
        "# nothing\n",
        "[]",
        "a: [",
        "\t",
        "- 1\n- 2\n",
        "version: 1\n---\nversion: 1\n",
        "\"\\u0000\"",
        "*a",
        "{{}}: 1",
        "null",
    ] {
        let errors = errors(text);
        assert!(
            !errors[0].message.is_empty() && !errors[0].hint.is_empty() && errors[0].line >= 1,
            "{text:?}: {errors:?}"
        );
    }
}

#[test]
fn bombs_are_refused_quickly() {
    let huge = format!("name: {}", "x".repeat(MAX_BYTES));
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let list = vec![format!("*a{}", i - 1); 9].join(", ");
        laughs.push_str(&format!("a{i}: &a{i} [{list}]\n"));
    }
    let deep = format!("inputs: {{ a: {{ default: {}{} }} }}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_block: String = (0..2_000).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    for text in [
        huge,
        laughs.clone(),
        format!("version: 1\nname: x\ninputs: {{ a: {{ default: *a11 }} }}\n{laughs}"),
        deep,
        deep_block,
    ] {
        assert!(!errors(&text).is_empty());
    }
    let many: String = (0..3_000).map(|i| format!("  t{i}: {{}}\n")).collect();
    let error = errors(&format!("version: 1\nname: x\nagents: {{ r: {{ plugin: r }} }}\ntasks:\n{many}")).remove(0);
    assert!(error.message.contains("more than 2000"), "{error}");
}

#[test]
fn a_long_chain_is_fine() {
    let tasks: String = (1..2_000).map(|i| format!("  t{i}: {{ needs: t{} }}\n", i - 1)).collect();
    let text = format!("version: 1\nname: x\nagents: {{ r: {{ plugin: r }} }}\ntasks:\n  t0: {{}}\n{tasks}");
    assert_eq!(super::good(&text).tasks.len(), 2_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is done to a file, reading it ends with a workflow or with errors that point into it.
    #[test]
    fn a_damaged_file_does_not_panic(from in 0..1200_usize, length in 0..40_usize, with in "[a-z:{}\\[\\]\"'$&*!|>#, \n-]{0,12}") {
        let mut text: Vec<char> = DESIGN.chars().collect();
        let from = from.min(text.len());
        let to = (from + length).min(text.len());
        text.splice(from..to, with.chars());
        let text: String = text.into_iter().collect();
        for file in ["a.workflow.yaml", "a.md"] {
            if let Err(errors) = parse(file, &text) {
                prop_assert!(!errors.0.is_empty());
                prop_assert!(errors.0.iter().all(|e| e.line <= text.lines().count() as u64 + 1));
            }
        }
    }
}
