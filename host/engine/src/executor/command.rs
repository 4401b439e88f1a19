//! A command that the host runs on an attempt's behalf: recorded as an action of the attempt, and what came of it or why nothing did.

use crate::shared::Shared;
use crate::transcript::Fault;
use longhaul_core::action::ActionResult;
use longhaul_core::attempt::{RecordError, Recorder};
use longhaul_core::commands::{AROUND, Command, Follow, Ran, Stream, run_in};
use longhaul_core::effect::{Answered, Call, CallKind, KeyScope, perform};
use longhaul_core::grant::{Capability, Grant};
use longhaul_core::ground::Ground;
use longhaul_core::id::TaskId;
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::reach::{Live, ServiceError};
use std::sync::Arc;

/// A command to run. What it changes is thrown away with its ground, or not taken for want of a grant.
pub(super) struct Order<'a> {
    /// Its place among the attempt's actions.
    pub(super) number: u64,
    pub(super) task: &'a TaskId,
    pub(super) ground: Arc<dyn Ground>,
    /// What it may do; where that cannot be said, it is not run, for this reason.
    pub(super) grant: Result<Grant, String>,
    pub(super) command: Command,
}

/// Runs it, or takes what came of it from the record. The problem says why it was not run to its end.
pub(super) async fn run_for(
    shared: &Arc<Shared>,
    recorder: &dyn Recorder,
    order: Order<'_>,
) -> Result<Result<Ran, Problem>, Fault> {
    let Order { number, task, ground, grant, command } = order;
    let shown = command.argv.join(" ");
    let call = Call {
        number,
        capability: Capability::Exec,
        operation: "run".into(),
        resource: shown.chars().take(500).collect(),
        detail: command.detail(),
        request: command.request(),
        // What it changes is thrown away, so it can be run as often as it takes.
        kind: CallKind::Effect { idempotent: true, scope: KeyScope::Action },
    };
    let patience = command.limits.time.saturating_add(AROUND);
    let follow = Arc::new(Shown(shared.live(task)));
    let commands = shared.ports.services.commands.clone();
    let act = async {
        let grant = grant.map_err(ServiceError::Invalid)?;
        let commands = commands.ok_or_else(|| ServiceError::Unavailable("this host runs no commands".to_owned()))?;
        let place = (ground.as_ref(), ground.claim().await);
        let ran = run_in(commands.as_ref(), place, &grant, command, follow);
        let late = shared.ports.time.sleep(patience);
        tokio::select! {
            biased;
            ran = ran => ran,
            () = late => Err(ServiceError::TimedOut(patience)),
        }
    };
    let done = perform(recorder, call, |_| async { act.await.unwrap_or_else(|error| refused(&error)) }).await;
    let action = done.map_err(|error| fault(shared, error))?;
    let answer = action.exchange.as_ref().map(|exchange| exchange.answer.as_str());
    Ok(outcome(&shown, &action.result, answer))
}

/// What a recorded action says of its command.
fn outcome(shown: &str, result: &ActionResult, answer: Option<&str>) -> Result<Ran, Problem> {
    match (result, answer.map(Ran::read)) {
        (ActionResult::Ok, Some(Ok(ran))) => Ok(ran),
        (ActionResult::Failed { error }, _) | (ActionResult::Denied { reason: error, .. }, _) => {
            let class = match answer.and_then(|answer| serde_json::from_str(answer).ok()) {
                Some(ServiceError::Failed(_) | ServiceError::RateLimited(_)) => IncidentClass::Transient,
                Some(ServiceError::TimedOut(_)) => IncidentClass::Timeout,
                Some(ServiceError::Exhausted(_)) => IncidentClass::Exhausted,
                _ => IncidentClass::Fatal,
            };
            Err(Problem::new(class, format!("`{shown}` was not run to its end: {error}")))
        }
        (ActionResult::Ok, _) => {
            Err(Problem::new(IncidentClass::Fatal, format!("what came of `{shown}` cannot be read")))
        }
    }
}

/// A refusal as it is recorded.
fn refused(error: &ServiceError) -> Answered {
    let answer = serde_json::to_string(error).unwrap_or_default();
    Answered { answer, ..Answered::failed(error.to_string()) }
}

/// Why an action is not in the record.
fn fault(shared: &Shared, error: RecordError) -> Fault {
    match (shared.ledger.check(), error) {
        (Err(lost), _) => Fault::Lost(lost),
        (Ok(()), error) => Fault::of(error),
    }
}

/// Shows lines of output to whoever watches.
struct Shown(Arc<dyn Live>);

impl Follow for Shown {
    fn line(&self, _: Stream, line: &str) {
        self.0.show(line);
    }

    fn alive(&self) {}
}
