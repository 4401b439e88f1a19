//! What the outputs of a run take in memory is bounded, while it runs and while it is read again.

use crate::world::{World, row};
use longhaul_core::incident::{Decision, IncidentClass};
use longhaul_core::state::RunState;
use serde_json::json;

const HEAD: &str = "agents: { a: { plugin: a }, sum: { plugin: sum } }\ndefaults: { agent: a }\nrecovery: [ s ]";

/// An agent whose outputs have a million bytes, and one that counts what it is given.
fn world() -> World {
    World::new()
        .strategy("s", |_| Ok(Some(Decision::Skip { reason: "too large".into() })))
        .agent("a", |_| async { Ok(json!({ "text": "x".repeat(1_000_000) })) })
        .agent("sum", |job| async move { Ok(json!({ "n": job.task.input["n"] })) })
}

fn elements(count: usize) -> String {
    format!("for_each: [{}]", (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(", "))
}

#[tokio::test(start_paused = true)]
async fn an_output_that_does_not_fit_any_more_fails_its_attempt() {
    let tasks = format!(
        "  x: {{ {} }}\n  y: {{ needs: x, agent: sum, with: {{ n: 1 }}, if: \"${{{{ size(tasks.x.status) > 0 }}}}\" }}",
        elements(70)
    );
    // Nobody can tell what of a task an expression mentions will be read, so all of it is kept.
    let report = world().run(&format!("{HEAD}\nconcurrency: {{ max: 1 }}"), &tasks).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}", report.reason);
    // 64 MiB are 67 of them.
    assert_eq!(report.incidents, 3);
    let problem = row(&report, "x[69]").problem.clone().unwrap();
    assert_eq!((problem.class, &problem.evidence["limit"]), (IncidentClass::Exhausted, &json!("outputs")));
    assert!(problem.message.contains("put out its path"), "{}", problem.message);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_reads_any_more_makes_room() {
    let forty = elements(40);
    let tasks = format!(
        "  x: {{ {forty} }}\n  y: {{ needs: x, with: {{ n: \"${{{{ size(tasks.x.items) }}}}\" }} , agent: sum }}\n  z: {{ needs: y, {forty} }}\n  last: {{ needs: z, agent: sum, with: {{ n: \"${{{{ tasks.z.status }}}}\" }} }}"
    );
    let report = world().run(HEAD, &tasks).await;
    // The expression itself is refused: it works on more than an expression may.
    assert!(report.is_ok_and(|report| report.incidents == 1));
    let unread = format!("  x: {{ {} }}", elements(80));
    assert_eq!(world().run(HEAD, &unread).await.unwrap().incidents, 0);
}

#[tokio::test(start_paused = true)]
async fn a_history_keeps_no_more_and_reads_the_rest_from_the_record() {
    let whole = world();
    let head = format!("{HEAD}\nconcurrency: {{ max: 1 }}");
    // The outputs of `x` fill what a history keeps, and nobody reads them; that of `y` is read.
    let tasks = format!(
        "  x: {{ {} }}\n  y: {{ needs: x, agent: sum, with: {{ n: 7 }} }}\n  z: {{ needs: y, agent: sum, with: {{ n: \"${{{{ tasks.y.n }}}}\" }} }}\n  last: {{ needs: z, agent: sum, with: {{ n: \"${{{{ tasks.y.n + tasks.z.n }}}}\" }} }}",
        elements(68)
    );
    let head = format!("{head}\ndone_when: \"${{{{ tasks.last.n == 14 }}}}\"");
    assert_eq!(whole.run(&head, &tasks).await.unwrap().status, RunState::Completed);
    let length = whole.journal.records().len();
    for room in length - 14..length {
        let world = world();
        world.journal.limit(room);
        world.run(&head, &tasks).await.unwrap_err();
        world.journal.reopen(room);
        let report = world.resume(&head, &tasks).await.unwrap();
        assert_eq!(report.status, RunState::Completed, "{room}: {}", report.reason);
    }
}
