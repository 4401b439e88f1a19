//! Models behind an endpoint: configured by the host, asked over the network, with a key that stands nowhere.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Ended, Node, Place, Server, guest};
use serde_json::{Value, json};
use std::path::Path;

const KEY: &str = "sk-test-3f9a77c1d2";

/// A stream that says `text`, to its end.
fn says(text: &str) -> String {
    let event = |event: Value| format!("data: {event}\n\n");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    [
        head.to_owned(),
        event(json!({ "model": "small-1", "choices": [{ "delta": { "content": text } }] })),
        event(json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] })),
        event(json!({ "choices": [], "usage": { "prompt_tokens": 1_000, "completion_tokens": 100 } })),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat()
}

fn status(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn configuration(port: u16, more: &str) -> String {
    format!(
        "[providers.near]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\nkey = {{ env = \"NEAR_KEY\" }}\n{more}\n\
         [models.default]\nprovider = \"near\"\nmodel = \"small\"\ncontext_window = 8_000\nprice = {{ input = 10, output = 100 }}\n"
    )
}

fn workflow(steps: &Value) -> String {
    format!(
        "version: 1\nname: asking\nagents: {{ asker: {{ plugin: {:?} }} }}\npermissions: {{ model: [default] }}\n\
         recovery: [escalate]\ntasks:\n  ask: {{ agent: asker, with: {{ steps: {steps} }} }}\n",
        guest("asker")
    )
}

fn say(text: &str) -> Value {
    json!({ "chat": { "say": text } })
}

/// Runs a workflow with a configuration and the key.
fn run(place: &Place, config: &Path, text: &str) -> Ended {
    let file = place.workflow(text);
    let args = ["run".as_ref(), file.as_os_str(), "--json".as_ref(), "--config".as_ref(), config.as_os_str()];
    let mut command = place.command(args);
    command.env("NEAR_KEY", KEY);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { command: "run".into(), status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// What the task put out.
fn told(place: &Place) -> Value {
    let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
    let ended = lines.iter().rfind(|line| line["kind"] == "attempt-ended").unwrap();
    ended["result"]["ok"]["completed"]["told"].clone()
}

/// Fails where the key stands in any file around the workspace, other than `but`.
fn nowhere(place: &Place, ended: &Ended) {
    assert!(!ended.stdout.contains(KEY) && !ended.stderr.contains(KEY), "{ended}");
    for (path, node) in longhaul_tests::Tree::read(place.outside()).0 {
        if let Node::File(content, _) = node {
            assert!(!content.windows(KEY.len()).any(|bytes| bytes == KEY.as_bytes()), "the key stands in {path}");
        }
    }
}

#[test]
fn a_model_behind_an_endpoint_answers_and_its_key_stands_nowhere() {
    let echo = format!("I was sent {KEY}");
    let endpoint = Server::start(move |number, _| match number {
        0 => says("Hello, I am small."),
        1 => says(&echo),
        _ => status(400, "", &json!({ "error": { "message": echo } }).to_string()),
    });
    let place = Place::new();
    let config = place.beside("config.toml", configuration(endpoint.port, ""));
    let ended =
        run(&place, &config, &workflow(&json!([say("hello"), say("what were you sent?"), say("again")]))).code(0);
    let told = told(&place);
    assert_eq!((&told[0]["text"], &told[0]["model"]), (&json!("Hello, I am small."), &json!("small-1")));
    assert_eq!(told[1]["text"], "I was sent ***");
    assert_eq!(told[2]["kind"], "invalid");
    assert!(endpoint.asked()[0].head.contains(&format!("Bearer {KEY}")));
    nowhere(&place, &ended);
    let shown = place.longhaul(["show", "last", "--json"]).code(0).json();
    // 2 × (1000 × 10 + 100 × 100) millionths.
    assert_eq!((&shown["tokens"], &shown["money"]), (&json!(2_200), &json!(40_000)));
    place.longhaul(["logs", "--actions"]).code(0).shows(&["model chat default", "1100 tokens for 0.02"]);
}

#[test]
fn refusals_and_streams_that_break_off_are_got_over() {
    let cut = says("It was a dark and stormy night").split("data: [DONE]").next().unwrap().to_owned();
    let cut = cut.split("data: {\"choices\":[{\"delta\":{},\"f").next().unwrap().to_owned();
    let endpoint = Server::start(move |number, _| match number {
        0 | 1 => status(429, "retry-after: 1\r\n", "slow down"),
        2 => says("one"),
        3 => cut.clone(),
        4 => says("two"),
        _ => status(429, "retry-after: 7200\r\n", "slow down"),
    });
    let place = Place::new();
    let config = place.beside("config.toml", configuration(endpoint.port, ""));
    let ended = run(&place, &config, &workflow(&json!([say("a"), say("b"), say("c")]))).code(0);
    let told = told(&place);
    assert_eq!(
        (&told[0]["text"], &told[1]["text"], &told[2]["kind"]),
        (&json!("one"), &json!("two"), &json!("rate-limited"))
    );
    assert_eq!(endpoint.asked().len(), 6);
    nowhere(&place, &ended);
}

#[test]
fn what_is_wrong_with_a_configuration_is_told_before_anything_begins() {
    let place = Place::new();
    let text = workflow(&json!([say("a")]));
    let good = configuration(9, "");
    for (config, told) in [
        (good.replace("kind =", "knid ="), &["config.toml:2:1", "unknown field `knid`"][..]),
        (good.replace("provider = \"near\"", "provider = \"far\""), &["config.toml:", "no provider `far`"]),
        (good.replace("NEAR_KEY", "OTHER_KEY"), &["permissions.model[0]", "the variable OTHER_KEY", "it is not set"]),
        (good.replace("[models.default]", "[models.big]"), &["there is no model `default`", "`big`"]),
    ] {
        let config = place.beside("config.toml", config);
        run(&place, &config, &text).code(2).says(told);
    }
    run(&place, Path::new("/nonexistent/config.toml"), &text)
        .code(2)
        .says(&["/nonexistent/config.toml", "docs/models.md"]);
    assert!(!place.path(".longhaul").exists());
    // One in the workspace is nobody's.
    place.file("longhaul/config.toml", &good);
    place.file("config.toml", &good);
    place.longhaul(["run", place.workflow(&text).to_str().unwrap()]).code(2).says(&["there is no model `default`"]);
}

#[test]
fn doctor_tells_what_is_configured_without_values() {
    let place = Place::new();
    let secrets = "[secrets.tracker]\nenv = \"TRACKER\"\nhosts = [\"tracker.example.com\"]\n";
    std::fs::create_dir_all(place.outside().join("home/.config/longhaul")).unwrap();
    place.beside("home/.config/longhaul/config.toml", format!("{}{secrets}", configuration(9, "")));
    let mut command = place.command(["doctor"]);
    command.env("NEAR_KEY", KEY);
    let output = command.output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    for wanted in [
        "near at http://127.0.0.1:9/v1",
        "the variable NEAR_KEY",
        "default is small of near",
        "tracker for tracker.example.com",
        "it is not set",
    ] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    assert!(!shown.contains(KEY), "{shown}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn certificates_that_are_not_there_are_told_before_anything_runs() {
    let place = Place::new();
    let ca = place.beside("ca.pem", "no certificate at all");
    let network = |path: &Path| format!("[network]\nca = {path:?}\n\n{}", configuration(9, ""));
    for (path, says) in [
        (Path::new("/no/such.pem"), "failed to read the certificates in /no/such.pem"),
        (ca.as_path(), "cannot be used: it has no certificate in the form PEM"),
    ] {
        let config = place.beside("host.toml", network(path));
        run(&place, &config, &workflow(&json!([say("hello")]))).code(2).says(&[says]);
        let arguments = ["doctor".as_ref(), "--config".as_ref(), config.as_os_str()];
        let shown = place.longhaul(arguments).code(1).stdout;
        assert!(shown.contains("certificates") && shown.contains(says), "{shown}");
    }
}
