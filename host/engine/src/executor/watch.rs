//! Watches an instance for what its own limits do not see: that nothing happens any more, that its task's deadline passes, that
//! the run's budget is used up while it spends.
//!
//! Signs of life are counted, not timed: a clock that jumps makes nobody stall. A replay is not ended before it is where the
//! attempt was, because what it then does is in the record already.

use crate::deadlines::missed;
use crate::shared::Shared;
use crate::transcript::Transcript;
use longhaul_core::attempt::Limits;
use longhaul_core::id::AttemptId;
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::recall::Recall;
use longhaul_core::spend::{Meter, Spent};
use longhaul_core::units::show_duration;
use serde_json::json;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How often a silent attempt is looked at before it counts as stalled: it is ended up to a tenth later than it could be.
const LOOKS: u32 = 10;
/// How often it is looked whether a replay is where the attempt was.
const REPLAY: Duration = Duration::from_millis(50);

/// Watches one instance.
pub(super) struct Watch {
    shared: Arc<Shared>,
    transcript: Arc<Transcript>,
    attempt: AttemptId,
    /// How long it may be silent, and what that is with one host call under way.
    stall: Option<(Duration, Duration)>,
    deadline: Option<Duration>,
}

impl Watch {
    /// A watch over an instance with these `limits`, whose task has this deadline.
    pub(super) fn new(
        shared: &Arc<Shared>,
        transcript: &Arc<Transcript>,
        attempt: &AttemptId,
        limits: &Limits,
        deadline: Option<Duration>,
    ) -> Arc<Self> {
        // A guest makes one host call at a time, and what it did is recorded at its end at the latest.
        let stall = limits.stall.map(|stall| (stall, stall.saturating_add(limits.call_time)));
        // A limit that comes later than that on the whole attempt has nothing to say.
        let stall = stall.filter(|(_, silence)| *silence < limits.time);
        let (shared, transcript, attempt) = (Arc::clone(shared), Arc::clone(transcript), attempt.clone());
        Arc::new(Self { shared, transcript, attempt, stall, deadline })
    }

    async fn deadline(&self) -> Problem {
        let Some(span) = self.deadline else { return std::future::pending().await };
        self.shared.deadlines.pass(Some(span)).await;
        while !self.transcript.is_live() {
            self.shared.ports.time.sleep(REPLAY).await;
        }
        missed(span)
    }

    /// It goes on spending, and there is nothing left of the run's budget.
    async fn overspent(&self) -> Problem {
        let part = self.shared.spending.overspent(&self.attempt).await;
        while !self.transcript.is_live() {
            self.shared.ports.time.sleep(REPLAY).await;
        }
        part.problem(&self.shared.spending.budget())
    }

    async fn stalled(&self) -> Problem {
        let Some((stall, silence)) = self.stall else { return std::future::pending().await };
        let mut looks = 0;
        let mut signs = self.transcript.signs().count;
        while looks < LOOKS {
            self.shared.ports.time.sleep(silence / LOOKS).await;
            let now = self.transcript.signs().count;
            looks = if now == signs && self.transcript.may_time_out() { looks + 1 } else { 0 };
            signs = now;
        }
        let signs = self.transcript.signs();
        let last = signs.last.map_or_else(|| "since it began".to_owned(), |last| format!("since {last}"));
        let stall = show_duration(stall);
        let message = format!(
            "the attempt stalled: it did nothing that is recorded {last}, which is longer than its {stall}; let the agent log or \
             report progress, or raise `limits.stall`"
        );
        let last = signs.last.map(|last| last.0);
        let evidence = json!({ "limit": "stall", "stall": stall, "last_at": last, "recorded": signs.recorded });
        Problem::new(IncidentClass::Timeout, message).with_evidence(evidence)
    }
}

impl Recall for Watch {
    fn recalled(&self) -> Pin<Box<dyn Future<Output = Problem> + Send + '_>> {
        Box::pin(async {
            tokio::select! {
                biased;
                problem = self.deadline() => problem,
                problem = self.overspent() => problem,
                problem = self.stalled() => problem,
            }
        })
    }
}

impl Meter for Watch {
    fn so_far(&self, spent: Spent) {
        self.shared.spending.so_far(&self.attempt, spent);
    }
}
