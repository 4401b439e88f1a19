//! What Rust's test programs print: a line for each test, what the failed ones printed, a summary for each program.

use super::{Failed, Results, Totals};

/// Reads the standard output of `cargo test`.
pub fn read(output: &str) -> Results {
    let mut results = Results::default();
    let mut lines = output.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(summary) = line.strip_prefix("test result: ") {
            results.totals.add(totals(summary));
        } else if let Some(name) = heading(line) {
            let mut message = String::new();
            while let Some(line) = lines.next_if(|line| heading(line).is_none() && *line != "failures:") {
                message.push_str(line);
                message.push('\n');
            }
            results.failed.push(Failed { name: name.to_owned(), message: told(&message) });
        } else if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            // One that printed nothing has no section of its own.
            if !results.failed.iter().any(|failed| failed.name == name) {
                results.failed.push(Failed { name: name.to_owned(), message: String::new() });
            }
        }
    }
    merged(results)
}

/// The test whose output begins with this line.
fn heading(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" ----")?.strip_suffix(" stdout")
}

/// `FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s`
fn totals(summary: &str) -> Totals {
    let count = |word: &str| {
        let words: Vec<&str> = summary.split([' ', ';', '.']).filter(|part| !part.is_empty()).collect();
        let at = words.iter().position(|part| *part == word)?;
        words.get(at.checked_sub(1)?)?.parse().ok()
    };
    Totals {
        passed: count("passed").unwrap_or(0),
        failed: count("failed").unwrap_or(0),
        ignored: count("ignored").unwrap_or(0),
    }
}

/// A test's output without what is the same for all of them.
fn told(output: &str) -> String {
    let noise = |line: &&str| !line.starts_with("note: run with `RUST_BACKTRACE") && !line.trim().is_empty();
    let lines: Vec<&str> = output.lines().take_while(|line| *line != "stack backtrace:").filter(noise).collect();
    lines.join("\n")
}

/// The line of a failed test comes before its output: what both tell becomes one.
fn merged(results: Results) -> Results {
    let mut failed: Vec<Failed> = Vec::with_capacity(results.failed.len());
    for test in results.failed {
        match failed.iter_mut().find(|known| known.name == test.name && known.message.is_empty()) {
            Some(known) => known.message = test.message,
            None => failed.push(test),
        }
    }
    Results { failed, ..results }
}

/// The compiler's first errors, where it came to no test.
pub fn compile_errors(stderr: &str) -> Option<String> {
    const MOST: usize = 40;
    let mut lines = stderr.lines().skip_while(|line| !(line.starts_with("error:") || line.starts_with("error[")));
    let shown: Vec<&str> = lines.by_ref().take(MOST).collect();
    (!shown.is_empty()).then(|| shown.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "
running 4 tests
test tests::counts ... ok
test tests::empty ... FAILED
test tests::slow ... ignored, takes an hour
test tests::silent - should panic ... FAILED

failures:

---- tests::empty stdout ----

thread 'tests::empty' (12) panicked at src/lib.rs:9:5:
assertion `left == right` failed
  left: 1
 right: 0
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

---- tests::silent - should panic stdout ----
note: test did not panic as expected at src/lib.rs:20:8

failures:
    tests::empty
    tests::silent - should panic

test result: FAILED. 1 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s


running 2 tests
test a ... ok
test b ... ok

test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s
";

    #[test]
    fn failed_tests_are_told_with_what_they_said() {
        let results = read(PRINTED);
        assert_eq!(results.totals, Totals { passed: 3, failed: 2, ignored: 1 });
        assert_eq!(results.failed.len(), 2, "{results:?}");
        assert_eq!(results.failed[0].name, "tests::empty");
        assert!(results.failed[0].message.contains("left: 1\n right: 0"), "{}", results.failed[0].message);
        assert!(!results.failed[0].message.contains("RUST_BACKTRACE"));
        assert!(results.failed[1].message.contains("did not panic"));
    }

    #[test]
    fn what_is_cut_or_no_result_at_all_is_read_as_far_as_it_goes() {
        assert_eq!(read(""), Results::default());
        assert_eq!(read("test result: ").totals, Totals::default());
        assert_eq!(read("test result: ok. passed; x failed; 99999999999999999999 ignored").totals, Totals::default());
        let cut = &PRINTED[..PRINTED.find("  left").unwrap()];
        assert_eq!(read(cut).failed[0].name, "tests::empty");
        assert!(read("test a ... FAILED\n").failed[0].message.is_empty());
    }

    #[test]
    fn errors_of_the_compiler_are_found() {
        let stderr = "   Compiling a\nwarning: unused\nerror[E0308]: mismatched types\n --> src/lib.rs:3:5\n";
        assert!(compile_errors(stderr).unwrap().starts_with("error[E0308]"));
        assert_eq!(compile_errors("Finished"), None);
    }
}
