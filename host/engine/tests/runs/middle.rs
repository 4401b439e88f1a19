//! Commits in the middle of an attempt: visible to others at once, kept whatever happens after, and made once.

use crate::world::{World, checkpoint, cut_anywhere, problem, read, write};
use longhaul_core::effect::{PastPublications, Publication};
use longhaul_core::incident::{Decision, IncidentClass};
use longhaul_core::state::RunState;
use serde_json::json;
use std::time::Duration;

const HEAD: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a }\nrecovery: [ s ]\nconcurrency: { max: 2 }\ncheckpoints: { every: 1s, keep: 1 }";

/// Two tasks side by side that commit after each of three steps; the first try of each fails after the second one.
fn world() -> World {
    let again = Decision::Retry { after: Duration::from_secs(1) };
    World::new().strategy("s", move |_| Ok(Some(again.clone()))).agent("a", |job| async move {
        let (task, number) = (job.task.attempt.task.to_string(), job.task.attempt.number);
        for step in 1..=3 {
            let file = format!("{task}-{step}");
            let before = read(&job, &file).unwrap_or_default();
            write(&job, &file, &format!("{before}{number}"));
            tokio::time::sleep(Duration::from_millis(700)).await;
            if step < 3 {
                checkpoint(&job).await?;
            }
            if (number, step) == (1, 2) {
                write(&job, &file, "not committed");
                return Err(problem(IncidentClass::Transient));
            }
        }
        Ok(json!({}))
    })
}

const TASKS: &str = "  x: {}\n  y: {}\n  z: { needs: [x, y] }";

#[tokio::test(start_paused = true)]
async fn what_was_committed_in_the_middle_stays_when_the_attempt_fails() {
    let world = world();
    let report = world.run(HEAD, TASKS).await.unwrap();
    assert_eq!(report.status, RunState::Completed);
    let tree = world.files.version(report.version);
    let expected = [("seed", "0"), ("x-1", "12"), ("x-2", "12"), ("x-3", "2")];
    assert_eq!(tree.iter().take(4).map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>(), expected);
    // Two in each of two tries and one at the end, for each of three tasks.
    assert_eq!(world.told(&["committed"]).len(), 3 * 5);
    assert_eq!(report.changes.len(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_commit_in_the_middle_is_made_once_wherever_the_run_is_cut_off() {
    let whole = world();
    let undisturbed = whole.run(HEAD, TASKS).await.unwrap();
    let expected = whole.files.version(undisturbed.version);
    cut_anywhere(world, HEAD, TASKS, |world, report, case| {
        assert_eq!(report.status, RunState::Completed, "{case}: {}", report.reason);
        assert_eq!(world.files.version(report.version), expected, "{case}");
        assert_eq!(world.told(&["committed"]).len(), 3 * 5, "{case}");
        let published: Vec<_> = world.raised().iter().map(|problem| PastPublications::of(problem).listed).collect();
        assert_eq!(published.len(), 3, "{case}");
        for listed in published {
            let files = listed.iter().map(|one| matches!(one, Publication::Files { changed: 1, .. }));
            assert_eq!(files.collect::<Vec<_>>(), [true, true], "{case}");
        }
    })
    .await;
}
