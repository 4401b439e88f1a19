//! Runs one instance under its limits, to an end of some kind.
//!
//! ```text
//!            ┌── the guest's function ──► its result, or a trap
//!   select ──┼── the attempt's time ────► timeout
//!            ├── the call's time ───────► timeout      (a host call that takes too long)
//!            ├── a recall ──────────────► what it says
//!            └── a long wait ───────────► suspended
//! ```
//!
//! Whichever ends first ends the attempt; dropping the guest's future unwinds its stack wherever it is. The epoch makes a
//! guest that computes yield at each tick, so that the other two branches, and the neighbours on the same thread, get
//! their turn.

use crate::engine::{TICK, Ticker};
use crate::failure::classify;
use crate::guest::{Guest, GuestConfig};
use crate::meter::on_call;
use longhaul_core::attempt::{Usage, Wait};
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::spend::Spent;
use longhaul_core::units::{Fuel, show_duration};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use wasmtime::{Engine, Store};

/// Makes the store of an instance, with every limit in place.
pub(crate) fn new_store(engine: &Engine, ticker: &Ticker, config: GuestConfig) -> wasmtime::Result<Store<Guest>> {
    let limits = config.limits.clone();
    let mut store = Store::new(engine, Guest::new(config));
    store.limiter(|guest| &mut guest.meter);
    store.set_fuel(limits.fuel.0)?;
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    store.set_hostcall_fuel(usize::try_from(limits.call_bytes.0).unwrap_or(usize::MAX));
    store.set_max_component_handles(limits.handles as usize * 4 + 4_096);
    let ticker = ticker.clone();
    store.call_hook(move |mut store, hook| {
        on_call(&mut store, hook, ticker.now(), |guest: &mut Guest| &mut guest.meter)?;
        match store.data().audit.failure_flag() {
            false => Ok(()),
            true => {
                Err(store.data().audit.failure().map_or_else(|| wasmtime::format_err!("the record failed"), Into::into))
            }
        }
    });
    Ok(store)
}

/// Runs `call` on a store to its end, and tells what it used. The attempt began, for its `time`, when its store was begun; its
/// time limit is the guest's own.
pub(crate) async fn run_to_end<T>(
    mut store: Store<Guest>,
    ticker: &Ticker,
    began: Instant,
    call: impl AsyncFnOnce(&mut Store<Guest>) -> wasmtime::Result<T>,
) -> Finish<T> {
    let limits = store.data().limits.clone();
    let call_began = Arc::clone(&store.data().meter.call_began);
    let wish = store.data().timers.wish();
    let recall = Arc::clone(&store.data().recall);
    let ended = tokio::select! {
        biased;
        result = call(&mut store) => Ended::Returned(result),
        wait = wish.made() => {
            // Its handles are closed by nobody: the instance that goes on has them open.
            store.data().audit.mute();
            return Finish::Suspended(wait);
        }
        () = tokio::time::sleep(limits.time) => Ended::OutOfTime,
        problem = recall.recalled() => Ended::Recalled(problem),
        () = stuck_call(&call_began, ticker, limits.call_time) => Ended::StuckCall,
    };
    let fuel = Fuel(limits.fuel.0.saturating_sub(store.get_fuel().unwrap_or(0)));
    let guest = store.into_data();
    let (audit, memory, refused, stderr) =
        (Arc::clone(&guest.audit), guest.meter.memory_peak(), guest.meter.refused(), guest.stderr.clone());
    // Closing the handles records what was read and written through them; only then the record is complete.
    drop(guest);
    let result = match (audit.failure(), ended) {
        (Some(failure), _) => Err(crate::failure::audit_problem(&failure)),
        (None, Ended::Returned(Ok(value))) => Ok(value),
        (None, Ended::Returned(Err(error))) => Err(classify(&error, refused, &limits, &stderr.tail())),
        (None, Ended::OutOfTime) => Err(Problem::new(
            IncidentClass::Timeout,
            format!(
                "the attempt took more than its {}; raise `timeout`, or split the task",
                show_duration(limits.time)
            ),
        )),
        (None, Ended::Recalled(problem)) => Err(problem),
        (None, Ended::StuckCall) => Err(Problem::new(
            IncidentClass::Timeout,
            format!("a host call took more than its {}; raise `limits.call_time`", show_duration(limits.call_time)),
        )),
    };
    let (actions, denials) = audit.counts();
    let Spent { tokens, money } = audit.spent();
    let result = result.map_err(|problem| crate::failure::with_denials(problem, &audit.denials()));
    Finish::Ended(
        result,
        Usage { fuel, memory, time: began.elapsed(), actions, denials, tokens, money, ..Usage::default() },
    )
}

/// How an instance left off.
pub(crate) enum Finish<T> {
    /// It came to its end.
    Ended(Result<T, Problem>, Usage),
    /// It waits for this, and another one will go on in its place.
    Suspended(Wait),
}

enum Ended<T> {
    Returned(wasmtime::Result<T>),
    OutOfTime,
    Recalled(Problem),
    StuckCall,
}

/// Comes back when one host call has taken longer than `limit`.
async fn stuck_call(call_began: &std::sync::atomic::AtomicU64, ticker: &Ticker, limit: Duration) {
    let tick = TICK.as_millis().max(1);
    let limit_ticks = u64::try_from(limit.as_millis() / tick).unwrap_or(u64::MAX).max(1);
    loop {
        let began = call_began.load(Ordering::Relaxed);
        let elapsed = if began == 0 { 0 } else { ticker.now().saturating_sub(began) };
        if elapsed > limit_ticks {
            return;
        }
        let left = u64::try_from(tick).unwrap_or(1).saturating_mul(limit_ticks - elapsed + 1);
        tokio::time::sleep(Duration::from_millis(left)).await;
    }
}
