//! Places for attempts, shared by all runs of one process.
//!
//! A host that carries several runs bounds how many attempts work at a time. The next free place goes to the run that has the fewest
//! under way, and among equals to the one that has waited longest for its turn: a run of a thousand tasks that are ready does not starve
//! one of two.
//!
//! ```text
//!   run 1 ── join ──► Seat ── take ──► waits … ──► Place ── dropped ──► the next one's turn
//!   run 2 ── join ──► Seat ── take ──►
//! ```
//!
//! How many of a run's tasks ask at a time is bounded by the run's own limits, so nothing here grows with how many are ready.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The places of a host. Clones are the same ones.
#[derive(Debug, Clone)]
pub struct Places(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: u32,
    /// How many runs have joined, and how many turns were waited for: numbers for both.
    joined: u64,
    turns: u64,
    runs: HashMap<u64, Run>,
}

/// What one run has, and who of it waits.
#[derive(Debug, Default)]
struct Run {
    under_way: u32,
    /// Since which turn it waits for its own: the last one that it had, or that in which it began to wait.
    since: u64,
    waiting: VecDeque<oneshot::Sender<Place>>,
}

/// A run's seat at the places.
#[derive(Debug)]
pub(crate) struct Seat {
    places: Places,
    run: u64,
}

/// The right to work on one attempt, as long as it lives.
#[derive(Debug)]
pub(crate) struct Place {
    /// None where it was taken back.
    places: Option<Places>,
    run: u64,
}

impl Places {
    /// Places for so many attempts at a time, at least one.
    pub fn new(max: u32) -> Self {
        let state = State { free: max.max(1), joined: 0, turns: 0, runs: HashMap::new() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// A seat for another run.
    pub(crate) fn join(&self) -> Seat {
        let mut state = self.lock();
        let run = state.joined;
        state.joined += 1;
        state.runs.insert(run, Run::default());
        drop(state);
        Seat { places: self.clone(), run }
    }

    /// Gives free places to those whose turn it is.
    fn give(&self) {
        loop {
            let Some((run, waiting)) = self.lock().next() else { break };
            if let Err(mut place) = waiting.send(Place { places: Some(self.clone()), run }) {
                // Nobody waits for it any more. It is taken back here, because dropping it would come here again.
                place.places = None;
                self.lock().take_back(run);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is whole before anything can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes a place for the one whose turn it is; none where no place is free or nobody waits.
    fn next(&mut self) -> Option<(u64, oneshot::Sender<Place>)> {
        if self.free == 0 {
            return None;
        }
        let waits = |(_, run): &(&u64, &mut Run)| !run.waiting.is_empty();
        let turn = |(_, run): &(&u64, &mut Run)| (run.under_way, run.since);
        let (id, run) = self.runs.iter_mut().filter(waits).min_by_key(turn)?;
        let waiting = run.waiting.pop_front()?;
        run.under_way += 1;
        self.turns += 1;
        run.since = self.turns;
        self.free -= 1;
        Some((*id, waiting))
    }

    /// A place of a run is free again.
    fn take_back(&mut self, run: u64) {
        self.free += 1;
        if let Some(run) = self.runs.get_mut(&run) {
            run.under_way = run.under_way.saturating_sub(1);
        }
    }
}

impl Seat {
    /// Waits for a place.
    pub(crate) async fn take(&self) -> Place {
        let (give, given) = oneshot::channel();
        {
            let mut state = self.places.lock();
            state.turns += 1;
            let now = state.turns;
            if let Some(run) = state.runs.get_mut(&self.run) {
                if run.waiting.is_empty() {
                    run.since = now;
                }
                run.waiting.push_back(give);
            }
        }
        self.places.give();
        match given.await {
            Ok(place) => place,
            // The other end is kept until it is used, because this seat lives.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.places.lock().runs.remove(&self.run);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(places) = self.places.take() {
            places.lock().take_back(self.run);
            places.give();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }

    #[test]
    fn the_run_with_the_fewest_under_way_goes_first_and_then_whoever_waits_longest() {
        let places = Places::new(2);
        let (large, small) = (places.join(), places.join());
        let (mut a, mut b, mut c) = (pin!(large.take()), pin!(large.take()), pin!(large.take()));
        let (first, second) = (poll(a.as_mut()).unwrap(), poll(b.as_mut()).unwrap());
        assert!(poll(c.as_mut()).is_none(), "there are two places");
        let (mut d, mut e) = (pin!(small.take()), pin!(small.take()));
        assert!(poll(d.as_mut()).is_none() && poll(e.as_mut()).is_none());
        drop(first);
        // The large one came first and has one still; the small one has none.
        assert!(poll(c.as_mut()).is_none());
        let third = poll(d.as_mut()).unwrap();
        drop(second);
        // Now the large one has none and the small one has one.
        let fourth = poll(c.as_mut()).unwrap();
        assert!(poll(e.as_mut()).is_none());
        drop((third, fourth));
        assert!(poll(e.as_mut()).is_some());
    }

    #[test]
    fn who_does_not_wait_any_more_keeps_no_place() {
        let places = Places::new(1);
        let (one, other) = (places.join(), places.join());
        let taken = poll(pin!(one.take()).as_mut()).unwrap();
        for _ in 0..1_000 {
            let mut impatient = Box::pin(one.take());
            assert!(poll(impatient.as_mut()).is_none());
        }
        let mut waits = Box::pin(other.take());
        assert!(poll(waits.as_mut()).is_none());
        {
            // Given a place that it never fetches.
            let mut late = Box::pin(other.take());
            assert!(poll(late.as_mut()).is_none());
            drop(taken);
        }
        assert!(poll(waits.as_mut()).is_some());
        // A run that is gone leaves its places to others.
        let held = poll(pin!(one.take()).as_mut());
        drop(one);
        drop((held, waits));
        assert!(poll(pin!(other.take()).as_mut()).is_some());
    }
}
