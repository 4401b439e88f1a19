//! `longhaul strategy`.

mod told;

use crate::failure::{Exit, Failure};
use crate::given::Given;
use crate::session::block_on;
use crate::state::{Place, resolve};
use crate::terminal::{one_line, say};
use crate::wiring::sandbox;
use longhaul_core::attempt::{AttemptEvent, RecordError, Recorder};
use longhaul_core::id::{Name, RunId};
use longhaul_core::manifest::PluginKind;
use longhaul_core::workflow::model::{PluginRef, Workflow};
use longhaul_engine::{Backtest, PastIncident};
use longhaul_sandbox::{Plugin, PluginError, Sandbox, WallPolicy};
use longhaul_wiring::RecordsPort;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use told::{Now, Row, Told};

/// Try recovery strategies before they are relied on
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what a strategy would have decided about the incidents of past runs, without doing any of it
    ///
    /// For example: longhaul strategy test ./my-strategy.wasm --config '{"attempts": 5}'
    Test(Test),
}

#[derive(Debug, clap::Args)]
struct Test {
    /// A component file, or the name of a bundled strategy
    strategy: String,
    /// Only the incidents of this run, a run's id, the beginning of one, or `last`; may be repeated
    #[arg(long)]
    run: Vec<String>,
    /// Its configuration, a JSON object or `@` and a file with one [default: what each run's workflow gives it]
    #[arg(long, value_name = "JSON|@FILE")]
    config: Option<String>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(place: &Place, args: &Args) -> Result<ExitCode, Failure> {
    match &args.command {
        Command::Test(args) => test(place, args),
    }
}

fn test(place: &Place, args: &Test) -> Result<ExitCode, Failure> {
    let folder = place.find()?;
    let runs = runs(place, &args.run)?;
    let config = args.config.as_deref().map(read_config).transpose()?;
    let component = super::plugin::read(&args.strategy)?;
    let records = RecordsPort::new(place.reader()?);
    block_on(async {
        let sandbox = sandbox(&folder, 1, WallPolicy::BestEffort)
            .map_err(|e| Failure::of(Exit::Internal, "set up the sandbox", &e))?;
        let plugin = load(&sandbox, &args.strategy, &component).await?;
        let stage = Rehearsal { sandbox, plugin, given: args.strategy.clone(), config };
        let mut told = Told::new(stage.plugin.inspection(), runs.len());
        for run in &runs {
            let unreadable =
                |e: longhaul_engine::HistoryError| Failure::of(Exit::Internal, format!("read the record of {run}"), &e);
            let past = Backtest::read(&records, run).map_err(unreadable)?;
            if past.incidents.is_empty() {
                continue;
            }
            let workflow = Given::recorded(&past.history)?.workflow;
            for incident in &past.incidents {
                told.rows.push(stage.ask(&past, &workflow, incident).await?);
            }
        }
        match args.json {
            true => super::print_json(&told.json())?,
            false => super::print_text(&told.text()),
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// The runs whose incidents are wanted, oldest first.
fn runs(place: &Place, given: &[String]) -> Result<Vec<RunId>, Failure> {
    let reader = place.reader()?;
    if !given.is_empty() {
        return given.iter().map(|run| resolve(&reader, run)).collect();
    }
    let runs = reader.runs().map_err(|e| Failure::of(Exit::Internal, "read the runs", &e))?;
    Ok(runs.into_iter().rev().map(|run| run.id).collect())
}

fn read_config(given: &str) -> Result<Value, Failure> {
    let text = match given.strip_prefix('@') {
        None => given.to_owned(),
        Some(file) => std::fs::read_to_string(Path::new(file))
            .map_err(|e| Failure::of(Exit::Invalid, format!("read the configuration {file}"), &e))?,
    };
    match serde_json::from_str(&text) {
        Ok(config @ Value::Object(_)) => Ok(config),
        Ok(_) => Err(Failure::new(Exit::Invalid, "`--config` is not a JSON object")
            .hint("for example `--config '{\"attempts\": 5}'`, or `--config @FILE`")),
        Err(e) => Err(Failure::of(Exit::Invalid, "read `--config` as JSON", &e)
            .hint("for example `--config '{\"attempts\": 5}'`, or `--config @FILE`")),
    }
}

async fn load(sandbox: &Sandbox, given: &str, component: &[u8]) -> Result<Plugin, Failure> {
    let shown = one_line(given, 200);
    if !sandbox.is_compiled(component) {
        say(&format!("compiling the plugin `{shown}`, once"));
    }
    let refused = |e: &PluginError| Failure::of(Exit::Invalid, format!("use `{shown}` as a strategy"), e);
    let plugin = sandbox.load(component).await.map_err(|e| refused(&e))?;
    match plugin.inspection().kind {
        PluginKind::Strategy => Ok(plugin),
        found => Err(refused(&PluginError::WrongKind { expected: PluginKind::Strategy, found })),
    }
}

/// A strategy that is asked about what is past.
struct Rehearsal {
    sandbox: Sandbox,
    plugin: Plugin,
    /// As it was named on the command line.
    given: String,
    config: Option<Value>,
}

impl Rehearsal {
    async fn ask(&self, past: &Backtest, workflow: &Workflow, incident: &PastIncident) -> Result<Row, Failure> {
        let name = self.name_in(past, workflow, incident);
        let run = &past.history.run;
        let config = match &self.config {
            Some(config) => config.clone(),
            None => past
                .config(workflow, &name)
                .map_err(|e| {
                    Failure::of(Exit::Invalid, format!("work out the configuration of `{name}` in {run}"), &e)
                })?
                .unwrap_or_else(|| json!({})),
        };
        let situation = past.situation(incident, workflow, &name, config);
        let now = match self.sandbox.decide(&self.plugin, situation, Arc::new(Unrecorded)).await {
            Ok(None) => Now::Left,
            Ok(Some(decision)) => match incident.check(workflow, &decision) {
                Ok(()) => Now::Decided(decision),
                Err(why) => Now::Refused(Some(decision), why),
            },
            Err(why) => Now::Refused(None, why),
        };
        Ok(Row::new(run.clone(), incident, now))
    }

    /// What the run's workflow calls this strategy, first in the chain that was asked; its own name where it has no part in it.
    fn name_in(&self, past: &Backtest, workflow: &Workflow, incident: &PastIncident) -> Name {
        let inspection = self.plugin.inspection();
        let chain = incident.task(workflow).map(|task| task.recovery.as_slice()).unwrap_or_default();
        let is_this = |name: &&Name| {
            past.history.plugin(PluginKind::Strategy, name) == Some(inspection.digest)
                || workflow.strategies.get(*name).is_some_and(|spec| is_same(&spec.plugin, &self.given))
        };
        let found = chain.iter().chain(workflow.strategies.keys()).find(is_this);
        found.unwrap_or(&inspection.manifest.name).clone()
    }
}

/// Whether a workflow that names `plugin` means what is `given`: also another build of the file, which is what is tried.
fn is_same(plugin: &PluginRef, given: &str) -> bool {
    match plugin {
        PluginRef::Named(name) => name.as_str() == given,
        PluginRef::File(file) => Path::new(file).file_name() == Path::new(given).file_name(),
    }
}

/// What a strategy logs is not kept: nothing happens here that could be told later.
struct Unrecorded;

impl Recorder for Unrecorded {
    fn record(&self, _: AttemptEvent) -> Result<(), RecordError> {
        Ok(())
    }
}
