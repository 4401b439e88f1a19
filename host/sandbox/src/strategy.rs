//! Asks a strategy for a decision. A strategy is pure: it gets no files and no time, and little of everything else.

use crate::bindings::strategy::exports::longhaul::plugin::recovery as wit;
use crate::guest::GuestConfig;
use crate::host::millis;
use crate::no_files::NoFiles;
use crate::plugin::{Linked, Plugin};
use crate::run::{Finish, new_store, run_to_end};
use crate::sandbox::Inner;
use longhaul_core::attempt::{Limits, NeverCommits, Recorder};
use longhaul_core::clock::Clock;
use longhaul_core::digest::Digest;
use longhaul_core::grant::Grant;
use longhaul_core::id::Name;
use longhaul_core::incident::{Decision, Incident, IncidentClass, Situation};
use longhaul_core::reach::{Reach, Services};
use longhaul_core::recall::NeverRecalled;
use longhaul_core::spend::Unmetered;
use longhaul_core::units::{Bytes, Fuel, Timestamp};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a decision may take: 1 G of fuel, 64 MiB, 10 seconds.
fn limits() -> Limits {
    Limits {
        fuel: Fuel(1_000_000_000),
        memory: Bytes(64 << 20),
        time: Duration::from_secs(10),
        handles: 64,
        events: 1_000,
        ..Limits::default()
    }
}

/// A strategy sees the time of the incident, always the same.
struct Frozen(Timestamp);

impl Clock for Frozen {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// Asks on the calling thread, which is one of the guests'.
pub(crate) async fn decide(
    inner: &Inner,
    plugin: &Plugin,
    situation: Situation,
    recorder: Arc<dyn Recorder>,
) -> Result<Option<Decision>, String> {
    let Linked::Strategy(strategy) = &plugin.linked else {
        return Err("the plugin is an agent and cannot decide".to_owned());
    };
    let config = GuestConfig {
        limits: limits(),
        grant: Grant::new([]).map_err(|e| e.to_string())?,
        stage: Arc::new(NoFiles),
        recorder,
        clock: Arc::new(Frozen(situation.incident.at)),
        committer: Arc::new(NeverCommits),
        recall: Arc::new(NeverRecalled),
        reach: Reach::alone(Services::default()),
        asker: None,
        model: None,
        spending: Arc::new(Unmetered),
        began: situation.incident.at,
        seed: Digest::of(&situation.random.to_be_bytes()),
        suspends: false,
    };
    let situation = to_wit(&situation);
    let store = new_store(&inner.engine, &inner.ticker, config).map_err(|e| format!("{e:#}"))?;
    let finish = run_to_end(store, &inner.ticker, Instant::now(), async |store| {
        let instance = strategy.instantiate_async(&mut *store).await?;
        instance.longhaul_plugin_recovery().call_decide(&mut *store, &situation).await
    })
    .await;
    match finish {
        Finish::Suspended(_) => Err("it waits, and a strategy has to decide at once".to_owned()),
        Finish::Ended(Err(problem), _) => Err(problem.message),
        Finish::Ended(Ok(Err(message)), _) => Err(message.chars().take(4_000).collect()),
        Finish::Ended(Ok(Ok(decision)), _) => decision.map(from_wit).transpose(),
    }
}

fn to_wit(situation: &Situation) -> wit::Situation {
    let history = situation.history.iter().map(|past| wit::Past {
        incident: incident_to_wit(&past.incident),
        strategy: past.strategy.to_string(),
        decision: decision_to_wit(&past.decision),
    });
    wit::Situation {
        incident: incident_to_wit(&situation.incident),
        history: history.collect(),
        checkpoints: situation.checkpoints.clone(),
        agents: situation.agents.iter().map(Name::to_string).collect(),
        random: situation.random,
        config: situation.config.to_string(),
    }
}

fn incident_to_wit(incident: &Incident) -> wit::Incident {
    wit::Incident {
        task: incident.attempt.task.to_string(),
        agent: incident.agent.to_string(),
        attempt: incident.attempt.number,
        class: class_to_wit(incident.problem.class),
        message: incident.problem.message.clone(),
        evidence: incident.problem.evidence.to_string(),
        at: incident.at.0,
        retry_after: incident.problem.retry_after.map(millis),
    }
}

fn class_to_wit(class: IncidentClass) -> wit::IncidentClass {
    match class {
        IncidentClass::Transient => wit::IncidentClass::Transient,
        IncidentClass::RateLimited => wit::IncidentClass::RateLimited,
        IncidentClass::Timeout => wit::IncidentClass::Timeout,
        IncidentClass::Conflict => wit::IncidentClass::Conflict,
        IncidentClass::Validation => wit::IncidentClass::Validation,
        IncidentClass::Denied => wit::IncidentClass::Denied,
        IncidentClass::Exhausted => wit::IncidentClass::Exhausted,
        IncidentClass::UnknownOutcome => wit::IncidentClass::UnknownOutcome,
        IncidentClass::Diverged => wit::IncidentClass::Diverged,
        IncidentClass::Trap => wit::IncidentClass::Trap,
        IncidentClass::Deadlock => wit::IncidentClass::Deadlock,
        IncidentClass::Fatal => wit::IncidentClass::Fatal,
    }
}

fn decision_to_wit(decision: &Decision) -> wit::Decision {
    match decision.clone() {
        Decision::Retry { after } => wit::Decision::Retry(millis(after)),
        Decision::Rollback { to, validate } => {
            wit::Decision::Rollback(wit::Rollback { to, validate: validate.map(String::from) })
        }
        Decision::Reassign { agent } => wit::Decision::Reassign(agent.into()),
        Decision::Split => wit::Decision::Split,
        Decision::Skip { reason } => wit::Decision::Skip(reason),
        Decision::Compensate => wit::Decision::Compensate,
        Decision::Escalate { reason } => wit::Decision::Escalate(reason),
    }
}

/// Names in a decision are checked for their form here; whether they exist is the engine's question.
fn from_wit(decision: wit::Decision) -> Result<Decision, String> {
    let name = |text: String| Name::new(text).map_err(|e| e.to_string());
    let short = |text: String| text.chars().take(4_000).collect::<String>();
    Ok(match decision {
        wit::Decision::Retry(after) => Decision::Retry { after: Duration::from_millis(after) },
        wit::Decision::Rollback(rollback) => {
            Decision::Rollback { to: rollback.to.map(short), validate: rollback.validate.map(name).transpose()? }
        }
        wit::Decision::Reassign(agent) => Decision::Reassign { agent: name(agent)? },
        wit::Decision::Split => Decision::Split,
        wit::Decision::Skip(reason) => Decision::Skip { reason: short(reason) },
        wit::Decision::Compensate => Decision::Compensate,
        wit::Decision::Escalate(reason) => Decision::Escalate { reason: short(reason) },
    })
}
