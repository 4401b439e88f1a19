//! [`Pace`]: how fast a provider may be asked. In no minute it is asked more often, or about more tokens, than its limits say.
//!
//! The last minute is kept as a list, and not as a bucket that fills: a bucket lets through what it has saved on top of what flows in, which
//! is a burst past the limit. Whoever comes first goes first. What a request will take is estimated before and corrected when it is
//! known.

use longhaul_core::units::Tokens;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The time that limits are for.
const MINUTE: Duration = Duration::from_secs(60);

/// What a provider may be asked in a minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests; any number where none is given.
    pub requests: Option<u32>,
    /// Tokens, read and written; any number where none is given.
    pub tokens: Option<Tokens>,
}

/// Lets requests through one by one, as fast as they may go.
#[derive(Debug, Default)]
pub struct Pace {
    limits: Limits,
    /// The line in which requests wait. It is a fair lock: first come, first served.
    line: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What went through in the last minute, oldest first: when, which one, how many tokens.
    past: VecDeque<(Instant, u64, u64)>,
    /// The tokens of all of these.
    tokens: u64,
    /// The number of the next one.
    next: u64,
    /// The provider wants to be left alone until then.
    closed: Option<Instant>,
}

/// A request that went through.
#[derive(Debug)]
pub struct Pass(u64);

impl Pace {
    /// A pace within these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Waits until a request may go that takes about so many tokens.
    ///
    /// # Errors
    /// That is surely not before `until`; the error is how long it would take.
    pub async fn pass(&self, tokens: Tokens, until: Instant) -> Result<Pass, Duration> {
        let Ok(_turn) = tokio::time::timeout_at(until, self.line.lock()).await else {
            return Err(self.opens_in());
        };
        loop {
            let now = Instant::now();
            let at = match self.try_pass(tokens, now) {
                Ok(pass) => return Ok(pass),
                Err(at) => at,
            };
            if at > until {
                return Err(at.saturating_duration_since(now));
            }
            tokio::time::sleep_until(at).await;
        }
    }

    /// Says what a request really took.
    pub fn took(&self, pass: &Pass, tokens: Tokens) {
        let mut state = self.lock();
        let state = &mut *state;
        if let Some((_, _, told)) = state.past.iter_mut().rev().find(|(_, number, _)| *number == pass.0) {
            state.tokens = state.tokens.saturating_sub(*told).saturating_add(tokens.0);
            *told = tokens.0;
        }
    }

    /// Lets nothing through for this long, because the provider asks for it.
    pub fn close(&self, span: Duration) {
        let until = Instant::now() + span;
        let mut state = self.lock();
        state.closed = state.closed.max(Some(until));
    }

    /// How long it takes at least until the next one may go.
    fn opens_in(&self) -> Duration {
        let state = self.lock();
        let now = Instant::now();
        let opens = state.past.front().map(|(at, ..)| *at + MINUTE).max(state.closed);
        opens.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    /// Lets a request through now, or says when it may be tried again.
    fn try_pass(&self, tokens: Tokens, now: Instant) -> Result<Pass, Instant> {
        let mut state = self.lock();
        while let Some((_, _, tokens)) = state.past.front().copied().filter(|(at, ..)| *at + MINUTE <= now) {
            state.tokens = state.tokens.saturating_sub(tokens);
            state.past.pop_front();
        }
        if let Some(closed) = state.closed.filter(|closed| *closed > now) {
            return Err(closed);
        }
        let most = self.limits.tokens.map_or(u64::MAX, |most| most.0);
        // One that is larger than the limit goes alone, or it would never go.
        let tokens = tokens.0.min(most);
        let oldest = state.past.front().map_or(now, |(at, ..)| *at + MINUTE);
        if self.limits.requests.is_some_and(|most| state.past.len() as u64 >= u64::from(most.max(1))) {
            return Err(oldest);
        }
        if state.tokens.saturating_add(tokens) > most && !state.past.is_empty() {
            return Err(self.room_for(&state, tokens, most));
        }
        let number = state.next;
        state.next += 1;
        if self.limits != Limits::default() {
            state.tokens = state.tokens.saturating_add(tokens);
            state.past.push_back((now, number, tokens));
        }
        Ok(Pass(number))
    }

    /// When so much of the past is a minute old that there is room for `tokens`.
    fn room_for(&self, state: &State, tokens: u64, most: u64) -> Instant {
        let mut left = state.tokens;
        let mut at = Instant::now() + MINUTE;
        for (when, _, past) in &state.past {
            left = left.saturating_sub(*past);
            at = *when + MINUTE;
            if left.saturating_add(tokens) <= most {
                break;
            }
        }
        at
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Sums are changed whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::task::JoinSet;

    fn limits(requests: u32, tokens: u64) -> Limits {
        Limits { requests: (requests > 0).then_some(requests), tokens: (tokens > 0).then_some(Tokens(tokens)) }
    }

    /// When each of `count` requests went that all came at once, in milliseconds.
    async fn went(limits: Limits, count: usize, tokens: u64) -> Vec<u64> {
        let (pace, began) = (Arc::new(Pace::new(limits)), Instant::now());
        let mut all = JoinSet::new();
        for _ in 0..count {
            let pace = pace.clone();
            all.spawn(async move {
                pace.pass(Tokens(tokens), began + Duration::from_secs(100_000)).await.unwrap();
                began.elapsed().as_millis() as u64
            });
        }
        let mut times = all.join_all().await;
        times.sort_unstable();
        times
    }

    /// The most that went within any minute.
    fn most_in_a_minute(times: &[u64]) -> usize {
        times
            .iter()
            .map(|begin| times.iter().filter(|at| (*begin..begin + 60_000).contains(at)).count())
            .max()
            .unwrap_or(0)
    }

    #[tokio::test(start_paused = true)]
    async fn under_load_a_provider_is_asked_exactly_as_often_as_it_may_be() {
        for (limits, tokens, a_minute) in
            [(limits(60, 0), 1, 60), (limits(7, 0), 1, 7), (limits(0, 10_000), 250, 40), (limits(100, 1_000), 100, 10)]
        {
            let minutes = 10;
            let times = went(limits, a_minute * minutes, tokens).await;
            assert_eq!(most_in_a_minute(&times), a_minute, "{limits:?}");
            // All of ten minutes' requests went in the first moment of the tenth minute at the latest, within 1 %.
            let last = times.last().copied().unwrap();
            assert!(last.abs_diff((minutes as u64 - 1) * 60_000) <= 600, "{limits:?}: {last}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_estimated_is_corrected_and_what_is_too_large_goes_alone() {
        let pace = Pace::new(limits(0, 1_000));
        let far = Instant::now() + Duration::from_secs(1_000);
        let began = Instant::now();
        let first = pace.pass(Tokens(900), far).await.unwrap();
        pace.took(&first, Tokens(100));
        pace.pass(Tokens(900), far).await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        pace.pass(Tokens(5_000), far).await.unwrap();
        assert!(began.elapsed().abs_diff(MINUTE) < Duration::from_millis(5), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_too_long_is_told_at_once_and_a_provider_that_asks_for_peace_gets_it() {
        let pace = Pace::new(limits(1, 0));
        let soon = || Instant::now() + Duration::from_secs(10);
        pace.pass(Tokens(1), soon()).await.unwrap();
        assert_eq!(pace.pass(Tokens(1), soon()).await.unwrap_err(), MINUTE);
        let open = Pace::new(Limits::default());
        open.close(Duration::from_secs(5));
        let began = Instant::now();
        open.pass(Tokens(1), soon()).await.unwrap();
        assert!(began.elapsed().abs_diff(Duration::from_secs(5)) < Duration::from_millis(5));
        open.close(Duration::from_secs(50));
        assert!(open.pass(Tokens(1), soon()).await.unwrap_err() > Duration::from_secs(49));
    }
}
