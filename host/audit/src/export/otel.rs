//! A run as one trace of OpenTelemetry: spans in the JSON encoding of OTLP, with the names that its conventions have for generative AI.
//!
//! ```text
//! run ──► task ──► attempt ──► action
//! ```
//!
//! Ids are hashes of the run's id and of the position of the entry that a span begins with, so that the same record always gives the same trace.

use longhaul_core::action::{Action, ActionResult};
use longhaul_core::attempt::Outcome;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::grant::Capability;
use longhaul_core::id::{RunId, TaskId};
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const INTERNAL: u64 = 1;
const CLIENT: u64 = 3;

/// Makes spans of a run's entries, which are given in order.
#[derive(Debug)]
pub struct Spans {
    run: RunId,
    host: String,
    last: Timestamp,
    root: Open,
    state: Option<RunState>,
    /// With when and how each ended.
    tasks: BTreeMap<TaskId, (Open, Option<(Timestamp, TaskState)>)>,
    attempts: BTreeMap<TaskId, Open>,
}

/// A span that has begun.
#[derive(Debug, Clone)]
struct Open {
    at: Position,
    since: Timestamp,
    name: String,
    attributes: Vec<Value>,
}

/// How a span ended.
enum Ended {
    Well,
    Badly(String),
    Unknown,
}

impl Spans {
    /// Of this run.
    pub fn new(run: RunId) -> Self {
        let root = Open {
            at: Position(0),
            since: Timestamp(0),
            name: "run".to_owned(),
            attributes: vec![text("longhaul.run", run.as_str())],
        };
        Self {
            run,
            host: String::new(),
            last: Timestamp(0),
            root,
            state: None,
            tasks: BTreeMap::new(),
            attempts: BTreeMap::new(),
        }
    }

    /// The spans that end with an entry.
    pub fn entry(&mut self, at: Position, record: &Record) -> Vec<Value> {
        self.last = self.last.max(record.at);
        match (&record.entry, &record.task) {
            (Entry::RunStarted { workflow, host, .. }, _) => {
                self.host.clone_from(host);
                self.root.since = record.at;
                self.root.name = format!("run {workflow}");
                self.root.attributes.push(text("longhaul.workflow", workflow));
            }
            (Entry::RunChanged { to, .. }, _) => self.state = Some(*to),
            (Entry::TaskPlanned { agent, .. }, Some(task)) => {
                let attributes = vec![text("longhaul.task", task.as_str()), text("longhaul.agent", agent.as_str())];
                let open = Open { at, since: record.at, name: format!("task {task}"), attributes };
                self.tasks.insert(task.clone(), (open, None));
            }
            (Entry::TaskChanged { to, .. }, Some(task)) => {
                // A task that a rollback brought back goes on, so its span is known at the end only.
                if let Some((_, ended)) = self.tasks.get_mut(task) {
                    *ended = to.is_final().then_some((record.at, *to));
                }
            }
            (Entry::AttemptStarted { agent, plugin, .. }, Some(task)) => {
                let attributes = vec![
                    text("gen_ai.operation.name", "invoke_agent"),
                    text("gen_ai.agent.name", agent.as_str()),
                    text("longhaul.task", task.as_str()),
                    number("longhaul.attempt", record.attempt.unwrap_or_default().into()),
                    text("longhaul.plugin.sha256", &plugin.to_string()),
                ];
                let open = Open { at, since: record.at, name: format!("invoke_agent {agent}"), attributes };
                // One that a rollback took away has no end of its own.
                if let Some(lost) = self.attempts.insert(task.clone(), open) {
                    return vec![self.close(&lost, self.above(task), &Ended::Unknown)];
                }
            }
            (Entry::AttemptEnded { result, usage }, Some(task)) => {
                let Some(mut open) = self.attempts.remove(task) else { return Vec::new() };
                open.attributes.extend([
                    number("longhaul.fuel", usage.fuel.0),
                    number("longhaul.memory", usage.memory.0),
                    number("longhaul.tokens", usage.tokens.0),
                    number("longhaul.denials", usage.denials),
                ]);
                let ended = match result {
                    Ok(Outcome::Completed(_) | Outcome::ContinueAsNew(_)) => Ended::Well,
                    Err(problem) => {
                        open.attributes.push(text("error.type", problem.class.as_str()));
                        Ended::Badly(problem.message.clone())
                    }
                };
                return vec![self.close(&open, self.above(task), &ended)];
            }
            (Entry::Action(action), Some(task)) => return vec![self.action(at, record, task, action)],
            _ => {}
        }
        Vec::new()
    }

    /// The spans of tasks, those of attempts that did not end, and the run's own last.
    pub fn finish(&self) -> Vec<Value> {
        let mut spans = Vec::new();
        for (task, open) in &self.attempts {
            spans.push(self.close(open, self.above(task), &Ended::Unknown));
        }
        for (open, ended) in self.tasks.values() {
            let (end, ended) = match ended {
                None => (self.last, Ended::Unknown),
                Some((end, TaskState::Completed)) => (*end, Ended::Well),
                Some((end, other)) => (*end, Ended::Badly(format!("{other:?}").to_ascii_lowercase())),
            };
            spans.push(self.span(open, Some(self.root.at), end, INTERNAL, &ended));
        }
        let ended = match self.state {
            Some(RunState::Completed) => Ended::Well,
            Some(state @ (RunState::Failed | RunState::Cancelled | RunState::Escalated | RunState::Exhausted)) => {
                Ended::Badly(format!("{state:?}").to_ascii_lowercase())
            }
            _ => Ended::Unknown,
        };
        spans.push(self.span(&self.root, None, self.last, INTERNAL, &ended));
        spans
    }

    /// Spans as one request or line of a file in the JSON encoding of OTLP.
    pub fn wrap(&self, spans: &[Value]) -> Value {
        let resource = [text("service.name", "longhaul"), text("service.version", &self.host)];
        let scope = json!({ "scope": { "name": "longhaul" }, "spans": spans });
        json!({ "resourceSpans": [{ "resource": { "attributes": resource }, "scopeSpans": [scope] }] })
    }

    fn above(&self, task: &TaskId) -> Position {
        self.tasks.get(task).map_or(self.root.at, |(open, _)| open.at)
    }

    fn close(&self, open: &Open, above: Position, ended: &Ended) -> Value {
        self.span(open, Some(above), self.last, INTERNAL, ended)
    }

    fn action(&self, at: Position, record: &Record, task: &TaskId, action: &Action) -> Value {
        let took = action.exchange.as_ref().map_or(0, |exchange| exchange.took.as_millis());
        let since = Timestamp(record.at.0.saturating_sub(u64::try_from(took).unwrap_or(u64::MAX)));
        let (name, kind, mut attributes) = named(action);
        attributes.extend([
            text("longhaul.capability", action.capability.as_str()),
            text("longhaul.operation", &action.operation),
            text("longhaul.resource", &action.resource),
            number("longhaul.bytes", action.bytes.0),
            number("longhaul.calls", action.calls),
        ]);
        if let Some(exchange) = &action.exchange {
            attributes.push(number("longhaul.tokens", exchange.spent.tokens.0));
        }
        let ended = match &action.result {
            ActionResult::Ok => Ended::Well,
            ActionResult::Denied { reason, .. } => {
                attributes.push(text("error.type", "denied"));
                Ended::Badly(reason.clone())
            }
            ActionResult::Failed { error } => {
                attributes.push(text("error.type", "failed"));
                Ended::Badly(error.clone())
            }
        };
        let above = self.attempts.get(task).map_or_else(|| self.above(task), |open| open.at);
        self.span(&Open { at, since, name, attributes }, Some(above), record.at, kind, &ended)
    }

    fn span(&self, open: &Open, above: Option<Position>, end: Timestamp, kind: u64, ended: &Ended) -> Value {
        let mut attributes = open.attributes.clone();
        attributes.push(number("longhaul.position", open.at.0));
        let status = match ended {
            Ended::Well => json!({ "code": 1 }),
            Ended::Badly(message) => json!({ "code": 2, "message": message }),
            Ended::Unknown => json!({ "code": 0 }),
        };
        let mut span = json!({
            "traceId": hex(&self.hash("trace"), 16),
            "spanId": self.span_id(open.at, above.is_none()),
            "name": open.name,
            "kind": kind,
            "startTimeUnixNano": nanoseconds(open.since),
            "endTimeUnixNano": nanoseconds(end.max(open.since)),
            "attributes": attributes,
            "status": status,
        });
        if let (Some(above), Some(span)) = (above, span.as_object_mut()) {
            // No task is planned before the run has begun.
            span.insert("parentSpanId".to_owned(), json!(self.span_id(above, above == self.root.at)));
        }
        span
    }

    fn span_id(&self, at: Position, is_run: bool) -> String {
        if is_run { hex(&self.hash("run"), 8) } else { hex(&self.hash(&at.0.to_string()), 8) }
    }

    fn hash(&self, of: &str) -> Digest {
        Digest::of(format!("{}/{of}", self.run).as_bytes())
    }
}

/// A span's name, its kind, and what the conventions say of it.
fn named(action: &Action) -> (String, u64, Vec<Value>) {
    let (operation, resource) = (action.operation.as_ref(), action.resource.as_str());
    match action.capability {
        Capability::Model => {
            let attributes = vec![
                text("gen_ai.operation.name", operation),
                text("gen_ai.request.model", resource),
                text("gen_ai.provider.name", "longhaul"),
            ];
            (format!("{operation} {resource}"), CLIENT, attributes)
        }
        Capability::Http => {
            let method = operation.to_ascii_uppercase();
            (method.clone(), CLIENT, vec![text("http.request.method", &method), text("url.full", resource)])
        }
        Capability::Exec => (format!("exec {operation}"), INTERNAL, vec![text("process.command_line", resource)]),
        Capability::Fs => (format!("fs {operation}"), INTERNAL, vec![text("file.path", resource)]),
        capability => (format!("{} {operation}", capability.as_str()), INTERNAL, Vec::new()),
    }
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn number(key: &str, value: u64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

fn nanoseconds(at: Timestamp) -> String {
    (u128::from(at.0) * 1_000_000).to_string()
}

fn hex(digest: &Digest, bytes: usize) -> String {
    let mut text = digest.to_string();
    text.truncate(2 * bytes);
    text
}
