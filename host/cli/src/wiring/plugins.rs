//! Finds, checks and loads the plugins that a workflow names, and runs them in the sandbox.

use super::components::{self, Source};
use crate::bundled::{bundled, names};
use crate::failure::{Exit, Failure};
use crate::given::{Given, blamed};
use crate::terminal::one_line;
use longhaul_core::attempt::{AttemptReport, Job, Ran, Recorder, Usage};
use longhaul_core::digest::Digest;
use longhaul_core::id::Name;
use longhaul_core::incident::{Decision, Incident, IncidentClass, Problem, Situation};
use longhaul_core::manifest::PluginKind;
use longhaul_core::workflow::error::WorkflowError;
use longhaul_core::workflow::model::PluginRef;
use longhaul_engine::ports::{BoxFuture, PluginInfo, Plugins};
use longhaul_sandbox::{MAX_COMPONENT, Plugin, PluginError, Sandbox};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinSet;

/// The plugins of a run, ready.
pub(crate) struct Loaded {
    sandbox: Sandbox,
    agents: BTreeMap<Name, Plugin>,
    strategies: BTreeMap<Name, Plugin>,
    /// Those that had to be compiled first.
    compiled: HashSet<PluginRef>,
    /// Their components, until the run has copies of its own.
    components: Vec<Cow<'static, [u8]>>,
}

impl Loaded {
    /// Loads everything that the workflow names, several at a time. Nothing runs yet. What has to be compiled first is told
    /// to `say`, because that takes a moment.
    pub(crate) async fn load(
        sandbox: &Sandbox,
        given: &Given,
        source: Source<'_>,
        say: impl Fn(&str),
    ) -> Result<Self, Failure> {
        let workflow = &given.workflow;
        let agents = workflow.agents.iter().map(|(name, spec)| (PluginKind::Agent, name, &spec.plugin));
        let strategies = workflow.strategies.iter().map(|(name, spec)| (PluginKind::Strategy, name, &spec.plugin));
        let named: Vec<_> = agents.chain(strategies).collect();
        let mut loading = JoinSet::new();
        let (mut begun, mut compiled) = (HashSet::new(), HashSet::new());
        for (kind, name, plugin) in &named {
            if !begun.insert(*plugin) {
                continue;
            }
            let component = match source.kept(*kind, name) {
                Some(kept) => Cow::Owned(kept),
                None => read(given, *kind, name, plugin)?,
            };
            if !sandbox.is_compiled(&component) {
                say(&format!("compiling the plugin `{}`, once", one_line(&plugin.to_string(), 100)));
                compiled.insert((*plugin).clone());
            }
            let (sandbox, kind, name, plugin) = (sandbox.clone(), *kind, (*name).clone(), (*plugin).clone());
            loading.spawn(async move {
                let loaded = sandbox.load(&component).await;
                (kind, name, plugin, loaded, component)
            });
        }
        let (mut ready, mut components) = (HashMap::new(), Vec::new());
        while let Some(joined) = loading.join_next().await {
            let (kind, name, plugin, loaded, component) =
                joined.map_err(|e| Failure::of(Exit::Internal, "load the plugins", &e))?;
            let loaded = loaded.map_err(|error| refused(given, kind, &name, &plugin, &error))?;
            ready.insert(plugin, loaded);
            components.push(component);
        }
        let mut loaded = Loaded {
            sandbox: sandbox.clone(),
            agents: BTreeMap::new(),
            strategies: BTreeMap::new(),
            compiled,
            components,
        };
        for (kind, name, plugin) in named {
            let Some(found) = ready.get(plugin) else { continue };
            if found.inspection().kind != kind {
                let error = PluginError::WrongKind { expected: kind, found: found.inspection().kind };
                return Err(refused(given, kind, name, plugin, &error));
            }
            match kind {
                PluginKind::Agent => loaded.agents.insert(name.clone(), found.clone()),
                PluginKind::Strategy => loaded.strategies.insert(name.clone(), found.clone()),
            };
        }
        Ok(loaded)
    }

    /// Lets the state folder have copies of the components, for when the run goes on another day.
    pub(crate) fn keep(&mut self, state: &Path) -> Result<(), Failure> {
        let components = std::mem::take(&mut self.components);
        components.iter().try_for_each(|component| components::keep(state, &Digest::of(component), component))
    }

    /// Tells the host's own log what was loaded. That is done only when the log is there, which is after everything was
    /// checked.
    pub(crate) fn log(&self, given: &Given) {
        let refs = given.workflow.agents.iter().map(|(name, spec)| (name, &spec.plugin, self.agents.get(name)));
        let strategies =
            given.workflow.strategies.iter().map(|(name, spec)| (name, &spec.plugin, self.strategies.get(name)));
        for (name, plugin, loaded) in refs.chain(strategies) {
            let Some(loaded) = loaded else { continue };
            let PluginInfo { digest, version, .. } = info(loaded);
            let from = if self.compiled.contains(plugin) { "compiled" } else { "cache" };
            tracing::debug!(%name, kind = %loaded.inspection().kind, version, %digest, from, "a plugin is loaded");
        }
    }

    /// Checks, before anything runs, that each task gives its agent what that agent cannot do without, and that the
    /// operator's policy allows it.
    pub(crate) fn check_grants(&self, given: &Given) -> Result<(), Failure> {
        let all = given.workflow.tasks.iter();
        let all =
            all.flat_map(|(task, spec)| spec.helpers().chain(spec.agents.iter()).map(move |agent| (task, spec, agent)));
        for (task, spec, agent) in all {
            let Some(plugin) = self.agents.get(agent) else { continue };
            let manifest = &plugin.inspection().manifest;
            let unmet = |permissions| {
                let (ask, line) = manifest.unmet(permissions).into_iter().next()?;
                let asks = format!(
                    "the agent `{}` ({} {}) asks for {} on `{}`, {}",
                    agent,
                    manifest.name,
                    one_line(&manifest.version, 40),
                    ask.capability,
                    one_line(&ask.pattern, 100),
                    one_line(&ask.reason, 200),
                );
                Some((asks, one_line(&line, 200)))
            };
            if let Some((asks, line)) = unmet(&spec.permissions) {
                let own = ["tasks", task.as_str(), "permissions"];
                let field = if given.file.has(&own) { &own[..] } else { &own[..2] };
                let hint = format!("grant it by a line in `permissions` of the workflow or of this task: {line}");
                let error = given.file.error(field, format!("{asks}, and the task is not granted it"), hint);
                return Err(blamed(Exit::Refused, &error));
            }
            let Some(policy) = &given.policy else { continue };
            if let Some((asks, line)) = unmet(&policy.permissions) {
                let message = format!("tasks.{task}: {asks}, and the policy does not allow it");
                let hint = format!("grant it by a line in the policy's `permissions`: {line}");
                return Err(blamed(Exit::Refused, &policy.file.error(&["permissions"], message, hint)));
            }
        }
        Ok(())
    }
}

/// An error about a plugin that the workflow names, with the place where it does: its own entry or, for a strategy that has
/// none, the first `recovery` with its name.
fn error(given: &Given, kind: PluginKind, name: &Name, message: String, hint: &str) -> WorkflowError {
    let file = &given.file;
    let own = [if kind == PluginKind::Agent { "agents" } else { "strategies" }, name.as_str(), "plugin"];
    if !file.has(&own) {
        for (task, spec) in &given.workflow.tasks {
            let Some(place) = spec.recovery.iter().position(|strategy| strategy == name) else { continue };
            let place = place.to_string();
            for field in [&["tasks", task.as_str(), "recovery", &place][..], &["recovery", &place]] {
                if file.has(field) {
                    return file.error(field, message, hint);
                }
            }
        }
    }
    file.error(&own, message, hint)
}

fn read(given: &Given, kind: PluginKind, name: &Name, plugin: &PluginRef) -> Result<Cow<'static, [u8]>, Failure> {
    let wrong = |message, hint: &str| blamed(Exit::Invalid, &error(given, kind, name, message, hint));
    match plugin {
        PluginRef::Named(plugin) => bundled(plugin.as_str()).map(Cow::Borrowed).ok_or_else(|| {
            let hint =
                format!("the bundled ones are: {}; a file is named by its path, as in `./my-agent.wasm`", names());
            wrong(format!("there is no bundled plugin `{plugin}`"), &hint)
        }),
        PluginRef::File(path) => {
            let path = given.folder.join(path);
            let mut component = Vec::new();
            let file = std::fs::File::open(&path);
            let read = file.and_then(|file| file.take(MAX_COMPONENT as u64 + 1).read_to_end(&mut component));
            read.map_err(|e| {
                let message = format!("the plugin file {} cannot be read: {e}", path.display());
                wrong(message, "name a component file, relative to the folder of this one")
            })?;
            Ok(Cow::Owned(component))
        }
    }
}

fn refused(given: &Given, kind: PluginKind, name: &Name, plugin: &PluginRef, reason: &PluginError) -> Failure {
    let exit = match reason {
        PluginError::Worker { .. } | PluginError::Cache { .. } => Exit::Internal,
        PluginError::Changed { .. } => Exit::Refused,
        _ => Exit::Invalid,
    };
    let reason = one_line(&reason.to_string(), 1_000);
    // The part behind a semicolon says what to do.
    let (reason, hint) = reason.split_once("; ").unwrap_or((&reason, ""));
    let message = format!("`{}` cannot be used as a plugin: {reason}", one_line(&plugin.to_string(), 200));
    blamed(exit, &error(given, kind, name, message, hint))
}

fn info(plugin: &Plugin) -> PluginInfo {
    let inspection = plugin.inspection();
    PluginInfo {
        digest: inspection.digest,
        version: inspection.manifest.version.clone(),
        asks: inspection.manifest.asked(),
    }
}

impl Plugins for Loaded {
    fn agent(&self, name: &Name) -> Option<PluginInfo> {
        self.agents.get(name).map(info)
    }

    fn strategy(&self, name: &Name) -> Option<PluginInfo> {
        self.strategies.get(name).map(info)
    }

    fn run_agent<'a>(&'a self, agent: &'a Name, job: Job) -> BoxFuture<'a, Ran> {
        Box::pin(async move {
            let Some(plugin) = self.agents.get(agent) else {
                let problem = Problem::new(IncidentClass::Fatal, format!("the agent `{agent}` is not loaded"));
                return Ran::Ended(AttemptReport { result: Err(problem), usage: Usage::default() });
            };
            let attempt = job.task.attempt.clone();
            tracing::debug!(%attempt, %agent, "an attempt begins");
            let ran = self.sandbox.run_agent(plugin, job).await;
            match &ran {
                Ran::Ended(AttemptReport { result, usage }) => {
                    let ended = result.as_ref().map_or_else(|problem| problem.class.as_str(), |_| "well");
                    let Usage { fuel, memory, actions, denials, .. } = usage;
                    tracing::debug!(%attempt, ended, %fuel, %memory, actions, denials, "an attempt has ended");
                }
                Ran::Suspended(wait) => tracing::debug!(%attempt, %wait, "an attempt is suspended"),
            }
            ran
        })
    }

    fn decide<'a>(
        &'a self,
        strategy: &'a Name,
        situation: Situation,
        recorder: Arc<dyn Recorder>,
    ) -> BoxFuture<'a, Result<Option<Decision>, String>> {
        Box::pin(async move {
            match self.strategies.get(strategy) {
                Some(plugin) => {
                    let Incident { attempt, problem, .. } = &situation.incident;
                    let attempt = attempt.clone();
                    tracing::debug!(%strategy, %attempt, class = %problem.class, "a strategy is asked");
                    let answer = self.sandbox.decide(plugin, situation, recorder).await;
                    tracing::debug!(%strategy, %attempt, ?answer, "a strategy has answered");
                    answer
                }
                None => Err(format!("the strategy `{strategy}` is not loaded")),
            }
        })
    }
}
