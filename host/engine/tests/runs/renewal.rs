//! How old an instance is: since its attempt began, which a renewal begins anew and a replay does not.

use crate::world::{World, wait};
use longhaul_core::entry::Entry;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn an_instance_is_as_old_as_its_attempt_in_every_life_of_it() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let world = World::new().agent("a", move |job| {
        told.lock().unwrap().push((job.task.attempt.number, job.began));
        async move {
            // Each instance has two lives: one before its wait and one that is brought to it by replay.
            wait(&job, Duration::from_secs(3_600)).await?;
            Ok(match &job.task.state {
                None => json!({ "continue": {} }),
                Some(_) => json!({}),
            })
        }
    });
    world.run("agents: { a: { plugin: a } }\ndefaults: { agent: a, timeout: 7h }", "  x: {}").await.unwrap();
    let began = world.journal.records().into_iter().filter_map(|record| match record.entry {
        Entry::AttemptStarted { .. } => Some((record.attempt.unwrap(), record.at)),
        _ => None,
    });
    let began = began.collect::<Vec<_>>();
    assert_eq!(began.len(), 2);
    assert_eq!(began[1].1.since(began[0].1), Duration::from_secs(3_600));
    let seen = seen.lock().unwrap().clone();
    assert_eq!((seen.len(), BTreeSet::from_iter(seen)), (4, BTreeSet::from_iter(began)));
}
