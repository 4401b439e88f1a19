//! The models of a host by name, and what holds for all of them.

use super::error::ModelError;
use super::openai::OpenAi;
use super::price::Price;
use super::recorded::Recorded;
use super::script::Script;
use super::scripted::Scripted;
use super::shape::Shape;
use crate::config::{Config, SecretSource};
use crate::net::Network;
use crate::secret::Secret;
use longhaul_core::model::{Asker, ChatAnswer, ChatRequest, Chatted, Models};
use longhaul_core::reach::{BoxFuture, Live, ServiceError};
use longhaul_core::spend::Spent;
use longhaul_core::units::Tokens;
use longhaul_core::workflow::model::ModelSpec;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// A question to a provider.
#[derive(Clone)]
pub(crate) struct Question<'a> {
    pub(crate) request: &'a ChatRequest,
    pub(crate) asker: &'a Asker,
    /// Who watches the answer come.
    pub(crate) live: Arc<dyn Live>,
    /// What the provider calls the model.
    pub(crate) model: &'a str,
    /// The most tokens of the answer where the request says nothing.
    pub(crate) max_output: Option<u32>,
    /// The size of the model's context window.
    pub(crate) window: Tokens,
}

/// Who answers for models.
pub(crate) trait Provider: Send + Sync {
    /// Answers one question.
    fn chat<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Said>;
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

/// Somebody who answers, or why that one cannot.
type Answerer = Result<Arc<dyn Provider>, String>;

/// A model with those who answer for it.
struct Route {
    /// Those who answer, in the order to be asked, each with its own name for the model.
    providers: Vec<(Answerer, String)>,
    window: Tokens,
    max_output: Option<u32>,
    price: Price,
    patience: Option<Duration>,
}

/// The models of a host.
#[derive(Default)]
pub struct HostModels {
    routes: BTreeMap<String, Route>,
}

/// How much longer than its providers a model may take: they tell better what went wrong.
const GRACE: Duration = Duration::from_secs(10);

impl HostModels {
    /// A host without models.
    pub fn new() -> Self {
        Self::default()
    }

    /// The models that a host is configured for. `key` reads a key where it is, or says why it cannot; `host` are the threads that may
    /// reach the network.
    pub fn configured(
        config: &Config,
        key: impl Fn(&SecretSource) -> Result<Secret, String>,
        network: &Arc<Network>,
        host: &Handle,
    ) -> Self {
        let mut providers: BTreeMap<&str, Answerer> = BTreeMap::new();
        for (name, provider) in &config.providers {
            let key = provider.key.as_ref().map(|source| {
                key(source).map_err(|reason| {
                    format!("the key of the provider `{name}` cannot be read from {source}: {reason}")
                })
            });
            let made = key.transpose().map(|key| {
                let made = OpenAi::new(name, provider.clone(), key, Arc::clone(network), host.clone());
                Arc::new(made) as Arc<dyn Provider>
            });
            providers.insert(name, made);
        }
        let routes = config.models.iter().map(|(name, model)| {
            let timeouts =
                model.providers.iter().filter_map(|(provider, _)| config.providers.get(provider)).map(|p| p.timeout);
            let route = Route {
                patience: Some(timeouts.sum::<Duration>().saturating_add(GRACE)),
                providers: model
                    .providers
                    .iter()
                    .filter_map(|(provider, id)| Some((providers.get(provider.as_str())?.clone(), id.clone())))
                    .collect(),
                window: model.context_window,
                max_output: model.max_output,
                price: model.price,
            };
            (name.clone(), route)
        });
        Self { routes: routes.collect() }
    }

    /// Adds a model of a workflow, which `text` answers for: the content of the file that `spec` names. It goes before one of the
    /// same name that was there.
    ///
    /// # Errors
    /// [`ModelError`] where the file cannot be used.
    pub fn answered_from(&mut self, name: &str, spec: &ModelSpec, text: &str) -> Result<(), ModelError> {
        let (provider, window, price, after): (Arc<dyn Provider>, _, _, _) = match spec {
            ModelSpec::Script(_) => {
                let script = Script::read(text)?;
                let after = script.rules.iter().map(|rule| rule.after).max().unwrap_or_default();
                let (window, price) = (script.window(), script.price);
                (Arc::new(Scripted(script)), window, price, after)
            }
            ModelSpec::Replay(_) => (Arc::new(Recorded::read(text)?), Tokens(0), Price::default(), Duration::ZERO),
        };
        // What a script waits before an answer is bounded by a limit of its own.
        let patience = (!after.is_zero()).then(|| after.saturating_add(GRACE));
        let providers = vec![(Ok(provider), name.to_owned())];
        self.routes.insert(name.to_owned(), Route { providers, window, max_output: None, price, patience });
        Ok(())
    }

    /// Why nobody can answer for a model of this name, and what to do; nothing where somebody can.
    pub fn why_not(&self, name: &str) -> Option<String> {
        let Some(route) = self.routes.get(name) else { return Some(self.unknown(name)) };
        let mut reasons = Vec::new();
        for (provider, _) in &route.providers {
            match provider {
                Ok(_) => return None,
                Err(reason) => reasons.push(reason.as_str()),
            }
        }
        Some(format!("the model `{name}` has nobody to answer: {}", reasons.join(", and ")))
    }

    fn unknown(&self, name: &str) -> String {
        let name: String = name.chars().take(100).collect();
        let known: Vec<_> = self.routes.keys().map(|known| format!("`{known}`")).collect();
        let known =
            if known.is_empty() { "there is none".to_owned() } else { format!("there are {}", known.join(", ")) };
        format!(
            "there is no model `{name}` ({known}); give it a script in the workflow's `models`, or a provider in the host's configuration"
        )
    }
}

/// Whether somebody else may do better: not where the question itself is at fault.
fn falls_back(error: &ServiceError) -> bool {
    !matches!(error, ServiceError::Invalid(_) | ServiceError::Exhausted(_))
}

impl Route {
    /// Asks those who answer, one after the other, until one does. What all of them took is counted.
    async fn ask(&self, request: &ChatRequest, asker: &Asker, live: Arc<dyn Live>) -> Said {
        let mut asked: Option<Said> = None;
        for (provider, model) in &self.providers {
            let said = match provider {
                Ok(provider) => {
                    let (max_output, window, live) = (self.max_output, self.window, Arc::clone(&live));
                    provider.chat(Question { request, asker, live, model, max_output, window }).await
                }
                Err(reason) => Err(ServiceError::Unavailable(reason.clone())).into(),
            };
            let before = asked.take();
            let (input, output) = before.as_ref().map_or((Tokens(0), Tokens(0)), |said| (said.input, said.output));
            let result = match (said.result, before) {
                // The first one's reason is the one to see to, unless only waiting helps.
                (Err(error), Some(before)) if !matches!(error, ServiceError::RateLimited(_)) => before.result,
                (result, _) => result,
            };
            let said = Said { result, input: said.input + input, output: said.output + output };
            match &said.result {
                Err(error) if falls_back(error) => {
                    tracing::warn!(model = request.model, %error, "a provider did not answer");
                    asked = Some(said);
                }
                _ => return said,
            }
        }
        asked.unwrap_or_else(|| Err(ServiceError::Unavailable("nobody answers for this model".to_owned())).into())
    }
}

impl Models for HostModels {
    fn patience(&self, model: &str) -> Option<Duration> {
        self.routes.get(model).and_then(|route| route.patience)
    }

    fn chat<'a>(&'a self, request: &'a ChatRequest, asker: &'a Asker, live: Arc<dyn Live>) -> BoxFuture<'a, Chatted> {
        Box::pin(async move {
            let Some(route) = self.routes.get(&request.model) else {
                return ServiceError::Unavailable(self.unknown(&request.model)).into();
            };
            let shape = match Shape::of(&request.format) {
                Ok(shape) => shape,
                Err(reason) => return ServiceError::Invalid(reason).into(),
            };
            let Said { result, input, output } = route.ask(request, asker, live).await;
            let spent = Spent { tokens: input + output, money: route.price.of(input, output) };
            let checked = result.and_then(|answer| match shape.check(&answer) {
                Ok(()) => Ok(answer),
                Err(reason) => Err(ServiceError::Failed(reason)),
            });
            Chatted { result: checked, spent }
        })
    }
}
