//! Attempts are done again along their record: those that do the same are proven, and of others the first difference is told. What most worlds of
//! these tests do is replayed wherever they are cut off.

use crate::world::{World, act, problem, write};
use longhaul_core::attempt::{Job, RecordError};
use longhaul_core::incident::{Decision, IncidentClass, Problem};
use longhaul_core::path::StagePath;
use longhaul_core::stage::{Create, OpenMode};
use longhaul_engine::Verdict;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const HEAD: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a }\nrecovery: [ s ]";
const TASKS: &str = "  x: { for_each: [1, 2] }";

/// What the sandbox makes of an action that the record does not take.
fn told(error: RecordError) -> Problem {
    match error {
        RecordError::Diverged(divergence) => divergence.into(),
        other => Problem::new(IncidentClass::Fatal, other.to_string()),
    }
}

/// An agent that fails once and then writes; the number says which other thing it does, none at first.
fn world() -> (World, Arc<AtomicU32>) {
    let way = Arc::new(AtomicU32::new(0));
    let now = way.clone();
    async fn work(job: Job, way: u32) -> Result<Value, Problem> {
        act(&job, "begins").map_err(told)?;
        if job.task.attempt.number == 1 {
            return Err(problem(IncidentClass::Transient));
        }
        let file = job.task.attempt.task.to_string().replace(['[', ']'], "-");
        match way {
            1 => act(&job, "does something else").map_err(told)?,
            2 => {
                // Behind the back of the record.
                let mode = OpenMode::Write { create: Create::IfMissing, truncate: true };
                job.stage.open(&StagePath::new("hidden").unwrap(), mode).unwrap().write_at(b"x", 0).unwrap();
            }
            _ => {}
        }
        write(&job, &file, "done");
        match way {
            3 => Ok(json!({ "other": "output" })),
            4 => act(&job, "one more").map_err(told).map(|()| json!({})),
            _ => Ok(json!({})),
        }
    }
    let world = World::new()
        .strategy("s", |_| Ok(Some(Decision::Retry { after: Duration::from_secs(1) })))
        .agent("a", move |job| work(job, now.load(Ordering::Relaxed)));
    (world, way)
}

#[tokio::test(start_paused = true)]
async fn what_does_the_same_is_proven_and_of_the_rest_the_first_difference_is_told() {
    let (world, way) = world();
    world.run(HEAD, TASKS).await.unwrap();
    let verdicts = world.replay(HEAD, TASKS).await;
    let told: Vec<_> = verdicts.iter().map(|one| (one.attempt.to_string(), one.verdict == Verdict::Same)).collect();
    let all = ["x[0]#1", "x[1]#1", "x[0]#2", "x[1]#2"].map(|attempt| (attempt.to_owned(), true));
    assert_eq!(told, all);
    assert!(verdicts.iter().all(|one| one.entries >= 3 && one.agent.as_str() == "a"));
    for (now, difference) in [(1, "does something else"), (2, "the version"), (3, "output"), (4, "one more")] {
        way.store(now, Ordering::Relaxed);
        let verdicts = world.replay(HEAD, TASKS).await;
        // The first attempts failed before they could do anything else.
        assert!(verdicts[..2].iter().all(|one| one.verdict == Verdict::Same), "{verdicts:?}");
        for one in &verdicts[2..] {
            let Verdict::Differs(what) = &one.verdict else { panic!("{now}: {:?}", one.verdict) };
            assert!(what.contains(difference) && what.contains("is not what was recorded"), "{now}: {what}");
        }
    }
}
