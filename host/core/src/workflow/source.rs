//! A workflow file as text: its form, and where each field stands in it.
//!
//! The types that a file is read into carry no positions. When something is wrong, the text is read a second time into a
//! [`Tree`] that holds nothing but positions, and the field's path leads to its line and column.

use super::error::{WorkflowError, WorkflowErrors};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Options, Spanned};
use std::fmt;

/// The most bytes that a workflow file may have.
pub const MAX_BYTES: usize = 1 << 20;
/// The most characters of a line that an error shows.
const MAX_SHOWN: usize = 160;

/// The text of a file, split into its YAML and its prose.
pub(super) struct Source<'a> {
    file: &'a str,
    text: &'a str,
    /// The YAML, on the same lines as in the file.
    pub yaml: String,
    /// The Markdown body.
    pub prompt: &'a str,
}

/// A field's way from the file's root.
pub(super) type FieldPath = Vec<String>;

impl<'a> Source<'a> {
    /// Takes a file apart: `*.md` is front matter and prose, all else is YAML.
    pub(super) fn new(file: &'a str, text: &'a str) -> Result<Self, WorkflowErrors> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut source = Source { file, text, yaml: String::new(), prompt: "" };
        if text.len() > MAX_BYTES {
            source.text = "";
            let message = format!("the file has {} bytes, more than {MAX_BYTES}", text.len());
            return Err(source.error((1, 1), &[], message, "move data into files of the workspace".into()).into());
        }
        let is_markdown = file.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case("md"));
        if !is_markdown {
            source.yaml = text.to_owned();
            return Ok(source);
        }
        let mut lines = text.split_inclusive('\n');
        let opening = lines.next().unwrap_or_default();
        if opening.trim_end() != "---" {
            return Err(source
                .error(
                    (1, 1),
                    &[],
                    "a workflow in Markdown begins with its front matter, and there is none".into(),
                    "begin the file with a line `---`, the workflow's fields, and another line `---`".into(),
                )
                .into());
        }
        // The first line stays as an empty one, so that lines are those of the file.
        source.yaml.push('\n');
        let mut end = opening.len();
        for line in lines {
            end += line.len();
            if line.trim_end() == "---" {
                source.prompt = text[end..].trim();
                return Ok(source);
            }
            source.yaml.push_str(line);
        }
        let error =
            source.error((1, 1), &[], "the front matter is not closed".into(), "write a line `---` behind it".into());
        Err(error.into())
    }

    /// An error at a line and column.
    pub(super) fn error(&self, at: (u64, u64), field: &[String], message: String, hint: String) -> WorkflowError {
        let line = usize::try_from(at.0).unwrap_or(1).saturating_sub(1);
        let source_line = self.text.lines().nth(line).unwrap_or_default();
        WorkflowError {
            file: plain(self.file),
            line: at.0,
            column: at.1,
            field: show(field),
            message: plain(&message),
            hint: plain(&hint),
            source_line: plain(&source_line.chars().take(MAX_SHOWN).collect::<String>()),
        }
    }

    /// Where character `offset` of the text stands that begins at `at`, as long as it is on that line.
    pub(super) fn within(&self, at: (u64, u64), offset: usize) -> (u64, u64) {
        let (Ok(line), Ok(column)) = (usize::try_from(at.0), usize::try_from(at.1)) else { return at };
        let rest =
            self.text.lines().nth(line.saturating_sub(1)).unwrap_or_default().chars().skip(column.saturating_sub(1));
        let mut rest = rest.peekable();
        let quoted = usize::from(matches!(rest.peek(), Some('"' | '\'')));
        let is_block = matches!(rest.peek(), Some('|' | '>'));
        if is_block || rest.count() <= offset + quoted {
            return at;
        }
        (at.0, at.1 + (offset + quoted) as u64)
    }
}

/// Without control characters, which a terminal would obey.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\t' {
                ' '
            } else if c.is_control() {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// A path as people write it: `tasks.change.needs[0]`.
fn show(path: &[String]) -> String {
    let mut shown = String::new();
    for step in path {
        if !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit()) {
            shown.push_str(&format!("[{step}]"));
        } else {
            if !shown.is_empty() {
                shown.push('.');
            }
            shown.extend(step.chars().take(64));
        }
    }
    plain(&shown)
}

/// How the YAML is read: bounded in size, depth and what anchors expand to.
pub(super) fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 48,
            max_nodes: 100_000,
            max_events: 250_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_merge_keys: 1_000,
            max_recorded_anchor_events: 100_000,
            max_total_scalar_bytes: MAX_BYTES,
            max_documents: 2,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 1_000,
        },
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// The positions of a document's values.
#[derive(Debug)]
pub(super) struct Tree {
    at: (u64, u64),
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Scalar,
    List(Vec<Tree>),
    Map(Vec<(String, (u64, u64), Tree)>),
}

impl Tree {
    /// The positions in `yaml`; none where it does not parse at all.
    pub(super) fn read(yaml: &str) -> Option<Tree> {
        // A file with a double key has positions too.
        let mut options = options();
        options.duplicate_keys = DuplicateKeyPolicy::LastWins;
        serde_saphyr::from_str_with_options(yaml, options).ok()
    }

    /// Where the value at `path` stands, or the nearest one around it.
    pub(super) fn value_at(&self, path: &[String]) -> (u64, u64) {
        self.walk(path).0
    }

    /// Where the key of the field at `path` stands; for an element of a list, where its value stands.
    pub(super) fn key_at(&self, path: &[String]) -> (u64, u64) {
        self.walk(path).1
    }

    fn walk(&self, path: &[String]) -> ((u64, u64), (u64, u64)) {
        let Some((step, rest)) = path.split_first() else { return (self.at, self.at) };
        let (key, next) = match &self.shape {
            Shape::Scalar => return (self.at, self.at),
            Shape::List(list) => match step.parse::<usize>().ok().and_then(|i| list.get(i)) {
                Some(element) => (element.at, element),
                None => return (self.at, self.at),
            },
            Shape::Map(map) => match map.iter().find(|(key, ..)| key == step) {
                Some((_, at, value)) => (*at, value),
                None => return (self.at, self.at),
            },
        };
        if rest.is_empty() { (next.at, key) } else { next.walk(rest) }
    }

    /// Whether there is something at `path`.
    pub(super) fn has(&self, path: &[String]) -> bool {
        let Some((step, rest)) = path.split_first() else { return true };
        let next = match &self.shape {
            Shape::Scalar => None,
            Shape::List(list) => step.parse::<usize>().ok().and_then(|i| list.get(i)),
            Shape::Map(map) => map.iter().find(|(key, ..)| key == step).map(|(.., value)| value),
        };
        next.is_some_and(|next| next.has(rest))
    }

    /// The path of the last field that begins at or before a line and column.
    pub(super) fn path_at(&self, at: (u64, u64)) -> FieldPath {
        let mut best = ((0, 0), Vec::new());
        self.search(at, &mut Vec::new(), &mut best);
        best.1
    }

    fn search(&self, at: (u64, u64), path: &mut FieldPath, best: &mut ((u64, u64), FieldPath)) {
        let mut consider = |spot: (u64, u64), path: &FieldPath| {
            if spot <= at && spot >= best.0 {
                *best = (spot, path.clone());
            }
        };
        match &self.shape {
            Shape::Scalar => consider(self.at, path),
            Shape::List(list) => {
                consider(self.at, path);
                for (i, element) in list.iter().enumerate() {
                    path.push(i.to_string());
                    element.search(at, path, best);
                    path.pop();
                }
            }
            Shape::Map(map) => {
                for (key, spot, value) in map {
                    path.push(key.clone());
                    if *spot <= at && *spot >= best.0 {
                        *best = (*spot, path.clone());
                    }
                    value.search(at, path, best);
                    path.pop();
                }
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Shape>::deserialize(deserializer)?;
        let at = (spanned.referenced.line(), spanned.referenced.column());
        Ok(Tree { at, shape: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShapeVisitor;

        impl<'de> Visitor<'de> for ShapeVisitor {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
                Ok(Shape::Scalar)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
                Ok(Shape::Scalar)
            }

            fn visit_i128<E>(self, _: i128) -> Result<Shape, E> {
                Ok(Shape::Scalar)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
                Ok(Shape::Scalar)
            }

            fn visit_u128<E>(self, _: u128) -> Result<Shape, E> {
                Ok(Shape::Scalar)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
                Ok(Shape::Scalar)
            }

            fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
                Ok(Shape::Scalar)
            }

            fn visit_unit<E>(self) -> Result<Shape, E> {
                Ok(Shape::Scalar)
            }

            fn visit_none<E>(self) -> Result<Shape, E> {
                Ok(Shape::Scalar)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element()? {
                    elements.push(element);
                }
                Ok(Shape::List(elements))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    let at = (key.referenced.line(), key.referenced.column());
                    entries.push((key.value, at, map.next_value()?));
                }
                Ok(Shape::Map(entries))
            }
        }

        deserializer.deserialize_any(ShapeVisitor)
    }
}
