//! What was done, by whom, and what it comes to.

use super::*;
use longhaul_core::action::{Action, ActionResult, Exchange};
use longhaul_core::attempt::{Limits, Outcome as Ended, Usage};
use longhaul_core::change::{Change, ChangeKind};
use longhaul_core::digest::Digest;
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::grant::Capability;
use longhaul_core::id::{Name, TaskId};
use longhaul_core::outbox::Outbox;
use longhaul_core::path::StagePath;
use longhaul_core::people::{Answer, Asked, Question, Reply, Wants};
use longhaul_core::spend::Spent;
use longhaul_core::units::{Bytes, Fuel, Money, Timestamp, Tokens};
use serde_json::json;

/// A record that grows by a second an entry.
#[derive(Default)]
struct Book(Vec<Record>);

impl Book {
    fn add(&mut self, task: &str, entry: Entry) -> &mut Self {
        let at = Timestamp(1_000_000 + 1000 * self.0.len() as u64);
        self.0.push(Record { at, task: Some(TaskId::new(task).unwrap()), attempt: Some(1), entry });
        self
    }

    fn begin(&mut self, task: &str, agent: &str) -> &mut Self {
        let started = Entry::AttemptStarted {
            agent: Name::new(agent).unwrap(),
            plugin: Digest::of(b"p"),
            input: json!({}),
            base: Digest::of(b"v"),
            grant: Vec::new(),
            limits: Limits::default(),
            work: None,
            judges: None,
        };
        self.add(task, started)
    }

    fn act(&mut self, task: &str, capability: Capability, operation: &'static str, resource: &str) -> &mut Self {
        self.acted(task, capability, operation, resource, "", ActionResult::Ok)
    }

    fn acted(
        &mut self,
        task: &str,
        capability: Capability,
        operation: &'static str,
        resource: &str,
        asked: &str,
        result: ActionResult,
    ) -> &mut Self {
        let spent = match capability {
            Capability::Model => Spent { tokens: Tokens(30), money: Money(7) },
            _ => Spent::default(),
        };
        let exchange =
            Exchange { asked: asked.to_owned(), spent, ..Exchange::answered(Digest::of(b""), String::new()) };
        self.add(
            task,
            Entry::Action(Action {
                number: 0,
                capability,
                operation: operation.into(),
                resource: resource.to_owned(),
                detail: String::new(),
                calls: 1,
                bytes: Bytes(0),
                digest: None,
                exchange: Some(Box::new(exchange)),
                result,
            }),
        )
    }

    fn deeds(&self, wanted: &Wanted) -> Vec<String> {
        let mut deeds = Deeds::default();
        let all = self.0.iter().enumerate().flat_map(|(at, record)| deeds.of(Position(at as u64), record));
        let all: Vec<_> = all.filter(|deed| wanted.takes(deed)).collect();
        let shown = |deed: Deed| {
            let agent = deed.agent.map(|agent| agent.to_string()).unwrap_or_default();
            format!("{} {agent} {} {}", deed.position, deed.operation, deed.resource)
        };
        all.into_iter().map(shown).collect()
    }
}

fn paths(pattern: &str) -> Option<Paths> {
    Paths::of(&[pattern.to_owned()]).unwrap()
}

fn denied(grant: &str) -> ActionResult {
    ActionResult::Denied { reason: "not covered".to_owned(), grant: grant.to_owned() }
}

fn book() -> Book {
    let mut book = Book::default();
    let changed = |path: &str| Change { path: StagePath::new(path).unwrap(), change: ChangeKind::Added, digest: None };
    book.begin("a", "coder")
        .act("a", Capability::Fs, "read", "src/x.rs")
        .act("a", Capability::Fs, "write", "src/x.rs")
        .acted("a", Capability::Fs, "write", "docs/x.md", "", denied("fs: { write: [\"docs/x.md\"] }"))
        .begin("b[0]", "runner")
        .act("b[0]", Capability::Exec, "run", "cargo test --all")
        .acted("b[0]", Capability::Exec, "run", "cargo publish", "", denied("exec: [[\"cargo\", \"publish\"]]"))
        .act("b[0]", Capability::Exec, "run", "cargo-deny check")
        .acted(
            "b[0]",
            Capability::Http,
            "post",
            "https://api.example.org:8443/v1?q=1",
            "authorization: Bearer ${secret:CI} ${secret:CI}",
            ActionResult::Ok,
        )
        .acted("b[0]", Capability::Http, "get", "http://evil.test/x", "", denied(""))
        .act("b[0]", Capability::Model, "chat", "small")
        .act("b[0]", Capability::Model, "chat", "small")
        .add(
            "b[0]",
            Entry::Committed {
                base: Digest::of(b"v"),
                version: Digest::of(b"w"),
                changes: vec![changed("src/y.rs"), changed("target/z")],
                published: Outbox::default(),
            },
        );
    book
}

#[test]
fn each_condition_picks_what_it_says() {
    let book = book();
    let name = |text: &str| Some(Name::new(text).unwrap());
    let all = book.deeds(&Wanted::default());
    assert_eq!(all.len(), 10, "commits are no actions: {all:#?}");
    assert_eq!(book.deeds(&Wanted { agent: name("coder"), ..Wanted::default() }).len(), 3);
    assert_eq!(book.deeds(&Wanted { task: Some(TaskId::new("b").unwrap()), ..Wanted::default() }).len(), 7);
    assert_eq!(
        book.deeds(&Wanted { writes: true, ..Wanted::default() }),
        ["2 coder write src/x.rs", "3 coder write docs/x.md", "12 runner commit src/y.rs", "12 runner commit target/z"]
    );
    let outside = Wanted { writes: true, outside: paths("src/**"), ..Wanted::default() };
    assert_eq!(book.deeds(&outside), ["3 coder write docs/x.md", "12 runner commit target/z"]);
    let within = Wanted { within: paths("src/*.rs"), ..Wanted::default() };
    assert_eq!(book.deeds(&within), ["1 coder read src/x.rs", "2 coder write src/x.rs", "12 runner commit src/y.rs"]);
    let command = |text: &str| book.deeds(&Wanted { command: Some(text.to_owned()), ..Wanted::default() });
    assert_eq!(command("cargo"), ["5 runner run cargo test --all", "6 runner run cargo publish"]);
    assert_eq!(command("cargo test"), ["5 runner run cargo test --all"]);
    let host = |text: &str| book.deeds(&Wanted { host: Some(text.to_owned()), ..Wanted::default() }).len();
    assert_eq!((host("example.org"), host("api.example.org"), host("ample.org"), host("evil.test")), (1, 1, 0, 1));
    let refused = Wanted { outcome: Some(OutcomeWanted::Denied), ..Wanted::default() };
    assert_eq!(book.deeds(&refused).len(), 3);
    let from = Wanted { from: Some(Timestamp(1_010_000)), to: Some(Timestamp(1_010_999)), ..Wanted::default() };
    assert_eq!(book.deeds(&from), ["10 runner chat small"]);
    assert!(Paths::of(&["/etc/*".to_owned()]).is_err());
}

#[test]
fn totals_tell_hosts_commands_secrets_cost_people_and_gaps() {
    let mut book = book();
    let question = Question {
        summary: "go on?".into(),
        detail: String::new(),
        wants: Wants::Approval(Digest::of(b"x")),
        until: None,
        default: String::new(),
    };
    let published = |asked| Entry::Published(Outbox { asked: Some(asked), ..Outbox::default() });
    book.add("a", published(Asked { number: 1, question: question.clone() }));
    book.add("a", published(Asked { number: 2, question: Question { wants: Wants::Text, ..question } }));
    book.add(
        "a",
        Entry::Answered { number: 1, answer: Answer { reply: Reply::Approve(Digest::of(b"x")), by: "kim".into() } },
    );
    let usage = Usage { fuel: Fuel(5), ..Usage::default() };
    book.add("a", Entry::AttemptEnded { result: Ok(Ended::Completed(json!({}))), usage });
    let last = book.0.len() - 1;
    // The clock goes back, and then nothing is recorded for a day.
    book.0[last].at = Timestamp(1_000_000);
    book.add("a", Entry::RunResumed { host: String::new(), isolation: Vec::new(), budget: None, worked: None });
    book.0[last + 1].at = Timestamp(90_000_000);
    book.act("a", Capability::Fs, "read", "x");
    book.0[last + 2].at = Timestamp(180_000_000);

    let (mut totals, mut deeds) = (Totals::default(), Deeds::default());
    for (at, record) in book.0.iter().enumerate() {
        totals.record(Position(at as u64), record);
        deeds.of(Position(at as u64), record).iter().for_each(|deed| totals.deed(deed));
    }
    let told = serde_json::to_value(&totals).unwrap();
    assert_eq!(
        told["hosts"]["api.example.org"],
        json!({ "requests": 1, "denied": 0, "methods": ["POST"], "tasks": ["b[0]"] })
    );
    assert_eq!(told["hosts"]["evil.test"]["denied"], 1);
    assert_eq!(told["commands"]["cargo publish"]["denied"], 1);
    assert_eq!(told["secrets"], json!({ "CI": { "uses": 1, "hosts": ["api.example.org"] } }));
    assert_eq!(
        (totals.models["small"].count, totals.models["small"].tokens, totals.models["small"].money),
        (2, Tokens(60), Money(14))
    );
    assert_eq!((totals.agents["coder"].count, totals.agents["coder"].fuel), (1, Fuel(5)));
    assert_eq!(totals.people[&1].by.as_deref(), Some("kim"));
    assert!(totals.people[&1].answer.as_ref().is_some_and(|answer| answer.starts_with("approved")));
    assert_eq!((totals.people[&2].answer.clone(), totals.people[&2].summary.as_str()), (None, "go on?"));
    let gaps: Vec<_> = totals.gaps.iter().map(|gap| matches!(gap, Gap::Regression { .. })).collect();
    assert_eq!(gaps, [true, false], "a resumed run explains the first day, nothing the second: {:?}", totals.gaps);
}
