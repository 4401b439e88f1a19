//! Finds what a file imports, line by line, by its language's surface only: no macros, no conditions, no build
//! system. What it misses costs a worse order and nothing else.

/// The most bytes of a Rust `use` that is spread over lines.
const STATEMENT: usize = 8 * 1024;

/// The most imports of one file that are looked at.
const IMPORTS: usize = 4096;

/// The most parts of a path, and the most groups inside each other, in a Rust `use`.
const DEPTH: usize = 32;

/// What a file imports, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Import {
    /// Rust: `mod name;`
    Module(String),
    /// Rust: a path that begins with `crate`, `self` or `super`.
    Path(Vec<String>),
    /// Python: how many dots are in front, and the names behind them.
    Dotted(usize, Vec<String>),
    /// JavaScript and TypeScript: a specifier that begins with a dot.
    Relative(String),
    /// C and C++: the text between the quotes.
    Include(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Rust,
    Python,
    Script,
    C,
}

/// Takes the lines of one file.
#[derive(Debug)]
pub(crate) struct Scanner {
    language: Language,
    /// A Rust `use` that has not ended yet.
    statement: String,
    found: Vec<Import>,
}

impl Scanner {
    /// A scanner for this file; none where its language is not known.
    pub(crate) fn for_path(path: &str) -> Option<Self> {
        let (_, extension) = path.rsplit_once('.')?;
        let language = match extension {
            "rs" => Language::Rust,
            "py" | "pyi" => Language::Python,
            "js" | "jsx" | "mjs" | "cjs" | "ts" | "tsx" | "mts" | "cts" => Language::Script,
            "c" | "h" | "cc" | "cpp" | "cxx" | "hh" | "hpp" | "hxx" => Language::C,
            _ => return None,
        };
        Some(Self { language, statement: String::new(), found: Vec::new() })
    }

    /// Takes the next line.
    pub(crate) fn line(&mut self, line: &[u8]) {
        if self.found.len() >= IMPORTS {
            return;
        }
        let Ok(line) = std::str::from_utf8(line) else { return };
        let line = line.trim();
        match self.language {
            Language::Rust => self.rust(line),
            Language::Python => self.python(line),
            Language::Script => self.script(line),
            Language::C => {
                let include = line.strip_prefix('#').and_then(|line| line.trim_start().strip_prefix("include"));
                if let Some(path) = include.and_then(quoted) {
                    self.found.push(Import::Include(path.to_owned()));
                }
            }
        }
    }

    /// What was found.
    pub(crate) fn finish(self) -> Vec<Import> {
        self.found
    }

    fn rust(&mut self, line: &str) {
        if self.statement.is_empty() {
            let line = without_visibility(line);
            if let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
                self.found.push(Import::Module(name.trim().to_owned()));
            } else if let Some(path) = line.strip_prefix("use ") {
                self.statement = path.to_owned();
            }
        } else {
            self.statement.push_str(line);
        }
        if let Some(end) = self.statement.find(';') {
            let statement = std::mem::take(&mut self.statement);
            self.found.extend(use_paths(&statement[..end]).into_iter().map(Import::Path));
        } else if self.statement.len() > STATEMENT {
            self.statement.clear();
        }
    }

    fn python(&mut self, line: &str) {
        let code = line.split('#').next().unwrap_or_default();
        if let Some(modules) = code.strip_prefix("import ") {
            for module in modules.split(',') {
                self.dotted(module, None);
            }
        } else if let Some((module, names)) = code.strip_prefix("from ").and_then(|rest| rest.split_once(" import ")) {
            for name in names.trim_matches(['(', ')', ' ', '\\']).split(',') {
                self.dotted(module, Some(name));
            }
        }
    }

    /// A module, and perhaps a name out of it, that may be a module itself.
    fn dotted(&mut self, module: &str, name: Option<&str>) {
        let module = module.split_whitespace().next().unwrap_or_default();
        let dots = module.len() - module.trim_start_matches('.').len();
        let name = name.and_then(|name| name.split_whitespace().next());
        let names = module[dots..].split('.').chain(name).filter(|part| !part.is_empty());
        let names: Vec<_> = names.map(str::to_owned).collect();
        if !names.is_empty() {
            self.found.push(Import::Dotted(dots, names));
        }
    }

    fn script(&mut self, line: &str) {
        for word in ["from", "import", "require"] {
            for (at, _) in line.match_indices(word) {
                let rest = line[at + word.len()..].trim_start_matches([' ', '(']);
                if let Some(specifier) = quoted(rest).filter(|specifier| specifier.starts_with('.')) {
                    self.found.push(Import::Relative(specifier.to_owned()));
                }
            }
        }
    }
}

/// The text between the quotes that the text begins with.
fn quoted(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let rest = &text[1..];
    rest.find(quote).map(|end| &rest[..end])
}

/// Without `pub`, `pub(crate)` and the like.
fn without_visibility(line: &str) -> &str {
    let Some(rest) = line.strip_prefix("pub") else { return line };
    match rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((_, rest)) => rest.trim_start(),
        None => rest.trim_start(),
    }
}

/// The paths of a `use`, its groups expanded, as far as they begin with `crate`, `self` or `super`.
fn use_paths(statement: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    // What each open group has in front, and the path being read.
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut word = String::new();
    // Whether the path has a name of its own behind its group's.
    let mut named = false;
    for character in statement.chars().chain([',']) {
        match character {
            ':' | '{' | ',' | '}' => {
                // `a as b` imports `a`.
                if let Some(name) = word.split_whitespace().next().filter(|name| *name != "*") {
                    path.push(name.to_owned());
                    named = true;
                }
                word.clear();
            }
            other => word.push(other),
        }
        // No program nests like this; a text that does would make copies upon copies.
        if path.len() > DEPTH || groups.len() > DEPTH {
            return paths;
        }
        match character {
            '{' => {
                groups.push(path.clone());
                named = false;
            }
            ',' | '}' => {
                let local = path.first().is_some_and(|first| matches!(&**first, "crate" | "self" | "super"));
                if local && named && paths.len() < IMPORTS {
                    paths.push(path.clone());
                }
                if character == '}' {
                    groups.pop();
                }
                path = groups.last().cloned().unwrap_or_default();
                named = false;
            }
            _ => {}
        }
    }
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<Import> {
        let mut scanner = Scanner::for_path(path).unwrap();
        text.lines().for_each(|line| scanner.line(line.as_bytes()));
        scanner.finish()
    }

    fn paths(text: &str) -> Vec<String> {
        let path = |import| match import {
            Import::Path(path) => path.join("::"),
            other => format!("{other:?}"),
        };
        found("a.rs", text).into_iter().map(path).collect()
    }

    #[test]
    fn rust_groups_are_expanded_over_lines() {
        let text = "pub(crate) use crate::{\n    a::{B, c as d},\n    e::*,\n};\nuse std::fs;\nuse super::x;\n";
        assert_eq!(paths(text), ["crate::a::B", "crate::a::c", "crate::e", "super::x"]);
    }

    #[test]
    fn rust_modules_in_files_are_found_and_those_in_place_are_not() {
        assert_eq!(found("a.rs", "pub mod x;\nmod y {\n}\n// mod z;"), [Import::Module("x".into())]);
    }

    #[test]
    fn python_imports_name_modules_and_what_may_be_one() {
        let text = "import a.b as c, d\nfrom .e import f, g  # why\nfrom . import h\nfrom_x = 3";
        let dotted = |dots, names: &[&str]| Import::Dotted(dots, names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(
            found("a.py", text),
            [
                dotted(0, &["a", "b"]),
                dotted(0, &["d"]),
                dotted(1, &["e", "f"]),
                dotted(1, &["e", "g"]),
                dotted(1, &["h"])
            ]
        );
    }

    #[test]
    fn scripts_and_c_name_files() {
        let text = "import x, { y } from './a'\nimport \"../b.css\"\nconst c = require('./c'), d = require(\"react\")";
        let relative = ["./a", "../b.css", "./c"].map(|path| Import::Relative(path.to_owned()));
        assert_eq!(found("a.ts", text), relative);
        assert_eq!(found("a.c", "#include <stdio.h>\n#  include \"x/y.h\""), [Import::Include("x/y.h".into())]);
    }

    #[test]
    fn text_that_never_ends_a_statement_is_given_up() {
        let mut scanner = Scanner::for_path("a.rs").unwrap();
        scanner.line(b"use crate::{");
        for _ in 0..10_000 {
            scanner.line(b"a::b, {{{{");
        }
        assert!(scanner.statement.len() <= STATEMENT + 10);
        scanner.line(b"\xff\xfe");
        assert_eq!(scanner.finish(), []);
    }
}
