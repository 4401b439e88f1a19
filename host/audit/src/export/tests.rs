//! Every capability has its class and its span.

use super::{ocsf::Events, otel::Spans};
use longhaul_core::action::{Action, ActionResult, Exchange};
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::grant::Capability;
use longhaul_core::id::{RunId, TaskId};
use longhaul_core::units::{Bytes, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

fn action(capability: Capability, operation: &'static str, resource: &str) -> Record {
    let mut exchange = Exchange::answered(Digest::of(b"asked"), String::new());
    exchange.took = Duration::from_millis(1500);
    let action = Action {
        number: 3,
        capability,
        operation: operation.into(),
        resource: resource.to_owned(),
        detail: String::new(),
        calls: 1,
        bytes: Bytes(0),
        digest: None,
        exchange: Some(Box::new(exchange)),
        result: ActionResult::Failed { error: "no".to_owned() },
    };
    Record {
        at: Timestamp(5000),
        task: Some(TaskId::new("a").unwrap()),
        attempt: Some(1),
        entry: Entry::Action(action),
    }
}

fn event(capability: Capability, operation: &'static str, resource: &str) -> Value {
    let mut events = Events::new(RunId::new("night").unwrap());
    events.entry(Position(9), &action(capability, operation, resource)).unwrap()
}

#[test]
fn each_capability_has_its_class_and_what_that_demands() {
    let about = |event: &Value, names: &[&str]| {
        names.iter().map(|name| event.pointer(name).cloned().unwrap_or_default()).collect::<Vec<_>>()
    };
    let found = event(Capability::Exec, "run", "cargo test");
    let names = ["/class_uid", "/category_uid", "/type_uid", "/process/name", "/process/cmd_line", "/device/type_id"];
    assert_eq!(json!(about(&found, &names)), json!([1007, 1, 100_701, "cargo", "cargo test", 6]));
    let found = event(Capability::Http, "post", "https://example.org:8080/a?b");
    let names = [
        "/class_uid",
        "/category_uid",
        "/type_uid",
        "/http_request/http_method",
        "/dst_endpoint/hostname",
        "/dst_endpoint/port",
    ];
    assert_eq!(json!(about(&found, &names)), json!([4002, 4, 400_206, "POST", "example.org", 8080]));
    for (capability, operation, activity) in [
        (Capability::Model, "chat", 1),
        (Capability::Human, "ask", 1),
        (Capability::Memory, "get", 2),
        (Capability::Clock, "sleep", 99),
    ] {
        let found = event(capability, operation, "x");
        let names = ["/class_uid", "/category_uid", "/activity_id", "/api/service/name", "/status", "/severity_id"];
        assert_eq!(json!(about(&found, &names)), json!([6003, 6, activity, capability.as_str(), "Failure", 2]));
        assert_eq!(found["unmapped"]["position"], 9);
        assert_eq!(found["metadata"]["uid"], "night/9");
    }
}

#[test]
fn a_call_of_a_model_has_the_names_of_the_conventions_and_its_time() {
    let mut spans = Spans::new(RunId::new("night").unwrap());
    let found = spans.entry(Position(9), &action(Capability::Model, "chat", "small"));
    let [span] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((&span["name"], &span["kind"]), (&json!("chat small"), &json!(3)));
    assert_eq!(span["startTimeUnixNano"], "3500000000");
    assert_eq!(span["endTimeUnixNano"], "5000000000");
    let attributes = span["attributes"].as_array().unwrap();
    let model = json!({ "key": "gen_ai.request.model", "value": { "stringValue": "small" } });
    let position = json!({ "key": "longhaul.position", "value": { "intValue": "9" } });
    assert!(attributes.contains(&model) && attributes.contains(&position), "{span}");
    assert_eq!(span["status"], json!({ "code": 2, "message": "no" }));
    // What was under way at the end has its span all the same.
    assert_eq!(spans.finish().len(), 1);
}
