//! From the text of a configuration to what it means. Every error has the place of the value that is wrong.

use super::form::{RawConfig, RawModel, RawProvider, RawSecret, RawSource};
use super::{Api, Config, ConfigError, MAX_BYTES, ModelConfig, ProviderConfig, SecretConfig, SecretSource};
use crate::model::Price;
use longhaul_core::units::{Tokens, parse_duration, parse_money};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use url::Url;

/// How long an answer of a model may take where nothing is said.
const TIMEOUT: Duration = Duration::from_secs(300);
/// The longest that can be said.
const MAX_TIMEOUT: Duration = Duration::from_secs(3_600);
/// How often a request is sent where nothing is said.
const TRIES: u32 = 3;
/// The most that can be said.
const MAX_TRIES: u32 = 10;

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`ConfigError`]: the first thing that is wrong.
    pub fn read(text: &str) -> Result<Self, ConfigError> {
        let reading = Reading(text);
        if text.len() > MAX_BYTES {
            return Err(reading.error(0..0, format!("the file has {} bytes, more than {MAX_BYTES}", text.len())));
        }
        let raw: RawConfig = toml::from_str(text)
            .map_err(|error| reading.error(error.span().unwrap_or(0..0), without_value(error.message())))?;
        let mut config = Config::default();
        if let Some(ca) = raw.network.ca {
            if !ca.get_ref().is_absolute() {
                let message = format!("`{}` is not a whole path; begin with `/`", ca.get_ref().display());
                return Err(reading.error(ca.span(), message));
            }
            config.ca = Some(ca.into_inner());
        }
        for (name, provider) in raw.providers {
            config.providers.insert(reading.name(name)?, reading.provider(provider)?);
        }
        for (name, model) in raw.models {
            let model = reading.model(model, &config.providers)?;
            config.models.insert(reading.name(name)?, model);
        }
        for (name, secret) in raw.secrets {
            let place = name.span();
            let secret = reading.secret(place, secret)?;
            config.secrets.insert(reading.name(name)?, secret);
        }
        Ok(config)
    }
}

/// The text under way.
struct Reading<'a>(&'a str);

impl Reading<'_> {
    fn error(&self, at: Range<usize>, message: impl Into<String>) -> ConfigError {
        let before = self.0.get(..at.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        ConfigError { line, column, message: message.into() }
    }

    fn name(&self, name: Spanned<String>) -> Result<String, ConfigError> {
        let span = name.span();
        let name = name.into_inner();
        let is_good = !name.is_empty() && name.len() <= 100 && name != "*" && !name.chars().any(char::is_control);
        if is_good { Ok(name) } else { Err(self.error(span, "this is not a name; write 1 to 100 characters")) }
    }

    fn provider(&self, raw: RawProvider) -> Result<ProviderConfig, ConfigError> {
        if raw.kind.get_ref() != "openai" {
            let message = format!("there is no kind of provider `{}`; write `openai`", short(raw.kind.get_ref()));
            return Err(self.error(raw.kind.span(), message));
        }
        let span = raw.base_url.span();
        let url = Url::parse(raw.base_url.get_ref()).map_err(|error| {
            self.error(
                span.clone(),
                format!("this is not an address: {error}; write it as in `https://api.example.com/v1`"),
            )
        })?;
        let is_plain = matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !is_plain {
            let message =
                "an endpoint is `http` or `https`, a host and a path; a key stands in `key`, not in the address";
            return Err(self.error(span, message));
        }
        let api = match raw.api.as_ref().map(|api| api.get_ref().as_str()) {
            None | Some("chat") => Api::Chat,
            Some("responses") => Api::Responses,
            Some(_) => return Err(self.error(at(&raw.api), "there is no such API; write `chat` or `responses`")),
        };
        for (zero, place) in [
            (raw.requests_per_minute.as_ref().is_some_and(|n| *n.get_ref() == 0), at(&raw.requests_per_minute)),
            (raw.tokens_per_minute.as_ref().is_some_and(|n| *n.get_ref() == 0), at(&raw.tokens_per_minute)),
        ] {
            if zero {
                return Err(self
                    .error(place, "a provider that may not be asked is of no use; write 1 or more, or leave it out"));
            }
        }
        let timeout = match &raw.timeout {
            None => TIMEOUT,
            Some(text) => parse_duration(text.get_ref()).map_err(|error| self.error(text.span(), error.to_string()))?,
        };
        if !(Duration::from_secs(1)..=MAX_TIMEOUT).contains(&timeout) {
            return Err(self.error(at(&raw.timeout), "a time-out is 1s to 1h; write one of these"));
        }
        let tries = raw.tries.as_ref().map_or(TRIES, |tries| *tries.get_ref());
        if !(1..=MAX_TRIES).contains(&tries) {
            return Err(
                self.error(at(&raw.tries), format!("a request is tried 1 to {MAX_TRIES} times; write one of these"))
            );
        }
        Ok(ProviderConfig {
            base_url: url,
            key: raw.key.map(|key| self.source(key.span(), key.into_inner())).transpose()?,
            api,
            requests_per_minute: raw.requests_per_minute.map(Spanned::into_inner),
            tokens_per_minute: raw.tokens_per_minute.map(|n| Tokens(n.into_inner())),
            timeout,
            tries,
        })
    }

    fn model(&self, raw: RawModel, known: &BTreeMap<String, ProviderConfig>) -> Result<ModelConfig, ConfigError> {
        let first = (raw.provider, raw.model);
        let others = raw.fallback.into_iter().map(|fallback| (fallback.provider, fallback.model));
        let mut providers = Vec::new();
        for (provider, model) in std::iter::once(first).chain(others) {
            if !known.contains_key(provider.get_ref()) {
                let names: Vec<_> = known.keys().map(|name| format!("`{name}`")).collect();
                let known = if names.is_empty() {
                    "there is none".to_owned()
                } else {
                    format!("there are {}", names.join(", "))
                };
                let message = format!("there is no provider `{}`; {known}", short(provider.get_ref()));
                return Err(self.error(provider.span(), message));
            }
            if model.get_ref().is_empty() {
                return Err(self.error(model.span(), "the provider has a name for the model; write that"));
            }
            providers.push((provider.into_inner(), model.into_inner()));
        }
        if *raw.context_window.get_ref() == 0 {
            return Err(
                self.error(raw.context_window.span(), "a context window has room for something; write its tokens")
            );
        }
        if raw.max_output.as_ref().is_some_and(|most| *most.get_ref() == 0) {
            return Err(
                self.error(at(&raw.max_output), "an answer has at least one token; write more, or leave it out")
            );
        }
        let mut price = Price::default();
        if let Some(raw) = raw.price {
            for (amount, part) in [(raw.input, &mut price.input), (raw.output, &mut price.output)] {
                let Some(amount) = amount else { continue };
                *part =
                    parse_money(&amount.get_ref().0).map_err(|error| self.error(amount.span(), error.to_string()))?;
            }
        }
        Ok(ModelConfig {
            providers,
            context_window: Tokens(raw.context_window.into_inner()),
            max_output: raw.max_output.map(Spanned::into_inner),
            price,
        })
    }

    fn secret(&self, place: Range<usize>, raw: RawSecret) -> Result<SecretConfig, ConfigError> {
        let source = self.source(place, RawSource { env: raw.env, file: raw.file })?;
        let span = raw.hosts.span();
        let mut hosts = Vec::new();
        for host in raw.hosts.into_inner() {
            hosts.push(host_of(&host).ok_or_else(|| {
                self.error(
                    span.clone(),
                    format!("`{}` is not a host; write it as in `api.example.com` or `localhost:8080`", short(&host)),
                )
            })?);
        }
        if hosts.is_empty() {
            return Err(self.error(span, "a secret that goes nowhere is of no use; name a host"));
        }
        let headers = match raw.headers {
            None => vec!["authorization".to_owned()],
            Some(headers) => {
                let span = headers.span();
                let headers = headers.into_inner().into_iter().map(|name| {
                    let is_name =
                        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
                    is_name.then(|| name.to_ascii_lowercase())
                });
                let headers: Option<Vec<_>> = headers.collect();
                headers.filter(|headers| !headers.is_empty()).ok_or_else(|| {
                    self.error(span, "these are not names of header lines; write them as in `authorization`")
                })?
            }
        };
        Ok(SecretConfig { source, hosts, headers })
    }

    fn source(&self, place: Range<usize>, raw: RawSource) -> Result<SecretSource, ConfigError> {
        match (raw.env, raw.file) {
            (Some(name), None) if !name.is_empty() && !name.contains(['=', '\0']) => Ok(SecretSource::Env(name)),
            (None, Some(path)) if path.is_absolute() => Ok(SecretSource::File(path)),
            (None, Some(path)) if path.starts_with("~") => {
                Err(self.error(place, format!("`{}` is not looked up; write the whole path", path.display())))
            }
            (None, Some(path)) => {
                Err(self.error(place, format!("`{}` is not a whole path; begin with `/`", path.display())))
            }
            (Some(_), None) => {
                Err(self.error(place, "this is not the name of a variable; write one as in `EXAMPLE_KEY`"))
            }
            _ => Err(self.error(place, "a secret is in one place; write `env = \"NAME\"` or `file = \"/path\"`")),
        }
    }
}

/// A host as it stands in addresses, with its port where that is not the usual one of `https`.
fn host_of(text: &str) -> Option<String> {
    if text.contains(['/', '@', '?', '#', '\\']) || text.contains(char::is_whitespace) {
        return None;
    }
    let url = Url::parse(&format!("https://{text}/")).ok()?;
    let host = url.host_str()?.to_owned();
    Some(url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
}

fn at<T>(value: &Option<Spanned<T>>) -> Range<usize> {
    value.as_ref().map_or(0..0, Spanned::span)
}

/// The first line of a message, without the value that it is about: that may be a key, written where its place belongs.
fn without_value(text: &str) -> String {
    let line: String = text.lines().next().unwrap_or_default().chars().take(300).collect();
    match (line.find(" string \""), line.rfind("\", expected")) {
        (Some(begin), Some(end)) if begin < end => format!("{} a text{}", &line[..begin], &line[end + 1..]),
        _ => line,
    }
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::units::Money;

    const GOOD: &str = r#"
[providers.main]
kind = "openai"
base_url = "https://api.example.com/v1"
key = { env = "EXAMPLE_KEY" }
api = "responses"
requests_per_minute = 60
tokens_per_minute = 100_000
timeout = "2m"
tries = 2

[providers.near]
kind = "openai"
base_url = "http://localhost:11434/v1"

[models.default]
provider = "main"
model = "small-1"
fallback = [{ provider = "near", model = "llama" }]
context_window = 128_000
max_output = 4096
price = { input = 0.25, output = 2 }

[secrets.tracker]
file = "/run/secrets/tracker"
hosts = ["Tracker.Example.com", "localhost:8080"]
headers = ["X-Token"]
"#;

    #[test]
    fn all_of_a_configuration_is_read() {
        let config = Config::read(GOOD).unwrap();
        let main = &config.providers["main"];
        assert_eq!((main.api, main.timeout, main.tries), (Api::Responses, Duration::from_secs(120), 2));
        assert_eq!((main.requests_per_minute, main.tokens_per_minute), (Some(60), Some(Tokens(100_000))));
        assert_eq!(main.key, Some(SecretSource::Env("EXAMPLE_KEY".to_owned())));
        let near = &config.providers["near"];
        assert_eq!((near.api, near.timeout, near.tries, &near.key), (Api::Chat, TIMEOUT, TRIES, &None));
        let model = &config.models["default"];
        let providers: Vec<_> = model.providers.iter().map(|(name, model)| (name.as_str(), model.as_str())).collect();
        assert_eq!(providers, [("main", "small-1"), ("near", "llama")]);
        assert_eq!(model.price, Price { input: Money(250_000), output: Money(2_000_000) });
        let secret = &config.secrets["tracker"];
        assert_eq!(secret.source, SecretSource::File("/run/secrets/tracker".into()));
        assert_eq!(
            (secret.hosts.as_slice(), secret.headers.as_slice()),
            (&["tracker.example.com".to_owned(), "localhost:8080".to_owned()][..], &["x-token".to_owned()][..])
        );
        assert_eq!(Config::read("").unwrap(), Config::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_what_to_do() {
        for (from, to, place, told) in [
            ("kind = \"openai\"\nbase_url = \"https", "kind = \"magic\"\nbase_url = \"https", (3, 8), "write `openai`"),
            ("requests_per_minute = 60", "requests_per_hour = 60", (7, 1), "unknown field `requests_per_hour`"),
            ("requests_per_minute = 60", "requests_per_minute = 0", (7, 23), "write 1 or more"),
            ("\"responses\"", "\"telegraph\"", (6, 7), "`chat` or `responses`"),
            ("https://api.example.com/v1", "https://me:pw@api.example.com/v1", (4, 12), "a key stands in `key`"),
            ("https://api.example.com/v1", "api.example.com", (4, 12), "this is not an address"),
            ("{ env = \"EXAMPLE_KEY\" }", "{ env = \"A\", file = \"/b\" }", (5, 7), "in one place"),
            ("{ env = \"EXAMPLE_KEY\" }", "\"sk-123\"", (5, 7), "invalid type"),
            ("\"2m\"", "\"2 weeks\"", (9, 11), "not a duration"),
            ("\"2m\"", "\"2h\"", (9, 11), "1s to 1h"),
            ("tries = 2", "tries = 0", (10, 9), "1 to 10"),
            ("provider = \"main\"", "provider = \"mian\"", (17, 12), "no provider `mian`; there are `main`, `near`"),
            ("provider = \"near\"", "provider = \"far\"", (19, 26), "no provider `far`"),
            ("context_window = 128_000", "context_window = 0", (20, 18), "write its tokens"),
            ("input = 0.25", "input = \"cheap\"", (22, 19), "not a sum of money"),
            ("file = \"/run", "file = \"run", (24, 10), "begin with `/`"),
            ("\"Tracker.Example.com\"", "\"https://x/\"", (26, 9), "is not a host"),
            ("hosts = [\"Tracker.Example.com\", \"localhost:8080\"]", "hosts = []", (26, 9), "name a host"),
            ("[\"X-Token\"]", "[\"X Token\"]", (27, 11), "names of header lines"),
            ("[models.default]", "[models.default", (16, 16), ""),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = Config::read(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(error.message.contains(told), "{to}: {error}");
            assert_eq!((error.line, error.column), place, "{to}: {error}");
            assert!(!error.to_string().contains("sk-123"), "{error}");
        }
    }
}
