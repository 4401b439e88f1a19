//! The strategy `by-class`: decides by rules that an operator writes, each for some classes of incidents.
//!
//! The first rule that fits decides. A rule decides a limited number of times for one task, counted by what was decided before, so that a
//! chain comes to an end; what no rule fits is left to the next strategy.

use longhaul_sdk::{Decision, Incident, IncidentClass, Past, Rollback, Situation, Span, Strategy};
use serde::Deserialize;

/// The strategy.
#[derive(Debug)]
pub struct ByClass;

/// The strategy's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    class: Classes,
    decide: What,
    #[serde(default = "once")]
    times: usize,
    #[serde(default)]
    after: Span,
    #[serde(default)]
    back: usize,
    validate: Option<String>,
    agent: Option<String>,
    reason: Option<String>,
}

/// One class, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Classes {
    One(String),
    Several(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Retry,
    RollBack,
    Reassign,
    Split,
    Skip,
    Compensate,
    Escalate,
}

const CLASSES: [(&str, IncidentClass); 12] = [
    ("transient", IncidentClass::Transient),
    ("rate-limited", IncidentClass::RateLimited),
    ("timeout", IncidentClass::Timeout),
    ("conflict", IncidentClass::Conflict),
    ("validation", IncidentClass::Validation),
    ("denied", IncidentClass::Denied),
    ("exhausted", IncidentClass::Exhausted),
    ("unknown-outcome", IncidentClass::UnknownOutcome),
    ("diverged", IncidentClass::Diverged),
    ("trap", IncidentClass::Trap),
    ("deadlock", IncidentClass::Deadlock),
    ("fatal", IncidentClass::Fatal),
];

#[longhaul_sdk::strategy]
impl Strategy for ByClass {
    type Config = Config;

    fn decide(situation: Situation<Config>) -> Result<Option<Decision>, String> {
        let Situation { incident, history, checkpoints, config, .. } = situation;
        for rule in &config.rules {
            if rule.class.fit(incident.class)? && rule.times_used(&history) < rule.times {
                return rule.decision(&incident, &checkpoints).map(Some);
            }
        }
        Ok(None)
    }
}

impl Classes {
    fn fit(&self, class: IncidentClass) -> Result<bool, String> {
        let named = match self {
            Classes::One(name) => std::slice::from_ref(name),
            Classes::Several(names) => names,
        };
        for name in named {
            if name == "any" {
                return Ok(true);
            }
            let Some((_, known)) = CLASSES.iter().find(|(known, _)| known == name) else {
                let all: Vec<_> = CLASSES.iter().map(|(name, _)| *name).collect();
                return Err(format!("`{name}` is not a class of incidents; they are `any`, {}", all.join(", ")));
            };
            if *known == class {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Rule {
    /// How often it was decided so for the incidents that this rule is for, whoever decided it.
    fn times_used(&self, history: &[Past]) -> usize {
        let fits = |past: &&Past| self.class.fit(past.incident.class) == Ok(true);
        history.iter().filter(fits).filter(|past| self.decide == what(&past.decision)).count()
    }

    fn decision(&self, incident: &Incident, checkpoints: &[String]) -> Result<Decision, String> {
        let reason = || self.reason.clone().unwrap_or_else(|| incident.message.clone());
        Ok(match self.decide {
            What::Retry => {
                let asked = incident.retry_after.unwrap_or_default();
                Decision::Retry(self.after.as_millis().max(asked))
            }
            What::RollBack => {
                // Where there are fewer checkpoints, the oldest of them.
                let to = checkpoints.get(self.back).or(checkpoints.last()).cloned();
                Decision::Rollback(Rollback { to, validate: self.validate.clone() })
            }
            What::Reassign => match &self.agent {
                Some(agent) => Decision::Reassign(agent.clone()),
                None => return Err("a rule that decides `reassign` needs `agent`, the one that takes over".to_owned()),
            },
            What::Split => Decision::Split,
            What::Skip => Decision::Skip(reason()),
            What::Compensate => Decision::Compensate,
            What::Escalate => Decision::Escalate(reason()),
        })
    }
}

fn what(decision: &Decision) -> What {
    match decision {
        Decision::Retry(_) => What::Retry,
        Decision::Rollback(_) => What::RollBack,
        Decision::Reassign(_) => What::Reassign,
        Decision::Split => What::Split,
        Decision::Skip(_) => What::Skip,
        Decision::Compensate => What::Compensate,
        Decision::Escalate(_) => What::Escalate,
    }
}

fn once() -> usize {
    1
}

#[cfg(test)]
mod tests {
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

    fn decide(class: IncidentClass, before: Vec<Decision>, rules: &str) -> Result<Option<Decision>, String> {
        let past = |decision| Past { incident: incident(class), strategy: "s".into(), decision };
        ByClass::decide(Situation {
            incident: incident(class),
            history: before.into_iter().map(past).collect(),
            checkpoints: ["c3", "c2", "c1"].map(str::to_owned).to_vec(),
            agents: vec![],
            random: 7,
            config: serde_json::from_str(&format!(r#"{{"rules":[{rules}]}}"#)).unwrap(),
        })
    }

    const RULES: &str = r#"{"class":["timeout","exhausted"],"decide":"split"},
        {"class":"unknown-outcome","decide":"compensate"},
        {"class":"unknown-outcome","decide":"retry","after":"2s","times":2},
        {"class":"any","decide":"escalate","reason":"look"}"#;

    #[test]
    fn the_first_rule_that_fits_and_is_not_used_up_decides() {
        use IncidentClass as Class;
        assert_eq!(decide(Class::Exhausted, vec![], RULES), Ok(Some(Decision::Split)));
        assert_eq!(decide(Class::Exhausted, vec![Decision::Split], RULES), Ok(Some(Decision::Escalate("look".into()))));
        assert_eq!(decide(Class::UnknownOutcome, vec![], RULES), Ok(Some(Decision::Compensate)));
        let after = decide(Class::UnknownOutcome, vec![Decision::Compensate, Decision::Retry(1)], RULES);
        assert_eq!(after, Ok(Some(Decision::Retry(2_000))));
        assert_eq!(decide(Class::Trap, vec![Decision::Escalate("x".into())], RULES), Ok(None));
    }

    #[test]
    fn a_rollback_goes_back_as_far_as_it_says_and_as_there_are_checkpoints() {
        for (back, to) in [(0, "c3"), (1, "c2"), (9, "c1")] {
            let rules = format!(r#"{{"class":"validation","decide":"roll-back","back":{back},"validate":"tester"}}"#);
            let expected = Decision::Rollback(Rollback { to: Some(to.into()), validate: Some("tester".into()) });
            assert_eq!(decide(IncidentClass::Validation, vec![], &rules), Ok(Some(expected)));
        }
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let error = decide(IncidentClass::Trap, vec![], r#"{"class":"sorrow","decide":"skip"}"#).unwrap_err();
        assert!(error.starts_with("`sorrow` is not a class of incidents; they are `any`, transient,"), "{error}");
        let error = decide(IncidentClass::Trap, vec![], r#"{"class":"trap","decide":"reassign"}"#).unwrap_err();
        assert!(error.contains("needs `agent`"), "{error}");
    }
}
