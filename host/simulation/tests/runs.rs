//! Whole runs under faults. A seed that fails is told with the command that gives its run again.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what a run did not come to is told by a panic")]

use longhaul_core::units::Bytes;
use longhaul_simulation::{OnHour, Outcome, Person, Project, Rates, Reference, disturbed, fast_folder, undisturbed};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const SMALL: Project = Project { files: 36 };

fn silent() -> OnHour {
    Arc::new(|_| {})
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(fast_folder()).unwrap()
}

fn run(seed: u64, reference: &Reference) -> Outcome {
    run_at(Rates::HIGH, seed, reference)
}

fn run_at(rates: Rates, seed: u64, reference: &Reference) -> Outcome {
    let folder = scratch();
    disturbed(folder.path(), SMALL, rates, seed, reference, silent()).unwrap_or_else(|lost| panic!("{lost}"))
}

fn calm() -> Reference {
    undisturbed(scratch().path(), SMALL, silent()).unwrap_or_else(|lost| panic!("{lost}"))
}

#[test]
fn a_run_of_many_hours_takes_moments() {
    let hours = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&hours);
    let folder = scratch();
    let on_hour: OnHour = Arc::new(move |hour| seen.store(hour, Relaxed));
    let reference = undisturbed(folder.path(), SMALL, on_hour).unwrap();
    let span = reference.outcome.under_way;
    assert!((5 * 3600..7 * 3600).contains(&span.as_secs()), "{span:?}");
    assert_eq!(hours.load(Relaxed), span.as_secs() / 3600);
    assert_eq!((reference.outcome.person, reference.outcome.lives), (None, 1));
    // It has a list that two chunks changed at the same time, and one of them had to be done again for it.
    assert!(reference.outcome.incidents > 0);
    assert_eq!(reference.files.iter().filter(|(path, _)| path.starts_with("docs/")).count(), 24);
}

#[test]
fn whatever_goes_wrong_a_run_ends_completed_or_with_a_person_and_everything_kept() {
    let reference = calm();
    let mut outcomes: Vec<Outcome> = (1..=9).map(|seed| run(seed, &reference)).collect();
    // At these rates hardly anything is left but to ask a person.
    outcomes.extend((1..=3).map(|seed| run_at(Rates::HIGH.times(4), seed, &reference)));
    // Enough has to go wrong for this to say anything.
    let sum = |of: fn(&Outcome) -> u32| outcomes.iter().map(of).sum::<u32>();
    assert!(sum(|outcome| outcome.crashes) > 40, "{outcomes:#?}");
    assert!(sum(|outcome| outcome.full_disks) > 0, "{outcomes:#?}");
    assert!(sum(|outcome| outcome.pauses) > 3, "{outcomes:#?}");
    assert!(outcomes.iter().map(|outcome| outcome.incidents).sum::<u64>() > 40, "{outcomes:#?}");
    assert!(outcomes.iter().any(|outcome| outcome.person == Some(Person::Escalated)), "{outcomes:#?}");
    assert!(outcomes.iter().any(|outcome| outcome.person.is_none()), "{outcomes:#?}");
}

#[test]
fn projects_of_every_size_are_done_in_a_working_day_or_with_a_person() {
    for files in [100, 500, 1200] {
        let project = Project { files };
        let reference = undisturbed(scratch().path(), project, silent()).unwrap_or_else(|lost| panic!("{lost}"));
        for seed in 1..=2 {
            let folder = scratch();
            let outcome = disturbed(folder.path(), project, Rates::HIGH, seed, &reference, silent());
            let outcome = outcome.unwrap_or_else(|lost| panic!("{lost}"));
            assert!(outcome.crashes > 0 && outcome.incidents > 0, "{files} files, seed {seed}: {outcome:#?}");
            let hours = outcome.under_way.as_secs() / 3600;
            assert!((4..=7).contains(&hours), "{files} files, seed {seed}: {hours} h");
        }
    }
}

#[test]
fn a_seed_gives_the_same_run_again_entry_for_entry() {
    let reference = calm();
    for seed in [3, 4] {
        // How much a database takes for a moment is the machine's.
        let [one, other] =
            [run(seed, &reference), run(seed, &reference)].map(|outcome| Outcome { disk: Bytes(0), ..outcome });
        assert_eq!(one, other, "seed {seed}");
    }
    assert_ne!(run(3, &reference).record, run(4, &reference).record);
}

#[test]
fn crashes_alone_repeat_little_and_need_nobody() {
    let reference = calm();
    let rates = Rates { kills: Some(Duration::from_secs(20 * 60)), crashes: 2_000, ..Rates::NONE };
    let folder = scratch();
    let outcome =
        disturbed(folder.path(), SMALL, rates, 5, &reference, silent()).unwrap_or_else(|lost| panic!("{lost}"));
    assert_eq!(outcome.person, None);
    assert!(outcome.crashes > 10, "{outcome:?}");
    // A crash costs at most what was under way in the three tasks since their last recorded call.
    let again = outcome.work.saturating_sub(reference.work);
    assert!(again < Duration::from_secs(3 * 20 * 60) * outcome.crashes, "{again:?} {outcome:?}");
}
