//! Where in a text its expressions are: what `${{`, `}}` and `$${{` mean, before anything looks into an expression.

use super::ExpressionError;

/// A part of a text.
#[derive(Debug, PartialEq)]
pub(super) enum Part<'a> {
    /// Plain text, with `$${{` made `${{`.
    Text(String),
    /// An expression.
    Expression {
        /// The text between the braces.
        source: &'a str,
        /// Where it begins in the whole text, in characters.
        offset: usize,
    },
}

/// Splits a text at its expressions. Braces and quotes within an expression are respected.
pub(super) fn split(text: &str) -> Result<Vec<Part<'_>>, ExpressionError> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${{") {
        if rest[..start].ends_with('$') {
            plain.push_str(&rest[..start - 1]);
            plain.push_str("${{");
            rest = &rest[start + 3..];
            continue;
        }
        plain.push_str(&rest[..start]);
        let inner = &rest[start + 3..];
        let offset = text.len() - inner.len();
        let offset = text[..offset].chars().count();
        let Some(end) = closing(inner) else {
            return Err(ExpressionError {
                message: "an expression is not closed; write `}}` behind it, or `$${{` for the text `${{`".into(),
                offset: offset - 3,
            });
        };
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain)));
        }
        parts.push(Part::Expression { source: &inner[..end], offset });
        rest = &inner[end + 2..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

/// Where the `}}` is that closes an expression.
fn closing(inner: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    let mut chars = inner.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => drop(chars.next()),
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth > 0 => depth -= 1,
            (None, '}') => return inner[at + 1..].starts_with('}').then_some(at),
            (None, _) => {}
        }
    }
    None
}
