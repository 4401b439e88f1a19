//! Whole reports: what is in them, what can never be, and how large they get. The page is read by a parser of HTML as browsers have it.

mod book;

use super::*;
use book::Book;
use longhaul_core::action::ActionResult;
use longhaul_core::change::ChangeKind;
use longhaul_core::grant::Capability;
use longhaul_core::state::{RunState, TaskState};
use scraper::{Html, Selector};
use std::collections::BTreeSet;

/// All that could become something else than text.
const HOSTILE: &str = "</td></pre></style></script></title></svg><script>alert(1)</script><img src=x onerror=alert(1)>\
    \" onload=\"alert(1)' autofocus onfocus='x' --> <!-- ]]> <![CDATA[ &lt;b&gt; {{x}} ${y} \u{202e}gnp.exe \u{2066}\u{200b}\u{feff}\0\u{8}\u{1b}[2J\r\n\u{2028}";

fn told(files: Files) -> Told {
    let (key, head) = (Some("longhaul/host (12345678)".to_owned()), Some("longhaul/run/r\n5\nroot\n".to_owned()));
    Told {
        verified: Verified { verdict: Verdict::AsRecorded, proven: 5, heads: 2, key, findings: Vec::new(), head },
        files,
    }
}

fn none_changed() -> Files {
    Files::Changed { listed: Vec::new(), left_out: 0 }
}

fn texts(html: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    html.select(&selector).map(|found| found.text().collect::<String>()).collect()
}

/// Fails where the page is anything but text within the markup of this program.
fn is_tame(text: &str) -> Html {
    let html = Html::parse_document(text);
    let elements: BTreeSet<&str> =
        html.select(&Selector::parse("*").unwrap()).map(|found| found.value().name()).collect();
    let known = "a body button code dd del details div dl dt em footer g h1 h2 h3 head header html ins li main meta nav ol p path pre rect \
                 script section span strong style summary svg table tbody td text th thead title tr ul";
    let known: BTreeSet<&str> = known.split_whitespace().collect();
    assert!(elements.is_subset(&known), "{:?}", elements.difference(&known));
    let allowed = "aria-hidden aria-label aria-labelledby charset class content d height hidden href http-equiv id lang name open role rx scope tabindex \
                   viewbox viewBox width x y";
    let allowed: BTreeSet<&str> = allowed.split_whitespace().collect();
    for element in html.select(&Selector::parse("*").unwrap()) {
        for (name, value) in element.value().attrs() {
            assert!(allowed.contains(name), "{name}={value}");
            assert!(name != "href" || value.starts_with('#'), "{value}");
        }
    }
    assert_eq!(texts(&html, "script"), [include_str!("script.js")]);
    assert_eq!(texts(&html, "style"), [include_str!("style.css")]);
    assert_eq!(texts(&html, "title").iter().filter(|title| title.contains("Longhaul run")).count(), 1);
    for character in text.chars().filter(|character| *character != '\n') {
        assert!(legible::legible(character), "{character:?}");
    }
    html
}

#[test]
fn hostile_texts_everywhere_become_no_markup() {
    let long = HOSTILE.repeat((1 << 20) / HOSTILE.len());
    for text in [HOSTILE, &long] {
        let mut book = Book::begin("work");
        book.hostile(text);
        let change = |body| FileChange { path: text.to_owned(), change: ChangeKind::Modified, body };
        let mut comparer = Comparer::default();
        let bodies = vec![
            change(comparer.compare(Some(b"a\n"), Some(text.as_bytes()))),
            change(comparer.compare(Some(b"a\n"), Some(HOSTILE.replace('\0', "").as_bytes()))),
            change(Body::Note(text.to_owned())),
        ];
        let mut told = told(Files::Changed { listed: bodies, left_out: 3 });
        told.verified = Verified {
            verdict: Verdict::Altered,
            proven: 0,
            heads: 0,
            key: Some(text.to_owned()),
            findings: vec![text.to_owned(); 60],
            head: Some(text.to_owned()),
        };
        let page = write(&book.gathered(), &told);
        let html = is_tame(&page);
        assert!(page.len() < 400_000, "{}", page.len());
        // It is all there to be read.
        let seen: String = texts(&html, "main").concat();
        assert!(seen.contains("<script>alert(1)</script>") && seen.contains("⟨U+202E⟩gnp.exe"), "{seen}");
        for place in ["#attention", "#incidents", "#changes", "#tasks", "#people", "#outside", "#cost", "#agents"] {
            assert!(texts(&html, place).concat().contains("alert(1)"), "{place}");
        }
        told.verified.verdict = Verdict::Unchecked(text.to_owned());
        told.files = Files::Unknown(text.to_owned());
        is_tame(&write(&book.gathered(), &told));
    }
}

#[test]
fn the_policy_forbids_everything_but_the_pages_own_style_and_script() {
    let page = write(&Book::begin("work").gathered(), &told(none_changed()));
    let html = is_tame(&page);
    let policy = html.select(&Selector::parse("meta[http-equiv=Content-Security-Policy]").unwrap()).next().unwrap();
    let policy = policy.attr("content").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    // It stands before all that it is about.
    assert!(page.find("Content-Security-Policy").unwrap() < page.find("<style>").unwrap());
}

#[test]
fn what_needs_a_person_comes_first_with_what_would_help() {
    let mut book = Book::begin("work");
    book.plan("ask", &[]).attempt("ask").asks("ask", "Shall it go on?");
    book.plan("write", &[]).attempt("write");
    let denied =
        ActionResult::Denied { reason: "not given".to_owned(), grant: "fs: { write: [\"b.txt\"] }".to_owned() };
    book.act("write", Capability::Fs, "open", "b.txt", "", denied);
    book.fails("write", "it cannot be written").decides("write").turn(
        "write",
        TaskState::Failing,
        TaskState::Escalated,
    );
    book.ends(RunState::Escalated, "a person is needed");
    let html = is_tame(&write(&book.gathered(), &told(none_changed())));
    let first = texts(&html, "#attention").concat();
    for wanted in [
        "Question 1",
        "Shall it go on?",
        "longhaul answer r1 1 TEXT",
        "a person is needed",
        "longhaul resume r1",
        "it cannot be written",
        "not given",
        "fs: { write: [\"b.txt\"] }",
    ] {
        assert!(first.contains(wanted), "{wanted}: {first}");
    }
    let incidents = texts(&html, "#incidents").concat();
    for wanted in ["denied", "retry-jitter", "left it to the next one", "try again after 5.0s", "\"path\": \"b.txt\""] {
        assert!(incidents.contains(wanted), "{wanted}: {incidents}");
    }
    assert!(texts(&html, "h1").concat().contains("escalated"));
    assert!(texts(&html, "#graph .warn .state").concat().contains("! escalated"));
    assert_eq!(texts(&html, "#timeline .bar.bad").len(), 2, "one of the run, and one of the key");
}

#[test]
fn every_section_is_there_and_can_be_reached() {
    let html = is_tame(&write(&Book::begin("work").gathered(), &told(none_changed())));
    for link in html.select(&Selector::parse("nav a, a.skip").unwrap()) {
        let target = link.attr("href").unwrap();
        assert_eq!(html.select(&Selector::parse(target).unwrap()).count(), 1, "{target}");
    }
    for section in html.select(&Selector::parse("section").unwrap()) {
        let label = format!("#{}", section.attr("aria-labelledby").unwrap());
        assert_eq!(html.select(&Selector::parse(&label).unwrap()).count(), 1, "{label}");
    }
    // One that frames what scrolls can be reached by keys.
    assert!(html.select(&Selector::parse(".wide").unwrap()).all(|frame| frame.attr("tabindex") == Some("0")));
    // A record of which nothing can be read makes a page, too.
    let mut nothing = Gathered::default();
    nothing.unread();
    is_tame(&write(&nothing, &told(Files::Unknown("gone".to_owned()))));
}

#[test]
fn waits_rests_and_clocks_that_go_back_are_told() {
    let mut book = Book::begin("work");
    book.plan("a", &[]).attempt("a").waits("a").later(3_600_000).resumed().later(5_000).done("a");
    book.back(60_000).ends(RunState::Completed, "");
    let html = is_tame(&write(&book.gathered(), &told(none_changed())));
    assert_eq!(texts(&html, "#timeline .rest title"), ["The run rested for 1h00m"]);
    assert!(texts(&html, "#record").concat().contains("the clock goes back by"));
    assert!(!texts(&html, "#timeline svg.timeline .bar.wait").is_empty());
}

#[test]
fn the_report_of_a_thousand_tasks_has_at_most_five_megabytes() {
    let mut book = Book::begin("work");
    book.plan("plan", &[]).attempt("plan").done("plan").plan("change", &["plan"]);
    for n in 0..1_000 {
        let task = format!("change[{n}]");
        book.plan(&task, &[]).attempt(&task);
        for file in 0..40 {
            let path = format!("src/some/module/of/the/project/file_{n}_{file}.rs");
            book.act(&task, Capability::Fs, "read", &path, "", ActionResult::Ok);
            book.act(&task, Capability::Fs, "write", &path, "", ActionResult::Ok);
        }
        book.act(&task, Capability::Model, "chat", "default", "", ActionResult::Ok);
        let denied = ActionResult::Denied { reason: "not given".to_owned(), grant: "http: [x]".to_owned() };
        book.act(&task, Capability::Http, "get", &format!("https://host{n}.example/x"), "", denied);
        if n % 3 == 0 {
            book.fails(&task, "it did not work").decides(&task).turn(&task, TaskState::Failing, TaskState::Pending);
            book.attempt(&task);
        }
        book.commits(&task, 20).done(&task);
    }
    book.ends(RunState::Completed, "");
    let mut comparer = Comparer::default();
    let after = "a line that is new in this file\n".repeat(100);
    let change = |n| FileChange {
        path: format!("src/file_{n}.rs"),
        change: ChangeKind::Added,
        body: comparer.compare(None, Some(after.as_bytes())),
    };
    let files = Files::Changed { listed: (0..500).map(change).collect(), left_out: 19_500 };
    let page = write(&book.gathered(), &told(files));
    assert!(page.len() <= 5_000_000, "{}", page.len());
    let html = is_tame(&page);
    assert_eq!(texts(&html, ".task").len(), 1_002);
    assert_eq!(texts(&html, "#graph .box").len(), 2);
    let lanes = texts(&html, "#timeline .label");
    assert_eq!(lanes.len(), 2, "{lanes:?}");
    for left_out in [
        "more refusals are left out",
        "more files are left out",
        "more incidents are left out",
        "more details of tasks",
    ] {
        assert!(page.contains(left_out), "{left_out}");
    }
}

#[test]
fn a_report_of_any_run_is_bounded() {
    let mut book = Book::begin("work");
    let wide = "x".repeat(500);
    for n in 0..6_000 {
        let task = format!("t{n}");
        book.plan(&task, &["t0", "t1", "t2"]).attempt(&task);
        for kind in [Capability::Http, Capability::Exec, Capability::Memory, Capability::Model] {
            let resource = format!("https://{n}{wide}.example/${{secret:S{n}}}");
            book.act(&task, kind, "do", &resource, &resource, ActionResult::Failed { error: wide.clone() });
        }
        book.fails(&task, &wide).decides(&task).turn(&task, TaskState::Failing, TaskState::Failed);
    }
    let page = write(&book.gathered(), &told(none_changed()));
    assert!(page.len() <= 5_000_000, "{}", page.len());
    is_tame(&page);
}
