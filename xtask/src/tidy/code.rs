//! The code of a Rust file without its comments and without what stands inside literals.
//!
//! Rules that look for words need it: `println!` in a doc example or in a string is no print. It is a scanner for
//! the lexical grammar, not a parser, and keeps the line structure of the file.

/// The lines of a file with blanks in place of comments and of the insides of literals.
pub(crate) fn without_comments_and_literals(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(&char) = chars.get(at) {
        let end = match (char, chars.get(at + 1)) {
            ('/', Some('/')) => line_comment(&chars, at),
            ('/', Some('*')) => block_comment(&chars, at),
            ('"', _) => string(&chars, at),
            ('r', Some('"' | '#')) if !continues_a_name(&chars, at) => raw_string(&chars, at).unwrap_or(at),
            ('\'', _) => character(&chars, at),
            _ => at,
        };
        if end == at {
            code.push(char);
            at += 1;
        } else {
            code.extend(chars[at..end].iter().map(|hidden| if *hidden == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code.lines().map(str::to_owned).collect()
}

fn line_comment(chars: &[char], start: usize) -> usize {
    chars[start..].iter().position(|char| *char == '\n').map_or(chars.len(), |length| start + length)
}

fn block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0usize;
    let mut at = start;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) if depth == 1 => return at + 2,
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    chars.len()
}

fn string(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// `r"…"` and `r#"…"#`, or none when it is a raw name such as `r#type`.
fn raw_string(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start + 1..].iter().take_while(|char| **char == '#').count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let mut at = open + 1;
    while at < chars.len() {
        let closed =
            chars[at] == '"' && chars[at + 1..].iter().take(hashes).filter(|char| **char == '#').count() == hashes;
        if closed {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(chars.len())
}

/// A character literal; a lifetime is left as it is.
fn character(chars: &[char], start: usize) -> usize {
    match (chars.get(start + 1), chars.get(start + 2)) {
        (Some('\\'), Some(_)) => {
            let close = chars[start + 3..].iter().position(|char| *char == '\'');
            close.map_or(chars.len(), |length| start + 4 + length)
        }
        (Some(_), Some('\'')) => start + 3,
        _ => start,
    }
}

fn continues_a_name(chars: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| chars.get(before));
    // A byte string `br"…"` is a literal as well.
    before.is_some_and(|char| (char.is_alphanumeric() || *char == '_') && *char != 'b')
}

/// Whether a line holds a word that is not part of a longer name.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let part_of_name = |char: char| char.is_alphanumeric() || char == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        !before.is_some_and(part_of_name) && !after.is_some_and(part_of_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str, word: &str) -> bool {
        !without_comments_and_literals(text).join("\n").contains(word)
    }

    #[test]
    fn comments_and_literals_are_hidden() {
        for text in [
            "// word",
            "/* a /* word */ word */",
            "let a = \"x \\\" word\";",
            "let a = r#\"a \" word\"#;",
            "let a = br\"word\";",
            "let a = \"two\nword\";",
        ] {
            assert!(hidden(text, "word"), "{text}");
        }
    }

    #[test]
    fn code_beside_them_stays() {
        for text in [
            "/* a */ word",
            "let c = '\"'; word",
            "let c = '\\''; word",
            "fn a<'a>(b: &'a str) { word }",
            "let r#type = 1; word",
            "\"a\\\\\"; word",
        ] {
            assert!(!hidden(text, "word"), "{text}");
        }
    }

    #[test]
    fn lines_keep_their_numbers() {
        let lines = without_comments_and_literals("/* 1\n2 */\n\"3\n4\" five\n");
        assert_eq!(lines.len(), 4);
        assert!(lines[3].ends_with("five"));
    }

    #[test]
    fn a_word_is_not_part_of_a_name() {
        assert!(has_word("unsafe { }", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe"));
    }
}
