//! A whole agent that does nothing itself: it asks for a child task for each piece of its input, waits for all of them, and
//! gathers what they put out.

use longhaul_sdk::{Agent, Failure, Task, context, tasks};
use serde::{Deserialize, Serialize};
use serde_json::Value;

struct Delegate;

#[derive(Deserialize)]
struct Input {
    /// The agent that gets the pieces.
    #[serde(default)]
    to: String,
    /// Where none is named: what it has to be able to do.
    #[serde(default)]
    skills: Vec<String>,
    pieces: Vec<Value>,
}

#[derive(Serialize)]
struct Output {
    done: Vec<Value>,
    failed: Vec<String>,
}

#[longhaul_sdk::agent]
impl Agent for Delegate {
    type Config = longhaul_sdk::Empty;
    type Input = Input;
    type Output = Output;

    fn run(task: Task<Self::Config, Self::Input>) -> Result<Output, Failure> {
        let mut children = Vec::new();
        for (number, piece) in task.input.pieces.iter().enumerate() {
            let name = format!("piece-{number}");
            let Input { to, skills, .. } = &task.input;
            let request = match skills.is_empty() {
                true => tasks::Request::new(name, to, piece),
                false => tasks::Request::skilled(name, skills.clone(), piece),
            };
            children.push(tasks::spawn(&request)?);
        }
        context::progress(0, Some(children.len() as u64), "waiting for the pieces");
        // This costs nothing, however long it takes: the instance goes, and another one is brought back to this line.
        let mut output = Output { done: Vec::new(), failed: Vec::new() };
        for (child, status) in children.iter().zip(tasks::wait(&children, None)?) {
            match status {
                tasks::TaskStatus::Completed(text) => output.done.push(serde_json::from_str(&text).unwrap_or_default()),
                other => output.failed.push(format!("{child}: {other:?}")),
            }
        }
        Ok(output)
    }
}
