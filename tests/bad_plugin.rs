//! Plugins that this host does not run: what they are is told with what to do, and nothing is changed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Place, guest, repository};
use std::path::Path;

/// A component that is made of a text among the test guests.
fn text(name: &str) -> Vec<u8> {
    wat::parse_file(repository().join("tests/guests/wat").join(format!("{name}.wat"))).unwrap()
}

/// A component with this manifest at its end.
fn with_manifest(mut component: Vec<u8>, manifest: &str) -> Vec<u8> {
    let name = b"longhaul:manifest";
    let mut body = vec![u8::try_from(name.len()).unwrap()];
    body.extend_from_slice(name);
    body.extend_from_slice(manifest.as_bytes());
    component.push(0);
    let mut size = body.len();
    while size > 0x7f {
        component.push(u8::try_from(size & 0x7f).unwrap() | 0x80);
        size >>= 7;
    }
    component.push(u8::try_from(size).unwrap());
    component.extend(body);
    component
}

fn manifest(kind: &str, api: &str) -> String {
    format!(r#"{{"manifest":1,"kind":"{kind}","name":"strange","version":"0.1.0","api":"{api}"}}"#)
}

fn flow(plugin: &Path) -> String {
    format!(
        "version: 1\nname: bad\nagents:\n  strange: {{ plugin: {plugin:?} }}\npermissions: {{ fs: {{ read: [\"**\"], write: [\"**\"] }} }}\n\
         tasks: {{ work: {{ agent: strange }} }}\n"
    )
}

/// Uses a file as an agent, which has to be refused with these words, by `run` and by `plugin inspect`.
#[track_caller]
fn refused(component: &[u8], says: &[&str]) {
    let place = Place::with(&[("a.txt", "a")]);
    let file = place.beside("strange.wasm", component);
    let before = place.whole_tree();
    place
        .run(&flow(&file), &[])
        .code(2)
        .says(&["test.workflow.yaml:4:", "strange.wasm", "(at agents.strange.plugin)"])
        .says(says);
    assert_eq!(place.whole_tree(), before, "nothing is made, not even the state folder");
    place
        .longhaul(["plugin".as_ref(), "inspect".as_ref(), file.as_os_str()])
        .code(2)
        .says(&["strange.wasm"])
        .says(says);
}

#[test]
fn a_file_that_is_missing_or_no_file() {
    let place = Place::with(&[("a.txt", "a")]);
    let missing = place.outside().join("missing.wasm");
    let at = ["test.workflow.yaml:4:", "(at agents.strange.plugin)", "hint:"];
    place.run(&flow(&missing), &[]).code(2).says(&["missing.wasm", "No such file"]).says(&at);
    place.run(&flow(&place.workspace), &[]).code(2).says(&at);
    place.longhaul(["plugin", "inspect", "missing.wasm"]).code(2).says(&["missing.wasm", "codemod"]);
}

#[test]
fn a_bundled_plugin_that_does_not_exist() {
    let place = Place::with(&[("a.txt", "a")]);
    let flow =
        "version: 1\nname: bad\nagents: { strange: { plugin: codemodd } }\ntasks: { work: { agent: strange } }\n";
    place.run(flow, &[]).code(2).says(&[
        "test.workflow.yaml:3:30: there is no bundled plugin `codemodd` (at agents.strange.plugin)",
        "codemod, coder, documenter",
        "./my-agent.wasm",
    ]);
    let flow =
        "version: 1\nname: bad\nrecovery: [hope]\nagents: { a: { plugin: codemod } }\ntasks: { work: { agent: a } }\n";
    place.run(flow, &[]).code(2).says(&["test.workflow.yaml:3:12: ", "`hope` (at recovery[0])", "retry-jitter"]);
    let flow = "version: 1\nname: bad\nagents: { a: { plugin: codemod } }\ntasks:\n  work: { agent: a, recovery: [escalate, hope] }\n";
    place.run(flow, &[]).code(2).says(&["test.workflow.yaml:5:42: ", "`hope` (at tasks.work.recovery[1])"]);
    assert!(!place.path(".longhaul").exists());
}

#[test]
fn what_is_not_webassembly() {
    refused(b"#!/bin/sh\necho hello\n", &["it is not WebAssembly", "wasm32-wasip2"]);
    refused(b"", &["it is not WebAssembly"]);
    refused(b"\0asm", &["it is not a valid component"]);
    refused(b"\0asm\x0d\0\x01\0\xff\xff\xff", &["it is not a valid component"]);
}

#[test]
fn a_core_module() {
    refused(&text("core-module"), &["it is a core module, not a component", "wasm32-wasip2"]);
}

#[test]
fn a_component_of_wasi_03() {
    refused(&text("import-wasi-03"), &["wasi:cli/environment@0.3.0", "WASI 0.3 is not supported", "WASI 0.2"]);
}

#[test]
fn a_component_of_another_world() {
    refused(&text("no-exports"), &["exports neither", "longhaul:plugin/work@0.1.0", "#[longhaul_sdk::agent]"]);
    refused(&text("import-evil"), &["evil:host/root@1.0.0", "does not have"]);
}

#[test]
fn a_component_without_a_manifest() {
    refused(&text("export-empty"), &["it has no manifest", "the SDK"]);
    refused(&with_manifest(text("export-empty"), "{"), &["the manifest does not parse"]);
}

#[test]
fn an_interface_of_another_time() {
    refused(
        &with_manifest(text("export-later"), &manifest("agent", "0.2.0")),
        &["0.2.0", "this host speaks 0.1.0", "rebuild it"],
    );
    refused(
        &with_manifest(text("export-empty"), &manifest("agent", "0.9.0")),
        &["0.9.0", "this host speaks 0.1.0", "rebuild it"],
    );
}

#[test]
fn a_plugin_of_the_other_kind() {
    refused(&with_manifest(text("export-empty"), &manifest("strategy", "0.1.0")), &["strategy", "agent"]);
    let place = Place::new();
    let flow =
        "version: 1\nname: bad\nagents: { strange: { plugin: escalate } }\ntasks: { work: { agent: strange } }\n";
    place.run(flow, &[]).code(2).says(&[
        "test.workflow.yaml:3:30: ",
        "(at agents.strange.plugin)",
        "it is a strategy, and an agent is needed here",
    ]);
    let flow = "version: 1\nname: bad\nrecovery: [codemod]\nagents: { a: { plugin: reviewer } }\ntasks: { work: { agent: a } }\n";
    place.run(flow, &[]).code(2).says(&[
        "test.workflow.yaml:3:12: ",
        "codemod",
        "it is an agent, and a strategy is needed here",
    ]);
}

#[test]
fn a_component_that_does_not_fit_the_interface() {
    let place = Place::with(&[("a.txt", "a")]);
    for name in ["export-empty", "import-invented", "import-other-type"] {
        let file = place.beside("strange.wasm", with_manifest(text(name), &manifest("agent", "0.1.0")));
        let before = place.whole_tree();
        place.run(&flow(&file), &[]).code(2).says(&["test.workflow.yaml:4:", "strange.wasm", "agents.strange.plugin"]);
        assert_eq!(place.whole_tree(), before);
    }
}

#[test]
fn a_plugin_that_asks_for_more_than_is_granted() {
    let place = Place::with(&[("a.txt", "a")]);
    let before = place.whole_tree();
    let file = guest("hostile");
    let flow = flow(&file).replace(", write: [\"**\"]", "");
    place.run(&flow, &[]).code(5).says(&[
        "test.workflow.yaml:6:",
        "(at tasks.work)",
        "strange",
        "fs.write",
        "permissions",
        "hint:",
    ]);
    assert_eq!(place.whole_tree(), before);
}

#[test]
fn a_configuration_or_input_that_makes_no_sense_fails_the_task_and_names_the_field() {
    let place = Place::with(&[("a.txt", "a")]);
    let flow = |config: &str, with: &str| {
        format!(
            "version: 1\nname: bad\nrecovery: []\nagents:\n  c: {{ plugin: codemod, config: {config} }}\n\
             permissions: {{ fs: {{ read: [\"**\"], write: [\"**\"] }} }}\ntasks: {{ work: {{ agent: c, with: {with} }} }}\n"
        )
    };
    let good = "{ rules: [ { name: r, literal: a, replace: b } ] }";
    for (config, with, says) in [
        ("{}", "{}", "rules"),
        ("{ rules: [] }", "{}", "`rules`"),
        ("{ rules: [ { name: r, replace: b } ] }", "{}", "rules[0]"),
        ("{ rules: [ { name: r, regex: \"(\", replace: b } ] }", "{}", "rules[0]"),
        ("{ rules: [ { name: r, literal: a, replace: b, wish: 1 } ] }", "{}", "wish"),
        (good, "{ glob: 7 }", "glob"),
        (good, "{ files: [../x] }", "../x"),
        (good, "{ wish: 1 }", "wish"),
    ] {
        let before = place.tree();
        place.run(&flow(config, with), &[]).code(1).says(&[says]);
        assert_eq!(place.tree(), before);
    }
}
