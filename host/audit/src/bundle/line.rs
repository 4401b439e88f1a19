//! The lines of a bundle, each with the one way in which it is written.

use crate::note::Origin;
use data_encoding::BASE64;
use longhaul_core::id::RunId;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What the header names as the format.
pub const FORMAT: &str = "longhaul-bundle";
/// The version that is written and read.
pub const VERSION: u64 = 1;
/// How many bytes a line may have without its newline: an entry of 64 MiB of which each character has to be escaped.
pub const MAX_LINE: usize = (128 << 20) + 4096;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u64,
    /// The run whose record it is.
    pub run: RunId,
    /// What the heads of the run begin with.
    pub origin: Origin,
    /// What the heads of the log begin with; none where there is no log.
    pub log: Option<Origin>,
}

/// What a line after the header holds. Lines of a bundle stand in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An entry of the log.
    LogEntry,
    /// A head of the log.
    LogHead,
    /// A head of the run.
    Head,
    /// An entry of the run.
    Entry,
    /// The last line.
    End,
}

/// How many lines of each kind there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Counts {
    /// Entries of the log.
    pub log_entries: u64,
    /// Heads of the log.
    pub log_heads: u64,
    /// Heads of the run.
    pub heads: u64,
    /// Entries of the run.
    pub entries: u64,
}

/// What the last line says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// How many lines stand before it, with the header.
    pub lines: u64,
    /// How many of each kind.
    #[serde(rename = "of")]
    pub counts: Counts,
}

/// A line after the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// An entry or a head: its position or size, and its bytes.
    Row(Kind, u64, Vec<u8>),
    /// The last line.
    End(End),
    /// A line of a kind that this version does not know.
    Unknown(String),
}

/// A line as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum Written<'a> {
    #[serde(borrow)]
    LogEntry(Entry<'a>),
    #[serde(borrow)]
    LogHead(Head<'a>),
    #[serde(borrow)]
    Head(Head<'a>),
    #[serde(borrow)]
    Entry(Entry<'a>),
    End(End),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    at: u64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    base64: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head<'a> {
    size: u64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    note: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    base64: Option<Cow<'a, str>>,
}

impl Kind {
    /// Its name in bundles.
    pub fn name(self) -> &'static str {
        match self {
            Self::LogEntry => "log-entry",
            Self::LogHead => "log-head",
            Self::Head => "head",
            Self::Entry => "entry",
            Self::End => "end",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        [Self::LogEntry, Self::LogHead, Self::Head, Self::Entry, Self::End].into_iter().find(|kind| kind.name() == name)
    }
}

impl Line {
    /// The kind of a line that this version knows.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Row(kind, ..) => Some(*kind),
            Self::End(_) => Some(Kind::End),
            Self::Unknown(_) => None,
        }
    }

    /// Reads a line without its newline. None where it is not written as a line is.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        let name = text.strip_prefix("{\"")?.split_once("\":")?.0;
        if Kind::of_name(name).is_none() {
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            return (is_name && text.ends_with('}')).then(|| Self::Unknown(name.to_owned()));
        }
        let line = match serde_json::from_str::<Written<'_>>(text).ok()? {
            Written::LogEntry(entry) => entry.row(Kind::LogEntry)?,
            Written::LogHead(head) => head.row(Kind::LogHead)?,
            Written::Head(head) => head.row(Kind::Head)?,
            Written::Entry(entry) => entry.row(Kind::Entry)?,
            Written::End(end) => Self::End(end),
        };
        // Whatever else can be read as this line is not how it is written.
        (line.to_bytes().ok()? == bytes).then_some(line)
    }

    /// The line as it is written, without its newline.
    pub(super) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let written = match self {
            Self::Row(kind @ (Kind::LogEntry | Kind::Entry), at, bytes) => {
                let (body, base64) = text(bytes);
                let entry = Entry { at: *at, body, base64 };
                if *kind == Kind::Entry { Written::Entry(entry) } else { Written::LogEntry(entry) }
            }
            Self::Row(kind, size, bytes) => {
                let (note, base64) = text(bytes);
                let head = Head { size: *size, note, base64 };
                if *kind == Kind::Head { Written::Head(head) } else { Written::LogHead(head) }
            }
            Self::End(end) => Written::End(*end),
            Self::Unknown(name) => return Ok(format!("{{\"{name}\":}}").into_bytes()),
        };
        serde_json::to_vec(&written)
    }
}

impl Entry<'_> {
    fn row(self, kind: Kind) -> Option<Line> {
        Some(Line::Row(kind, self.at, bytes(self.body, self.base64)?))
    }
}

impl Head<'_> {
    fn row(self, kind: Kind) -> Option<Line> {
        Some(Line::Row(kind, self.size, bytes(self.note, self.base64)?))
    }
}

/// Bytes as text where they are one, without control characters other than newlines, and in Base64 where not.
fn text(bytes: &[u8]) -> (Option<Cow<'_, str>>, Option<Cow<'_, str>>) {
    match str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(|byte| *byte >= 0x20 || *byte == b'\n') => (Some(Cow::Borrowed(text)), None),
        _ => (None, Some(Cow::Owned(BASE64.encode(bytes)))),
    }
}

fn bytes(text: Option<Cow<'_, str>>, base64: Option<Cow<'_, str>>) -> Option<Vec<u8>> {
    match (text, base64) {
        (Some(text), None) => Some(text.into_owned().into_bytes()),
        (None, Some(base64)) => BASE64.decode(base64.as_bytes()).ok(),
        _ => None,
    }
}
