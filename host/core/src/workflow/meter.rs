//! Bounds what one evaluation of an expression may read and make.
//!
//! The checked tree calls three functions: `@each` around what a loop walks, `@touch` around what an operation reads whole,
//! `@keep` around what an operation makes. A [`Meter`] installs them and counts.

use cel::common::types::{CelBytes, CelList, CelMap, CelMapKey, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::Context;
use cel::{ExecutionError, FunctionContext};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The most bytes that an evaluation may read, a step of a loop counting for 1 KiB.
const WORK: u64 = 256 << 20;
/// The most bytes that an evaluation may make.
const MEMORY: u64 = 64 << 20;

/// Counts what an evaluation uses.
#[derive(Debug, Default)]
pub(super) struct Meter {
    work: AtomicU64,
    memory: AtomicU64,
    exceeded: AtomicBool,
}

type Function =
    Box<dyn for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>) -> Result<CowVal<'c, 'v>, ExecutionError> + Send + Sync>;

impl Meter {
    /// Gives `context` the functions that count.
    pub(super) fn install(self: &Arc<Self>, context: &mut Context<'_, '_>) -> Result<(), String> {
        let meter = Arc::clone(self);
        let each: Function = Box::new(move |call| {
            let range = argument(call)?;
            if let Some(list) = range.downcast_ref::<CelList<'_>>() {
                meter.charge_work(list.inner().len() as u64 * 1024)?;
                return Ok(range);
            }
            let Some(map) = range.downcast_ref::<CelMap<'_>>() else { return Ok(range) };
            meter.charge_work(map.inner().len() as u64 * 2048)?;
            let mut keys: Vec<_> = map.inner().keys().cloned().collect();
            keys.sort();
            let keys: Vec<Box<dyn Val>> = keys.into_iter().map(key_value).collect();
            Ok(CowVal::owned(CelList::from(keys)))
        });
        let meter = Arc::clone(self);
        let touch: Function = Box::new(move |call| {
            let value = argument(call)?;
            meter.charge_work(weigh(value.as_ref()))?;
            Ok(value)
        });
        let meter = Arc::clone(self);
        let keep: Function = Box::new(move |call| {
            let value = argument(call)?;
            meter.charge_memory(weigh(value.as_ref()))?;
            Ok(value)
        });
        for (name, function) in [("@each", each), ("@touch", touch), ("@keep", keep)] {
            context.add_function(name, function).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Whether a bound was passed. The error alone does not tell: `||` and `exists` can swallow it.
    pub(super) fn is_exceeded(&self) -> bool {
        self.exceeded.load(Relaxed)
    }

    fn charge_work(&self, amount: u64) -> Result<(), ExecutionError> {
        self.charge(&self.work, amount, WORK)
    }

    fn charge_memory(&self, amount: u64) -> Result<(), ExecutionError> {
        self.charge(&self.memory, amount, MEMORY)
    }

    fn charge(&self, counter: &AtomicU64, amount: u64, bound: u64) -> Result<(), ExecutionError> {
        let before = counter.fetch_add(amount, Relaxed);
        if before.saturating_add(amount) > bound {
            self.exceeded.store(true, Relaxed);
        }
        match self.exceeded.load(Relaxed) {
            true => Err(ExecutionError::InternalError("bound passed".into())),
            false => Ok(()),
        }
    }
}

fn argument<'c, 'v>(call: &mut FunctionContext<'c, 'v>) -> Result<CowVal<'c, 'v>, ExecutionError> {
    call.args.pop().ok_or_else(|| ExecutionError::invalid_argument_count(1, 0))
}

fn key_value<'v>(key: CelMapKey<'_>) -> Box<dyn Val + 'v> {
    match key {
        CelMapKey::Bool(key) => Box::new(key),
        CelMapKey::Int(key) => Box::new(key),
        CelMapKey::String(key) => Box::new(CelString::from(key.inner().to_owned())),
        CelMapKey::UInt(key) => Box::new(key),
    }
}

/// What a value weighs: its text, and 32 bytes for each value in it.
fn weigh(value: &dyn Val) -> u64 {
    32 + if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        text.inner().len() as u64
    } else if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
        bytes.inner().len() as u64
    } else if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        list.inner().iter().map(|element| weigh(element.as_ref())).sum()
    } else if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        map.inner().values().map(|element| 32 + weigh(element.as_ref())).sum()
    } else {
        0
    }
}
