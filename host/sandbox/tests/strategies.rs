//! The guest `hostile-strategy`: whatever a strategy does, the host gets a decision of the closed set or an error, and the
//! strategy gets nothing but the situation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use longhaul_core::id::{AttemptId, Name, TaskId};
use longhaul_core::incident::{Decision, Incident, IncidentClass, Problem, Situation};
use longhaul_core::units::Timestamp;
use longhaul_sandbox::{Plugin, Sandbox};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use support::{Attempt, Record, guests, limits, output, run, sandbox};

type Answer = Result<Option<Decision>, String>;
type Check = fn(&Answer, &Record) -> bool;

fn fails_with(answer: &Answer, words: &str) -> bool {
    answer.as_ref().is_err_and(|message| message.contains(words))
}

fn cases() -> Vec<(&'static str, Check)> {
    vec![
        ("good", |answer, _| *answer == Ok(Some(Decision::Split))),
        ("loop", |answer, _| fails_with(answer, "fuel")),
        ("memory", |answer, _| fails_with(answer, "memory")),
        ("panic", |answer, _| fails_with(answer, "loses its nerve")),
        ("name-path", |answer, _| fails_with(answer, "`../../etc/passwd` is not a name")),
        ("name-empty", |answer, _| fails_with(answer, "is not a name")),
        ("name-nul", |answer, _| fails_with(answer, "is not a name")),
        ("reason-huge", |answer, _| matches!(answer, Ok(Some(Decision::Escalate { reason })) if reason.len() <= 4_000)),
        ("error-huge", |answer, _| answer.as_ref().is_err_and(|message| message.len() <= 4_000)),
        ("wait-for-ever", |answer, _| *answer == Ok(Some(Decision::Retry { after: Duration::from_millis(u64::MAX) }))),
        ("files", |answer, _| {
            let Ok(Some(Decision::Escalate { reason })) = answer else { return false };
            let got: serde_json::Value = serde_json::from_str(reason).unwrap();
            // The only time that it sees is that of the incident.
            got == json!({ "read": false, "list": 0, "write": false, "make folder": false, "rename": false, "clock": "86400000" })
        }),
        ("log-many", |_, record| record.log_lines() <= 1_000),
    ]
}

fn situation(mode: &str) -> Situation {
    Situation {
        incident: Incident {
            attempt: AttemptId { task: TaskId::new("change[1]").unwrap(), number: 1 },
            agent: Name::new("codemod").unwrap(),
            problem: Problem::new(IncidentClass::Trap, "it trapped"),
            at: Timestamp(86_400_000),
        },
        history: Vec::new(),
        checkpoints: vec!["c1".to_owned()],
        agents: vec![Name::new("other").unwrap()],
        random: 7,
        config: json!({ "mode": mode }),
    }
}

async fn ask(sandbox: &Sandbox, plugin: &Plugin, mode: &str) -> (Answer, Arc<Record>) {
    let record = Arc::new(Record::default());
    let answer = sandbox.decide(plugin, situation(mode), record.clone()).await;
    (answer, record)
}

#[test]
fn each_mode_is_answered_and_a_neighbour_lives_on() {
    let sandbox = sandbox();
    run(async {
        let strategy = sandbox.load(&guests::built("hostile-strategy")).await.unwrap();
        let agent = sandbox.load(&guests::built("hostile")).await.unwrap();
        for (mode, check) in cases() {
            let neighbour = Attempt::mode("good", limits());
            let ((answer, record), neighbours) =
                tokio::join!(ask(&sandbox, &strategy, mode), sandbox.run_agent(&agent, neighbour.job));
            assert!(check(&answer, &record), "`{mode}`: {answer:?}");
            output(&neighbours.ended().unwrap());
        }
    });
}

#[test]
fn each_mode_of_the_strategy_has_a_case() {
    let sandbox = sandbox();
    let strategy = run(sandbox.load(&guests::built("hostile-strategy"))).unwrap();
    let (Ok(Some(Decision::Escalate { reason })), _) = run(ask(&sandbox, &strategy, "list")) else { panic!("no list") };
    let modes: BTreeSet<&str> = reason.split(' ').collect();
    assert_eq!(
        modes,
        cases().iter().map(|(mode, _)| *mode).collect(),
        "modes of the guest and cases of this test differ"
    );
}

#[test]
fn a_service_that_asks_to_wait_is_given_that_long() {
    let sandbox = sandbox();
    run(async {
        let agent = sandbox.load(&guests::built("hostile")).await.unwrap();
        let retry = sandbox.load(&guests::bundled("retry-jitter")).await.unwrap();
        let report = sandbox.run_agent(&agent, Attempt::mode("rate-limited", limits()).job).await.ended().unwrap();
        let mut situation = situation("unused");
        situation.incident.problem = support::problem(&report).clone();
        situation.config = json!({ "base": "1ms" });
        let decision = sandbox.decide(&retry, situation, Arc::new(Record::default())).await;
        let Ok(Some(Decision::Retry { after })) = decision else { panic!("{decision:?}") };
        assert!((90_500..=90_501).contains(&after.as_millis()), "{after:?}");
    });
}

#[test]
fn each_kind_of_plugin_does_its_own_work_only() {
    let sandbox = sandbox();
    run(async {
        let strategy = sandbox.load(&guests::built("hostile-strategy")).await.unwrap();
        let agent = sandbox.load(&guests::built("hostile")).await.unwrap();
        let report = sandbox.run_agent(&strategy, Attempt::mode("good", limits()).job).await.ended().unwrap();
        assert_eq!(support::problem(&report).class, IncidentClass::Fatal);
        assert!(ask(&sandbox, &agent, "good").await.0.is_err());
    });
}
