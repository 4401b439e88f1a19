//! The guest `hostile`, mode by mode: each ends in its own typed way, while a well-behaved neighbour on the same sandbox
//! does its work to the end. A mode without a case here fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use longhaul_core::attempt::{AttemptReport, Limits};
use longhaul_core::incident::IncidentClass;
use longhaul_core::units::{Bytes, Fuel};
use longhaul_sandbox::{Plugin, Sandbox};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use support::{Attempt, guests, is_refusal, limits, output, problem, run, sandbox, whole};

/// A mode of the guest under certain limits, and what must come of it.
struct Case {
    mode: &'static str,
    limits: Limits,
    check: Check,
}

/// Looks at what came of it.
type Check = Box<dyn Fn(&Attempt, &AttemptReport)>;

fn case(mode: &'static str, check: impl Fn(&Attempt, &AttemptReport) + 'static) -> Case {
    Case { mode, limits: limits(), check: Box::new(check) }
}

impl Case {
    fn with(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }
}

/// A limit that is used up, by its name in the evidence, and words of the message.
fn exhausted(limit: &'static str, words: &'static str) -> impl Fn(&Attempt, &AttemptReport) {
    move |_, report| {
        let problem = problem(report);
        assert_eq!(problem.class, IncidentClass::Exhausted, "{problem:?}");
        assert_eq!(problem.evidence["limit"], limit, "{problem:?}");
        assert!(problem.message.contains(words), "{}", problem.message);
    }
}

/// A failure of this class with these words.
fn ends(class: IncidentClass, words: &'static str) -> impl Fn(&Attempt, &AttemptReport) {
    move |_, report| {
        let problem = problem(report);
        assert_eq!(problem.class, class, "{problem:?}");
        assert!(problem.message.contains(words), "{}", problem.message);
    }
}

/// Ends with an output that passes.
fn completes(check: impl Fn(&Attempt, &Value)) -> impl Fn(&Attempt, &AttemptReport) {
    move |attempt, report| check(attempt, output(report))
}

/// Every single try was refused, each refusal is in the record, and nothing but what the guest made itself has changed.
fn all_refused(tries: usize) -> impl Fn(&Attempt, &AttemptReport) {
    move |attempt, report| {
        refused_tries(output(report), tries);
        let recorded = attempt.record.by_try();
        assert!(recorded.len() >= tries, "{} tries are recorded", recorded.len());
        for (name, actions) in recorded {
            assert!(actions.iter().any(is_refusal), "the record holds no refusal of `{name}`: {actions:?}");
        }
        let text = output(report).to_string();
        for secret in ["house", "others to read", "root:"] {
            assert!(!text.contains(secret), "the guest got hold of a secret: {text}");
        }
        let fresh = Attempt::mode("good", limits()).stage.snapshot();
        let mut left = attempt.stage.snapshot();
        left.retain(|path, _| fresh.contains_key(path) || !path.starts_with("src/"));
        assert_eq!(left, fresh, "something was changed");
    }
}

fn refused_tries(output: &Value, tries: usize) {
    let list = output["tries"].as_array().unwrap();
    assert!(list.len() >= tries, "only {} tries were made", list.len());
    let done: Vec<&Value> = list.iter().filter(|one| one.get("error").is_none()).collect();
    assert!(done.is_empty(), "these were not refused: {done:#?}");
}

/// The record weighs little, whatever the guest wrote.
fn light(attempt: &Attempt, max: usize) {
    let weight = attempt.record.weight();
    assert!(weight <= max, "the record weighs {weight} bytes");
}

/// Room for a guest to make something large.
fn fat(limits: &mut Limits) {
    limits.memory = Bytes(128 << 20);
    limits.fuel = Fuel(3_000_000_000);
}

fn within_log_budget(attempt: &Attempt, _: &Value) {
    let (bytes, limit) = (attempt.record.log_bytes(), limits().log.0 as usize);
    assert!(bytes <= limit + 1_000, "{bytes} bytes of log");
    assert!(bytes > 8 << 10, "what fits the budget is kept");
}

fn cases() -> Vec<Case> {
    use IncidentClass::{Fatal, RateLimited, Timeout, Trap, Validation};
    let mut cases = vec![
        case("good", completes(|_, output| assert!(output["names"].to_string().contains("out.txt"), "{output}"))),
        case("random", completes(|_, output| assert!(output["seed"].is_string()))),
    ];
    cases.extend(burning());
    cases.extend(flooding());
    cases.extend(trespassing());
    // What must not end well ends as what it is, and tells what to do.
    cases.push(case("trap", ends(Trap, "unreachable")));
    cases.push(case("panic", ends(Trap, "loses its nerve")));
    cases.push(case("exit", ends(Trap, "exited with code")));
    cases.push(case("exit-zero", ends(Trap, "exited with code 0")));
    cases.push(case("random-huge", ends(Trap, "exceeds limit")));
    cases.push(
        case("output-huge", ends(Fatal, "the agent's output is not accepted")).with(|l| l.memory = Bytes(128 << 20)),
    );
    cases.push(case("output-monstrous", exhausted("call-bytes", "raise `limits.call_bytes`")).with(|l| {
        l.memory = Bytes(256 << 20);
        l.fuel = Fuel(3_000_000_000);
    }));
    cases.push(
        case("output-fat", ends(Fatal, "more than the 1048576 (1 MiB) that an output or a state may have")).with(fat),
    );
    cases.push(
        case("detail-fat", |_, report| {
            let problem = problem(report);
            assert_eq!((problem.class, &*problem.message), (Validation, "the work is not good enough"));
            let evidence = problem.evidence.to_string();
            assert!(evidence.len() < 10_000, "{} bytes of evidence", evidence.len());
            assert!(problem.evidence["detail"].as_str().is_some_and(|text| text.starts_with("[0,0")), "{evidence}");
            assert!(problem.evidence["detail_cut"].to_string().contains("2000001 bytes"), "{evidence}");
        })
        .with(fat),
    );
    cases.push(case("rate-limited", |_, report| {
        assert_eq!(problem(report).class, RateLimited);
        assert_eq!(problem(report).retry_after, Some(Duration::from_millis(90_500)));
    }));
    cases.push(
        case("sleep", ends(Timeout, "raise `limits.call_time`")).with(|l| l.call_time = Duration::from_millis(100)),
    );
    cases.push(case("sleep", ends(Timeout, "raise `timeout`")).with(|l| l.time = Duration::from_millis(100)));
    cases.push(case("sleep-often", ends(Timeout, "raise `timeout`")).with(|l| l.time = Duration::from_millis(200)));
    cases
}

fn burning() -> Vec<Case> {
    vec![
        case("loop", exhausted("fuel", "raise `limits.fuel`")),
        case("loop", ends(IncidentClass::Timeout, "raise `timeout`")).with(|l| {
            l.fuel = Fuel(1 << 60);
            l.time = Duration::from_millis(300);
        }),
        case("recursion", exhausted("stack", "recurses too deeply")),
        case("recursion-data", ends(IncidentClass::Trap, "the component trapped")),
        case("memory", exhausted("memory", "raise `limits.memory`")),
        case("memory-small", exhausted("memory", "raise `limits.memory`")).with(|l| l.memory = Bytes(8 << 20)),
    ]
}

fn flooding() -> Vec<Case> {
    let events = || exhausted("events", "raise `limits.events`");
    let kept = |error: &'static str, max: u64| {
        completes(move |_, output| {
            assert_eq!(output["error"], error, "{output}");
            assert!(output["kept"].as_u64().is_some_and(|kept| (1..=max).contains(&kept)), "{output}");
        })
    };
    vec![
        case("log-endless", |attempt, report| {
            exhausted("fuel", "raise `limits.fuel`")(attempt, report);
            within_log_budget(attempt, &Value::Null);
        }),
        // A line without text still costs an entry of the record.
        case("log-empty", |attempt, report| {
            assert_eq!(problem(report).class, IncidentClass::Exhausted, "{report:?}");
            assert!(attempt.record.log_lines() <= 20_000);
        }),
        case("log-huge", completes(|attempt, _| light(attempt, 20_000))),
        case("log-many", completes(within_log_budget)),
        case("stderr-huge", completes(within_log_budget)),
        case("progress-endless", exhausted("record-text", "raise `limits.events`")),
        case("stat-endless", events()),
        case("clock-endless", events()),
        case("usage-endless", events()),
        case(
            "detail-huge",
            completes(|attempt, output| {
                refused_tries(output, 5);
                light(attempt, 150_000);
            }),
        ),
        case("names-endless", |attempt, report| {
            exhausted("record-text", "raise `limits.events`")(attempt, report);
            // 64 bytes for each of 20 000 events, and what the events are in beside their texts.
            light(attempt, 2 << 20);
        }),
        case("files-open", kept("quota", 50)),
        case("folders-open", kept("quota", 50)),
        case("listings-open", exhausted("handles", "limit of 50")),
        case("streams-open", exhausted("handles", "limit of 50")),
        case("timers-open", exhausted("handles", "limit of 50")),
        case(
            "files-made",
            completes(|attempt, output| {
                assert_eq!(output["error"], "QuotaExceeded", "{output}");
                assert!(output["made"].as_u64().is_some_and(|made| made < 3_000), "{output}");
                assert!(attempt.stage.snapshot().len() <= 3_000);
            }),
        ),
        case("listing-huge", kept("quota", 100)),
        case("disk", |attempt, report| {
            // How a failed stream shows in a guest is its C library's choice; that it fails is ours.
            assert!(output(report)["error"].is_string(), "{report:?}");
            let written = attempt.stage.snapshot()["src/big"].len();
            assert!(written <= 4 << 20);
            assert!(report.usage.fuel.0 > written as u64, "each byte is paid for: {:?}", report.usage);
        }),
        case(
            "far-offsets",
            completes(|_, output| {
                refused_tries(output, 12);
                assert_eq!((&output["read"], &output["size"]), (&json!(0), &json!(0)));
            }),
        ),
    ]
}

fn trespassing() -> Vec<Case> {
    vec![
        case("escapes", |attempt, report| {
            all_refused(600)(attempt, report);
            // By a way through it nobody learns whether a hidden folder is there.
            let tries = output(report)["tries"].as_array().unwrap();
            let error =
                |name: &str| tries.iter().find(|one| one["try"] == name).map(|one| one["error"].clone()).unwrap();
            assert_eq!(error("read \"secret/../src/lib.rs\""), error("read \"nothing/../src/lib.rs\""));
        }),
        case("escapes-std", all_refused(70)),
        case("links", all_refused(35)),
        case("crossing", all_refused(20)),
        case("writes", all_refused(45)),
        case("writes-std", all_refused(15)),
        case("sockets", all_refused(7)),
        case(
            "surroundings",
            completes(|_, output| {
                let nothing = json!({
                    "arguments": 0, "variables": 0, "input": 0, "folder": null, "preopens": ["/"], "terminal": false,
                });
                assert_eq!(*output, nothing);
            }),
        ),
        case(
            "capabilities",
            completes(|attempt, output| {
                refused_tries(output, 4);
                for (name, actions) in attempt.record.by_try() {
                    assert!(actions.iter().any(|a| a.is_denied()), "no denial of `{name}` is recorded: {actions:?}");
                }
            }),
        ),
        // The hole is in test builds of the library only.
        case("breach", completes(|_, output| assert!(output["error"].is_string(), "{output}"))),
    ]
}

/// Runs a case beside a neighbour, which has to finish its work.
async fn run_beside_a_neighbour(sandbox: &Sandbox, plugin: &Plugin, case: Case) {
    let mut input = json!({ "mode": case.mode });
    if case.mode == "breach" {
        input["path"] = "breach:/etc/passwd".into();
    }
    let Attempt { job, stage, record } = Attempt::new(input, case.limits.clone());
    let neighbour = Attempt::mode("good", limits());
    let (report, neighbours) = tokio::join!(whole(sandbox, plugin, job), whole(sandbox, plugin, neighbour.job));
    assert_eq!(
        output(&neighbours)["names"],
        json!(["lib.rs", "out.txt", "sub"]),
        "the neighbour of `{}` suffered",
        case.mode
    );
    assert!(report.usage.memory <= case.limits.memory, "{:?}", report.usage);
    assert!(report.usage.fuel <= case.limits.fuel, "{:?}", report.usage);
    let numbers: Vec<u64> = record.actions().iter().map(|action| action.number).collect();
    assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "the actions are not numbered without gaps");
    assert_eq!(report.usage.actions, numbers.len() as u64);
    let denials = record.actions().iter().filter(|action| action.is_denied()).count();
    assert_eq!(report.usage.denials, denials as u64);
    let attempt = Attempt { stage, record, ..Attempt::mode(case.mode, case.limits) };
    (case.check)(&attempt, &report);
}

#[test]
fn each_mode_ends_as_it_should_and_its_neighbour_lives_on() {
    let sandbox = sandbox();
    let plugin = run(sandbox.load(&guests::built("hostile"))).unwrap();
    let mut failures = Vec::new();
    for case in cases() {
        let mode = case.mode;
        let ran = catch_unwind(AssertUnwindSafe(|| run(run_beside_a_neighbour(&sandbox, &plugin, case))));
        if let Err(panic) = ran {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a failed assertion".to_owned());
            failures.push(format!("`{mode}`: {text}"));
        }
    }
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn each_mode_of_the_guest_has_a_case() {
    let sandbox = sandbox();
    let plugin = run(sandbox.load(&guests::built("hostile"))).unwrap();
    let report = run(whole(&sandbox, &plugin, Attempt::mode("list", limits()).job));
    let modes: BTreeSet<String> =
        output(&report)["modes"].as_array().unwrap().iter().map(|mode| mode.as_str().unwrap().to_owned()).collect();
    let tested: BTreeSet<String> = cases().iter().map(|case| case.mode.to_owned()).collect();
    assert_eq!(modes, tested, "modes of tests/guests/hostile and cases of this test differ");
}

#[test]
fn a_guest_that_computes_for_ever_shares_its_only_thread() {
    let mut config = support::config();
    config.threads = 1;
    let sandbox = Sandbox::new(config).unwrap();
    run(async {
        let plugin = sandbox.load(&guests::built("hostile")).await.unwrap();
        let forever = || Limits { fuel: Fuel(1 << 60), time: Duration::from_secs(3_600), ..limits() };
        // As many as there are places less one.
        let mut endless: Vec<_> =
            (0..7).map(|_| Box::pin(sandbox.run_agent(&plugin, Attempt::mode("loop", forever()).job))).collect();
        let neighbour = Attempt::mode("good", limits());
        let mut neighbour = Box::pin(whole(&sandbox, &plugin, neighbour.job));
        let report = std::future::poll_fn(|context| {
            for one in &mut endless {
                assert!(one.as_mut().poll(context).is_pending(), "an endless loop ended");
            }
            neighbour.as_mut().poll(context)
        })
        .await;
        output(&report);
        // Dropping the futures ends the attempts and gives their places back: all of them are needed now.
        drop(endless);
        let again: Vec<_> = (0..8)
            .map(|_| {
                let (sandbox, plugin) = (sandbox.clone(), plugin.clone());
                tokio::spawn(async move {
                    sandbox.run_agent(&plugin, Attempt::mode("good", limits()).job).await.ended().unwrap()
                })
            })
            .collect();
        for one in again {
            output(&one.await.unwrap());
        }
    });
}
