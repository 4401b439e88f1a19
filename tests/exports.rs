//! What other programs read of a record: lines, security events, a trace, a signed statement.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Place, python};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

/// Two tasks, of which the second may not write what it wants to.
const WORK: &str = r#"
version: 1
name: work
agents: { codemod: { plugin: codemod, config: { rules: [ { name: replace, literal: old, replace: new } ] } } }
permissions: { fs: { read: ["**"], write: ["src/**"] } }
recovery: []
tasks:
  change: { agent: codemod, permissions: { fs: { read: ["src/**"], write: ["src/**"] } } }
  refused: { agent: codemod, needs: change }
"#;

fn place() -> Place {
    let place = Place::with(&[("src/a.txt", "old"), ("b.txt", "old")]);
    place.run(WORK, &[]);
    place
}

fn export(place: &Place, form: &str) -> Vec<Value> {
    place.longhaul(["audit", "export", "last", form]).code(0).json_lines()
}

fn actions(place: &Place) -> Vec<Value> {
    let entries = place.longhaul(["logs", "last", "--json", "--actions", "--debug"]).code(0).json_lines();
    entries.into_iter().filter(|entry| entry["kind"] == "action").collect()
}

#[test]
fn lines_hold_each_entry_as_it_is_stored() {
    let place = place();
    let text = place.longhaul(["audit", "export", "last", "--jsonl"]).code(0).stdout;
    let bundle = place.longhaul(["audit", "export", "last", "--bundle", "-o", "-"]).code(0).json_lines();
    let expected: String = bundle
        .iter()
        .filter_map(|line| line.get("entry"))
        .map(|entry| format!("{{\"position\":{},\"entry\":{}}}\n", entry["at"], entry["body"].as_str().unwrap()))
        .collect();
    assert!(expected.lines().count() > 20);
    assert_eq!(text, expected);
}

#[test]
fn security_events_have_all_that_their_classes_demand() {
    let place = place();
    let (events, actions) = (export(&place, "--ocsf"), actions(&place));
    assert_eq!(events.len(), actions.len());
    for (event, action) in events.iter().zip(&actions) {
        for name in ["activity_id", "category_uid", "class_uid", "type_uid", "time", "severity_id", "status_id"] {
            assert!(event[name].is_u64(), "`{name}`: {event}");
        }
        let number = |name: &str| event[name].as_u64().unwrap();
        assert_eq!(number("type_uid"), number("class_uid") * 100 + number("activity_id"));
        assert_eq!(event["metadata"]["version"], "1.3.0");
        assert_eq!(event["metadata"]["product"]["vendor_name"], "Longhaul");
        assert_eq!(event["actor"]["app_name"], "codemod", "{event}");
        let demanded: &[&str] = match (number("category_uid"), number("class_uid")) {
            (1, 1001) => &["/device/type_id", "/file/name", "/file/type_id"],
            (6, 6003) => &["/api/operation", "/src_endpoint/name"],
            other => panic!("{other:?}"),
        };
        for at in demanded {
            assert!(event.pointer(at).is_some_and(|value| !value.is_null()), "`{at}`: {event}");
        }
        let is_ok = action["result"] == "ok";
        assert_eq!((number("status_id") == 1, number("severity_id") == 1), (is_ok, is_ok), "{event}");
        assert_eq!(event["unmapped"]["operation"], action["operation"]);
        assert_eq!(event["unmapped"]["resource"], action["resource"]);
    }
    let refused: Vec<_> = events.iter().filter(|event| event["severity_id"] == 3).collect();
    assert!(!refused.is_empty());
    for event in refused {
        assert_eq!((event["status"].as_str(), event["file"]["path"].as_str()), (Some("Failure"), Some("b.txt")));
        assert!(event["status_detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{event}");
        assert!(event["unmapped"]["would_grant"].as_str().is_some_and(|line| line.contains("b.txt")), "{event}");
        // The position leads to the entry.
        let position = event["unmapped"]["position"].as_u64().unwrap();
        let line = &export(&place, "--jsonl")[usize::try_from(position).unwrap()];
        assert_eq!(line["entry"]["result"], "denied");
    }
}

#[test]
fn a_trace_is_one_tree_and_the_same_each_time() {
    let place = place();
    let requests = export(&place, "--otel");
    assert_eq!(requests, export(&place, "--otel"));
    let spans: Vec<&Value> = requests
        .iter()
        .flat_map(|request| request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap())
        .collect();
    let of = |span: &Value, key: &str| {
        let all = span["attributes"].as_array().unwrap().iter();
        all.filter(|it| it["key"] == key).map(|it| it["value"].clone()).next().unwrap_or_default()
    };
    let id = |span: &Value| span["spanId"].as_str().unwrap().to_owned();
    let by_id: BTreeMap<String, &Value> = spans.iter().map(|span| (id(span), *span)).collect();
    assert_eq!(by_id.len(), spans.len(), "no id is there twice");
    let traces: BTreeSet<&str> = spans.iter().map(|span| span["traceId"].as_str().unwrap()).collect();
    assert_eq!(traces.len(), 1);
    assert!(traces.iter().all(|trace| trace.len() == 32) && by_id.keys().all(|id| id.len() == 16));
    let above = |span: &Value| span["parentSpanId"].as_str().map(|id| by_id[id]);
    let name = |span: &Value| span["name"].as_str().unwrap().to_owned();
    let roots: Vec<_> = spans.iter().filter(|span| above(span).is_none()).map(|span| name(span)).collect();
    assert_eq!(roots, ["run work"]);
    let mut actions = 0;
    for span in &spans {
        let time = |key: &str| span[key].as_str().unwrap().parse::<u128>().unwrap();
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano") && time("startTimeUnixNano") > 10_u128.pow(18));
        match name(span).split(' ').next().unwrap() {
            "run" => {}
            "task" => assert_eq!(name(above(span).unwrap()), "run work"),
            "invoke_agent" => {
                assert_eq!(of(span, "gen_ai.operation.name")["stringValue"], "invoke_agent");
                assert_eq!(of(span, "gen_ai.agent.name")["stringValue"], "codemod");
                assert!(name(above(span).unwrap()).starts_with("task "));
            }
            _ => {
                actions += 1;
                assert!(name(above(span).unwrap()).starts_with("invoke_agent "), "{span}");
            }
        }
    }
    assert_eq!(actions, self::actions(&place).len());
    let status = |wanted: &str| spans.iter().find(|span| name(span) == wanted).unwrap()["status"]["code"].clone();
    assert_eq!((status("task change"), status("task refused")), (1.into(), 2.into()));
}

/// Opens an envelope with a key, as whoever has neither Longhaul nor its state would.
const OPEN: &str = r#"
import base64, json, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
envelope, key = json.load(open(sys.argv[1])), sys.argv[2]
payload = base64.b64decode(envelope["payload"], validate=True)
kind = envelope["payloadType"].encode()
signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
name, id, public = key.split("+", 2)
[signature] = envelope["signatures"]
assert signature["keyid"] == f"{name}+{id}"
Ed25519PublicKey.from_public_bytes(base64.b64decode(public)[1:]).verify(base64.b64decode(signature["sig"]), signed)
sys.stdout.buffer.write(payload)
"#;

#[test]
fn a_statement_is_about_the_result_and_signed_by_the_key_of_the_record() {
    let place = place();
    let file = place.outside().join("statement.json");
    let ended = place.longhaul(["audit", "export", "last", "--in-toto", "-o", file.to_str().unwrap()]).code(0);
    ended.says(&["wrote "]);
    let key = place.longhaul(["audit", "key"]).code(0).stdout;
    if let Some(python) = python() {
        let output = Command::new(python).args(["-c", OPEN]).arg(&file).arg(key.trim()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let statement: Value = serde_json::from_slice(&output.stdout).unwrap();
        let entries: Vec<Value> = export(&place, "--jsonl").into_iter().map(|line| line["entry"].clone()).collect();
        let last = |kind: &str| entries.iter().rfind(|entry| entry["kind"] == kind).unwrap();
        assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
        assert_eq!(statement["subject"][0]["digest"]["sha256"], last("committed")["version"]);
        let predicate = &statement["predicate"];
        assert_eq!(statement["predicateType"], "urn:longhaul:run:v1");
        assert_eq!(predicate["base"]["digest"]["sha256"], last("run-started")["base"]);
        assert_eq!(predicate["run"], last("run-started")["run"]);
        assert_eq!(predicate["state"], last("run-changed")["to"]);
        let plugins = predicate["plugins"].as_array().unwrap();
        let agent = plugins.iter().find(|plugin| plugin["name"] == "codemod").unwrap();
        assert_eq!(agent["digest"]["sha256"], last("attempt-started")["plugin"]);
        assert_eq!(predicate["head"]["note"], place.longhaul(["audit", "head", "last"]).code(0).stdout);
    }
    // What is not as it was recorded is not vouched for.
    let journal = place.path(".longhaul/journal.db");
    let mut bytes = fs::read(&journal).unwrap();
    let text = br#""kind":"attempt-ended""#;
    let at = bytes.windows(text.len()).position(|found| found == text).unwrap();
    bytes[at + 1] ^= 1;
    fs::write(&journal, bytes).unwrap();
    let other = place.outside().join("other.json");
    let ended = place.longhaul(["audit", "export", "last", "--in-toto", "-o", other.to_str().unwrap()]);
    ended.code(4).says(&["is not signed", "is NOT as it was recorded"]);
    assert!(!other.exists());
    for form in ["--jsonl", "--ocsf", "--otel"] {
        place.longhaul(["audit", "export", "last", form]).code(4).says(&["audit verify"]);
    }
    let bundle = place.outside().join("damaged.longhaul");
    place
        .longhaul(["audit", "export", "last", "--bundle", "-o", bundle.to_str().unwrap()])
        .code(0)
        .says(&["warning: 1 "]);
    place.longhaul(["audit", "verify", "--bundle", bundle.to_str().unwrap()]).code(4);
}
