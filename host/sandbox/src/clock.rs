//! Clocks and random numbers of a guest: the clocks are read from the host's clock and recorded, the random numbers are a
//! function of the attempt's name, so that a replay draws the same.

use crate::audit::{Audit, AuditError, Deed};
use crate::meter::Bill;
use longhaul_core::clock::Clock;
use longhaul_core::digest::{Digest, Hasher};
use longhaul_core::grant::Capability;
use longhaul_core::units::Timestamp;
use rand_core::{Infallible, TryRng};
use std::sync::Arc;
use std::time::Duration;
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock};

/// A guest's clock. Its answers are whole milliseconds; the monotonic one starts at zero with the attempt. While an attempt
/// is replayed, its answers are the recorded ones.
#[derive(Clone)]
pub(crate) struct RecordedClock {
    clock: Arc<dyn Clock>,
    audit: Arc<Audit>,
    began: Timestamp,
}

impl RecordedClock {
    /// The resolution of the monotonic clock in nanoseconds.
    pub(crate) const RESOLUTION: u64 = 1_000_000;

    pub(crate) fn new(clock: Arc<dyn Clock>, audit: Arc<Audit>, began: Timestamp) -> Self {
        Self { clock, audit, began }
    }

    /// The time since the attempt began, recorded as the answer of `capability`'s `operation`.
    pub(crate) fn elapsed(&self, capability: Capability, operation: &'static str) -> Result<Duration, AuditError> {
        let now = self.answer(capability, operation);
        self.audit.action(Deed::new(capability, operation, now.0.to_string()))?;
        Ok(now.since(self.began))
    }

    /// The time, or what it was when this was asked before.
    fn answer(&self, capability: Capability, operation: &'static str) -> Timestamp {
        let recorded = self.audit.replayed(capability, operation).and_then(|action| action.resource.parse().ok());
        recorded.map_or_else(|| self.clock.now(), Timestamp)
    }

    /// Nanoseconds since the attempt began, recorded.
    pub(crate) fn monotonic(&self) -> u64 {
        u64::try_from(self.read("monotonic").since(self.began).as_nanos()).unwrap_or(u64::MAX)
    }

    /// The time at which the monotonic clock shows so many nanoseconds, or the first millisecond after it.
    pub(crate) fn at(&self, nanoseconds: u64) -> Timestamp {
        Timestamp(self.began.0.saturating_add(nanoseconds.div_ceil(Self::RESOLUTION)))
    }

    /// The time, for an answer that is recorded in other words.
    pub(crate) fn unrecorded(&self) -> Timestamp {
        self.clock.now()
    }

    fn read(&self, which: &'static str) -> Timestamp {
        let now = self.answer(Capability::Clock, which);
        // A failure stays in the audit, and ends the attempt when this call returns to the guest.
        drop(self.audit.action(Deed::new(Capability::Clock, which, now.0.to_string())));
        now
    }
}

impl HostWallClock for RecordedClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.read("wall").0)
    }
}

impl HostMonotonicClock for RecordedClock {
    fn resolution(&self) -> u64 {
        Self::RESOLUTION
    }

    fn now(&self) -> u64 {
        self.monotonic()
    }
}

/// Random numbers from SHA-256 in counter mode over a seed. Not secret: who knows the attempt's name knows them.
pub(crate) struct SeededRandom {
    seed: Digest,
    counter: u64,
    block: [u8; 32],
    used: usize,
    bill: Bill,
}

impl SeededRandom {
    pub(crate) fn new(seed: Digest, bill: Bill) -> Self {
        Self { seed, counter: 0, block: [0; 32], used: 32, bill }
    }

    /// The first bytes as a number, for seeds that are numbers themselves.
    pub(crate) fn first(seed: &Digest) -> u128 {
        seed.as_bytes().iter().take(16).fold(0, |n, byte| n << 8 | u128::from(*byte))
    }

    fn byte(&mut self) -> u8 {
        if self.used == self.block.len() {
            let mut hasher = Hasher::default();
            hasher.update(self.seed.as_bytes());
            hasher.update(&self.counter.to_be_bytes());
            self.block = *hasher.finish().as_bytes();
            self.counter += 1;
            self.used = 0;
        }
        let byte = self.block[self.used];
        self.used += 1;
        byte
    }
}

impl TryRng for SeededRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.bill.add(bytes.len());
        bytes.fill_with(|| self.byte());
        Ok(())
    }
}
