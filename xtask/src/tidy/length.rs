//! One idea per file: past a length, ask which second idea lives there.

use crate::tidy::Finding;
use crate::tidy::sources::Source;

/// Lines before the unit tests.
const LIMIT: usize = 400;

/// Counts the lines before the tests; files of test crates may be as long as their cases.
pub(crate) fn check(file: &Source) -> Option<Finding> {
    let lines = file.lines_before_tests();
    let is_test = file.path.split('/').any(|part| part == "tests");
    (lines > LIMIT && !is_test).then(|| {
        let what = format!("{lines} lines before the tests, of {LIMIT}");
        Finding::new(&file.path, LIMIT + 1, what, "find the second idea in it and give it a file of its own")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let long = "fn a() {}\n".repeat(401);
        assert!(check(&Source::new("host/core/src/a.rs", long.clone())).is_some());
        assert_eq!(check(&Source::new("host/core/tests/a.rs", long.clone())), None);
        let tested = format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(check(&Source::new("host/core/src/a.rs", tested)), None);
    }
}
