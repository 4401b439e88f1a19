//! Waiting: timers, and the polls that wait for them.
//!
//! What a guest waits for decides what it does next, so the answer of each poll that has a timer in it is recorded, and a
//! replay takes it from the record without waiting again. Everything else that can be polled here (files, outputs, an empty
//! input) is ready at once, always.
//!
//! A wait that is longer than a moment costs no instance: the attempt is suspended, its instance goes, and another
//! one is brought to the same place by replay when the time has come.

use crate::audit::{Audit, Deed};
use crate::clock::RecordedClock;
use longhaul_core::attempt::Wait;
use longhaul_core::children::Children;
use longhaul_core::grant::Capability;
use longhaul_core::units::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::bindings::io::poll;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

/// The longest wait that keeps its instance. To bring an instance back costs milliseconds; to keep one costs memory.
const MOMENT: Duration = Duration::from_secs(2);

/// The timers of one attempt, and its wish to be suspended.
pub(crate) struct Timers {
    /// When each goes off, by the handle of its pollable.
    due: HashMap<u32, Timestamp>,
    wish: Arc<Wish>,
    /// No wait beyond this suspends: the attempt's time is up before.
    until: Option<Timestamp>,
}

/// The wish of an attempt to be suspended.
pub(crate) struct Wish(watch::Sender<Option<Wait>>);

impl Wish {
    /// Resolves when the attempt wishes to be suspended.
    pub(crate) async fn made(&self) -> Wait {
        let mut wishes = self.0.subscribe();
        match wishes.wait_for(Option::is_some).await.map(|wish| wish.clone()) {
            Ok(Some(wait)) => wait,
            // The sender is borrowed here, so it is not gone.
            _ => std::future::pending().await,
        }
    }
}

impl Timers {
    /// No timers yet. Waits up to `until` may suspend the attempt; none where it cannot be suspended.
    pub(crate) fn new(until: Option<Timestamp>) -> Self {
        Self { due: HashMap::new(), wish: Arc::new(Wish(watch::Sender::new(None))), until }
    }

    /// The wish to be suspended.
    pub(crate) fn wish(&self) -> Arc<Wish> {
        Arc::clone(&self.wish)
    }

    /// Waits for a moment, or wishes to be suspended and never comes back.
    async fn wait(&self, now: Timestamp, due: Timestamp) {
        let left = due.since(now);
        if left > MOMENT && self.until.is_some_and(|until| due <= until) {
            self.suspend(Wait::until(due)).await;
        }
        tokio::time::sleep(left).await;
    }

    /// Wishes to be suspended and never comes back.
    pub(crate) async fn suspend(&self, wait: Wait) {
        self.wish.0.send_replace(Some(wait));
        std::future::pending::<()>().await;
    }
}

/// What the functions for waiting reach.
pub(crate) struct Waits<'a> {
    pub(crate) timers: &'a mut Timers,
    pub(crate) clock: &'a RecordedClock,
    pub(crate) audit: &'a Audit,
    pub(crate) children: &'a dyn Children,
    pub(crate) table: &'a mut ResourceTable,
}

/// Selects [`Waits`] for the linker.
pub(crate) struct HasWaits;

impl HasData for HasWaits {
    type Data<'a> = Waits<'a>;
}

/// A timer as the table holds it. It is asked for its time by its handle, and never polled itself.
struct Timer;

#[async_trait::async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {
        std::future::pending().await
    }
}

impl Waits<'_> {
    fn timer(&mut self, due: Timestamp) -> wasmtime::Result<Resource<DynPollable>> {
        let timer = self.table.push(Timer)?;
        let pollable = subscribe(self.table, timer)?;
        self.timers.due.insert(pollable.rep(), due);
        Ok(pollable)
    }

    /// Makes known what was held back: a wait may be long.
    async fn publish(&mut self) -> wasmtime::Result<()> {
        self.children.publish().await.map_err(|error| self.audit.fail(error).into())
    }

    /// The answer of `operation`: the recorded one, or what `live` finds out. A text either way, and recorded.
    async fn answer(
        &mut self,
        operation: &'static str,
        about: Timestamp,
        live: impl AsyncFnOnce(&Timers, &RecordedClock) -> String,
    ) -> wasmtime::Result<String> {
        let answer = match self.audit.replayed(Capability::Clock, operation) {
            Some(action) => action.detail,
            None => live(self.timers, self.clock).await,
        };
        self.audit.action(Deed::new(Capability::Clock, operation, about.0.to_string()).detail(answer.clone()))?;
        Ok(answer)
    }
}

impl monotonic_clock::Host for Waits<'_> {
    fn now(&mut self) -> wasmtime::Result<monotonic_clock::Instant> {
        Ok(self.clock.monotonic())
    }

    fn resolution(&mut self) -> wasmtime::Result<monotonic_clock::Duration> {
        Ok(RecordedClock::RESOLUTION)
    }

    fn subscribe_instant(&mut self, when: monotonic_clock::Instant) -> wasmtime::Result<Resource<DynPollable>> {
        self.timer(self.clock.at(when))
    }

    fn subscribe_duration(&mut self, span: monotonic_clock::Duration) -> wasmtime::Result<Resource<DynPollable>> {
        let now = self.clock.monotonic();
        self.timer(self.clock.at(now.saturating_add(span)))
    }
}

impl poll::Host for Waits<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        let due: Vec<Option<Timestamp>> =
            pollables.iter().map(|one| self.timers.due.get(&one.rep()).copied()).collect();
        let Some(first) = due.iter().flatten().min().copied() else {
            return poll::Host::poll(self.table, pollables).await;
        };
        for pollable in &pollables {
            self.table.get(pollable)?;
        }
        self.publish().await?;
        let at_once = due.iter().any(Option::is_none);
        let answer = self.answer("wait", first, async |timers, clock| {
            let mut now = clock.unrecorded();
            if !at_once && first > now {
                timers.wait(now, first).await;
                now = first;
            }
            let ready = due.iter().enumerate().filter(|(_, due)| due.is_none_or(|due| due <= now));
            ready.map(|(index, _)| index.to_string()).collect::<Vec<_>>().join(",")
        });
        let answer = answer.await?;
        Ok(answer.split(',').filter_map(|index| index.parse().ok()).collect())
    }
}

impl poll::HostPollable for Waits<'_> {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        let Some(due) = self.timers.due.get(&pollable.rep()).copied() else {
            return poll::HostPollable::ready(self.table, pollable).await;
        };
        let answer = self.answer("ready", due, async |_, clock| (due <= clock.unrecorded()).to_string()).await?;
        Ok(answer == "true")
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        let Some(due) = self.timers.due.get(&pollable.rep()).copied() else {
            return poll::HostPollable::block(self.table, pollable).await;
        };
        self.publish().await?;
        let waited = self.answer("wait", due, async |timers, clock| {
            timers.wait(clock.unrecorded(), due).await;
            "0".to_owned()
        });
        waited.await.map(drop)
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        self.timers.due.remove(&pollable.rep());
        poll::HostPollable::drop(self.table, pollable)
    }
}
