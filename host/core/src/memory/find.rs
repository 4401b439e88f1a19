//! Searching in memory: what a word is, which texts fit a query best, and what of them is shown.
//!
//! Whoever keeps memories finds those that have a word ([`Found`]); which of them fit best is worked out here, out of what the space
//! itself holds. So an attempt's own writes, which nobody has kept yet, are ranked along, and no score tells anything about
//! memories that the attempt may not see.

use crate::payload::Payload;
use serde::{Deserialize, Serialize};

/// The bytes of a value that are searched, from its beginning.
pub const MAX_SEARCHED: usize = 32 << 10;
/// The most words of a query that count.
const MAX_WORDS: usize = 32;
/// The most bytes of a word; longer ones are their beginnings.
const MAX_WORD: usize = 64;
/// The most characters of an excerpt.
const EXCERPT: usize = 300;
/// Those of them that may stand before what was found.
const BEFORE: usize = 60;
/// What a word in a key counts, beside one in a text.
const IN_KEY: u32 = 3;

/// A memory that fits a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Its key.
    pub key: String,
    /// The part of its text that fits, at most 300 characters.
    pub excerpt: String,
    /// Higher fits better.
    pub score: f64,
}

/// What was found in a space.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// How many memories there are.
    pub memories: u64,
    /// How many of them have each word of the query.
    pub having: Vec<u64>,
    /// Those that may fit best, each with its key and the beginning of its text.
    pub texts: Vec<(String, String)>,
}

/// A query, as the words in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finder {
    words: Vec<String>,
}

impl Finder {
    /// The first words of `query`, each once.
    pub fn new(query: &str) -> Self {
        let mut words: Vec<String> = Vec::new();
        each_word(query, |_, word| {
            if words.len() < MAX_WORDS && words.iter().all(|known| known != word) {
                words.push(word.to_owned());
            }
        });
        Self { words }
    }

    /// The words. Each consists of letters and digits, in lower case.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The best `limit` of what was found and of what an attempt holds back, which stands for what was found under the same key.
    pub fn rank<'a>(
        &self,
        found: Found,
        held: impl Iterator<Item = (&'a str, Option<&'a Payload>)>,
        limit: usize,
    ) -> Vec<Hit> {
        let rarity: Vec<f64> = (0..self.words.len())
            .map(|index| {
                let having = found.having.get(index).copied().unwrap_or(0) as f64;
                let others = (found.memories as f64 - having).max(0.0);
                (1.0 + (others + 0.5) / (having + 0.5)).ln()
            })
            .collect();
        let mut texts = found.texts;
        for (key, value) in held {
            texts.retain(|(found, _)| found != key);
            if let Some(text) = value.and_then(searched) {
                texts.push((key.to_owned(), text.to_owned()));
            }
        }
        let mut hits: Vec<Hit> = texts.into_iter().filter_map(|(key, text)| self.hit(key, &text, &rarity)).collect();
        hits.sort_by(|one, other| other.score.total_cmp(&one.score).then_with(|| one.key.cmp(&other.key)));
        hits.truncate(limit);
        hits
    }

    /// How a memory fits; none where it has no word of the query. The measure is BM25, for texts of some hundred words.
    fn hit(&self, key: String, text: &str, rarity: &[f64]) -> Option<Hit> {
        const USUAL_LENGTH: f64 = 100.0;
        let mut counts = vec![0_u32; self.words.len()];
        let (mut length, mut first) = (0_u32, None);
        each_word(&key, |_, word| self.count(word, IN_KEY, &mut counts));
        each_word(text, |at, word| {
            length += 1;
            let before: u32 = counts.iter().sum();
            self.count(word, 1, &mut counts);
            if first.is_none() && counts.iter().sum::<u32>() > before {
                first = Some(at);
            }
        });
        let spread = 1.2 * (0.25 + 0.75 * f64::from(length) / USUAL_LENGTH);
        let parts = counts.iter().zip(rarity).map(|(count, rarity)| {
            let count = f64::from(*count);
            rarity * count * 2.2 / (count + spread)
        });
        let score: f64 = parts.sum();
        (score > 0.0).then(|| Hit { key, excerpt: excerpt(text, first.unwrap_or(0)), score })
    }

    fn count(&self, word: &str, weight: u32, counts: &mut [u32]) {
        if let Some(index) = self.words.iter().position(|known| known == word) {
            counts[index] = counts[index].saturating_add(weight);
        }
    }
}

/// The beginning of a value that is searched; none of one that is no text.
pub fn searched(value: &Payload) -> Option<&str> {
    value.text().map(|text| &text[..text.floor_char_boundary(MAX_SEARCHED)])
}

/// Shows `seen` each word of a text in lower case, with the byte where it begins. A word is a run of letters and digits; a character
/// of a script that writes none between its words is a word.
pub fn each_word(text: &str, mut seen: impl FnMut(usize, &str)) {
    let mut word = String::new();
    let mut begun = 0;
    let mut end = |begun: usize, word: &mut String| {
        if !word.is_empty() {
            word.truncate(word.floor_char_boundary(MAX_WORD));
            seen(begun, word);
            word.clear();
        }
    };
    for (at, character) in text.char_indices() {
        if !character.is_alphanumeric() {
            end(begun, &mut word);
            continue;
        }
        let alone = stands_alone(character);
        if alone {
            end(begun, &mut word);
        }
        if word.is_empty() {
            begun = at;
        }
        // The rest of a long word is not kept.
        if word.len() < MAX_WORD {
            word.extend(character.to_lowercase());
        }
        if alone {
            end(begun, &mut word);
        }
    }
    end(begun, &mut word);
}

/// Whether a character is of a script without spaces: Chinese and Japanese.
fn stands_alone(character: char) -> bool {
    matches!(character, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// The part of `text` around the byte `at`.
fn excerpt(text: &str, at: usize) -> String {
    let start = text[..at].char_indices().rev().take(BEFORE).last().map_or(at, |(start, _)| start);
    let shown: String = text[start..].chars().take(EXCERPT).collect();
    shown.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        each_word(text, |at, word| words.push(format!("{at}:{word}")));
        words
    }

    #[test]
    fn words_are_letters_and_digits_in_lower_case() {
        assert_eq!(words("Parse_URL(\"größe\", 42)"), ["0:parse", "6:url", "11:größe", "21:42"]);
        assert_eq!(words("日本 x"), ["0:日", "3:本", "7:x"]);
        assert_eq!(words("\" OR ( * NEAR ^ -"), ["2:or", "9:near"]);
        assert_eq!(words(&"ä".repeat(1_000)), [format!("0:{}", "ä".repeat(32))]);
        assert_eq!(Finder::new("b a B").words(), ["b", "a"]);
    }

    fn found(texts: &[(&str, &str)], having: &[u64]) -> Found {
        let texts = texts.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        Found { memories: 100, having: having.to_vec(), texts }
    }

    fn ranked(query: &str, found: Found, held: &[(&str, Option<Payload>)], limit: usize) -> Vec<String> {
        let held = held.iter().map(|(key, value)| (*key, value.as_ref()));
        Finder::new(query).rank(found, held, limit).into_iter().map(|hit| hit.key).collect()
    }

    #[test]
    fn what_has_more_and_rarer_words_comes_first() {
        let texts = [("common", "the build"), ("both", "the build is slow"), ("rare", "slow"), ("none", "nothing")];
        assert_eq!(ranked("slow build", found(&texts, &[2, 60]), &[], 9), ["both", "rare", "common"]);
        assert_eq!(ranked("slow build", found(&texts, &[2, 60]), &[], 1), ["both"]);
        let in_key = [("a", "lint"), ("lint", "other words")];
        assert_eq!(ranked("lint", found(&in_key, &[2]), &[], 9), ["lint", "a"]);
    }

    #[test]
    fn what_is_held_back_stands_for_what_was_found() {
        let texts = [("a", "old slow"), ("b", "slow"), ("c", "slow")];
        let held =
            [("a", Some("fast".into())), ("b", None), ("d", Some("slow slow".into())), ("e", Some(vec![0xff].into()))];
        assert_eq!(ranked("slow", found(&texts, &[3]), &held, 9), ["d", "c"]);
    }

    #[test]
    fn an_excerpt_shows_what_was_found_and_no_more_than_300_characters() {
        let text = format!("{}needle{}", "ä ".repeat(5_000), " ö".repeat(5_000));
        let hits = Finder::new("needle").rank(found(&[("a", &text)], &[1]), std::iter::empty(), 1);
        assert!(hits[0].excerpt.contains("needle") && hits[0].excerpt.chars().count() <= 300, "{}", hits[0].excerpt);
        let hits = Finder::new("a").rank(found(&[("a", "short")], &[1]), std::iter::empty(), 1);
        assert_eq!(hits[0].excerpt, "short");
    }
}
