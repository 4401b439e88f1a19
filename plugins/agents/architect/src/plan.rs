//! A plan: as the model writes it, and as other tasks are given it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// The most characters of a task's name: it becomes part of a child's name in goal mode.
const MAX_NAME: usize = 40;

/// A plan as the model writes it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What is built, in one line
    pub title: String,
    /// The design, as Markdown for people
    pub design: String,
    /// The steps; none where nothing is left to do
    pub tasks: Vec<Step>,
}

/// One step of it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Lower-case letters, digits and hyphens; unique in the plan
    pub name: String,
    /// What is to be true afterwards, and how one sees it
    pub requirement: String,
    /// The files that it is about
    #[serde(default)]
    pub files: Vec<String>,
    /// Who does it, out of those who can be given tasks
    #[serde(default)]
    pub agent: Option<String>,
    /// The names of the tasks that have to be done before
    #[serde(default)]
    pub needs: Vec<String>,
}

/// A step as other tasks are given it: by `for_each`, or as a task of a round of goal mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// Who does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The input of whoever does it.
    pub with: With,
    /// The names of those that come before.
    pub needs: Vec<String>,
}

/// What whoever does a step is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct With {
    /// What is to be true afterwards.
    pub requirement: String,
    /// The files that it is about.
    pub files: Vec<String>,
}

impl Plan {
    /// The steps in an order in which each comes behind those that it needs.
    ///
    /// # Errors
    /// Something in it makes no sense: the model has to be told.
    pub fn ordered(&self, config: &Config) -> Result<Vec<Planned>, String> {
        if self.title.trim().is_empty() || self.design.trim().is_empty() {
            return Err("`title` and `design` must not be empty".to_owned());
        }
        if self.tasks.len() > config.max_tasks {
            return Err(format!(
                "there are {} tasks, and {} are the most; make larger ones",
                self.tasks.len(),
                config.max_tasks
            ));
        }
        let mut names = BTreeSet::new();
        for step in &self.tasks {
            self.check(step, config)?;
            if !names.insert(step.name.as_str()) {
                return Err(format!("two tasks are called `{}`", step.name));
            }
        }
        let mut open: Vec<&Step> = self.tasks.iter().collect();
        let mut ordered: Vec<Planned> = Vec::with_capacity(open.len());
        while !open.is_empty() {
            let is_ready = |step: &Step| step.needs.iter().all(|need| ordered.iter().any(|done| done.name == *need));
            let Some(next) = open.iter().position(|step| is_ready(step)) else {
                let names: Vec<&str> = open.iter().map(|step| step.name.as_str()).collect();
                return Err(format!("these tasks need each other in a circle: {}", names.join(", ")));
            };
            ordered.push(open.remove(next).planned());
        }
        Ok(ordered)
    }

    fn check(&self, step: &Step, config: &Config) -> Result<(), String> {
        let Step { name, requirement, agent, needs, .. } = step;
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.len() > MAX_NAME || !name.chars().all(is_plain) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(format!(
                "`{name}` is no name of a task: write lower-case letters, digits and hyphens, a letter first, at most {MAX_NAME}"
            ));
        }
        if requirement.trim().is_empty() {
            return Err(format!("task `{name}`: `requirement` is empty"));
        }
        if let Some(need) = needs.iter().find(|need| !self.tasks.iter().any(|step| step.name == **need)) {
            return Err(format!("task `{name}` needs `{need}`, which is no task of the plan"));
        }
        match agent {
            Some(agent) if !config.agents.contains_key(agent) => {
                let known: Vec<&str> = config.agents.keys().map(String::as_str).collect();
                let known = if known.is_empty() {
                    "leave `agent` out".to_owned()
                } else {
                    format!("there are {}", known.join(", "))
                };
                Err(format!("task `{name}` is for `{agent}`, who is not there; {known}"))
            }
            _ => Ok(()),
        }
    }
}

impl Step {
    fn planned(&self) -> Planned {
        let Self { name, requirement, files, agent, needs } = self.clone();
        Planned { name, agent, with: With { requirement, files }, needs }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ordered(tasks: Value, config: Value) -> Result<Vec<String>, String> {
        let plan: Plan = serde_json::from_value(json!({"title": "t", "design": "d", "tasks": tasks})).unwrap();
        let planned = plan.ordered(&serde_json::from_value(config).unwrap())?;
        Ok(planned.into_iter().map(|step| step.name).collect())
    }

    fn step(name: &str, needs: &[&str]) -> Value {
        json!({"name": name, "requirement": "it works", "needs": needs})
    }

    #[test]
    fn steps_come_behind_those_that_they_need() {
        let tasks = json!([step("c", &["a", "b"]), step("a", &[]), step("b", &["a"])]);
        assert_eq!(ordered(tasks, json!({})).unwrap(), ["a", "b", "c"]);
        assert_eq!(ordered(json!([]), json!({})).unwrap(), [""; 0]);
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let agents = json!({"agents": {"coder": "writes"}, "max_tasks": 2});
        for (tasks, wanted) in [
            (json!([step("a", &["b"]), step("b", &["a"])]), "in a circle: a, b"),
            (json!([step("a", &["a"])]), "circle"),
            (json!([step("a", &["z"])]), "`z`, which is no task"),
            (json!([step("a", &[]), step("a", &[])]), "two tasks"),
            (json!([step("A b", &[])]), "no name"),
            (json!([step("a", &[]), step("b", &[]), step("c", &[])]), "2 are the most"),
            (json!([{"name": "a", "requirement": " "}]), "`requirement` is empty"),
            (json!([{"name": "a", "requirement": "x", "agent": "tester"}]), "there are coder"),
        ] {
            let error = ordered(tasks.clone(), agents.clone()).unwrap_err();
            assert!(error.contains(wanted), "{tasks}: {error}");
        }
    }
}
