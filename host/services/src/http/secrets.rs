//! Secrets in header lines: `${secret:NAME}` is filled in for the hosts and the lines that the operator named, and for no others.

use crate::config::SecretConfig;
use crate::secret::Secret;
use longhaul_core::web::Address;
use std::collections::BTreeMap;

/// What a place for a secret begins with.
const BEGIN: &str = "${secret:";

/// The secrets of a host, by name.
#[derive(Debug, Default)]
pub struct Secrets(BTreeMap<String, (SecretConfig, Result<Secret, String>)>);

impl Secrets {
    /// Secrets as they are configured, each with its value, or why that cannot be read.
    pub fn new(all: impl IntoIterator<Item = (String, SecretConfig, Result<Secret, String>)>) -> Self {
        Self(all.into_iter().map(|(name, config, secret)| (name, (config, secret))).collect())
    }

    /// Whether a value has a place for a secret.
    pub(super) fn is_wanted(value: &str) -> bool {
        value.contains(BEGIN)
    }

    /// A header line's value with its secrets; the error says why one is not filled in. `is_named` says whether the grant names the
    /// host as it is.
    pub(super) fn fill(&self, line: &str, value: &str, address: &Address, is_named: bool) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = value;
        while let Some((before, place)) = rest.split_once(BEGIN) {
            let Some((name, after)) = place.split_once('}') else {
                return Err(format!("the header line `{line}` has a `{BEGIN}` without its end"));
            };
            filled.push_str(before);
            filled.push_str(self.one(name, line, address, is_named)?.reveal());
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn one(&self, name: &str, line: &str, address: &Address, is_named: bool) -> Result<&Secret, String> {
        let shown: String = name.chars().take(100).collect();
        let Some((config, secret)) = self.0.get(name) else {
            return Err(format!(
                "there is no secret `{shown}`; `[secrets.{shown}]` in the host's configuration makes one"
            ));
        };
        let host = address.authority();
        if !config.hosts.contains(&host) {
            return Err(format!(
                "the secret `{shown}` is not for the host `{host}`; its `hosts` in the host's configuration says which"
            ));
        }
        if !config.headers.iter().any(|known| known.eq_ignore_ascii_case(line)) {
            return Err(format!(
                "the secret `{shown}` is not for the header line `{line}`; its `headers` in the host's configuration says which"
            ));
        }
        if !is_named {
            return Err(format!(
                "the grant does not name the host `{host}` as it is, and secrets go to no other; name it in `permissions.http`"
            ));
        }
        if address.scheme() != "https" && !address.is_local() {
            return Err(format!("the secret `{shown}` is not sent in the open; ask by `https`"));
        }
        secret.as_ref().map_err(|reason| format!("the secret `{shown}` cannot be read: {reason}"))
    }

    /// A text without any of the secrets.
    pub(super) fn scrub(&self, text: String) -> String {
        self.0.values().filter_map(|(_, secret)| secret.as_ref().ok()).fold(text, |text, secret| secret.scrub(text))
    }

    /// Bytes without any of the secrets.
    pub(super) fn scrub_bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.0
            .values()
            .filter_map(|(_, secret)| secret.as_ref().ok())
            .fold(bytes, |bytes, secret| secret.scrub_bytes(bytes))
    }
}
