//! Tasks that several agents may do: who does them, how many at a time, and that all of it holds when a run goes on.

use crate::world::{World, act, name, problem, row, wait, write};
use longhaul_core::entry::Entry;
use longhaul_core::incident::{Decision, IncidentClass};
use longhaul_core::state::RunState;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How many instances of each agent there are, now and at most; and of all of them.
#[derive(Clone, Default)]
struct Busy(Arc<Mutex<BTreeMap<String, (usize, usize)>>>);

struct Guard(Busy, String);

impl Busy {
    fn enter(&self, agent: &str) -> [Guard; 2] {
        [agent, "all"].map(|who| {
            let mut all = self.0.lock().unwrap();
            let (now, most) = all.entry(who.to_owned()).or_default();
            *now += 1;
            *most = (*most).max(*now);
            Guard(self.clone(), who.to_owned())
        })
    }

    fn most(&self, who: &str) -> usize {
        self.0.lock().unwrap().get(who).map_or(0, |(_, most)| *most)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().get_mut(&self.1).unwrap().0 -= 1;
    }
}

/// Agents of these names that take a second for each task, and fail the first time where the task says so.
fn team(agents: &[&str]) -> (World, Busy) {
    let busy = Busy::default();
    let world = agents.iter().fold(World::new(), |world, agent| {
        let (busy, agent) = (busy.clone(), (*agent).to_owned());
        world.agent(&agent.clone(), move |job| {
            let inside = busy.enter(&agent);
            async move {
                let _inside = inside;
                write(&job, job.task.attempt.task.as_str(), "done");
                tokio::time::sleep(Duration::from_secs(1)).await;
                act(&job, "ends").ok();
                if job.task.input["fails"] == true && job.task.attempt.number == 1 {
                    return Err(problem(IncidentClass::Transient));
                }
                Ok(json!({ "by": job.task.agent.as_str() }))
            }
        })
    });
    (world.strategy("s", |_| Ok(Some(Decision::Retry { after: Duration::from_secs(1) }))), busy)
}

/// Who began an attempt at which task, in order.
fn begun(world: &World) -> Vec<(String, String)> {
    let begun = world.journal.records().into_iter().filter_map(|record| match record.entry {
        Entry::AttemptStarted { agent, .. } => Some((record.task.unwrap().to_string(), agent.to_string())),
        _ => None,
    });
    begun.collect()
}

const TEN: &str = "for_each: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]";

#[tokio::test(start_paused = true)]
async fn the_agent_with_the_fewest_tasks_under_way_does_the_next_one() {
    let (world, busy) = team(&["a", "b"]);
    let head = "agents: { a: { plugin: a }, b: { plugin: b } }\nconcurrency: { max: 4 }";
    let report = world.run(head, &format!("  x: {{ agent: [a, b], {TEN} }}")).await.unwrap();
    assert_eq!((report.status, report.time), (RunState::Completed, Duration::from_secs(3)));
    assert_eq!((busy.most("a"), busy.most("b")), (2, 2));
    // Among equals the order of the list decides.
    let first: Vec<_> = begun(&world).into_iter().take(4).map(|(_, agent)| agent).collect();
    assert_eq!(first, ["a", "b", "a", "b"]);
    let planned = world.journal.records().into_iter().find_map(|record| match record.entry {
        Entry::TaskPlanned { agent, or, .. } => Some((agent, or)),
        _ => None,
    });
    assert_eq!(planned, Some((name("a"), vec![name("b")])));
}

#[tokio::test(start_paused = true)]
async fn where_one_is_full_another_does_it_and_neither_passes_its_limit() {
    let (world, busy) = team(&["a", "b"]);
    let head = "agents: { a: { plugin: a, max: 1 }, b: { plugin: b, max: 3 } }\nconcurrency: { max: 9 }";
    // What only `a` may do goes first, so the others wait for `b`.
    let tasks = format!("  own: {{ agent: a, priority: 1, for_each: [1, 2, 3] }}\n  x: {{ agent: [a, b], {TEN} }}");
    let report = world.run(head, &tasks).await.unwrap();
    assert_eq!((report.status, report.time), (RunState::Completed, Duration::from_secs(4)));
    assert_eq!((busy.most("a"), busy.most("b"), busy.most("all")), (1, 3, 4));
    let own = begun(&world).into_iter().filter(|(task, _)| task.starts_with("own"));
    assert!(own.into_iter().all(|(_, agent)| agent == "a"));
}

#[tokio::test(start_paused = true)]
async fn agents_of_one_model_share_its_limit() {
    let (world, busy) = team(&["a", "b", "c"]);
    let head = "agents: { a: { plugin: a, model: small }, b: { plugin: b, model: small }, c: { plugin: c } }\n\
                concurrency: { max: 9, models: { small: 3 } }";
    let tasks = "  x: { agent: a, for_each: [1, 2, 3, 4] }\n  y: { agent: b, for_each: [1, 2, 3, 4, 5] }\n  z: { agent: c, for_each: [1, 2, 3, 4] }";
    let report = world.run(head, tasks).await.unwrap();
    assert_eq!((report.status, report.time), (RunState::Completed, Duration::from_secs(3)));
    assert_eq!((busy.most("c"), busy.most("all")), (4, 7));
    assert!(busy.most("a") <= 3 && busy.most("b") <= 3);
}

#[tokio::test(start_paused = true)]
async fn what_an_agent_began_it_goes_on_with_and_a_strategy_can_give_it_to_one() {
    let (world, _) = team(&["c"]);
    let world = ["a", "b"].into_iter().fold(world, |world, agent| {
        world.agent(agent, |job| async move {
            match (job.task.attempt.task.name(), &job.task.state) {
                ("waits", _) => {
                    wait(&job, Duration::from_secs(60)).await?;
                    Ok(json!({}))
                }
                ("renews", None) => Ok(json!({ "continue": { "by": job.task.agent.as_str() } })),
                // Fails after its renewal, and is tried again by whoever can read what was handed over.
                ("renews", Some(_)) if job.task.attempt.number == 2 => Err(problem(IncidentClass::Transient)),
                ("renews", Some(state)) => Ok(json!({ "same": state["by"] == job.task.agent.as_str() })),
                (_, _) => Err(problem(IncidentClass::Denied)),
            }
        })
    });
    let world = world.strategy("s", |situation| {
        Ok(Some(match situation.incident.problem.class {
            IncidentClass::Denied => Decision::Reassign { agent: name("c") },
            _ => Decision::Retry { after: Duration::ZERO },
        }))
    });
    let head = "agents: { a: { plugin: a }, b: { plugin: b }, c: { plugin: c, max: 1 } }\nrecovery: [ s ]\n\
                defaults: { agent: [a, b] }\nconcurrency: { max: 4 }\ndone_when: \"${{ tasks.renews.same }}\"";
    let tasks = "  waits: {}\n  renews: {}\n  given: { for_each: [1, 2] }\n  busy: { agent: c, for_each: [1, 2, 3] }";
    let report = world.run(head, tasks).await.unwrap();
    assert_eq!(report.status, RunState::Completed, "{}\n{}", report.reason, world.story());
    assert_eq!(row(&report, "given[0]").agent, name("c"));
    assert_eq!(begun(&world).into_iter().filter(|(task, _)| task == "waits").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn limits_hold_and_agents_stay_wherever_the_run_is_cut_off() {
    let head = "agents: { a: { plugin: a, max: 1, model: m }, b: { plugin: b, max: 2, model: m }, c: { plugin: c, max: 1 } }\n\
                recovery: [ s ]\nconcurrency: { max: 3, models: { m: 2 } }";
    let tasks =
        "  x: { agent: [a, b, c], for_each: [1, 2, 3, 4, 5], with: { fails: true } }\n  y: { agent: [b, a], needs: x }";
    let (whole, _) = team(&["a", "b", "c"]);
    let undisturbed = whole.run(head, tasks).await.unwrap();
    assert_eq!(undisturbed.status, RunState::Completed);
    let expected = whole.files.version(undisturbed.version);
    for room in 1..whole.journal.records().len() {
        let (world, busy) = team(&["a", "b", "c"]);
        world.journal.limit(room);
        world.run(head, tasks).await.unwrap_err();
        world.journal.reopen(room);
        let report = world.resume(head, tasks).await.unwrap();
        assert_eq!(report.status, RunState::Completed, "{room}: {}\n{}", report.reason, world.story());
        assert_eq!(world.files.version(report.version), expected, "{room}");
        let most = ["a", "b", "c", "all"].map(|who| busy.most(who));
        assert!(most[0] <= 1 && most[1] <= 2 && most[2] <= 1 && most[3] <= 3, "{room}: {most:?}");
        // Each attempt began once, with one agent, so a replay by another one would have diverged.
        assert_eq!(report.incidents, 5, "{room}\n{}", world.story());
    }
}
