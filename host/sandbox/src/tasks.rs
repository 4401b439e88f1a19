//! Child tasks: what a guest asks of the run that it is part of.
//!
//! A child's state is an answer from outside, so it is recorded, one letter for each child. What a child put out is in the
//! record already, as the child's own end, and is looked up again when the attempt is replayed.

use crate::audit::Deed;
use crate::bindings::agent::longhaul::plugin::{tasks, types};
use crate::guest::Guest;
use crate::host::short;
use longhaul_core::action::{Action, ActionResult};
use longhaul_core::attempt::Wait;
use longhaul_core::children::{ChildError, ChildStatus, NewChild, Worker};
use longhaul_core::grant::{Capability, Permissions};
use longhaul_core::id::TaskId;
use serde_json::Value;
use std::collections::HashSet;

/// The most children that one call waits for: as many letters as an entry of the record holds.
const MAX_WAITED_FOR: usize = 4_000;
/// The most bytes of a child's input: as many as an output may have, which other tasks are given.
const MAX_INPUT: usize = 1 << 20;

/// The most skills that a child's agent can be asked to have.
const MAX_SKILLS: usize = 20;

impl tasks::Host for Guest {
    async fn spawn(&mut self, request: tasks::Request) -> wasmtime::Result<Result<String, types::Error>> {
        const OPERATION: &str = "spawn";
        let by = request.agent.clone().unwrap_or_else(|| format!("who has {}", request.skills.join(", ")));
        let line =
            request.agent.as_ref().map_or_else(|| "tasks: [\"*\"]".to_owned(), |agent| format!("tasks: [{agent:?}]"));
        let named = request.agent.clone();
        // Of those who have the skills the engine takes the ones that are granted.
        let may = |p: &Permissions| {
            let covers = |given: &String| named.as_ref().is_none_or(|agent| given == agent) || given == "*";
            p.tasks.as_ref().is_some_and(|list| list.iter().any(covers))
        };
        let resource = format!("{} by {by}", request.name);
        if let Err(denied) = self.granted(Capability::Tasks, OPERATION, &resource, line, may)? {
            return Ok(Err(denied));
        }
        self.meter.charge_call(request.input.len() + request.needs.iter().map(String::len).sum::<usize>());
        // A request that was granted is made again when it is replayed, so that what is held back is what it was.
        let granted = self.grant().layers().map(|(_, layer)| layer.tasks.clone().unwrap_or_default()).collect();
        let answer = match (self.audit.replayed(Capability::Tasks, OPERATION), request_of(request, granted)) {
            (Some(Action { result: ActionResult::Failed { error }, .. }), _) => Err(refusal(error)),
            (Some(Action { detail, .. }), Ok((name, child))) => {
                self.reach.children.ask_again(&name, child);
                Ok(detail)
            }
            (None, Ok((name, child))) => self.reach.children.spawn(&name, child).map(String::from),
            (_, Err(error)) => Err(error),
        };
        let deed = Deed::new(Capability::Tasks, OPERATION, short(&resource));
        self.tell(deed, answer, |id| id.clone())
    }

    async fn status(&mut self, id: String) -> wasmtime::Result<Result<tasks::TaskStatus, types::Error>> {
        let ids = [id];
        Ok(self.look("status", &ids, None).await?.map(|mut all| all.pop().unwrap_or(tasks::TaskStatus::Pending)))
    }

    async fn wait(
        &mut self,
        ids: Vec<String>,
        timeout: Option<u64>,
    ) -> wasmtime::Result<Result<Vec<tasks::TaskStatus>, types::Error>> {
        if ids.len() > MAX_WAITED_FOR {
            self.meter.charge_call(ids.len());
            let reason = format!("`ids` has {} children, and one call waits for {MAX_WAITED_FOR} at most", ids.len());
            return self.refuse(Deed::new(Capability::Tasks, "wait", ""), ChildError::Invalid(reason));
        }
        self.look("wait", &ids, Some(timeout)).await
    }

    async fn cancel(&mut self, id: String) -> wasmtime::Result<Result<(), types::Error>> {
        const OPERATION: &str = "cancel";
        self.meter.charge_call(id.len());
        let answer = self.reach.children.cancel(&id);
        let answer = match self.audit.replayed(Capability::Tasks, OPERATION) {
            Some(Action { result: ActionResult::Failed { error }, .. }) => Err(refusal(error)),
            Some(_) => Ok(()),
            None => answer,
        };
        let deed = Deed::new(Capability::Tasks, OPERATION, short(&id));
        self.tell(deed, answer, |()| String::new())
    }
}

impl Guest {
    /// Looks how children stand. With `patience`, not before all of them have ended, or the time has passed.
    async fn look(
        &mut self,
        operation: &'static str,
        ids: &[String],
        patience: Option<Option<u64>>,
    ) -> wasmtime::Result<Result<Vec<tasks::TaskStatus>, types::Error>> {
        self.meter.charge_call(ids.iter().map(String::len).sum());
        let deed = Deed::new(Capability::Tasks, operation, short(&ids.join(", ")));
        let now = match self.stand(ids) {
            Ok(now) => now,
            Err(error) => return self.refuse(deed, error),
        };
        let mut due = None;
        if let Some(timeout) = patience {
            due = timeout.map(|span| {
                let until = self.clock.monotonic().saturating_add(span.saturating_mul(1_000_000));
                self.clock.at(until)
            });
            self.reach.children.publish().await.map_err(|error| self.audit.fail(error))?;
        }
        let recorded = self.audit.replayed(Capability::Tasks, operation);
        if let Some(Action { result: ActionResult::Failed { error }, .. }) = recorded {
            return self.refuse(deed, refusal(error));
        }
        if recorded.is_none() && patience.is_some() {
            let is_over = due.is_some_and(|due| due <= self.clock.unrecorded());
            if !is_over && !now.iter().all(ChildStatus::has_ended) {
                let children = ids.iter().filter_map(|id| TaskId::new(id.as_str()).ok()).collect();
                self.timers.suspend(Wait { until: due, children, ..Wait::default() }).await;
            }
        }
        let letters = recorded.map_or_else(|| now.iter().map(letter).collect::<String>(), |action| action.detail);
        let mut told = Vec::with_capacity(now.len());
        let mut bytes = 0;
        for (letter, now) in letters.chars().zip(now) {
            let status = status(letter, &now);
            bytes += match &status {
                tasks::TaskStatus::Completed(text) | tasks::TaskStatus::Failed(text) => text.len() as u64,
                _ => 0,
            };
            if bytes > self.limits.call_bytes.0 {
                return self.refuse(deed, ChildError::AnswerTooLarge);
            }
            told.push(status);
        }
        self.tell(deed, Ok(letters), String::clone).map(|answer| answer.map(|_| told))
    }

    /// How these children stand, each of them named once.
    fn stand(&self, ids: &[String]) -> Result<Vec<ChildStatus>, ChildError> {
        let mut seen = HashSet::with_capacity(ids.len());
        if let Some(twice) = ids.iter().find(|id| !seen.insert(id.as_str())) {
            let twice: String = twice.chars().take(80).collect();
            return Err(ChildError::Invalid(format!("`{twice}` is there twice")));
        }
        ids.iter().map(|id| self.reach.children.status(id)).collect()
    }

    /// Records what was answered, and answers.
    fn tell<T>(
        &self,
        deed: Deed,
        answer: Result<T, ChildError>,
        detail: impl Fn(&T) -> String,
    ) -> wasmtime::Result<Result<T, types::Error>> {
        match answer {
            Ok(value) => {
                let detail = detail(&value);
                self.audit.action(deed.detail(detail))?;
                Ok(Ok(value))
            }
            Err(error) => self.refuse(deed, error),
        }
    }

    /// Records a refusal, and tells the guest of it.
    fn refuse<T>(&self, deed: Deed, error: ChildError) -> wasmtime::Result<Result<T, types::Error>> {
        let reason = error.to_string();
        self.audit.action(deed.failed(reason.clone()))?;
        Ok(Err(match error {
            ChildError::TooMany | ChildError::TooMuch | ChildError::AnswerTooLarge => types::Error::Exhausted(reason),
            ChildError::Invalid(_) | ChildError::OnlyLooks => types::Error::Invalid(reason),
        }))
    }
}

/// What a guest asks for, checked as far as that can be done without knowing the run.
fn request_of(request: tasks::Request, granted: Vec<Vec<String>>) -> Result<(String, NewChild), ChildError> {
    let invalid = |reason: String| Err(ChildError::Invalid(reason));
    let tasks::Request { name, agent, input, needs, priority, skills } = request;
    let worker = match agent {
        Some(agent) => Worker::Agent(agent),
        None if skills.is_empty() => {
            return invalid("`agent` is missing, and `skills` says nothing to choose one by".to_owned());
        }
        None if skills.len() > MAX_SKILLS => {
            return invalid(format!("`skills` has {}, more than {MAX_SKILLS}", skills.len()));
        }
        None => Worker::Skilled { skills, granted },
    };
    if input.len() > MAX_INPUT {
        return invalid(format!(
            "`input` has {} bytes, more than the {MAX_INPUT} (1 MiB) that it may have",
            input.len()
        ));
    }
    let input = match serde_json::from_str(&input) {
        Ok(input @ Value::Object(_)) => input,
        Ok(_) => return invalid("`input` is not a JSON object".to_owned()),
        Err(error) => return invalid(format!("`input` is not JSON: {error}")),
    };
    Ok((name, NewChild { worker, input, needs, priority }))
}

/// A refusal that the record has in words.
fn refusal(error: String) -> ChildError {
    [ChildError::TooMany, ChildError::TooMuch, ChildError::AnswerTooLarge]
        .into_iter()
        .find(|known| known.to_string() == error)
        .unwrap_or(ChildError::Invalid(error))
}

/// A child's state in the record.
fn letter(status: &ChildStatus) -> char {
    match status {
        ChildStatus::Pending => 'p',
        ChildStatus::Running => 'r',
        ChildStatus::Completed(_) => 'c',
        ChildStatus::Failed(_) => 'f',
        ChildStatus::Skipped => 's',
        ChildStatus::Cancelled => 'x',
    }
}

/// What the guest is told: the state that was recorded, with what belongs to it.
fn status(letter: char, now: &ChildStatus) -> tasks::TaskStatus {
    match (letter, now) {
        ('p', _) => tasks::TaskStatus::Pending,
        ('c', ChildStatus::Completed(output)) => tasks::TaskStatus::Completed(output.to_string()),
        ('f', ChildStatus::Failed(reason)) => tasks::TaskStatus::Failed(reason.clone()),
        ('s', _) => tasks::TaskStatus::Skipped(String::new()),
        ('x', _) => tasks::TaskStatus::Cancelled,
        _ => tasks::TaskStatus::Running,
    }
}
