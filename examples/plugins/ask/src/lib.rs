//! A whole agent that asks a person and puts out the answer, also days later: while it waits there is nothing of it but its record.

use longhaul_sdk::human::{self, Question};
use longhaul_sdk::{Agent, Failure, Task};
use serde::{Deserialize, Serialize};

struct Ask;

#[derive(Deserialize)]
struct Input {
    question: String,
    #[serde(default)]
    options: Vec<String>,
    default: Option<String>,
    patience: Option<u64>,
    approve: Option<String>,
}

#[derive(Serialize)]
struct Output {
    answer: String,
    by: String,
}

#[longhaul_sdk::agent]
impl Agent for Ask {
    type Config = longhaul_sdk::Empty;
    type Input = Input;
    type Output = Output;

    fn run(task: Task<Self::Config, Self::Input>) -> Result<Output, Failure> {
        let Input { question, options, default, patience, approve } = task.input;
        if let Some(subject) = approve {
            let approved = human::approve(&question, "", &subject)?;
            let answer = if approved { "approved" } else { "rejected" };
            return Ok(Output { answer: answer.to_owned(), by: String::new() });
        }
        let question = Question { options, default, timeout: patience, ..Question::new(question, "") };
        let human::Answer { text, by } = human::ask(&question)?;
        Ok(Output { answer: text, by })
    }
}
