//! Checks of tasks: who works on them, what they need, what they inherit, and what is wrong with each field.

use super::attach;
use super::check::{Checker, at};
use super::expr::Template;
use super::mentions;
use super::model::{
    AgentSpec, CompensationSpec, DEFAULT_ATTEMPTS, DEFAULT_RECOVERY, InputSpec, PluginRef, SplitSpec, StrategySpec,
    TaskSpec,
};
use super::raw::{Names, RawCompensation, RawDefaults, RawLimits, RawSplit, RawTask};
use super::source::FieldPath;
use crate::agents::Agents;
use crate::attempt::Limits;
use crate::grant::Permissions;
use crate::graph::find_cycle;
use crate::id::Name;
use indexmap::IndexMap;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// The most tasks that a file may hold; a `for_each` makes more of them at run time.
const MAX_TASKS: usize = 2_000;
/// The most attempts that can be asked for.
const MAX_ATTEMPTS: u32 = 100;

/// What the tasks of a workflow have in common.
pub(super) struct Surroundings<'a> {
    pub inputs: &'a BTreeMap<String, InputSpec>,
    pub agents: &'a BTreeMap<Name, AgentSpec>,
    pub agent_limits: BTreeMap<Name, (FieldPath, Option<RawLimits>)>,
    pub defaults: RawDefaults,
    /// What the workflow gives all of them.
    pub permissions: Permissions,
    pub recovery: Option<Vec<String>>,
}

/// What the tasks inherit, checked.
struct Inherited {
    agents: Option<Agents>,
    limits: BTreeMap<Name, Limits>,
    attempts: u32,
    permissions: Permissions,
    recovery: Vec<Name>,
}

impl Surroundings<'_> {
    /// Checks the tasks; the strategies that they name are added to `strategies`.
    pub(super) fn check(
        self,
        checker: &mut Checker<'_>,
        raw: IndexMap<String, Option<RawTask>>,
        strategies: &mut BTreeMap<Name, StrategySpec>,
    ) -> IndexMap<Name, TaskSpec> {
        let inherited = self.inherited(checker, strategies);
        if raw.is_empty() {
            checker.error(at!["tasks"], "the workflow has no tasks", "add one, as in `review: { agent: reviewer }`");
        }
        if raw.len() > MAX_TASKS {
            let message = format!("the workflow has {} tasks, more than {MAX_TASKS}", raw.len());
            checker.error(at!["tasks"], message, "let a `for_each` make them, or an agent spawn them");
            return IndexMap::new();
        }
        let names: Vec<String> = raw.keys().cloned().collect();
        let known: HashSet<&str> = names.iter().map(String::as_str).collect();
        let mut tasks = IndexMap::new();
        for (text, task) in raw {
            let Some(name) = checker.name_key(at!["tasks", &text], &text) else { continue };
            let mut task = task.unwrap_or_default();
            let needs = std::mem::take(&mut task.needs);
            let needs = check_needs(checker, &name, needs, &known, &names);
            let spec = self.task(checker, &name, task, needs, &inherited, strategies);
            tasks.insert(name, spec);
        }
        if check_cycles(checker, &tasks) {
            for (name, task) in &tasks {
                mentions::check_task(checker, name, task, &tasks, self.inputs);
            }
        }
        tasks
    }

    fn agent_names(&self) -> Vec<&str> {
        self.agents.keys().map(Name::as_str).collect()
    }

    fn inherited(&self, checker: &mut Checker<'_>, strategies: &mut BTreeMap<Name, StrategySpec>) -> Inherited {
        let agents = match &self.defaults.agent {
            Some(names) => self.anyone(checker, at!["defaults", "agent"], names),
            None if self.agents.len() == 1 => self.agents.keys().next().cloned().map(Agents::only),
            None => None,
        };
        let mut common = checker.limits(at!["defaults", "limits"], self.defaults.limits.as_ref(), Limits::default());
        if let Some(text) = &self.defaults.timeout {
            common.time = checker.duration(at!["defaults", "timeout"], text).unwrap_or(common.time);
        }
        let limits = self
            .agent_limits
            .iter()
            .map(|(name, (path, raw))| (name.clone(), checker.limits(path, raw.as_ref(), common.clone())));
        let limits = limits.collect();
        let attempts = self.defaults.retry.as_ref().map_or(DEFAULT_ATTEMPTS, |retry| retry.attempts);
        check_attempts(checker, at!["defaults", "retry", "attempts"], attempts);
        let recovery = self.recovery.clone().unwrap_or_else(|| DEFAULT_RECOVERY.map(String::from).to_vec());
        let recovery = check_recovery(checker, at!["recovery"], recovery, strategies);
        Inherited { agents, limits, attempts, permissions: self.permissions.clone(), recovery }
    }

    /// The agents of a field that takes one or a list.
    fn anyone(&self, checker: &mut Checker<'_>, path: &[String], raw: &Names) -> Option<Agents> {
        let mut found: Vec<Name> = Vec::new();
        for (i, text) in raw.names.iter().enumerate() {
            let mut path = path.to_vec();
            if raw.is_list {
                path.push(i.to_string());
            }
            match self.agent(checker, &path, text) {
                Some(name) if found.contains(&name) => {
                    checker.error(&path, format!("`{name}` is there twice"), "remove one of the two");
                }
                found_one => found.extend(found_one),
            }
        }
        if raw.names.is_empty() {
            checker.error(path, "nobody is named", "name an agent, or several of which anyone may do it");
        }
        let mut found = found.into_iter();
        Some(Agents::any(found.next()?, found))
    }

    fn agent(&self, checker: &mut Checker<'_>, path: &[String], text: &str) -> Option<Name> {
        let found = Name::new(text).ok().filter(|name| self.agents.contains_key(name));
        if found.is_none() {
            checker.unknown(path, "agent", text, self.agent_names());
        }
        found
    }

    fn task(
        &self,
        checker: &mut Checker<'_>,
        name: &Name,
        raw: RawTask,
        needs: Vec<Name>,
        inherited: &Inherited,
        strategies: &mut BTreeMap<Name, StrategySpec>,
    ) -> TaskSpec {
        let RawTask {
            agent,
            needs: _,
            for_each,
            condition,
            input,
            attach,
            permissions,
            timeout,
            deadline,
            priority,
            retry,
            reuse,
            verify,
            recovery,
            compensate,
            split,
            limits,
        } = raw;
        let field = |field: &str| -> FieldPath { at!["tasks", name.as_str(), field].to_vec() };
        let agents = match agent {
            Some(names) => self.anyone(checker, &field("agent"), &names),
            None => {
                if inherited.agents.is_none() && self.defaults.agent.is_none() {
                    checker.key_error(
                        at!["tasks", name.as_str()],
                        "nobody works on this task",
                        "add `agent:` here, or under `defaults:` for all tasks",
                    );
                }
                inherited.agents.clone()
            }
        };
        let base = agents.as_ref().and_then(|agents| inherited.limits.get(agents.first())).cloned().unwrap_or_default();
        let mut effective = checker.limits(&field("limits"), limits.as_ref(), base);
        if let Some(text) = timeout {
            effective.time = checker.duration(&field("timeout"), &text).unwrap_or(effective.time);
        }
        if effective.time < Duration::from_secs(1) {
            checker.error(&field("timeout"), "a task has at least a second", "write `1s` or more");
        }
        let deadline = deadline.and_then(|text| checker.at_least_a_second(&field("deadline"), &text));
        if let Some(retry) = &retry {
            check_attempts(checker, at!["tasks", name.as_str(), "retry", "attempts"], retry.attempts);
        }
        if verify && reuse == Some(true) {
            checker.error(&field("reuse"), "a task that judges looks itself", "remove `reuse` or `verify`");
        }
        let attempts = retry.map_or(inherited.attempts, |retry| retry.attempts);
        let permissions = match permissions {
            Some(raw) => {
                let own = checker.permissions(&field("permissions"), raw, self.agent_names());
                inherited.permissions.overridden_by(&own)
            }
            None => inherited.permissions.clone(),
        };
        let recovery = match recovery {
            Some(list) => check_recovery(checker, &field("recovery"), list, strategies),
            None => inherited.recovery.clone(),
        };
        let with = check_with(checker, &field("with"), input);
        let (attach, place) = match (attach, &self.defaults.attach) {
            (Some(own), _) => (own, field("attach")),
            (None, usual) => (usual.clone(), at!["defaults", "attach"].to_vec()),
        };
        let attach = attach::check(checker, &place, attach, &permissions);
        if !attach.is_empty() && reuse == Some(true) {
            let message = "a task with attachments is always done itself";
            checker.error(&field("reuse"), message, "remove `reuse` or `attach`");
        }
        let below = |outer: &str, inner: &str| -> FieldPath { at!["tasks", name.as_str(), outer, inner].to_vec() };
        let compensate = compensate.and_then(|RawCompensation { agent, input }| {
            let with = check_with(checker, &below("compensate", "with"), input);
            let agent = self.agent(checker, &below("compensate", "agent"), &agent)?;
            Some(CompensationSpec { agent, with })
        });
        let split = split.and_then(|RawSplit { agent, input, pieces, field }| {
            let with = input.map(|input| check_with(checker, &below("split", "with"), Some(input)));
            let agent = self.agent(checker, &below("split", "agent"), &agent)?;
            Some(SplitSpec { agent, with, pieces: pieces.unwrap_or_else(|| "pieces".to_owned()), field })
        });
        let for_each = for_each.map(|value| {
            let template = checker.template(&field("for_each"), value);
            let is_usable = template.is_list() || template.as_expression().is_some();
            // A template that had errors stands as an empty object, and has been told of.
            if !is_usable && template.as_literal().is_none_or(|v| !v.as_object().is_some_and(serde_json::Map::is_empty))
            {
                checker.error(
                    &field("for_each"),
                    "`for_each` takes a list",
                    "write one, as in `[a, b]`, or one expression, as in `${{ tasks.plan.chunks }}`",
                );
            }
            template
        });
        let condition = condition.and_then(|text| checker.expression(&field("if"), &text));
        TaskSpec {
            // Without an agent there is an error, and this name is never used.
            agents: agents.unwrap_or_else(|| Agents::only(name.clone())),
            needs,
            for_each,
            condition,
            with,
            permissions,
            limits: effective,
            deadline,
            priority,
            attempts,
            // What judges looks itself, and what is captured is captured anew.
            reuse: !verify && attach.is_empty() && reuse.or(self.defaults.reuse).unwrap_or(true),
            verify,
            attach,
            recovery,
            compensate,
            split,
        }
    }
}

/// What an agent is given.
fn check_with(checker: &mut Checker<'_>, path: &[String], input: Option<Value>) -> Template {
    let wrong = |checker: &mut Checker<'_>| {
        checker.error(path, "what a task is given is an object", "write it as `{ field: value }`");
    };
    match input {
        None => Template::default(),
        Some(value) if value.is_object() => checker.template(path, value),
        // One expression may stand for the whole object.
        Some(value) if value.is_string() => {
            let template = checker.template(path, value);
            if template.as_expression().is_none() {
                wrong(checker);
            }
            template
        }
        Some(_) => {
            wrong(checker);
            Template::default()
        }
    }
}

fn check_needs(
    checker: &mut Checker<'_>,
    name: &Name,
    raw: Names,
    known: &HashSet<&str>,
    names: &[String],
) -> Vec<Name> {
    let mut needs: Vec<Name> = Vec::new();
    for (i, text) in raw.names.iter().enumerate() {
        let mut path = at!["tasks", name.as_str(), "needs"].to_vec();
        if raw.is_list {
            path.push(i.to_string());
        }
        match Name::new(text.as_str()).ok().filter(|need| known.contains(need.as_str())) {
            Some(need) if needs.contains(&need) => {
                checker.error(&path, format!("`{need}` is needed twice"), "remove one of the two");
            }
            Some(need) => needs.push(need),
            None => checker.unknown(&path, "task", text, names.iter().map(String::as_str)),
        }
    }
    needs
}

/// Whether the tasks have no cycle; names the first one otherwise.
fn check_cycles(checker: &mut Checker<'_>, tasks: &IndexMap<Name, TaskSpec>) -> bool {
    let edges: Vec<Vec<usize>> =
        tasks.values().map(|task| task.needs.iter().filter_map(|need| tasks.get_index_of(need)).collect()).collect();
    let Some(cycle) = find_cycle(&edges) else { return true };
    let names: Vec<&str> = cycle.iter().filter_map(|i| tasks.get_index(*i)).map(|(name, _)| name.as_str()).collect();
    let Some(first) = names.first() else { return true };
    // The last one in the chain closes the circle.
    let shown = match names.len() {
        0..=12 => names.join(" → "),
        _ => format!("{} → … ({} more)", names[..12].join(" → "), names.len() - 12),
    };
    checker.error(
        at!["tasks", *first, "needs"],
        format!("these tasks wait for each other: {shown} → {first}"),
        "remove one of these `needs`",
    );
    false
}

fn check_attempts(checker: &mut Checker<'_>, path: &[String], attempts: u32) {
    if !(1..=MAX_ATTEMPTS).contains(&attempts) {
        checker.error(path, "a task is tried at least once", format!("write a number from 1 to {MAX_ATTEMPTS}"));
    }
}

/// The names of strategies; those that are not declared become plugins of that name.
fn check_recovery(
    checker: &mut Checker<'_>,
    path: &[String],
    list: Vec<String>,
    strategies: &mut BTreeMap<Name, StrategySpec>,
) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    for (i, text) in list.into_iter().enumerate() {
        let path: FieldPath = path.iter().cloned().chain([i.to_string()]).collect();
        match Name::new(text) {
            Err(error) => checker.error(&path, error.to_string(), "write the name of a strategy, as in `retry-jitter`"),
            Ok(name) if names.contains(&name) => {
                checker.error(&path, format!("`{name}` is there twice"), "remove one of the two");
            }
            Ok(name) => {
                strategies.entry(name.clone()).or_insert_with(|| StrategySpec {
                    plugin: PluginRef::Named(name.clone()),
                    config: Template::default(),
                });
                names.push(name);
            }
        }
    }
    names
}
