//! Records for tests: one of each kind, and small ones to append in numbers.

use longhaul_core::action::{Action, ActionResult, ContextFill};
use longhaul_core::attachment::{Attachment, AttachmentKind, Captured};
use longhaul_core::attempt::{Limits, LogLevel, Outcome, Usage, Wait};
use longhaul_core::children::ChildTask;
use longhaul_core::counts::TaskCounts;
use longhaul_core::digest::Digest;
use longhaul_core::effect::{Answered, Call, CallKind, Intent, KeyScope};
use longhaul_core::entry::{Budget, Change, ChangeKind, CheckpointReason, Entry, Position, Record};
use longhaul_core::grant::{Capability, FsPermissions, Party, Permissions};
use longhaul_core::hook::HookEvent;
use longhaul_core::id::{AttemptId, Name, RunId, TaskId};
use longhaul_core::incident::{Decision, Incident, IncidentClass, Problem};
use longhaul_core::manifest::PluginKind;
use longhaul_core::memory::{MemoryScope, MemoryWrite};
use longhaul_core::messages::{MessageId, Recipient, Sent};
use longhaul_core::outbox::Outbox;
use longhaul_core::path::StagePath;
use longhaul_core::people::{Answer, Asked, Question, Reply, Wants};
use longhaul_core::spend::Spent;
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::{Bytes, Fuel, Money, Timestamp, Tokens};
use longhaul_store::{EntryKind, Journal, Options, StateLock};
use std::path::Path;
use std::time::Duration;

pub(crate) const START: Timestamp = Timestamp(1_795_152_862_125);

pub(crate) fn journal(folder: &Path) -> Journal {
    Journal::open(StateLock::acquire(folder, START, "test").unwrap(), Options::default()).unwrap()
}

pub(crate) fn run_id(text: &str) -> RunId {
    RunId::new(text).unwrap()
}

pub(crate) fn record(task: Option<&str>, entry: Entry) -> Record {
    Record { at: START, task: task.map(|task| TaskId::new(task).unwrap()), attempt: task.map(|_| 2), entry }
}

pub(crate) fn started(run: &str) -> Record {
    record(
        None,
        Entry::RunStarted {
            run: run_id(run),
            workflow: "modernise".into(),
            file: "modernise.workflow.yaml".into(),
            source: "version: 1\nname: modernise\n".into(),
            base: Digest::of(b"base"),
            host: "0.1.0".into(),
            isolation: vec!["landlock".into()],
            inputs: serde_json::Map::from_iter([("since".to_owned(), "2.0".into())]),
            policy: Some(Permissions { memory: Some(vec!["run".into()]), ..Permissions::default() }),
            seed: u64::MAX,
            apply: true,
            keep: 3,
            scripts: Default::default(),
        },
    )
}

pub(crate) fn note(text: impl Into<String>) -> Record {
    record(Some("change[1]"), Entry::Log { level: LogLevel::Info, message: text.into() })
}

pub(crate) fn action(number: u64, result: ActionResult) -> Record {
    let action = Action {
        number,
        capability: Capability::Fs,
        operation: "read".into(),
        resource: "src/größe.rs".into(),
        detail: "append".into(),
        calls: 3,
        bytes: Bytes(4096),
        digest: Some(Digest::of(b"content")),
        exchange: None,
        result,
    };
    record(Some("change[1]"), Entry::Action(action))
}

pub(crate) fn denied(number: u64) -> Record {
    action(number, ActionResult::Denied { reason: "not covered".into(), grant: "fs: { read: [\"a\"] }".into() })
}

fn problem() -> Problem {
    let mut problem = Problem::new(IncidentClass::RateLimited, "the model asks to slow down")
        .with_evidence(serde_json::json!({"status": 429}));
    problem.retry_after = Some(Duration::from_millis(1500));
    problem
}

fn call() -> Call {
    Call {
        number: 8,
        capability: Capability::Http,
        operation: "post".into(),
        resource: "https://example.org/orders".into(),
        detail: "json".into(),
        request: Digest::of(b"request"),
        kind: CallKind::Effect { idempotent: true, scope: KeyScope::Action },
    }
}

/// An action that has an answer from outside.
fn answered() -> Record {
    record(Some("change[1]"), Entry::Action(call().answered(Answered::ok("{\"größe\": 1.5}"))))
}

/// An action that a model answered.
fn filled() -> Record {
    let context = Some(ContextFill { used: Tokens(6_554), window: Tokens(8_192) });
    record(Some("change[1]"), Entry::Action(call().answered(Answered { context, ..Answered::ok("yes") })))
}

/// An action that was asked in words, took a while and cost something.
fn paid() -> Record {
    let answered = Answered {
        asked: "{\"messages\":[]}".into(),
        spent: Spent { tokens: Tokens(6_554), money: Money(1_250) },
        took: Duration::from_millis(2_250),
        ..Answered::ok("{}")
    };
    record(Some("change[1]"), Entry::Action(call().answered(answered)))
}

/// One record of `kind`, with every optional field set that it had when it came to be.
pub(crate) fn sample(kind: EntryKind) -> Record {
    let name = |text: &str| Name::new(text).unwrap();
    let entry = match kind {
        EntryKind::RunStarted => return started("20261120-053422-k3m9"),
        EntryKind::RunResumed => Entry::RunResumed {
            host: "0.1.0".into(),
            isolation: vec!["landlock".into()],
            budget: Some(Budget { wall_time: Duration::from_secs(27_000), fuel: Some(Fuel(7)), ..Budget::default() }),
            worked: None,
        },
        EntryKind::Forked => Entry::Forked { from: run_id("20261119-010203-000001"), checkpoint: 3 },
        EntryKind::HookCalled => Entry::HookCalled {
            hook: name("tell"),
            event: HookEvent::TaskCompleted,
            about: Position(17),
            tries: 2,
            answer: "204".into(),
            result: ActionResult::Ok,
        },
        EntryKind::CheckpointsDropped => Entry::CheckpointsDropped { through: 2 },
        EntryKind::Checkpointed => Entry::Checkpointed {
            number: 4,
            version: Digest::of(b"version"),
            reason: CheckpointReason::Interval,
            oldest: None,
        },
        EntryKind::PluginUsed => Entry::PluginUsed {
            name: name("codemod"),
            plugin: PluginKind::Agent,
            digest: Digest::of(b"component"),
            version: "0.1.0".into(),
        },
        EntryKind::TaskPlanned => {
            Entry::TaskPlanned { needs: vec![TaskId::new("plan").unwrap()], agent: name("codemod"), or: Vec::new() }
        }
        EntryKind::TaskChanged => Entry::TaskChanged { from: TaskState::Pending, to: TaskState::Running },
        EntryKind::AttemptStarted => Entry::AttemptStarted {
            agent: name("codemod"),
            plugin: Digest::of(b"component"),
            input: serde_json::json!({"chunk": {"files": ["src/a.rs"]}, "n": 1.5}),
            base: Digest::of(b"base"),
            grant: vec![(
                Party::Task,
                Permissions {
                    fs: Some(FsPermissions { read: vec!["**".into()], write: vec!["src/**".into()] }),
                    ..Permissions::default()
                },
            )],
            limits: Limits { stall: None, ..Limits::default() },
            work: None,
            judges: Some(1),
        },
        EntryKind::Captured => Entry::Captured(Captured {
            attachments: vec![Attachment {
                name: "src/a.rs".into(),
                source: AttachmentKind::File,
                media_type: "text/plain".into(),
                size: Bytes(12),
                digest: Digest::of(b"fn a() {}"),
            }],
            tree: Digest::of(b"attachments"),
        }),
        EntryKind::Intended => {
            let call = call();
            let attempt = AttemptId { task: TaskId::new("change[1]").unwrap(), number: 2 };
            Entry::Intended(Intent { repeats: 1, ..call.intent(&run_id("golden"), &attempt) })
        }
        EntryKind::Kept => Entry::Kept { number: 7, tree: Digest::of(b"tree") },
        EntryKind::Action => return denied(7),
        EntryKind::Log => return note("a \"quoted\" line\n"),
        EntryKind::Progress => Entry::Progress { done: 3, total: Some(9), note: "src/a.rs".into() },
        EntryKind::Reused => Entry::Reused {
            from: AttemptId { task: TaskId::new("change[0]").unwrap(), number: 1 },
            output: serde_json::json!({"changed": 3}),
        },
        EntryKind::AttemptSuspended => Entry::AttemptSuspended { wait: Wait::until(Timestamp(1_795_152_862_125)) },
        EntryKind::Answered => {
            Entry::Answered { number: 3, answer: Answer { reply: Reply::Text("yes".into()), by: "ada".into() } }
        }
        EntryKind::Idled => Entry::Idled { span: Duration::from_secs(60) },
        EntryKind::Published => Entry::Published(outbox()),
        EntryKind::AttemptEnded => Entry::AttemptEnded {
            result: Ok(Outcome::Completed(serde_json::json!({"changed": 3}))),
            usage: Usage {
                fuel: Fuel(1_234_567),
                memory: Bytes(1 << 20),
                time: Duration::from_millis(1250),
                actions: 8,
                denials: 1,
                ..Usage::default()
            },
        },
        EntryKind::Committed => Entry::Committed {
            base: Digest::of(b"base"),
            version: Digest::of(b"version"),
            changes: vec![Change {
                path: StagePath::new("src/a.rs").unwrap(),
                change: ChangeKind::Modified,
                digest: Some(Digest::of(b"new")),
            }],
            published: Outbox::default(),
        },
        EntryKind::RolledBack => Entry::RolledBack {
            number: 2,
            to: None,
            version: Digest::of(b"version"),
            validate: Some(Name::new("reviewer").unwrap()),
            tasks: vec![(TaskId::new("change").unwrap(), TaskState::Pending)],
            gone: vec![TaskId::new("change[1]").unwrap()],
            counts: TaskCounts { pending: 1, completed: 2, ..TaskCounts::default() },
        },
        EntryKind::IncidentRaised => Entry::IncidentRaised {
            incident: Incident {
                attempt: AttemptId { task: TaskId::new("change[1]").unwrap(), number: 2 },
                agent: name("codemod"),
                problem: problem(),
                at: START,
            },
        },
        EntryKind::Decided => Entry::Decided {
            strategy: name("retry-jitter"),
            decision: Some(Decision::Retry { after: Duration::from_millis(250) }),
            error: Some("none".into()),
            checkpoint: None,
        },
        EntryKind::RunChanged => {
            Entry::RunChanged { from: RunState::Applying, to: RunState::Completed, reason: "done".into() }
        }
        EntryKind::Applied => Entry::Applied { version: Digest::of(b"version"), files: 12 },
    };
    record(Some("change[1]"), entry)
}

/// Records that say more than their kind said at first, by the name of the golden file.
pub(crate) fn further() -> Vec<(&'static str, Record)> {
    let limits = |entry: &mut Entry| {
        if let Entry::AttemptStarted { limits, .. } = entry {
            limits.stall = Some(Duration::from_secs(600));
        }
    };
    let untold = |entry: &mut Entry| {
        if let Entry::HookCalled { answer, result, .. } = entry {
            answer.clear();
            *result = ActionResult::Failed { error: "404".into() };
        }
    };
    let work = |entry: &mut Entry| {
        if let Entry::AttemptStarted { work, .. } = entry {
            *work = Some(Digest::of(b"work"));
        }
    };
    let outside = |entry: &mut Entry| {
        if let Entry::AttemptEnded { usage, .. } = entry {
            usage.outside = 3;
        }
    };
    let published = |entry: &mut Entry| {
        if let Entry::Committed { published, .. } = entry {
            *published = outbox();
        }
    };
    let waits = |entry: &mut Entry| {
        if let Entry::AttemptSuspended { wait } = entry {
            *wait = Wait { children: vec![TaskId::new("change[1].tests").unwrap()], ..Wait::default() };
        }
    };
    let asks = |entry: &mut Entry| {
        if let Entry::AttemptSuspended { wait } = entry {
            wait.question = Some(3);
        }
    };
    let asked = |entry: &mut Entry| {
        let question = Question {
            summary: "Delete the old table?".into(),
            detail: "It has *12* rows.".into(),
            wants: Wants::Approval(Digest::of(b"drop")),
            until: Some(START),
            default: String::new(),
        };
        *entry = Entry::Published(Outbox { asked: Some(Asked { number: 3, question }), ..Outbox::default() });
    };
    let approved = |entry: &mut Entry| {
        let reply = Reply::Approve(Digest::of(b"drop"));
        *entry = Entry::Answered { number: 3, answer: Answer { reply, by: "ada".into() } };
    };
    let listens = |entry: &mut Entry| {
        if let Entry::AttemptSuspended { wait } = entry {
            wait.message = true;
        }
    };
    let messages = |entry: &mut Entry| {
        *entry = Entry::Published(Outbox {
            sent: vec![
                Sent { to: Recipient::task("change[2]").unwrap(), body: "done".into() },
                Sent { to: Recipient::topic("news").unwrap(), body: vec![0, 255].into() },
            ],
            received: vec![MessageId { entry: 12, place: 0 }],
            ..Outbox::default()
        });
    };
    let subscribed = |entry: &mut Entry| {
        *entry = Entry::Published(Outbox { subscribed: Some(Name::new("news").unwrap()), ..Outbox::default() });
    };
    let anyone = |entry: &mut Entry| {
        if let Entry::TaskPlanned { or, .. } = entry {
            *or = vec![Name::new("other").unwrap()];
        }
    };
    let budget = |entry: &mut Entry| {
        if let Entry::RunResumed { budget: Some(budget), .. } = entry {
            *budget = Budget { tokens: Some(Tokens(8)), money: Some(Money(9)), disk: Some(Bytes(10)), ..*budget };
        }
    };
    let spent = |entry: &mut Entry| {
        if let Entry::AttemptEnded { usage, .. } = entry {
            *usage = Usage { tokens: Tokens(12_000), money: Money(250_000), ..*usage };
        }
    };
    let scripts = |entry: &mut Entry| {
        if let Entry::RunStarted { scripts, .. } = entry {
            scripts.insert("default".to_owned(), "rules:\n- say: größe\n".to_owned());
        }
    };
    let worked = |entry: &mut Entry| {
        if let Entry::RunResumed { worked, .. } = entry {
            *worked = Some(Duration::from_millis(3_600_500));
        }
    };
    let goes_back = |entry: &mut Entry| {
        if let Entry::Decided { checkpoint, .. } = entry {
            *checkpoint = Some(2);
        }
    };
    let oldest = |entry: &mut Entry| {
        if let Entry::Checkpointed { oldest, .. } = entry {
            *oldest = Some(Position(9));
        }
    };
    let to = |entry: &mut Entry| {
        if let Entry::RolledBack { to, .. } = entry {
            *to = Some(Position(9));
        }
    };
    let remembered = |entry: &mut Entry| {
        if let Entry::Published(outbox) = entry {
            let write = |scope, value| MemoryWrite { scope, key: "größe".into(), value };
            outbox.memory = vec![
                write(MemoryScope::Task, Some("a \"text\"".into())),
                write(MemoryScope::Run, Some(vec![0, 159, 146, 150].into())),
                write(MemoryScope::Workflow, None),
            ];
        }
    };
    vec![
        ("checkpointed-oldest", altered(EntryKind::Checkpointed, oldest)),
        ("rolled-back-to", altered(EntryKind::RolledBack, to)),
        ("published-memory", altered(EntryKind::Published, remembered)),
        ("hook-called-failed", altered(EntryKind::HookCalled, untold)),
        ("decided-checkpoint", altered(EntryKind::Decided, goes_back)),
        ("attempt-started-stall", altered(EntryKind::AttemptStarted, limits)),
        ("committed-published", altered(EntryKind::Committed, published)),
        ("attempt-suspended-children", altered(EntryKind::AttemptSuspended, waits)),
        ("task-planned-anyone", altered(EntryKind::TaskPlanned, anyone)),
        ("attempt-started-work", altered(EntryKind::AttemptStarted, work)),
        ("attempt-ended-outside", altered(EntryKind::AttemptEnded, outside)),
        ("run-resumed-budget", altered(EntryKind::RunResumed, budget)),
        ("attempt-ended-spent", altered(EntryKind::AttemptEnded, spent)),
        ("action-answered", answered()),
        ("action-answered-context", filled()),
        ("published-messages", altered(EntryKind::Published, messages)),
        ("published-asked", altered(EntryKind::Published, asked)),
        ("answered-approve", altered(EntryKind::Answered, approved)),
        ("attempt-suspended-question", altered(EntryKind::AttemptSuspended, asks)),
        ("published-subscribed", altered(EntryKind::Published, subscribed)),
        ("attempt-suspended-message", altered(EntryKind::AttemptSuspended, listens)),
        ("run-resumed-worked", altered(EntryKind::RunResumed, worked)),
        ("action-answered-spent", paid()),
        ("run-started-scripts", altered(EntryKind::RunStarted, scripts)),
    ]
}

fn altered(kind: EntryKind, change: impl FnOnce(&mut Entry)) -> Record {
    let mut record = sample(kind);
    change(&mut record.entry);
    record
}

fn outbox() -> Outbox {
    let task = |id: &str| TaskId::new(id).unwrap();
    Outbox {
        spawned: vec![ChildTask {
            task: task("change[1].tests"),
            agent: Name::new("codemod").unwrap(),
            or: Vec::new(),
            input: serde_json::json!({"files": ["src/a.rs"]}),
            needs: vec![task("change[1].docs")],
            priority: 2,
        }],
        cancelled: vec![task("change[1].old")],
        ..Outbox::default()
    }
}
