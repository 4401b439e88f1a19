//! The documentation is true: its workflows run, and its description of the command line is the command line's own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Ended, Node, Place, Tree, guest, repository};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The fenced blocks of a text whose first line begins with `fence`: that line's rest, and the content.
fn blocks(text: &str, fence: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(rest) = line.strip_prefix("```") else { continue };
        let content: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
        if let Some(rest) = rest.strip_prefix(fence) {
            blocks.push((rest.trim().to_owned(), content.join("\n") + "\n"));
        }
    }
    blocks
}

/// A small code base that has something for each example.
fn sample() -> Place {
    Place::with(&[
        ("src/main.rs", "mod text;\n\nfn main() {\n    println!(\"{}\", text::first(\"  a b\"));\n}\n"),
        (
            "src/text.rs",
            "pub fn first(text: &str) -> &str {\n    text.trim_left().split(' ').next().unwrap() // TODO\n}\n",
        ),
        ("docs/guide.md", "# Guide\n\nCall `trim_left()`.\n"),
        ("README.md", "A small program.\n"),
    ])
}

/// Runs an example. It ends with 0, or with the code that stands behind its fence, as in `exit=3`.
fn run_example(name: &str, note: &str, workflow: &str) {
    let place = sample();
    let wanted = note.strip_prefix("exit=").map_or(0, |code| code.parse().unwrap());
    let ended = place.run(workflow, &[]);
    assert_eq!(ended.status.code(), Some(wanted), "{name}:\n{workflow}\n{ended}");
}

#[test]
fn the_workflows_of_the_documentation_run() {
    for (file, least) in [("docs/workflow.md", 3), ("docs/plugins.md", 5)] {
        let blocks = blocks(&read(file), "yaml workflow");
        assert!(blocks.len() >= least, "{file} has {} workflows", blocks.len());
        for (number, (note, workflow)) in blocks.iter().enumerate() {
            run_example(&format!("workflow {number} of {file}"), note, workflow);
        }
    }
}

#[test]
fn the_workflow_of_the_readme_does_what_the_readme_says() {
    let blocks = blocks(&read("README.md"), "yaml");
    let [(_, workflow)] = blocks.as_slice() else { panic!("the README has one workflow") };
    let place = sample();
    place.run(workflow, &[]).code(0);
    assert!(place.text("src/text.rs").contains(".trim_start()"));
    assert!(place.text("docs/guide.md").contains("trim_left"), "it is outside of `write`");
}

/// A workspace with the input of an example, which itself is never touched.
fn input_of(example: &str) -> Place {
    let place = Place::new();
    let input = repository().join("examples").join(example).join("input");
    for (path, node) in Tree::read(&input).without(".longhaul").0 {
        if let Node::File(content, _) = node {
            place.file(&path, content);
        }
    }
    place
}

/// Runs an example's workflow on a workspace.
fn run_on(place: &Place, example: &str, more: &[&str]) -> Ended {
    let file = repository().join(format!("examples/{example}/{example}.workflow.yaml"));
    let args = [OsStr::new("run"), file.as_os_str(), "-C".as_ref(), place.workspace.as_os_str(), "--json".as_ref()];
    place.longhaul(args.into_iter().chain(more.iter().map(OsStr::new)))
}

#[test]
fn the_examples_run() {
    let place = input_of("hello");
    run_on(&place, "hello", &[]).code(0);
    assert!(place.text("greeting.txt").contains("Hello, world"));

    let place = input_of("review");
    let before = place.tree();
    run_on(&place, "review", &[]).code(0);
    run_on(&place, "review", &["--input", "fail_at=error"]).code(3);
    assert_eq!(place.tree(), before);
    let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
    let incident = lines.iter().find(|line| line["kind"] == "incident-raised").unwrap().to_string();
    assert!(incident.contains("key-in-the-text"), "{incident}");

    let place = Place::with(&[
        ("src/lib.rs", "pub fn top() -> u32 { u32::max_value() }\n"),
        ("build.rs", "fn main() { let _ = u8::max_value(); }\n"),
    ]);
    run_on(&place, "modernise", &[]).code(0);
    assert_eq!(place.text("src/lib.rs"), "pub fn top() -> u32 { u32::MAX }\n");
    assert!(place.text("build.rs").contains("max_value"), "it is outside of what may be written");
}

#[test]
fn the_first_plugin_of_the_readme_counts_lines() {
    let place = input_of("count");
    let workflow = read("examples/count/count.workflow.yaml");
    let built = "../../target/plugins-built/count.wasm";
    assert!(workflow.contains(built), "it uses what `cargo xtask plugin` leaves");
    // Of the same crate, built with the test guests.
    let workflow = workflow.replace(built, &guest("count").display().to_string());
    place.run(&workflow, &[]).code(0);
    let lines = place.longhaul(["logs", "--json"]).code(0).json_lines();
    let output = lines.iter().find(|line| line["kind"] == "attempt-completed" || line["kind"] == "attempt-ended");
    let output = output.unwrap_or_else(|| panic!("{lines:#?}")).to_string();
    let wanted = read("examples/count/input/poem.txt").lines().count();
    assert!(output.contains(&format!("\"lines\":{wanted}")), "{output}");
    let source = read("examples/plugins/count/src/lib.rs");
    let (_, source) = source.split_once("\n\n").unwrap();
    let shown = blocks(&read("README.md"), "rust").remove(0).1;
    let plain = |text: &str| text.split_whitespace().collect::<String>().replace(",}", "}");
    assert_eq!(plain(&shown), plain(source), "the README shows the crate as it is");
}

/// The files and folders that a text links to, as it writes them.
fn links(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let own = targets.filter(|target| !target.contains("://") && !target.starts_with(['#', '<']));
    own.map(|target| target.split('#').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_links_of_the_documentation_lead_somewhere() {
    let docs = fs::read_dir(repository().join("docs")).unwrap().map(|file| file.unwrap().path());
    let outside = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| repository().join(name));
    let mut count = 0;
    for file in docs.chain(outside).filter(|file| file.extension().is_some_and(|end| end == "md")) {
        for link in links(&fs::read_to_string(&file).unwrap()) {
            count += 1;
            let target = file.parent().unwrap().join(&link);
            assert!(target.exists(), "{} links to {link}, which is not there", file.display());
        }
    }
    assert!(count > 10, "only {count} links were found");
}

/// What `--help` tells of a command.
struct Help {
    subcommands: Vec<String>,
    options: BTreeSet<String>,
}

fn help(place: &Place, words: &[&str]) -> Help {
    let ended = place.longhaul(words.iter().copied().chain(["--help"])).code(0);
    let section = |name: &str| {
        let lines = ended.stdout.lines().skip_while(move |line| *line != name).skip(1);
        lines.take_while(|line| line.is_empty() || line.starts_with(' ')).map(str::to_owned).collect::<Vec<_>>()
    };
    let command = |line: &String| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')).map(str::to_owned);
    let subcommands = section("Commands:");
    let subcommands =
        subcommands.iter().filter_map(command).filter_map(|line| Some(line.split(' ').next()?.to_owned()));
    let options = section("Options:");
    let options = options.iter().map(|line| line.trim_start()).filter(|line| line.starts_with('-'));
    Help {
        subcommands: subcommands.filter(|name| !name.is_empty()).collect(),
        options: options.flat_map(long_options).collect(),
    }
}

/// The long options that a line mentions.
fn long_options(line: &str) -> Vec<String> {
    let words = line.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
    words
        .filter(|word| word.len() > 3 && word.starts_with("--") && !word.starts_with("---"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_command_line_is_described_as_it_is() {
    let place = Place::new();
    let mut real: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut open = vec![Vec::<String>::new()];
    let mut global = BTreeSet::new();
    while let Some(words) = open.pop() {
        let words_: Vec<&str> = words.iter().map(String::as_str).collect();
        let help = help(&place, &words_);
        if words.is_empty() {
            global = help.options;
        } else if help.subcommands.is_empty() {
            real.insert(words.join(" "), help.options.difference(&global).cloned().collect());
        }
        open.extend(help.subcommands.into_iter().map(|name| words.iter().cloned().chain([name]).collect()));
    }
    assert!(real.len() >= 10, "{real:?}");

    let text = read("docs/cli.md");
    let mut described: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            current =
                title.strip_prefix("`longhaul ").and_then(|rest| rest.strip_suffix('`')).unwrap_or_default().to_owned();
            if !current.is_empty() {
                // Only the words count: `run WORKFLOW` is `run`.
                let words = current.split(' ').take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()));
                current = words.collect::<Vec<_>>().join(" ");
                described.entry(current.clone()).or_default();
            }
        } else if let Some(options) = described.get_mut(&current) {
            options.extend(long_options(line).into_iter().filter(|option| !global.contains(option)));
        }
    }
    assert_eq!(
        described.keys().collect::<Vec<_>>(),
        real.keys().collect::<Vec<_>>(),
        "commands in docs/cli.md and real ones"
    );
    for (command, options) in &real {
        assert_eq!(&described[command], options, "options of `{command}` in docs/cli.md and real ones");
    }
    for option in &global {
        assert!(text.contains(option.as_str()), "docs/cli.md does not tell of {option}");
    }
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let place = Place::new();
    let help = place.longhaul(["--help"]).code(0).stdout.replace('\n', " ");
    let (_, codes) = help.split_once("Exit codes:").unwrap();
    let text = read("docs/cli.md");
    for (code, meaning) in codes.split(',').map(str::trim).filter_map(|part| part.split_once(' ')) {
        let row = text.lines().find(|line| line.starts_with(&format!("| {code} |")));
        assert!(row.is_some(), "docs/cli.md does not tell of exit code {code} ({meaning})");
    }
}

#[test]
fn each_field_of_a_workflow_is_described() {
    let schema = Place::new().longhaul(["schema"]).code(0).json();
    let text = read("docs/workflow.md");
    let mut fields = BTreeSet::new();
    let mut open = vec![&schema];
    while let Some(value) = open.pop() {
        if let Some(properties) = value["properties"].as_object() {
            fields.extend(properties.keys().cloned());
        }
        open.extend(value.as_object().into_iter().flat_map(|map| map.values()));
        open.extend(value.as_array().into_iter().flatten());
    }
    assert!(fields.len() > 40, "{fields:?}");
    let missing: Vec<_> = fields.iter().filter(|field| !text.contains(&format!("`{field}`"))).collect();
    assert!(missing.is_empty(), "docs/workflow.md does not describe {missing:?}");
}

#[test]
fn each_setting_of_a_bundled_plugin_is_described() {
    let list = Place::new().longhaul(["plugin", "list", "--json"]).code(0).json();
    let text = read("docs/plugins.md");
    for plugin in list.as_array().unwrap() {
        let manifest = &plugin["manifest"];
        let name = manifest["name"].as_str().unwrap();
        let (_, section) = text
            .split_once(&format!("\n## `{name}`"))
            .unwrap_or_else(|| panic!("docs/plugins.md has no section `{name}`"));
        let section = section.split("\n## ").next().unwrap_or_default();
        for schema in [&manifest["config"], &manifest["input"]] {
            for field in schema["properties"].as_object().into_iter().flat_map(|fields| fields.keys()) {
                assert!(
                    section.contains(&format!("`{field}`")),
                    "docs/plugins.md does not describe `{field}` of {name}"
                );
            }
        }
    }
}
