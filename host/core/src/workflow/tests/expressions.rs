//! What expressions give, and that they are bounded.

use super::super::expr::{Expression, Scope, TaskResult, Template};
use crate::id::Name;
use crate::state::TaskState;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

struct World {
    inputs: Map<String, Value>,
    tasks: BTreeMap<Name, TaskResult>,
    item: Value,
    run: Value,
}

impl World {
    fn new() -> Self {
        let output = json!({
            "chunks": [{"id": 0, "files": ["a.rs", "b.rs"]}, {"id": 1, "files": []}],
            "by-name": {"z": 1, "a": 2, "m": 3},
            "text": "hello",
        });
        let tasks = [
            ("plan", TaskResult { status: TaskState::Completed, output }),
            ("run-tests", TaskResult { status: TaskState::Failed, output: json!({}) }),
            ("change", TaskResult::gathered(TaskState::Completed, vec![json!({"n": 1}), json!({"n": 2})])),
        ];
        World {
            inputs: json!({"since": "2.0", "ready": true, "count": 3}).as_object().unwrap().clone(),
            tasks: tasks.into_iter().map(|(name, result)| (Name::new(name).unwrap(), result)).collect(),
            item: json!({"id": 7, "files": ["x.rs"]}),
            run: json!({"id": "r-1", "workflow": "w", "started": "2026-11-20T05:14:22.125Z"}),
        }
    }

    fn scope(&self) -> Scope<'_> {
        Scope { inputs: &self.inputs, tasks: &self.tasks, item: Some((&self.item, 4)), run: &self.run }
    }

    fn value(&self, text: &str) -> Result<Value, String> {
        let expression = Expression::parse(text).map_err(|e| e.to_string())?;
        expression.evaluate(&self.scope()).map_err(|e| e.reason)
    }
}

#[test]
fn values() {
    let world = World::new();
    for (text, expected) in [
        ("tasks.plan.chunks[0].files[1]", json!("b.rs")),
        ("${{ tasks.plan.chunks }}", json!([{"id": 0, "files": ["a.rs", "b.rs"]}, {"id": 1, "files": []}])),
        ("tasks.plan.status", json!("completed")),
        ("tasks[\"run-tests\"].status == 'failed'", json!(true)),
        ("tasks['plan'].status == 'completed' && inputs.ready", json!(true)),
        ("tasks.change.items.map(i, i.n * 10)", json!([10, 20])),
        ("tasks.plan.chunks.filter(c, size(c.files) > 0).map(c, c.id)", json!([0])),
        ("tasks.plan.chunks.exists(c, 'b.rs' in c.files)", json!(true)),
        ("tasks.plan.chunks.all(c, c.id < 2)", json!(true)),
        ("tasks.plan.chunks.exists_one(c, c.id == 1)", json!(true)),
        ("item.files", json!(["x.rs"])),
        ("index + 1", json!(5)),
        ("'n' + string(index)", json!("n4")),
        ("run.id", json!("r-1")),
        ("inputs", json!({"since": "2.0", "ready": true, "count": 3})),
        ("has(tasks.plan.nothing)", json!(false)),
        ("has(tasks.plan.text) ? tasks.plan.text : 'none'", json!("hello")),
        ("{'b': [1, 2.5, null], 'a': {'c': true}}", json!({"b": [1, 2.5, null], "a": {"c": true}})),
        ("'${{ x }}'", json!("${{ x }}")),
        (
            "tasks.plan.text.startsWith('he') && tasks.plan.text.endsWith('lo') && tasks.plan.text.contains('ell')",
            json!(true),
        ),
        ("int('4') + int(2.9) + int(uint(1))", json!(7)),
        ("double(inputs.count) / 2.0", json!(1.5)),
        ("bool('true')", json!(true)),
        ("[1, 2] + [3]", json!([1, 2, 3])),
        ("inputs.count > 2 ? 'many' : 'few'", json!("many")),
        ("!inputs.ready || inputs.count % 2 == 1", json!(true)),
    ] {
        let text = if text.contains("'${{") { format!("${{{{ {text} }}}}") } else { text.to_owned() };
        assert_eq!(world.value(&text), Ok(expected), "{text}");
    }
}

#[test]
fn a_map_is_walked_in_the_order_of_its_keys() {
    let world = World::new();
    for _ in 0..20 {
        assert_eq!(world.value("tasks.plan['by-name'].map(k, k)"), Ok(json!(["a", "m", "z"])));
    }
}

#[test]
fn a_template_keeps_types_and_fills_texts() {
    let world = World::new();
    let template = Template::parse(json!({
        "chunk": "${{ item }}",
        "note": "chunk ${{ item.id }} of ${{ size(tasks.plan.chunks) }}: ${{ item.files }}${{ null }}",
        "plain": [1, "two", {"three": null}],
        "escaped": "$${{ item }}",
    }))
    .unwrap();
    assert_eq!(
        template.evaluate(&world.scope()).unwrap(),
        json!({
            "chunk": {"id": 7, "files": ["x.rs"]},
            "note": "chunk 7 of 2: [\"x.rs\"]",
            "plain": [1, "two", {"three": null}],
            "escaped": "${{ item }}",
        })
    );
    let errors = Template::parse(json!({"a": "${{ 1 + }}", "b": ["${{ nobody }}"]})).unwrap_err();
    assert_eq!(errors.iter().map(|e| e.path.join(".")).collect::<Vec<_>>(), ["a", "b.0"]);
}

#[test]
fn what_has_no_value_says_why() {
    let world = World::new();
    for (text, reason) in [
        ("tasks.plan.chunk", "`tasks.plan` has no field `chunk`; known fields: by-name, chunks, text"),
        ("tasks.plan.chunk + [1]", "`tasks.plan` has no field `chunk`; known fields: by-name, chunks, text"),
        ("tasks.plan.chunks[9]", "`tasks.plan.chunks` has only 2 elements"),
        ("tasks.plan.text.length", "`tasks.plan.text` is a text, so it has no field `length`"),
        ("tasks.later.x", "the task `later` has not ended yet"),
        ("1 / (index - 4)", "it divides by zero"),
        ("9223372036854775807 + index", "a number gets too large"),
        ("1.0 / 0.0", "a number is infinite or none at all"),
        ("tasks.plan.chunks.map(c, c.nothing)", "there is no field `nothing`"),
    ] {
        assert_eq!(world.value(text), Err(reason.to_owned()), "{text}");
    }
    assert!(world.value("item.id + 'x'").is_err());
    let scope = world.scope();
    let error = Expression::parse("inputs.count").unwrap().holds(&scope).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`${{ inputs.count }}` cannot be evaluated: a condition is true or false, and this is a number"
    );
}

#[test]
fn what_does_not_exist_is_found_before_anything_runs() {
    for (text, message) in [
        ("siez(tasks.plan.chunks)", "there is no function `siez`; did you mean `size`?"),
        ("item.matches('a')", "there is no function `matches`"),
        ("itm.id", "there is no variable `itm`; did you mean `item`?"),
        ("tasks.run-tests.status", "a name with `-` in it is written in brackets"),
        ("tasks", "`tasks` is followed by the name of a task"),
        ("tasks[item.id]", "`tasks` is followed by the name of a task"),
        ("tasks['a b'].x", "`a b` is not a name"),
        ("Thing{a: 1}", "messages of other types are not supported"),
        ("1 +", "does not parse"),
        ("${{ 1 }} and ${{ 2 }}", "one expression and nothing else"),
        ("  ", "an expression is empty"),
    ] {
        let error = Expression::parse(text).unwrap_err().to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
}

#[test]
fn expressions_are_bounded_in_size_and_depth() {
    let nested = |open: &str, close: &str, n| format!("{}1{}", open.repeat(n), close.repeat(n));
    for text in [
        nested("(", ")", 10_000),
        nested("(", ")", 1_500),
        nested("[", "]", 10_000),
        nested("{1:", "}", 1_000),
        "!".repeat(4_000) + "true",
        "-".repeat(4_000) + "1",
        format!("1{}", " + 1".repeat(1_000)),
        format!("item{}", ".a".repeat(2_000)),
        "true ? ".repeat(500) + "1" + &" : 1".repeat(500),
        "x".repeat(5_000),
        "((((((((((".to_owned(),
        "item.map(a, ".repeat(300),
    ] {
        assert!(Expression::parse(&text).is_err(), "{:.40}", text);
    }
    // What is within the bounds works on a small stack, with the deepest trees that they allow.
    let deepest = [
        format!("1{}", " + 1".repeat(59)),
        format!("{}1{}", "(".repeat(11), ")".repeat(11)),
        "!".repeat(59) + "true",
        "-".repeat(2) + "1",
        "true ? 1 : ".repeat(29) + "1",
        format!("{}[1]{}", "[1].map(a, ".repeat(5), ")".repeat(5)),
    ];
    let worker = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let world = World::new();
        for text in deepest {
            // An error about the depth is as good as a value; a broken stack is not.
            let _ = world.value(&text);
        }
    });
    worker.unwrap().join().unwrap();
}

#[test]
fn evaluation_is_bounded() {
    let mut world = World::new();
    let list: Vec<Value> = (0..3_000).map(|i| json!(format!("file-{i}"))).collect();
    world.item = json!({ "list": list, "big": "x".repeat(1 << 20) });
    for text in [
        // A product of three lists.
        "item.list.map(a, item.list.map(b, item.list.map(c, a)))",
        "item.list.all(a, item.list.all(b, item.list.exists(c, c == 'nothing') || true))",
        // More text than memory.
        "item.list.map(a, item.big)",
        "item.list.map(a, [item.big, item.big])",
        "item.list.map(a, item.big + item.big)",
        // Long comparisons, many times.
        "item.list.filter(a, item.big == item.big)",
        "item.list.exists(a, item.big.contains(a))",
        // An error that `||` swallows is still an error.
        "item.list.exists(a, item.list.map(b, item.list.map(c, c)).size() > 0) || true",
    ] {
        let reason = world.value(text).unwrap_err();
        assert!(reason.contains("too much computing or memory"), "{text}: {reason}");
    }
    world.item = json!({ "big": "x".repeat(9 << 20) });
    assert!(world.value("size(item.big) > 0").unwrap_err().contains("larger than 8 MiB"));
    // Handing a value on costs nothing, so it is not bounded.
    assert!(world.value("item.big").is_ok());
}

#[test]
fn usual_work_on_large_lists_is_within_the_bounds() {
    let mut world = World::new();
    let files: Vec<Value> =
        (0..5_000).map(|i| json!({"path": format!("src/module_{i}/file.rs"), "lines": i})).collect();
    world.item = json!({ "files": files, "known": ["src/module_7/file.rs"] });
    assert_eq!(world.value("size(item.files.filter(f, f.lines >= 2500).map(f, 'a/' + f.path))"), Ok(json!(2500)));
    assert_eq!(world.value("item.files.filter(f, f.path in item.known).map(f, f.lines)"), Ok(json!([7])));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// No text panics, as an expression or within a text.
    #[test]
    fn any_text_is_read(text in "[a-z0-9_.()\\[\\]{}'\"`+*/%<>=!&|?:, \\\\$€\n-]{0,60}") {
        let world = World::new();
        let _ = world.value(&text);
        if let Ok(template) = Template::parse(json!(text)) {
            let _ = template.evaluate(&world.scope());
        }
    }

    /// Nor does any sequence of words of the language.
    #[test]
    fn any_words_are_read(words in prop::collection::vec(prop::sample::select(vec![
        "tasks", ".", "plan", "chunks", "[", "]", "(", ")", "{", "}", "'x'", "\"", "1", "1u", "2.5", "b'x'", "r'x'", "-", "!",
        "+", "*", "/", "%", "==", "<", "&&", "||", "?", ":", ",", "item", "index", "has(", ".map(", ".filter(", ".all(", "x",
        "null", "true", "in", "size(", "string(", "int(", "9223372036854775807", "'\\u00e9'", "'\\x", ".?", "`a`", "1e400",
    ]), 0..25), glue in prop::bool::ANY) {
        let text = words.join(if glue { "" } else { " " });
        let _ = World::new().value(&text);
    }
}
