//! What pytest prints: the short summary, and the line of totals at the end.

use super::{Failed, Results, Totals};

/// Reads the standard output of pytest.
pub fn read(output: &str) -> Results {
    let mut results = Results::default();
    for line in output.lines() {
        let told = line.strip_prefix("FAILED ").or_else(|| line.strip_prefix("ERROR "));
        // A name may hold " - " in the brackets of its parameters; those of files end before it.
        if let Some((name, message)) = told.map(|told| told.split_once(" - ").unwrap_or((told, ""))) {
            if name.contains("::") || name.ends_with(".py") {
                results.failed.push(Failed { name: name.to_owned(), message: message.to_owned() });
            }
        } else if let Some(totals) = totals(line) {
            results.totals = totals;
        }
    }
    results
}

/// `=== 1 failed, 2 passed, 1 skipped in 0.12s ===`, with or without the frame.
fn totals(line: &str) -> Option<Totals> {
    let line = line.trim_matches('=').trim();
    let (counts, _) = line.rsplit_once(" in ")?;
    let mut totals = Totals::default();
    for part in counts.split(", ") {
        let (number, word) = part.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        match word {
            "passed" | "xpassed" => totals.passed = totals.passed.saturating_add(number),
            "failed" | "error" | "errors" => totals.failed = totals.failed.saturating_add(number),
            "skipped" | "xfailed" | "deselected" => totals.ignored = totals.ignored.saturating_add(number),
            "warning" | "warnings" | "rerun" => {}
            _ => return None,
        }
    }
    Some(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_summary_and_the_totals_are_read() {
        let output = "
    def test_empty():
>       assert count('') == 0
E       assert 1 == 0
=========================== short test summary info ============================
FAILED tests/test_count.py::test_empty - assert 1 == 0
ERROR tests/test_other.py - ModuleNotFoundError: No module named 'x'
=================== 1 failed, 2 passed, 1 skipped, 1 error in 0.12s ====================
";
        let results = read(output);
        assert_eq!(results.totals, Totals { passed: 2, failed: 2, ignored: 1 });
        assert_eq!(results.failed[0].name, "tests/test_count.py::test_empty");
        assert_eq!(results.failed[1].message, "ModuleNotFoundError: No module named 'x'");
        assert_eq!(totals("3 passed in 0.01s").unwrap().passed, 3);
        assert_eq!(totals("it took place in 1999"), None);
    }
}
