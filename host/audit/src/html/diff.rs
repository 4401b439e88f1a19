//! What changed in a file, line by line, within bounds that no file can exceed.

use similar::{ChangeTag, TextDiff};

/// The most bytes of a file that is compared line by line.
pub const MAX_FILE: usize = 256 << 10;
/// Comparing two texts costs about the product of their lines at worst. This is the most for one pair of files …
const MAX_PAIR: u64 = 16_000_000;
/// … and for all of a report.
const MAX_EFFORT: u64 = 400_000_000;
/// Equal lines that are shown around a change.
const AROUND: usize = 3;
/// The most lines that are shown of one file.
const MAX_LINES: usize = 400;
/// The most characters of a line that are kept.
const MAX_WIDTH: usize = 300;

/// What is to be shown of a changed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// Its changed lines, with some around them.
    Lines(Lines),
    /// It is no text, before or after; its sizes where it was there.
    Binary {
        /// Bytes before.
        before: Option<u64>,
        /// Bytes now.
        after: Option<u64>,
    },
    /// It is too large to be compared here.
    Large {
        /// Bytes before.
        before: Option<u64>,
        /// Bytes now.
        after: Option<u64>,
    },
    /// Something else can be said about it, in words.
    Note(String),
}

/// Changed lines of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// The pieces, in order.
    pub pieces: Vec<Piece>,
    /// Lines added, those included that are not shown.
    pub added: u64,
    /// Lines removed, those included that are not shown.
    pub removed: u64,
    /// How many lines are not shown, because there are too many.
    pub left_out: u64,
}

/// Changed lines that stand together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Piece {
    /// The number of its first line before, from 1 on.
    pub before: u64,
    /// The number of its first line now.
    pub after: u64,
    /// Its lines.
    pub lines: Vec<(Sign, String)>,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It is as it was.
    Same,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
}

/// Compares files until it has cost as much as one report may.
#[derive(Debug)]
pub struct Comparer {
    left: u64,
}

impl Default for Comparer {
    fn default() -> Self {
        Self { left: MAX_EFFORT }
    }
}

impl Comparer {
    /// What is to be shown of a file with these contents; none where it was not there, or is not there any more.
    pub fn compare(&mut self, before: Option<&[u8]>, after: Option<&[u8]>) -> Body {
        let sizes = (before.map(|bytes| bytes.len() as u64), after.map(|bytes| bytes.len() as u64));
        let text = |bytes: Option<&[u8]>| match bytes.unwrap_or_default() {
            bytes if bytes.contains(&0) => None,
            bytes => String::from_utf8(bytes.to_vec()).ok(),
        };
        if before.into_iter().chain(after).any(|bytes| bytes.len() > MAX_FILE) {
            return Body::Large { before: sizes.0, after: sizes.1 };
        }
        let (Some(before), Some(after)) = (text(before), text(after)) else {
            return Body::Binary { before: sizes.0, after: sizes.1 };
        };
        let lines = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count() as u64 + 1;
        let effort = if before.is_empty() || after.is_empty() { 1 } else { lines(&before) * lines(&after) };
        if effort > MAX_PAIR.min(self.left) {
            return Body::Large { before: sizes.0, after: sizes.1 };
        }
        self.left -= effort;
        Body::Lines(changed(&before, &after))
    }
}

fn changed(before: &str, after: &str) -> Lines {
    let diff = TextDiff::from_lines(before, after);
    let mut lines = Lines::default();
    let mut shown = 0;
    for group in diff.grouped_ops(AROUND) {
        let Some(first) = group.first() else { continue };
        let (old, new) = (first.old_range().start as u64 + 1, first.new_range().start as u64 + 1);
        let mut piece = Piece { before: old, after: new, lines: Vec::new() };
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Equal => Sign::Same,
                ChangeTag::Insert => Sign::Added,
                ChangeTag::Delete => Sign::Removed,
            };
            lines.added += u64::from(sign == Sign::Added);
            lines.removed += u64::from(sign == Sign::Removed);
            if shown >= MAX_LINES {
                lines.left_out += 1;
                continue;
            }
            shown += 1;
            // One character more than is shown, so that it can be told that there is more.
            piece.lines.push((sign, change.value().trim_end_matches('\n').chars().take(MAX_WIDTH + 1).collect()));
        }
        if !piece.lines.is_empty() {
            lines.pieces.push(piece);
        }
    }
    lines
}

/// The most characters of a line that are shown.
pub(super) const WIDTH: usize = MAX_WIDTH;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(body: Body) -> Lines {
        match body {
            Body::Lines(lines) => lines,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_changed_line_is_shown_with_those_around_it() {
        let before: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let after = before.replace("line 10\n", "LINE 10\n");
        let lines = lines(Comparer::default().compare(Some(before.as_bytes()), Some(after.as_bytes())));
        assert_eq!((lines.added, lines.removed, lines.left_out, lines.pieces.len()), (1, 1, 0, 1));
        let piece = &lines.pieces[0];
        assert_eq!((piece.before, piece.after), (7, 7));
        let signs: String = piece
            .lines
            .iter()
            .map(|(sign, _)| match sign {
                Sign::Same => ' ',
                Sign::Added => '+',
                Sign::Removed => '-',
            })
            .collect();
        assert_eq!(signs, "   -+   ");
        assert_eq!(piece.lines[4], (Sign::Added, "LINE 10".to_owned()));
    }

    #[test]
    fn new_and_removed_files_are_all_plus_and_all_minus() {
        let mut comparer = Comparer::default();
        let new = lines(comparer.compare(None, Some(b"a\nb\n")));
        assert_eq!((new.added, new.removed), (2, 0));
        let gone = lines(comparer.compare(Some(b"a\nb\n"), None));
        assert_eq!((gone.added, gone.removed), (0, 2));
    }

    #[test]
    fn what_is_no_text_or_too_much_is_summed_up() {
        let mut comparer = Comparer::default();
        assert_eq!(comparer.compare(Some(b"\0\x01"), None), Body::Binary { before: Some(2), after: None });
        assert_eq!(comparer.compare(Some(b"\xff\xfe"), Some(b"a")), Body::Binary { before: Some(2), after: Some(1) });
        let large = vec![b'x'; MAX_FILE + 1];
        assert!(matches!(comparer.compare(None, Some(&large)), Body::Large { before: None, .. }));
        let many = "a\n".repeat(5_000);
        let others = "b\n".repeat(5_000);
        assert!(matches!(comparer.compare(Some(many.as_bytes()), Some(others.as_bytes())), Body::Large { .. }));
        let long = lines(comparer.compare(None, Some(many.as_bytes())));
        assert_eq!((long.added, long.left_out), (5_000, 4_600));
    }

    #[test]
    fn a_report_compares_only_so_much() {
        let mut comparer = Comparer { left: 50 };
        let ten = b"a\n".repeat(5);
        let other = b"b\n".repeat(5);
        assert!(matches!(comparer.compare(Some(&ten), Some(&other)), Body::Lines(_)));
        assert!(matches!(comparer.compare(Some(&ten), Some(&other)), Body::Large { .. }));
    }
}
