//! How a host is configured for what its services reach: providers and models, and secrets for the web.
//!
//! ```toml
//! [providers.main]
//! kind = "openai"
//! base_url = "https://api.example.com/v1"
//! key = { env = "EXAMPLE_KEY" }
//! requests_per_minute = 60
//!
//! [models.default]
//! provider = "main"
//! model = "small-1"
//! context_window = 128_000
//! price = { input = 0.25, output = 2 }
//! ```
//!
//! Values of secrets are not part of it: it says where they are, and whoever starts the services reads them there.

mod form;
mod read;

use crate::model::Price;
use longhaul_core::units::Tokens;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// The most bytes of a configuration.
pub const MAX_BYTES: usize = 1 << 20;

/// A configuration that was read and checked: what it names is there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// A file of certificates (PEM) that are trusted beside those of the machine, for models and the web.
    pub ca: Option<PathBuf>,
    /// Who answers for models, by name.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// The models, by the name that agents ask for.
    pub models: BTreeMap<String, ModelConfig>,
    /// Secrets that agents may have put into requests, by name.
    pub secrets: BTreeMap<String, SecretConfig>,
}

/// Who answers for models: an endpoint that speaks as OpenAI's does.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderConfig {
    /// The address in front of `/chat/completions` or `/responses`.
    pub base_url: Url,
    /// Where its key is; none where it needs none.
    pub key: Option<SecretSource>,
    /// How it is asked.
    pub api: Api,
    /// How often it may be asked in a minute.
    pub requests_per_minute: Option<u32>,
    /// About how many tokens it may be asked in a minute.
    pub tokens_per_minute: Option<Tokens>,
    /// How long an answer may take, waits and repetitions included.
    pub timeout: Duration,
    /// How often one request is sent to it at most.
    pub tries: u32,
}

/// How an endpoint is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// By chat completions.
    Chat,
    /// By responses.
    Responses,
}

/// A model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Who answers for it, in the order to be asked: a name of [`Config::providers`], and what that one calls the model.
    pub providers: Vec<(String, String)>,
    /// The size of its context window.
    pub context_window: Tokens,
    /// The most tokens of one answer.
    pub max_output: Option<u32>,
    /// What it costs.
    pub price: Price,
}

/// A secret for requests to the web.
#[derive(Debug, Clone, PartialEq)]
pub struct SecretConfig {
    /// Where it is.
    pub source: SecretSource,
    /// The hosts that it may be sent to, in lower case, each with its port where that is not the usual one.
    pub hosts: Vec<String>,
    /// The header lines that it may stand in, in lower case.
    pub headers: Vec<String>,
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In a variable of the environment.
    Env(String),
    /// In a file, which holds it alone.
    File(PathBuf),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::Env(name) => write!(f, "the variable {name}"),
            SecretSource::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ConfigError {
    /// The line, from 1 on.
    pub line: usize,
    /// The column, from 1 on.
    pub column: usize,
    /// What is wrong; behind a semicolon what to do.
    pub message: String,
}
