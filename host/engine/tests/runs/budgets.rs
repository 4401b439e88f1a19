//! Budgets of tokens, money and disk: what is used up stops the run, and raised it goes on.

use crate::world::{World, act, row, state, write};
use longhaul_core::entry::{Budget, Entry};
use longhaul_core::incident::IncidentClass;
use longhaul_core::spend::Spent;
use longhaul_core::state::{RunState, TaskState};
use longhaul_core::units::{Bytes, Money, Tokens};
use longhaul_engine::{ResumeOptions, RunReport};
use serde_json::json;
use std::time::Duration;

const AGENT: &str = "agents: { a: { plugin: a } }\ndefaults: { agent: a }\nconcurrency: { max: 1 }";
const CHAIN: &str = "  x: {}\n  y: { needs: x }\n  z: { needs: y }";

/// An agent that asks a model five times, at 100 tokens and a tenth of the money each.
fn asking() -> World {
    World::new().agent("a", |job| async move {
        write(&job, job.task.attempt.task.as_str(), "done");
        for asked in 1..=5 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            job.meter.so_far(Spent { tokens: Tokens(asked * 100), money: Money(asked * 100_000) });
            act(&job, "asks").ok();
        }
        Ok(json!({}))
    })
}

fn spent(report: &RunReport) -> (u64, String) {
    (report.tokens.0, report.money.to_string())
}

fn raised(budget: Budget) -> ResumeOptions {
    ResumeOptions { budget: Some(budget), ..ResumeOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn a_run_stops_when_its_tokens_or_its_money_are_used_up_and_goes_on_with_more() {
    for (budget, option, more) in [
        ("tokens: 1000", "`longhaul resume --tokens", Budget { tokens: Some(Tokens(1_500)), ..Budget::default() }),
        ("money: 1", "`longhaul resume --money", Budget { money: Some(Money(1_500_000)), ..Budget::default() }),
    ] {
        let world = asking().told_at_end();
        let head = format!("{AGENT}\nbudget: {{ {budget} }}");
        let stopped = world.run(&head, CHAIN).await.unwrap();
        assert_eq!((stopped.status, stopped.incidents), (RunState::Exhausted, 0), "{}", stopped.reason);
        assert!(stopped.reason.contains(option), "{}", stopped.reason);
        let states = ["x", "y", "z"].map(|task| state(&stopped, task));
        assert_eq!(states, [TaskState::Completed, TaskState::Completed, TaskState::Pending]);
        assert_eq!(spent(&stopped), (1_000, "1.00".to_owned()));
        assert_eq!(world.resume(&head, CHAIN).await.unwrap().status, RunState::Exhausted, "nothing was raised");
        // What is just enough is enough.
        let report = world.resume_with(&head, CHAIN, raised(more)).await.unwrap();
        assert_eq!((report.status, spent(&report)), (RunState::Completed, (1_500, "1.50".to_owned())));
        assert_eq!(row(&report, "y").tokens, Tokens(500));
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_goes_on_spending_is_recalled_in_the_middle_and_it_is_not_its_failure() {
    let world = asking();
    let head = format!("{AGENT}\nbudget: {{ tokens: 700 }}");
    let stopped = world.run(&head, CHAIN).await.unwrap();
    assert_eq!((stopped.status, stopped.incidents), (RunState::Exhausted, 0), "{}", stopped.reason);
    let states = ["x", "y", "z"].map(|task| state(&stopped, task));
    assert_eq!(states, [TaskState::Completed, TaskState::Pending, TaskState::Pending]);
    assert_eq!(spent(&stopped).0, 700);
    let ended = world.journal.records().into_iter().rev().find_map(|record| match record.entry {
        Entry::AttemptEnded { result, .. } => result.err(),
        _ => None,
    });
    let problem = ended.unwrap();
    assert_eq!((problem.class, &problem.evidence), (IncidentClass::Exhausted, &json!({ "budget": "tokens" })));
    let more = Budget { tokens: Some(Tokens(9_000)), ..Budget::default() };
    let report = world.resume_with(&head, CHAIN, raised(more)).await.unwrap();
    assert_eq!((report.status, spent(&report).0), (RunState::Completed, 500 + 200 + 500 + 500));
    assert_eq!(report.incidents, 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_spends_nothing_is_not_recalled() {
    let world = World::new().agent("a", |job| async move {
        if job.task.attempt.task.as_str() == "asks" {
            job.meter.so_far(Spent { tokens: Tokens(900), money: Money(0) });
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(json!({}))
    });
    let head = format!("{}\nbudget: {{ tokens: 700 }}", AGENT.replace("max: 1", "max: 2"));
    let report = world.run(&head, "  asks: {}\n  works: {}\n  later: { needs: works }").await.unwrap();
    assert_eq!(report.status, RunState::Exhausted);
    assert_eq!([state(&report, "asks"), state(&report, "works")], [TaskState::Pending, TaskState::Completed]);
    assert_eq!(state(&report, "later"), TaskState::Pending);
}

#[tokio::test(start_paused = true)]
async fn a_run_stops_when_its_content_takes_too_much_disk_and_old_content_is_no_help() {
    // The fake counts versions. The beginning, the newest and one checkpoint of it are two of them.
    let head = |disk: u64| format!("{AGENT}\nbudget: {{ disk: {disk} }}\ncheckpoints: {{ keep: 1 }}");
    let world = World::new().writer("a");
    let report = world.run(&head(2), CHAIN).await.unwrap();
    assert_eq!((report.status, report.disk), (RunState::Completed, Bytes(2)), "{}", report.reason);

    let world = World::new().writer("a");
    let stopped = world.run(&head(1), CHAIN).await.unwrap();
    assert_eq!((stopped.status, state(&stopped, "y")), (RunState::Exhausted, TaskState::Pending));
    assert!(stopped.reason.contains("--disk"), "{}", stopped.reason);
    let more = Budget { disk: Some(Bytes(5)), ..Budget::default() };
    assert_eq!(world.resume_with(&head(1), CHAIN, raised(more)).await.unwrap().status, RunState::Completed);
}

#[tokio::test(start_paused = true)]
async fn what_was_spent_counts_once_wherever_the_run_is_cut_off() {
    for tokens in [10_000, 700] {
        let head = format!("{AGENT}\nbudget: {{ tokens: {tokens} }}");
        let whole = asking();
        let undisturbed = whole.run(&head, CHAIN).await.unwrap();
        for room in 1..whole.journal.records().len() {
            let world = asking();
            world.journal.limit(room);
            world.run(&head, CHAIN).await.unwrap_err();
            world.journal.reopen(room);
            let report = world.resume(&head, CHAIN).await.unwrap();
            assert_eq!(report.status, undisturbed.status, "{tokens} {room}: {}\n{}", report.reason, world.story());
            assert_eq!(
                (spent(&report), report.incidents),
                (spent(&undisturbed), 0),
                "{tokens} {room}\n{}",
                world.story()
            );
        }
    }
}
