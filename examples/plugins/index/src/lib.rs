//! An agent that writes an index of the modules of a code base: each with the first line of its documentation. It can be told to fail
//! at first, so that one can watch a run recover.

use longhaul_sdk::{Agent, Failure, Task, files, log};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::Path;

struct Index;

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    unsteady: u32,
}

#[derive(Deserialize)]
struct Input {
    glob: String,
    file: String,
}

#[derive(Serialize)]
struct Output {
    modules: usize,
    undocumented: Vec<String>,
}

#[longhaul_sdk::agent]
impl Agent for Index {
    type Config = Config;
    type Input = Input;
    type Output = Output;

    fn run(task: Task<Config, Input>) -> Result<Output, Failure> {
        let globs = files::Globs::new([&task.input.glob]).map_err(|error| Failure::invalid_input(error.to_string()))?;
        let modules = files::walk(&globs).files;
        let (mut text, mut undocumented) = ("# Modules\n\n".to_owned(), Vec::new());
        for file in &modules {
            let content = String::from_utf8_lossy(&files::read(file)?).into_owned();
            match content.lines().find_map(|line| line.strip_prefix("//! ")) {
                Some(first) => writeln!(text, "- `{file}`: {first}").unwrap_or_default(),
                None => undocumented.push(file.clone()),
            }
        }
        if task.attempt <= task.config.unsteady {
            log::warn("the service that it pretends to need is not there");
            return Err(Failure::transient(format!("attempt {} was told to fail", task.attempt)));
        }
        if let Some(folder) = Path::new(&task.input.file).parent() {
            std::fs::create_dir_all(folder)?;
        }
        files::write(&task.input.file, text)?;
        Ok(Output { modules: modules.len(), undocumented })
    }
}
