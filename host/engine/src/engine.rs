//! Begins a run, and sees it to its end.

use crate::error::{EngineError, Halt};
use crate::executor::Grants;
use crate::ledger::Ledger;
use crate::options::RunOptions;
use crate::orchestrator::{Book, Dispatcher, Outputs};
use crate::ports::{PluginInfo, Ports};
use crate::report::RunReport;
use crate::shared::{Configured, FuelMeter, Head, Shared, Stop};
use longhaul_core::digest::Digest;
use longhaul_core::entry::Entry;
use longhaul_core::graph::Graph;
use longhaul_core::id::{Name, RunId};
use longhaul_core::manifest::PluginKind;
use longhaul_core::workflow::expr::{Scope, Template};
use longhaul_core::workflow::model::Workflow;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Runs workflows on its ports.
#[derive(Clone)]
pub struct Engine {
    ports: Ports,
}

impl Engine {
    /// An engine on these ports.
    pub fn new(ports: Ports) -> Self {
        Self { ports }
    }

    /// Runs `workflow` from version `base` of its workspace to an end.
    ///
    /// A run whose tasks fail has an end too: see [`RunReport::status`]. Needs a Tokio runtime. To end it early use
    /// [`RunOptions::cancel`] and go on polling: a dropped future leaves the record without an end.
    ///
    /// # Errors
    /// [`EngineError`] where it could not begin, or the record was lost.
    #[tracing::instrument(name = "run", skip_all, fields(run = %run, workflow = %workflow.name))]
    pub async fn run(
        &self,
        run: RunId,
        workflow: Workflow,
        base: Digest,
        options: RunOptions,
    ) -> Result<RunReport, EngineError> {
        let graph = Graph::new(&workflow)?;
        let started = self.ports.time.now();
        let facts = json!({ "id": run.as_str(), "workflow": workflow.name.as_str(), "started": started.to_string() });
        let shared = Arc::new(self.share(&run, &workflow, base, &options, &facts)?);
        let workflow = Arc::new(workflow);
        let halt = |halt: Halt| halt.of_run(run.clone());
        let RunOptions { source, host, isolation, inputs, apply, cancel, .. } = options;
        let entry =
            Entry::RunStarted { run: run.clone(), workflow: workflow.name.to_string(), source, base, host, isolation };
        announce(&shared, entry).map_err(halt)?;
        let book = Book::new(&workflow, graph, shared.ledger.clone()).map_err(halt)?;
        // Nothing is done for a run that the record might not know.
        shared.ledger.flush().await.map_err(|error| halt(error.into()))?;
        let outputs = Outputs::new(&workflow, inputs, facts);
        let mut dispatcher = Dispatcher::new(shared, workflow, book, outputs);
        dispatcher.work(cancel.cancelled()).await.map_err(halt)?;
        dispatcher.finish(base, started, apply).await.map_err(halt)
    }

    /// Works out what holds for the whole run.
    fn share(
        &self,
        run: &RunId,
        workflow: &Workflow,
        base: Digest,
        options: &RunOptions,
        facts: &Value,
    ) -> Result<Shared, EngineError> {
        let scope = Scope { inputs: &options.inputs, tasks: &BTreeMap::new(), item: None, run: facts };
        let evaluate = |template: &Template, field: String| {
            template.evaluate(&scope).map_err(|source| EngineError::Evaluate { field, source })
        };
        let mut agents = BTreeMap::new();
        for (name, spec) in &workflow.agents {
            let info = loaded(PluginKind::Agent, name, self.ports.plugins.agent(name))?;
            let config = evaluate(&spec.config, format!("agents.{name}.config"))?;
            agents.insert(name.clone(), Configured { info, config });
        }
        let mut strategies = BTreeMap::new();
        for (name, spec) in &workflow.strategies {
            let info = loaded(PluginKind::Strategy, name, self.ports.plugins.strategy(name))?;
            let config = evaluate(&spec.config, format!("strategies.{name}.config"))?;
            strategies.insert(name.clone(), Configured { info, config });
        }
        let mut objective = match evaluate(&workflow.objective, "objective".to_owned())? {
            Value::String(text) => text,
            Value::Object(empty) if empty.is_empty() => String::new(),
            other => other.to_string(),
        };
        if !workflow.prompt.is_empty() {
            objective = [objective.as_str(), workflow.prompt.as_str()].join("\n\n").trim_start().to_owned();
        }
        Ok(Shared {
            run: run.clone(),
            workflow: workflow.name.clone(),
            objective,
            policy: options.policy.clone(),
            grants: Grants::default(),
            agents,
            strategies,
            seed: options.seed,
            ports: self.ports.clone(),
            ledger: Arc::new(Ledger::new(run.clone(), &self.ports)),
            head: Head::new(base),
            fuel: FuelMeter::new(workflow.budget.fuel),
            stop: Stop::new(),
        })
    }
}

fn loaded(kind: PluginKind, name: &Name, info: Option<PluginInfo>) -> Result<PluginInfo, EngineError> {
    info.ok_or_else(|| EngineError::PluginMissing { kind, name: name.to_string() })
}

/// Records that the run begins, and which plugins take part.
fn announce(shared: &Shared, started: Entry) -> Result<(), Halt> {
    shared.ledger.run(started)?;
    let kinds = [(PluginKind::Agent, &shared.agents), (PluginKind::Strategy, &shared.strategies)];
    for (plugin, (name, configured)) in kinds.into_iter().flat_map(|(kind, all)| all.iter().map(move |one| (kind, one)))
    {
        let PluginInfo { digest, version, .. } = &configured.info;
        let used = Entry::PluginUsed { name: name.clone(), plugin, digest: *digest, version: version.clone() };
        shared.ledger.run(used)?;
    }
    Ok(())
}
