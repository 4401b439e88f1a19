//! Finds, checks and loads the plugins that a workflow names, and runs them in the sandbox.

use crate::bundled::{bundled, names};
use crate::failure::{Exit, Failure};
use crate::terminal::one_line;
use longhaul_core::attempt::{AttemptReport, Job, Recorder, Usage};
use longhaul_core::grant::Permissions;
use longhaul_core::id::Name;
use longhaul_core::incident::{Decision, IncidentClass, Problem, Situation};
use longhaul_core::manifest::PluginKind;
use longhaul_core::workflow::model::{PluginRef, Workflow};
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
}

/// Loads everything that `workflow` names, several at a time; files are relative to `folder`. Nothing runs yet. What has to
/// be compiled first is told to `say`, because that takes a moment.
pub(crate) async fn load_plugins(
    sandbox: &Sandbox,
    workflow: &Workflow,
    folder: &Path,
    say: impl Fn(&str),
) -> Result<Loaded, Failure> {
    let agents = workflow.agents.iter().map(|(name, spec)| (PluginKind::Agent, name, &spec.plugin));
    let strategies = workflow.strategies.iter().map(|(name, spec)| (PluginKind::Strategy, name, &spec.plugin));
    let named: Vec<_> = agents.chain(strategies).collect();
    let mut loading = JoinSet::new();
    let mut begun = HashSet::new();
    for (kind, name, plugin) in &named {
        if !begun.insert(*plugin) {
            continue;
        }
        let place = place(*kind, name);
        let component = read(plugin, folder, &place)?;
        if !sandbox.is_compiled(&component) {
            say(&format!("compiling the plugin `{}`, once", one_line(&plugin.to_string(), 100)));
        }
        let (sandbox, plugin) = (sandbox.clone(), (*plugin).clone());
        loading.spawn(async move {
            let loaded = sandbox.load(&component).await.map_err(|error| refused(&plugin, &place, &error));
            (plugin, loaded)
        });
    }
    let mut ready = HashMap::new();
    while let Some(joined) = loading.join_next().await {
        let (plugin, loaded) = joined.map_err(|e| Failure::of(Exit::Internal, "load the plugins", &e))?;
        ready.insert(plugin, loaded?);
    }
    let mut loaded = Loaded { sandbox: sandbox.clone(), agents: BTreeMap::new(), strategies: BTreeMap::new() };
    for (kind, name, plugin) in named {
        let Some(found) = ready.get(plugin) else { continue };
        if found.inspection().kind != kind {
            let error = PluginError::WrongKind { expected: kind, found: found.inspection().kind };
            return Err(refused(plugin, &place(kind, name), &error));
        }
        match kind {
            PluginKind::Agent => loaded.agents.insert(name.clone(), found.clone()),
            PluginKind::Strategy => loaded.strategies.insert(name.clone(), found.clone()),
        };
    }
    Ok(loaded)
}

/// Where a workflow names a plugin.
fn place(kind: PluginKind, name: &Name) -> String {
    match kind {
        PluginKind::Agent => format!("agents.{name}.plugin"),
        PluginKind::Strategy => format!("strategies.{name}.plugin"),
    }
}

fn read(plugin: &PluginRef, folder: &Path, place: &str) -> Result<Cow<'static, [u8]>, Failure> {
    match plugin {
        PluginRef::Named(name) => bundled(name.as_str()).map(Cow::Borrowed).ok_or_else(|| {
            Failure::new(Exit::Invalid, format!("{place}: there is no bundled plugin `{name}`")).hint(format!(
                "the bundled ones are: {}; a file is named by its path, as in `./my-agent.wasm`",
                names()
            ))
        }),
        PluginRef::File(path) => {
            let path = folder.join(path);
            let mut component = Vec::new();
            let file = std::fs::File::open(&path);
            let read = file.and_then(|file| file.take(MAX_COMPONENT as u64 + 1).read_to_end(&mut component));
            read.map_err(|e| {
                Failure::of(Exit::Invalid, format!("read the plugin file {} ({place})", path.display()), &e)
            })?;
            Ok(Cow::Owned(component))
        }
    }
}

fn refused(plugin: &PluginRef, place: &str, error: &PluginError) -> Failure {
    let exit = match error {
        PluginError::Worker { .. } | PluginError::Cache { .. } => Exit::Internal,
        PluginError::Changed { .. } => Exit::Refused,
        _ => Exit::Invalid,
    };
    Failure::of(exit, format!("use `{}` as a plugin ({place})", one_line(&plugin.to_string(), 200)), error)
}

impl Loaded {
    /// Checks, before anything runs, that each task gives its agent what that agent cannot do without, and that the
    /// operator's policy allows it.
    pub(crate) fn check_grants(&self, workflow: &Workflow, policy: Option<&Permissions>) -> Result<(), Failure> {
        for (task, spec) in &workflow.tasks {
            let Some(plugin) = self.agents.get(&spec.agent) else { continue };
            let manifest = &plugin.inspection().manifest;
            let task_gives = ("the task is not granted it", "`permissions` of the workflow or of this task");
            let policy_allows = ("the policy does not allow it", "the policy's `permissions`");
            let layers = [Some((&spec.permissions, task_gives)), policy.map(|policy| (policy, policy_allows))];
            for (permissions, (what, place)) in layers.into_iter().flatten() {
                let unmet = manifest.unmet(permissions);
                let Some((ask, line)) = unmet.first() else { continue };
                let message = format!(
                    "tasks.{task}: the agent `{}` ({} {}) asks for {} on `{}`, {}, and {what}",
                    spec.agent,
                    manifest.name,
                    one_line(&manifest.version, 40),
                    ask.capability,
                    one_line(&ask.pattern, 100),
                    one_line(&ask.reason, 200),
                );
                let hint = format!("grant it by a line in {place}: {}", one_line(line, 200));
                return Err(Failure::new(Exit::Refused, message).hint(hint));
            }
        }
        Ok(())
    }
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

    fn run_agent<'a>(&'a self, agent: &'a Name, job: Job) -> BoxFuture<'a, AttemptReport> {
        Box::pin(async move {
            match self.agents.get(agent) {
                Some(plugin) => self.sandbox.run_agent(plugin, job).await,
                None => AttemptReport {
                    result: Err(Problem::new(IncidentClass::Fatal, format!("the agent `{agent}` is not loaded"))),
                    usage: Usage::default(),
                },
            }
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
                Some(plugin) => self.sandbox.decide(plugin, situation, recorder).await,
                None => Err(format!("the strategy `{strategy}` is not loaded")),
            }
        })
    }
}
