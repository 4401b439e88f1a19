//! Runs an agent on a task.

use crate::bindings::agent::exports::longhaul::plugin::work as wit;
use crate::guest::GuestConfig;
use crate::plugin::{Linked, Plugin};
use crate::run::{Finish, new_store, run_to_end};
use crate::sandbox::Inner;
use longhaul_core::attempt::{AttemptReport, Job, Outcome, Ran, Usage};
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::model::Asker;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The most bytes of JSON that a task may put out or hand over. As a value in the host's memory it can be fifty times as
/// large.
const MAX_OUTPUT: usize = 1 << 20;
/// The most bytes of JSON in a failure's detail.
const MAX_DETAIL: usize = 64 << 10;
/// The most bytes of a longer detail that are kept, as text.
const KEPT_DETAIL: usize = 4 << 10;

/// Runs an attempt on the calling thread, which is one of the guests'.
pub(crate) async fn run(inner: &Inner, plugin: &Plugin, job: Job) -> Ran {
    let fail = |problem| Ran::Ended(AttemptReport { result: Err(problem), usage: Usage::default() });
    let Linked::Agent(agent) = &plugin.linked else {
        return fail(Problem::new(IncidentClass::Fatal, "the plugin is a strategy and cannot work on a task"));
    };
    let began = Instant::now();
    let task = to_wit(&job);
    let asker = Asker { agent: job.task.agent.clone(), attempt: job.task.attempt.clone() };
    let config = GuestConfig {
        limits: job.limits,
        grant: job.grant,
        stage: job.stage,
        recorder: job.recorder,
        clock: job.clock,
        committer: job.committer,
        recall: job.recall,
        reach: job.reach,
        asker: Some(asker),
        model: job.model,
        spending: job.meter,
        began: job.began,
        seed: job.seed,
        suspends: true,
    };
    let store = match new_store(&inner.engine, &inner.ticker, config) {
        Ok(store) => store,
        Err(error) => return fail(Problem::new(IncidentClass::Fatal, format!("cannot set up an instance: {error:#}"))),
    };
    let finish = run_to_end(store, &inner.ticker, began, async |store| {
        let instance = agent.instantiate_async(&mut *store).await?;
        instance.longhaul_plugin_work().call_run(&mut *store, &task).await
    })
    .await;
    match finish {
        Finish::Ended(result, usage) => Ran::Ended(AttemptReport { result: result.and_then(from_wit), usage }),
        Finish::Suspended(wait) => Ran::Suspended(wait),
    }
}

fn to_wit(job: &Job) -> wit::Task {
    let task = &job.task;
    wit::Task {
        run: task.run.to_string(),
        workflow: task.workflow.clone(),
        objective: task.objective.clone(),
        id: task.attempt.task.to_string(),
        agent: task.agent.to_string(),
        attempt: task.attempt.number,
        input: task.input.to_string(),
        config: task.config.to_string(),
        state: task.state.as_ref().map(Value::to_string),
        time_limit: u64::try_from(job.limits.time.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Checks what the guest says of how it ended.
fn from_wit(result: Result<wit::Outcome, wit::Failure>) -> Result<Outcome, Problem> {
    match result {
        Ok(wit::Outcome::Completed(text)) => match parse(&text)? {
            output @ Value::Object(_) => Ok(Outcome::Completed(output)),
            other => Err(bad_output(&format!("it is {} and must be an object", type_name(&other)))),
        },
        Ok(wit::Outcome::ContinueAsNew(text)) => Ok(Outcome::ContinueAsNew(parse(&text)?)),
        Err(failure) => {
            let class = match failure.kind {
                wit::FailureKind::Transient => IncidentClass::Transient,
                wit::FailureKind::RateLimited => IncidentClass::RateLimited,
                wit::FailureKind::TimedOut => IncidentClass::Timeout,
                wit::FailureKind::Conflict => IncidentClass::Conflict,
                wit::FailureKind::Validation => IncidentClass::Validation,
                wit::FailureKind::Denied => IncidentClass::Denied,
                wit::FailureKind::Exhausted => IncidentClass::Exhausted,
                wit::FailureKind::InvalidInput | wit::FailureKind::Fatal => IncidentClass::Fatal,
            };
            let message: String = failure.message.chars().take(4_000).collect();
            let problem = Problem::new(class, message).with_evidence(evidence(failure.detail.as_deref()));
            Err(Problem { retry_after: failure.retry_after.map(Duration::from_millis), ..problem })
        }
    }
}

/// What a failure's detail is as evidence. Of one that is too long the beginning is kept as it was written.
fn evidence(detail: Option<&str>) -> Value {
    match detail {
        None => json!({ "detail": null }),
        Some(text) if text.len() > MAX_DETAIL => {
            let note = format!(
                "the detail had {} bytes, more than the {MAX_DETAIL} that a failure may have; this is its beginning",
                text.len()
            );
            json!({ "detail": &text[..text.floor_char_boundary(KEPT_DETAIL)], "detail_cut": note })
        }
        Some(text) => json!({ "detail": serde_json::from_str(text).unwrap_or(Value::Null) }),
    }
}

fn parse(text: &str) -> Result<Value, Problem> {
    if text.len() > MAX_OUTPUT {
        return Err(bad_output(&format!(
            "it has {} bytes of JSON, more than the {MAX_OUTPUT} (1 MiB) that an output or a state may have; write what is \
             large to a file and put out its path",
            text.len()
        )));
    }
    serde_json::from_str(text).map_err(|e| bad_output(&format!("it is not JSON: {e}")))
}

fn bad_output(reason: &str) -> Problem {
    Problem::new(IncidentClass::Fatal, format!("the agent's output is not accepted: {reason}"))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
