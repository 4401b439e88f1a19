//! One request and its answer, piece by piece and within bounds.

use super::{NetError, Network, Peer};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap};
use hyper::{Method, Request, StatusCode};

/// A request, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    pub(crate) method: Method,
    /// The host with its port where that is not the usual one, for the header line.
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
    /// Header lines, without `host` and `content-length`.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What comes before the body of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

impl Head {
    /// A header line as text; none where there is no such line.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// An answer that begins.
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Body,
}

/// The body of an answer, as it comes.
pub(crate) struct Body {
    incoming: Incoming,
    host: String,
    limit: usize,
    taken: usize,
}

impl Network {
    /// Sends a request to `peer`. Of the answer's body at most `limit` bytes are taken.
    pub(crate) async fn exchange(&self, peer: &Peer, sending: Sending, limit: usize) -> Result<Answer, NetError> {
        let broken = |reason: String| NetError::Http { host: peer.host.clone(), reason };
        let mut sender = self.connect(peer).await?;
        let Sending { method, authority, path, headers, body } = sending;
        let mut request = Request::new(Full::new(body.clone()));
        *request.uri_mut() = path.parse().map_err(|error: hyper::http::uri::InvalidUri| broken(error.to_string()))?;
        *request.headers_mut() = headers;
        let host = authority.parse().map_err(|_| broken("its name cannot be sent".to_owned()))?;
        request.headers_mut().insert(HOST, host);
        if !body.is_empty() || matches!(method, Method::POST | Method::PUT | Method::PATCH) {
            request.headers_mut().insert(CONTENT_LENGTH, body.len().into());
        }
        *request.method_mut() = method;
        let response = sender.send_request(request).await.map_err(|error| broken(words(&error)))?;
        let (parts, incoming) = response.into_parts();
        let head = Head { status: parts.status, headers: parts.headers };
        Ok(Answer { head, body: Body { incoming, host: peer.host.clone(), limit, taken: 0 } })
    }
}

impl Body {
    /// The next piece; none at the end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, NetError> {
        while let Some(frame) = self.incoming.frame().await {
            let frame = frame.map_err(|error| NetError::Http { host: self.host.clone(), reason: words(&error) })?;
            let Ok(data) = frame.into_data() else { continue };
            self.taken = self.taken.saturating_add(data.len());
            if self.taken > self.limit {
                return Err(NetError::TooMuch { host: self.host.clone(), limit: self.limit });
            }
            return Ok(Some(data));
        }
        Ok(None)
    }
}

/// An error with its cause: the outer one alone tells little.
fn words(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
