//! A whole agent that talks with another one of its kind: the one that is told whom to ask asks, and says when it is enough; the other
//! one answers. Neither costs anything while it waits.

use longhaul_sdk::messages::{self, Message};
use longhaul_sdk::{Agent, Failure, Task};
use serde::{Deserialize, Serialize};

struct Talk;

#[derive(Deserialize)]
struct Input {
    to: Option<String>,
    #[serde(default = "one")]
    rounds: u32,
    #[serde(default = "one")]
    burst: u32,
}

fn one() -> u32 {
    1
}

/// What is said.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    /// A part of a question, which is not answered.
    Part(u32),
    Question(u32),
    Answer(u32),
    Enough,
}

#[derive(Serialize)]
struct Output {
    /// How many messages it received.
    heard: u32,
    /// The number of the last question or answer.
    last: u32,
}

#[longhaul_sdk::agent]
impl Agent for Talk {
    type Config = longhaul_sdk::Empty;
    type Input = Input;
    type Output = Output;

    fn run(task: Task<Self::Config, Self::Input>) -> Result<Output, Failure> {
        match &task.input.to {
            Some(other) => ask(other, &task.input),
            None => answer(),
        }
    }
}

fn ask(other: &str, input: &Input) -> Result<Output, Failure> {
    let mut output = Output { heard: 0, last: 0 };
    for round in 1..=input.rounds {
        for _ in 1..input.burst {
            say(other, &Word::Part(round))?;
        }
        say(other, &Word::Question(round))?;
        if let Word::Answer(number) = hear()?.1 {
            output = Output { heard: output.heard + 1, last: number };
        }
    }
    say(other, &Word::Enough)?;
    Ok(output)
}

fn answer() -> Result<Output, Failure> {
    let mut output = Output { heard: 0, last: 0 };
    loop {
        let (message, word) = hear()?;
        output.heard += 1;
        match word {
            Word::Part(_) => {}
            Word::Question(number) => {
                output.last = number;
                say(&message.sender, &Word::Answer(number))?;
            }
            Word::Answer(_) => return Err(Failure::invalid_input("an answer to no question")),
            Word::Enough => return Ok(output),
        }
    }
}

fn say(to: &str, word: &Word) -> Result<(), Failure> {
    let body = serde_json::to_vec(word).map_err(|error| Failure::fatal(error.to_string()))?;
    Ok(messages::tell(to, body)?)
}

fn hear() -> Result<(Message, Word), Failure> {
    let Some(message) = messages::receive(None)? else { return Err(Failure::fatal("nothing came")) };
    let word = serde_json::from_slice(&message.body);
    let word = word.map_err(|error| Failure::invalid_input(format!("`{}` says {error}", message.sender)))?;
    Ok((message, word))
}
