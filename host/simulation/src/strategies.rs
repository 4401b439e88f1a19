//! The bundled strategies, as they are: asked natively what the sandbox would ask them as components.

use longhaul_core::id::Name;
use longhaul_core::incident::{Decision, Incident, IncidentClass, Past, Situation};
use longhaul_sdk::Strategy;
use std::time::Duration;

/// The strategies of a workflow that names none.
pub(crate) const NAMES: [&str; 3] = ["retry-jitter", "rollback-validate", "escalate"];

/// What the strategy of this name says.
pub(crate) fn decide(strategy: &str, situation: &Situation) -> Result<Option<Decision>, String> {
    let decision = match strategy {
        "retry-jitter" => ask::<retry_jitter::RetryJitter>(situation)?,
        "rollback-validate" => ask::<rollback_validate::RollbackValidate>(situation)?,
        _ => ask::<escalate::Escalate>(situation)?,
    };
    decision.map(theirs).transpose()
}

fn ask<S: Strategy>(situation: &Situation) -> Result<Option<longhaul_sdk::Decision>, String> {
    S::decide(longhaul_sdk::Situation {
        incident: incident(&situation.incident),
        history: situation.history.iter().map(past).collect(),
        checkpoints: situation.checkpoints.clone(),
        agents: situation.agents.iter().map(ToString::to_string).collect(),
        random: situation.random,
        config: serde_json::from_value(situation.config.clone()).map_err(|error| error.to_string())?,
    })
}

fn incident(incident: &Incident) -> longhaul_sdk::Incident {
    let problem = &incident.problem;
    longhaul_sdk::Incident {
        task: incident.attempt.task.to_string(),
        agent: incident.agent.to_string(),
        attempt: incident.attempt.number,
        class: class(problem.class),
        message: problem.message.clone(),
        evidence: problem.evidence.to_string(),
        at: incident.at.0,
        retry_after: problem.retry_after.map(millis),
    }
}

fn past(past: &Past) -> longhaul_sdk::Past {
    longhaul_sdk::Past {
        incident: incident(&past.incident),
        strategy: past.strategy.to_string(),
        decision: ours(&past.decision),
    }
}

fn ours(decision: &Decision) -> longhaul_sdk::Decision {
    use longhaul_sdk::Decision as Sdk;
    match decision {
        Decision::Retry { after } => Sdk::Retry(millis(*after)),
        Decision::Rollback { to, validate } => Sdk::Rollback(longhaul_sdk::Rollback {
            to: to.clone(),
            validate: validate.as_ref().map(ToString::to_string),
        }),
        Decision::Reassign { agent } => Sdk::Reassign(agent.to_string()),
        Decision::Split => Sdk::Split,
        Decision::Skip { reason } => Sdk::Skip(reason.clone()),
        Decision::Compensate => Sdk::Compensate,
        Decision::Escalate { reason } => Sdk::Escalate(reason.clone()),
    }
}

fn theirs(decision: longhaul_sdk::Decision) -> Result<Decision, String> {
    use longhaul_sdk::Decision as Sdk;
    let name = |name: String| Name::new(name).map_err(|error| error.to_string());
    Ok(match decision {
        Sdk::Retry(after) => Decision::Retry { after: Duration::from_millis(after) },
        Sdk::Rollback(rollback) => {
            Decision::Rollback { to: rollback.to, validate: rollback.validate.map(name).transpose()? }
        }
        Sdk::Reassign(agent) => Decision::Reassign { agent: name(agent)? },
        Sdk::Split => Decision::Split,
        Sdk::Skip(reason) => Decision::Skip { reason },
        Sdk::Compensate => Decision::Compensate,
        Sdk::Escalate(reason) => Decision::Escalate { reason },
    })
}

fn class(class: IncidentClass) -> longhaul_sdk::IncidentClass {
    use longhaul_sdk::IncidentClass as Sdk;
    match class {
        IncidentClass::Transient => Sdk::Transient,
        IncidentClass::RateLimited => Sdk::RateLimited,
        IncidentClass::Timeout => Sdk::Timeout,
        IncidentClass::Conflict => Sdk::Conflict,
        IncidentClass::Validation => Sdk::Validation,
        IncidentClass::Denied => Sdk::Denied,
        IncidentClass::Exhausted => Sdk::Exhausted,
        IncidentClass::UnknownOutcome => Sdk::UnknownOutcome,
        IncidentClass::Diverged => Sdk::Diverged,
        IncidentClass::Trap => Sdk::Trap,
        IncidentClass::Deadlock => Sdk::Deadlock,
        IncidentClass::Fatal => Sdk::Fatal,
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
