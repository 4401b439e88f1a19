//! Commands that use too much.

use super::world::{World, is_gone, mark};
use longhaul_core::commands::ExitStatus;
use longhaul_core::reach::ServiceError;
use longhaul_core::units::Bytes;
use longhaul_services::exec::Layer;

fn exhausted(world: &World, command: longhaul_core::commands::Command) -> String {
    match world.run(command) {
        Err(ServiceError::Exhausted(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_that_prints_without_end_is_ended_and_what_it_wrote_stays_bounded() {
    let world = World::new();
    let mark = mark("flood");
    let mut command = world.shell(&format!("yes {mark}"));
    command.limits.output = Bytes(5 << 20);
    let reason = exhausted(&world, command);
    assert!(reason.contains("to one stream") && reason.contains("was ended"), "{reason}");
    assert!(is_gone(&mark));
    assert!(std::fs::metadata(world.path("output/stdout")).unwrap().len() < 6 << 20);
}

#[test]
fn much_output_is_kept_whole_and_shown_in_part() {
    let world = World::new();
    let mut command = world.shell("seq 1 300000");
    command.limits.shown = Bytes(100);
    let finished = world.run(command).unwrap();
    assert_eq!(finished.stdout.head.len(), 100);
    assert!(finished.stdout.tail.ends_with(b"299999\n300000\n"));
    assert_eq!(finished.stdout.size, std::fs::metadata(world.path("output/stdout")).unwrap().len());
}

#[test]
fn one_that_forks_for_ever_is_ended_with_all_of_its_kind() {
    for layers in [&[][..], &[Layer::Namespaces][..]] {
        let world = World::without(layers);
        let mark = mark("bomb");
        let mut command = world.shell(&format!("bomb() {{ while :; do (sleep 30) & done; }}; bomb # {mark}"));
        command.limits.processes = 60;
        match world.run(command) {
            Err(ServiceError::Exhausted(reason)) => assert!(reason.contains("60 processes"), "{reason}"),
            // Where the kernel itself keeps the number, the shell gives up.
            Ok(finished) => assert_ne!(finished.status, ExitStatus::Code(0)),
            other => panic!("{other:?}"),
        }
        assert!(is_gone(&mark), "{layers:?}");
    }
}

#[test]
fn memory_is_limited_for_one_process_and_for_all() {
    let world = World::new();
    // One process: its memory is refused.
    let mut command = world
        .shell("head -c 300m /dev/zero | tail -c 1 > /dev/null; x=$(head -c 300m /dev/zero | tr '\\0' x); echo ${#x}");
    command.limits.memory = Bytes(100 << 20);
    match world.run(command) {
        Err(ServiceError::Exhausted(reason)) => assert!(reason.contains("memory"), "{reason}"),
        Ok(finished) => assert_ne!(finished.stdout.head, b"314572800\n"),
        other => panic!("{other:?}"),
    }
    // Several, each within the limit: the sum is not.
    let one = "x=$(head -c 60m /dev/zero | tr '\\0' x); sleep 20";
    let mut command = world.shell(&format!("for i in 1 2 3 4; do ({one}) & done; wait"));
    command.limits.memory = Bytes(150 << 20);
    let reason = exhausted(&world, command);
    assert!(reason.contains("of memory"), "{reason}");
}

#[test]
fn files_are_limited_one_by_one_and_in_sum() {
    let world = World::new();
    let mut command = world.shell("head -c 30m /dev/zero > big");
    command.limits.disk = Bytes(10 << 20);
    let finished = world.run(command).unwrap();
    assert_ne!(finished.status, ExitStatus::Code(0));
    assert!(std::fs::metadata(world.path("ground/big")).unwrap().len() <= 10 << 20);
    std::fs::remove_file(world.path("ground/big")).unwrap();
    let mut command = world.shell("i=0; while :; do i=$((i+1)); head -c 4m /dev/zero > part$i; done");
    command.limits.disk = Bytes(40 << 20);
    let reason = exhausted(&world, command);
    assert!(reason.contains("disk"), "{reason}");
}
