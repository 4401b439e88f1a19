//! Asks strategies in turn, until one decides something that can be done.

use super::case::{Asker, Case, Verdict};
use crate::ports::JournalError;
use crate::shared::Shared;
use crate::transcript::Transcript;
use longhaul_core::entry::Entry;
use longhaul_core::id::Name;
use longhaul_core::incident::{Decision, Past};
use std::time::Duration;

/// How long a strategy is waited for. The sandbox has a limit of its own; this is for the case that it hangs itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// Finds out what to do about an incident, and what to remember of it.
///
/// # Errors
/// [`JournalError`] where the record is lost.
#[tracing::instrument(name = "recover", skip_all, fields(run = %shared.run, task = %case.incident.attempt.task))]
pub(crate) async fn recover(shared: &Shared, case: &Case) -> Result<(Verdict, Option<Past>), JournalError> {
    for strategy in case.chain.iter().filter(|strategy| !case.asked.contains(strategy)) {
        let answer = ask(shared, strategy, case).await;
        let (decision, verdict) = match answer {
            Ok(None) => (None, Ok(None)),
            Ok(Some(decision)) => {
                let verdict = case.verdict(&decision, &shared.agents, &shared.checks).map(Some);
                (Some(decision), verdict)
            }
            Err(error) => (None, Err(error)),
        };
        let (verdict, error) = match verdict {
            Ok(verdict) => (verdict, None),
            Err(error) => (None, Some(error)),
        };
        if let Some(error) = &error {
            tracing::warn!(%strategy, error, "a strategy could not help");
        }
        let checkpoint = match &verdict {
            Some(Verdict::GoBack(way)) => Some(way.number),
            _ => None,
        };
        let decided = Entry::Decided { strategy: strategy.clone(), decision: decision.clone(), error, checkpoint };
        shared.ledger.attempt(&case.incident.attempt, decided)?;
        if let (Some(verdict), Some(decision)) = (verdict, decision) {
            let past = Past { incident: case.incident.clone(), strategy: strategy.clone(), decision };
            return Ok((verdict, Some(past)));
        }
    }
    let problem = &case.incident.problem;
    let reason = format!("no strategy knows what to do about this {}: {}", problem.class, problem.message);
    Ok((Verdict::GiveUp(reason), None))
}

async fn ask(shared: &Shared, strategy: &Name, case: &Case) -> Result<Option<Decision>, String> {
    let Some(configured) = shared.strategies.get(strategy) else {
        return Err(format!("there is no strategy `{strategy}` in this run"));
    };
    let attempt = &case.incident.attempt;
    let asker = Asker { run: &shared.run, seed: shared.seed, strategy };
    let situation = case.situation(asker, shared.agents.keys(), configured.config.clone());
    let recorder = Transcript::new(shared.ledger.clone(), attempt.task.clone(), None).open(attempt.number, 0);
    tokio::select! {
        biased;
        answer = shared.ports.plugins.decide(strategy, situation, recorder) => answer,
        () = shared.ports.time.sleep(PATIENCE) => Err(format!("it did not answer within {} s", PATIENCE.as_secs())),
    }
}
