//! A planner for goal mode: each round it plans one task, for the first file that still holds a text. When there is none it plans
//! nothing.

use longhaul_sdk::{Agent, Failure, Task, files, log};
use serde::{Deserialize, Serialize};

struct Steps;

#[derive(Deserialize)]
struct Config {
    text: String,
    agent: String,
}

/// The agent `pursue` tells how far the goal is; this planner looks for itself.
#[derive(Deserialize)]
struct Input {
    goal: Goal,
}

#[derive(Deserialize)]
struct Goal {
    round: u32,
}

#[derive(Serialize)]
struct Output {
    tasks: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    name: String,
    agent: String,
    with: With,
}

#[derive(Serialize)]
struct With {
    files: Vec<String>,
}

#[longhaul_sdk::agent]
impl Agent for Steps {
    type Config = Config;
    type Input = Input;
    type Output = Output;

    fn run(task: Task<Config, Input>) -> Result<Output, Failure> {
        let mut tasks = Vec::new();
        for file in files::walk(&files::Globs::all()).files {
            if String::from_utf8_lossy(&files::read(&file)?).contains(&task.config.text) {
                log::info(format!("round {}: {file} is next", task.input.goal.round));
                let with = With { files: vec![file] };
                tasks.push(Step { name: "step".to_owned(), agent: task.config.agent.clone(), with });
                break;
            }
        }
        Ok(Output { tasks })
    }
}
