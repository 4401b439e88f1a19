//! What goes wrong with one try, and what that means: whether to try again, and what the agent is told.

use super::talk::Talk;
use crate::net::{Head, NetError};
use longhaul_core::reach::ServiceError;
use serde_json::Value;
use std::time::Duration;

/// The most characters of a provider's own words.
const MAX_WORDS: usize = 500;
/// The longest wait that a provider may ask for.
const MAX_WAIT: Duration = Duration::from_secs(86_400);

/// What went wrong with one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is asked too much. It may have said how long to wait.
    Busy(Option<Duration>),
    /// Something that may pass.
    Passing(String),
    /// It does not serve us: key, model, address.
    Refused(String),
    /// It makes no sense of the request.
    Bad(String),
    /// Nobody makes sense of its answer.
    Malformed(String),
    /// It does not come to an end.
    TooLong,
}

impl Fault {
    pub(super) fn passing(error: NetError) -> Self {
        match error {
            NetError::TooMuch { .. } => Fault::TooLong,
            error => Fault::Passing(error.to_string()),
        }
    }

    pub(super) fn malformed(reason: &str) -> Self {
        Fault::Malformed(words(reason))
    }

    pub(super) fn broken_off(talk: &dyn Talk, reason: &str) -> Self {
        let reason = if reason.is_empty() { String::new() } else { format!(": {}", words(reason)) };
        Fault::Passing(format!("the answer broke off behind {} characters{reason}", talk.so_far().chars().count()))
    }

    /// What a status other than success means.
    pub(super) fn of_status(head: &Head, body: &str) -> Self {
        let said = said(body);
        let told = format!("status {}{}{said}", head.status.as_u16(), if said.is_empty() { "" } else { ": " });
        match head.status.as_u16() {
            429 => Fault::Busy(retry_after(head)),
            503 | 529 => match retry_after(head) {
                Some(wait) => Fault::Busy(Some(wait)),
                None => Fault::Passing(told),
            },
            408 | 409 | 425 | 500.. => Fault::Passing(told),
            400 | 413 | 422 => Fault::Bad(told),
            _ => Fault::Refused(told),
        }
    }

    /// How long the provider asks to be left alone.
    pub(super) fn asks_to_wait(&self) -> Option<Duration> {
        if let Fault::Busy(wait) = self { *wait } else { None }
    }

    /// Whether another try may do better.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Fault::Busy(_) | Fault::Passing(_) | Fault::Malformed(_))
    }

    /// What the agent is told.
    pub(super) fn into_error(self, provider: &str) -> ServiceError {
        match self {
            Fault::Busy(wait) => ServiceError::RateLimited(wait),
            Fault::Passing(reason) => ServiceError::Failed(format!("the provider `{provider}` failed: {reason}")),
            Fault::Refused(reason) => ServiceError::Unavailable(format!("the provider `{provider}` refuses: {reason}")),
            Fault::Bad(reason) => {
                ServiceError::Invalid(format!("the provider `{provider}` does not take the request: {reason}"))
            }
            Fault::Malformed(reason) => {
                ServiceError::Failed(format!("what the provider `{provider}` answers cannot be read: {reason}"))
            }
            Fault::TooLong => ServiceError::Exhausted(format!(
                "the provider `{provider}` answers more than the host takes (1 MiB of text)"
            )),
        }
    }
}

/// How long to wait: in milliseconds, in seconds, or until a date, which is measured by the date of the answer itself.
fn retry_after(head: &Head) -> Option<Duration> {
    let number = |name: &str| head.text(name).and_then(|text| text.trim().parse::<f64>().ok()).filter(|n| *n >= 0.0);
    let date = |name: &str| httpdate::parse_http_date(head.text(name)?.trim()).ok();
    match number("retry-after-ms").map(|n| n / 1_000.0).or_else(|| number("retry-after")) {
        Some(seconds) => Some(Duration::try_from_secs_f64(seconds).unwrap_or(MAX_WAIT).min(MAX_WAIT)),
        // One that is over asks to wait no longer.
        None => Some(date("retry-after")?.duration_since(date("date")?).unwrap_or_default().min(MAX_WAIT)),
    }
}

/// The provider's own words for an error.
fn said(body: &str) -> String {
    let value: Option<Value> = serde_json::from_str(body).ok();
    let told = value.as_ref().and_then(|value| {
        let places = ["/error/message", "/message", "/error", "/detail"];
        places.iter().find_map(|place| value.pointer(place).and_then(Value::as_str))
    });
    words(told.unwrap_or(body))
}

/// The beginning of a text, in one line that no terminal obeys.
fn words(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(MAX_WORDS).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;
    use hyper::header::{HeaderMap, HeaderName};

    fn wait(lines: &[(&str, &str)]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        Fault::of_status(&Head { status: StatusCode::TOO_MANY_REQUESTS, headers }, "").asks_to_wait()
    }

    #[test]
    fn a_wait_is_read_as_a_number_and_as_a_date() {
        let now = ("date", "Fri, 20 Nov 2026 19:27:38 GMT");
        for (lines, expected) in [
            (&[("retry-after", "7")][..], Some(Duration::from_secs(7))),
            (&[("retry-after", "7"), ("retry-after-ms", "250")], Some(Duration::from_millis(250))),
            (&[now, ("retry-after", "Fri, 20 Nov 2026 19:29:08 GMT")], Some(Duration::from_secs(90))),
            (&[now, ("retry-after", "Friday, 20-Nov-26 19:27:39 GMT")], Some(Duration::from_secs(1))),
            (&[now, ("retry-after", "Fri Nov 20 19:27:48 2026")], Some(Duration::from_secs(10))),
            (&[now, ("retry-after", "Fri, 20 Nov 2026 19:00:00 GMT")], Some(Duration::ZERO)),
            (&[now, ("retry-after", "Sat, 20 Nov 2027 19:27:38 GMT")], Some(MAX_WAIT)),
            (&[("retry-after", "Fri, 20 Nov 2026 19:29:08 GMT")], None),
            (&[now, ("retry-after", "soon")], None),
            (&[now], None),
        ] {
            assert_eq!(wait(lines), expected, "{lines:?}");
        }
    }
}
