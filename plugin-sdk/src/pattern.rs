//! Search patterns over bytes, for agents that look into text: a literal or a regular expression, on whole words
//! or not, in any case or not. Needs the feature `patterns`.
//!
//! Regular expressions are those of the crate `regex`: linear in the text, whatever the expression. They search
//! bytes, so text that is no UTF-8 stays as it is. `^` and `$` stand for the ends of a line (`(?-m)` turns that off),
//! and a line may end in `\n` or `\r\n`: neither `.` nor `$` swallows the `\r`.

use regex::bytes::{Captures, Regex, RegexBuilder};

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// Exactly this text.
    Literal(&'a str),
    /// What this expression matches.
    Regex(&'a str),
}

/// How to look for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Only where no letter, digit or `_` goes on before or behind it. An end of a literal that is none of these itself,
    /// like the bracket of `map!(`, goes on with anything.
    pub word: bool,
    /// Upper and lower case are the same.
    pub case_insensitive: bool,
}

/// A pattern that is ready to search with.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
}

/// What a match becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// This text.
    Verbatim(Vec<u8>),
    /// This text, with `$1`, `$name` and `${name}` standing for what the groups matched, and `$$` for `$`.
    Template(Vec<u8>),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// The text is empty or no regular expression; the message tells why.
    pub fn new(text: Text<'_>, options: Options) -> Result<Self, String> {
        let (Text::Literal(source) | Text::Regex(source)) = text;
        if source.is_empty() {
            return Err("the pattern is empty, so it would match everywhere".to_owned());
        }
        let source = match text {
            Text::Literal(literal) => regex::escape(literal),
            Text::Regex(regex) => format!("(?:{regex})"),
        };
        let source = if options.word { whole_word(text, &source) } else { source };
        RegexBuilder::new(&source)
            .multi_line(true)
            .crlf(true)
            .case_insensitive(options.case_insensitive)
            .build()
            .map(|regex| Self { regex })
            .map_err(|error| error.to_string())
    }

    /// The matches in `content`, first to last, none inside another: start and end.
    pub fn find_iter<'a>(&'a self, content: &'a [u8]) -> impl Iterator<Item = (usize, usize)> + 'a {
        self.regex.find_iter(content).map(|found| (found.start(), found.end()))
    }

    /// Whether it matches anywhere in `content`.
    pub fn is_match(&self, content: &[u8]) -> bool {
        self.regex.is_match(content)
    }

    /// Reads a replacement for this pattern. One that mentions no group is verbatim.
    ///
    /// # Errors
    /// It mentions a group that the pattern does not have.
    pub fn replacement(&self, text: &str) -> Result<Replacement, String> {
        let mut plain = String::new();
        let (mut rest, mut mentions) = (text, false);
        while let Some(dollar) = rest.find('$') {
            plain.push_str(&rest[..dollar]);
            rest = &rest[dollar + 1..];
            if let Some(tail) = rest.strip_prefix('$') {
                plain.push('$');
                rest = tail;
                continue;
            }
            let (name, tail) = mention(rest);
            match name {
                None => plain.push('$'),
                Some(name) => {
                    self.check_group(name)?;
                    mentions = true;
                }
            }
            rest = tail;
        }
        plain.push_str(rest);
        Ok(match mentions {
            true => Replacement::Template(text.as_bytes().to_vec()),
            false => Replacement::Verbatim(plain.into_bytes()),
        })
    }

    fn check_group(&self, name: &str) -> Result<(), String> {
        let known = match name.parse::<usize>() {
            Ok(number) => number < self.regex.captures_len(),
            Err(_) => self.regex.capture_names().flatten().any(|known| known == name),
        };
        if known {
            return Ok(());
        }
        let digits = name.len() - name.trim_start_matches(|first: char| first.is_ascii_digit()).len();
        Err(match digits {
            0 => format!(
                "the replacement mentions the group `{name}`, which the pattern does not have; `$$` stands for a `$`"
            ),
            _ if digits < name.len() => format!(
                "the replacement mentions the group `{name}`, which the pattern does not have; write `${{{}}}{}` for group {} and text behind it",
                &name[..digits],
                &name[digits..],
                &name[..digits]
            ),
            _ => format!(
                "the replacement mentions group {name}, and the pattern has {}",
                self.regex.captures_len().saturating_sub(1)
            ),
        })
    }

    /// Replaces every match; `seen` is told start, end and replacement of each. None where nothing matches.
    pub fn replace(
        &self,
        content: &[u8],
        replacement: &Replacement,
        mut seen: impl FnMut(usize, usize, &[u8]),
    ) -> Option<Vec<u8>> {
        let (mut output, mut end) = (Vec::new(), 0);
        match replacement {
            Replacement::Verbatim(text) => {
                for (from, to) in self.find_iter(content) {
                    output.extend_from_slice(&content[end..from]);
                    output.extend_from_slice(text);
                    seen(from, to, text);
                    end = to;
                }
            }
            Replacement::Template(template) => {
                for captures in self.regex.captures_iter(content) {
                    let (from, to) = span(&captures);
                    output.extend_from_slice(&content[end..from]);
                    let start = output.len();
                    captures.expand(template, &mut output);
                    seen(from, to, &output[start..]);
                    end = to;
                }
            }
        }
        if end == 0 && output.is_empty() && !self.is_match(content) {
            return None;
        }
        output.extend_from_slice(&content[end..]);
        Some(output)
    }
}

/// The expression with the ends of words around it.
fn whole_word(text: Text<'_>, source: &str) -> String {
    let goes_on = |character: char| character.is_alphanumeric() || character == '_';
    let (front, back) = match text {
        Text::Literal(literal) => (literal.starts_with(goes_on), literal.ends_with(goes_on)),
        Text::Regex(_) => (true, true),
    };
    let (front, back) = (if front { r"\b{start-half}" } else { "" }, if back { r"\b{end-half}" } else { "" });
    format!("{front}{source}{back}")
}

/// Group 0 takes part in every match.
fn span(captures: &Captures<'_>) -> (usize, usize) {
    captures.get(0).map_or((0, 0), |whole| (whole.start(), whole.end()))
}

/// The group mentioned right behind a `$`, by the rules of the crate `regex`, and what follows.
fn mention(text: &str) -> (Option<&str>, &str) {
    if let Some(braced) = text.strip_prefix('{') {
        return match braced.find('}') {
            Some(end) => (Some(&braced[..end]), &braced[end + 1..]),
            None => (None, text),
        };
    }
    let end = text.find(|next: char| !next.is_ascii_alphanumeric() && next != '_').unwrap_or(text.len());
    match end {
        0 => (None, text),
        end => (Some(&text[..end]), &text[end..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(text: Text<'_>, options: Options, with: &str, content: &[u8]) -> Option<Vec<u8>> {
        let pattern = Pattern::new(text, options).unwrap();
        let replacement = pattern.replacement(with).unwrap();
        pattern.replace(content, &replacement, |_, _, _| {})
    }

    #[test]
    fn lines_keep_their_ends_and_bytes_that_are_no_text_stay() {
        let output =
            replaced(Text::Regex("^let (.*)$"), Options::default(), "const $1;", b"let a\r\n\xff\xfelet b\nlet c\n");
        assert_eq!(output.unwrap(), b"const a;\r\n\xff\xfelet b\nconst c;\n");
    }

    #[test]
    fn a_word_may_begin_and_end_with_any_character() {
        let word = Options { word: true, ..Options::default() };
        let output = replaced(Text::Literal("map!("), word, "vec!(", b"map!(a) bitmap!(b)");
        assert_eq!(output.unwrap(), b"vec!(a) bitmap!(b)");
    }

    #[test]
    fn nothing_to_replace_is_told_apart_from_an_empty_result() {
        assert_eq!(replaced(Text::Literal("a"), Options::default(), "", b"b"), None);
        assert_eq!(replaced(Text::Literal("a"), Options::default(), "", b"a"), Some(Vec::new()));
    }

    #[test]
    fn groups_that_are_not_there_are_named() {
        let pattern = Pattern::new(Text::Regex(r"(?<name>\w+)\((\w+)\)"), Options::default()).unwrap();
        assert!(pattern.replacement("$name $1 ${2}x $$5 $").is_ok());
        for (with, wanted) in [("$3", "group 3"), ("$1st", "${1}st"), ("${nmae}", "`nmae`")] {
            let error = pattern.replacement(with).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
        assert_eq!(pattern.replacement("cost: $$5"), Ok(Replacement::Verbatim(b"cost: $5".to_vec())));
    }

    #[test]
    fn a_pattern_that_is_none_is_refused() {
        assert!(Pattern::new(Text::Literal(""), Options::default()).is_err());
        assert!(Pattern::new(Text::Regex("a("), Options::default()).unwrap_err().contains("unclosed group"));
    }
}
