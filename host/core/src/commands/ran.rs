//! What came of a command, as the record has it.

use super::{ExitStatus, Finished, Isolation, Written};
use crate::digest::Digest;
use crate::ground::Taken;
use crate::units::Bytes;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The most bytes of a stream's end that are recorded beside its beginning.
const MAX_TAIL: usize = 4 << 10;

/// What came of a command: the answer of its action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// Wall time it took, in milliseconds.
    pub duration_ms: u64,
    /// Its standard output.
    pub stdout: Output,
    /// Its standard error.
    pub stderr: Output,
    /// The isolation that it ran in.
    pub isolation: Vec<Isolation>,
    /// What was taken of what it left.
    pub taken: Taken,
}

/// What it wrote to one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Bytes of all of it.
    pub size: u64,
    /// The digest of all of it, which names it in what is kept.
    pub digest: Digest,
    /// The beginning.
    #[serde(flatten)]
    head: Head,
    /// The end as text, where that is not part of the beginning.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    tail: String,
}

/// Bytes in a record: as text where they are one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Head {
    Text(String),
    Hex(String),
}

impl Output {
    fn of(written: Written, shown: Bytes) -> Self {
        let Written { mut head, tail, size, digest } = written;
        head.truncate(usize::try_from(shown.0).unwrap_or(usize::MAX));
        if size > head.len() as u64 {
            // A character that was cut in two is left out.
            let whole = std::str::from_utf8(&head).map_or_else(
                |error| if error.error_len().is_none() { error.valid_up_to() } else { head.len() },
                str::len,
            );
            head.truncate(whole);
        }
        let head = String::from_utf8(head).map_or_else(|error| Head::Hex(hex(error.as_bytes())), Head::Text);
        let tail = String::from_utf8_lossy(&tail[tail.len().saturating_sub(MAX_TAIL)..]).into_owned();
        Self { size, digest, head, tail }
    }

    /// Whether there is more of it than is recorded here.
    fn is_cut(&self) -> bool {
        self.bytes().len() as u64 != self.size
    }

    /// The last `most` bytes of it at most, as text.
    pub fn end(&self, most: usize) -> String {
        let head = String::from_utf8_lossy(&self.bytes()).into_owned();
        let text = if self.tail.is_empty() { head } else { self.tail.clone() };
        text[text.ceil_char_boundary(text.len().saturating_sub(most))..].to_owned()
    }

    /// Its beginning.
    pub fn bytes(&self) -> Vec<u8> {
        match &self.head {
            Head::Text(text) => text.clone().into_bytes(),
            Head::Hex(text) => {
                let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or(0) as u8;
                text.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
            }
        }
    }
}

impl Ran {
    /// What came of a command of which `shown` bytes of each stream are recorded.
    pub fn of(finished: Finished, taken: Taken, shown: Bytes) -> Self {
        let Finished { status, stdout, stderr, duration, isolation } = finished;
        Self {
            status,
            duration_ms: millis(duration),
            stdout: Output::of(stdout, shown),
            stderr: Output::of(stderr, shown),
            isolation,
            taken,
        }
    }

    /// As a record has it.
    ///
    /// # Errors
    /// None but those of the writer: all of it is text and numbers.
    pub fn text(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// Out of a record.
    ///
    /// # Errors
    /// Where the text is of something else.
    pub fn read(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// Whether either stream has more than is recorded here.
    pub fn is_cut(&self) -> bool {
        self.stdout.is_cut() || self.stderr.is_cut()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(head: &[u8], size: u64, shown: u64) -> (Vec<u8>, bool) {
        let written = |head: &[u8]| Written { head: head.to_vec(), tail: Vec::new(), size, digest: Digest::of(head) };
        let finished = Finished {
            status: ExitStatus::Code(0),
            stdout: written(head),
            stderr: Written { size: 0, ..written(b"") },
            duration: Duration::from_millis(3),
            isolation: Vec::new(),
        };
        let ran = Ran::of(finished, Taken::default(), Bytes(shown));
        let again = Ran::read(&ran.text().unwrap()).unwrap();
        assert_eq!(again, ran);
        (again.stdout.bytes(), again.is_cut())
    }

    #[test]
    fn any_bytes_survive_the_record() {
        assert_eq!(told("grüße".as_bytes(), 7, 100), ("grüße".as_bytes().to_vec(), false));
        assert_eq!(told(&[0, 255, 16, 10], 4, 100), (vec![0, 255, 16, 10], false));
        assert_eq!(told(b"", 0, 100), (Vec::new(), false));
    }

    #[test]
    fn a_cut_leaves_no_half_character() {
        assert_eq!(told("grü".as_bytes(), 4, 3), (b"gr".to_vec(), true));
        assert_eq!(told(&[200, 200, 200], 3, 2), (vec![200, 200], true));
    }
}
