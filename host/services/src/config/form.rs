//! What a configuration file says, before anything is checked.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(default)]
    pub network: RawNetwork,
    #[serde(default)]
    pub providers: BTreeMap<Spanned<String>, RawProvider>,
    #[serde(default)]
    pub models: BTreeMap<Spanned<String>, RawModel>,
    #[serde(default)]
    pub secrets: BTreeMap<Spanned<String>, RawSecret>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNetwork {
    pub ca: Option<Spanned<PathBuf>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProvider {
    pub kind: Spanned<String>,
    pub base_url: Spanned<String>,
    pub key: Option<Spanned<RawSource>>,
    pub api: Option<Spanned<String>>,
    pub requests_per_minute: Option<Spanned<u32>>,
    pub tokens_per_minute: Option<Spanned<u64>>,
    pub timeout: Option<Spanned<String>>,
    pub tries: Option<Spanned<u32>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawModel {
    pub provider: Spanned<String>,
    pub model: Spanned<String>,
    #[serde(default)]
    pub fallback: Vec<RawFallback>,
    pub context_window: Spanned<u64>,
    pub max_output: Option<Spanned<u32>>,
    pub price: Option<RawPrice>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFallback {
    pub provider: Spanned<String>,
    pub model: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrice {
    pub input: Option<Spanned<Amount>>,
    pub output: Option<Spanned<Amount>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSecret {
    pub env: Option<String>,
    pub file: Option<PathBuf>,
    pub hosts: Spanned<Vec<String>>,
    pub headers: Option<Spanned<Vec<String>>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    pub env: Option<String>,
    pub file: Option<PathBuf>,
}

/// An amount of money as it is written: a number or a text.
#[derive(Debug)]
pub(super) struct Amount(pub String);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self(text)),
            toml::Value::Integer(number) => Ok(Self(number.to_string())),
            toml::Value::Float(number) => Ok(Self(number.to_string())),
            _ => Err(D::Error::custom("expected an amount of money, as in `2.50`")),
        }
    }
}
