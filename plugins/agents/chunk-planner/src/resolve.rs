//! From what a file says it imports to the file that it means, among the files of the plan.

use std::collections::HashMap;

use crate::imports::Import;

/// What a JavaScript specifier may leave out.
const SCRIPT_ENDS: [&str; 14] = [
    "",
    ".ts",
    ".tsx",
    ".d.ts",
    ".mts",
    ".cts",
    ".js",
    ".jsx",
    ".mjs",
    ".cjs",
    "/index.ts",
    "/index.tsx",
    "/index.js",
    "/index.jsx",
];

/// The files of the plan, by path.
#[derive(Debug)]
pub(crate) struct Files<'a> {
    numbers: HashMap<&'a str, usize>,
}

impl<'a> Files<'a> {
    pub(crate) fn new(paths: &'a [String]) -> Self {
        Self { numbers: paths.iter().enumerate().map(|(number, path)| (path.as_str(), number)).collect() }
    }

    /// The numbers of the files that `path` imports, sorted, each once, itself left out.
    pub(crate) fn resolve(&self, path: &str, imports: &[Import]) -> Vec<usize> {
        let own = self.numbers.get(path).copied();
        let found = imports.iter().filter_map(|import| self.find(path, import));
        let mut numbers: Vec<_> = found.filter(|number| Some(*number) != own).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    fn find(&self, path: &str, import: &Import) -> Option<usize> {
        match import {
            Import::Module(name) => self.rust_module(&children(path), std::slice::from_ref(name)),
            Import::Path(names) => self.rust_path(path, names),
            Import::Dotted(dots, names) => self.python(path, *dots, names),
            Import::Relative(specifier) => {
                let target = join(folder(path), specifier)?;
                // TypeScript names the file that it will become.
                let source = [(".js", ".ts"), (".js", ".tsx"), (".jsx", ".tsx"), (".mjs", ".mts"), (".cjs", ".cts")];
                let as_source =
                    source.iter().filter_map(|(from, to)| Some(format!("{}{to}", target.strip_suffix(from)?)));
                SCRIPT_ENDS
                    .iter()
                    .map(|end| format!("{target}{end}"))
                    .chain(as_source)
                    .find_map(|path| self.number(&path))
            }
            Import::Include(name) => ancestors(folder(path)).find_map(|folder| {
                let beside = join(folder, name).and_then(|path| self.number(&path));
                beside.or_else(|| self.number(&join(folder, &format!("include/{name}"))?))
            }),
        }
    }

    fn number(&self, path: &str) -> Option<usize> {
        self.numbers.get(path).copied()
    }

    /// The file that `crate::…`, `self::…` or `super::…` leads to. A path that leads to no more than the crate's root
    /// or a parent is left out: that is where modules are put together, and nearly every file would be in one cycle.
    fn rust_path(&self, path: &str, names: &[String]) -> Option<usize> {
        let (first, mut rest) = names.split_first()?;
        let base = match first.as_str() {
            "crate" => ancestors(folder(path))
                .find(|folder| ["lib.rs", "main.rs"].iter().any(|root| self.number(&within(folder, root)).is_some()))?
                .to_owned(),
            "self" => children(path),
            _ => {
                let mut base = folder(&children(path)).to_owned();
                while let Some(("super", deeper)) = rest.split_first().map(|(name, deeper)| (name.as_str(), deeper)) {
                    base = folder(&base).to_owned();
                    rest = deeper;
                }
                base
            }
        };
        (1..=rest.len()).rev().find_map(|length| self.rust_module(&base, &rest[..length]))
    }

    fn rust_module(&self, base: &str, names: &[String]) -> Option<usize> {
        let module = within(base, &names.join("/"));
        self.number(&format!("{module}.rs")).or_else(|| self.number(&format!("{module}/mod.rs")))
    }

    fn python(&self, path: &str, dots: usize, names: &[String]) -> Option<usize> {
        let module = |base: &str| {
            (1..=names.len()).rev().find_map(|length| {
                let module = within(base, &names[..length].join("/"));
                ["py", "pyi"].iter().find_map(|end| {
                    let file = self.number(&format!("{module}.{end}"));
                    file.or_else(|| self.number(&format!("{module}/__init__.{end}")))
                })
            })
        };
        match dots {
            0 => ancestors(folder(path)).find_map(module),
            dots => ancestors(folder(path)).nth(dots - 1).and_then(module),
        }
    }
}

/// The folder of a path; empty for the root.
fn folder(path: &str) -> &str {
    path.rfind('/').map_or("", |end| &path[..end])
}

/// A folder and those around it, out to the root.
fn ancestors(start: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(start), |inner| (!inner.is_empty()).then(|| folder(inner)))
}

fn within(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The folder in which a Rust file's child modules are.
fn children(path: &str) -> String {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let name = stem.rsplit('/').next().unwrap_or(stem);
    if matches!(name, "mod" | "lib" | "main") { folder(path).to_owned() } else { stem.to_owned() }
}

/// A relative path seen from a folder; none where it leads out of the root.
fn join(folder: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(paths: &[&str], path: &str, import: Import) -> Option<String> {
        let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
        let numbers = Files::new(&paths).resolve(path, &[import]);
        numbers.first().map(|number| paths[*number].clone())
    }

    fn names(text: &str) -> Vec<String> {
        text.split("::").map(str::to_owned).collect()
    }

    #[test]
    fn rust_paths_lead_to_the_deepest_module_that_is_a_file() {
        let paths = ["x/src/lib.rs", "x/src/a.rs", "x/src/a/b.rs", "x/src/c/mod.rs", "x/src/c/d.rs"];
        for (path, import, wanted) in [
            ("x/src/lib.rs", Import::Module("a".into()), Some("x/src/a.rs")),
            ("x/src/a.rs", Import::Module("b".into()), Some("x/src/a/b.rs")),
            ("x/src/lib.rs", Import::Module("c".into()), Some("x/src/c/mod.rs")),
            ("x/src/c/d.rs", Import::Path(names("crate::a::b::Type")), Some("x/src/a/b.rs")),
            ("x/src/c/d.rs", Import::Path(names("crate::a::Type")), Some("x/src/a.rs")),
            ("x/src/c/d.rs", Import::Path(names("super::super::a::Type")), Some("x/src/a.rs")),
            ("x/src/c/mod.rs", Import::Path(names("self::d::Type")), Some("x/src/c/d.rs")),
            ("x/src/a/b.rs", Import::Path(names("super::Type")), None),
            ("x/src/a/b.rs", Import::Path(names("crate::Type")), None),
        ] {
            let found = resolved(&paths, path, import.clone());
            assert_eq!(found.as_deref(), wanted, "{path}: {import:?}");
        }
    }

    #[test]
    fn other_languages_are_found_where_they_look() {
        let paths = ["p/__init__.py", "p/a.py", "p/q/b.py", "w/a.ts", "w/b/index.ts", "s/x.c", "s/x.h", "include/y.h"];
        for (path, import, wanted) in [
            ("p/q/b.py", Import::Dotted(2, names("a::f")), Some("p/a.py")),
            ("p/q/b.py", Import::Dotted(0, names("p::a")), Some("p/a.py")),
            ("p/a.py", Import::Dotted(0, names("os")), None),
            ("w/a.ts", Import::Relative("./b".into()), Some("w/b/index.ts")),
            ("w/b/index.ts", Import::Relative("../a.js".into()), Some("w/a.ts")),
            ("w/a.ts", Import::Relative("../../../a".into()), None),
            ("s/x.c", Import::Include("x.h".into()), Some("s/x.h")),
            ("s/x.c", Import::Include("y.h".into()), Some("include/y.h")),
        ] {
            let found = resolved(&paths, path, import.clone());
            assert_eq!(found.as_deref(), wanted, "{path}: {import:?}");
        }
    }
}
