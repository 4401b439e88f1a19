//! The wasmtime engine: how components are compiled, and where their instances live.
//!
//! The compiler's settings are part of the cache key and are the same in the compiler process, which needs no
//! instances. Instances come out of a pool, so that a fresh one costs microseconds; the pool reserves address space,
//! not memory, and where the machine gives too little of it instances are made one by one.

use crate::error::SandboxError;
use longhaul_core::attempt::MAX_TABLE_ELEMENTS;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Strategy};

/// How often the watchdog looks at running guests. A guest is interrupted at most this much late.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Core instances, memories and tables that one component may have. Interpreters in components need several dozen.
const CORE_INSTANCES: u32 = 100;
const MEMORIES: u32 = 8;
const TABLES: u32 = 40;

/// How instances are allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// From a pool of this many.
    Pool(u32),
    /// One by one, because the pool's address space was not to be had.
    OnDemand,
}

/// Settings that decide what the compiler makes. All are spelled out: a default that changes would be a cache miss at
/// best.
fn compiler_config() -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .wasm_component_model(true)
        .consume_fuel(true)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .relaxed_simd_deterministic(true)
        .max_wasm_stack(1 << 20)
        .async_stack_size(2 << 20)
        .memory_reservation(4 << 30)
        .memory_guard_size(32 << 20)
        .memory_may_move(false)
        .memory_init_cow(true);
    config
}

/// The engine of the compiler process.
pub(crate) fn compiler_engine() -> wasmtime::Result<Engine> {
    Engine::new(&compiler_config())
}

/// The engine that runs guests, `instances` at a time.
pub(crate) fn runtime_engine(instances: u32) -> Result<(Engine, Allocation), SandboxError> {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        // A component that takes all that it may leaves the others all that they may: what is reserved is address space.
        .total_memories(instances.saturating_mul(MEMORIES))
        .total_tables(instances.saturating_mul(TABLES))
        .total_stacks(instances)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_memories_per_module(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .table_elements(MAX_TABLE_ELEMENTS as usize)
        .pagemap_scan(wasmtime::Enabled::Auto)
        .linear_memory_keep_resident(if PoolingAllocationConfig::is_pagemap_scan_available() {
            4 << 20
        } else {
            64 << 10
        })
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(64 << 10)
        .decommit_batch_size(8)
        .max_unused_warm_slots(4);
    let mut config = compiler_config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    if let Ok(engine) = Engine::new(&config) {
        return Ok((engine, Allocation::Pool(instances)));
    }
    let engine = Engine::new(&compiler_config()).map_err(|e| SandboxError::Engine(format!("{e:#}")))?;
    Ok((engine, Allocation::OnDemand))
}

/// A coarse clock that also interrupts guests: each tick moves the engine's epoch on. Its thread ends with the last
/// handle of the engine.
#[derive(Debug, Clone)]
pub(crate) struct Ticker {
    ticks: Arc<AtomicU64>,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> Result<Self, SandboxError> {
        let ticks = Arc::new(AtomicU64::new(1));
        let (counter, engine) = (Arc::downgrade(&ticks), engine.weak());
        std::thread::Builder::new()
            .name("longhaul-tick".to_owned())
            .spawn(move || {
                while let (Some(counter), Some(engine)) = (counter.upgrade(), engine.upgrade()) {
                    counter.fetch_add(1, Ordering::Relaxed);
                    engine.increment_epoch();
                    drop((counter, engine));
                    std::thread::sleep(TICK);
                }
            })
            .map_err(SandboxError::Threads)?;
        Ok(Self { ticks })
    }

    /// Ticks since the start; never 0.
    pub(crate) fn now(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{DefaultHasher, Hash, Hasher};

    #[test]
    fn what_the_compiler_process_makes_fits_the_runtime() {
        let hash = |engine: &Engine| {
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        let (runtime, allocation) = runtime_engine(4).unwrap();
        assert_eq!(allocation, Allocation::Pool(4));
        assert_eq!(hash(&compiler_engine().unwrap()), hash(&runtime));
    }
}
