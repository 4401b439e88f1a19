//! [`WebPattern`]: which addresses are granted, as in `GET https://api.example.com/v1/*`.

use super::METHODS;
use super::address::Address;

/// A pattern of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebPattern {
    /// The only methods; all where there are none.
    methods: Vec<String>,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Every public address.
    Any,
    Of {
        scheme: String,
        host: Host,
        port: u16,
        /// The pieces between the stars.
        path: Vec<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// This one.
    Is(String),
    /// All below it.
    Below(String),
    /// All public ones.
    Any,
}

/// A text that is no such pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{pattern}` is not a pattern of addresses: {reason}; write it like `https://api.example.com/v1/*` or `GET https://api.example.com/*`"
)]
pub struct WebPatternError {
    /// The text.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

impl WebPattern {
    /// Reads a pattern: methods, separated by commas, where not all are meant; an address without a query or with one. `*` in the path stands for
    /// any characters, `*.` in front of the host for all hosts below it, and `*` alone, or as the host, for all public hosts. A pattern
    /// without a path is of all paths.
    ///
    /// # Errors
    /// [`WebPatternError`].
    pub fn parse(text: &str) -> Result<Self, WebPatternError> {
        let error = |reason: &str| {
            Err(WebPatternError { pattern: text.chars().take(200).collect(), reason: reason.to_owned() })
        };
        let (methods, address) = match text.trim().split_once(' ') {
            None => (Vec::new(), text.trim()),
            Some((methods, address)) => {
                let methods: Vec<String> = methods.split(',').map(str::to_owned).collect();
                if let Some(method) = methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
                    return error(&format!("`{}` is no method", method.chars().take(20).collect::<String>()));
                }
                (methods, address.trim())
            }
        };
        if address == "*" {
            return Ok(Self { methods, place: Place::Any });
        }
        let Some((scheme, rest)) = address.split_once("://") else { return error("it does not name its host") };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (below, authority) = match authority.strip_prefix("*.") {
            Some(authority) => (true, authority),
            None => (false, authority),
        };
        let port = authority.strip_prefix('*').filter(|port| port.is_empty() || port.starts_with(':'));
        // A stand-in for the star, so that the rest is read as everything else is.
        let authority = port.map_or_else(|| authority.to_owned(), |port| format!("any.invalid{port}"));
        if authority.contains('*') {
            return error("a `*` in a host stands alone or in front of its first dot");
        }
        let host = match Address::parse(&format!("{scheme}://{authority}/")) {
            Ok(host) => host,
            Err(reason) => return error(&reason.to_string()),
        };
        let path = if path.is_empty() { vec![String::new(), String::new()] } else { pieces(path) };
        let named = host.host().to_owned();
        if below && (host.ip().is_some() || named == "localhost") {
            return error("there is nothing below an address");
        }
        let place = Place::Of {
            scheme: host.scheme().to_owned(),
            port: host.port(),
            host: match (port.is_some(), below) {
                (true, _) => Host::Any,
                (false, true) => Host::Below(named),
                (false, false) => Host::Is(named),
            },
            path,
        };
        Ok(Self { methods, place })
    }

    /// Whether it covers an address.
    pub fn covers(&self, method: &str, address: &Address) -> bool {
        let is_method = self.methods.is_empty() || self.methods.iter().any(|one| one == method);
        is_method
            && match &self.place {
                Place::Any => true,
                Place::Of { scheme, host, port, path } => {
                    let is_host = match host {
                        Host::Is(host) => host == address.host(),
                        Host::Below(host) => {
                            address.host().strip_suffix(host.as_str()).is_some_and(|front| front.ends_with('.'))
                        }
                        Host::Any => true,
                    };
                    let everything = path.iter().all(|piece| piece.is_empty() || piece == "/") && path.len() > 1;
                    is_host
                        && scheme == address.scheme()
                        && *port == address.port()
                        && (everything || (!address.has_hidden_separators() && fits_address(path, &address.path())))
                }
            }
    }

    /// Whether it names the host of an address as it is.
    pub fn names(&self, address: &Address) -> bool {
        matches!(&self.place, Place::Of { host: Host::Is(host), .. } if host == address.host())
    }

    /// Whether it is of every host.
    pub fn is_of_all(&self) -> bool {
        matches!(&self.place, Place::Any | Place::Of { host: Host::Any, .. })
    }
}

/// The pieces of a path between its stars, in the form that addresses have.
fn pieces(path: &str) -> Vec<String> {
    path.split('*').map(str::to_owned).collect()
}

/// Whether a path with its query has these pieces. Where the pattern says nothing of a query, its pieces stand in the path alone, and a query
/// may follow where it ends with a star: what somebody writes behind the `?` is no part of a path.
fn fits_address(pieces: &[String], address: &str) -> bool {
    match address.split_once('?') {
        Some((path, _)) if !pieces.iter().any(|piece| piece.contains('?')) => {
            pieces.len() > 1 && pieces.last().is_some_and(String::is_empty) && fits(pieces, path)
        }
        _ => fits(pieces, address),
    }
}

/// Whether a text has these pieces, the first at its beginning, the last at its end, and the others between them in order.
fn fits(pieces: &[String], text: &str) -> bool {
    let [first, middle @ .., last] = pieces else { return pieces.first().is_some_and(|only| only == text) };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for piece in middle {
        let Some(at) = rest.find(piece.as_str()) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last.as_str())
}
