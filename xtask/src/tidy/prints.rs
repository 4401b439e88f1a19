//! Libraries never print: only the command line and xtask talk to a terminal.

use crate::tidy::Finding;
use crate::tidy::code::has_word;
use crate::tidy::sources::Source;

const MACROS: [&str; 4] = ["println", "eprintln", "print", "eprint"];

/// Folders whose programs talk to people.
const MAY_PRINT: [&str; 2] = ["host/cli/", "xtask/"];

/// Parts of a path that make a program of its own or a test.
const PROGRAMS_AND_TESTS: [&str; 4] = ["tests", "examples", "benches", "build.rs"];

/// Looks for prints before the unit tests.
pub(crate) fn check(file: &Source) -> Vec<Finding> {
    let program = file.path.split('/').any(|part| PROGRAMS_AND_TESTS.contains(&part));
    if program || MAY_PRINT.iter().any(|folder| file.path.starts_with(folder)) {
        return Vec::new();
    }
    let lines = file.code.iter().take(file.lines_before_tests()).zip(1..);
    let prints = lines.filter_map(|(line, number)| {
        let name = MACROS.into_iter().find(|name| has_word(line, name) && line.contains(&format!("{name}!")))?;
        let advice = "return the text, or record it with `tracing`; printing is left to the command line";
        Some(Finding::new(&file.path, number, format!("a library prints with `{name}!`"), advice))
    });
    prints.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_print_in_a_library_is_found_at_its_line() {
        let file = Source::new("host/store/src/a.rs", "//! A.\nfn a() {\n    eprintln!(\"b\");\n}\n");
        assert_eq!(check(&file).iter().map(|finding| finding.line).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn prints_where_they_belong_are_left_alone() {
        let print = "fn a() { println!(\"b\"); }";
        for path in
            ["host/cli/src/a.rs", "xtask/src/a.rs", "tests/a.rs", "host/store/build.rs", "host/sandbox/examples/a.rs"]
        {
            assert_eq!(check(&Source::new(path, print)), []);
        }
        let sample =
            "/// println!(\"doc\")\nfn a() { b(\"println!\") }\n#[cfg(test)]\nmod tests { fn a() { println!() } }";
        assert_eq!(check(&Source::new("host/store/src/a.rs", sample)), []);
    }
}
