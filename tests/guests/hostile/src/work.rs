//! What a well-behaved neighbour does.

use crate::Input;
use longhaul_sdk::{Failure, context};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::time::{Instant, SystemTime};

/// Reads, computes, writes, lists.
pub(crate) fn good(_: &Input) -> Result<Value, Failure> {
    let text = fs::read_to_string("src/lib.rs")?;
    let mut sum = 0_u64;
    for round in 0..20_000_u64 {
        sum = text.bytes().fold(sum ^ round, |sum, byte| sum.rotate_left(5) ^ u64::from(byte));
        if round % 1_000 == 0 {
            fs::write("src/out.txt", format!("{sum:x}"))?;
        }
    }
    let names = fs::read_dir("src")?.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> = names.collect();
    Ok(json!({ "sum": format!("{sum:x}"), "names": names }))
}

/// Everything that differs from run to run on an ordinary machine.
pub(crate) fn random(_: &Input) -> Result<Value, Failure> {
    let started = Instant::now();
    let seed = wasip2::random::random::get_random_u64();
    let insecure = wasip2::random::insecure_seed::insecure_seed();
    // The order of this map depends on its random hasher.
    let map: HashMap<u32, u32> = (0..50).map(|n| (n, n * n)).collect();
    let order: Vec<u32> = map.into_keys().collect();
    fs::create_dir_all("src/made/deep")?;
    for name in ["z", "a", "m"] {
        fs::write(format!("src/made/{name}"), format!("{seed}{order:?}"))?;
    }
    let listed =
        fs::read_dir("src/made")?.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    let listed: Vec<String> = listed.collect();
    let modified = fs::metadata("src/made/a")?.modified()?;
    let modified = modified.duration_since(SystemTime::UNIX_EPOCH).map(|time| time.as_nanos().to_string());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map(|time| time.as_nanos().to_string());
    let nan = std::hint::black_box(0.0_f64) / std::hint::black_box(0.0_f64);
    Ok(json!({
        "seed": seed.to_string(),
        "insecure": format!("{insecure:?}"),
        "order": order,
        "listed": listed,
        "modified": modified.unwrap_or_default(),
        "now": now.unwrap_or_default(),
        "elapsed": started.elapsed().as_nanos().to_string(),
        "nan": format!("{:x}", nan.to_bits()),
        "fuel": context::usage().map(|usage| usage.fuel_used),
        "address": format!("{:p}", Box::new(1)),
    }))
}
