//! Quantities with their units: computing, bytes, spans of time, points in time.
//!
//! Quantities in files are written as people write them (`30m`, `7h30m`, `300MB`, `50G`, `2_000_000`); the parsers
//! here are the only ones.

use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// A text that is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {what}; write it like {example}")]
pub struct UnitError {
    /// What was expected.
    pub what: &'static str,
    /// What was found, at most 80 characters of it.
    pub text: String,
    /// How it is written.
    pub example: &'static str,
}

impl UnitError {
    fn new(what: &'static str, text: &str, example: &'static str) -> Self {
        Self { what, text: text.chars().take(80).collect(), example }
    }
}

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl std::ops::Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl std::ops::AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl std::iter::Sum for $name {
            fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
                amounts.fold(Self(0), |a, b| a + b)
            }
        }
    };
}

amount!(
    /// Units of computing. One unit is about one executed guest instruction; host calls are charged in the same unit.
    Fuel
);
amount!(
    /// Tokens of language models, read and written.
    Tokens
);
amount!(
    /// An amount of money in millionths of the operator's currency.
    Money
);
amount!(
    /// A number of bytes.
    Bytes
);

/// A point in time: milliseconds since 1970-01-01T00:00:00Z. This crate never asks for the current one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The time from `earlier` to this, zero where `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time; write it as `2026-11-20T05:14:22Z` or `2026-11-20`, in UTC")]
pub struct TimestampError(pub String);

impl std::str::FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads what [`Timestamp`] is shown as; fractions, seconds or the whole time of day may be left out. The calendar is Howard Hinnant's
    /// `days_from_civil` (<https://howardhinnant.github.io/date_algorithms.html>).
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let read = || {
            let text = text.strip_suffix('Z').unwrap_or(text);
            let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
            let number = |text: &str, digits: usize, most: u64| {
                let is_plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
                text.parse::<u64>().ok().filter(|number| is_plain && *number <= most)
            };
            let mut parts = date.split('-');
            let (year, month, day) =
                (number(parts.next()?, 4, 9999)?, number(parts.next()?, 2, 12)?, number(parts.next()?, 2, 31)?);
            if parts.next().is_some() || month == 0 || day == 0 || year < 1970 {
                return None;
            }
            let mut parts = time.split(':');
            let (hour, minute) = (number(parts.next()?, 2, 23)?, number(parts.next()?, 2, 59)?);
            let (second, fraction) = match parts.next() {
                None => (0, 0),
                Some(second) => match second.split_once('.') {
                    None => (number(second, 2, 60)?, 0),
                    Some((second, fraction)) => (number(second, 2, 60)?, number(fraction, 3, 999)?),
                },
            };
            if parts.next().is_some() {
                return None;
            }
            let y = if month <= 2 { year - 1 } else { year };
            let (era, yoe) = (y / 400, y % 400);
            let mp = if month > 2 { month - 3 } else { month + 9 };
            let doy = (153 * mp + 2) / 5 + day - 1;
            let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
            let days = (era * 146_097 + doe).checked_sub(719_468)?;
            Some(Timestamp(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + fraction))
        };
        read().ok_or_else(|| TimestampError(text.chars().take(80).collect()))
    }
}

impl fmt::Display for Timestamp {
    /// `2026-11-20T05:14:22.125Z`. The calendar is Howard Hinnant's `civil_from_days`
    /// (<https://howardhinnant.github.io/date_algorithms.html>).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let z = days + 719_468;
        let (era, doe) = (z / 146_097, z % 146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + u64::from(month <= 2);
        let (h, m, s, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{ms:03}Z")
    }
}

/// Reads a count: digits with `_` between them and optionally `k`, `M`, `G` or `T` for powers of 1000.
///
/// # Errors
/// [`UnitError`] where it is something else or does not fit 64 bits.
pub fn parse_count(text: &str) -> Result<u64, UnitError> {
    scaled(text, &[("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000), ("T", 1_000_000_000_000)])
        .ok_or_else(|| UnitError::new("count", text, "`2_000_000`, `500k` or `50G`"))
}

/// Reads a size in bytes: a count with `B`, `kB`, `MB`, `GB`, `TB` (powers of 1000) or `KiB`, `MiB`, `GiB`, `TiB`
/// (powers of 1024).
///
/// # Errors
/// [`UnitError`] where it is something else or does not fit 64 bits.
pub fn parse_size(text: &str) -> Result<Bytes, UnitError> {
    const UNITS: &[(&str, u64)] = &[
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("B", 1),
    ];
    scaled(text, UNITS).map(Bytes).ok_or_else(|| UnitError::new("size", text, "`300MB`, `64MiB` or `4096`"))
}

/// Reads an amount of money: a whole number, and at most six digits behind a point.
///
/// # Errors
/// [`UnitError`] where it is something else.
pub fn parse_money(text: &str) -> Result<Money, UnitError> {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let digits = |text: &str| (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let error = || UnitError::new("sum of money", text.trim(), "`12.50`");
    if !digits(whole) || !digits(part) || part.len() > 6 {
        return Err(error());
    }
    let read = |text: &str| text.parse::<u64>().map_err(|_| error());
    Ok(Money(read(whole)? * 1_000_000 + read(&format!("{part:0<6}"))?))
}

/// Reads a span of time: parts of a whole number and `d`, `h`, `m`, `s` or `ms`, greatest first, as in `7h30m`.
///
/// # Errors
/// [`UnitError`] where it is something else, has no unit, or exceeds 1000 days.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    duration(text).ok_or_else(|| UnitError::new("duration", text, "`30s`, `15m`, `7h30m` or `500ms`"))
}

fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest = text.trim();
    let mut total: u64 = 0;
    let mut next = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let value: u64 = rest[..digits].parse().ok()?;
        let letters = rest[digits..].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len() - digits);
        let unit = &rest[digits..digits + letters];
        let index = UNITS.iter().position(|(name, _)| *name == unit).filter(|i| *i >= next)?;
        next = index + 1;
        total = total.checked_add(value.checked_mul(UNITS[index].1)?)?;
        rest = &rest[digits + letters..];
    }
    (total <= 1000 * 86_400_000).then(|| Duration::from_millis(total))
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), *factor)))
        .unwrap_or((text, 1));
    let plain = !number.is_empty()
        && number.starts_with(|c: char| c.is_ascii_digit())
        && number.chars().all(|c| c.is_ascii_digit() || c == '_');
    if !plain {
        return None;
    }
    number.replace('_', "").parse::<u64>().ok()?.checked_mul(factor)
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n < 1_000 => write!(f, "{n} B"),
            n if n < 1_000_000 => write!(f, "{}.{} kB", n / 1_000, n % 1_000 / 100),
            n if n < 1_000_000_000 => write!(f, "{}.{} MB", n / 1_000_000, n % 1_000_000 / 100_000),
            n => write!(f, "{}.{} GB", n / 1_000_000_000, n % 1_000_000_000 / 100_000_000),
        }
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fuel(self.0).fmt(f)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 1_000_000, self.0 % 1_000_000 / 10_000)
    }
}

impl fmt::Display for Fuel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n < 1_000_000 => write!(f, "{n}"),
            n if n < 1_000_000_000 => write!(f, "{}.{} M", n / 1_000_000, n % 1_000_000 / 100_000),
            n => write!(f, "{}.{} G", n / 1_000_000_000, n % 1_000_000_000 / 100_000_000),
        }
    }
}

/// A span of time as people write it, at most two parts: `7h30m`, `12.4s`, `80ms`.
pub fn show_duration(span: Duration) -> String {
    let ms = span.as_millis();
    match ms {
        0..1_000 => format!("{ms}ms"),
        1_000..60_000 => format!("{}.{}s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{}m{:02}s", ms / 60_000, ms / 1_000 % 60),
        _ => format!("{}h{:02}m", ms / 3_600_000, ms / 60_000 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_shown() {
        for at in [0, 951_782_399_999, 951_782_400_000, 1_709_164_800_000, 1_795_152_862_125, 4_102_444_799_999] {
            assert_eq!(Timestamp(at).to_string().parse(), Ok(Timestamp(at)));
        }
        let read = |text: &str| text.parse::<Timestamp>().map(|at| at.to_string());
        assert_eq!(read("2026-11-20").unwrap(), "2026-11-20T00:00:00.000Z");
        assert_eq!(read("2026-11-20 05:14").unwrap(), "2026-11-20T05:14:00.000Z");
        assert_eq!(read("2026-11-20T05:14:22").unwrap(), "2026-11-20T05:14:22.000Z");
        for bad in [
            "",
            "now",
            "2026-13-01",
            "2026-00-01",
            "2026-1-1",
            "1969-12-31",
            "2026-11-20T25:00",
            "2026-11-20T05:14:22.1Z",
            "+026-11-20",
            "2026-11-20T05:14:22:01",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations() {
        let seconds = |text| parse_duration(text).map(|d| d.as_secs_f64());
        assert_eq!(seconds("30m"), Ok(1800.0));
        assert_eq!(seconds("7h30m"), Ok(27000.0));
        assert_eq!(seconds("1d"), Ok(86400.0));
        assert_eq!(seconds("1s500ms"), Ok(1.5));
        for bad in
            ["", "30", "m", "30 m", "30m7h", "1.5h", "-3s", "30M", "1m1m", "99999999999999999999s", "1001d", "3ñ"]
        {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn money() {
        assert_eq!(parse_money("12.50"), Ok(Money(12_500_000)));
        assert_eq!(parse_money("3"), Ok(Money(3_000_000)));
        assert_eq!(parse_money("0.000001"), Ok(Money(1)));
        for bad in ["", ".5", "1.", "-1", "1,5", "1.2345678", "1e3", "1234567890123", "12 EUR"] {
            assert!(parse_money(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_and_counts() {
        assert_eq!(parse_size("300MB"), Ok(Bytes(300_000_000)));
        assert_eq!(parse_size("64MiB"), Ok(Bytes(64 << 20)));
        assert_eq!(parse_size("4096"), Ok(Bytes(4096)));
        assert_eq!(parse_count("2_000_000"), Ok(2_000_000));
        assert_eq!(parse_count("50G"), Ok(50_000_000_000));
        for bad in ["", "MB", "-1", "1.5GB", "_1", "1e9", "99999999999999999999", "9999999999999TB", "1 apple"] {
            assert!(parse_size(bad).is_err(), "{bad}");
            assert!(parse_count(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bad_duration_says_how_to_write_one() {
        assert_eq!(
            parse_duration("half an hour").unwrap_err().to_string(),
            "`half an hour` is not a duration; write it like `30s`, `15m`, `7h30m` or `500ms`"
        );
    }

    #[test]
    fn timestamps_read_as_dates() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(951_782_400_000).to_string(), "2000-02-29T00:00:00.000Z");
        assert_eq!(Timestamp(1_795_152_862_125).to_string(), "2026-11-20T05:34:22.125Z");
    }
}
