//! Requests to the web: what is asked, what may be asked, and who does it for the host.
//!
//! [`Address`] is an address in the one form that everybody means by it, [`WebPattern`] says which of them are granted, and
//! [`is_public`] which machines are nobody's own. [`Web`] does the exchange.

mod address;
mod pattern;
mod public;

pub use address::{Address, AddressError};
pub use pattern::{WebPattern, WebPatternError};
pub use public::is_public;

use crate::grant::{Grant, Party};
use crate::reach::{BoxFuture, ServiceError};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The methods that can be asked for.
pub const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

/// A request.
#[derive(Debug, Clone)]
pub struct WebRequest {
    /// One of [`METHODS`].
    pub method: String,
    /// Whom it is for.
    pub address: Address,
    /// Header lines. `${secret:NAME}` in a value is filled in by whoever sends it.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The most wall time for the whole exchange.
    pub timeout: Duration,
    /// What may be asked, by which each redirect is looked at too.
    pub grant: Grant,
}

/// An answer, whatever its status. As JSON it is what the record holds of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebAnswer {
    /// The status.
    pub status: u16,
    /// Header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, where it is text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The body in base64, where it is not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base64: String,
    /// The address that answered, after redirects.
    pub url: String,
}

/// The web, as a host reaches it.
///
/// Crash contract: none. Whether a request may be made again is decided by those who ask.
pub trait Web: Send + Sync {
    /// Sends a request and reads the whole answer, within its grant at every hop.
    ///
    /// Dropping the future ends the exchange soon; whether it had an effect is not known then.
    fn fetch(&self, request: WebRequest) -> BoxFuture<'_, Result<WebAnswer, ServiceError>>;
}

/// Why an address may not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{method} {address}` is not granted: {reason}")]
pub struct NotGranted {
    /// The method.
    pub method: String,
    /// The address.
    pub address: String,
    /// Why, in one sentence.
    pub reason: String,
    /// Who withholds it.
    pub party: Party,
}

impl Grant {
    /// Whether an address may be asked: each layer has a pattern that covers it. An address of this machine or of a network of its
    /// own (`localhost`, `10.0.0.1`) has to be named as it is by all layers but the plugin's own.
    ///
    /// # Errors
    /// [`NotGranted`].
    pub fn check_web(&self, method: &str, address: &Address) -> Result<(), NotGranted> {
        let refused = |party, reason: String| {
            Err(NotGranted { method: method.to_owned(), address: address.to_string(), reason, party })
        };
        let mut layers = self.layers().peekable();
        if layers.peek().is_none() {
            return refused(Party::Task, "nothing is".to_owned());
        }
        for (party, permissions) in layers {
            let patterns = permissions.http.iter().flatten().filter_map(|text| WebPattern::parse(text).ok());
            let covering: Vec<_> = patterns.filter(|pattern| pattern.covers(method, address)).collect();
            if covering.is_empty() {
                return refused(party, format!("it is not given by {party}"));
            }
            let is_named = covering.iter().any(|pattern| pattern.names(address));
            if address.is_local() && party != Party::Manifest && !is_named {
                return refused(party, format!("it is no public address, and is not named as it is by {party}"));
            }
        }
        Ok(())
    }

    /// Whether the host of an address is named as it is, and not by a `*`, by all layers but the plugin's own.
    pub fn names_host(&self, method: &str, address: &Address) -> bool {
        let names = |permissions: &crate::grant::Permissions| {
            let mut patterns = permissions.http.iter().flatten().filter_map(|text| WebPattern::parse(text).ok());
            patterns.any(|pattern| pattern.covers(method, address) && pattern.names(address))
        };
        self.layers().all(|(party, permissions)| party == Party::Manifest || names(permissions))
    }
}

#[cfg(test)]
mod tests;
