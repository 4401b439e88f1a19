//! How exactly requests to models keep to their limits, in virtual time. One row a line, as JSON: what went through in the busiest span of a
//! minute, wherever it begins, and in the quietest minute, while more was waiting than may go.

#![expect(clippy::print_stdout, reason = "the rows are what this program is for")]

use longhaul_core::units::Tokens;
use longhaul_services::model::pace::{Limits, Pace};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);
const MINUTES: u32 = 20;
/// Who asks at a time. They begin one after the other and take a while for each answer, so that requests come at no regular times.
const CALLERS: u64 = 16;
/// How far off the limit a minute may be.
const OFF: f64 = 0.01;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    for requests in [60, 600] {
        let limits = Limits { requests: Some(requests), tokens: None };
        let went = runtime.block_on(under_load(limits, 1));
        rows(&format!("{requests} requests a minute"), f64::from(requests), 1.0, &went);
    }
    // A request of 250 tokens.
    let limits = Limits { requests: None, tokens: Some(Tokens(100_000)) };
    let went = runtime.block_on(under_load(limits, 250));
    rows("100 000 tokens a minute", 100_000.0, 250.0, &went);
    Ok(())
}

/// When requests went that so many callers make one after the other, since the first one, in order.
async fn under_load(limits: Limits, tokens: u64) -> Vec<Duration> {
    let (pace, began) = (Arc::new(Pace::new(limits)), Instant::now());
    let end = began + MINUTE * MINUTES;
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let pace = Arc::clone(&pace);
        callers.spawn(async move {
            let mut went = Vec::new();
            tokio::time::sleep(Duration::from_millis(caller * 347)).await;
            while pace.pass(Tokens(tokens), end).await.is_ok() {
                went.push(began.elapsed());
                tokio::time::sleep(Duration::from_millis(20 + (caller * 7_919 + went.len() as u64 * 104_729) % 180))
                    .await;
            }
            went
        });
    }
    let mut all: Vec<Duration> = callers.join_all().await.into_iter().flatten().collect();
    all.sort_unstable();
    all
}

/// Both rows of a limit, of which each request takes `each`.
fn rows(limit: &str, most: f64, each: f64, went: &[Duration]) {
    let within = |begin: Duration| went.iter().filter(|at| (begin..begin + MINUTE).contains(at)).count() as f64 * each;
    let busiest = went.iter().map(|begin| within(*begin)).fold(0.0, f64::max);
    let quietest = (0..MINUTES).map(|minute| within(MINUTE * minute)).fold(f64::INFINITY, f64::min);
    let row = |what: &str, measured: f64, bound: f64, better: &str| {
        let name = format!("limit of {limit}: what went through in the {what}");
        println!(
            "{}",
            serde_json::json!({"name": name, "measured": measured, "bound": bound, "unit": "", "better": better})
        );
    };
    row("busiest span of a minute", busiest, most, "lower");
    row("quietest minute under load", quietest, most * (1.0 - OFF), "higher");
}
