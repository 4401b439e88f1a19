//! Answers as an earlier run was answered: the same question gets the same answer, and any other none.
//!
//! The record is what `longhaul logs --json` writes. A question that was asked more than once is answered as it was the last time that
//! an answer came.

use super::error::ModelError;
use super::host::{Provider, Question, Said};
use longhaul_core::action::Action;
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Record};
use longhaul_core::grant::Capability;
use longhaul_core::model::ChatAnswer;
use longhaul_core::reach::{BoxFuture, ServiceError};
use std::collections::HashMap;

/// The most bytes of a record.
pub(crate) const MAX_BYTES: usize = 32 << 20;

/// Answers by the digest of the question.
#[derive(Debug)]
pub(crate) struct Recorded(HashMap<Digest, ChatAnswer>);

impl Recorded {
    /// Reads a record.
    ///
    /// # Errors
    /// [`ModelError`] where it is none, or no model answered in it.
    pub(crate) fn read(text: &str) -> Result<Self, ModelError> {
        if text.len() > MAX_BYTES {
            let message =
                format!("the record has {} bytes, more than {MAX_BYTES}; keep the lines of `model` alone", text.len());
            return Err(ModelError { line: 1, column: 1, message });
        }
        let mut answers = HashMap::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let record: Record = serde_json::from_str(line).map_err(|error| ModelError {
                line: number as u64 + 1,
                column: error.column() as u64,
                message: format!("this is no line of a record: {error}; write it by `longhaul logs --json RUN`"),
            })?;
            let Entry::Action(Action { capability: Capability::Model, exchange: Some(exchange), .. }) = record.entry
            else {
                continue;
            };
            if let Ok(answer) = serde_json::from_str(&exchange.answer) {
                answers.insert(exchange.request, answer);
            }
        }
        if answers.is_empty() {
            let message = "no model answers in this record; record a run whose agents ask one".to_owned();
            return Err(ModelError { line: 1, column: 1, message });
        }
        Ok(Self(answers))
    }
}

impl Provider for Recorded {
    fn chat<'a>(&'a self, Question { request, .. }: Question<'a>) -> BoxFuture<'a, Said> {
        let unknown = || ServiceError::Failed("the record that answers for this model has no such question".to_owned());
        let answer = self.0.get(&request.digest()).cloned().ok_or_else(unknown);
        Box::pin(std::future::ready(Said::from(answer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::effect::{Answered, Call, CallKind};
    use longhaul_core::id::{AttemptId, Name, TaskId};
    use longhaul_core::model::{Asker, ChatRequest, DEFAULT_MODEL, Finish, Format, Message, Part, Role, ToolChoice};
    use longhaul_core::reach::Unwatched;
    use longhaul_core::units::{Timestamp, Tokens};
    use std::sync::Arc;

    fn request(text: &str) -> ChatRequest {
        ChatRequest {
            model: DEFAULT_MODEL.to_owned(),
            messages: vec![Message { role: Role::User, parts: vec![Part::Text(text.to_owned())] }],
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            format: Format::Text,
            max_tokens: None,
            temperature: None,
            stop: Vec::new(),
        }
    }

    fn line(text: &str) -> String {
        let answer = ChatAnswer {
            text: format!("about {text}"),
            tool_calls: Vec::new(),
            finish: Finish::Stop,
            input: Tokens(3),
            output: Tokens(4),
            window: Tokens(100),
            model: "small".to_owned(),
        };
        let call = Call {
            number: 0,
            capability: Capability::Model,
            operation: "chat".into(),
            resource: DEFAULT_MODEL.to_owned(),
            detail: String::new(),
            request: request(text).digest(),
            kind: CallKind::Query,
        };
        let action = call.answered(Answered::ok(serde_json::to_string(&answer).unwrap()));
        let task = TaskId::new("a").unwrap();
        let record = Record { at: Timestamp(1), task: Some(task), attempt: Some(1), entry: Entry::Action(action) };
        serde_json::to_string(&record).unwrap()
    }

    #[tokio::test]
    async fn a_question_of_the_record_is_answered_as_it_was_and_no_other_is() {
        let recorded = Recorded::read(&format!("{}\n\n{}\n", line("one"), line("two"))).unwrap();
        let attempt = AttemptId { task: TaskId::new("b").unwrap(), number: 9 };
        let asker = Asker { agent: Name::new("x").unwrap(), attempt };
        let ask = async |text: &str| {
            let (request, live) = (request(text), Arc::new(Unwatched));
            let question =
                Question { request: &request, asker: &asker, live, model: "", max_output: None, window: Tokens(0) };
            recorded.chat(question).await
        };
        let said = ask("two").await;
        assert_eq!((said.result.unwrap().text.as_str(), said.input), ("about two", Tokens(3)));
        let error = ask("three").await.result.unwrap_err().to_string();
        assert!(error.contains("no such question"), "{error}");
    }

    #[test]
    fn what_is_no_record_is_told() {
        let error = Recorded::read(&format!("{}\nrubbish\n", line("one"))).unwrap_err();
        assert!(error.line == 2 && error.message.contains("logs --json"), "{error}");
        assert!(Recorded::read("").unwrap_err().message.contains("no model answers"));
    }
}
