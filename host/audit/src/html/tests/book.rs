//! [`Book`]: a record as it grows, a second an entry.

use crate::html::Gathered;
use longhaul_core::action::{Action, ActionResult, Exchange};
use longhaul_core::attempt::{Limits, Outcome, Usage, Wait};
use longhaul_core::change::{Change, ChangeKind};
use longhaul_core::digest::Digest;
use longhaul_core::effect::Intent;
use longhaul_core::entry::{Entry, Position, Record};
use longhaul_core::grant::Capability;
use longhaul_core::id::{AttemptId, Name, RunId, TaskId};
use longhaul_core::incident::{Decision, Incident, IncidentClass, Problem};
use longhaul_core::manifest::PluginKind;
use longhaul_core::messages::{Recipient, Sent};
use longhaul_core::outbox::Outbox;
use longhaul_core::path::StagePath;
use longhaul_core::people::{Answer, Asked, Question, Reply, Wants};
use longhaul_core::spend::Spent;
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::{Bytes, Fuel, Money, Timestamp, Tokens};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) struct Book {
    records: Vec<Record>,
    at: u64,
    tries: BTreeMap<String, u32>,
}

impl Book {
    pub(super) fn begin(workflow: &str) -> Self {
        let mut book = Self { records: Vec::new(), at: 1_795_000_000_000, tries: BTreeMap::new() };
        let source = "version: 1\nname: work\nobjective: Be done\nagents: { coder: { plugin: codemod } }\ntasks: { a: { agent: coder } }\n";
        book.run(source, workflow);
        book
    }

    fn run(&mut self, source: &str, workflow: &str) {
        self.add(
            None,
            Entry::RunStarted {
                run: RunId::new("r1").unwrap(),
                workflow: workflow.to_owned(),
                file: "work.workflow.yaml".to_owned(),
                source: source.to_owned(),
                base: Digest::of(b"base"),
                host: "0.1.0".to_owned(),
                isolation: vec!["wasm".to_owned()],
                inputs: serde_json::Map::from_iter([(workflow.to_owned(), json!(workflow))]),
                policy: None,
                seed: 1,
                apply: true,
                keep: 3,
                scripts: BTreeMap::new(),
            },
        );
    }

    fn add(&mut self, task: Option<&str>, entry: Entry) -> &mut Self {
        let attempt = task.and_then(|task| self.tries.get(task).copied());
        let task = task.map(|task| TaskId::new(task).unwrap());
        self.records.push(Record { at: Timestamp(self.at), task, attempt, entry });
        self.at += 1_000;
        self
    }

    /// What a report gathers of it.
    pub(super) fn gathered(&self) -> Gathered {
        let mut gathered = Gathered::default();
        for (position, record) in self.records.iter().enumerate() {
            gathered.add(Position(position as u64), record);
        }
        gathered
    }

    pub(super) fn later(&mut self, millis: u64) -> &mut Self {
        self.at += millis;
        self
    }

    pub(super) fn back(&mut self, millis: u64) -> &mut Self {
        self.at -= millis;
        self
    }

    pub(super) fn plan(&mut self, task: &str, needs: &[&str]) -> &mut Self {
        let needs = needs.iter().map(|need| TaskId::new(*need).unwrap()).collect();
        self.add(Some(task), Entry::TaskPlanned { needs, agent: coder(), or: Vec::new() })
    }

    pub(super) fn turn(&mut self, task: &str, from: TaskState, to: TaskState) -> &mut Self {
        self.add(Some(task), Entry::TaskChanged { from, to })
    }

    pub(super) fn attempt(&mut self, task: &str) -> &mut Self {
        self.turn(task, TaskState::Pending, TaskState::Running);
        *self.tries.entry(task.to_owned()).or_default() += 1;
        self.add(
            Some(task),
            Entry::AttemptStarted {
                agent: coder(),
                plugin: Digest::of(b"p"),
                input: json!({}),
                base: Digest::of(b"v"),
                grant: Vec::new(),
                limits: Limits::default(),
                work: None,
                judges: None,
            },
        )
    }

    pub(super) fn act(
        &mut self,
        task: &str,
        capability: Capability,
        operation: &str,
        resource: &str,
        asked: &str,
        result: ActionResult,
    ) -> &mut Self {
        let spent = Spent { tokens: Tokens(3), money: Money(7) };
        let exchange =
            Exchange { asked: asked.to_owned(), spent, ..Exchange::answered(Digest::of(b""), String::new()) };
        let action = Action {
            number: 0,
            capability,
            operation: operation.to_owned().into(),
            resource: resource.to_owned(),
            detail: asked.to_owned(),
            calls: 1,
            bytes: Bytes(10),
            digest: None,
            exchange: Some(Box::new(exchange)),
            result,
        };
        self.add(Some(task), Entry::Action(action))
    }

    pub(super) fn intends(&mut self, task: &str, resource: &str) -> &mut Self {
        let intent = Intent {
            number: 0,
            capability: Capability::Http,
            operation: "post".into(),
            resource: resource.to_owned(),
            detail: String::new(),
            request: Digest::of(b""),
            key: serde_json::from_value(json!(Digest::of(b""))).unwrap(),
            idempotent: false,
            repeats: 0,
        };
        self.add(Some(task), Entry::Intended(intent))
    }

    pub(super) fn asks(&mut self, task: &str, text: &str) -> &mut Self {
        let question = Question {
            summary: text.to_owned(),
            detail: text.to_owned(),
            wants: Wants::Text,
            until: None,
            default: String::new(),
        };
        let asked = Asked { number: 1, question };
        self.add(Some(task), Entry::Published(Outbox { asked: Some(asked), ..Outbox::default() }))
    }

    pub(super) fn waits(&mut self, task: &str) -> &mut Self {
        self.add(Some(task), Entry::AttemptSuspended { wait: Wait::default() });
        self.turn(task, TaskState::Running, TaskState::Waiting)
    }

    pub(super) fn resumed(&mut self) -> &mut Self {
        let (host, isolation) = ("0.2.0".to_owned(), Vec::new());
        self.add(None, Entry::RunResumed { host, isolation, budget: None, worked: None })
    }

    pub(super) fn commits(&mut self, task: &str, files: u32) -> &mut Self {
        let change = |n| Change {
            path: StagePath::new(format!("src/some/module/of/the/project/{task}_{n}.rs")).unwrap(),
            change: ChangeKind::Modified,
            digest: None,
        };
        let changes = (0..files).map(change).collect();
        let (base, version) = (Digest::of(b"v"), Digest::of(b"w"));
        self.add(Some(task), Entry::Committed { base, version, changes, published: Outbox::default() })
    }

    pub(super) fn done(&mut self, task: &str) -> &mut Self {
        self.ended(task, Ok(Outcome::Completed(json!({}))));
        self.turn(task, TaskState::Running, TaskState::Completed)
    }

    fn ended(&mut self, task: &str, result: Result<Outcome, Problem>) -> &mut Self {
        let usage = Usage { fuel: Fuel(5_000), time: Duration::from_secs(3), ..Usage::default() };
        self.add(Some(task), Entry::AttemptEnded { result, usage })
    }

    pub(super) fn fails(&mut self, task: &str, message: &str) -> &mut Self {
        let problem = Problem::new(IncidentClass::Denied, message);
        let problem = problem.with_evidence(json!({ "path": "b.txt", "message": message }));
        self.ended(task, Err(problem.clone()));
        let number = self.tries.get(task).copied().unwrap_or(1);
        let attempt = AttemptId { task: TaskId::new(task).unwrap(), number };
        let incident = Incident { attempt, agent: coder(), problem, at: Timestamp(self.at) };
        self.add(Some(task), Entry::IncidentRaised { incident })
    }

    pub(super) fn decides(&mut self, task: &str) -> &mut Self {
        let retry = Decision::Retry { after: Duration::from_secs(5) };
        for decision in [None, Some(retry)] {
            let strategy = Name::new("retry-jitter").unwrap();
            self.add(Some(task), Entry::Decided { strategy, decision, error: None, checkpoint: None });
        }
        self
    }

    pub(super) fn ends(&mut self, to: RunState, reason: &str) -> &mut Self {
        self.add(None, Entry::RunChanged { from: RunState::Running, to, reason: reason.to_owned() })
    }

    /// A run in which every text that somebody else can choose is this one.
    pub(super) fn hostile(&mut self, text: &str) {
        let source = format!("version: 1\nname: work\nobjective: {}\n", serde_json::to_string(text).unwrap());
        self.run(&source, text);
        self.add(
            None,
            Entry::PluginUsed {
                name: coder(),
                plugin: PluginKind::Agent,
                digest: Digest::of(b"p"),
                version: text.to_owned(),
            },
        );
        self.plan("a", &[]).attempt("a");
        let denied = || ActionResult::Denied { reason: text.to_owned(), grant: text.to_owned() };
        let failed = || ActionResult::Failed { error: text.to_owned() };
        let asked = format!("${{secret:{text}}}");
        for capability in [
            Capability::Fs,
            Capability::Exec,
            Capability::Model,
            Capability::Http,
            Capability::Memory,
            Capability::Messages,
        ] {
            for result in [ActionResult::Ok, denied(), failed()] {
                self.act("a", capability, text, text, &asked, result);
            }
        }
        self.act("a", Capability::Fs, "read", text, "", ActionResult::Ok);
        let url = format!("https://{text}");
        self.intends("a", &url).act("a", Capability::Http, "post", &url, &asked, failed());
        let sent = Sent { to: Recipient::Task(TaskId::new("a").unwrap()), body: text.into() };
        self.add(Some("a"), Entry::Published(Outbox { sent: vec![sent], ..Outbox::default() }));
        self.asks("a", text);
        let answer = Answer { reply: Reply::Text(text.to_owned()), by: text.to_owned() };
        self.add(Some("a"), Entry::Answered { number: 1, answer }).asks("a", text);
        self.fails("a", text).decides("a");
        for decision in [
            Decision::Skip { reason: text.to_owned() },
            Decision::Escalate { reason: text.to_owned() },
            Decision::Rollback { to: Some(text.to_owned()), validate: None },
        ] {
            let (strategy, error) = (coder(), Some(text.to_owned()));
            self.add(Some("a"), Entry::Decided { strategy, decision: Some(decision), error, checkpoint: None });
        }
        let path: String = text.chars().filter(|c| !matches!(c, '/' | '\0')).take(200).collect();
        let change = Change { path: StagePath::new(path).unwrap(), change: ChangeKind::Added, digest: None };
        let (base, version, changes) = (Digest::of(b"v"), Digest::of(b"w"), vec![change]);
        self.add(Some("a"), Entry::Committed { base, version, changes, published: Outbox::default() });
        self.ends(RunState::Escalated, text);
    }
}

fn coder() -> Name {
    Name::new("coder").unwrap()
}
