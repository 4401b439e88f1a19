//! A guest that holds a conversation: it asks a model some questions, and waits for a message that gives it the next one.

use longhaul_sdk::{Agent, Conversation, Empty, Failure, Task, messages};
use serde::{Deserialize, Serialize};

struct Converse;

/// How the conversation goes.
#[derive(Deserialize)]
pub struct Input {
    /// How many questions it asks of its own.
    questions: u32,
    /// Bytes of each of them.
    bytes: usize,
}

/// What came of it.
#[derive(Serialize)]
pub struct Output {
    /// What the model answered to the message.
    answer: String,
    /// How many turns the conversation had.
    turns: usize,
}

#[longhaul_sdk::agent]
impl Agent for Converse {
    type Config = Empty;
    type Input = Input;
    type Output = Output;

    fn run(task: Task<Empty, Input>) -> Result<Output, Failure> {
        let mut conversation = Conversation::new("You answer whatever you are asked.");
        for number in 0..task.input.questions {
            conversation.say(format!("Question {number} of {}: {}", task.id, "why? ".repeat(task.input.bytes / 5)));
            conversation.ask()?;
        }
        let Some(message) = messages::receive(None)? else { return Err(Failure::fatal("nothing came")) };
        conversation.say(String::from_utf8_lossy(&message.body));
        let answer = conversation.ask()?.text;
        Ok(Output { answer, turns: conversation.turns() })
    }
}
