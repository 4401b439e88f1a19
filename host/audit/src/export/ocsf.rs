//! Host calls as events of the Open Cybersecurity Schema Framework (OCSF 1.3.0).
//!
//! | capability | class |
//! |---|---|
//! | `fs` | File System Activity (1001) |
//! | `exec` | Process Activity (1007) |
//! | `http` | HTTP Activity (4002) |
//! | all others | API Activity (6003) |
//!
//! A refusal is a failure of medium severity with what would have granted it. What has no place in the schema stands in `unmapped`, first of all the
//! position in the record, by which an event is proven.

use longhaul_core::action::{Action, ActionResult};
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::grant::Capability;
use longhaul_core::id::{RunId, TaskId};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The version of the schema.
pub const VERSION: &str = "1.3.0";
/// The activity for what the schema has no number for.
const OTHER: u64 = 99;

/// Makes events of a run's entries, which are given in order.
#[derive(Debug)]
pub struct Events {
    run: RunId,
    host: String,
    /// Who works on a task: the agent and the digest of its component.
    agents: HashMap<TaskId, (String, String)>,
}

/// An event's class and activity, with what belongs to them.
struct Class {
    category: (u64, &'static str),
    class: (u64, &'static str),
    activity: (u64, String),
    about: Map<String, Value>,
}

impl Events {
    /// Of this run.
    pub fn new(run: RunId) -> Self {
        Self { run, host: String::new(), agents: HashMap::new() }
    }

    /// The event that an entry is; none where it is no host call.
    pub fn entry(&mut self, at: Position, record: &Record) -> Option<Value> {
        match (&record.entry, &record.task) {
            (Entry::RunStarted { host, .. } | Entry::RunResumed { host, .. }, _) => self.host.clone_from(host),
            (Entry::AttemptStarted { agent, plugin, .. }, Some(task)) => {
                self.agents.insert(task.clone(), (agent.to_string(), plugin.to_string()));
            }
            (Entry::AttemptEnded { .. }, Some(task)) => drop(self.agents.remove(task)),
            (Entry::Action(action), _) => return Some(self.event(at, record, action)),
            _ => {}
        }
        None
    }

    fn event(&self, at: Position, record: &Record, action: &Action) -> Value {
        let Class { category, class, activity, about } = Class::of(action);
        let none = (String::new(), String::new());
        let (agent, plugin) = record.task.as_ref().and_then(|task| self.agents.get(task)).unwrap_or(&none);
        let (status, severity, detail) = match &action.result {
            ActionResult::Ok => ((1, "Success"), (1, "Informational"), None),
            ActionResult::Denied { reason, .. } => ((2, "Failure"), (3, "Medium"), Some(reason)),
            ActionResult::Failed { error } => ((2, "Failure"), (2, "Low"), Some(error)),
        };
        let mut event = json!({
            "category_uid": category.0,
            "category_name": category.1,
            "class_uid": class.0,
            "class_name": class.1,
            "activity_id": activity.0,
            "activity_name": activity.1,
            "type_uid": class.0 * 100 + activity.0,
            "time": record.at.0,
            "severity_id": severity.0,
            "severity": severity.1,
            "status_id": status.0,
            "status": status.1,
            "count": action.calls,
            "actor": {
                "app_name": if agent.is_empty() { "longhaul" } else { agent },
                "app_uid": plugin,
                "session": { "uid": self.run.as_str() },
            },
            "metadata": {
                "version": VERSION,
                "uid": format!("{}/{}", self.run, at.0),
                "log_name": "longhaul/run",
                "product": { "name": "Longhaul", "vendor_name": "Longhaul", "version": self.host },
            },
            "unmapped": self.unmapped(at, record, action),
        });
        if let Some(event) = event.as_object_mut() {
            event.extend(about);
            if let Some(detail) = detail {
                event.insert("status_detail".to_owned(), json!(detail));
            }
        }
        event
    }

    fn unmapped(&self, at: Position, record: &Record, action: &Action) -> Value {
        let mut unmapped = json!({
            "run": self.run.as_str(),
            "position": at.0,
            "number": action.number,
            "capability": action.capability.as_str(),
            "operation": action.operation,
            "resource": action.resource,
            "bytes": action.bytes.0,
        });
        let grant = match &action.result {
            ActionResult::Denied { grant, .. } if !grant.is_empty() => Some(json!(grant)),
            _ => None,
        };
        let more = [
            ("task", record.task.as_ref().map(|task| json!(task.as_str()))),
            ("attempt", record.attempt.map(|attempt| json!(attempt))),
            ("detail", (!action.detail.is_empty()).then(|| json!(action.detail))),
            ("sha256", action.digest.map(|digest| json!(digest.to_string()))),
            ("tokens", action.exchange.as_ref().map(|exchange| json!(exchange.spent.tokens.0))),
            ("would_grant", grant),
        ];
        if let Some(unmapped) = unmapped.as_object_mut() {
            unmapped.extend(more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        unmapped
    }
}

impl Class {
    fn of(action: &Action) -> Self {
        let (operation, resource) = (action.operation.as_ref(), action.resource.as_str());
        let device = json!({ "name": "longhaul sandbox", "type_id": 6, "type": "Virtual" });
        match action.capability {
            Capability::Fs => Self::new(
                (1, "System Activity"),
                (1001, "File System Activity"),
                file(operation),
                [("device", device), ("file", named_file(operation, resource))],
            ),
            Capability::Exec => {
                let name = resource.split_whitespace().next().unwrap_or(resource);
                Self::new(
                    (1, "System Activity"),
                    (1007, "Process Activity"),
                    (1, "Launch".to_owned()),
                    [("device", device), ("process", json!({ "name": name, "cmd_line": resource }))],
                )
            }
            Capability::Http => {
                let host = resource.split_once("://").map_or(resource, |(_, rest)| rest);
                let host = host.split(['/', '?', '#']).next().unwrap_or(host);
                let (host, port) = match host.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>())) {
                    Some((host, Ok(port))) => (host, Some(port)),
                    _ => (host, None),
                };
                let url = json!({ "url_string": resource, "hostname": host, "port": port });
                Self::new(
                    (4, "Network Activity"),
                    (4002, "HTTP Activity"),
                    method(operation),
                    [
                        ("http_request", json!({ "http_method": operation.to_ascii_uppercase(), "url": url })),
                        ("dst_endpoint", json!({ "hostname": host, "port": port })),
                    ],
                )
            }
            capability => {
                let service = json!({ "name": capability.as_str() });
                Self::new(
                    (6, "Application Activity"),
                    (6003, "API Activity"),
                    call(operation),
                    [
                        ("api", json!({ "operation": operation, "service": service })),
                        ("src_endpoint", json!({ "name": "longhaul sandbox" })),
                    ],
                )
            }
        }
    }

    fn new<const N: usize>(
        category: (u64, &'static str),
        class: (u64, &'static str),
        activity: (u64, String),
        about: [(&str, Value); N],
    ) -> Self {
        let about = about.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { category, class, activity, about }
    }
}

fn file(operation: &str) -> (u64, String) {
    let (id, name) = match operation {
        "make-folder" | "link" | "symlink" => (1, "Create"),
        "read" | "list" | "read-link" => (2, "Read"),
        "write" | "truncate" => (3, "Update"),
        "remove" | "remove-folder" => (4, "Delete"),
        "rename" => (5, "Rename"),
        "set-times" => (6, "Set Attributes"),
        "stat" => (8, "Get Attributes"),
        "open" => (14, "Open"),
        other => (OTHER, other),
    };
    (id, name.to_owned())
}

fn named_file(operation: &str, path: &str) -> Value {
    let (id, kind) = match operation {
        "read" | "write" | "truncate" | "remove" => (1, "Regular File"),
        "list" | "make-folder" | "remove-folder" => (2, "Folder"),
        _ => (0, "Unknown"),
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    json!({ "name": name, "path": path, "type_id": id, "type": kind })
}

fn method(operation: &str) -> (u64, String) {
    let (id, name) = match operation {
        "delete" => (2, "Delete"),
        "get" => (3, "Get"),
        "head" => (4, "Head"),
        "options" => (5, "Options"),
        "post" => (6, "Post"),
        "put" => (7, "Put"),
        other => (OTHER, other),
    };
    (id, name.to_owned())
}

fn call(operation: &str) -> (u64, String) {
    let (id, name) = match operation {
        "spawn" | "send" | "chat" | "ask" | "approve" | "checkpoint" => (1, "Create"),
        "get" | "list" | "receive" | "now" | "read" => (2, "Read"),
        "set" | "put" | "write" => (3, "Update"),
        "delete" | "remove" | "cancel" => (4, "Delete"),
        other => (OTHER, other),
    };
    (id, name.to_owned())
}
