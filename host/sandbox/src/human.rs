//! Questions to people.
//!
//! An answer comes from outside, so it is recorded with the call, and a replay is told the same. Waiting for it costs no instance.

use crate::audit::Deed;
use crate::bindings::agent::longhaul::plugin::{human, types};
use crate::guest::Guest;
use crate::host::short;
use longhaul_core::action::{Action, ActionResult, Exchange};
use longhaul_core::attempt::Wait;
use longhaul_core::digest::Digest;
use longhaul_core::grant::{Capability, Denial, Permissions};
use longhaul_core::people::{Answer, MAX_DETAIL, MAX_OPTION, MAX_OPTIONS, MAX_SUMMARY, Question, Reply, Wants};

impl human::Host for Guest {
    async fn ask(&mut self, question: human::Question) -> wasmtime::Result<Result<human::Answer, types::Error>> {
        const OPERATION: &str = "ask";
        if let Err(denied) = self.may_ask(OPERATION, &question.summary)? {
            return Ok(Err(denied));
        }
        let human::Question { summary, detail, options, default, timeout } = question;
        let checked = check_options(&options, default.as_deref(), timeout);
        let wants = if options.is_empty() { Wants::Text } else { Wants::Option(options) };
        let until = timeout.map(|span| {
            let until = self.clock.monotonic().saturating_add(span.saturating_mul(1_000_000));
            self.clock.at(until)
        });
        let question = Question { summary, detail, wants, until, default: default.unwrap_or_default() };
        let answer = match checked.and_then(|()| check(&question)) {
            Err(reason) => return self.refuse_question(OPERATION, &question.summary, reason),
            Ok(()) => self.ask_person(OPERATION, question).await?,
        };
        Ok(answer.map(|Answer { reply, by }| match reply {
            Reply::Text(text) => human::Answer { text, by },
            // A question for text has no other answers.
            Reply::Approve(_) | Reply::Reject(_) => human::Answer { text: String::new(), by },
        }))
    }

    async fn approve(
        &mut self,
        summary: String,
        detail: String,
        subject: String,
    ) -> wasmtime::Result<Result<bool, types::Error>> {
        const OPERATION: &str = "approve";
        if let Err(denied) = self.may_ask(OPERATION, &summary)? {
            return Ok(Err(denied));
        }
        let Ok(subject) = subject.parse::<Digest>() else {
            let reason = "`subject` is not a digest: that is 64 lower-case hexadecimal digits".to_owned();
            return self.refuse_question(OPERATION, &summary, reason);
        };
        let question =
            Question { summary, detail, wants: Wants::Approval(subject), until: None, default: String::new() };
        match check(&question) {
            Err(reason) => self.refuse_question(OPERATION, &question.summary, reason),
            Ok(()) => Ok(self.ask_person(OPERATION, question).await?.map(|answer| is_approval(&answer))),
        }
    }
}

impl Guest {
    /// Has a person approve a granted call that `approvals` of the workflow name. `resource` says what the call is done to, `detail` all that
    /// a person has to see of it, and `subject` is the digest of all that will be done. A rejection is recorded as a refusal.
    pub(crate) async fn approved(
        &mut self,
        capability: Capability,
        operation: &'static str,
        resource: &str,
        detail: String,
        subject: Digest,
    ) -> wasmtime::Result<Result<(), types::Error>> {
        let summary = format!("Approve {capability} {operation}: {}", one_line(resource));
        let (summary, max) = (cut(summary, MAX_SUMMARY), usize::try_from(MAX_DETAIL.0).unwrap_or(usize::MAX));
        let (wants, detail) = (Wants::Approval(subject), cut(detail, max));
        let question = Question { summary, detail, wants, until: None, default: String::new() };
        let answer = match self.ask_person("approve", question).await? {
            Err(error) => return Ok(Err(error)),
            Ok(answer) if is_approval(&answer) => return Ok(Ok(())),
            Ok(answer) => answer,
        };
        let reason = format!("{} rejected it", answer.by);
        let denial = Denial { capability, resource: short(resource), grant: String::new(), reason };
        self.refused(operation, denial)
    }

    fn may_ask(&mut self, operation: &'static str, summary: &str) -> wasmtime::Result<Result<(), types::Error>> {
        let line = format!("human: [\"{operation}\"]");
        let may = |p: &Permissions| p.human.as_ref().is_some_and(|list| list.iter().any(|given| given == operation));
        self.granted(Capability::Human, operation, summary, line, may)
    }

    /// The answer of a person, the recorded one in a replay. Suspends the attempt until there is one.
    async fn ask_person(
        &mut self,
        operation: &'static str,
        question: Question,
    ) -> wasmtime::Result<Result<Answer, types::Error>> {
        self.meter.charge_call(question.detail.len());
        let (summary, until) = (short(&question.summary), question.until);
        let request = serde_json::to_vec(&question).unwrap_or_default();
        let asked = self.reach.people.ask(question).map_err(|error| self.audit.fail(error))?;
        let Some(number) = asked else {
            let reason = "this attempt only looks at the work of another one, and asks nobody".to_owned();
            return self.refuse_question(operation, &summary, reason);
        };
        let recorded = self.audit.replayed(Capability::Human, operation).and_then(recorded);
        let answer = match recorded.or_else(|| self.reach.people.answer(number)) {
            Some(answer) => answer,
            None => {
                self.timers.suspend(Wait { until, question: Some(number), ..Wait::default() }).await;
                return Err(wasmtime::format_err!("a suspended attempt went on"));
            }
        };
        // An answer is texts, which is always JSON.
        let text = serde_json::to_string(&answer).unwrap_or_default();
        self.meter.charge_call(text.len());
        let exchange = Some(Box::new(Exchange::answered(Digest::of(&request), text)));
        let deed = Deed::new(Capability::Human, operation, summary).detail(format!("question {number}"));
        self.audit.action(Deed { exchange, ..deed })?;
        Ok(Ok(answer))
    }

    fn refuse_question<T>(
        &self,
        operation: &'static str,
        summary: &str,
        reason: String,
    ) -> wasmtime::Result<Result<T, types::Error>> {
        self.audit.action(Deed::new(Capability::Human, operation, short(summary)).failed(reason.clone()))?;
        Ok(Err(types::Error::Invalid(reason)))
    }
}

/// The answer that an action has.
fn recorded(action: Action) -> Option<Answer> {
    match action.result {
        ActionResult::Ok => serde_json::from_str(&action.exchange?.answer).ok(),
        _ => None,
    }
}

fn is_approval(answer: &Answer) -> bool {
    matches!(answer.reply, Reply::Approve(_))
}

fn check_options(options: &[String], default: Option<&str>, timeout: Option<u64>) -> Result<(), String> {
    if options.len() > MAX_OPTIONS {
        return Err(format!("`options` has {}, more than {MAX_OPTIONS}", options.len()));
    }
    if options.iter().any(|option| option.is_empty() || option.len() > MAX_OPTION) {
        return Err(format!("`options` has an empty one, or one of more than {MAX_OPTION} bytes"));
    }
    match default {
        None if timeout.is_some() => Err("`timeout` needs a `default`: what to assume when it passes".to_owned()),
        Some(default) if !options.is_empty() && !options.iter().any(|option| option == default) => {
            Err(format!("`default` is `{}`, which is none of the options", short(default)))
        }
        _ => Ok(()),
    }
}

fn check(question: &Question) -> Result<(), String> {
    let Question { summary, detail, .. } = question;
    if summary.trim().is_empty() || summary.len() > MAX_SUMMARY || summary.contains('\n') {
        return Err(format!("`summary` is one line of at most {MAX_SUMMARY} bytes"));
    }
    if detail.len() as u64 > MAX_DETAIL.0 {
        return Err(format!("`detail` has {} bytes, more than {} (64 KiB)", detail.len(), MAX_DETAIL.0));
    }
    Ok(())
}

/// A text without the ends of its lines.
fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).collect::<Vec<_>>().join(" ")
}

/// A text up to so many bytes.
fn cut(mut text: String, max: usize) -> String {
    text.truncate(text.floor_char_boundary(max));
    text
}
