//! [`Address`]: an address of the web in the one form that everybody means by it.
//!
//! The same place can be written in many ways, and those who look at an address and those who go there must not read it differently. So what can be
//! read in two ways is refused, and the rest is brought into one form: the host in lower case and ASCII, no usual port, no dot segments,
//! no escapes of plain characters.

use super::public::is_public;
use std::fmt;
use std::net::IpAddr;
use url::{Host, Url};

/// The most bytes of an address.
const MAX: usize = 8 << 10;

/// An address of the web.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Url);

/// A text that is no address, or not one that everybody reads in the same way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not an address that can be asked: {0}")]
pub struct AddressError(String);

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let error = |reason: &str| Err(AddressError(reason.to_owned()));
        if text.len() > MAX {
            return error("it has more than 8 KiB");
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return error("it has spaces, control characters or backslashes");
        }
        let Some((scheme, rest)) = text.split_once("://") else { return error("it does not begin with `https://`") };
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return error("it is neither `https` nor `http`");
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() {
            return error("it has no host");
        }
        if authority.contains('@') {
            return error("it has a user in front of the host");
        }
        if authority.contains('%') {
            return error("its host has escapes");
        }
        let mut url = Url::parse(text).map_err(|error| AddressError(error.to_string()))?;
        let written = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        let written = written.map_or(authority, |(host, _)| host);
        match url.host() {
            None => return error("it has no host"),
            Some(Host::Ipv4(ip)) if ip.to_string() != written => {
                return error("its host is an IPv4 address in an odd form");
            }
            Some(Host::Domain(name)) if name.ends_with('.') || name.contains("..") => {
                return error("its host has empty parts");
            }
            Some(_) => {}
        }
        if url.port() == Some(0) {
            return error("its port is 0");
        }
        url.set_fragment(None);
        let path = plain(url.path());
        url.set_path(&path);
        Ok(Self(url))
    }

    /// `https` or `http`.
    pub fn scheme(&self) -> &str {
        self.0.scheme()
    }

    /// The host: a name, an address, an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// The host, with its port where that is not the usual one.
    pub fn authority(&self) -> String {
        self.0.port().map_or_else(|| self.host().to_owned(), |port| format!("{}:{port}", self.host()))
    }

    /// Path and query.
    pub fn path(&self) -> String {
        self.0.query().map_or_else(|| self.0.path().to_owned(), |query| format!("{}?{query}", self.0.path()))
    }

    /// The address of the machine, where the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
            Host::Domain(_) => None,
        }
    }

    /// Whether the host is this machine, by its name `localhost`.
    pub fn is_localhost(&self) -> bool {
        self.0.domain().is_some_and(|name| name == "localhost" || name.ends_with(".localhost"))
    }

    /// Whether the host is no public machine, as far as it says itself. What a name stands for is known only when it is looked up.
    pub fn is_local(&self) -> bool {
        self.is_localhost() || self.ip().is_some_and(|ip| !is_public(ip))
    }

    /// Whether two addresses are of the same host, by the same scheme and port.
    pub fn is_same_host(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin()
    }

    /// The address that `location` means, said by this one.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn join(&self, location: &str) -> Result<Self, AddressError> {
        // What stands in a query is no scheme.
        let scheme = location.split_once("://").map(|(scheme, _)| scheme);
        match scheme.is_some_and(|scheme| !scheme.contains(['/', '?', '#'])) {
            true => Self::parse(location),
            false if location.chars().any(|c| c.is_control() || c == '\\') => {
                Err(AddressError("it has control characters or backslashes".to_owned()))
            }
            false => {
                let joined = self.0.join(location).map_err(|error| AddressError(error.to_string()))?;
                Self::parse(joined.as_str())
            }
        }
    }

    /// Whether the path has escapes that somebody behind it may take for a separator.
    pub(super) fn has_hidden_separators(&self) -> bool {
        let path = self.0.path().to_ascii_lowercase();
        ["%2f", "%5c", "%2e", "%00", "%25"].iter().any(|escape| path.contains(escape))
    }
}

/// A path in which plain characters are not escaped, and escapes are in upper case.
fn plain(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match digits {
            Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') => plain.push(byte.into()),
            Some(byte) => plain.push_str(&format!("%{byte:02X}")),
            None => {
                plain.push_str("%25");
                rest = &rest[at + 1..];
                continue;
            }
        }
        rest = &rest[at + 3..];
    }
    plain.push_str(rest);
    plain
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}
