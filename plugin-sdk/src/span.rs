//! Spans of time as people write them in a configuration: `30m`, `1h30m`, `500ms`.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The units, longest first, with their length in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A span of time in whole milliseconds, written as numbers with units (`d`, `h`, `m`, `s`, `ms`), longest unit first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

/// A text that is no span of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanError(String);

impl Span {
    /// A span of so many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// A span of so many seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// Its length in milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The same as the standard library's type.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let wrong = || SpanError(text.to_owned());
        let (mut rest, mut units, mut millis) = (text.trim(), UNITS.iter(), 0_u64);
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            let tail = &rest[digits..];
            let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
            // The iterator only goes forward, so a unit that is repeated or out of order is not found.
            let (_, length) = units.find(|(unit, _)| *unit == &tail[..letters]).ok_or_else(wrong)?;
            millis = number.checked_mul(*length).and_then(|part| millis.checked_add(part)).ok_or_else(wrong)?;
            rest = &tail[letters..];
        }
        Ok(Self(millis))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        for (unit, length) in UNITS {
            if rest >= length {
                write!(f, "{}{unit}", rest / length)?;
                rest %= length;
            }
        }
        if self.0 == 0 { f.write_str("0s") } else { Ok(()) }
    }
}

impl fmt::Display for SpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no span of time; write numbers with the units d, h, m, s or ms, longest first, like `1h30m`",
            self.0.chars().take(40).collect::<String>()
        )
    }
}

impl std::error::Error for SpanError {}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A visitor's message for a wrong type is worth the extra line: `30` is what people write first.
        let value = serde_json::Value::deserialize(deserializer)?;
        match value {
            serde_json::Value::String(text) => text.parse().map_err(D::Error::custom),
            other => Err(D::Error::custom(SpanError(other.to_string()))),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_the_same_way() {
        for (text, millis) in
            [("30m", 1_800_000), ("1h30m", 5_400_000), ("500ms", 500), ("2d1s5ms", 172_801_005), ("0s", 0)]
        {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.as_millis(), millis, "{text}");
            assert_eq!(span.to_string(), text);
        }
        assert_eq!("90m".parse::<Span>().unwrap().to_string(), "1h30m");
    }

    #[test]
    fn what_is_no_span_is_refused_with_a_way_out() {
        for text in
            ["", "30", "m", "-3s", "1.5h", "30m1h", "1h1h", "99999999999999999999s", "400000000000000d", "1 h", "1ü"]
        {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        let error = serde_json::from_str::<Span>("30").unwrap_err().to_string();
        assert!(error.contains("`30` is no span of time") && error.contains("1h30m"), "{error}");
    }
}
