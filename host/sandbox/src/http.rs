//! Outgoing HTTP: what a guest asks of the web is checked here, sent by a service, and recorded.
//!
//! Header lines stand in the record as the guest wrote them: with the names of secrets, and without their values.

use crate::audit::{Deed, Outward};
use crate::bindings::agent::longhaul::plugin::{http, types};
use crate::guest::Guest;
use crate::host::short;
use crate::service::refusal;
use data_encoding::BASE64;
use longhaul_core::digest::Digest;
use longhaul_core::effect::{Answered, CallKind, KeyScope};
use longhaul_core::grant::{Capability, Denial, Party};
use longhaul_core::reach::ServiceError;
use longhaul_core::web::{Address, METHODS, WebAnswer, WebRequest};
use serde_json::json;
use std::time::Duration;

/// The longest time that one exchange may be given.
const MAX_TIMEOUT: Duration = Duration::from_secs(600);
/// The most bytes of a body that the record shows; of a longer one it has the digest.
const MAX_SHOWN: usize = 64 << 10;
/// How much longer than its own time an exchange is waited for.
const GRACE: Duration = Duration::from_secs(5);

impl http::Host for Guest {
    async fn fetch(&mut self, request: http::Request) -> wasmtime::Result<Result<http::Response, types::Error>> {
        self.meter.charge_call(request.url.len() + request.body.len());
        let asked = short(&format!("{} {}", request.method, request.url));
        let Some(operation) = operation(&request.method) else {
            let reason = format!("`method` is none of {}", METHODS.join(", "));
            return self.not_asked("fetch", asked, ServiceError::Invalid(reason));
        };
        let address = match Address::parse(&request.url) {
            Ok(address) => address,
            Err(error) => return self.not_asked(operation, asked, ServiceError::Invalid(format!("`url`: {error}"))),
        };
        if let Err(refused) = self.grant().check_web(&request.method, &address) {
            let line = format!("http: [\"{} {address}\"]", request.method);
            let grant = if refused.party == Party::Manifest { String::new() } else { short(&line) };
            let denial = Denial {
                capability: Capability::Http,
                resource: short(&refused.address),
                grant,
                reason: refused.reason,
            };
            return self.refused(operation, denial);
        }
        let resource = short(&address.to_string());
        let Some(web) = self.reach.services.web.clone() else {
            let reason = "this host does not reach the web".to_owned();
            return self.not_asked(operation, resource, ServiceError::Unavailable(reason));
        };
        let timeout = request.timeout.map_or(self.limits.call_time, Duration::from_millis).min(MAX_TIMEOUT);
        let is_query = matches!(operation, "get" | "head" | "options");
        let (shown, subject) = (shown(&request), digest(&request, &address));
        if self.grant().approvals().request(&request.method, &address) {
            let (asked, detail) = (address.to_string(), format!("{} {address}\n{shown}", request.method));
            if let Err(rejected) = self.approved(Capability::Http, operation, &asked, detail, subject).await? {
                return Ok(Err(rejected));
            }
        }
        let outward = Outward {
            capability: Capability::Http,
            operation,
            resource,
            detail: if request.body.is_empty() { String::new() } else { format!("{} bytes", request.body.len()) },
            request: subject,
            kind: match is_query {
                true => CallKind::Query,
                false => CallKind::Effect { idempotent: request.idempotent, scope: KeyScope::Action },
            },
        };
        let http::Request { method, mut headers, body, .. } = request;
        let grant = self.grant().clone();
        let ask = async |key: longhaul_core::effect::IdempotencyKey| {
            let has_key = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("idempotency-key"));
            if !is_query && !has_key {
                headers.push(("idempotency-key".to_owned(), key.to_string()));
            }
            let answered = match web.fetch(WebRequest { method, address, headers, body, timeout, grant }).await {
                // Texts and numbers are always JSON.
                Ok(answer) => Answered::ok(serde_json::to_string(&answer).unwrap_or_default()),
                Err(error) => refusal(&error),
            };
            Ok(Answered { asked: shown, ..answered })
        };
        let answer = self.ask_service(outward, Some(timeout.saturating_add(GRACE)), ask);
        Ok(answer.await?.and_then(|answer| {
            let unreadable =
                |reason: String| types::Error::Failed(format!("the recorded answer cannot be read: {reason}"));
            let answer: WebAnswer = serde_json::from_str(&answer).map_err(|e| unreadable(e.to_string()))?;
            let WebAnswer { status, headers, text, base64, url } = answer;
            let body = match base64.is_empty() {
                true => text.into_bytes(),
                false => BASE64.decode(base64.as_bytes()).map_err(|e| unreadable(e.to_string()))?,
            };
            Ok(http::Response { status, headers, body, url })
        }))
    }
}

impl Guest {
    /// Refuses what nobody needs to be asked for, and records that.
    fn not_asked<T>(
        &mut self,
        operation: &'static str,
        resource: String,
        error: ServiceError,
    ) -> wasmtime::Result<Result<T, types::Error>> {
        let deed = Deed::new(Capability::Http, operation, resource);
        self.audit.action(deed.failed(short(&error.to_string())))?;
        Ok(Err(error.into()))
    }
}

/// The method as the record has it; none where it is no method.
fn operation(method: &str) -> Option<&'static str> {
    Some(match method {
        "GET" => "get",
        "HEAD" => "head",
        "OPTIONS" => "options",
        "POST" => "post",
        "PUT" => "put",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => return None,
    })
}

/// The digest of all that is sent, as the guest wrote it.
fn digest(request: &http::Request, address: &Address) -> Digest {
    let http::Request { method, headers, body, timeout, idempotent, .. } = request;
    let whole = json!([method, address.to_string(), headers, Digest::of(body), timeout, idempotent]);
    Digest::of(whole.to_string().as_bytes())
}

/// What the record shows of a request beside its address.
fn shown(request: &http::Request) -> String {
    let mut shown = json!({});
    if !request.headers.is_empty() {
        shown["headers"] = json!(request.headers);
    }
    match std::str::from_utf8(&request.body) {
        Ok("") => {}
        Ok(text) if text.len() <= MAX_SHOWN => shown["body"] = json!(text),
        _ => shown["body_digest"] = json!(Digest::of(&request.body)),
    }
    if shown.as_object().is_none_or(serde_json::Map::is_empty) { String::new() } else { shown.to_string() }
}
