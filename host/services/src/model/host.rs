//! The models of a host by name, and what holds for all of them.

use super::error::ModelError;
use super::price::Price;
use super::recorded::Recorded;
use super::script::Script;
use super::scripted::Scripted;
use super::shape::Shape;
use longhaul_core::model::{Asker, ChatAnswer, ChatRequest, Chatted, Models};
use longhaul_core::reach::{BoxFuture, ServiceError};
use longhaul_core::spend::Spent;
use longhaul_core::units::Tokens;
use longhaul_core::workflow::model::ModelSpec;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Who answers one request.
pub(crate) trait Provider: Send + Sync {
    /// Answers it.
    fn chat<'a>(&'a self, request: &'a ChatRequest, asker: &'a Asker) -> BoxFuture<'a, Said>;
}

/// What a provider said, and how many tokens that took.
pub(crate) struct Said {
    pub(crate) result: Result<ChatAnswer, ServiceError>,
    pub(crate) input: Tokens,
    pub(crate) output: Tokens,
}

impl From<Result<ChatAnswer, ServiceError>> for Said {
    fn from(result: Result<ChatAnswer, ServiceError>) -> Self {
        let (input, output) = result.as_ref().map_or((Tokens(0), Tokens(0)), |answer| (answer.input, answer.output));
        Self { result, input, output }
    }
}

/// A model with those who answer for it.
struct Route {
    provider: Arc<dyn Provider>,
    price: Price,
    patience: Option<Duration>,
}

/// The models of a host.
#[derive(Default)]
pub struct HostModels {
    routes: BTreeMap<String, Route>,
}

impl HostModels {
    /// A host without models.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a model of a workflow, which `text` answers for: the content of the file that `spec` names. It goes before one of the
    /// same name that was added earlier.
    ///
    /// # Errors
    /// [`ModelError`] where the file cannot be used.
    pub fn answered_from(&mut self, name: &str, spec: &ModelSpec, text: &str) -> Result<(), ModelError> {
        let route = match spec {
            ModelSpec::Script(_) => {
                let script = Script::read(text)?;
                // What it waits before an answer is bounded by the script's own limit.
                let patience = script.rules.iter().map(|rule| rule.after).max().filter(|after| !after.is_zero());
                let patience = patience.map(|after| after.saturating_add(Duration::from_secs(30)));
                Route { price: script.price, patience, provider: Arc::new(Scripted(script)) }
            }
            ModelSpec::Replay(_) => {
                Route { price: Price::default(), patience: None, provider: Arc::new(Recorded::read(text)?) }
            }
        };
        self.routes.insert(name.to_owned(), route);
        Ok(())
    }

    /// Whether there is a model of this name.
    pub fn has(&self, name: &str) -> bool {
        self.routes.contains_key(name)
    }

    /// Why there is no model of this name, and what to do.
    pub fn unknown(&self, name: &str) -> String {
        let name: String = name.chars().take(100).collect();
        let known: Vec<_> = self.routes.keys().map(|known| format!("`{known}`")).collect();
        let known =
            if known.is_empty() { "there is none".to_owned() } else { format!("there are {}", known.join(", ")) };
        format!(
            "there is no model `{name}` ({known}); give it a script in the workflow's `models`, or a provider in the host's configuration"
        )
    }
}

impl Models for HostModels {
    fn patience(&self, model: &str) -> Option<Duration> {
        self.routes.get(model).and_then(|route| route.patience)
    }

    fn chat<'a>(&'a self, request: &'a ChatRequest, asker: &'a Asker) -> BoxFuture<'a, Chatted> {
        Box::pin(async move {
            let Some(route) = self.routes.get(&request.model) else {
                return ServiceError::Unavailable(self.unknown(&request.model)).into();
            };
            let shape = match Shape::of(&request.format) {
                Ok(shape) => shape,
                Err(reason) => return ServiceError::Invalid(reason).into(),
            };
            let Said { result, input, output } = route.provider.chat(request, asker).await;
            let spent = Spent { tokens: input + output, money: route.price.of(input, output) };
            let checked = result.and_then(|answer| match shape.check(&answer) {
                Ok(()) => Ok(answer),
                Err(reason) => Err(ServiceError::Failed(reason)),
            });
            Chatted { result: checked, spent }
        })
    }
}
