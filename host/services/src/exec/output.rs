//! What a command writes to one stream: all of it goes to a file and into a digest, its beginning and its end stay in memory, and its
//! lines are shown to whoever follows, as many of them as somebody could read.

use longhaul_core::commands::{Follow, Stream, Written};
use longhaul_core::digest::Hasher;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of the end that are kept.
const TAIL: usize = 8 << 10;
/// The most bytes of a line that is shown.
const MAX_LINE: usize = 400;
/// The most lines of one stream that are shown in a second.
const LINES: u32 = 50;

/// Takes in one stream.
pub(super) struct Collector {
    file: File,
    hasher: Hasher,
    size: u64,
    shown: usize,
    /// More than this is an offence.
    most: u64,
    head: Vec<u8>,
    /// The newest bytes behind the beginning, at most twice [`TAIL`].
    tail: Vec<u8>,
    lines: Lines,
}

impl Collector {
    /// A collector that puts everything into a new file at `path`.
    pub(super) fn new(
        path: &Path,
        shown: usize,
        most: u64,
        (stream, follow): (Stream, Arc<dyn Follow>),
    ) -> io::Result<Self> {
        let lines = Lines { stream, follow, line: Vec::new(), since: Instant::now(), count: 0 };
        let file = File::create(path)?;
        Ok(Self { file, hasher: Hasher::default(), size: 0, shown, most, head: Vec::new(), tail: Vec::new(), lines })
    }

    /// Takes in `source` to its end; false as soon as there is more than there may be.
    pub(super) async fn collect(&mut self, source: &mut (impl AsyncRead + Unpin)) -> io::Result<bool> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = match source.read(&mut buffer).await {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.take(&buffer[..read])?;
            if self.size > self.most {
                return Ok(false);
            }
        }
        self.lines.end();
        Ok(true)
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        let (first, rest) = bytes.split_at(bytes.len().min(self.shown - self.head.len()));
        self.head.extend_from_slice(first);
        self.tail.extend_from_slice(rest);
        if self.tail.len() > 2 * TAIL {
            self.tail.drain(..self.tail.len() - TAIL);
        }
        self.lines.take(bytes);
        Ok(())
    }

    /// What was taken in.
    pub(super) fn finish(mut self) -> Written {
        let tail = self.tail.split_off(self.tail.len().saturating_sub(TAIL));
        Written { head: self.head, tail, size: self.size, digest: self.hasher.finish() }
    }
}

/// Makes lines of bytes.
struct Lines {
    stream: Stream,
    follow: Arc<dyn Follow>,
    /// The beginning of the line that is not at its end.
    line: Vec<u8>,
    since: Instant,
    count: u32,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n' || *byte == b'\r') {
            self.add(&rest[..end]);
            self.end();
            rest = &rest[end + 1..];
            // A flood is shown in part: nobody reads it, and looking at each line would cost more than the command does.
            if self.count > LINES && self.since.elapsed() < Duration::from_secs(1) {
                rest = rest.iter().rposition(|byte| *byte == b'\n').map_or(&[][..], |end| &rest[end + 1..]);
                break;
            }
        }
        self.add(rest);
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = MAX_LINE.saturating_sub(self.line.len());
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end(&mut self) {
        if self.since.elapsed() >= Duration::from_secs(1) {
            (self.since, self.count) = (Instant::now(), 0);
        }
        self.count += 1;
        if !self.line.is_empty() && self.count <= LINES {
            self.follow.line(self.stream, &String::from_utf8_lossy(&self.line));
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::digest::Digest;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);

    impl Follow for Seen {
        fn line(&self, _: Stream, line: &str) {
            self.0.lock().unwrap().push(line.to_owned());
        }

        fn alive(&self) {}
    }

    fn collected(bytes: &[u8], shown: usize, most: u64) -> (bool, Written, Vec<String>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let seen = Arc::new(Seen::default());
        let mut collector = Collector::new(&path, shown, most, (Stream::Stdout, seen.clone())).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let whole = runtime.block_on(collector.collect(&mut &bytes[..])).unwrap();
        let lines = seen.0.lock().unwrap().clone();
        (whole, collector.finish(), lines, std::fs::read(path).unwrap())
    }

    #[test]
    fn all_of_it_is_kept_and_the_beginning_and_the_end_are_shown() {
        let text: Vec<u8> = (0..40_000_u32).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        let (whole, written, lines, file) = collected(&text, 10, u64::MAX);
        assert!(whole && file == text);
        assert_eq!(written.size, text.len() as u64);
        assert_eq!(written.digest, Digest::of(&text));
        assert_eq!(written.head, b"0\n1\n2\n3\n4\n");
        assert_eq!(written.tail, &text[text.len() - TAIL..]);
        assert_eq!(lines.len(), LINES as usize, "a flood is shown in part");
    }

    #[test]
    fn short_output_has_no_end_beside_its_beginning() {
        let (whole, written, lines, _) = collected(b"one\r\ntwo", 100, 100);
        assert!(whole);
        assert_eq!((written.head.as_slice(), written.tail.as_slice()), (&b"one\r\ntwo"[..], &b""[..]));
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn a_line_without_end_is_cut_and_too_much_is_told() {
        let (whole, written, lines, _) = collected(&vec![b'x'; 1 << 20], 4, 1 << 18);
        assert!(!whole && written.size > 1 << 18 && written.size < 1 << 20);
        assert_eq!(lines, [""; 0], "it has not come to its end");
    }
}
