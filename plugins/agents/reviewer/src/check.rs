//! Applies the rules to one file.

use longhaul_sdk::Part;

use crate::{
    report::{Finding, Report},
    rules::{Rule, Rules, Test},
};

/// The most characters of an excerpt; what is cut off is marked by `…`.
const MAX_EXCERPT: usize = 160;

/// Applies the rules that need no content: those about the file itself.
pub(crate) fn check_name(rules: &Rules, part: &Part, report: &mut Report) {
    for rule in rules.rules.iter().filter(|rule| matches!(rule.test, Test::Forbidden) && rule.globs.matches(&part.path))
    {
        report.add(rule.severity, rules.max_reported, || finding(rule, part, 1, 1, String::new()));
    }
}

/// Whether a rule needs the content of this file.
pub(crate) fn needs_content(rules: &Rules, path: &str) -> bool {
    rules.rules.iter().any(|rule| !matches!(rule.test, Test::Forbidden) && rule.globs.matches(path))
}

/// Applies the rules that need content, within the lines of `part`.
pub(crate) fn check_content(rules: &Rules, part: &Part, content: &[u8], report: &mut Report) {
    let (range, first_line) = part.place(content);
    let is_first_part = range.start == 0;
    let text = &content[range];
    for rule in rules.rules.iter().filter(|rule| rule.globs.matches(&part.path)) {
        match &rule.test {
            Test::Forbidden => {}
            Test::Match(pattern) => {
                let mut place = Place::new(text, first_line);
                for (start, _) in pattern.find_iter(text) {
                    place.advance(start);
                    report.add(rule.severity, rules.max_reported, || {
                        finding(rule, part, place.line, place.column(start), place.excerpt())
                    });
                }
            }
            Test::LineLength(most) => {
                for (line, text) in (first_line..).zip(text.split(|byte| *byte == b'\n')) {
                    let text = text.strip_suffix(b"\r").unwrap_or(text);
                    if characters(text) > *most {
                        report.add(rule.severity, rules.max_reported, || {
                            finding(rule, part, line, most.saturating_add(1), excerpt(text))
                        });
                    }
                }
            }
            // The whole file counts, so the part with its first line tells it, once.
            Test::FileLines(most) => {
                let ends = content.iter().filter(|byte| **byte == b'\n').count() as u64;
                let lines = ends + u64::from(content.last().is_some_and(|last| *last != b'\n'));
                if is_first_part && lines > *most {
                    report.add(rule.severity, rules.max_reported, || {
                        finding(rule, part, most.saturating_add(1), 1, format!("{lines} lines"))
                    });
                }
            }
        }
    }
}

fn finding(rule: &Rule, part: &Part, line: u64, column: u64, excerpt: String) -> Finding {
    Finding {
        file: part.path.clone(),
        line,
        column,
        rule: rule.name.clone(),
        severity: rule.severity,
        message: rule.message.clone(),
        excerpt,
    }
}

/// A place in a text that only moves forward, so that counting lines costs one pass.
struct Place<'a> {
    text: &'a [u8],
    line: u64,
    line_start: usize,
    counted: usize,
}

impl<'a> Place<'a> {
    fn new(text: &'a [u8], first_line: u64) -> Self {
        Self { text, line: first_line, line_start: 0, counted: 0 }
    }

    fn advance(&mut self, to: usize) {
        for (index, byte) in self.text[self.counted..to].iter().enumerate() {
            if *byte == b'\n' {
                self.line += 1;
                self.line_start = self.counted + index + 1;
            }
        }
        self.counted = to;
    }

    fn column(&self, at: usize) -> u64 {
        characters(&self.text[self.line_start..at]) + 1
    }

    fn excerpt(&self) -> String {
        let line = &self.text[self.line_start..];
        let end = line.iter().take(MAX_EXCERPT * 8).position(|byte| *byte == b'\n').unwrap_or(line.len());
        excerpt(&line[..end])
    }
}

/// How many characters bytes are; one that is no UTF-8 counts as one.
fn characters(bytes: &[u8]) -> u64 {
    // Every character has exactly one byte that does not continue another.
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count() as u64
}

fn excerpt(line: &[u8]) -> String {
    let line = line.trim_ascii();
    let text = String::from_utf8_lossy(&line[..line.len().min(MAX_EXCERPT * 4 + 4)]);
    match text.char_indices().nth(MAX_EXCERPT) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
