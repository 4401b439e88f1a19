//! What an attempt uses, while it uses it: memory, tables, instances, host calls.
//!
//! Fuel counts guest instructions only, so host calls are charged in the same unit: each costs [`CALL_FUEL`], and each
//! byte that a guest hands over (to a file, a link, the log, a path) or draws as random numbers costs one more. The charge is
//! collected on a [`Bill`] by the host functions and what they work on, and taken when the call returns to the guest; since it
//! depends on nothing but the calls made, fuel stays exact from replay to replay.
//!
//! What is *not* limited here: the time that one host call takes (see `run.rs`), and the bytes that a guest lifts into
//! one call (wasmtime's own `hostcall_fuel`).

use longhaul_core::attempt::Limits;
use longhaul_core::units::{Bytes, Fuel};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::{CallHook, ResourceLimiter, StoreContextMut, Trap};

/// Fuel that a host call costs.
pub(crate) const CALL_FUEL: usize = 1_000;

/// What the host call under way costs so far. Files, outputs and random numbers hold a handle of it, because bytes come to
/// them by ways that do not pass the meter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bill(Arc<AtomicU64>);

impl Bill {
    /// Adds bytes.
    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Takes what is on it.
    fn take(&self) -> u64 {
        // Most ways out of a host call find nothing, and need no write then.
        if self.0.load(Ordering::Relaxed) == 0 { 0 } else { self.0.swap(0, Ordering::Relaxed) }
    }
}

/// The meter of one attempt.
pub(crate) struct Meter {
    memory: u64,
    memory_peak: u64,
    memory_limit: u64,
    tables: u64,
    tables_limit: u64,
    bill: Bill,
    /// Host calls under way: more than one where a call lets the guest make room for its result, and the guest calls
    /// back into the runtime while it does.
    depth: u32,
    fuel_limit: u64,
    fuel_left: u64,
    refused: Option<Refused>,
    /// The tick at which the host call under way began; 0 while the guest itself runs.
    pub(crate) call_began: Arc<AtomicU64>,
}

/// A growth that was refused. The guest usually aborts on it, and this is the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Linear memory of the whole component.
    Memory,
    /// Table elements of the whole component.
    Tables,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: 0,
            memory_peak: 0,
            memory_limit: limits.memory.0,
            tables: 0,
            tables_limit: u64::from(limits.table_elements),
            bill: Bill::default(),
            depth: 0,
            fuel_limit: limits.fuel.0,
            fuel_left: limits.fuel.0,
            refused: None,
            call_began: Arc::default(),
        }
    }

    /// Adds a host call that carries `bytes` to the bill.
    pub(crate) fn charge_call(&self, bytes: usize) {
        self.bill.add(CALL_FUEL + bytes);
    }

    /// The host call under way is a service's, which has a time-out of its own: it does not count as stuck.
    pub(crate) fn waits_for_service(&self) {
        self.call_began.store(0, Ordering::Relaxed);
    }

    /// The bill, for those who take bytes from the guest.
    pub(crate) fn bill(&self) -> Bill {
        self.bill.clone()
    }

    /// Fuel used up to the host call under way, without that call.
    pub(crate) fn fuel_used(&self) -> Fuel {
        Fuel(self.fuel_limit.saturating_sub(self.fuel_left))
    }

    pub(crate) fn memory(&self) -> Bytes {
        Bytes(self.memory)
    }

    pub(crate) fn memory_limit(&self) -> Bytes {
        Bytes(self.memory_limit)
    }

    pub(crate) fn memory_peak(&self) -> Bytes {
        Bytes(self.memory_peak)
    }

    pub(crate) fn refused(&self) -> Option<Refused> {
        self.refused
    }

    /// What a growth of a part from `current` to `desired` makes of the whole, where the limit allows it.
    fn grown(used: u64, limit: u64, current: usize, desired: usize) -> Option<u64> {
        let whole = used.saturating_sub(current as u64).saturating_add(desired as u64);
        (whole <= limit).then_some(whole)
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let Some(whole) = Self::grown(self.memory, self.memory_limit, current, desired) else {
            self.refused = Some(Refused::Memory);
            return Ok(false);
        };
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.memory = whole;
        self.memory_peak = self.memory_peak.max(whole);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let Some(whole) = Self::grown(self.tables, self.tables_limit, current, desired) else {
            self.refused = Some(Refused::Tables);
            return Ok(false);
        };
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.tables = whole;
        Ok(true)
    }
}

/// To be called on each way in and out of the guest: keeps the watchdog's time, and takes the charge.
pub(crate) fn on_call<T>(
    store: &mut StoreContextMut<'_, T>,
    hook: CallHook,
    now: u64,
    meter: impl Fn(&mut T) -> &mut Meter,
) -> wasmtime::Result<()> {
    match hook {
        CallHook::CallingHost => {
            let fuel = store.get_fuel()?;
            let meter = meter(store.data_mut());
            meter.depth = meter.depth.saturating_add(1);
            if meter.depth == 1 {
                meter.fuel_left = fuel;
                meter.call_began.store(now, Ordering::Relaxed);
            }
            Ok(())
        }
        CallHook::ReturningFromHost => {
            let meter = meter(store.data_mut());
            meter.depth = meter.depth.saturating_sub(1);
            // The runtime's own helpers come here too, a tick of the epoch among them. Within one of those the guest's
            // fuel is in a register and what is stored now would be overwritten: only the outermost call, before and
            // after which the guest keeps its fuel in the store, may take the charge.
            if meter.depth > 0 {
                return Ok(());
            }
            meter.call_began.store(0, Ordering::Relaxed);
            let charge = meter.bill.take();
            if charge == 0 {
                return Ok(());
            }
            let fuel = store.get_fuel()?;
            match fuel.checked_sub(charge) {
                Some(left) => store.set_fuel(left),
                None => {
                    store.set_fuel(0)?;
                    Err(Trap::OutOfFuel.into())
                }
            }
        }
        CallHook::CallingWasm | CallHook::ReturningFromWasm => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_is_over_all_memories_together() {
        let mut meter = Meter::new(&Limits { memory: Bytes(100), ..Limits::default() });
        assert!(meter.memory_growing(0, 60, None).unwrap());
        assert!(meter.memory_growing(0, 40, None).unwrap());
        assert!(!meter.memory_growing(60, 61, None).unwrap());
        assert_eq!(meter.refused(), Some(Refused::Memory));
        assert_eq!(meter.memory_peak(), Bytes(100));
        assert!(!meter.memory_growing(40, 30, Some(20)).unwrap());
    }

    #[test]
    fn the_limit_is_the_reason_also_where_the_pool_has_the_same() {
        let mut meter = Meter::new(&Limits { table_elements: 100, ..Limits::default() });
        assert!(!meter.table_growing(90, 110, Some(100)).unwrap());
        assert_eq!(meter.refused(), Some(Refused::Tables));
    }
}
