//! A whole agent: counts the lines of a file.

use longhaul_sdk::{Agent, Failure, Task, files, log};
use serde::{Deserialize, Serialize};
use std::io::BufRead;

struct Count;

#[derive(Deserialize)]
struct Input {
    file: String,
}

#[derive(Serialize)]
struct Output {
    lines: usize,
}

#[longhaul_sdk::agent]
impl Agent for Count {
    type Config = longhaul_sdk::Empty;
    type Input = Input;
    type Output = Output;

    fn run(task: Task<Self::Config, Self::Input>) -> Result<Output, Failure> {
        let text = files::read(&task.input.file)?;
        let lines = text.lines().count();
        log::info(format!("{} has {lines} lines", task.input.file));
        Ok(Output { lines })
    }
}
