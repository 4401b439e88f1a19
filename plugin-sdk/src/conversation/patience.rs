//! Asking a model with some patience: what may pass is asked again after a wait, so that hours of work do not end with one
//! bad answer of a provider. The host has its own tries and limits below this; a wait here puts the instance to sleep.

use std::time::Duration;

use crate::{
    Error, Failure, context, log,
    model::{self, Request, Response},
};

/// How often a model is asked before the attempt fails.
const TRIES: u32 = 4;

/// The first wait; each further one is four times as long.
const FIRST_WAIT: Duration = Duration::from_secs(15);

/// A provider that asks for a longer wait is not waited for here: the strategies of the task decide.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// What to do where a provider failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnFailed {
    /// Wait, and ask the same again.
    AskAgain,
    /// Hand its words back: where an answer of a form was asked for, they may say what is wrong with the form, and the same
    /// question would get the same answer.
    HandBack,
}

/// Asks, and asks again when a provider failed or wants to be left alone for a while. An error in the answer is a failure that
/// is handed back.
pub(super) fn chat(request: &Request, on_failed: OnFailed) -> Result<Result<Response, String>, Failure> {
    let mut usual = FIRST_WAIT;
    for number in 1..=TRIES {
        let error = match model::chat(request) {
            Ok(response) => return Ok(Ok(response)),
            Err(error) => error,
        };
        let wait = match &error {
            Error::RateLimited(wait) => wait.unwrap_or(usual),
            Error::Failed(reason) if on_failed == OnFailed::HandBack => return Ok(Err(reason.clone())),
            Error::TimedOut(_) | Error::Failed(_) => usual,
            _ => return Err(refused(error)),
        };
        if wait > LONGEST_WAIT || number == TRIES {
            return Err(refused(error));
        }
        log::warn(format!("the model did not answer ({error}); it is asked again in {} s", wait.as_secs_f32()));
        context::pause(wait);
        usual *= 4;
    }
    Err(Failure::transient("the model was asked and did not answer"))
}

fn refused(error: Error) -> Failure {
    Failure::from(error).context("the model was asked")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        FailureKind,
        testing::{Answer, Host},
    };

    fn ask(errors: Vec<Error>) -> (Result<Response, Failure>, Vec<Duration>) {
        let host = Host::new();
        host.answers(errors.into_iter().map(Answer::error).chain([Answer::text("there")]));
        let answer = chat(&Request::new(Vec::new()), OnFailed::AskAgain);
        (answer.map(|answer| answer.unwrap()), host.waits())
    }

    #[test]
    fn what_may_pass_is_asked_again_after_the_wait_that_was_asked_for() {
        let told = Duration::from_secs(42);
        let (answer, waits) = ask(vec![Error::RateLimited(Some(told)), Error::Failed("reset".into())]);
        assert!(answer.is_ok());
        assert_eq!(waits, [told, FIRST_WAIT * 4]);
    }

    #[test]
    fn what_a_provider_says_of_a_form_is_handed_back_at_once() {
        let host = Host::new();
        host.answers([
            Answer::error(Error::TimedOut(Duration::from_secs(1))),
            Answer::error(Error::Failed("no JSON".into())),
        ]);
        assert_eq!(chat(&Request::new(Vec::new()), OnFailed::HandBack), Ok(Err("no JSON".into())));
        assert_eq!(host.waits().len(), 1);
    }

    #[test]
    fn patience_ends_and_what_does_not_pass_is_not_asked_again() {
        let (answer, waits) = ask(vec![Error::TimedOut(Duration::from_secs(1)); 4]);
        assert_eq!((answer.unwrap_err().kind, waits.len()), (FailureKind::TimedOut, 3));
        for (error, kind) in [
            (Error::Exhausted("budget".into()), FailureKind::Exhausted),
            (Error::Invalid("`model`".into()), FailureKind::InvalidInput),
            (Error::RateLimited(Some(LONGEST_WAIT * 2)), FailureKind::RateLimited),
            (Error::Cancelled, FailureKind::Fatal),
        ] {
            let (answer, waits) = ask(vec![error]);
            assert_eq!((answer.unwrap_err().kind, waits.len()), (kind, 0));
        }
    }
}
