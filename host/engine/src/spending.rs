//! What a run has used up of its budget, and which part is used up.
//!
//! Wall time is apart: it passes by itself, and the dispatcher has a timer for it. Everything else is asked about before something begins. What
//! is under way goes on, so attempts side by side can pass a budget together by what the others of them use meanwhile;
//! of fuel an attempt gets at most what is left when it begins, and one that reports tokens and money while it works is recalled
//! when they are used up.

use longhaul_core::attempt::Usage;
use longhaul_core::entry::Budget;
use longhaul_core::id::AttemptId;
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::spend::Spent;
use longhaul_core::units::{Bytes, Fuel};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A part of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Computing.
    Fuel,
    /// Tokens of models.
    Tokens,
    /// What models cost.
    Money,
    /// Disk space.
    Disk,
    /// Time.
    WallTime,
}

/// The sum of what attempts used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) fuel: Fuel,
    pub(crate) spent: Spent,
}

/// What a run may use up, and has used up.
pub(crate) struct Spending {
    budget: Budget,
    state: Mutex<State>,
    /// Attempts under way that went on spending when tokens or money were used up.
    over: watch::Sender<HashSet<AttemptId>>,
}

struct State {
    used: Used,
    /// What attempts under way have reported, which is counted already; none of those that the record counts in full.
    open: HashMap<AttemptId, Option<Spent>>,
}

impl Spending {
    pub(crate) fn new(budget: Budget, used: Used) -> Self {
        let state = State { used, open: HashMap::new() };
        Self { budget, state: Mutex::new(state), over: watch::Sender::default() }
    }

    /// What may be used up.
    pub(crate) fn budget(&self) -> Budget {
        self.budget
    }

    /// What was used up.
    pub(crate) fn used(&self) -> Used {
        self.lock().used
    }

    /// What an attempt used that is done again is in the record already, and counted.
    pub(crate) fn is_recorded(&self, attempt: AttemptId) {
        self.lock().open.insert(attempt, None);
    }

    /// An attempt has ended, and used this in all; none where the record had its end already.
    pub(crate) fn ended(&self, attempt: &AttemptId, usage: Option<&Usage>) {
        let mut state = self.lock();
        let told = state.open.remove(attempt).flatten().unwrap_or_default();
        match usage {
            Some(usage) => {
                state.used.fuel += usage.fuel;
                state.used.spent = state.used.spent + (Spent::of(usage) - told);
            }
            None => state.used.spent = state.used.spent - told,
        }
        drop(state);
        self.over.send_if_modified(|over| over.remove(attempt));
    }

    /// The part that is used up, where one is; the run's content takes `disk`.
    pub(crate) fn exhausted(&self, disk: Bytes) -> Option<Part> {
        let part = self.part(&self.used());
        part.or_else(|| self.budget.disk.filter(|most| disk > *most).map(|_| Part::Disk))
    }

    /// The part that is used up where an attempt has ended with this usage; none where there is something left of all.
    pub(crate) fn exhausted_by(&self, attempt: &AttemptId, usage: &Usage) -> Option<Part> {
        let state = self.lock();
        let told = state.open.get(attempt).copied().flatten().unwrap_or_default();
        let spent = state.used.spent + (Spent::of(usage) - told);
        let used = Used { fuel: state.used.fuel + usage.fuel, spent };
        drop(state);
        self.part(&used)
    }

    /// `limit`, or what is left of the fuel where that is less.
    pub(crate) fn fuel_at_most(&self, limit: Fuel) -> Fuel {
        let used = self.used().fuel;
        self.budget.fuel.map_or(limit, |budget| Fuel(budget.0.saturating_sub(used.0)).min(limit))
    }

    /// An attempt has spent this so far.
    pub(crate) fn so_far(&self, attempt: &AttemptId, spent: Spent) {
        let mut state = self.lock();
        let Some(told) = state.open.entry(attempt.clone()).or_insert(Some(Spent::default())) else { return };
        let more = spent - *told;
        *told = *told + more;
        state.used.spent = state.used.spent + more;
        let used = state.used;
        drop(state);
        if more != Spent::default() && matches!(self.part(&used), Some(Part::Tokens | Part::Money)) {
            self.over.send_if_modified(|over| over.insert(attempt.clone()));
        }
    }

    /// Resolves when an attempt has gone on spending although there is nothing left.
    pub(crate) async fn overspent(&self, attempt: &AttemptId) -> Part {
        let mut over = self.over.subscribe();
        if over.wait_for(|over| over.contains(attempt)).await.is_err() {
            // The sender is borrowed here, so it is not gone.
            return std::future::pending().await;
        }
        self.part(&self.used()).unwrap_or(Part::Tokens)
    }

    fn part(&self, used: &Used) -> Option<Part> {
        let is_up = |budget: Option<u64>, used: u64| budget.is_some_and(|budget| used >= budget);
        let Budget { fuel, tokens, money, .. } = &self.budget;
        [
            (Part::Fuel, is_up(fuel.map(|fuel| fuel.0), used.fuel.0)),
            (Part::Tokens, is_up(tokens.map(|tokens| tokens.0), used.spent.tokens.0)),
            (Part::Money, is_up(money.map(|money| money.0), used.spent.money.0)),
        ]
        .into_iter()
        .find_map(|(part, is_up)| is_up.then_some(part))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Sums are changed whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// Its name in workflows, records and messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Part::Fuel => "fuel",
            Part::Tokens => "tokens",
            Part::Money => "money",
            Part::Disk => "disk",
            Part::WallTime => "wall_time",
        }
    }

    /// What a run of this budget is told that has used up this part of it.
    pub(crate) fn reason(self, budget: &Budget) -> String {
        let none = || "none".to_owned();
        let what = match self {
            Part::Fuel => format!("{} units of fuel", budget.fuel.map_or_else(none, |fuel| fuel.to_string())),
            Part::Tokens => format!("{} tokens", budget.tokens.map_or_else(none, |tokens| tokens.to_string())),
            Part::Money => format!("{} of money", budget.money.map_or_else(none, |money| money.to_string())),
            Part::Disk => format!("{} of disk", budget.disk.map_or_else(none, |disk| disk.to_string())),
            Part::WallTime => format!("{} of wall time", longhaul_core::units::show_duration(budget.wall_time)),
        };
        let option = self.as_str().replace('_', "-");
        format!(
            "the budget of {what} is used up; raise it to go on: `longhaul resume --{option} …`, or `budget.{self}` for the next run"
        )
    }

    /// What an attempt has as its problem that ends because of it.
    pub(crate) fn problem(self, budget: &Budget) -> Problem {
        Problem::new(IncidentClass::Exhausted, self.reason(budget)).with_evidence(json!({ "budget": self.as_str() }))
    }

    /// The part of the run's budget that a problem says to be used up: then it is not the task's failure.
    pub(crate) fn of(problem: &Problem) -> Option<Self> {
        let named = problem.evidence.get("budget")?.as_str()?;
        let parts = [Part::Fuel, Part::Tokens, Part::Money, Part::Disk];
        parts.into_iter().find(|part| problem.class == IncidentClass::Exhausted && part.as_str() == named)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
