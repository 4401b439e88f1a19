//! The strategy `retry-jitter`, level 1 of recovery: try again after a growing, random wait.
//!
//! Waits are exponential with full jitter: before attempt n + 1 a random time between zero and
//! `min(cap, base · 2^(n-1))`, so that tasks which failed together do not come back together. A service that says how
//! long to wait is given that long, and the random time on top.
//!
//! It answers for `transient`, `rate-limited` and `timeout`. A trap is left to the next strategy: agents are
//! deterministic, so the same input most likely traps again. Add `trap` to `classes` for an agent whose work depends
//! on a model's answers.

use longhaul_sdk::{Decision, Incident, IncidentClass, Past, Situation, Span, Strategy};
use serde::Deserialize;

/// The strategy.
#[derive(Debug)]
pub struct RetryJitter;

/// The strategy's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    attempts: u32,
    base: Span,
    cap: Span,
    patience: Span,
    classes: Vec<Class>,
}

/// A class of incidents that trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Class {
    Transient,
    RateLimited,
    Timeout,
    Trap,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            attempts: 3,
            base: Span::from_secs(1),
            cap: Span::from_secs(5 * 60),
            patience: Span::from_secs(60 * 60),
            classes: vec![Class::Transient, Class::RateLimited, Class::Timeout],
        }
    }
}

#[longhaul_sdk::strategy]
impl Strategy for RetryJitter {
    type Config = Config;

    fn decide(situation: Situation<Config>) -> Result<Option<Decision>, String> {
        let Situation { incident, history, random, config, .. } = situation;
        if config.attempts == 0 {
            return Err("config, field `attempts`: 0 attempts do nothing; write 1 for no second attempt".to_owned());
        }
        if !config.classes.iter().any(|class| class.covers(&incident)) {
            return Ok(None);
        }
        let retries = retries_in_a_row(&history);
        if retries + 1 >= config.attempts {
            return Ok(None);
        }
        let asked = incident.retry_after.unwrap_or(0);
        if asked > config.patience.as_millis() {
            return Ok(None);
        }
        let longest = config.base.as_millis().saturating_mul(1_u64.checked_shl(retries).unwrap_or(u64::MAX));
        let longest = longest.min(config.cap.as_millis());
        Ok(Some(Decision::Retry(asked.saturating_add(within(random, longest)))))
    }
}

impl Class {
    fn covers(self, incident: &Incident) -> bool {
        let class = match self {
            Self::Transient => IncidentClass::Transient,
            Self::RateLimited => IncidentClass::RateLimited,
            Self::Timeout => IncidentClass::Timeout,
            Self::Trap => IncidentClass::Trap,
        };
        class == incident.class
    }
}

/// How many retries the newest incidents were answered with. After a rollback, or another agent, counting begins anew.
fn retries_in_a_row(history: &[Past]) -> u32 {
    let retries = history.iter().rev().take_while(|past| matches!(past.decision, Decision::Retry(_))).count();
    u32::try_from(retries).unwrap_or(u32::MAX - 1)
}

/// A number from 0 to `most`, evenly spread, made of the random number.
fn within(random: u64, most: u64) -> u64 {
    let product = u128::from(random) * (u128::from(most) + 1);
    // The upper half of the product is below `most + 1`, so it fits.
    (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(class: IncidentClass, attempt: u32, retry_after: Option<u64>) -> Incident {
        Incident {
            task: "change".into(),
            agent: "codemod".into(),
            attempt,
            class,
            message: "it failed".into(),
            evidence: "{}".into(),
            at: 0,
            retry_after,
        }
    }

    fn past(decision: Decision) -> Past {
        Past { incident: incident(IncidentClass::Transient, 1, None), strategy: "retry".into(), decision }
    }

    fn decide(incident: Incident, history: Vec<Past>, random: u64, config: &str) -> Option<Decision> {
        let config = serde_json::from_str(config).unwrap();
        let situation = Situation { incident, history, checkpoints: vec![], agents: vec![], random, config };
        RetryJitter::decide(situation).unwrap()
    }

    #[test]
    fn waits_double_up_to_the_cap() {
        let longest = |retries| {
            let history = (0..retries).map(|_| past(Decision::Retry(1))).collect();
            decide(
                incident(IncidentClass::Timeout, retries + 1, None),
                history,
                u64::MAX,
                r#"{"attempts":99,"cap":"10s"}"#,
            )
        };
        let waits: Vec<_> = [0, 1, 2, 3, 4, 80].into_iter().map(longest).collect();
        let wanted = [1_000, 2_000, 4_000, 8_000, 10_000, 10_000].map(|wait| Some(Decision::Retry(wait)));
        assert_eq!(waits, wanted);
    }

    #[test]
    fn chance_spreads_waits_from_zero_to_the_longest() {
        let wait = |random| decide(incident(IncidentClass::Transient, 1, None), vec![], random, "{}");
        assert_eq!(wait(0), Some(Decision::Retry(0)));
        assert_eq!(wait(u64::MAX / 2), Some(Decision::Retry(500)));
        assert_eq!(wait(u64::MAX), Some(Decision::Retry(1_000)));
    }

    #[test]
    fn a_service_gets_at_least_the_wait_it_asked_for_up_to_patience() {
        let limited = |asked| incident(IncidentClass::RateLimited, 1, Some(asked));
        assert_eq!(decide(limited(600_000), vec![], 0, "{}"), Some(Decision::Retry(600_000)));
        assert_eq!(decide(limited(600_000), vec![], u64::MAX, "{}"), Some(Decision::Retry(601_000)));
        assert_eq!(decide(limited(u64::MAX), vec![], 0, "{}"), None);
    }

    #[test]
    fn attempts_are_counted_and_a_rollback_begins_anew() {
        let third = || incident(IncidentClass::Transient, 3, None);
        let retry = || past(Decision::Retry(1));
        assert_eq!(decide(third(), vec![retry(), retry()], 0, "{}"), None);
        let rollback = past(Decision::Rollback(longhaul_sdk::Rollback { to: None, validate: None }));
        assert_eq!(decide(third(), vec![retry(), retry(), rollback], 0, "{}"), Some(Decision::Retry(0)));
    }

    #[test]
    fn other_incidents_and_traps_are_left_to_the_next_strategy() {
        for class in [IncidentClass::Validation, IncidentClass::Denied, IncidentClass::Fatal, IncidentClass::Trap] {
            assert_eq!(decide(incident(class, 1, None), vec![], 0, "{}"), None);
        }
        let trap = incident(IncidentClass::Trap, 1, None);
        assert_eq!(decide(trap, vec![], 0, r#"{"classes":["trap"]}"#), Some(Decision::Retry(0)));
    }

    #[test]
    fn unknown_classes_and_bad_spans_are_refused() {
        assert!(serde_json::from_str::<Config>(r#"{"classes":["fatal"]}"#).is_err());
        assert!(serde_json::from_str::<Config>(r#"{"base":"1 second"}"#).is_err());
    }
}
