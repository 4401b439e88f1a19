//! Runs of one process share the host's places for attempts, and none starves another.

use crate::world::{World, act};
use longhaul_core::state::{RunState, TaskState};
use longhaul_engine::Places;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// How many attempts there are in all worlds now, and at most.
#[derive(Clone, Default)]
struct Busy(Arc<[AtomicUsize; 2]>);

/// A world whose tasks take a second, and which shares places with others.
fn world(places: &Places, busy: &Busy) -> World {
    let busy = busy.clone();
    let mut world = World::new().agent("a", move |job| {
        let busy = busy.clone();
        async move {
            let now = busy.0[0].fetch_add(1, SeqCst) + 1;
            busy.0[1].fetch_max(now, SeqCst);
            act(&job, "begins").ok();
            tokio::time::sleep(Duration::from_secs(1)).await;
            busy.0[0].fetch_sub(1, SeqCst);
            Ok(json!({}))
        }
    });
    world.places = Some(places.clone());
    world
}

const HEAD: &str = "agents: { a: { plugin: a } }\nconcurrency: { max: 64 }";

fn tasks(count: usize) -> String {
    format!("  x: {{ for_each: [{}] }}", (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(", "))
}

#[tokio::test(start_paused = true)]
async fn a_run_of_a_thousand_tasks_does_not_starve_one_of_two() {
    let (places, busy) = (Places::new(4), Busy::default());
    let (large, small) = (world(&places, &busy), world(&places, &busy));
    let (thousand, two) = (tasks(1_000), tasks(2));
    let late = async {
        // The large one has all places and sixty tasks in line.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        small.run(HEAD, &two).await.unwrap()
    };
    let (large, small) = tokio::join!(large.run(HEAD, &thousand), late);
    let large = large.unwrap();
    assert_eq!((large.status, small.status), (RunState::Completed, RunState::Completed));
    // It gets the next two places that are free, half a second later.
    assert_eq!(small.time, Duration::from_millis(1_500));
    assert_eq!(busy.0[1].load(SeqCst), 4, "never more than there are places");
    // No place is lost: a thousand and two at four at a time.
    assert!(large.time <= Duration::from_secs(252), "{:?}", large.time);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_gives_its_places_to_the_others() {
    let (places, busy) = (Places::new(1), Busy::default());
    let (one, other) = (world(&places, &busy), world(&places, &busy));
    let control = one.options.control.clone();
    let (hundred, ten) = (tasks(100), tasks(10));
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(5_500)).await;
        control.cancel();
    };
    let (one, other, ()) = tokio::join!(one.run(HEAD, &hundred), other.run(HEAD, &ten), cancel);
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!((one.status, other.status), (RunState::Cancelled, RunState::Completed));
    // In turn until then, and alone after that.
    let done = one.tasks.iter().filter(|row| row.state == TaskState::Completed).count();
    assert!((2..=3).contains(&done), "{done}");
    assert!(other.time <= Duration::from_secs(14), "{:?}", other.time);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_paused_in_line_goes_on_from_there() {
    let (places, busy) = (Places::new(1), Busy::default());
    let world = world(&places, &busy);
    let control = world.options.control.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        control.pause();
    });
    let four = tasks(4);
    let paused = world.run(HEAD, &four).await.unwrap();
    assert_eq!(paused.status, RunState::Paused);
    let report = world.resume(HEAD, &four).await.unwrap();
    assert_eq!((report.status, report.incidents), (RunState::Completed, 0));
    assert!(report.tasks.iter().skip(1).all(|row| row.attempts == 1));
}
