//! Questions to people, and their answers.
//!
//! A question is part of the entry that publishes what its attempt held back; its attempt is suspended until the answer is an entry too. An
//! approval is bound to the digest of exactly what is approved: the question has it, and the answer names it.

use crate::attempt::RecordError;
use crate::digest::Digest;
use crate::units::{Bytes, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most bytes of a question's one line.
pub const MAX_SUMMARY: usize = 500;
/// The most bytes of what is needed to decide.
pub const MAX_DETAIL: Bytes = Bytes(64 << 10);
/// The most answers to choose from.
pub const MAX_OPTIONS: usize = 50;
/// The most bytes of one of them.
pub const MAX_OPTION: usize = 500;
/// The most bytes of an answer.
pub const MAX_ANSWER: Bytes = Bytes(64 << 10);
/// Who answered where nobody did in time.
pub const NOBODY: &str = "default";

/// What a person is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// One line.
    pub summary: String,
    /// Everything needed to decide, as Markdown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What answers it.
    pub wants: Wants,
    /// When nobody is waited for any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The answer to assume then.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub default: String,
}

/// What answers a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wants {
    /// Any text.
    Text,
    /// One of these.
    Option(Vec<String>),
    /// A yes or no to what has this digest.
    Approval(Digest),
}

/// A question with its number in the run, from 1 on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The number.
    pub number: u32,
    /// What is asked.
    #[serde(flatten)]
    pub question: Question,
}

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// This text, or the option of that text.
    Text(String),
    /// Yes to what has this digest.
    Approve(Digest),
    /// No to it.
    Reject(Digest),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What it says.
    pub reply: Reply,
    /// Who gave it; [`NOBODY`] where nobody did in time.
    pub by: String,
}

/// Why an answer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// There is no such question, or nobody waits for its answer any more.
    #[error("question {0} is not open: there is none of this number, it was answered, or who asked it is over")]
    NotOpen(u32),
    /// It was answered before.
    #[error("question {number} was answered by {by}")]
    Answered {
        /// The question.
        number: u32,
        /// Who answered it.
        by: String,
    },
    /// It is not what was asked for.
    #[error("question {number} wants {wants}")]
    Unfit {
        /// The question.
        number: u32,
        /// What it wants.
        wants: String,
    },
}

impl Question {
    /// Whether `reply` answers it.
    ///
    /// # Errors
    /// [`AnswerError::Unfit`].
    pub fn admit(&self, number: u32, reply: &Reply) -> Result<(), AnswerError> {
        let fits = match (&self.wants, reply) {
            (Wants::Text, Reply::Text(text)) => text.len() as u64 <= MAX_ANSWER.0,
            (Wants::Option(options), Reply::Text(text)) => options.contains(text),
            (Wants::Approval(subject), Reply::Approve(named) | Reply::Reject(named)) => subject == named,
            _ => false,
        };
        if fits { Ok(()) } else { Err(AnswerError::Unfit { number, wants: self.wants.to_string() }) }
    }

    /// The answer that is assumed when nobody gave one in time.
    pub fn assumed(&self) -> Answer {
        let reply = match &self.wants {
            Wants::Approval(subject) => Reply::Reject(*subject),
            _ => Reply::Text(self.default.clone()),
        };
        Answer { reply, by: NOBODY.to_owned() }
    }
}

impl fmt::Display for Wants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wants::Text => write!(f, "a text of at most {} bytes", MAX_ANSWER.0),
            Wants::Option(options) => {
                let named: Vec<_> = options.iter().map(|option| format!("`{option}`")).collect();
                write!(f, "one of {}", named.join(", "))
            }
            Wants::Approval(subject) => write!(f, "a yes or no to what has the digest {subject}"),
        }
    }
}

/// The people that one attempt can ask.
pub trait People: Send + Sync {
    /// Asks, and makes known what was held back. Gives the question's number, in a replay the one that it had; none where this attempt can
    /// ask nobody.
    ///
    /// # Errors
    /// [`RecordError`] where it cannot be recorded: the attempt ends.
    fn ask(&self, question: Question) -> Result<Option<u32>, RecordError>;

    /// The answer to a question of this attempt, where there is one.
    fn answer(&self, number: u32) -> Option<Answer>;
}

/// For an attempt that can ask nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPeople;

impl People for NoPeople {
    fn ask(&self, _: Question) -> Result<Option<u32>, RecordError> {
        Ok(None)
    }

    fn answer(&self, _: u32) -> Option<Answer> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_to_be_what_was_asked_for() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let question = |wants| Question {
            summary: "now?".to_owned(),
            detail: String::new(),
            wants,
            until: None,
            default: "no".to_owned(),
        };
        let text = |text: &str| Reply::Text(text.to_owned());
        let options = question(Wants::Option(vec!["yes".to_owned(), "no".to_owned()]));
        assert!(options.admit(1, &text("yes")).is_ok());
        assert_eq!(options.admit(1, &text("maybe")).unwrap_err().to_string(), "question 1 wants one of `yes`, `no`");
        let free = question(Wants::Text);
        assert!(free.admit(1, &text("anything")).is_ok() && free.admit(1, &Reply::Approve(one)).is_err());
        assert!(free.admit(1, &text(&"x".repeat(70_000))).is_err());
        let approval = question(Wants::Approval(one));
        assert!(approval.admit(1, &Reply::Approve(one)).is_ok() && approval.admit(1, &Reply::Reject(one)).is_ok());
        assert!(approval.admit(1, &Reply::Approve(other)).is_err() && approval.admit(1, &text("yes")).is_err());
        // Silence is no approval.
        assert_eq!(approval.assumed().reply, Reply::Reject(one));
        assert_eq!(options.assumed(), Answer { reply: text("no"), by: NOBODY.to_owned() });
    }

    #[test]
    fn a_question_survives_its_text() {
        let asked = Asked {
            number: 3,
            question: Question {
                summary: "deploy?".to_owned(),
                detail: String::new(),
                wants: Wants::Option(vec!["yes".to_owned()]),
                until: Some(Timestamp(5)),
                default: String::new(),
            },
        };
        let text = serde_json::to_string(&asked).unwrap();
        assert_eq!(text, r#"{"number":3,"summary":"deploy?","wants":{"option":["yes"]},"until":5}"#);
        assert_eq!(serde_json::from_str::<Asked>(&text).unwrap(), asked);
    }
}
