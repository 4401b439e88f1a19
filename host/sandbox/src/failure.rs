//! What ended an instance against its will, as a typed problem: which limit, which trap, which refusal.

use crate::audit::AuditError;
use crate::meter::Refused;
use longhaul_core::action::{Action, ActionResult};
use longhaul_core::attempt::{Limits, RecordError};
use longhaul_core::incident::{IncidentClass, Problem};
use serde_json::json;
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// The most frames of a backtrace that go into the evidence.
const MAX_FRAMES: usize = 16;

/// The record could not be kept, or would have grown without bound.
pub(crate) fn audit_problem(error: &AuditError) -> Problem {
    match error {
        AuditError::Record(RecordError::Diverged(divergence)) => divergence.clone().into(),
        AuditError::Record(RecordError::Unknown(unknown)) => (**unknown).clone().into(),
        AuditError::Record(RecordError::Lost(_)) => Problem::new(IncidentClass::Fatal, error.to_string()),
        AuditError::TooMany(_) => Problem::new(IncidentClass::Exhausted, format!("{error}; raise `limits.events`"))
            .with_evidence(json!({ "limit": "events" })),
        AuditError::TooLong(_) => Problem::new(
            IncidentClass::Exhausted,
            format!("{error}; raise `limits.events`, which allows 64 bytes for each of them"),
        )
        .with_evidence(json!({ "limit": "record-text" })),
    }
}

/// Classifies an error that ended an instance.
pub(crate) fn classify(error: &wasmtime::Error, refused: Option<Refused>, limits: &Limits, stderr: &str) -> Problem {
    let exhausted = |limit: &str, message: String| {
        Problem::new(IncidentClass::Exhausted, message).with_evidence(json!({ "limit": limit, "stderr": stderr }))
    };
    if let Some(trap) = error.downcast_ref::<Trap>() {
        match trap {
            Trap::OutOfFuel => {
                return exhausted(
                    "fuel",
                    format!("the attempt used up its fuel of {}; raise `limits.fuel`", limits.fuel),
                );
            }
            Trap::StackOverflow => {
                return exhausted("stack", "the component's call stack overflowed; it recurses too deeply".to_owned());
            }
            _ => {}
        }
    }
    match refused {
        Some(Refused::Memory) => {
            let message =
                format!("the component needed more than its {} of memory; raise `limits.memory`", limits.memory);
            return exhausted("memory", message);
        }
        Some(Refused::Tables) => {
            let message = format!("the component needed more than {} table elements", limits.table_elements);
            return exhausted("tables", message);
        }
        None => {}
    }
    if matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full)) {
        return exhausted(
            "handles",
            format!("the component holds more handles than its limit of {} allows", limits.handles),
        );
    }
    let text = format!("{error:#}");
    // wasmtime has no types of their own for these.
    if text.contains("fuel allocated for hostcalls") {
        let message = format!("a host call carried more than {}; raise `limits.call_bytes`", limits.call_bytes);
        return exhausted("call-bytes", message);
    }
    if text.contains("resource table has no free keys") || text.contains("component handles") {
        return exhausted(
            "handles",
            format!("the component holds more handles than its limit of {} allows", limits.handles),
        );
    }
    let frames: Vec<String> = error
        .downcast_ref::<WasmBacktrace>()
        .map(|trace| trace.frames().iter().take(MAX_FRAMES).filter_map(|f| f.func_name().map(demangled)).collect())
        .unwrap_or_default();
    let evidence = json!({ "error": text, "stderr": stderr, "backtrace": frames });
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return Problem::new(
            IncidentClass::Trap,
            format!("the component exited with code {} instead of returning", exit.0),
        )
        .with_evidence(evidence);
    }
    let panic = stderr.lines().rev().find(|line| line.contains("panicked at"));
    let message = match (panic, error.downcast_ref::<Trap>()) {
        (Some(_), _) => format!("the component panicked: {}", stderr.lines().take(4).collect::<Vec<_>>().join(" ")),
        (None, Some(trap)) => format!("the component trapped: {trap}"),
        (None, None) => format!("the component failed: {}", error.root_cause()),
    };
    Problem::new(IncidentClass::Trap, message).with_evidence(evidence)
}

/// Adds the refusals that preceded a problem: they are often its cause.
pub(crate) fn with_denials(mut problem: Problem, denials: &[Action]) -> Problem {
    if denials.is_empty() {
        return problem;
    }
    let list: Vec<_> = denials
        .iter()
        .map(|action| {
            let (reason, grant) = match &action.result {
                ActionResult::Denied { reason, grant } => (reason.as_str(), grant.as_str()),
                _ => ("", ""),
            };
            json!({ "capability": action.capability, "operation": action.operation, "resource": action.resource, "reason": reason, "grant": grant })
        })
        .collect();
    if let Some(evidence) = problem.evidence.as_object_mut() {
        evidence.insert("denials".to_owned(), list.into());
    }
    problem
}

/// A function's name without the hash that the compiler adds.
fn demangled(name: &str) -> String {
    name.chars().take(200).collect()
}
