//! The report that an operator and an auditor read in the morning: what is in it, and that a real browser shows it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of tests end in a panic where what they rely on is not there"
)]

use longhaul_tests::{Place, repository};
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const SECTIONS: [&str; 10] =
    ["verification", "attention", "graph", "timeline", "changes", "incidents", "agents", "tasks", "cost", "record"];

/// Agents that change files, are refused, and fail; texts that try to be markup.
const NIGHT: &str = r#"
version: 1
name: night
objective: "Replace <b>old</b> </title><script>document.title='no'</script>"
agents: { codemod: { plugin: codemod, config: { rules: [ { name: replace, literal: old, replace: new } ] } } }
permissions: { fs: { read: ["**"], write: ["src/**"] } }
inputs: { parts: { default: [ { files: ["src/a.txt"] }, { files: ["src/b.txt"] }, { files: ["src/large.txt"] } ] } }
tasks:
  change: { agent: codemod, for_each: "${{ inputs.parts }}", with: { files: "${{ item.files }}" } }
  more: { agent: codemod, needs: change }
"#;

fn night() -> Place {
    let place = Place::with(&[
        ("src/a.txt", "one\nold\nthree\n"),
        ("src/b.txt", "old <script>alert('b')</script>\n"),
        ("src/large.txt", &format!("old {}", "x".repeat(400_000))),
        ("docs/<img src=x>.txt", "old"),
    ]);
    place.run(NIGHT, &[]).code(3);
    place
}

fn report(place: &Place, file: &str) -> PathBuf {
    place.longhaul(["audit", "export", "last", "--html", "--output", file]).code(0).says(&["wrote", file]);
    place.path(file)
}

/// The page as a browser has it once it is loaded, and what the browser complained of; none where there is no browser.
fn browsed(file: &Path) -> Option<(String, String)> {
    let programs = ["chromium", "chromium-browser", "google-chrome"];
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = programs.iter().find(|name| std::env::split_paths(&paths).any(|folder| folder.join(name).is_file()));
    let Some(program) = found else {
        // Not by a macro, whose words are swallowed where the test passes.
        let line = "\nNOT CHECKED: the report was not seen in a browser: there is no `chromium` on this machine\n";
        drop(std::io::stderr().write_all(line.as_bytes()));
        assert!(std::env::var_os("CI").is_none(), "where CI is set the report has to be seen in a browser");
        return None;
    };
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", file.display()));
    let said = command.output().unwrap();
    let errors = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success(), "{errors}");
    // What the page does is told as a line of its console, and what its policy refuses, too.
    let of_page = errors.lines().filter(|line| line.contains("CONSOLE") || line.contains("Content Security Policy"));
    Some((String::from_utf8(said.stdout).unwrap(), of_page.map(|line| format!("{line}\n")).collect()))
}

#[test]
fn a_night_that_needs_a_person_is_told_on_one_page() {
    let place = night();
    let page = fs::read_to_string(report(&place, "night.html")).unwrap();
    for section in SECTIONS {
        assert!(page.contains(&format!("<section id={section} ")), "{section}");
    }
    for wanted in [
        "Replace &lt;b&gt;old&lt;/b&gt;",
        "✓ The record is as it was recorded.",
        "escalated",
        "longhaul resume 2",
        "docs/&lt;img src=x&gt;.txt",
        "is not covered by the task&#39;s permissions",
        "fs: { write: [",
        "<del>- old</del>\n<ins>+ new</ins>",
        "Too large to be compared here.",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
    assert!(!page.contains("<script>alert") && !page.contains("<script>document") && !page.contains("<img"));
    // The same record makes the same page.
    let again = fs::read_to_string(report(&place, "again.html")).unwrap();
    assert!(page == again);
    // What is there is not lost.
    place.longhaul(["audit", "export", "--html", "--output", "night.html"]).code(2).says(&["--force"]);
    let on_stdout = place.longhaul(["audit", "export", "last", "--html", "--output", "-"]).code(0).stdout;
    assert!(on_stdout == page);
    place.longhaul(["audit", "export", "--html"]).code(0);
    let named = fs::read_dir(&place.workspace).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(named.filter(|name| name.starts_with('2') && name.ends_with(".html")).count(), 1);
}

#[test]
fn a_browser_shows_all_of_it_and_complains_of_nothing() {
    let place = night();
    let Some((dom, errors)) = browsed(&report(&place, "night.html")) else { return };
    assert_eq!(errors, "");
    // What the page has not itself is refused, and seen here.
    let spoiled = place
        .text("night.html")
        .replace("<p class=kind>", "<p class=kind style=\"color:red\"><script>document.title='no'</script>");
    let (refused, errors) = browsed(&place.beside("spoiled.html", spoiled)).unwrap();
    assert!(errors.contains("Content Security Policy") && !refused.contains("<title>no</title>"), "{errors}");
    for section in SECTIONS {
        assert!(dom.contains(&format!("<section id=\"{section}\" ")), "{section}: {dom}");
    }
    // Its own script ran, and nobody else's.
    assert!(dom.contains("<input id=\"wanted\""), "{dom}");
    assert!(!dom.contains("<title>no</title>") && dom.matches("<script").count() == 1);
    assert!(dom.contains("<title>night escalated – Longhaul run "));
    // Each box of the graph leads to its task.
    for (at, _) in dom.match_indices("href=\"#t") {
        let target = dom[at + 7..].split('"').next().unwrap();
        assert!(target == "tasks" || target == "timeline" || dom.contains(&format!("id=\"{target}\"")), "{target}");
    }
}

#[test]
fn an_altered_record_is_told_in_the_report_and_by_the_exit_code() {
    let place = night();
    let journal = place.path(".longhaul/journal.db");
    let mut bytes = fs::read(&journal).unwrap();
    let (from, to) = (br#""kind":"run-changed""#, br#""kind":"run-CHANGED""#);
    let at = bytes.windows(from.len()).position(|found| found == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    fs::write(&journal, bytes).unwrap();
    place.longhaul(["audit", "export", "--html", "--output", "altered.html"]).code(4).says(&["NOT as it was recorded"]);
    let page = place.text("altered.html");
    assert!(page.contains("✗ The record is NOT as it was recorded.") && page.contains("is not as it was written"));
}

#[test]
fn who_has_no_key_is_told_that_nothing_was_verified() {
    let place = night();
    fs::remove_dir_all(place.outside().join("home")).unwrap();
    let page = fs::read_to_string(report(&place, "night.html")).unwrap();
    assert!(page.contains("The record was not verified.") && !page.contains("✓ The record"));
}

#[test]
fn the_examples_make_reports_with_their_commands_models_and_files() {
    let place = Place::new();
    let input = repository().join("examples/feature/input");
    copy(&input, &place.workspace);
    let workflow = repository().join("examples/feature/feature.workflow.yaml");
    let here = ["--workspace".as_ref(), place.workspace.as_os_str()];
    place.longhaul([OsStr::new("run"), workflow.as_os_str()].into_iter().chain(here)).code(0);
    let file = report(&place, "feature.html");
    let page = fs::read_to_string(&file).unwrap();
    for wanted in [
        "cargo test --offline</code>: exit code 0",
        "files: ",
        "<code>default</code> ×",
        "src/words.rs",
        "all completed",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
    let Some((dom, errors)) = browsed(&file) else { return };
    assert_eq!(errors, "");
    assert_eq!(dom.matches("class=\"box ok\"").count(), 6, "{dom}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}
