//! Reads a bundle line by line. What is wrong with one line is told of that line, and the next one is read.

use super::line::{FORMAT, Header, Line, MAX_LINE, VERSION};
use std::fmt;
use std::io::{self, BufRead, Read as _};

/// The most bytes of a header.
const MAX_HEADER: usize = 64 << 10;

/// A file that is no bundle, or none that can be read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It does not begin as a bundle does.
    #[error("it does not begin with the header of a bundle; `longhaul audit export RUN --bundle` writes one")]
    NoBundle,
    /// It is a bundle of another version.
    #[error(
        "it is a bundle of version {found}, and this version of Longhaul reads version {VERSION}; verify it with the one that made it"
    )]
    OtherVersion {
        /// Which one.
        found: u64,
    },
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
}

/// What is wrong with the form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineProblem {
    /// It is longer than [`MAX_LINE`].
    TooLong,
    /// It has no newline: the file was cut off there.
    NotEnded,
    /// It is not written as lines of bundles are.
    Malformed,
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "is longer than the {MAX_LINE} bytes that a line can have"),
            Self::NotEnded => f.write_str("was cut off"),
            Self::Malformed => f.write_str("is not written as a line of a bundle is"),
        }
    }
}

/// A line, or why it is none.
pub type Read = Result<Line, LineProblem>;

/// The lines of a bundle after its header.
pub struct Lines<R> {
    from: R,
    header: Header,
    buffer: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`BundleError`] where it is no bundle, or of another version.
    pub fn new(mut from: R) -> Result<Self, BundleError> {
        let mut buffer = Vec::new();
        match fill(&mut from.by_ref().take(MAX_HEADER as u64 + 1), &mut buffer, MAX_HEADER)? {
            Some(None) => {}
            _ => return Err(BundleError::NoBundle),
        }
        #[derive(serde::Deserialize)]
        struct About {
            format: String,
            version: u64,
        }
        let about: About = serde_json::from_slice(&buffer).map_err(|_| BundleError::NoBundle)?;
        if about.format != FORMAT {
            return Err(BundleError::NoBundle);
        }
        if about.version != VERSION {
            return Err(BundleError::OtherVersion { found: about.version });
        }
        let header: Header = serde_json::from_slice(&buffer).map_err(|_| BundleError::NoBundle)?;
        let written = serde_json::to_vec(&header).map_err(io::Error::from)?;
        if written != buffer {
            return Err(BundleError::NoBundle);
        }
        Ok(Self { from, header, buffer })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Read>;

    fn next(&mut self) -> Option<Self::Item> {
        self.buffer.clear();
        match fill(&mut self.from, &mut self.buffer, MAX_LINE) {
            Err(error) => Some(Err(error)),
            Ok(None) => None,
            Ok(Some(Some(problem))) => Some(Ok(Err(problem))),
            Ok(Some(None)) => Some(Ok(Line::parse(&self.buffer).ok_or(LineProblem::Malformed))),
        }
    }
}

/// Reads up to a newline, which is left out. None at the end; what is wrong with the line, where something is.
fn fill(from: &mut impl BufRead, buffer: &mut Vec<u8>, most: usize) -> io::Result<Option<Option<LineProblem>>> {
    let mut is_empty = true;
    let mut is_long = false;
    loop {
        let part = match from.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            part => part?,
        };
        if part.is_empty() {
            return Ok((!is_empty).then_some(Some(LineProblem::NotEnded)));
        }
        is_empty = false;
        let end = part.iter().position(|byte| *byte == b'\n');
        let line = &part[..end.unwrap_or(part.len())];
        is_long |= buffer.len() + line.len() > most;
        if is_long {
            buffer.clear();
        } else {
            buffer.extend_from_slice(line);
        }
        let used = end.map_or(part.len(), |end| end + 1);
        from.consume(used);
        if end.is_some() {
            return Ok(Some(is_long.then_some(LineProblem::TooLong)));
        }
    }
}
