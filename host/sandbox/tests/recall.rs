//! An attempt that is told to end ends at once, as at a limit of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper of a test fails the test")]

mod support;

use longhaul_core::attempt::{AttemptReport, Job};
use longhaul_core::incident::{IncidentClass, Problem};
use longhaul_core::recall::Recall;
use longhaul_core::units::Fuel;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Attempt, guests, limits, problem, run, sandbox, whole};

/// Tells an attempt to end after a while.
struct After(Duration);

impl Recall for After {
    fn recalled(&self) -> Pin<Box<dyn Future<Output = Problem> + Send + '_>> {
        Box::pin(async {
            tokio::time::sleep(self.0).await;
            Problem::new(IncidentClass::Timeout, "it is enough")
        })
    }
}

/// Runs the guest `hostile` in this mode until it is told to end.
fn recalled(mode: &str) -> (AttemptReport, Duration) {
    let (sandbox, began) = (sandbox(), Instant::now());
    let mut limits = limits();
    limits.fuel = Fuel(1 << 60);
    let Attempt { job, stage, record } = Attempt::mode(mode, limits);
    let job = Job { recall: Arc::new(After(Duration::from_millis(200))), ..job };
    let report = run(async {
        let plugin = sandbox.load(&guests::built("hostile")).await.unwrap();
        whole(&sandbox, &plugin, job).await
    });
    drop((stage, record));
    (report, began.elapsed())
}

#[test]
fn a_guest_that_computes_for_ever_ends() {
    let (report, took) = recalled("loop");
    assert_eq!((problem(&report).class, &*problem(&report).message), (IncidentClass::Timeout, "it is enough"));
    // Of its fuel only that is known which it had used when it last called the host.
    assert!(report.usage.fuel > Fuel(0) && report.usage.time >= Duration::from_millis(200), "{:?}", report.usage);
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_guest_that_waits_in_a_host_call_ends_too() {
    let (report, _) = recalled("sleep");
    assert_eq!(&*problem(&report).message, "it is enough");
}
