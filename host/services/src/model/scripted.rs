//! Answers from a script. It keeps nothing in mind: the same request of the same attempt is answered the same, whatever else is asked
//! meanwhile and however often.

use super::estimate;
use super::host::{Provider, Question, Said};
use super::script::{Fail, Rule, Script, When};
use longhaul_core::model::{Asker, ChatAnswer, ChatRequest, Finish, Message, Role, ToolCall};
use longhaul_core::reach::{BoxFuture, ServiceError};
use longhaul_core::units::{Tokens, parse_duration};
use serde_json::Value;

/// The name of the model, as answers tell it.
const MODEL: &str = "scripted";

/// Answers by rules.
#[derive(Debug)]
pub(crate) struct Scripted(pub(crate) Script);

impl Provider for Scripted {
    fn chat<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Said> {
        Box::pin(async move {
            let Question { request, asker, .. } = question;
            let Some(rule) = self.0.rules.iter().find(|rule| fits(&rule.when, request, asker)) else {
                // The script says the same however often it is asked.
                return Err(ServiceError::Invalid(no_rule(request, asker))).into();
            };
            if !rule.after.is_zero() {
                tokio::time::sleep(rule.after).await;
            }
            let input = estimate::of_request(request);
            match &rule.fail {
                None => Ok(self.answer(rule, request, input)).into(),
                Some(fail) => {
                    let (error, written) = failure(fail);
                    Said { result: Err(error), input, output: written }
                }
            }
        })
    }
}

impl Scripted {
    fn answer(&self, rule: &Rule, request: &ChatRequest, input: Tokens) -> ChatAnswer {
        let text = rule.say.clone().or_else(|| rule.json.as_ref().map(Value::to_string)).unwrap_or_default();
        let turn = request.turn();
        let tool_calls: Vec<ToolCall> = rule
            .call
            .iter()
            .enumerate()
            .map(|(index, wish)| ToolCall {
                id: format!("call-{turn}-{index}"),
                name: wish.tool.clone(),
                arguments: match &wish.with {
                    Value::Null => "{}".to_owned(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                },
            })
            .collect();
        let usual = if tool_calls.is_empty() { Finish::Stop } else { Finish::ToolCalls };
        let written = tool_calls.iter().map(|call| estimate::of_text(&call.name) + estimate::of_text(&call.arguments));
        ChatAnswer {
            output: estimate::of_text(&text) + written.sum(),
            text,
            tool_calls,
            finish: rule.finish.unwrap_or(usual),
            input,
            window: self.0.window(),
            model: MODEL.to_owned(),
        }
    }
}

fn fits(when: &When, request: &ChatRequest, asker: &Asker) -> bool {
    let When { agent, task, attempt, turn, from_turn, tool, system, first, last, any } = when;
    let of = |role: Role| request.messages.iter().filter(move |message| message.role == role).map(Message::text);
    let now = request.turn();
    agent.as_ref().is_none_or(|agent| *agent == asker.agent)
        && task.as_ref().is_none_or(|task| *task == asker.attempt.task.to_string())
        && attempt.is_none_or(|attempt| attempt == asker.attempt.number)
        && turn.is_none_or(|turn| turn == now)
        && from_turn.is_none_or(|least| least <= now)
        && tool.as_ref().is_none_or(|name| request.tools.iter().any(|tool| tool.name == *name))
        && (system.is_empty() || system.are_in(&of(Role::System).collect::<Vec<_>>().join("\n")))
        && (first.is_empty() || of(Role::User).next().is_some_and(|text| first.are_in(&text)))
        && (last.is_empty() || request.messages.last().is_some_and(|message| last.are_in(&message.text())))
        && (any.is_empty() || any.are_in(&request.messages.iter().map(Message::text).collect::<Vec<_>>().join("\n")))
}

/// How it fails, and what it had written by then.
fn failure(fail: &Fail) -> (ServiceError, Tokens) {
    let span = |text: &String| parse_duration(text).unwrap_or_default();
    match fail {
        Fail::RateLimited(wait) => (ServiceError::RateLimited(wait.as_ref().map(span)), Tokens(0)),
        Fail::TimedOut(limit) => (ServiceError::TimedOut(span(limit)), Tokens(0)),
        Fail::Failed(words) => (ServiceError::Failed(words.clone()), Tokens(0)),
        Fail::CutOff(text) => {
            let reason = format!("the model's answer broke off behind {} characters", text.chars().count());
            (ServiceError::Failed(reason), estimate::of_text(text))
        }
        Fail::Malformed(text) => {
            let shown: String = text.chars().take(200).collect();
            (ServiceError::Failed(format!("the model's answer cannot be read: {shown}")), estimate::of_text(text))
        }
    }
}

fn no_rule(request: &ChatRequest, asker: &Asker) -> String {
    let last = request.messages.last().map(Message::text).unwrap_or_default();
    let shown: String = last.chars().take(200).collect();
    format!(
        "no rule of the script fits: model `{}`, agent `{}`, attempt {}, turn {}, and the last message begins `{shown}`",
        request.model,
        asker.agent,
        asker.attempt,
        request.turn(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::host::HostModels;
    use longhaul_core::id::{AttemptId, Name, TaskId};
    use longhaul_core::model::{Chatted, DEFAULT_MODEL, Format, Models, Part, Tool, ToolChoice};
    use longhaul_core::reach::Unwatched;
    use longhaul_core::spend::Spent;
    use longhaul_core::units::Money;
    use longhaul_core::workflow::model::ModelSpec;
    use serde_json::json;
    use std::sync::Arc;
    use std::time::Duration;

    fn message(role: Role, text: &str) -> Message {
        Message { role, parts: vec![Part::Text(text.to_owned())] }
    }

    fn request(messages: &[(Role, &str)]) -> ChatRequest {
        let parameters = json!({});
        ChatRequest {
            model: DEFAULT_MODEL.to_owned(),
            messages: messages.iter().map(|(role, text)| message(*role, text)).collect(),
            tools: vec![Tool { name: "read".to_owned(), description: String::new(), parameters }],
            tool_choice: ToolChoice::Auto,
            format: Format::Text,
            max_tokens: None,
            temperature: None,
            stop: Vec::new(),
        }
    }

    fn asker(agent: &str, task: &str, number: u32) -> Asker {
        let attempt = AttemptId { task: TaskId::new(task).unwrap(), number };
        Asker { agent: Name::new(agent).unwrap(), attempt }
    }

    fn models(script: &str) -> HostModels {
        let mut models = HostModels::new();
        models.answered_from(DEFAULT_MODEL, &ModelSpec::Script("x".into()), script).unwrap();
        models
    }

    async fn ask(models: &HostModels, request: &ChatRequest) -> Chatted {
        models.chat(request, &asker("coder", "fix[1]", 1), Arc::new(Unwatched)).await
    }

    #[tokio::test]
    async fn the_first_rule_that_fits_answers() {
        let models = models(
            "rules:
  - { when: { agent: other }, say: other }
  - { when: { task: fix }, say: task }
  - { when: { attempt: 2 }, say: second }
  - { when: { tool: write }, say: write }
  - { when: { turn: 1, last: [no, such] }, say: gone }
  - { when: { from_turn: 1 }, say: late }
  - { when: { system: be short, first: hello, any: world }, say: short }
  - { say: else }",
        );
        for (messages, said) in [
            (&[(Role::User, "x")][..], "else"),
            (&[(Role::System, "be short"), (Role::User, "hello world")], "short"),
            (&[(Role::System, "be short"), (Role::User, "hello"), (Role::User, "you")], "else"),
            (&[(Role::User, "x"), (Role::Assistant, "y"), (Role::User, "no such file")], "gone"),
            (&[(Role::User, "x"), (Role::Assistant, "y"), (Role::User, "no file")], "late"),
        ] {
            let answer = ask(&models, &request(messages)).await.result.unwrap();
            assert_eq!((answer.text.as_str(), answer.finish), (said, Finish::Stop), "{messages:?}");
        }
        for (who, said) in
            [(asker("other", "a", 1), "other"), (asker("coder", "fix", 1), "task"), (asker("coder", "a", 2), "second")]
        {
            assert_eq!(
                models.chat(&request(&[(Role::User, "x")]), &who, Arc::new(Unwatched)).await.result.unwrap().text,
                said
            );
        }
    }

    #[tokio::test]
    async fn the_same_question_gets_the_same_answer_with_the_same_names_for_its_calls() {
        let models = models(
            "price: { input: 1_000 }\nrules: [{ say: I look, call: [{ tool: read, with: { path: a } }, { tool: read, with: \"{oops\" }] }]"
                .replace("1_000", "1000")
                .as_str(),
        );
        let question = request(&[(Role::User, "look"), (Role::Assistant, "where?"), (Role::User, "there")]);
        let first = ask(&models, &question).await;
        assert_eq!(first, ask(&models, &question).await);
        let answer = first.result.unwrap();
        let calls: Vec<_> = answer.tool_calls.iter().map(|call| (call.id.as_str(), call.arguments.as_str())).collect();
        assert_eq!(calls, [("call-1-0", r#"{"path":"a"}"#), ("call-1-1", "{oops")]);
        assert_eq!((answer.finish, answer.input + answer.output), (Finish::ToolCalls, first.spent.tokens));
        assert_eq!(first.spent.money, Money(answer.input.0 * 1_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_script_can_fail_in_every_way_that_a_model_can() {
        for (fail, error, is_free) in [
            ("rate_limited: 2s", ServiceError::RateLimited(Some(Duration::from_secs(2))), true),
            ("rate_limited: null", ServiceError::RateLimited(None), true),
            ("timed_out: 1m", ServiceError::TimedOut(Duration::from_secs(60)), true),
            ("failed: no luck", ServiceError::Failed("no luck".to_owned()), true),
            (
                "cut_off: It was a",
                ServiceError::Failed("the model's answer broke off behind 8 characters".to_owned()),
                false,
            ),
            ("malformed: <html>", ServiceError::Failed("the model's answer cannot be read: <html>".to_owned()), false),
        ] {
            let models = models(&format!("rules: [{{ fail: {{ {fail} }}, after: 3s }}]"));
            assert_eq!(models.patience(DEFAULT_MODEL), Some(Duration::from_secs(13)));
            let began = tokio::time::Instant::now();
            let Chatted { result, spent } = ask(&models, &request(&[(Role::User, "x")])).await;
            assert_eq!(result, Err(error), "{fail}");
            assert_eq!(began.elapsed(), Duration::from_secs(3));
            assert!(!is_free || spent.money == Money(0));
            assert!(is_free || spent.tokens > Spent::default().tokens, "{fail}");
        }
    }

    #[tokio::test]
    async fn a_question_without_a_rule_and_a_model_without_a_route_say_what_is_missing() {
        let models = models("rules: [{ when: { turn: 7 }, json: { a: 1 } }]");
        let question = request(&[(Role::User, "Please help")]);
        let error = ask(&models, &question).await.result.unwrap_err().to_string();
        assert!(error.contains("no rule") && error.contains("turn 0") && error.contains("Please help"), "{error}");
        let error = ask(&models, &ChatRequest { model: "big".to_owned(), ..question }).await.result.unwrap_err();
        assert!(
            matches!(&error, ServiceError::Unavailable(text) if text.contains("`big`") && text.contains("`default`"))
        );
    }

    #[tokio::test]
    async fn an_answer_that_is_not_what_was_asked_for_is_an_error_and_is_paid_for() {
        let schema = json!({ "type": "object", "required": ["kind"] });
        for (answer, is_good) in
            [("json: { kind: read }", true), ("json: { sort: read }", false), ("say: certainly", false)]
        {
            let models = models(&format!("price: {{ output: 5 }}\nrules: [{{ {answer} }}]"));
            let format = Format::JsonSchema(schema.clone());
            let chatted = ask(&models, &ChatRequest { format, ..request(&[(Role::User, "x")]) }).await;
            assert_eq!(chatted.result.is_ok(), is_good, "{chatted:?}");
            assert!(chatted.spent.money > Money(0));
        }
    }
}
