//! Uses up what is limited: computing, memory, the stack, time.

use crate::Input;
use longhaul_sdk::Failure;
use serde_json::{Value, json};
use std::hint::black_box;
use std::thread;
use std::time::Duration;

pub(crate) fn endless_loop(_: &Input) -> Result<Value, Failure> {
    let mut n = 0_u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

/// Deep in frames of the machine's stack.
pub(crate) fn recursion(_: &Input) -> Result<Value, Failure> {
    Ok(json!({ "depth": dive(u64::MAX) }))
}

#[inline(never)]
fn dive(depth: u64) -> u64 {
    if depth == 0 { 0 } else { dive(depth - 1).wrapping_add(depth.rotate_left(7)) ^ depth }
}

/// Deep in the component's own stack, which lies in its memory.
pub(crate) fn recursion_with_data(_: &Input) -> Result<Value, Failure> {
    Ok(json!({ "depth": dive_with_data(u64::MAX) }))
}

#[inline(never)]
fn dive_with_data(depth: u64) -> u64 {
    let data = black_box([depth; 4_096]);
    if depth == 0 { 0 } else { dive_with_data(depth - 1).wrapping_add(black_box(&data)[7]) }
}

pub(crate) fn memory(_: &Input) -> Result<Value, Failure> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        all.push(vec![1; 1 << 20]);
        black_box(&all);
    }
}

pub(crate) fn memory_in_small_pieces(_: &Input) -> Result<Value, Failure> {
    let mut all: Vec<Box<[u8; 32]>> = Vec::new();
    loop {
        all.push(Box::new([1; 32]));
        black_box(&all);
    }
}

pub(crate) fn trap(_: &Input) -> Result<Value, Failure> {
    core::arch::wasm32::unreachable()
}

#[expect(clippy::panic, reason = "panicking is what this mode is for")]
pub(crate) fn panics(_: &Input) -> Result<Value, Failure> {
    panic!("the guest loses its nerve");
}

pub(crate) fn exit(_: &Input) -> Result<Value, Failure> {
    std::process::exit(3)
}

/// To end early with success is not to do the task.
pub(crate) fn exit_zero(_: &Input) -> Result<Value, Failure> {
    std::process::exit(0)
}

pub(crate) fn sleep(_: &Input) -> Result<Value, Failure> {
    thread::sleep(Duration::from_secs(3 * 86_400));
    Ok(json!({}))
}

pub(crate) fn sleep_often(_: &Input) -> Result<Value, Failure> {
    loop {
        thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn random_huge(_: &Input) -> Result<Value, Failure> {
    let bytes = wasip2::random::random::get_random_bytes(1 << 30);
    Ok(json!({ "bytes": bytes.len() }))
}

/// More than an output may have.
pub(crate) fn output_huge(_: &Input) -> Result<Value, Failure> {
    Ok(json!({ "text": "x".repeat(10 << 20) }))
}

/// More than a call may carry.
pub(crate) fn output_monstrous(_: &Input) -> Result<Value, Failure> {
    Ok(json!({ "text": "x".repeat(20 << 20) }))
}

/// A text that is many times as large in a host that reads it.
pub(crate) fn output_fat(_: &Input) -> Result<Value, Failure> {
    Ok(json!({ "lists": vec![Value::Array(Vec::new()); 700_000] }))
}

/// The same for those who keep what a failure tells.
pub(crate) fn detail_fat(_: &Input) -> Result<Value, Failure> {
    Err(Failure::validation("the work is not good enough").with_detail(vec![0; 1_000_000]))
}

/// Says that a service asked to wait.
pub(crate) fn rate_limited(_: &Input) -> Result<Value, Failure> {
    Err(Failure::rate_limited("the service is busy").with_retry_after(Duration::from_millis(90_500)))
}
