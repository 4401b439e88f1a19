//! The strategy `rollback-validate`, level 2 of recovery: go back to the newest checkpoint, try again from there, and
//! have the new attempt's work accepted by another agent before it counts.
//!
//! It answers for logical errors: `validation`, `conflict`, `trap`, `diverged`. It also answers for `transient`,
//! `rate-limited` and `timeout`: strategies are asked in turn, so when such an incident gets here, every retry before
//! it was used up or not wanted. What no other attempt can mend (`denied`, `exhausted`, `unknown-outcome`, `deadlock`,
//! `fatal`) is left to the next strategy.

use longhaul_sdk::{Decision, IncidentClass, Past, Rollback, Situation, Strategy};
use serde::Deserialize;

/// The strategy.
#[derive(Debug)]
pub struct RollbackValidate;

/// The strategy's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    rollbacks: usize,
    conflicts: usize,
    validate: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { rollbacks: 1, conflicts: 3, validate: None }
    }
}

#[longhaul_sdk::strategy]
impl Strategy for RollbackValidate {
    type Config = Config;

    fn decide(situation: Situation<Config>) -> Result<Option<Decision>, String> {
        let Situation { incident, history, checkpoints, config, .. } = situation;
        // That somebody else was faster says nothing about the work, so it does not count as a try that was no good.
        let is_conflict = incident.class == IncidentClass::Conflict;
        let allowed = if is_conflict { config.conflicts } else { config.rollbacks };
        if !helps(incident.class) || rollbacks(&history, is_conflict) >= allowed {
            return Ok(None);
        }
        let Some(newest) = checkpoints.into_iter().next() else { return Ok(None) };
        Ok(Some(Decision::Rollback(Rollback { to: Some(newest), validate: config.validate })))
    }
}

/// Whether another attempt from an earlier state can go better.
fn helps(class: IncidentClass) -> bool {
    use IncidentClass as Class;
    match class {
        Class::Validation | Class::Conflict | Class::Trap | Class::Diverged => true,
        Class::Transient | Class::RateLimited | Class::Timeout => true,
        Class::Denied | Class::Exhausted | Class::UnknownOutcome | Class::Deadlock | Class::Fatal => false,
    }
}

/// How often this task went back already because of conflicts, or of anything else, whoever decided it.
fn rollbacks(history: &[Past], of_conflicts: bool) -> usize {
    let of_kind = history.iter().filter(|past| (past.incident.class == IncidentClass::Conflict) == of_conflicts);
    of_kind.filter(|past| matches!(past.decision, Decision::Rollback(_))).count()
}

#[cfg(test)]
mod tests {
    use longhaul_sdk::Incident;

    use super::*;

    fn incident(class: IncidentClass) -> Incident {
        Incident {
            task: "change".into(),
            agent: "codemod".into(),
            attempt: 1,
            class,
            message: "it failed".into(),
            evidence: "{}".into(),
            at: 0,
            retry_after: None,
        }
    }

    fn decide(class: IncidentClass, history: Vec<Past>, checkpoints: &[&str], config: &str) -> Option<Decision> {
        RollbackValidate::decide(Situation {
            incident: incident(class),
            history,
            checkpoints: checkpoints.iter().map(|name| (*name).to_owned()).collect(),
            agents: vec![],
            random: 7,
            config: serde_json::from_str(config).unwrap(),
        })
        .unwrap()
    }

    fn back(to: &str, validate: Option<&str>) -> Decision {
        Decision::Rollback(Rollback { to: Some(to.into()), validate: validate.map(str::to_owned) })
    }

    fn past(decision: Decision) -> Past {
        Past { incident: incident(IncidentClass::Validation), strategy: "s".into(), decision }
    }

    #[test]
    fn a_logical_error_goes_back_to_the_newest_checkpoint_and_is_validated() {
        let decision = decide(IncidentClass::Validation, vec![], &["c2", "c1"], r#"{"validate":"tester"}"#);
        assert_eq!(decision, Some(back("c2", Some("tester"))));
    }

    #[test]
    fn it_goes_back_as_often_as_configured_and_retries_do_not_count() {
        let once = || vec![past(back("c1", None)), past(Decision::Retry(5))];
        assert_eq!(decide(IncidentClass::Trap, once(), &["c1"], "{}"), None);
        assert_eq!(decide(IncidentClass::Trap, once(), &["c1"], r#"{"rollbacks":2}"#), Some(back("c1", None)));
    }

    #[test]
    fn conflicts_have_a_count_of_their_own() {
        let conflict = || Past { incident: incident(IncidentClass::Conflict), ..past(back("c1", None)) };
        let after = |class, history| decide(class, history, &["c1"], "{}");
        assert_eq!(
            after(IncidentClass::Conflict, vec![past(back("c1", None)), conflict(), conflict()]),
            Some(back("c1", None))
        );
        assert_eq!(after(IncidentClass::Conflict, vec![conflict(), conflict(), conflict()]), None);
        assert_eq!(after(IncidentClass::Validation, vec![conflict(), conflict()]), Some(back("c1", None)));
        assert_eq!(decide(IncidentClass::Conflict, vec![conflict()], &["c1"], r#"{"conflicts":1}"#), None);
    }

    #[test]
    fn without_a_checkpoint_or_hope_the_next_strategy_is_asked() {
        assert_eq!(decide(IncidentClass::Validation, vec![], &[], "{}"), None);
        for class in [IncidentClass::Denied, IncidentClass::Exhausted, IncidentClass::Fatal] {
            assert_eq!(decide(class, vec![], &["c1"], "{}"), None);
        }
    }

    #[test]
    fn a_timeout_that_retries_did_not_mend_goes_back() {
        let decision = decide(IncidentClass::Timeout, vec![past(Decision::Retry(1))], &["c1"], "{}");
        assert_eq!(decision, Some(back("c1", None)));
    }
}
