//! Counts what is in a text.

/// How many lines a text has; a last line without an end counts.
pub fn lines(text: &str) -> usize {
    text.lines().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_line_without_an_end_counts() {
        assert_eq!(lines(""), 0);
        assert_eq!(lines("one\ntwo"), 2);
        assert_eq!(lines("one\ntwo\n"), 2);
    }
}
