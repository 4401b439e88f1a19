//! A whole agent that remembers: it writes notes, finds them again, and knows how often it was here before.

use longhaul_sdk::{Agent, Failure, Task, memory};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

struct Notebook;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    #[serde(default)]
    keep: Keep,
    #[serde(default)]
    write: BTreeMap<String, String>,
    #[serde(default)]
    forget: Vec<String>,
    read: Option<String>,
    find: Option<String>,
    #[serde(default)]
    rest: u64,
    #[serde(default)]
    fail: bool,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Keep {
    Task,
    Run,
    #[default]
    Workflow,
}

#[derive(Serialize)]
struct Output {
    /// How often the agent was here, this time included.
    visits: u32,
    /// All keys.
    keys: Vec<String>,
    /// The note that was asked for.
    note: Option<String>,
    /// What the search found, the best first.
    found: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    key: String,
    excerpt: String,
}

#[longhaul_sdk::agent]
impl Agent for Notebook {
    type Config = longhaul_sdk::Empty;
    type Input = Input;
    type Output = Output;

    fn run(task: Task<Self::Config, Self::Input>) -> Result<Output, Failure> {
        let input = task.input;
        let scope = match input.keep {
            Keep::Task => memory::Scope::Task,
            Keep::Run => memory::Scope::Run,
            Keep::Workflow => memory::Scope::Workflow,
        };
        let visits = read(scope, "visits")?.and_then(|text| text.parse().ok()).unwrap_or(0_u32) + 1;
        memory::set(scope, "visits", visits.to_string().as_bytes())?;
        for (key, text) in &input.write {
            memory::set(scope, key, text.as_bytes())?;
        }
        for key in &input.forget {
            memory::delete(scope, key)?;
        }
        let found = match &input.find {
            Some(words) => memory::search(scope, words, 10)?,
            None => Vec::new(),
        };
        if input.rest > 0 {
            // What was written so far is there for others now.
            std::thread::sleep(Duration::from_millis(input.rest));
        }
        if input.fail {
            return Err(Failure::validation("the notes are no good"));
        }
        Ok(Output {
            visits,
            keys: memory::keys(scope, "", None, 1_000)?,
            note: input.read.map(|key| read(scope, &key)).transpose()?.flatten(),
            found: found.into_iter().map(|hit| Found { key: hit.key, excerpt: hit.excerpt }).collect(),
        })
    }
}

fn read(scope: memory::Scope, key: &str) -> Result<Option<String>, Failure> {
    Ok(memory::get(scope, key)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}
