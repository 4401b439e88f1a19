//! The strategy `escalate`, level 3 of recovery: stop safely and tell a person. It answers for every incident, so it
//! is the last one of a chain.

use longhaul_sdk::{Decision, Empty, IncidentClass, Past, Situation, Span, Strategy};

/// The strategy.
#[derive(Debug)]
pub struct Escalate;

#[longhaul_sdk::strategy]
impl Strategy for Escalate {
    type Config = Empty;

    fn decide(situation: Situation<Empty>) -> Result<Option<Decision>, String> {
        let Situation { incident, history, .. } = situation;
        let attempts = match incident.attempt {
            1 => "1 attempt".to_owned(),
            attempts => format!("{attempts} attempts"),
        };
        let tried = match history.as_slice() {
            [] => "nothing was tried before".to_owned(),
            history => format!("tried before: {}", history.iter().map(tried).collect::<Vec<_>>().join(", ")),
        };
        Ok(Some(Decision::Escalate(format!(
            "task `{}` (agent `{}`) failed with {} after {attempts}: {}; {tried}",
            incident.task,
            incident.agent,
            class(incident.class),
            incident.message,
        ))))
    }
}

/// The class by the name that the record uses.
fn class(class: IncidentClass) -> &'static str {
    match class {
        IncidentClass::Transient => "transient",
        IncidentClass::RateLimited => "rate-limited",
        IncidentClass::Timeout => "timeout",
        IncidentClass::Conflict => "conflict",
        IncidentClass::Validation => "validation",
        IncidentClass::Denied => "denied",
        IncidentClass::Exhausted => "exhausted",
        IncidentClass::UnknownOutcome => "unknown-outcome",
        IncidentClass::Diverged => "diverged",
        IncidentClass::Trap => "trap",
        IncidentClass::Deadlock => "deadlock",
        IncidentClass::Fatal => "fatal",
    }
}

/// One earlier decision in a few words.
fn tried(past: &Past) -> String {
    match &past.decision {
        Decision::Retry(wait) => format!("retry after {}", Span::from_millis(*wait)),
        Decision::Rollback(rollback) => {
            let to = rollback.to.as_deref().map(|name| name.get(..12).unwrap_or(name));
            format!("rollback to {}", to.unwrap_or("the newest checkpoint"))
        }
        Decision::Reassign(agent) => format!("reassignment to `{agent}`"),
        Decision::Split => "split".to_owned(),
        Decision::Skip(_) => "skip".to_owned(),
        Decision::Compensate => "compensation".to_owned(),
        Decision::Escalate(_) => "escalation".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use longhaul_sdk::Incident;

    use super::*;

    fn incident(attempt: u32) -> Incident {
        Incident {
            task: "change[3]".into(),
            agent: "codemod".into(),
            attempt,
            class: IncidentClass::Validation,
            message: "two tests fail".into(),
            evidence: "{}".into(),
            at: 0,
            retry_after: None,
        }
    }

    fn reason(attempt: u32, history: Vec<Past>) -> String {
        let situation = Situation {
            incident: incident(attempt),
            history,
            checkpoints: vec![],
            agents: vec![],
            random: 0,
            config: Empty {},
        };
        match Escalate::decide(situation) {
            Ok(Some(Decision::Escalate(reason))) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_reason_tells_what_failed_how_often_and_what_was_tried() {
        let past = Past { incident: incident(1), strategy: "retry-jitter".into(), decision: Decision::Retry(1_500) };
        assert_eq!(
            reason(2, vec![past]),
            "task `change[3]` (agent `codemod`) failed with validation after 2 attempts: two tests fail; tried before: retry after 1s500ms"
        );
        assert!(reason(1, vec![]).ends_with("1 attempt: two tests fail; nothing was tried before"));
    }
}
