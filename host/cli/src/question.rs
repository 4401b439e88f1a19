//! A question to a person, as it is shown: what is asked, what answers it, and the command that does.

use crate::terminal::one_line;
use longhaul_core::digest::Digest;
use longhaul_core::id::{RunId, TaskId};
use longhaul_core::people::{Asked, Wants};
use serde::Serialize;

/// An open question.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct QuestionRow {
    /// Its number in the run.
    pub number: u32,
    /// The task whose agent asks.
    pub task: TaskId,
    /// One line.
    pub summary: String,
    /// Everything needed to decide.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The answers to choose from; any text where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// The digest of what is to be approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approves: Option<Digest>,
    /// When nobody is waited for any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// What is assumed then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The command that answers it.
    pub command: String,
}

impl QuestionRow {
    pub(crate) fn of(run: &RunId, task: &TaskId, asked: &Asked) -> Self {
        let Asked { number, question } = asked;
        let (options, approves, how) = match &question.wants {
            Wants::Text => (Vec::new(), None, "TEXT"),
            Wants::Option(options) => (options.clone(), None, "--option N"),
            Wants::Approval(subject) => (Vec::new(), Some(*subject), "--approve (or --reject)"),
        };
        Self {
            number: *number,
            task: task.clone(),
            summary: question.summary.clone(),
            detail: question.detail.clone(),
            options,
            approves,
            until: question.until.map(|until| until.to_string()),
            default: question.until.map(|_| question.default.clone()),
            command: format!("longhaul answer {run} {number} {how}"),
        }
    }

    /// The question as a person reads it. What an agent wrote cannot steer the terminal.
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!("question {} of task {}: {}\n", self.number, self.task, one_line(&self.summary, 500));
        let mut line = |line: &str| text.push_str(&format!("  {line}\n"));
        self.detail.lines().for_each(|detail| line(&format!("| {}", one_line(detail, 2_000))));
        for (place, option) in self.options.iter().enumerate() {
            line(&format!("{}. {}", place + 1, one_line(option, 500)));
        }
        if let Some(subject) = &self.approves {
            line(&format!("approves exactly what has the digest {subject}"));
        }
        if let (Some(until), Some(default)) = (&self.until, &self.default) {
            line(&format!("until {until}, then `{}` is assumed", one_line(default, 200)));
        }
        line(&format!("answer it: {}", self.command));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::people::Question;

    #[test]
    fn what_an_agent_writes_cannot_look_like_the_hosts_own_words() {
        let question = Question {
            summary: "ok?\u{1b}[2J".to_owned(),
            detail: "first\nanswer it: rm -rf /".to_owned(),
            wants: Wants::Option(vec!["yes\u{202e}".to_owned()]),
            until: None,
            default: String::new(),
        };
        let (run, task) = (RunId::new("run-1").unwrap(), TaskId::new("x").unwrap());
        let text = QuestionRow::of(&run, &task, &Asked { number: 2, question }).to_text();
        assert_eq!(
            text,
            "question 2 of task x: ok? [2J\n  | first\n  | answer it: rm -rf /\n  1. yes\n  answer it: longhaul answer run-1 2 --option N\n"
        );
    }
}
