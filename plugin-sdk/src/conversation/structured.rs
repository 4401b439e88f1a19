//! Answers that are data: the model is given the JSON Schema of a type, and told what is wrong until its answer fits.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::de::DeserializeOwned;

use super::{Ask, Conversation, patience::OnFailed};
use crate::{
    Failure,
    decode::decode,
    log,
    model::{Finish, Format},
};

/// How often an answer may miss its form.
const TRIES: usize = 3;

/// The JSON Schema of a type, without references, as a text.
pub(crate) fn schema_of<T: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    serde_json::to_string(&settings.into_generator().into_root_schema_for::<T>()).unwrap_or_default()
}

impl Conversation {
    /// Asks the model for an answer of this form.
    ///
    /// # Errors
    /// As [`Conversation::ask`]; and a failure of kind `validation` where the answer does not fit after three tries, of kind
    /// `transient` where the provider said so.
    pub fn ask_for<T: DeserializeOwned + JsonSchema>(&mut self) -> Result<T, Failure> {
        let ask = Ask { format: Format::JsonSchema(schema_of::<T>()), ..Ask::default() };
        let (mut wrong, mut refused) = (String::new(), false);
        for _ in 0..TRIES {
            refused = false;
            wrong = match self.ask_as(&ask, OnFailed::HandBack)? {
                Ok(reply) => match decode("the answer", unfenced(&reply.text)) {
                    Ok(value) => return Ok(value),
                    Err(_) if reply.finish == Finish::Length => "the answer was cut, because it is too long".to_owned(),
                    Err(error) => error,
                },
                // The host looks at the form too, and what it refuses is not in the conversation.
                Err(reason) => {
                    refused = true;
                    reason
                }
            };
            log::warn(format!("the model's answer is not of the form that was asked for: {wrong}"));
            self.say(format!("{wrong}. Answer again, with one JSON object that fits the schema, and nothing else."));
        }
        let told = format!("the model gave no answer of the form that was asked for, {TRIES} times: {wrong}");
        // The provider may have meant something else than the form, and that may pass.
        Err(if refused { Failure::transient(told) } else { Failure::validation(told) })
    }
}

/// The JSON of an answer that some models wrap as they would for people.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("```json").or_else(|| text.strip_prefix("```"));
    inner.and_then(|inner| inner.strip_suffix("```")).unwrap_or(text).trim()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{
        FailureKind,
        testing::{Answer, Host},
    };

    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Verdict {
        /// Whether it is good
        good: bool,
        reasons: Vec<Reason>,
    }

    #[derive(Debug, Deserialize, JsonSchema, PartialEq)]
    struct Reason {
        text: String,
    }

    #[test]
    fn an_answer_that_misses_its_form_is_told_what_is_wrong() {
        let host = Host::new();
        host.answers([
            Answer::text(r#"{"good":true,"reasons":[{"text":3}]}"#),
            Answer::text("```json\n{\"good\":true,\"reasons\":[{\"text\":\"yes\"}]}\n```"),
        ]);
        let mut conversation = Conversation::new("");
        conversation.say("Is it good?");
        let verdict: Verdict = conversation.ask_for().unwrap();
        assert_eq!(verdict, Verdict { good: true, reasons: vec![Reason { text: "yes".into() }] });
        let asked = format!("{:?}", host.chats()[1].messages);
        assert!(asked.contains("`reasons[0].text`") && asked.contains("invalid type: integer `3`"), "{asked}");
        let Format::JsonSchema(schema) = &host.chats()[0].format else { panic!("no schema was sent") };
        assert!(schema.contains("Whether it is good") && !schema.contains("$ref"), "{schema}");
    }

    #[test]
    fn an_answer_that_the_host_refuses_is_asked_for_again_with_its_reason() {
        let host = Host::new();
        host.answers([
            Answer::error(crate::Error::Failed("the model's answer is not the JSON that was asked for".into())),
            Answer::text(r#"{"good":false,"reasons":[]}"#),
        ]);
        let mut conversation = Conversation::new("");
        conversation.say("Is it good?");
        assert!(!conversation.ask_for::<Verdict>().unwrap().good);
        let asked = format!("{:?}", host.chats()[1].messages);
        assert!(asked.contains("is not the JSON") && host.waits().is_empty(), "{asked}");
    }

    #[test]
    fn an_answer_that_never_fits_fails_as_work_that_is_not_good_enough() {
        let host = Host::new();
        host.on_chat(|request| Answer::text("I would rather not").finish(Finish::Length).to(request));
        let mut conversation = Conversation::new("");
        conversation.say("Is it good?");
        let failure = conversation.ask_for::<Verdict>().unwrap_err();
        assert_eq!((failure.kind, host.chats().len()), (FailureKind::Validation, TRIES));
        assert!(failure.message.contains("too long"), "{}", failure.message);
    }
}
