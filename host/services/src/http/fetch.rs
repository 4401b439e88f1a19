//! One exchange with the web, hop by hop.

use super::lookup::{Lookup, machines};
use super::secrets::Secrets;
use crate::net::{Head, NetError, Network, Peer, Sending};
use crate::outside;
use data_encoding::BASE64;
use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use longhaul_core::reach::{BoxFuture, ServiceError};
use longhaul_core::web::{Address, Web, WebAnswer, WebRequest};
use std::sync::Arc;
use tokio::runtime::Handle;

/// The most bytes of an answer's body. As JSON it has to fit into an entry of the record.
const MAX_BODY: usize = 4 << 20;
/// The most redirects that are followed.
const MAX_HOPS: usize = 5;
/// The most header lines of a request, and the most bytes of them.
const MAX_HEADERS: (usize, usize) = (64, 32 << 10);
/// Header lines that are ours to write.
///
/// What would have the answer come in pieces or packed is among them: a secret that it repeats could not be found in it.
const OURS: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "accept-encoding",
    "range",
];
/// Header lines that say who asks, and go to no other host than the one that they were written for.
const WHO: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// The web, as this host reaches it.
pub struct HostWeb {
    inner: Arc<Inner>,
    /// The threads that reach the network.
    host: Handle,
}

struct Inner {
    network: Arc<Network>,
    lookup: Arc<dyn Lookup>,
    secrets: Secrets,
}

impl HostWeb {
    /// The web by the connections of `network`, from the threads of `host`, with names looked up by `lookup`, and with these secrets.
    pub fn new(network: Arc<Network>, lookup: Arc<dyn Lookup>, secrets: Secrets, host: Handle) -> Self {
        Self { inner: Arc::new(Inner { network, lookup, secrets }), host }
    }
}

impl Web for HostWeb {
    fn fetch(&self, request: WebRequest) -> BoxFuture<'_, Result<WebAnswer, ServiceError>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let timeout = request.timeout;
            let work = async move { inner.fetch(request).await.map_err(|error| inner.shown(error)) };
            let fetched = tokio::time::timeout(timeout, outside::on(&self.host, work)).await;
            fetched.unwrap_or(Ok(Err(ServiceError::TimedOut(timeout))))?
        })
    }
}

impl Inner {
    async fn fetch(&self, request: WebRequest) -> Result<WebAnswer, ServiceError> {
        let WebRequest { mut method, mut address, headers, mut body, grant, .. } = request;
        let first = address.clone();
        for _ in 0..=MAX_HOPS {
            grant.check_web(&method, &address).map_err(|refused| {
                ServiceError::Failed(format!(
                    "{refused}{}",
                    if address == first { "" } else { " (it was redirected there)" }
                ))
            })?;
            // A person approves what was asked for, and nobody is there to ask about where that leads.
            if address != first && grant.approvals().request(&method, &address) {
                let reason =
                    format!("it was redirected to {address}, which a person has to approve; ask for that itself");
                return Err(ServiceError::Failed(reason));
            }
            let is_same_host = address.is_same_host(&first);
            let headers = self.headers(&headers, &address, is_same_host, grant.names_host(&method, &address))?;
            let at = machines(self.lookup.as_ref(), &address).await.map_err(ServiceError::Failed)?;
            let peer = Peer { host: address.host().to_owned(), at, is_tls: address.scheme() == "https" };
            let sending = Sending {
                method: Method::from_bytes(method.as_bytes())
                    .map_err(|e| ServiceError::Invalid(format!("`method`: {e}")))?,
                authority: address.authority(),
                path: address.path(),
                headers,
                body: body.clone().into(),
            };
            let answer = self.network.exchange(&peer, sending, MAX_BODY).await.map_err(failed)?;
            let (head, mut incoming) = (answer.head, answer.body);
            let Some(next) = redirect(&head, &address)? else {
                let mut whole = Vec::new();
                while let Some(piece) = incoming.piece().await.map_err(failed)? {
                    whole.extend_from_slice(&piece);
                }
                return Ok(self.answer(&head, whole, &address));
            };
            // As browsers do: what was posted is not posted elsewhere, unless the answer says so.
            let is_asked_anew = match head.status.as_u16() {
                303 => method != "HEAD",
                301 | 302 => method == "POST",
                _ => false,
            };
            if is_asked_anew {
                (method, body) = ("GET".to_owned(), Vec::new());
            }
            address = next;
        }
        Err(ServiceError::Failed(format!("it was redirected more than {MAX_HOPS} times")))
    }

    /// The header lines of one hop. What says who asks goes to the first host alone, secrets always.
    fn headers(
        &self,
        headers: &[(String, String)],
        address: &Address,
        is_same_host: bool,
        is_named: bool,
    ) -> Result<HeaderMap, ServiceError> {
        let invalid = |reason: String| ServiceError::Invalid(format!("`headers`: {reason}"));
        let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if headers.len() > MAX_HEADERS.0 || bytes > MAX_HEADERS.1 {
            return Err(invalid(format!(
                "there are more than {} lines, or more than {} bytes",
                MAX_HEADERS.0, MAX_HEADERS.1
            )));
        }
        let mut map = HeaderMap::new();
        map.insert(USER_AGENT, HeaderValue::from_static(concat!("longhaul/", env!("CARGO_PKG_VERSION"))));
        let mut named = HeaderMap::new();
        for (name, value) in headers {
            let shown: String = name.chars().take(60).collect();
            let lower = name.to_ascii_lowercase();
            if OURS.contains(&lower.as_str()) {
                return Err(invalid(format!("the line `{shown}` is written by the host")));
            }
            let has_secret = Secrets::is_wanted(value);
            if !is_same_host && (has_secret || WHO.contains(&lower.as_str())) {
                continue;
            }
            let filled = match has_secret {
                true => self.secrets.fill(&lower, value, address, is_named).map_err(invalid)?,
                false => value.clone(),
            };
            let name: HeaderName = lower.parse().map_err(|_| invalid(format!("`{shown}` is no name of a line")))?;
            let mut value = HeaderValue::from_str(&filled)
                .map_err(|_| invalid(format!("the line `{shown}` has characters that cannot be sent")))?;
            value.set_sensitive(has_secret);
            named.append(name, value);
        }
        if named.contains_key(USER_AGENT) {
            map.remove(USER_AGENT);
        }
        map.extend(named);
        Ok(map)
    }

    /// What came back, without the secrets of this host.
    fn answer(&self, head: &Head, body: Vec<u8>, address: &Address) -> WebAnswer {
        let headers = head.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), self.secrets.scrub(value))
        });
        let (text, base64) = match String::from_utf8(self.secrets.scrub_bytes(body)) {
            Ok(text) => (text, String::new()),
            Err(error) => (String::new(), BASE64.encode(error.as_bytes())),
        };
        let url = self.secrets.scrub(address.to_string());
        WebAnswer { status: head.status.as_u16(), headers: headers.collect(), text, base64, url }
    }

    fn shown(&self, error: ServiceError) -> ServiceError {
        match error {
            ServiceError::Failed(text) => ServiceError::Failed(self.secrets.scrub(text)),
            ServiceError::Invalid(text) => ServiceError::Invalid(self.secrets.scrub(text)),
            other => other,
        }
    }
}

/// Where an answer sends the one who asked; nowhere for most.
fn redirect(head: &Head, from: &Address) -> Result<Option<Address>, ServiceError> {
    if !matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = head.headers.get(LOCATION) else { return Ok(None) };
    let location = location.to_str().map_err(|_| ServiceError::Failed("it was redirected to no address".to_owned()))?;
    let next = from.join(location).map_err(|error| {
        let shown: String = location.chars().filter(|c| !c.is_control()).take(200).collect();
        ServiceError::Failed(format!("it was redirected to `{shown}`: {error}"))
    })?;
    Ok(Some(next))
}

fn failed(error: NetError) -> ServiceError {
    match error {
        NetError::TooMuch { .. } => {
            ServiceError::Exhausted(format!("the answer has more than {MAX_BODY} bytes (4 MiB)"))
        }
        error => ServiceError::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
