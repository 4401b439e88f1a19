//! Reads a file once, a block at a time: how much work it is, where to cut it, and what it imports.

use std::{fs, io, io::Read, path::Path};

use longhaul_sdk::files;

use crate::{
    config::UNIT_BYTES,
    imports::{Import, Scanner},
};

/// How much of a file is in memory at once.
const BLOCK: usize = 64 * 1024;

/// How much of a line is looked at for imports.
const LINE: usize = 1024;

/// What is known of a file after reading it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// How many lines it has.
    pub(crate) lines: u64,
    /// The ranges of lines that it is cut into; one of them where it fits as a whole.
    pub(crate) pieces: Vec<Piece>,
    /// What it imports, in its own words.
    pub(crate) imports: Vec<Import>,
}

/// A range of lines and its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) units: u64,
}

/// Reads files, with one buffer for all of them.
#[derive(Debug)]
pub(crate) struct Reader {
    block: Vec<u8>,
    line: Vec<u8>,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self { block: vec![0; BLOCK], line: Vec::with_capacity(LINE) }
    }

    /// Measures the file at `path`. A piece has at most `most` units, unless a single line has more. Imports are
    /// looked for by `scanner`.
    pub(crate) fn measure(&mut self, path: &Path, most: u64, mut scanner: Option<Scanner>) -> io::Result<Measure> {
        let mut file = fs::File::open(path).map_err(|error| files::naming(path, error))?;
        let mut cuts = Cuts::new(most);
        let mut length = 0_u64;
        self.line.clear();
        let mut is_first = true;
        loop {
            let count = match file.read(&mut self.block) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(files::naming(path, error)),
            };
            let block = &self.block[..count];
            if is_first && files::is_binary(block) {
                return Ok(Measure { lines: 0, pieces: vec![Piece::default()], imports: Vec::new() });
            }
            is_first = false;
            for part in block.split_inclusive(|byte| *byte == b'\n') {
                length += part.len() as u64;
                if scanner.is_some() {
                    let room = LINE.saturating_sub(self.line.len()).min(part.len());
                    self.line.extend_from_slice(&part[..room]);
                }
                if part.last() == Some(&b'\n') {
                    cuts.line(length);
                    length = 0;
                    if let Some(scanner) = &mut scanner {
                        scanner.line(&self.line);
                        self.line.clear();
                    }
                }
            }
        }
        if length > 0 {
            cuts.line(length);
            if let Some(scanner) = &mut scanner {
                scanner.line(&self.line);
            }
        }
        let lines = cuts.lines;
        Ok(Measure { lines, pieces: cuts.finish(), imports: scanner.map(Scanner::finish).unwrap_or_default() })
    }
}

/// Cuts lines into pieces as they come.
struct Cuts {
    most: u64,
    lines: u64,
    done: Vec<Piece>,
    current: Piece,
}

impl Cuts {
    fn new(most: u64) -> Self {
        Self { most, lines: 0, done: Vec::new(), current: Piece { first: 1, last: 0, units: 0 } }
    }

    fn line(&mut self, bytes: u64) {
        self.lines += 1;
        let units = bytes.div_ceil(UNIT_BYTES).max(1);
        if self.current.units > 0 && self.current.units + units > self.most {
            self.done.push(self.current);
            self.current = Piece { first: self.lines, last: 0, units: 0 };
        }
        self.current.last = self.lines;
        self.current.units += units;
    }

    fn finish(mut self) -> Vec<Piece> {
        self.done.push(self.current);
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(content: &[u8], most: u64) -> Measure {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        fs::write(&path, content).unwrap();
        Reader::new().measure(&path, most, None).unwrap()
    }

    #[test]
    fn pieces_cover_every_line_once_and_keep_the_bound() {
        let content = "short\n".repeat(1_000) + &"x".repeat(250) + "\nlast";
        let measure = measure(content.as_bytes(), 300);
        assert_eq!(measure.lines, 1_002);
        let mut next = 1;
        for piece in &measure.pieces {
            assert_eq!(piece.first, next);
            assert!(piece.units <= 300 && piece.last >= piece.first);
            next = piece.last + 1;
        }
        assert_eq!(next, 1_003);
        assert_eq!(measure.pieces.iter().map(|piece| piece.units).sum::<u64>(), 1_000 + 3 + 1);
    }

    #[test]
    fn a_line_longer_than_a_block_is_one_line_and_a_piece_of_its_own() {
        let content = format!("a\n{}\nb\n", "x".repeat(3 * BLOCK));
        let measure = measure(content.as_bytes(), 10);
        let ranges: Vec<_> = measure.pieces.iter().map(|piece| (piece.first, piece.last)).collect();
        assert_eq!((measure.lines, ranges), (3, vec![(1, 1), (2, 2), (3, 3)]));
    }

    #[test]
    fn empty_and_binary_files_are_no_work() {
        assert_eq!(measure(b"", 10).pieces.iter().map(|piece| piece.units).sum::<u64>(), 0);
        assert_eq!(measure(b"\0\n\n\n", 1).pieces, [Piece::default()]);
    }
}
