//! The words of memories as the database indexes and looks them up.
//!
//! Each word begins with the number of its space, so that a search looks at one space alone, costs what that space holds, and can be
//! told nothing about another. Words are letters and digits (`longhaul_core::memory`): no query can bring in anything else of the
//! database's language.

use longhaul_core::memory::each_word;
use std::fmt::Write as _;

/// The words of a text of a space, as they are indexed.
pub(super) fn indexed(space: i64, text: &str) -> String {
    let mut words = String::with_capacity(text.len() * 2);
    each_word(text, |_, word| {
        // Writing to a string does not fail.
        let _ = write!(words, "s{space}x{word} ");
    });
    words
}

/// A word of a query, as it is indexed.
pub(super) fn term(space: i64, word: &str) -> String {
    format!("s{space}x{word}")
}

/// A query for what has any of these words.
pub(super) fn query(space: i64, words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{}\"", term(space, word))).collect();
    quoted.join(" OR ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_know_their_space() {
        assert_eq!(indexed(12, "Slow \"build\" NEAR(x)"), "s12xslow s12xbuild s12xnear s12xx ");
        assert_eq!(query(3, &["a", "größe"]), "\"s3xa\" OR \"s3xgröße\"");
    }
}
