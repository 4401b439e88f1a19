//! HTTP/1.1 over TCP or TLS: one connection for one exchange, to an address that was chosen before.
//!
//! There is no pool and no redirect here, and names are looked up by whoever asks: so what is checked is what is connected to. Both
//! sides of an exchange are bounded in size; its time is the asker's business.

mod connect;
mod exchange;
#[cfg(test)]
mod tests;

pub use connect::Network;
pub(crate) use connect::Peer;
pub(crate) use exchange::{Body, Head, Sending};

use std::io;

/// Why an exchange did not come about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetError {
    /// There is no such host, or the name servers do not answer.
    #[error("the name `{name}` cannot be looked up: {source}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Nobody answers there.
    #[error("`{host}` cannot be reached: {source}")]
    Connect {
        /// The host.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// It does not prove who it is.
    #[error("the TLS connection to `{host}` failed: {reason}")]
    Tls {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// It speaks something else.
    #[error("`{host}` broke the exchange off: {reason}")]
    Http {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// It sends more than is taken.
    #[error("`{host}` sends more than {limit} bytes")]
    TooMuch {
        /// The host.
        host: String,
        /// How much is taken.
        limit: usize,
    },
}
