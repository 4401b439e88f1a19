//! Rounds with a team that is a list of answers.

use super::*;
use longhaul_sdk::FailureKind;
use std::collections::VecDeque;

/// Answers what it was told to, in order, and remembers what it was asked.
#[derive(Default)]
struct Scripted {
    answers: VecDeque<Vec<Ended>>,
    asked: Vec<Vec<Request>>,
}

impl Scripted {
    fn new(answers: impl IntoIterator<Item = Vec<Ended>>) -> Self {
        Self { answers: answers.into_iter().collect(), asked: Vec::new() }
    }
}

impl Team for Scripted {
    fn work(&mut self, requests: Vec<Request>) -> Result<Vec<Ended>, Failure> {
        self.asked.push(requests);
        Ok(self.answers.pop_front().unwrap())
    }

    fn tell(&mut self, _: u32, _: u32, _: &str) {}
}

fn config(more: Value) -> Config {
    let mut all = json!({ "planner": "architect", "check": "tests", "worker": "coder", "rounds": 2 });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

fn done(output: Value) -> Vec<Ended> {
    vec![Ended::Completed(output)]
}

fn not(reason: &str) -> Vec<Ended> {
    vec![Ended::Not(reason.to_owned())]
}

fn go(config: &Config, progress: Progress, team: &mut Scripted) -> Result<Outcome<Met, Progress>, Failure> {
    let attempt = progress.rounds + 1 + u32::from(progress.check.is_some());
    pursue(&Situation { objective: "green tests", attempt, config }, progress, team)
}

fn handed(outcome: Result<Outcome<Met, Progress>, Failure>) -> Progress {
    match outcome {
        Ok(Outcome::ContinueAsNew(progress)) => progress,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_objective_that_is_met_already_needs_no_plan() {
    let mut team = Scripted::new([done(json!({ "tests": 3 }))]);
    let outcome = go(&config(json!({})), Progress::default(), &mut team).unwrap();
    let met = Met { met: true, rounds: 0, completed: 0, failed: 0, check: json!({ "tests": 3 }) };
    assert_eq!(outcome, Outcome::Completed(met));
    assert_eq!(team.asked.len(), 1);
}

#[test]
fn a_round_plans_on_what_the_check_said_and_the_next_one_on_what_came_of_it() {
    let config = config(json!({ "plan_with": { "style": "small" } }));
    let first = handed(go(&config, Progress::default(), &mut Scripted::new([not("2 tests fail")])));
    let plan = json!({ "tasks": [{ "name": "a" }, { "name": "b", "agent": "writer" }] });
    let both = vec![Ended::Completed(json!({ "edits": 1 })), Ended::Not("gave up".to_owned())];
    let mut team = Scripted::new([done(plan.clone()), both, not("1 test fails")]);
    let second = handed(go(&config, first, &mut team));
    let planner = &team.asked[0][0];
    assert_eq!(
        (planner.name.as_str(), planner.agent.as_str(), &planner.input["style"]),
        ("r2-plan", "architect", &json!("small"))
    );
    assert_eq!(planner.input["goal"]["objective"], "green tests");
    assert_eq!(planner.input["goal"]["check"], json!({ "failed": "2 tests fail" }));
    let agents: Vec<_> = team.asked[1].iter().map(|request| request.agent.as_str()).collect();
    assert_eq!(agents, ["coder", "writer"]);
    assert_eq!((second.rounds, second.completed, second.failed), (1, 1, 1));
    assert_eq!(second.last[0], json!({ "task": "r2-b", "agent": "writer", "failed": "gave up" }));

    let mut team =
        Scripted::new([done(json!({ "tasks": [{ "name": "a" }] })), done(json!({})), done(json!({ "tests": 3 }))]);
    let outcome = go(&config, second, &mut team).unwrap();
    assert_eq!(team.asked[0][0].input["goal"]["last"][0]["failed"], "gave up");
    assert!(
        matches!(outcome, Outcome::Completed(Met { met: true, rounds: 2, completed: 2, failed: 1, .. })),
        "{outcome:?}"
    );
}

#[test]
fn after_the_last_round_it_fails_with_what_the_check_said() {
    let config = config(json!({}));
    let progress = Progress { rounds: 1, check: Some(json!({ "failed": "red" })), ..Progress::default() };
    let mut team = Scripted::new([done(json!({ "tasks": [{ "name": "a" }] })), done(json!({})), not("still red")]);
    let failure = go(&config, progress, &mut team).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Exhausted);
    assert!(failure.message.contains("after 2 rounds: still red"), "{failure}");
}

#[test]
fn a_planner_that_knows_nothing_more_ends_it() {
    let progress = Progress { rounds: 1, check: Some(json!({ "failed": "red" })), ..Progress::default() };
    let failure = go(&config(json!({})), progress, &mut Scripted::new([done(json!({ "tasks": [] }))])).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Validation);
    assert!(failure.message.contains("plans nothing more") && failure.message.contains("red"), "{failure}");
}

#[test]
fn a_plan_that_cannot_be_used_goes_back_to_its_planner() {
    let progress = Progress { check: Some(json!({ "failed": "red" })), ..Progress::default() };
    let mut team = Scripted::new([done(json!({ "tasks": [{ "agent": "coder" }] }))]);
    let progress = handed(go(&config(json!({})), progress, &mut team));
    assert_eq!((progress.rounds, team.asked.len()), (1, 1));
    assert!(progress.last[0]["failed"].as_str().unwrap().contains("missing field `name`"), "{progress:?}");
    let failure = go(&config(json!({})), progress, &mut Scripted::new([done(json!({}))])).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Exhausted);
}

#[test]
fn an_agent_that_the_planner_made_up_is_told_to_it_and_one_that_is_configured_ends_the_work() {
    let config = config(json!({}));
    let refused = || vec![Ended::Refused("the workflow has no agent `wizard`".to_owned())];
    let plan = done(json!({ "tasks": [{ "name": "a", "agent": "wizard" }] }));
    let checked = Progress { check: Some(json!({ "failed": "red" })), ..Progress::default() };
    let progress = handed(go(&config, checked.clone(), &mut Scripted::new([plan, refused(), not("red still")])));
    assert_eq!((progress.rounds, progress.failed), (1, 1));
    assert!(progress.last[0]["failed"].as_str().unwrap().contains("wizard"), "{progress:?}");
    for answers in
        [vec![refused()], vec![done(json!({ "tasks": [{ "name": "a", "agent": "b" }] })), done(json!({})), refused()]]
    {
        let failure = go(&config, checked.clone(), &mut Scripted::new(answers)).unwrap_err();
        assert!(failure.message.contains("cannot be asked: the workflow has no agent `wizard`"), "{failure}");
    }
}

#[test]
fn a_check_can_say_in_a_field_that_the_objective_is_not_met() {
    let config = config(json!({ "met": "passed" }));
    let progress = handed(go(&config, Progress::default(), &mut Scripted::new([done(json!({ "passed": false }))])));
    assert_eq!(progress.check, Some(json!({ "output": { "passed": false } })));
    let outcome = go(&config, Progress::default(), &mut Scripted::new([done(json!({ "passed": true }))]));
    assert!(matches!(outcome, Ok(Outcome::Completed(_))));
    let failure = go(&config, Progress::default(), &mut Scripted::new([done(json!({}))])).unwrap_err();
    assert!(failure.message.contains("no `passed`"), "{failure}");
}

#[test]
fn what_is_handed_over_stays_small_whatever_was_put_out() {
    let progress = Progress { check: Some(json!({ "failed": "red" })), ..Progress::default() };
    let long = json!({ "text": "é".repeat(1 << 18) });
    let plan: Vec<_> = (0..100).map(|n| json!({ "name": format!("t{n}") })).collect();
    let ends = vec![Ended::Completed(long.clone()); 100];
    let config = config(json!({ "met": "ok" }));
    let check = json!({ "ok": false, "long": long });
    let progress =
        handed(go(&config, progress, &mut Scripted::new([done(json!({ "tasks": plan })), ends, done(check)])));
    assert!(serde_json::to_string(&progress).unwrap().len() < 1 << 20);
    assert_eq!(progress.completed, 100);
}
