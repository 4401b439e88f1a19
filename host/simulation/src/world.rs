//! The world that a run is in, and the processes that carry it: chance, time, death, and what is counted.

use crate::dice::Dice;
use crate::faults::Rates;
use crate::outside::Outside;
use longhaul_core::clock::Clock;
use longhaul_core::units::Timestamp;
use longhaul_engine::ports::{BoxFuture, Time};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What outlives the processes of a run.
pub(crate) struct World {
    pub(crate) seed: u64,
    rates: Rates,
    dice: Mutex<Dice>,
    /// Set when a person has seen to whatever goes wrong.
    is_mended: AtomicBool,
    pub(crate) tally: Tally,
    pub(crate) outside: Outside,
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Milliseconds that agents worked, without what was only replayed.
    work: AtomicU64,
    /// Instances there are.
    pub(crate) instances: Gauge,
    /// Stages there are.
    pub(crate) stages: Gauge,
    /// The most bytes that the state folder took when it was looked at.
    disk: AtomicU64,
}

/// How many there are of something.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauge(Arc<AtomicU64>);

/// One of them, as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Gauge {
    pub(crate) fn one(&self) -> Counted {
        self.0.fetch_add(1, Relaxed);
        Counted(self.clone())
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

impl Tally {
    pub(crate) fn work(&self) -> Duration {
        Duration::from_millis(self.work.load(Relaxed))
    }

    pub(crate) fn takes(&self, bytes: u64) {
        self.disk.fetch_max(bytes, Relaxed);
    }

    pub(crate) fn disk(&self) -> u64 {
        self.disk.load(Relaxed)
    }
}

impl World {
    pub(crate) fn new(seed: u64, rates: Rates) -> Arc<Self> {
        let dice = Mutex::new(Dice::new(seed, "world"));
        let (tally, outside) = (Tally::default(), Outside::default());
        Arc::new(Self { seed, rates, dice, is_mended: AtomicBool::new(false), tally, outside })
    }

    /// How often what goes wrong now.
    pub(crate) fn rates(&self) -> Rates {
        if self.is_mended.load(Relaxed) { Rates::NONE } else { self.rates }
    }

    /// From now on nothing goes wrong.
    pub(crate) fn mend(&self) {
        self.is_mended.store(true, Relaxed);
    }

    /// Whether something happens that happens as often as `rate` says.
    pub(crate) fn hits(&self, rate: impl FnOnce(&Rates) -> u32) -> bool {
        self.dice().hits(rate(&self.rates()))
    }

    pub(crate) fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One process: from its start to its end or death.
pub(crate) struct Process {
    pub(crate) world: Arc<World>,
    pub(crate) time: Arc<VirtualTime>,
    is_dead: AtomicBool,
    died: Notify,
}

impl Process {
    /// A process that starts at `now`. Needs the runtime whose clock it lives by.
    pub(crate) fn start(world: &Arc<World>, now: Timestamp) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            time: Arc::new(VirtualTime { start: now, since: Instant::now() }),
            is_dead: AtomicBool::new(false),
            died: Notify::new(),
        })
    }

    /// Ends it: whatever is under way in it comes no further.
    pub(crate) fn die(&self) {
        self.is_dead.store(true, Relaxed);
        self.died.notify_one();
    }

    /// Resolves when it is dead.
    pub(crate) async fn died(&self) {
        self.died.notified().await;
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.load(Relaxed)
    }

    /// A moment at which it may die; tells whether it is dead.
    pub(crate) fn dies(&self) -> bool {
        if !self.is_dead() && self.world.hits(|rates| rates.crashes) {
            self.die();
        }
        self.is_dead()
    }

    /// Goes through such a moment. Who is in a dead process does not come back.
    pub(crate) async fn survive(&self) {
        if self.dies() {
            std::future::pending::<()>().await;
        }
    }

    /// Takes a moment of the machine's time, during which others go on.
    pub(crate) async fn moment(&self) {
        let span = self.world.dice().span(Duration::ZERO, Duration::from_millis(20));
        tokio::time::sleep(span).await;
    }

    /// An agent works for `span`.
    pub(crate) async fn work(&self, span: Duration) {
        let _worked = Worked { tally: &self.world.tally, since: Instant::now() };
        tokio::time::sleep(span).await;
    }
}

/// Counts work as it was done, also where it was cut short.
struct Worked<'a> {
    tally: &'a Tally,
    since: Instant,
}

impl Drop for Worked<'_> {
    fn drop(&mut self) {
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.tally.work.fetch_add(millis, Relaxed);
    }
}

/// The clock and the timers of one process: the wall clock as it was at its start, moved on by the runtime's paused clock,
/// which jumps to the next timer whenever nothing else is to be done.
#[derive(Debug)]
pub(crate) struct VirtualTime {
    start: Timestamp,
    since: Instant,
}

impl VirtualTime {
    /// How long it has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Clock for VirtualTime {
    fn now(&self) -> Timestamp {
        Timestamp(self.start.0 + u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

impl Time for VirtualTime {
    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(span))
    }
}
