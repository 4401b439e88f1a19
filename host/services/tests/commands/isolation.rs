//! What commands see of the machine: with all layers, and with each left out in turn.

use super::world::World;
use longhaul_core::commands::{Dimension, ExitStatus, Finished};
use longhaul_core::path::StagePath;
use longhaul_core::reach::ServiceError;
use longhaul_services::exec::Layer;

fn mechanism(finished: &Finished, dimension: Dimension) -> String {
    let found = finished.isolation.iter().find(|reached| reached.dimension == dimension).unwrap();
    assert!(!found.gap.is_empty() || found.stands(), "{found:?}");
    found.mechanism()
}

#[test]
fn every_dimension_is_probed_and_told() {
    let world = World::new();
    let finished = world.run(world.command(&["true"])).unwrap();
    let dimensions: Vec<_> = finished.isolation.iter().map(|reached| reached.dimension).collect();
    assert_eq!(dimensions, Dimension::ALL);
    println!("{:?}", finished.isolation);
    for reached in &finished.isolation {
        assert!(reached.stands(), "{reached:?}");
    }
}

#[test]
fn each_layer_alone_keeps_the_files_of_the_machine_away() {
    let world = World::new();
    let secret = world.path("secret");
    std::fs::write(&secret, "s").unwrap();
    let secret = secret.display().to_string();
    let script = format!(
        "cat {secret}; cat ../secret; ln -s {secret} link; cat link; echo x > {secret}; touch /usr/probe /probe; true"
    );
    for layers in [&[][..], &[Layer::Namespaces][..], &[Layer::Landlock][..]] {
        let mut world = World::without(layers);
        world.folder = tempfile::tempdir_in(world.folder.path().parent().unwrap()).unwrap();
        for name in ["ground", "scratch", "output"] {
            std::fs::create_dir(world.path(name)).unwrap();
        }
        let finished = world.run(world.shell(&script)).unwrap();
        assert_eq!(finished.stdout.head, b"", "{layers:?}: {finished:?}");
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), "s");
        assert!(!std::path::Path::new("/usr/probe").exists() && !std::path::Path::new("/probe").exists());
        assert_ne!(mechanism(&finished, Dimension::Files), "none", "{layers:?}");
    }
}

#[test]
fn the_settings_of_the_kernel_are_out_of_reach_and_nothing_of_the_host_is_handed_over() {
    for layers in [&[][..], &[Layer::Namespaces][..], &[Layer::Landlock][..]] {
        let world = World::without(layers);
        // Opened for writing, and nothing is written.
        let tried = world.text("(true >> /proc/sys/kernel/core_pattern) 2>/dev/null && echo open || echo refused");
        assert_eq!(tried, "refused\n", "{layers:?}");
    }
    // One that every program of this process would be given.
    let left_open = rustix::fs::open("/etc/hostname", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty());
    let world = World::new();
    assert_eq!(world.text("ls /proc/self/fd | tr '\\n' ' '"), "0 1 2 3 ", "the fourth is that of the listing itself");
    assert_eq!(
        world
            .text("ls -A / | tr '\\n' ' '")
            .split_whitespace()
            .filter(|name| ["root", "home", "var", "sys", "work"].contains(name))
            .count(),
        0
    );
    drop(left_open);
}

#[test]
fn there_is_no_network_but_its_own() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!("(exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && echo reached || echo refused");
    for layers in [&[][..], &[Layer::Namespaces][..]] {
        let world = World::without(layers);
        let finished = world.run(world.command(&["bash", "-c", &script])).unwrap();
        assert_eq!(finished.stdout.head, b"refused\n", "{layers:?}");
        assert_ne!(mechanism(&finished, Dimension::Network), "none");
    }
}

#[test]
fn processes_of_the_machine_are_neither_seen_nor_ended() {
    let mut own = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let script = format!("kill -9 {} 2>/dev/null && echo killed || echo refused", own.id());
    for layers in [&[][..], &[Layer::Namespaces][..]] {
        let world = World::without(layers);
        assert_eq!(world.text(&script), "refused\n", "{layers:?}");
        assert!(own.try_wait().unwrap().is_none());
    }
    let world = World::new();
    assert_eq!(
        world.text("ls /proc | grep -c '^[0-9]'"),
        "4\n",
        "the first process, the shell, and the two of the pipe"
    );
    own.kill().unwrap();
    own.wait().unwrap();
}

#[test]
fn dangerous_calls_are_refused() {
    let world = World::new();
    let tried = world.run(world.shell("unshare -U true; echo $?; mount -t tmpfs none /tmp; echo $?")).unwrap();
    let codes = String::from_utf8(tried.stdout.head).unwrap();
    assert!(codes.lines().all(|code| code != "0"), "{codes}");
    // The same without the filter: it is the filter that refuses.
    let world = World::without(&[Layer::Seccomp]);
    let finished = world.run(world.shell("unshare -U true")).unwrap();
    assert_eq!(finished.status, ExitStatus::Code(0), "{finished:?}");
    assert_eq!(mechanism(&finished, Dimension::SystemCalls), "none");
}

#[test]
fn where_a_required_dimension_is_missing_nothing_is_run() {
    let world = World::without(&[Layer::Namespaces, Layer::Landlock, Layer::Seccomp]).requiring(&Dimension::REQUIRED);
    match world.run(world.shell("touch ran")) {
        Err(ServiceError::Unavailable(reason)) => {
            assert!(reason.contains("files and network and processes"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(!world.path("ground/ran").exists());
    let world = World::new().requiring(&Dimension::ALL);
    assert_eq!(world.run(world.shell("touch ran")).unwrap().status, ExitStatus::Code(0));
    assert!(world.path("ground/ran").exists());
}

#[test]
fn caches_are_at_their_places_and_stay() {
    let world = World::new();
    std::fs::create_dir(world.path("ground/target")).unwrap();
    let mut command = world.shell("echo warm > target/file; cat target/before");
    std::fs::write(world.path("cache/before"), "kept").unwrap();
    command.site.caches = vec![(StagePath::new("target").unwrap(), world.path("cache"))];
    assert_eq!(world.run(command).unwrap().stdout.head, b"kept");
    assert_eq!(std::fs::read_to_string(world.path("cache/file")).unwrap(), "warm\n");
    assert_eq!(std::fs::read_dir(world.path("ground/target")).unwrap().count(), 0, "nothing of it is in the ground");
}

#[test]
fn tools_of_the_operator_are_found_and_not_changed() {
    let mut world = World::new();
    let tools = tempfile::tempdir().unwrap();
    std::fs::create_dir(tools.path().join("bin")).unwrap();
    let tool = tools.path().join("bin/special-tool");
    std::fs::write(&tool, "#!/bin/sh\necho special\necho x > \"$0\" || true\n").unwrap();
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    world.settings.tools = vec![tools.path().to_owned()];
    assert_eq!(world.text("special-tool"), "special\n");
    assert!(std::fs::read_to_string(&tool).unwrap().starts_with("#!"));
}
