//! Guests written as text, for what no compiler of a language would make: each is refused with its own error, or ends in
//! its own typed way, while a neighbour does its work. A text without a case fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use longhaul_core::attempt::{AttemptReport, Limits, Outcome};
use longhaul_core::incident::IncidentClass;
use longhaul_core::units::Fuel;
use longhaul_sandbox::{PluginError, Sandbox};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use support::{Attempt, guests, limits, output, problem, run, sandbox};

/// What must come of a text.
enum Expected {
    /// It is not loaded, with an error that passes.
    Refused(fn(&PluginError) -> bool),
    /// It is loaded, and its attempt ends so.
    Ends(fn(&AttemptReport) -> bool),
}

use Expected::{Ends, Refused};

fn exhausted(report: &AttemptReport, limit: &str) -> bool {
    let problem = problem(report);
    problem.class == IncidentClass::Exhausted && problem.evidence["limit"] == limit
}

fn fails(report: &AttemptReport, class: IncidentClass, words: &str) -> bool {
    problem(report).class == class && problem(report).message.contains(words)
}

fn cases() -> Vec<(&'static str, Expected)> {
    const REJECTED: &str = "the agent's output is not accepted";
    vec![
        ("spin-at-start", Ends(|report| exhausted(report, "fuel"))),
        ("trap-at-start", Ends(|report| fails(report, IncidentClass::Trap, "unreachable"))),
        ("table-bomb", Ends(|report| exhausted(report, "tables"))),
        ("table-huge", Refused(|error| matches!(error, PluginError::Compile(_)))),
        ("memory-huge", Ends(|report| exhausted(report, "memory"))),
        ("memories", Ends(|report| exhausted(report, "memory") && report.usage.memory <= limits().memory)),
        ("memories-many", Refused(|error| matches!(error, PluginError::Compile(_)))),
        ("memories-hoarded", Ends(|report| exhausted(report, "fuel"))),
        ("output-good", Ends(|report| report.result == Ok(Outcome::Completed(serde_json::json!({ "n": 123 }))))),
        ("output-not-json", Ends(|report| fails(report, IncidentClass::Fatal, REJECTED))),
        ("output-no-object", Ends(|report| fails(report, IncidentClass::Fatal, REJECTED))),
        ("output-deep", Ends(|report| fails(report, IncidentClass::Fatal, REJECTED))),
        ("output-not-utf8", Ends(|report| fails(report, IncidentClass::Trap, "the component failed"))),
        ("output-out-of-bounds", Ends(|report| fails(report, IncidentClass::Trap, "the component failed"))),
        ("output-endless", Ends(|report| problem(report).class != IncidentClass::Fatal)),
        ("realloc-rubbish", Ends(|report| fails(report, IncidentClass::Trap, "the component"))),
        ("realloc-spins", Ends(|report| exhausted(report, "fuel"))),
        ("core-module", Refused(|error| matches!(error, PluginError::CoreModule))),
        ("no-exports", Refused(|error| matches!(error, PluginError::WrongWorld))),
        (
            "import-evil",
            Refused(|error| matches!(error, PluginError::UnknownImport { import } if import == "evil:host/root@1.0.0")),
        ),
        (
            "import-wasi-03",
            Refused(|error| matches!(error, PluginError::Wasi03 { import } if import == "wasi:cli/environment@0.3.0")),
        ),
        ("import-invented", Refused(|error| matches!(error, PluginError::Link(text) if text.contains("become-root")))),
        ("import-other-type", Refused(|error| matches!(error, PluginError::Link(text) if text.contains("progress")))),
        (
            "import-of-agents",
            Refused(|error| matches!(error, PluginError::Link(text) if text.contains("longhaul:plugin/exec"))),
        ),
        (
            "export-later",
            Refused(|error| {
                error.to_string().contains("interface 0.2.0") && error.to_string().contains("speaks 0.1.0")
            }),
        ),
        ("export-empty", Refused(|error| matches!(error, PluginError::Link(text) if text.contains("run")))),
    ]
}

/// The component of a text, as a user would give it.
fn component(name: &str) -> Vec<u8> {
    match name {
        "core-module" => guests::text(name),
        "import-of-agents" => guests::with_manifest(guests::text(name), "strategy"),
        _ => guests::agent(name),
    }
}

async fn run_beside_a_neighbour(sandbox: &Sandbox, name: &str, expected: Expected) {
    let good = sandbox.load(&guests::built("hostile")).await.unwrap();
    let neighbour = Attempt::mode("good", limits());
    let neighbour = sandbox.run_agent(&good, neighbour.job);
    let bytes = component(name);
    let guest = async {
        match (sandbox.load(&bytes).await, expected) {
            (Err(error), Refused(check)) => {
                assert!(check(&error), "`{name}`: {error:?}");
                let text = error.to_string();
                assert!(text.len() < 3_000 && !text.is_empty(), "{text}");
            }
            (Ok(plugin), Ends(check)) => {
                let report = sandbox.run_agent(&plugin, Attempt::mode("none", limits()).job).await.ended().unwrap();
                assert!(check(&report), "`{name}`: {report:?}");
            }
            (Err(error), Ends(_)) => panic!("`{name}` is not loaded: {error:?}"),
            (Ok(_), Refused(_)) => panic!("`{name}` is loaded"),
        }
    };
    let ((), neighbours) = tokio::join!(guest, neighbour);
    output(&neighbours.ended().unwrap());
}

#[test]
fn each_text_ends_as_it_should_and_its_neighbour_lives_on() {
    let sandbox = sandbox();
    let mut failures = Vec::new();
    for (name, expected) in cases() {
        let ran = catch_unwind(AssertUnwindSafe(|| run(run_beside_a_neighbour(&sandbox, name, expected))));
        if let Err(panic) = ran {
            failures.push(
                panic.downcast_ref::<String>().cloned().unwrap_or_else(|| format!("`{name}`: a failed assertion")),
            );
        }
    }
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn each_text_has_a_case() {
    let tested: BTreeSet<String> = cases().iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        guests::texts().into_iter().collect::<BTreeSet<_>>(),
        tested,
        "tests/guests/wat and cases of this test differ"
    );
}

#[test]
fn those_who_take_all_that_they_may_leave_enough_for_one_more() {
    let sandbox = sandbox();
    run(async {
        let hoarder = sandbox.load(&guests::agent("memories-hoarded")).await.unwrap();
        let good = sandbox.load(&guests::built("hostile")).await.unwrap();
        let forever = || Limits { fuel: Fuel(1 << 60), time: Duration::from_secs(3_600), ..limits() };
        // All places but one.
        let mut hoarders: Vec<_> =
            (0..7).map(|_| Box::pin(sandbox.run_agent(&hoarder, Attempt::mode("none", forever()).job))).collect();
        let mut neighbour = Box::pin(sandbox.run_agent(&good, Attempt::mode("good", limits()).job));
        let report = std::future::poll_fn(|context| {
            for one in &mut hoarders {
                assert!(one.as_mut().poll(context).is_pending(), "a hoarder did not get what it may have");
            }
            neighbour.as_mut().poll(context)
        })
        .await;
        output(&report.ended().unwrap());
    });
}
