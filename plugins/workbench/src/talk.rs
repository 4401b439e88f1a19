//! How an agent talks to its model: the part of the configuration that all model-driven agents have, and the first message.

use longhaul_sdk::{
    Bounds, Conversation, Settings,
    files::{Globs, walk_in},
};
use serde::Deserialize;

use crate::Bench;

/// How many files the first message names.
const MAX_NAMED: usize = 200;

/// The field `conversation` of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Talk {
    /// The most answers of the model.
    pub turns: Option<u64>,
    /// The most tokens, read and written.
    pub tokens: Option<u64>,
    /// The most tokens of one answer.
    pub answer_tokens: Option<u32>,
    /// The model's context window, until its first answer tells.
    pub window: Option<u64>,
    /// 0 to 2.
    pub temperature: Option<f32>,
}

impl Talk {
    /// A conversation with these instructions.
    pub fn begin(&self, system: String) -> Conversation {
        let settings = Settings {
            model: None,
            window: self.window,
            max_tokens: self.answer_tokens,
            temperature: self.temperature,
        };
        Conversation::with(system, settings)
    }

    /// What bounds its loop.
    pub fn bounds(&self) -> Bounds {
        let usual = Bounds::default();
        Bounds { max_turns: self.turns.unwrap_or(usual.max_turns), max_tokens: self.tokens, ..usual }
    }
}

/// The first message: what it is all for, then each part under its title, then what files there are. Empty parts are left
/// out.
pub fn brief(bench: &Bench, objective: &str, parts: &[(&str, &str)]) -> String {
    let objective = ("What the whole work is for", objective);
    let mut text: String = std::iter::once(&objective)
        .chain(parts)
        .filter(|(_, content)| !content.trim().is_empty())
        .map(|(title, content)| format!("# {title}\n\n{}\n\n", content.trim()))
        .collect();
    let files = walk_in(bench.root(), &Globs::all()).files;
    text += "# Files\n\n";
    text.extend(files.iter().take(MAX_NAMED).map(|path| format!("{path}\n")));
    if files.len() > MAX_NAMED {
        text += &format!("… and {} more\n", files.len() - MAX_NAMED);
    }
    text
}

/// The instructions of an agent: its own, and those of the project.
pub fn instructions(prompt: &str, project: &str) -> String {
    match project.trim() {
        "" => prompt.to_owned(),
        project => format!("{prompt}\n# What this project asks for\n\n{project}\n"),
    }
}

/// A value of an input as a text: a text as it is, nothing where there is none, everything else as JSON.
pub fn written(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        value => serde_json::to_string_pretty(value).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_has_what_there_is_and_names_the_files() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.rs"), "").unwrap();
        let text = brief(&Bench::at(root.path()), "", &[("Requirement", " count words "), ("Plan", "")]);
        assert_eq!(text, "# Requirement\n\ncount words\n\n# Files\n\na.rs\n");
    }
}
