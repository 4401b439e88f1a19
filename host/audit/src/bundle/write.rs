//! Writes a bundle line by line.

use super::line::{End, FORMAT, Header, Kind, Line, VERSION};
use crate::note::Origin;
use longhaul_core::id::RunId;
use std::io::{self, Write};

/// Writes a bundle. Its rows are given in the order of their kinds.
pub struct Writer<W> {
    out: W,
    end: End,
}

impl<W: Write> Writer<W> {
    /// Begins the bundle of a run with its header.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W, run: RunId, origin: Origin, log: Option<Origin>) -> io::Result<Self> {
        let header = Header { format: FORMAT.to_owned(), version: VERSION, run, origin, log };
        serde_json::to_writer(&mut out, &header)?;
        out.write_all(b"\n")?;
        Ok(Self { out, end: End { lines: 1, ..End::default() } })
    }

    /// Adds an entry by its position, or a head by its size.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn row(&mut self, kind: Kind, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.line(&Line::Row(kind, at, bytes.to_vec()))?;
        self.end.count(kind);
        Ok(())
    }

    /// Ends the bundle with its last line, and gives back where it was written.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self) -> io::Result<W> {
        self.line(&Line::End(self.end))?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn line(&mut self, line: &Line) -> io::Result<()> {
        self.out.write_all(&line.to_bytes()?)?;
        self.out.write_all(b"\n")
    }
}

impl End {
    /// Counts a line.
    pub(super) fn count(&mut self, kind: Kind) {
        self.lines += 1;
        match kind {
            Kind::LogEntry => self.counts.log_entries += 1,
            Kind::LogHead => self.counts.log_heads += 1,
            Kind::Head => self.counts.heads += 1,
            Kind::Entry => self.counts.entries += 1,
            Kind::End => {}
        }
    }
}
