//! A look over a whole bundle: whether it has the form of one, whatever its record may be.

use super::line::{End, Header, Kind, Line};
use super::read::{BundleError, LineProblem, Lines};
use std::io::{self, BufRead};

/// The most flaws that are told one by one.
const MAX_FLAWS: usize = 200;

/// Something that is wrong with the form of a bundle. Lines are counted from 1, the header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A line is none. It is left out.
    #[error("line {number} of the bundle {problem}")]
    Line {
        /// Which one.
        number: u64,
        /// Why.
        problem: LineProblem,
    },
    /// A line stands behind lines that come later. It is left out.
    #[error("line {number} of the bundle is a `{}` that stands behind the lines of a later kind", .kind.name())]
    Misplaced {
        /// Which one.
        number: u64,
        /// Its kind.
        kind: Kind,
    },
    /// Something stands behind the last line.
    #[error("the bundle goes on behind its last line, from line {number} on")]
    Beyond {
        /// The first line of it.
        number: u64,
    },
    /// The last line is missing.
    #[error("the bundle was cut off: its last line is missing")]
    NoEnd,
    /// The last line counts other lines than there are.
    #[error("the bundle has {found} {what}, and its last line says {expected}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many the last line says.
        expected: u64,
        /// How many there are.
        found: u64,
    },
}

/// What a look over a bundle came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The header.
    pub header: Header,
    /// What is wrong with its form, the first ones.
    pub flaws: Vec<Flaw>,
    /// How many more there are.
    pub further: u64,
    /// The kinds of lines that this version does not know, with the first line of each; the first ones.
    pub unknown: Vec<(String, u64)>,
}

impl Survey {
    /// Reads the whole bundle, and shows each entry of the run to `entry`.
    ///
    /// # Errors
    /// [`BundleError`] where it is no bundle, or cannot be read.
    pub fn read(from: impl BufRead, mut entry: impl FnMut(&[u8])) -> Result<Self, BundleError> {
        let lines = Lines::new(from)?;
        let mut survey = Self { header: lines.header().clone(), flaws: Vec::new(), further: 0, unknown: Vec::new() };
        let mut found = End { lines: 1, ..End::default() };
        let mut said = None;
        let mut order = Order::default();
        for line in lines {
            let number = found.lines + 1;
            if said.is_some() {
                // The last line is not among those that were counted.
                survey.flaw(Flaw::Beyond { number: number + 1 });
                break;
            }
            match line? {
                Err(problem) => survey.flaw(Flaw::Line { number, problem }),
                Ok(line) if !order.allows(&line) => {
                    let kind = line.kind().unwrap_or(Kind::End);
                    survey.flaw(Flaw::Misplaced { number, kind });
                }
                Ok(Line::End(end)) => {
                    said = Some(end);
                    continue;
                }
                Ok(Line::Row(kind, _, bytes)) => {
                    if kind == Kind::Entry {
                        entry(&bytes);
                    }
                    found.count(kind);
                    continue;
                }
                Ok(Line::Unknown(name)) => {
                    if survey.unknown.len() < MAX_FLAWS && survey.unknown.iter().all(|(known, _)| *known != name) {
                        survey.unknown.push((name, number));
                    }
                }
            }
            found.lines += 1;
        }
        match said {
            None => survey.flaw(Flaw::NoEnd),
            Some(said) => survey.compare(&said, &found),
        }
        Ok(survey)
    }

    fn compare(&mut self, said: &End, found: &End) {
        for (what, expected, found) in [
            ("lines before its last one", said.lines, found.lines),
            ("entries of the log", said.counts.log_entries, found.counts.log_entries),
            ("heads of the log", said.counts.log_heads, found.counts.log_heads),
            ("heads of the run", said.counts.heads, found.counts.heads),
            ("entries of the run", said.counts.entries, found.counts.entries),
        ] {
            if expected != found {
                self.flaw(Flaw::Count { what, expected, found });
            }
        }
    }

    fn flaw(&mut self, flaw: Flaw) {
        if self.flaws.len() < MAX_FLAWS {
            self.flaws.push(flaw);
        } else {
            self.further += 1;
        }
    }
}

/// Which kinds of lines may come.
#[derive(Debug, Default)]
struct Order {
    reached: Option<Kind>,
}

impl Order {
    /// Whether a line stands where it may. Those of unknown kinds may stand everywhere.
    fn allows(&mut self, line: &Line) -> bool {
        let Some(kind) = line.kind() else { return true };
        let is_in_order = self.reached.is_none_or(|reached| kind >= reached);
        if is_in_order {
            self.reached = Some(kind);
        }
        is_in_order
    }
}

/// The rows of one kind, as a [`Survey`] finds them: those that stand where they should.
pub struct Rows<R> {
    lines: Lines<R>,
    order: Order,
    wanted: Kind,
}

impl<R: BufRead> Rows<R> {
    /// The rows of the kind `wanted` in a bundle that is read from its beginning.
    ///
    /// # Errors
    /// As [`Lines::new`].
    pub fn new(from: R, wanted: Kind) -> Result<Self, BundleError> {
        Ok(Self { lines: Lines::new(from)?, order: Order::default(), wanted })
    }
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = io::Result<(u64, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.order.reached > Some(self.wanted) {
            return None;
        }
        for line in self.lines.by_ref() {
            let line = match line {
                Err(error) => return Some(Err(error)),
                Ok(Err(_)) => continue,
                Ok(Ok(line)) => line,
            };
            if !self.order.allows(&line) {
                continue;
            }
            match line {
                Line::Row(kind, at, bytes) if kind == self.wanted => return Some(Ok((at, bytes))),
                line if line.kind() > Some(self.wanted) => return None,
                _ => {}
            }
        }
        None
    }
}
