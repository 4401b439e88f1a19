//! Memory: visible to others with a commit, a checkpoint or a wait, and never without; the same wherever a run is cut off; going
//! back with the run, and along into its forks.

use crate::memories::{delete, fold, get, keys, search, set};
use crate::world::{World, checkpoint, cut_anywhere, problem, wait, write};
use longhaul_core::attempt::{Job, Outcome};
use longhaul_core::entry::Entry;
use longhaul_core::id::{RunId, TaskId};
use longhaul_core::incident::{Decision, IncidentClass, Problem};
use longhaul_core::memory::{Keys, MAX_HELD, MAX_VALUE, MemoryScope, MemorySpace};
use longhaul_core::state::RunState;
use longhaul_engine::History;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

use MemoryScope::{Run, Task, Workflow};

const HEAD: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a }\nrecovery: [ s ]\nconcurrency: { max: 3 }\ncheckpoints: { keep: 9 }";

/// What the record makes of memory: its scope, the task where it is one's, the key, the value.
fn remembered(world: &World) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (space, memories) in fold(&world.journal.records()) {
        let whose = match &space {
            MemorySpace::Task(_, task) => format!("task {task}"),
            other => other.scope().to_string(),
        };
        for (key, value) in memories {
            all.insert(format!("{whose} {key}"), value.text().unwrap().to_owned());
        }
    }
    all
}

/// What a task put out.
fn output(world: &World, task: &str) -> Value {
    let output = world.journal.records().into_iter().find_map(|record| match record.entry {
        Entry::AttemptEnded { result: Ok(Outcome::Completed(output)), .. } if record.task == TaskId::new(task).ok() => {
            Some(output)
        }
        _ => None,
    });
    output.unwrap()
}

fn expected(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Adds to a number in memory.
async fn count(job: &Job, scope: MemoryScope, key: &str) -> Result<u32, Problem> {
    let before = get(job, scope, key).await?.map_or(0, |text| text.parse::<u32>().unwrap());
    set(job, scope, key, (before + 1).to_string()).await?;
    Ok(before + 1)
}

/// `x` fails once after a checkpoint and a write that nobody is to see, waits in its second attempt, and deletes what it made
/// before; `y` looks at what `x` left, `z` counts on.
fn world() -> World {
    let again = Decision::Retry { after: Duration::from_secs(1) };
    World::new().strategy("s", move |_| Ok(Some(again.clone()))).agent("a", |job| async move {
        let (task, number) = (job.task.attempt.task.to_string(), job.task.attempt.number);
        let mine = count(&job, Task, "attempts").await?;
        let all = count(&job, Run, "all").await?;
        count(&job, Workflow, "ever").await?;
        match (task.as_str(), number) {
            ("x", 1) => {
                set(&job, Run, "scratch", "to be removed").await?;
                checkpoint(&job).await?;
                set(&job, Run, "lost", "never seen").await?;
                set(&job, Task, "attempts", "99").await?;
                return Err(problem(IncidentClass::Transient));
            }
            ("x", _) => {
                assert_eq!(get(&job, Run, "lost").await?, None);
                set(&job, Run, "before the wait", "seen by z").await?;
                wait(&job, Duration::from_secs(60)).await?;
                assert!(delete(&job, Run, "scratch").await? && !delete(&job, Run, "scratch").await?);
                assert!(!delete(&job, Run, "lost").await?);
                write(&job, "x", "written");
            }
            ("z", _) => {
                tokio::time::sleep(Duration::from_secs(30)).await;
                let seen = get(&job, Run, "before the wait").await?;
                return Ok(json!({ "mine": mine, "all": all, "seen": seen }));
            }
            _ => {}
        }
        Ok(json!({ "mine": mine, "all": all }))
    })
}

const TASKS: &str = "  x: {}\n  z: { needs: w }\n  w: {}\n  y: { needs: [x, z] }";

#[tokio::test(start_paused = true)]
async fn what_is_committed_is_seen_by_others_and_what_fails_is_not() {
    let world = world();
    let report = world.run(HEAD, TASKS).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}\n{}", report.reason, world.story());
    let remembered = remembered(&world);
    let own: Vec<_> =
        ["x", "z", "w", "y"].iter().map(|task| remembered[&format!("task {task} attempts")].as_str()).collect();
    assert_eq!(own, ["2", "1", "1", "1"]);
    assert_eq!(remembered.get("run before the wait").map(String::as_str), Some("seen by z"));
    assert!(!remembered.contains_key("run scratch") && !remembered.contains_key("run lost"), "{remembered:?}");
    assert_eq!(output(&world, "z")["seen"], "seen by z", "what waits has published what it wrote before");
}

#[tokio::test(start_paused = true)]
async fn memory_is_the_same_wherever_a_run_is_cut_off() {
    // One after the other, so that what they count is no matter of time.
    let tasks = "  x: {}\n  w: { needs: x }\n  z: { needs: w }\n  y: { needs: z }";
    let whole = world();
    whole.run(HEAD, tasks).await.unwrap();
    let undisturbed = remembered(&whole);
    assert_eq!(undisturbed["run all"], "5", "{undisturbed:?}");
    cut_anywhere(world, HEAD, tasks, |world, report, case| {
        assert_eq!(report.status, RunState::Completed, "{case}: {}\n{}", report.reason, world.story());
        assert_eq!(remembered(world), undisturbed, "{case}");
    })
    .await;
}

/// `check` finds fault with what `work` did first, and the run goes back to before that.
fn goes_back() -> World {
    World::new()
        .strategy("s", |situation| {
            let to = situation.checkpoints.last().cloned();
            Ok(situation.history.is_empty().then_some(Decision::Rollback { to, validate: None }))
        })
        .agent("a", |job| async move {
            let task = job.task.attempt.task.to_string();
            write(&job, &task, "written");
            count(&job, Run, &task).await?;
            count(&job, Workflow, &task).await?;
            if task == "first" {
                set(&job, Run, "kept", "as it was").await?;
                set(&job, Run, "also kept", "as it was").await?;
            }
            if task == "work" {
                set(&job, Run, "kept", &format!("by {}", job.task.attempt.number)).await?;
                delete(&job, Run, "also kept").await?;
                set(&job, Run, &format!("new by {}", job.task.attempt.number), "").await?;
            }
            if task == "check" && get(&job, Workflow, "check").await?.is_some_and(|count| count == "1") {
                checkpoint(&job).await?;
                assert_eq!(get(&job, Run, "also kept").await?, None);
                return Err(problem(IncidentClass::Validation));
            }
            Ok(json!({}))
        })
}

const BACK: &str = "  first: {}\n  work: { needs: first }\n  check: { needs: work }";

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_back_remembers_what_it_did_then_and_its_workflow_remembers_more() {
    let after = expected(&[
        ("run first", "1"),
        ("run work", "1"),
        ("run check", "1"),
        ("run kept", "by 2"),
        ("run new by 2", ""),
        ("workflow first", "1"),
        ("workflow work", "2"),
        ("workflow check", "2"),
    ]);
    let world = goes_back();
    let report = world.run(HEAD, BACK).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}\n{}", report.reason, world.story());
    assert_eq!(remembered(&world), after);
    cut_anywhere(goes_back, HEAD, BACK, |world, report, case| {
        assert_eq!(report.status, RunState::Completed, "{case}: {}\n{}", report.reason, world.story());
        assert_eq!(remembered(world), after, "{case}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_fork_has_the_memory_of_its_checkpoint() {
    let world = world();
    let tasks = "  x: {}\n  w: { needs: x }\n  y: { needs: w }";
    world.run(HEAD, tasks).await.unwrap();
    let records = world.journal.records();
    let last = records.iter().position(|record| matches!(record.entry, Entry::Checkpointed { .. })).unwrap();
    let fork = world.fork(last);
    let then = fork.journal.records().len();
    let at = remembered(&fork);
    assert_eq!(
        (at["run all"].as_str(), at.get("workflow ever")),
        ("2", None),
        "the workflow had it from the first run"
    );
    let history = History::read(fork.journal.as_ref(), &RunId::new("run-2").unwrap());
    assert_eq!(history.unwrap().run.as_str(), "run-2");
    let report = fork.resume(HEAD, tasks).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}", fork.story());
    assert!(fork.journal.records().len() > then);
    assert_eq!(remembered(&fork)["run all"], "4", "{}", fork.story());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_sees_its_own_writes_over_what_is_published() {
    let world = World::new().strategy("s", |_| Ok(None)).agent("a", |job| async move {
        let page = |prefix, after, limit| Keys { prefix, after, limit };
        if job.task.attempt.task.as_str() == "first" {
            for (key, text) in [("a/1", "slow build"), ("a/2", "slow tests"), ("a/3", "fast"), ("b", "slow")] {
                set(&job, Run, key, text).await?;
            }
            return Ok(json!({}));
        }
        delete(&job, Run, "a/1").await?;
        set(&job, Run, "a/2", "quick tests").await?;
        set(&job, Run, "a/4", "slow slow slow").await?;
        let listed = keys(&job, Run, page("a/", None, 2)).await?;
        let rest = keys(&job, Run, page("", Some("a/3"), 9)).await?;
        let found: Vec<_> = search(&job, Run, "SLOW", 9).await?.into_iter().map(|hit| hit.key).collect();
        let quick = search(&job, Run, "quick \" OR NEAR(", 9).await?;
        Ok(json!({
            "listed": listed, "rest": rest, "found": found, "quick": quick[0].excerpt,
            "gone": get(&job, Run, "a/1").await?, "own": keys(&job, Task, page("", None, 9)).await?.len(),
        }))
    });
    let report = world.run(HEAD, "  first: {}\n  next: { needs: first }").await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}\n{}", report.reason, world.story());
    let expected = json!({
        "listed": ["a/2", "a/3"], "rest": ["a/4", "b"], "found": ["a/4", "b"], "quick": "quick tests", "gone": null, "own": 0,
    });
    assert_eq!(output(&world, "next"), expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_is_refused_with_the_numbers() {
    let world = World::new().strategy("s", |_| Ok(None)).agent("a", |job| async move {
        let why = |result: Result<(), Problem>| result.unwrap_err().message;
        let mut whys = vec![
            why(set(&job, Run, "", "x").await),
            why(set(&job, Run, &"k".repeat(513), "x").await),
            why(set(&job, Run, "a\nb", "x").await),
            why(set(&job, Run, "k", vec![0_u8; MAX_VALUE + 1]).await),
        ];
        let big = vec![b'x'; MAX_VALUE];
        let mut held = 0;
        while let Ok(()) = set(&job, Run, &format!("big {held}"), big.as_slice()).await {
            held += 1;
        }
        assert_eq!(held, MAX_HELD / (MAX_VALUE + 100));
        whys.push(why(set(&job, Run, "one more", big.as_slice()).await));
        // A scope of a task has room for 16 MiB: the same keys again need none.
        checkpoint(&job).await?;
        for round in 0..2 {
            for key in 0..15 {
                set(&job, Task, &format!("big {key}"), big.as_slice()).await?;
            }
            if round == 0 {
                checkpoint(&job).await?;
            }
        }
        checkpoint(&job).await?;
        whys.push(why(set(&job, Task, "one more", big.as_slice()).await));
        assert!(delete(&job, Task, "big 0").await?);
        set(&job, Task, "one more", big.as_slice()).await?;
        Ok(json!({ "whys": whys }))
    });
    // An agent that may write no file can make checkpoints of what else it does.
    let report = world.run(HEAD, "  x: { permissions: { fs: { read: [] } } }").await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}", report.reason);
    let text = output(&world, "x")["whys"].to_string();
    for part in [
        "`key` has 0 bytes; a key has 1 to 512",
        "`key` has 513 bytes",
        "`key` has a control character in it",
        "`value` has 1.0 MB",
        "would have more than 16.7 MB together",
        "the memory of scope `task` has room for 10000 keys and 16.7 MB, and would have 16 keys and 16.7 MB with this one",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn equal_work_that_remembers_is_done_each_time() {
    let world = World::new()
        .strategy("s", |_| Ok(None))
        .agent("a", |job| async move { Ok(json!({ "seen": get(&job, Run, "k").await? })) });
    let head = "agents: { a: { plugin: a } }\ndefaults: { agent: a, reuse: true }\nrecovery: [ s ]";
    let read_only = "permissions: { fs: { read: [\"**\"] } }";
    let report = world.run(head, &format!("  x: {{ {read_only} }}\n  y: {{ {read_only} }}")).await.unwrap();
    assert_eq!(report.status, RunState::Completed);
    assert_eq!(world.started().len(), 2);
}
