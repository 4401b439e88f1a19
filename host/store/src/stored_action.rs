//! [`StoredAction`]: an action as its body says it, read in one go.
//!
//! Actions are nearly all of a record, and a replay reads each of them. The runtime types are nested (a record of an entry of
//! an action with its result) where the body is flat, so reading them as such goes through three copies of everything.

use longhaul_core::action::{Action, ActionResult, Exchange};
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::grant::Capability;
use longhaul_core::id::TaskId;
use longhaul_core::units::{Bytes, Timestamp};
use serde::Deserialize;

/// The body of an action in format 1.
#[derive(Deserialize)]
struct StoredAction {
    at: Timestamp,
    #[serde(default)]
    task: Option<TaskId>,
    #[serde(default)]
    attempt: Option<u32>,
    #[serde(rename = "kind")]
    _kind: Kind,
    number: u64,
    capability: Capability,
    operation: String,
    resource: String,
    #[serde(default)]
    detail: String,
    #[serde(default = "one")]
    calls: u64,
    #[serde(default)]
    bytes: Bytes,
    #[serde(default)]
    digest: Option<Digest>,
    #[serde(default)]
    exchange: Option<Box<Exchange>>,
    result: Ended,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    grant: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

/// Every other kind ends the reading at once.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Action,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Ended {
    Ok,
    Denied,
    Failed,
}

fn one() -> u64 {
    1
}

/// The action that `body` says; none where it says something else, or does not say it whole: then the runtime types tell why.
pub(crate) fn read(body: &[u8]) -> Option<Record> {
    let stored: StoredAction = serde_json::from_slice(body).ok()?;
    let result = match stored.result {
        Ended::Ok => ActionResult::Ok,
        Ended::Denied => ActionResult::Denied { reason: stored.reason?, grant: stored.grant? },
        Ended::Failed => ActionResult::Failed { error: stored.error? },
    };
    let StoredAction {
        at,
        task,
        attempt,
        number,
        capability,
        operation,
        resource,
        detail,
        calls,
        bytes,
        digest,
        exchange,
        ..
    } = stored;
    let operation = operation.into();
    let action = Action { number, capability, operation, resource, detail, calls, bytes, digest, exchange, result };
    Some(Record { at, task, attempt, entry: Entry::Action(action) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::action::ContextFill;
    use longhaul_core::attempt::LogLevel;
    use longhaul_core::spend::Spent;
    use longhaul_core::units::{Money, Tokens};
    use std::time::Duration;

    fn record(result: ActionResult, is_full: bool) -> Record {
        let text = if is_full { "größe \"\\\n" } else { "" };
        Record {
            at: Timestamp(5),
            task: is_full.then(|| TaskId::new("change[1]").unwrap()),
            attempt: is_full.then_some(2),
            entry: Entry::Action(Action {
                number: 7,
                capability: Capability::Clock,
                operation: "wait".into(),
                resource: text.into(),
                detail: text.into(),
                calls: if is_full { 3 } else { 1 },
                bytes: Bytes(if is_full { 10 } else { 0 }),
                digest: is_full.then(|| Digest::of(b"x")),
                exchange: is_full.then(|| {
                    Box::new(Exchange {
                        request: Digest::of(b"y"),
                        asked: text.into(),
                        answer: text.into(),
                        context: Some(ContextFill { used: Tokens(6_554), window: Tokens(8_192) }),
                        spent: Spent { tokens: Tokens(6_554), money: Money(1_250) },
                        took: Duration::from_millis(2_250),
                    })
                }),
                result,
            }),
        }
    }

    #[test]
    fn an_action_is_read_as_the_runtime_types_would_read_it() {
        let results = [
            ActionResult::Ok,
            ActionResult::Denied { reason: "no".into(), grant: String::new() },
            ActionResult::Failed { error: "not found".into() },
        ];
        for result in results {
            for is_full in [true, false] {
                let record = record(result.clone(), is_full);
                let body = serde_json::to_vec(&record).unwrap();
                assert_eq!(read(&body), Some(record));
            }
        }
    }

    #[test]
    fn what_is_no_whole_action_is_left_to_the_runtime_types() {
        let log = Entry::Log { level: LogLevel::Info, message: "x".into() };
        let log = serde_json::to_vec(&Record { at: Timestamp(5), task: None, attempt: None, entry: log }).unwrap();
        assert_eq!(read(&log), None);
        let denied = ActionResult::Denied { reason: "no".into(), grant: String::new() };
        let text = serde_json::to_string(&record(denied, true)).unwrap();
        assert_eq!(read(text.replace("\"reason\":\"no\",", "").as_bytes()), None);
        assert_eq!(read(&text.as_bytes()[..text.len() - 1]), None);
    }
}
