//! What host calls of a run reach outside, made of what the workflow says and how this host is configured.

use crate::configuration::{self, Configuration};
use crate::failure::{Exit, Failure};
use crate::given::{Given, blamed};
use crate::wiring::commands;
use longhaul_core::grant::Permissions;
use longhaul_core::reach::Services;
use longhaul_services::Network;
use longhaul_services::http::{HostWeb, Secrets, SystemLookup};
use longhaul_services::model::HostModels;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The services of a run. What the workflow names, and is not there, is told before anything begins.
///
/// Commands are run on the threads of the runtime that this is called on, with the `tools` of the operator; models are asked there.
pub(crate) fn services(
    given: &Given,
    host: &Configuration,
    tools: &[PathBuf],
    require_isolation: bool,
) -> Result<Services, Failure> {
    let network = Arc::new(configuration::network(&host.config)?);
    let models = models(given, host, &network)?;
    let commands = commands(tools, require_isolation);
    let secrets = host.config.secrets.iter();
    let secrets = secrets.map(|(name, config)| (name.clone(), config.clone(), configuration::secret(&config.source)));
    let web = HostWeb::new(network, Arc::new(SystemLookup), Secrets::new(secrets), Handle::current());
    Ok(Services { models: Some(Arc::new(models)), web: Some(Arc::new(web)), commands: Some(Arc::new(commands)) })
}

fn models(given: &Given, host: &Configuration, network: &Arc<Network>) -> Result<HostModels, Failure> {
    let mut models = HostModels::configured(&host.config, configuration::secret, network, &Handle::current());
    for (name, spec) in &given.workflow.models {
        let text = given.scripts.get(name).map(String::as_str).unwrap_or_default();
        models.answered_from(name, spec, text).map_err(|error| {
            let error = error.to_string();
            // The part behind a semicolon says what to do.
            let (reason, hint) = error.split_once("; ").unwrap_or((&error, "correct the file"));
            let message = format!("`{}` cannot answer for a model: {reason}", spec.file());
            blamed(Exit::Invalid, &given.file.error(&["models", name, spec.field()], message, hint))
        })?;
    }
    named(given, |model| models.why_not(model).map_or(Ok(()), Err))?;
    Ok(models)
}

/// Looks at each model that a grant of the workflow names.
fn named(given: &Given, look: impl Fn(&str) -> Result<(), String>) -> Result<(), Failure> {
    let none = Vec::new();
    for (task, spec) in &given.workflow.tasks {
        let Permissions { model, .. } = &spec.permissions;
        for (place, model) in model.as_ref().unwrap_or(&none).iter().enumerate().filter(|(_, model)| *model != "*") {
            let Err(reason) = look(model) else { continue };
            let place = place.to_string();
            let own = ["tasks", task.as_str(), "permissions", "model", &place];
            let field = if given.file.has(&own) { &own[..] } else { &own[2..] };
            let (message, hint) = reason.split_once("; ").unwrap_or((&reason, ""));
            return Err(blamed(Exit::Invalid, &given.file.error(field, message, hint)));
        }
    }
    Ok(())
}
