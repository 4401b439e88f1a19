//! From what a file says to what the host uses: every check that is not about form, every default filled in.
//!
//! A [`Checker`] goes on after an error, with a stand-in that fits, so that one reading tells all that is wrong.

use super::abilities;
use super::error::{MAX_ERRORS, WorkflowErrors};
use super::expr::{Expression, Template, TemplateError};
use super::model::{
    AgentSpec, Budget, Checkpoints, Concurrency, InputSpec, MAX_CONCURRENCY, PluginRef, StrategySpec, VERSION,
    Workflow, WorkspaceSpec,
};
use super::path::Root;
use super::raw::{
    RawBudget, RawCheckpoints, RawConcurrency, RawInput, RawPolicy, RawStrategy, RawWorkflow, RawWorkspace,
};
use super::source::{FieldPath, Source, Tree};
use super::{attach, checks, hooks, mentions, near, tasks};
use crate::grant::Permissions;
use crate::id::Name;
use crate::path::StagePath;
use crate::units::{Fuel, Tokens};
use indexmap::IndexMap;
use serde_json::Value;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Checks the content of a workflow file.
pub(super) fn workflow(raw: RawWorkflow, source: &Source<'_>) -> Result<Workflow, WorkflowErrors> {
    check(source, |checker| checker.workflow(raw))
}

/// Checks the content of a policy file.
pub(super) fn policy(raw: RawPolicy, source: &Source<'_>) -> Result<Permissions, WorkflowErrors> {
    check(source, |checker| {
        checker.version(raw.version)?;
        // A policy is not for one workflow, so any agent may be named.
        let agents = raw.permissions.tasks.clone().unwrap_or_default();
        Some(checker.permissions(at!["permissions"], raw.permissions, agents.iter().map(String::as_str)))
    })
}

fn check<T>(source: &Source<'_>, content: impl FnOnce(&mut Checker<'_>) -> Option<T>) -> Result<T, WorkflowErrors> {
    let mut checker = Checker { source, tree: OnceCell::new(), errors: Vec::new() };
    let checked = content(&mut checker);
    match (checked, checker.errors.is_empty()) {
        (Some(checked), true) => Ok(checked),
        _ => {
            let mut errors = checker.errors;
            errors.sort_by_key(|error| (error.line, error.column));
            errors.dedup();
            errors.truncate(MAX_ERRORS);
            Err(WorkflowErrors(errors))
        }
    }
}

/// Collects errors.
pub(super) struct Checker<'a> {
    source: &'a Source<'a>,
    tree: OnceCell<Option<Tree>>,
    errors: Vec<super::error::WorkflowError>,
}

/// Makes a path of steps.
macro_rules! at {
    ($($step:expr),* $(,)?) => { [$(String::from($step)),*].as_slice() };
}
pub(super) use at;

impl Checker<'_> {
    fn tree(&self) -> Option<&Tree> {
        self.tree.get_or_init(|| Tree::read(&self.source.yaml)).as_ref()
    }

    /// Notes an error about the value at `path`.
    pub(super) fn error(&mut self, path: &[String], message: impl Into<String>, hint: impl Into<String>) {
        let at = self.tree().map_or((1, 1), |tree| tree.value_at(path));
        self.note(at, path, message.into(), hint.into());
    }

    /// Notes an error about the key at `path`.
    pub(super) fn key_error(&mut self, path: &[String], message: impl Into<String>, hint: impl Into<String>) {
        let at = self.tree().map_or((1, 1), |tree| tree.key_at(path));
        self.note(at, path, message.into(), hint.into());
    }

    /// Notes an error `offset` characters into the text at `path`.
    pub(super) fn text_error(&mut self, path: &[String], offset: usize, message: &str) {
        let at = self.tree().map_or((1, 1), |tree| tree.value_at(path));
        let at = self.source.within(at, offset);
        // The part behind a semicolon says what to do.
        let (message, hint) = message.split_once("; ").unwrap_or((message, ""));
        self.note(at, path, message.to_owned(), hint.to_owned());
    }

    fn note(&mut self, at: (u64, u64), path: &[String], message: String, hint: String) {
        if self.errors.len() < 4 * MAX_ERRORS {
            self.errors.push(self.source.error(at, path, message, hint));
        }
    }

    /// The name at the key `path`, or a stand-in.
    pub(super) fn name_key(&mut self, path: &[String], text: &str) -> Option<Name> {
        Name::new(text).map_err(|error| self.key_error(path, error.to_string(), "rename it")).ok()
    }

    /// An expression that has to be the whole text.
    pub(super) fn expression(&mut self, path: &[String], text: &str) -> Option<Expression> {
        Expression::parse(text).map_err(|error| self.text_error(path, error.offset, &error.message)).ok()
    }

    /// A value with expressions inside.
    pub(super) fn template(&mut self, path: &[String], value: Value) -> Template {
        Template::parse(value).unwrap_or_else(|errors| {
            for TemplateError { path: inner, error } in errors {
                let path: FieldPath = path.iter().cloned().chain(inner).collect();
                self.text_error(&path, error.offset, &error.message);
            }
            Template::default()
        })
    }

    /// A plugin's configuration: an object whose expressions see the inputs and facts about the run.
    fn config(&mut self, path: &[String], value: Option<Value>, inputs: &BTreeMap<String, InputSpec>) -> Template {
        let Some(value) = value else { return Template::default() };
        if !value.is_object() {
            self.error(path, "a configuration is an object", "write it as `{ field: value }`");
            return Template::default();
        }
        let template = self.template(path, value);
        self.only_inputs(path, &template, inputs);
        template
    }

    fn only_inputs(&mut self, path: &[String], template: &Template, inputs: &BTreeMap<String, InputSpec>) {
        for (inner, expression) in template.expressions() {
            let path: FieldPath = path.iter().cloned().chain(inner).collect();
            for used in expression.paths() {
                match &used.root {
                    Root::Inputs | Root::Run => mentions::check_facts(self, &path, used, inputs),
                    _ => self.error(
                        &path,
                        format!("`{used}` is not known here, because this is read before any task runs"),
                        "only `inputs` and `run` are; give the rest to the task in its `with`",
                    ),
                }
            }
        }
    }

    /// Nothing else of a file means anything when it is of another version.
    fn version(&mut self, version: u64) -> Option<()> {
        if version == VERSION {
            return Some(());
        }
        let message = format!("version {version} of the file format is not supported");
        self.error(at!["version"], message, format!("write `version: {VERSION}`, or install a newer Longhaul"));
        None
    }

    fn workflow(&mut self, raw: RawWorkflow) -> Option<Workflow> {
        self.version(raw.version)?;
        let name = Name::new(raw.name.as_str());
        if let Err(error) = &name {
            self.error(at!["name"], error.to_string(), "rename the workflow");
        }
        let inputs = self.inputs(raw.inputs);
        let prompt = self.source.prompt.to_owned();
        let objective = match raw.objective {
            Some(text) => {
                let template = self.template(at!["objective"], Value::String(text));
                self.only_inputs(at!["objective"], &template, &inputs);
                template
            }
            // Prose is not searched for expressions: it may well speak about them.
            None => Template::literal(Value::String(prompt.clone())),
        };

        let mut agents = BTreeMap::new();
        let mut agent_limits = BTreeMap::new();
        for (text, agent) in raw.agents {
            let path = at!["agents", &text].to_vec();
            let Some(name) = self.name_key(&path, &text) else { continue };
            let field = |field: &str| -> FieldPath { path.iter().cloned().chain([field.to_owned()]).collect() };
            if agent.max == Some(0) {
                self.error(&field("max"), "an agent works on at least one task at a time", "write 1 or more");
            }
            if agent.model.as_ref().is_some_and(String::is_empty) {
                self.error(&field("model"), "a model has a name", "write it, or leave the field out");
            }
            let plugin = self.plugin(&field("plugin"), &agent.plugin);
            let config = self.config(&field("config"), agent.config, &inputs);
            agent_limits.insert(name.clone(), (field("limits"), agent.limits));
            let skills = abilities::skills(self, &field("skills"), agent.skills);
            agents.insert(name, AgentSpec { plugin, config, max: agent.max, model: agent.model, skills });
        }
        let models = self.models(raw.models);
        let mut strategies = self.strategies(raw.strategies, &inputs);
        let budget = self.budget(raw.budget.unwrap_or_default());
        let concurrency = self.concurrency(raw.concurrency.unwrap_or_default(), &agents);
        let checkpoints = self.checkpoints(raw.checkpoints.unwrap_or_default());
        let workspace = self.workspace(raw.workspace.unwrap_or_default());

        let permissions = raw.permissions.unwrap_or_default();
        let permissions = self.permissions(at!["permissions"], permissions, agents.keys().map(Name::as_str));
        let tasks = tasks::Surroundings {
            inputs: &inputs,
            agents: &agents,
            agent_limits,
            defaults: raw.defaults.unwrap_or_default(),
            permissions: permissions.clone(),
            recovery: raw.recovery,
        }
        .check(self, raw.tasks, &mut strategies);
        let approvals = abilities::approvals(self, raw.approvals.unwrap_or_default());
        attach::check_approvals(self, &tasks, &approvals);
        let hooks = hooks::check(self, raw.hooks, &permissions, &approvals);
        let checks = checks::check(self, raw.checks, &agents, &permissions);
        let done_when = raw.done_when.and_then(|text| self.expression(at!["done_when"], &text));
        if let Some(expression) = &done_when {
            mentions::check_done_when(self, expression, &tasks, &inputs);
        }
        Some(Workflow {
            name: name.ok()?,
            objective,
            prompt,
            inputs,
            budget,
            concurrency,
            checkpoints,
            workspace,
            agents,
            models,
            strategies,
            tasks,
            hooks,
            checks,
            permissions,
            approvals,
            done_when,
        })
    }

    fn concurrency(&mut self, raw: RawConcurrency, agents: &BTreeMap<Name, AgentSpec>) -> Concurrency {
        let max = raw.max.unwrap_or_else(|| Concurrency::default().max);
        let mut limit = |path: &[String], max: u32| {
            if !(1..=MAX_CONCURRENCY).contains(&max) {
                let message = format!("the number of parallel tasks is 1 to {MAX_CONCURRENCY}");
                self.error(path, message, "write one in this range");
            }
        };
        limit(at!["concurrency", "max"], max);
        for (model, max) in &raw.models {
            limit(at!["concurrency", "models", model], *max);
        }
        let known = agents.values().filter_map(|agent| agent.model.as_deref()).collect::<BTreeSet<_>>();
        for model in raw.models.keys().filter(|model| !known.contains(model.as_str())) {
            // A limit on what nobody has would have no effect.
            let path = at!["concurrency", "models", model].to_vec();
            self.unknown(&path, "model of an agent", model, known.iter().copied());
        }
        Concurrency { max, models: raw.models.into_iter().collect() }
    }

    fn inputs(&mut self, raw: IndexMap<String, Option<RawInput>>) -> BTreeMap<String, InputSpec> {
        let mut inputs = BTreeMap::new();
        for (name, input) in raw {
            let path = at!["inputs", &name].to_vec();
            if self.name_key(&path, &name).is_some() {
                let input = input.unwrap_or_default();
                inputs.insert(name, InputSpec { default: input.default, description: input.description });
            }
        }
        inputs
    }

    fn plugin(&mut self, path: &[String], text: &str) -> PluginRef {
        if text.contains(['/', '\\']) || text.ends_with(".wasm") {
            if text.contains('\0') {
                self.error(path, "a path has a NUL in it", "write the path of a component file");
            }
            return PluginRef::File(text.to_owned());
        }
        match Name::new(text) {
            Ok(name) => PluginRef::Named(name),
            Err(error) => {
                self.error(path, error.to_string(), "write a plugin's name, or a file as in `./my-agent.wasm`");
                PluginRef::File(text.to_owned())
            }
        }
    }

    fn strategies(
        &mut self,
        raw: IndexMap<String, RawStrategy>,
        inputs: &BTreeMap<String, InputSpec>,
    ) -> BTreeMap<Name, StrategySpec> {
        let mut strategies = BTreeMap::new();
        for (text, strategy) in raw {
            let path = at!["strategies", &text].to_vec();
            let Some(name) = self.name_key(&path, &text) else { continue };
            let plugin = self.plugin(at!["strategies", &text, "plugin"], &strategy.plugin);
            let config = self.config(at!["strategies", &text, "config"], strategy.config, inputs);
            strategies.insert(name, StrategySpec { plugin, config });
        }
        strategies
    }

    fn budget(&mut self, raw: RawBudget) -> Budget {
        let mut budget = Budget::default();
        if let Some(text) = &raw.wall_time {
            budget.wall_time = self.duration(at!["budget", "wall_time"], text).unwrap_or(budget.wall_time);
        }
        budget.tokens = self.count(at!["budget", "tokens"], raw.tokens.as_ref()).map(Tokens);
        budget.fuel = self.count(at!["budget", "fuel"], raw.fuel.as_ref()).map(Fuel);
        budget.disk = self.size(at!["budget", "disk"], raw.disk.as_ref());
        budget.money = self.money(at!["budget", "money"], raw.money.as_ref());
        budget
    }

    fn checkpoints(&mut self, raw: RawCheckpoints) -> Checkpoints {
        let usual = match raw.profile.as_deref() {
            None => Checkpoints::default(),
            Some("production") => Checkpoints::production(),
            Some("development") => Checkpoints::development(),
            Some(other) => {
                let message = format!("there is no profile `{other}`");
                self.error(at!["checkpoints", "profile"], message, "write `production` or `development`");
                Checkpoints::default()
            }
        };
        let every = raw.every.and_then(|text| self.duration(at!["checkpoints", "every"], &text)).unwrap_or(usual.every);
        if every < Duration::from_secs(1) {
            self.error(at!["checkpoints", "every"], "checkpoints are at least a second apart", "write `1s` or more");
        }
        let keep = raw.keep.unwrap_or(usual.keep);
        if keep == 0 {
            self.error(at!["checkpoints", "keep"], "at least one checkpoint is kept", "write 1 or more");
        }
        let max_disk = self.size(at!["checkpoints", "max_disk"], raw.max_disk.as_ref()).unwrap_or(usual.max_disk);
        Checkpoints { every, keep, max_disk }
    }

    fn workspace(&mut self, raw: RawWorkspace) -> WorkspaceSpec {
        if raw.root.as_ref().is_some_and(|root| root.is_empty() || root.contains('\0')) {
            self.error(at!["workspace", "root"], "the root is not a path", "write a folder, as in `.`");
        }
        let mut caches = Vec::new();
        for (i, text) in raw.caches.iter().enumerate() {
            match StagePath::new(text.trim_end_matches('/')) {
                Ok(path) if !path.is_root() => caches.push(path),
                Ok(_) => self.error(
                    at!["workspace", "caches", i.to_string()],
                    "the root cannot be a cache",
                    "name a folder in it",
                ),
                Err(error) => self.error(
                    at!["workspace", "caches", i.to_string()],
                    error.to_string(),
                    "write a folder relative to the workspace's root, as in `target`",
                ),
            }
        }
        WorkspaceSpec { root: raw.root, caches, ignore: raw.ignore }
    }

    /// An error about a name that should be one of `known`.
    pub(super) fn unknown<'k>(
        &mut self,
        path: &[String],
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'k str> + Clone,
    ) {
        let shown: String = name.chars().take(64).collect();
        let list = near::known(&format!("{what}s"), known.clone());
        let hint = match near::nearest(name, known) {
            Some(near) => format!("did you mean `{near}`? {list}"),
            None => list,
        };
        self.error(path, format!("there is no {what} `{shown}`"), hint);
    }
}
