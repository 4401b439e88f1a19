//! The guest of the benchmarks: does nothing, computes, works on files, asks for the time, talks, or waits.

pub mod kernel;

use longhaul_sdk::{Agent, Conversation, Empty, Failure, Task, messages};
use serde::{Deserialize, Serialize};
use std::fs;
use std::time::{Duration, Instant};

struct Bench;

/// What to do.
#[derive(Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum Input {
    /// Nothing.
    Nothing,
    /// Integer work in short loops.
    Sieve {
        /// The sieve's size.
        n: usize,
        /// How often.
        rounds: u64,
    },
    /// Integer work in long loops.
    Hash {
        /// How many words are hashed.
        words: usize,
        /// How often.
        rounds: u64,
    },
    /// Make, write, stat, read, list and remove this many files of 4 KiB.
    Files {
        /// How many.
        files: u32,
    },
    /// Ask for the time this many times.
    Clock {
        /// How many times.
        calls: u32,
    },
    /// Talk with a model, and wait for a message that says how to go on.
    Converse {
        /// How many questions it asks of its own.
        questions: u32,
        /// Bytes of each of them.
        bytes: usize,
    },
    /// Look at a file this many times, then wait.
    Wait {
        /// How many times.
        calls: u32,
        /// How long, in milliseconds.
        millis: u64,
    },
}

/// What came of it.
#[derive(Serialize)]
pub struct Output {
    /// A checksum, so that no work can be left out.
    sum: u64,
}

#[longhaul_sdk::agent]
impl Agent for Bench {
    type Config = Empty;
    type Input = Input;
    type Output = Output;

    fn run(task: Task<Empty, Input>) -> Result<Output, Failure> {
        let sum = match task.input {
            Input::Nothing => 0,
            Input::Sieve { n, rounds } => kernel::sieve(n, rounds),
            Input::Hash { words, rounds } => kernel::hash(words, rounds),
            Input::Files { files } => work_on_files(files)?,
            Input::Clock { calls } => ask_for_the_time(calls),
            Input::Converse { questions, bytes } => converse(questions, bytes)?,
            Input::Wait { calls, millis } => look_and_wait(calls, millis)?,
        };
        Ok(Output { sum })
    }
}

/// Every kind of file operation, on `count` files.
fn work_on_files(count: u32) -> std::io::Result<u64> {
    let content = vec![b'x'; 4096];
    let mut sum = 0;
    fs::create_dir("bench")?;
    for i in 0..count {
        fs::write(format!("bench/{i}"), &content)?;
    }
    for i in 0..count {
        sum += fs::metadata(format!("bench/{i}"))?.len();
        sum += fs::read(format!("bench/{i}"))?.len() as u64;
    }
    sum += fs::read_dir("bench")?.count() as u64;
    for i in 0..count {
        fs::rename(format!("bench/{i}"), format!("bench/{i}.old"))?;
        fs::remove_file(format!("bench/{i}.old"))?;
    }
    fs::remove_dir("bench")?;
    Ok(sum)
}

/// A host call after the other, each with an answer that has to be recorded.
fn ask_for_the_time(calls: u32) -> u64 {
    let began = Instant::now();
    (1..calls).fold(0, |sum, _| sum + began.elapsed().as_nanos() as u64)
}

/// Holds a conversation; gives how many turns it had.
fn converse(questions: u32, bytes: usize) -> Result<u64, Failure> {
    let mut conversation = Conversation::new("You answer whatever you are asked.");
    for number in 0..questions {
        conversation.say(format!("Question {number}: {}", "why? ".repeat(bytes / 5)));
        conversation.ask()?;
    }
    let Some(message) = messages::receive(None)? else { return Err(Failure::fatal("nothing came")) };
    conversation.say(String::from_utf8_lossy(&message.body));
    conversation.ask()?;
    Ok(conversation.turns() as u64)
}

/// A host call after the other, then a wait that a host may spend without this instance.
fn look_and_wait(calls: u32, millis: u64) -> std::io::Result<u64> {
    let mut sum = 0;
    for _ in 0..calls {
        sum += fs::metadata("seed")?.len();
    }
    std::thread::sleep(Duration::from_millis(millis));
    Ok(sum)
}
