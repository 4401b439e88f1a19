//! A past incident looks to a strategy as it looked when it happened.

use crate::world::{World, name, problem, workflow, write};
use longhaul_core::id::RunId;
use longhaul_core::incident::{Decision, IncidentClass, Situation};
use longhaul_engine::Backtest;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HEAD: &str = "agents: { a: { plugin: a }, b: { plugin: b } }\ndefaults: { agent: a }\n\
                    inputs: { pause: { default: 3 } }\nrecovery: [ silent, s ]\n\
                    strategies: { silent: { plugin: silent }, s: { plugin: s, config: { pause: \"${{ inputs.pause }}\" } } }";
const TASKS: &str =
    "  x: { agent: b }\n  y: { needs: x, for_each: [1, 2], retry: { attempts: 2 } }\n  z: { agent: b, needs: y }";

#[tokio::test(start_paused = true)]
async fn a_strategy_sees_in_the_record_what_it_saw_in_the_run() {
    let seen: Arc<Mutex<Vec<Situation>>> = Arc::default();
    let mut world = World::new().writer("b").strategy("silent", |_| Ok(None)).strategy("s", {
        let seen = seen.clone();
        move |situation| {
            seen.lock().unwrap().push(situation.clone());
            // The third failure of a task may not be retried any more.
            Ok(Some(match situation.history.len() {
                0 => Decision::Retry { after: Duration::from_secs(situation.config["pause"].as_u64().unwrap()) },
                1 => Decision::Rollback { to: situation.checkpoints.first().cloned(), validate: None },
                _ => Decision::Skip { reason: "enough".into() },
            }))
        }
    });
    world = world.agent("a", |job| async move {
        let task = job.task.attempt.task.to_string();
        tokio::time::sleep(Duration::from_millis(
            10 * u64::from(job.task.attempt.task.index().unwrap_or(0) as u32 + 1),
        ))
        .await;
        write(&job, &task, "x");
        match (task.as_str(), job.task.attempt.number) {
            ("y[0]", 2..) => Ok(json!({})),
            _ => Err(problem(IncidentClass::Transient)),
        }
    });
    world.options.seed = 7;
    world.options.inputs = json!({ "pause": 5 }).as_object().unwrap().clone();
    world.run(HEAD, TASKS).await.unwrap();

    let backtest = Backtest::read(world.journal.as_ref(), &RunId::new("run-1").unwrap()).unwrap();
    let workflow = workflow(HEAD, TASKS);
    let config = backtest.config(&workflow, &name("s")).unwrap().unwrap();
    assert_eq!(config, json!({ "pause": 5 }));
    let rebuilt = backtest.incidents.iter();
    let rebuilt: Vec<_> = rebuilt.map(|one| backtest.situation(one, &workflow, &name("s"), config.clone())).collect();
    assert_eq!(rebuilt, *seen.lock().unwrap());
    assert_eq!(rebuilt.len(), 4);

    let last = backtest.incidents.last().unwrap();
    assert_eq!(last.incident.attempt.to_string(), rebuilt[3].incident.attempt.to_string());
    assert_eq!(last.answers.len(), 2, "those that left it to the next are told too");
    assert_eq!(last.decided(), Some((&name("s"), &Decision::Skip { reason: "enough".into() })));
    // What cannot be carried out is what could not have been then.
    let again = Decision::Retry { after: Duration::ZERO };
    assert!(backtest.incidents[0].check(&workflow, &again).is_ok());
    assert!(last.check(&workflow, &again).unwrap_err().contains("may be retried up to 2"));
    assert!(last.check(&workflow, &Decision::Reassign { agent: name("nobody") }).unwrap_err().contains("nobody"));
    assert_eq!(backtest.config(&workflow, &name("other")).unwrap(), None);
}
