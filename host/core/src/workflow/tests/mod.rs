//! What a workflow file means, and what it says when it is wrong.

mod abilities;
mod bad_input;
mod expressions;
mod schema;

use super::model::{Checkpoints, InputSpec, PluginRef, Workflow};
use super::parse::parse;
use super::template::STARTER;
use crate::id::Name;
use crate::units::{Bytes, Fuel, Tokens};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const EXAMPLES: [(&str, &str); 4] = [
    ("starter.workflow.yaml", STARTER),
    ("hello.workflow.yaml", include_str!("../../../../../examples/hello/hello.workflow.yaml")),
    ("review.workflow.yaml", include_str!("../../../../../examples/review/review.workflow.yaml")),
    ("modernise.workflow.yaml", include_str!("../../../../../examples/modernise/modernise.workflow.yaml")),
];

/// The workflow of the design, with the fields that its text leaves out.
pub(super) const DESIGN: &str = r#"
version: 1
name: modernise
objective: Replace calls deprecated since ${{ inputs.since }}
inputs: { since: { default: "2.0" } }
defaults: { agent: codemod, timeout: 20m, retry: { attempts: 2 } }
budget: { wall_time: 1h, tokens: 2_000_000, fuel: 50G, money: 12.5, disk: 2GB }
concurrency: { max: 4 }
checkpoints: { every: 10m, keep: 2, max_disk: 100MB }
workspace: { root: ., caches: [target/] }
agents:
  planner: { plugin: chunk-planner, config: { chunk: 30m } }
  codemod: { plugin: codemod, limits: { memory: 64MiB, fuel: 1G, events: 20k, stall: 4m }, max: 2 }
  tester:  { plugin: ./plugins/runner.wasm, model: small }
strategies:
  patient: { plugin: retry-jitter, config: { longest: 10m } }
permissions: { fs: { read: ["**"], write: ["src/**"] } }
recovery: [ patient, escalate ]
tasks:
  plan:   { agent: planner, with: { glob: "src/**/*.rs" } }
  change: { needs: plan, for_each: "${{ tasks.plan.chunks }}", with: { chunk: "${{ item }}" }, limits: { fuel: 2G } }
  test:   { needs: [change], agent: tester, permissions: { exec: [["cargo", "test"]] }, verify: true, timeout: 5m, deadline: 45m, priority: 3 }
done_when: "${{ tasks.test.status == 'completed' }}"
"#;

pub(super) fn good(text: &str) -> Workflow {
    parse("a.workflow.yaml", text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

#[test]
fn what_judges_is_not_reused_and_what_does_not_want_to_be_is_not() {
    let reuse = |text: &str, task: &str| good(text).tasks[&name(task)].reuse;
    assert!(reuse(DESIGN, "plan") && !reuse(DESIGN, "test"));
    let text =
        DESIGN.replace("defaults: {", "defaults: { reuse: false,").replace("plan:   {", "plan:   { reuse: true,");
    assert!(reuse(&text, "plan") && !reuse(&text, "change"));
    assert!(!reuse(&DESIGN.replace("plan:   {", "plan:   { reuse: false,"), "plan"));
}

#[test]
fn a_task_can_be_anybodys_and_models_have_limits() {
    let text = DESIGN
        .replace("max: 4 }", "max: 4, models: { small: 2 } }")
        .replace("agent: tester,", "agent: [tester, codemod],");
    let workflow = good(&text);
    assert_eq!(workflow.concurrency.models, BTreeMap::from([("small".to_owned(), 2)]));
    let test = &workflow.tasks[&name("test")];
    assert_eq!((test.agents.first(), test.agents.others()), (&name("tester"), &[name("codemod")][..]));
    let by_default = good(&DESIGN.replace("defaults: { agent: codemod,", "defaults: { agent: [codemod, planner],"));
    assert_eq!(by_default.tasks[&name("change")].agents.others(), [name("planner")]);
    // What bounds an attempt is what the first one says.
    assert_eq!(by_default.tasks[&name("change")].limits.memory, Bytes(64 << 20));
}

#[test]
fn all_fields_arrive() {
    let workflow = good(DESIGN);
    assert_eq!(workflow.budget.tokens, Some(Tokens(2_000_000)));
    assert_eq!(workflow.budget.fuel, Some(Fuel(50_000_000_000)));
    assert_eq!(workflow.budget.money.unwrap().to_string(), "12.50");
    assert_eq!(workflow.budget.wall_time, Duration::from_secs(3600));
    assert_eq!((workflow.concurrency.max, workflow.checkpoints.keep), (4, 2));
    assert_eq!(workflow.workspace.caches[0].as_str(), "target");
    assert_eq!(workflow.agents[&name("tester")].plugin, PluginRef::File("./plugins/runner.wasm".into()));
    assert_eq!(workflow.agents[&name("codemod")].max, Some(2));
    assert_eq!(workflow.agents[&name("tester")].model.as_deref(), Some("small"));
    assert_eq!(workflow.strategies[&name("patient")].plugin, PluginRef::Named(name("retry-jitter")));
    assert_eq!(workflow.strategies[&name("escalate")].plugin, PluginRef::Named(name("escalate")));
    assert_eq!(workflow.tasks.keys().map(Name::as_str).collect::<Vec<_>>(), ["plan", "change", "test"]);

    let change = &workflow.tasks[&name("change")];
    assert_eq!((change.agents.first().as_str(), change.attempts), ("codemod", 2));
    // Fuel: the task's own; memory: its agent's; time: the default of the workflow; handles: that of the host.
    assert_eq!((change.limits.fuel, change.limits.memory), (Fuel(2_000_000_000), Bytes(64 << 20)));
    assert_eq!(change.limits.events, 20_000);
    assert_eq!((change.limits.stall, change.deadline), (Some(Duration::from_secs(240)), None));
    assert_eq!((change.limits.time, change.limits.handles), (Duration::from_secs(1200), 1024));
    assert_eq!(change.recovery, [name("patient"), name("escalate")]);

    let test = &workflow.tasks[&name("test")];
    let (stall, deadline) = (Duration::from_secs(600), Duration::from_secs(2_700));
    assert_eq!((test.limits.stall, test.deadline), (Some(stall), Some(deadline)));
    assert_eq!(test.permissions.exec.as_ref().unwrap()[0], ["cargo", "test"]);
    assert_eq!(test.permissions.fs.as_ref().unwrap().write, ["src/**"]);
    assert!(test.verify && test.priority == 3 && test.limits.time == Duration::from_secs(300));
}

#[test]
fn what_is_not_said_has_the_usual_figures() {
    let workflow = good("version: 1\nname: x\nagents: { r: { plugin: reviewer } }\ntasks: { only: }\n");
    assert_eq!(workflow.budget.wall_time, Duration::from_secs(7 * 3600 + 1800));
    assert_eq!(workflow.concurrency.max, 3);
    assert_eq!(workflow.checkpoints.every, Duration::from_secs(900));
    assert_eq!((workflow.checkpoints.keep, workflow.checkpoints.max_disk), (3, Bytes(300_000_000)));
    let task = &workflow.tasks[&name("only")];
    assert_eq!((task.agents.first().as_str(), task.attempts, task.limits.time), ("r", 3, Duration::from_secs(1800)));
    assert_eq!(task.recovery, ["retry-jitter", "rollback-validate", "escalate"].map(name));
    assert_eq!(task.with.as_literal(), Some(&json!({})));
    assert_eq!(task.permissions, crate::grant::Permissions::default());
}

#[test]
fn a_profile_says_how_often_a_checkpoint_is_made() {
    let every = |checkpoints: &str| {
        good(&format!(
            "version: 1\nname: x\nagents: {{ r: {{ plugin: reviewer }} }}\ntasks: {{ only: }}\ncheckpoints: {{ {checkpoints} }}\n"
        ))
        .checkpoints
    };
    assert_eq!(every("profile: production").every, Duration::from_secs(600));
    assert_eq!(every("profile: development, keep: 5"), Checkpoints { keep: 5, ..Checkpoints::development() });
    assert_eq!(every("profile: development").every, Duration::from_secs(1800));
    assert_eq!(every("profile: production, every: 5m").every, Duration::from_secs(300), "the narrower word goes first");
}

#[test]
fn the_examples_and_the_starter_are_right() {
    for (file, text) in EXAMPLES {
        if let Err(errors) = parse(file, text) {
            panic!("{errors}");
        }
    }
}

#[test]
fn markdown_is_front_matter_and_a_prompt() {
    let text = "---\nversion: 1\nname: x\nagents: { r: { plugin: reviewer } }\ntasks: { only: {} }\n---\n\n# Look well\n\nAt ${{ this }}.\n";
    let workflow = parse("WORKFLOW.md", text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(workflow.prompt, "# Look well\n\nAt ${{ this }}.");
    assert_eq!(workflow.objective.as_literal(), Some(&json!("# Look well\n\nAt ${{ this }}.")));
    let errors = parse("WORKFLOW.md", &text.replace("name: x", "nmae: x")).unwrap_err();
    assert_eq!((errors.0[0].line, errors.0[0].column), (3, 1));
    for bad in ["# Only prose\n", "---\nversion: 1\n", ""] {
        let error = parse("WORKFLOW.MD", bad).unwrap_err().0.remove(0);
        assert!(error.message.contains("front matter"), "{error}");
    }
}

#[test]
fn inputs_are_given_or_have_defaults() {
    let workflow = good(
        "version: 1\nname: x\ninputs: { a: { default: 1 }, b: { description: which }, c: }\nagents: { r: { plugin: reviewer } }\ntasks: { only: {} }\n",
    );
    let given =
        |list: &[(&str, i32)]| -> BTreeMap<_, _> { list.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect() };
    let inputs = workflow.inputs(given(&[("b", 2), ("c", 3)])).unwrap();
    assert_eq!(serde_json::Value::Object(inputs), json!({"a": 1, "b": 2, "c": 3}));
    let missing = workflow.inputs(given(&[("b", 2)])).unwrap_err();
    assert_eq!(missing.to_string(), "the input `c` has no default; give it, as in `--input c=VALUE`");
    let unknown = workflow.inputs(given(&[("b", 2), ("c", 3), ("d", 4)])).unwrap_err();
    assert_eq!(unknown.to_string(), "the workflow has no input `d`; known inputs: a, b, c");
}

#[test]
fn an_input_is_read_as_its_default_says() {
    let read =
        |default: Option<serde_json::Value>, text: &str| InputSpec { default, description: String::new() }.read(text);
    for text in ["2.10", "7", "true", "null", "[1]", "\"quoted\"", "plain", ""] {
        assert_eq!(read(Some(json!("2.0")), text), json!(text), "a text is taken as it is");
    }
    assert_eq!((read(Some(json!(1)), "2.10"), read(Some(json!([])), "[2, \"a\"]")), (json!(2.1), json!([2, "a"])));
    assert_eq!(read(Some(json!(false)), "maybe"), json!("maybe"));
    for (text, value) in [
        ("2.10", json!("2.10")),
        ("1e3", json!("1e3")),
        ("007", json!("007")),
        ("2.5", json!(2.5)),
        ("-3", json!(-3)),
        ("12345678901234567890123", json!("12345678901234567890123")),
        ("true", json!(true)),
        ("[2.10]", json!([2.1])),
        ("plain", json!("plain")),
    ] {
        assert_eq!(read(None, text), value, "{text}");
    }
}
