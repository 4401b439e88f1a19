//! Endpoints that speak as OpenAI's does, by chat completions or by responses.
//!
//! ```text
//!   ask ──► pace ──► send ──► head ──► stream of events ──► answer
//!    ▲                          │               │
//!    └── backoff ◄── busy, 5xx ─┴── broken off ─┘     everything else ends it
//! ```
//!
//! An answer is read as it comes, within bounds, and shown to whoever watches. What breaks off in the middle is asked again, and what
//! had come by then is counted, because it was paid for.

mod chat;
mod fault;
mod responses;
mod sse;
mod talk;

use super::estimate;
use super::host::{Provider, Question, Said};
use super::pace::{Limits, Pace};
use crate::config::{Api, ProviderConfig};
use crate::net::{Body, Head, NetError, Network, Peer, Sending};
use crate::outside;
use crate::secret::Secret;
use backon::{BackoffBuilder, ExponentialBuilder};
use fault::Fault;
use hyper::Method;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use longhaul_core::model::{ChatAnswer, ChatRequest};
use longhaul_core::reach::{BoxFuture, Live, ServiceError};
use longhaul_core::units::Tokens;
use serde_json::Value;
use sse::Events;
use std::sync::Arc;
use std::time::Duration;
use talk::{Heard, Talk};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

/// The most bytes of an answer as it comes over the wire: a stream repeats the same words around each piece.
const MAX_STREAM: usize = 64 << 20;
/// The most bytes of an error's body that are read.
const MAX_ERROR: usize = 64 << 10;
/// The first wait before a repetition, doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest of them.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// An endpoint.
pub(crate) struct OpenAi {
    inner: Arc<Inner>,
    /// The threads that reach the network.
    host: Handle,
}

struct Inner {
    name: String,
    config: ProviderConfig,
    key: Option<Secret>,
    network: Arc<Network>,
    pace: Pace,
}

impl OpenAi {
    pub(crate) fn new(
        name: &str,
        config: ProviderConfig,
        key: Option<Secret>,
        network: Arc<Network>,
        host: Handle,
    ) -> Self {
        let limits = Limits { requests: config.requests_per_minute, tokens: config.tokens_per_minute };
        let inner = Inner { name: name.to_owned(), config, key, network, pace: Pace::new(limits) };
        Self { inner: Arc::new(inner), host }
    }
}

impl Provider for OpenAi {
    fn chat<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Said> {
        let inner = Arc::clone(&self.inner);
        let Question { request, live, model, max_output, window, .. } = question;
        let ask = Ask { request: request.clone(), live, model: model.to_owned(), max_output, window };
        Box::pin(async move {
            let asked = outside::on(&self.host, async move { inner.ask(ask).await }).await;
            asked.unwrap_or_else(|error| Err(error).into())
        })
    }
}

/// A question, with what this provider has to know.
struct Ask {
    request: ChatRequest,
    live: Arc<dyn Live>,
    /// What the provider calls the model.
    model: String,
    max_output: Option<u32>,
    window: Tokens,
}

impl Inner {
    /// Asks as often as it makes sense within the time there is.
    async fn ask(&self, ask: Ask) -> Said {
        let body = match self.body(&ask) {
            Ok(body) => body.to_string(),
            Err(reason) => return Err(ServiceError::Invalid(reason)).into(),
        };
        let until = Instant::now() + self.config.timeout;
        let wanted = estimate::of_request(&ask.request);
        let longest = Tokens(u64::from(ask.request.max_tokens.or(ask.max_output).unwrap_or(0)));
        let mut waits = ExponentialBuilder::default()
            .with_min_delay(FIRST_WAIT)
            .with_max_delay(LONGEST_WAIT)
            .with_max_times(usize::MAX)
            .with_jitter()
            .build();
        let (mut input, mut output) = (Tokens(0), Tokens(0));
        let mut tried = 0;
        let result = loop {
            let pass = match self.pace.pass(wanted + longest, until).await {
                Ok(pass) => pass,
                Err(wait) => break Err(ServiceError::RateLimited(Some(wait))),
            };
            tried += 1;
            let once = timeout_at(until, self.once(&ask, &body)).await;
            let (fault, written) = match once {
                Ok(Ok(answer)) => {
                    self.pace.took(&pass, answer.input + answer.output);
                    (input, output) = (input + answer.input, output + answer.output);
                    break Ok(answer);
                }
                Ok(Err(failed)) => failed,
                Err(_) => {
                    // What it had read and written is not known; what it was given is.
                    input += wanted;
                    break Err(ServiceError::TimedOut(self.config.timeout));
                }
            };
            match written {
                Some(written) => (input, output) = (input + wanted, output + written),
                None => self.pace.took(&pass, Tokens(0)),
            }
            let told = fault.asks_to_wait();
            if let Some(span) = told {
                self.pace.close(span);
            }
            let wait = told.unwrap_or_default().max(waits.next().unwrap_or(LONGEST_WAIT));
            if !fault.may_pass() || tried >= self.config.tries || Instant::now() + wait >= until {
                break Err(self.shown(fault.into_error(&self.name)));
            }
            tracing::debug!(provider = %self.name, ?fault, ?wait, "a model is asked again");
            tokio::time::sleep(wait).await;
        };
        Said { result, input, output }
    }

    /// Asks once. A fault comes with what had been written by then, where anything had.
    async fn once(&self, ask: &Ask, body: &str) -> Result<ChatAnswer, (Fault, Option<Tokens>)> {
        let free = |fault| (fault, None);
        let peer = self.peer().await.map_err(free)?;
        let sending = self.sending(body).map_err(free)?;
        let answer = self.network.exchange(&peer, sending, MAX_STREAM).await.map_err(|e| free(Fault::passing(e)))?;
        let (head, mut body) = (answer.head, answer.body);
        if !head.status.is_success() {
            return Err(free(refused(&head, body).await));
        }
        let mut talk = self.talk();
        let heard = listen(&head, &mut body, talk.as_mut(), ask, self.key.as_ref()).await;
        match heard {
            Ok(heard) => Ok(self.answer(heard, ask)),
            Err(fault) => Err((fault, Some(estimate::of_text(&talk.so_far())))),
        }
    }

    fn body(&self, ask: &Ask) -> Result<Value, String> {
        match self.config.api {
            Api::Chat => Ok(chat::body(&ask.request, &ask.model, ask.max_output)),
            Api::Responses => responses::body(&ask.request, &ask.model, ask.max_output),
        }
    }

    fn talk(&self) -> Box<dyn Talk> {
        match self.config.api {
            Api::Chat => Box::new(chat::Chat::default()),
            Api::Responses => Box::new(responses::Responses::default()),
        }
    }

    /// Where the endpoint is now. Names are looked up each time: a run may last for days.
    async fn peer(&self) -> Result<Peer, Fault> {
        let url = &self.config.base_url;
        let host = url.host_str().unwrap_or_default().to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        match tokio::net::lookup_host((name.clone(), port)).await {
            Ok(found) => {
                let at = found.collect();
                Ok(Peer { host, at, is_tls: url.scheme() == "https" })
            }
            Err(source) => Err(Fault::passing(NetError::Name { name, source })),
        }
    }

    fn sending(&self, body: &str) -> Result<Sending, Fault> {
        let url = &self.config.base_url;
        let end = match self.config.api {
            Api::Chat => "chat/completions",
            Api::Responses => "responses",
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("longhaul/", env!("CARGO_PKG_VERSION"))));
        if let Some(key) = &self.key {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.reveal()))
                .map_err(|_| Fault::Refused("the key has characters that cannot be sent".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let host = url.host_str().unwrap_or_default();
        Ok(Sending {
            method: Method::POST,
            authority: url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            path: format!("{}/{end}", url.path().trim_end_matches('/')),
            headers,
            body: body.to_owned().into(),
        })
    }

    /// The answer, without the key: whoever echoes it does not bring it into the record.
    fn answer(&self, heard: Heard, ask: &Ask) -> ChatAnswer {
        let Heard { text, mut tool_calls, finish, usage, model } = heard;
        let scrub = |text: String| self.key.as_ref().map_or_else(|| text.clone(), |key| key.scrub(text.clone()));
        let text = scrub(text);
        for call in &mut tool_calls {
            call.id = scrub(std::mem::take(&mut call.id));
            call.name = scrub(std::mem::take(&mut call.name));
            call.arguments = scrub(std::mem::take(&mut call.arguments));
        }
        let (input, output) = usage.unwrap_or_else(|| {
            let calls =
                tool_calls.iter().map(|call| estimate::of_text(&call.name) + estimate::of_text(&call.arguments));
            (estimate::of_request(&ask.request), estimate::of_text(&text) + calls.sum())
        });
        let model = scrub(model.filter(|model| model.len() <= 200).unwrap_or_else(|| ask.model.clone()));
        ChatAnswer { text, tool_calls, finish, input, output, window: ask.window, model }
    }

    /// An error in the provider's own words, without the key.
    fn shown(&self, error: ServiceError) -> ServiceError {
        let scrub = |text: String| self.key.as_ref().map_or_else(|| text.clone(), |key| key.scrub(text.clone()));
        match error {
            ServiceError::Unavailable(text) => ServiceError::Unavailable(scrub(text)),
            ServiceError::Invalid(text) => ServiceError::Invalid(scrub(text)),
            ServiceError::Exhausted(text) => ServiceError::Exhausted(scrub(text)),
            ServiceError::Failed(text) => ServiceError::Failed(scrub(text)),
            other @ (ServiceError::TimedOut(_) | ServiceError::RateLimited(_)) => other,
        }
    }
}

/// Reads an answer to its end, and shows it meanwhile.
async fn listen(
    head: &Head,
    body: &mut Body,
    talk: &mut dyn Talk,
    ask: &Ask,
    key: Option<&Secret>,
) -> Result<Heard, Fault> {
    let is_stream = head.text("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
    if !is_stream {
        let mut whole = Vec::new();
        while let Some(piece) = body.piece().await.map_err(Fault::passing)? {
            whole.extend_from_slice(&piece);
            if whole.len() > talk::MAX_WHOLE {
                return Err(Fault::TooLong);
            }
        }
        let value = serde_json::from_slice(&whole).map_err(|error| Fault::malformed(&error.to_string()))?;
        return talk.whole(&value);
    }
    let mut events = Events::default();
    let mut shown = Shown { text: String::new(), key };
    loop {
        let piece = match body.piece().await {
            Ok(None) => break,
            Ok(Some(piece)) => piece,
            Err(NetError::TooMuch { .. }) => return Err(Fault::TooLong),
            Err(error) => return Err(Fault::broken_off(talk, &error.to_string())),
        };
        for event in events.take(&piece)? {
            if event == "[DONE]" {
                shown.rest(ask.live.as_ref());
                return talk.end();
            }
            let value = serde_json::from_str(&event).map_err(|error| Fault::malformed(&error.to_string()))?;
            let said = talk.hear(&value)?;
            shown.say(ask.live.as_ref(), &said);
        }
    }
    shown.rest(ask.live.as_ref());
    talk.end()
}

/// What of an answer was shown, line by line, without the key.
struct Shown<'a> {
    text: String,
    key: Option<&'a Secret>,
}

impl Shown<'_> {
    /// The most bytes of a line.
    const LINE: usize = 400;
    /// How much has to be there behind a line that is cut: a key that stands across the cut is found before.
    const BEHIND: usize = 4_096;

    fn say(&mut self, live: &dyn Live, text: &str) {
        self.text.push_str(text);
        if let Some(key) = self.key {
            self.text = key.scrub(std::mem::take(&mut self.text));
        }
        let long = |text: &String| (text.len() > Self::LINE + Self::BEHIND).then_some(Self::LINE);
        while let Some(end) = self.text.find('\n').or_else(|| long(&self.text)) {
            let end = self.text.floor_char_boundary(end.min(Self::LINE));
            let rest = self.text.split_off(end);
            let line = std::mem::replace(&mut self.text, rest.trim_start_matches('\n').to_owned());
            live.show(&line);
        }
    }

    fn rest(&mut self, live: &dyn Live) {
        if !self.text.is_empty() {
            live.show(&std::mem::take(&mut self.text));
        }
    }
}

/// What an answer says that is none.
async fn refused(head: &Head, mut body: Body) -> Fault {
    let mut text = Vec::new();
    while text.len() < MAX_ERROR
        && let Ok(Some(piece)) = body.piece().await
    {
        text.extend_from_slice(&piece[..piece.len().min(MAX_ERROR)]);
    }
    Fault::of_status(head, &String::from_utf8_lossy(&text))
}

#[cfg(test)]
mod tests;
