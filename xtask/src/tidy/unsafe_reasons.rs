//! `unsafe` code says next to it why it is sound.

use crate::tidy::Finding;
use crate::tidy::code::has_word;
use crate::tidy::sources::Source;

/// How far above the keyword the reason may begin.
const LINES_ABOVE: usize = 6;

/// Looks for `unsafe` without a comment that begins with `SAFETY:`.
pub(crate) fn check(file: &Source) -> Vec<Finding> {
    let text: Vec<&str> = file.text.lines().collect();
    let lines = file.code.iter().enumerate().filter(|(_, line)| has_word(line, "unsafe"));
    let bare = lines.filter(|(index, _)| {
        let near = text.get(index.saturating_sub(LINES_ABOVE)..=*index).unwrap_or_default();
        !near.iter().any(|line| line.contains("SAFETY:"))
    });
    let advice = "write `// SAFETY:` above it and say why it is sound, or do without";
    bare.map(|(index, _)| Finding::new(&file.path, index + 1, "`unsafe` without a reason", advice)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_without_reason_is_found() {
        let file = Source::new("host/sandbox/src/a.rs", "//! A.\nfn a() {\n    unsafe { b() }\n}\n");
        assert_eq!(check(&file).iter().map(|finding| finding.line).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_reason_next_to_it_and_the_word_elsewhere_are_fine() {
        let file = Source::new("a.rs", "// SAFETY: the file is the cache's own.\nlet a = unsafe { b() };\n");
        assert_eq!(check(&file), []);
        assert_eq!(check(&Source::new("a.rs", "#![deny(unsafe_code)]\n// unsafe\nlet a = \"unsafe\";\n")), []);
    }
}
