//! How commands end, and that nothing of them is left.

use super::world::{Lines, World, is_gone, is_running, mark};
use longhaul_core::commands::{Commands, ExitStatus, NotFollowed, Stream};
use longhaul_core::path::StagePath;
use longhaul_core::reach::ServiceError;
use longhaul_services::exec::Layer;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn a_command_has_its_arguments_its_input_its_folder_and_its_environment() {
    let world = World::new();
    std::fs::create_dir(world.path("ground/sub")).unwrap();
    std::fs::write(world.path("ground/sub/file"), "content").unwrap();
    let mut command =
        world.shell("cat; cat file; echo \"$1|$GIVEN|$HOME\"; pwd; env | sort | cut -d= -f1 | tr '\\n' ' '");
    command.argv.extend(["name", "a b"].map(str::to_owned));
    command.stdin = b"input ".to_vec();
    command.env = vec![("GIVEN".to_owned(), "yes".to_owned())];
    command.cwd = StagePath::new("sub").unwrap();
    let finished = world.run(command).unwrap();
    assert_eq!(finished.status, ExitStatus::Code(0));
    let text = String::from_utf8(finished.stdout.head).unwrap();
    assert_eq!(text, "input contenta b|yes|/tmp\n/workspace/sub\nGIVEN HOME LANG PATH PWD TMPDIR ");
    assert_eq!(std::fs::read_to_string(world.path("output/stdout")).unwrap(), text, "the whole output is in a file");
    assert_eq!(finished.stdout.size, text.len() as u64);
}

#[test]
fn codes_and_signals_are_told_apart() {
    let world = World::new();
    assert_eq!(world.run(world.shell("exit 7")).unwrap().status, ExitStatus::Code(7));
    assert_eq!(world.run(world.shell("kill -9 $$")).unwrap().status, ExitStatus::Signal(9));
    let finished = world.run(world.shell("echo out; echo err >&2; exit 1")).unwrap();
    assert_eq!((finished.stdout.head.as_slice(), finished.stderr.head.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
}

#[test]
fn a_program_that_is_not_there_is_said_to_be_missing() {
    let world = World::new();
    for (argv, expected) in [
        (["no-such-program"], "no program `no-such-program` in the system's folders"),
        (["./no-such-script"], "no program `./no-such-script` in the stage"),
    ] {
        match world.run(world.command(&argv)) {
            Err(ServiceError::Invalid(reason)) => assert!(reason.contains(expected), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    std::fs::write(world.path("ground/plain"), "text").unwrap();
    assert!(
        matches!(world.run(world.command(&["./plain"])), Err(ServiceError::Invalid(reason)) if reason.contains("cannot be run"))
    );
}

#[test]
fn lines_are_shown_while_the_command_runs() {
    let world = World::new();
    let lines = Arc::new(Lines::default());
    let command = world.shell("echo one; sleep 30");
    let commands = world.commands();
    world.runtime.block_on(async {
        let running = commands.run(command, lines.clone());
        let seen = async {
            while lines.0.lock().unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            ended = running => panic!("{ended:?}"),
            () = seen => {}
        }
    });
    assert_eq!(*lines.0.lock().unwrap(), [(Stream::Stdout, "one".to_owned())]);
}

#[test]
fn one_that_waits_for_input_is_given_its_end() {
    let world = World::new();
    assert_eq!(world.text("cat; echo over"), "over\n");
}

#[test]
fn one_that_ignores_every_signal_is_ended_when_its_time_is_up() {
    for layers in [&[][..], &[Layer::Namespaces][..]] {
        let world = World::without(layers);
        let mark = mark("stubborn");
        let mut command = world.shell(&format!("trap '' TERM INT HUP; while :; do sleep 1; done # {mark}"));
        command.limits.time = Duration::from_millis(600);
        let began = Instant::now();
        let finished = world.run(command).unwrap();
        assert_eq!(finished.status, ExitStatus::TimedOut);
        assert!(began.elapsed() < Duration::from_secs(5));
        assert!(is_gone(&mark));
    }
}

#[test]
fn double_forks_and_new_sessions_do_not_outlive_the_command() {
    for layers in [&[][..], &[Layer::Namespaces][..]] {
        let world = World::without(layers);
        let mark = mark("orphan");
        // Twice removed, in a session of its own, deaf to signals, and holding the output open.
        let script =
            format!("(setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done # {mark}' &) ; sleep 0.3; exit 3");
        let began = Instant::now();
        let finished = world.run(world.shell(&script)).unwrap();
        assert_eq!(finished.status, ExitStatus::Code(3));
        assert!(began.elapsed() < Duration::from_secs(8), "nobody waits for the orphan");
        assert!(is_gone(&mark), "{layers:?}");
    }
}

#[test]
fn a_command_whose_call_is_dropped_is_ended() {
    for layers in [&[][..], &[Layer::Namespaces][..]] {
        let world = World::without(layers);
        let mark = mark("dropped");
        let command =
            world.shell(&format!("(setsid sh -c 'while :; do sleep 1; done # {mark}' &); while :; do sleep 1; done"));
        let commands = world.commands();
        world.runtime.block_on(async {
            let running = commands.run(command, Arc::new(NotFollowed));
            let seen = async {
                while !is_running(&mark) {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                ended = running => panic!("{ended:?}"),
                () = seen => {}
            }
        });
        assert!(is_gone(&mark), "{layers:?}");
    }
}
