//! What somebody may have meant by a name that does not exist.

/// The one of `known` that is a typing mistake away from `word`, where there is one.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `known WHAT: a, b, c`, or that there are none. At most twelve are listed.
pub(crate) fn known(what: &str, names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let names: Vec<_> = names.into_iter().map(|n| n.as_ref().to_owned()).collect();
    match names.len() {
        0 => format!("it has no {what}"),
        1..=12 => format!("known {what}: {}", names.join(", ")),
        more => format!("known {what}: {} and {} more", names[..12].join(", "), more - 12),
    }
}

/// The optimal string alignment distance: insertions, removals, replacements and swaps of neighbours. Words longer than
/// 64 characters are as far as can be, so that hostile names cost nothing.
fn distance(a: &str, b: &str) -> usize {
    let fold = |text: &str| text.chars().take(65).flat_map(char::to_lowercase).collect::<Vec<_>>();
    let (a, b) = (fold(a), fold(b));
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["needs", "agent", "timeout", "for_each"];
        assert_eq!(nearest("need", known), Some("needs"));
        assert_eq!(nearest("agnet", known), Some("agent"));
        assert_eq!(nearest("foreach", known), Some("for_each"));
        assert_eq!(nearest("Timeout", known), Some("timeout"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest(&"x".repeat(100_000), known), None);
    }
}
