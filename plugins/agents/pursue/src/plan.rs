//! The planner's output: the tasks of one round. A model may have written it, so it is checked.

use crate::config::Config;
use crate::team::Request;
use longhaul_sdk::Failure;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// A planned task.
#[derive(Clone, Debug, Deserialize)]
pub struct Planned {
    /// Unique in its round.
    pub name: String,
    /// Who does it; the configured worker where none is named.
    pub agent: Option<String>,
    /// Its input.
    #[serde(default)]
    pub with: Map<String, Value>,
    /// Tasks of the same round that have to end well first.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Higher goes first.
    #[serde(default)]
    pub priority: i32,
}

/// The tasks that `output` lists, as requests whose names begin with `prefix`, in an order in which each comes behind those that it needs.
///
/// # Errors
/// The list is missing, too long, or something in it makes no sense: the planner has to try again.
pub fn planned(output: &Value, prefix: &str, config: &Config) -> Result<Vec<Request>, Failure> {
    let field = &config.tasks;
    let wrong = |what: String| Failure::validation(format!("the plan of `{}` cannot be used: {what}", config.planner));
    let list = output.get(field).and_then(Value::as_array);
    let list = list.ok_or_else(|| wrong(format!("its output has no list `{field}`")))?;
    if list.len() > config.max_tasks {
        return Err(wrong(format!("it has {} tasks, more than `max_tasks`, {}", list.len(), config.max_tasks)));
    }
    let mut open = Vec::with_capacity(list.len());
    for (index, item) in list.iter().enumerate() {
        let planned = Planned::deserialize(item).map_err(|error| wrong(format!("{field}[{index}]: {error}")))?;
        open.push(planned);
    }
    let names: HashSet<_> = open.iter().map(|planned| planned.name.clone()).collect();
    if names.len() < open.len() {
        return Err(wrong("two tasks have the same name".to_owned()));
    }
    let (mut requests, mut placed) = (Vec::with_capacity(open.len()), HashSet::new());
    while !open.is_empty() {
        let (ready, rest): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|planned| planned.needs.iter().all(|need| placed.contains(need)));
        if let (true, Some(stuck)) = (ready.is_empty(), rest.first()) {
            let missing = stuck.needs.iter().find(|need| !names.contains(*need));
            return Err(wrong(match missing {
                Some(need) => format!("`{}` needs `{need}`, which is not planned", stuck.name),
                None => format!("`{}` needs itself by way of others", stuck.name),
            }));
        }
        placed.extend(ready.iter().map(|planned| planned.name.clone()));
        for Planned { name, agent, with, needs, priority } in ready {
            let agent = agent.or_else(|| config.worker.clone());
            let agent =
                agent.ok_or_else(|| wrong(format!("`{name}` names no agent, and no `worker` is configured")))?;
            let prefixed = |name: &String| format!("{prefix}-{name}");
            let (name, needs) = (prefixed(&name), needs.iter().map(prefixed).collect());
            requests.push(Request { name, agent, input: json!(with), needs, priority });
        }
        open = rest;
    }
    Ok(requests)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        serde_json::from_value(json!({ "planner": "architect", "check": "tests", "max_tasks": 3 })).unwrap()
    }

    #[test]
    fn tasks_come_behind_those_that_they_need() {
        let output = json!({ "tasks": [
            { "name": "b", "agent": "coder", "needs": ["a"], "with": { "file": "x" } },
            { "name": "a", "agent": "coder", "priority": 2 },
        ] });
        let requests = planned(&output, "r2", &config()).unwrap();
        let names: Vec<_> = requests.iter().map(|r| (r.name.as_str(), r.needs.len(), r.priority)).collect();
        assert_eq!(names, [("r2-a", 0, 2), ("r2-b", 1, 0)]);
        assert_eq!(
            (requests[1].needs.as_slice(), &requests[1].input),
            (&["r2-a".to_owned()][..], &json!({"file": "x"}))
        );
    }

    #[test]
    fn a_plan_that_makes_no_sense_says_why() {
        let task = |name: &str, needs: &[&str]| json!({ "name": name, "agent": "coder", "needs": needs });
        for (output, reason) in [
            (json!({}), "no list `tasks`"),
            (json!({ "tasks": 3 }), "no list `tasks`"),
            (json!({ "tasks": [{ "agent": "coder" }] }), "tasks[0]: missing field `name`"),
            (json!({ "tasks": [{ "name": "a" }] }), "`a` names no agent, and no `worker` is configured"),
            (json!({ "tasks": [task("a", &[]), task("a", &[])] }), "the same name"),
            (json!({ "tasks": [task("a", &["b"])] }), "needs `b`, which is not planned"),
            (json!({ "tasks": [task("a", &["b"]), task("b", &["a"])] }), "needs itself"),
            (json!({ "tasks": vec![task("a", &[]); 4] }), "more than `max_tasks`, 3"),
        ] {
            let failure = planned(&output, "r1", &config()).unwrap_err();
            assert!(failure.message.contains(reason), "{output}: {failure}");
            assert!(failure.message.contains("architect"), "{failure}");
        }
    }
}
