//! Calls that leave the host: a service answers, the answer becomes an action, and a replay answers from that.

use crate::audit::Outward;
use crate::bindings::agent::longhaul::plugin::types;
use crate::guest::Guest;
use crate::host::millis;
use longhaul_core::action::{Action, ActionResult};
use longhaul_core::effect::{Answered, IdempotencyKey};
use longhaul_core::reach::ServiceError;
use std::time::{Duration, Instant};

/// How often a call under way is a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_millis(500);

impl Guest {
    /// Has a service do a call, or takes what came of it from the record; gives the answer in the words of the service.
    ///
    /// The service has `patience` for it, or the attempt's usual time of a host call where none is given. While it works the
    /// attempt counts as alive, and not as stuck in a call.
    pub(crate) async fn ask_service<F: Future<Output = Result<Answered, ServiceError>>>(
        &mut self,
        outward: Outward,
        patience: Option<Duration>,
        act: impl FnOnce(IdempotencyKey) -> F,
    ) -> wasmtime::Result<Result<String, types::Error>> {
        self.meter.charge_call(outward.resource.len() + outward.detail.len());
        let patience = patience.unwrap_or(self.limits.call_time);
        let (audit, meter) = (&self.audit, &self.meter);
        let done = audit.perform(outward, async |key| {
            let began = Instant::now();
            meter.waits_for_service();
            let done = within(patience, || audit.alive(), act(key)).await;
            let answered = match done.unwrap_or(Err(ServiceError::TimedOut(patience))) {
                Ok(answered) => answered,
                Err(error) => refusal(&error),
            };
            // Whole milliseconds are exact enough for people, and short in the record.
            let took = Duration::from_millis(millis(began.elapsed()));
            Answered { took, ..answered }
        });
        let action = done.await?;
        self.spending.so_far(self.audit.spent());
        let answer = answer_of(action);
        self.meter.charge_call(answer.as_ref().map_or(0, String::len));
        Ok(answer.map_err(types::Error::from))
    }
}

/// Does `work` unless it takes longer than `patience`; `alive` is called now and then meanwhile.
async fn within<T>(patience: Duration, alive: impl Fn(), work: impl Future<Output = T>) -> Option<T> {
    let signs = async {
        loop {
            tokio::time::sleep(SIGN_OF_LIFE).await;
            alive();
        }
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = tokio::time::sleep(patience) => None,
        () = signs => None,
    }
}

/// A refusal as it is recorded: in words for people, and as it was for replays.
pub(crate) fn refusal(error: &ServiceError) -> Answered {
    // An error of texts and numbers is always JSON; without it a replay tells its words.
    let answer = serde_json::to_string(error).unwrap_or_default();
    Answered { answer, ..Answered::failed(error.to_string()) }
}

/// What the guest is told of a call that became this action.
pub(crate) fn answer_of(action: Action) -> Result<String, ServiceError> {
    let answer = action.exchange.map(|exchange| exchange.answer).unwrap_or_default();
    match action.result {
        ActionResult::Ok => Ok(answer),
        // The service did it, and its answer is more than the record takes.
        ActionResult::Failed { error } | ActionResult::Denied { reason: error, .. } if answer.is_empty() => {
            Err(ServiceError::Exhausted(error))
        }
        ActionResult::Failed { error } | ActionResult::Denied { reason: error, .. } => {
            Err(serde_json::from_str(&answer).unwrap_or(ServiceError::Failed(error)))
        }
    }
}

impl From<ServiceError> for types::Error {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Unavailable(reason) => types::Error::Unavailable(reason),
            ServiceError::Invalid(reason) => types::Error::Invalid(reason),
            ServiceError::Exhausted(reason) => types::Error::Exhausted(reason),
            ServiceError::TimedOut(span) => types::Error::TimedOut(millis(span)),
            ServiceError::RateLimited(span) => types::Error::RateLimited(span.map(millis)),
            ServiceError::Failed(reason) => types::Error::Failed(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::digest::Digest;
    use longhaul_core::effect::{Call, CallKind, MAX_ANSWER};
    use longhaul_core::grant::Capability;

    fn call() -> Call {
        Call {
            number: 0,
            capability: Capability::Http,
            operation: "get".into(),
            resource: "https://a/".to_owned(),
            detail: String::new(),
            request: Digest::of(b"x"),
            kind: CallKind::Query,
        }
    }

    #[test]
    fn a_replay_is_told_the_same_refusal() {
        for error in [
            ServiceError::Unavailable("no key".to_owned()),
            ServiceError::Invalid("`url`".to_owned()),
            ServiceError::Exhausted("8 MiB".to_owned()),
            ServiceError::TimedOut(Duration::from_millis(1_500)),
            ServiceError::RateLimited(None),
            ServiceError::RateLimited(Some(Duration::from_secs(3))),
            ServiceError::Failed("reset".to_owned()),
        ] {
            let action = call().answered(refusal(&error));
            assert_eq!(action.result, ActionResult::Failed { error: error.to_string() });
            assert_eq!(answer_of(action), Err(error));
        }
    }

    #[test]
    fn an_answer_that_the_record_does_not_take_is_told_as_used_up_room() {
        let action = call().answered(Answered::ok("x".repeat(MAX_ANSWER + 1)));
        assert!(matches!(answer_of(action), Err(ServiceError::Exhausted(reason)) if reason.contains("8 MiB")));
        assert_eq!(answer_of(call().answered(Answered::ok("pong"))), Ok("pong".to_owned()));
    }
}
