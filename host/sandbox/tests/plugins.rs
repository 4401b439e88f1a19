//! Files that claim to be plugins: damaged, mislabelled, or made to keep a compiler busy for ever.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use longhaul_sandbox::{CompileLimits, CompileWorker, PluginError, Sandbox, SandboxConfig, inspect};
use std::fmt::Write;
use std::time::Duration;
use support::{Attempt, guests, limits, output, run, sandbox};

#[test]
fn manifests_have_to_be_there_once_and_to_fit() {
    let agent = guests::componentize(guests::text("output-good"));
    let labelled = |kind| guests::with_manifest(agent.clone(), kind);
    assert!(inspect(&labelled("agent")).is_ok());
    assert!(matches!(inspect(&agent), Err(PluginError::NoManifest)));
    let twice = guests::with_manifest(labelled("agent"), "agent");
    assert!(matches!(inspect(&twice), Err(PluginError::ManyManifests(2))));
    let error = inspect(&labelled("strategy")).unwrap_err();
    assert!(matches!(error, PluginError::WrongKind { .. }));
    assert_eq!(error.to_string(), "it is an agent, and a strategy is needed here");
    for rubbish in [
        "",
        "{",
        "[]",
        r#"{"manifest":2}"#,
        r#"{"manifest":1,"kind":"agent","name":"../x","version":"1","api":"0.1.0"}"#,
    ] {
        let component = guests::with_section(agent.clone(), "longhaul:manifest", rubbish.as_bytes());
        assert!(matches!(inspect(&component), Err(PluginError::Manifest(_))), "{rubbish}");
    }
    let older = r#"{"manifest":1,"kind":"agent","name":"x","version":"1","api":"0.0.9"}"#;
    let component = guests::with_section(agent.clone(), "longhaul:manifest", older.as_bytes());
    let text = inspect(&component).unwrap_err().to_string();
    assert!(text.contains("0.0.9") && text.contains("0.1.0"), "{text}");
    let greedy = r#"{"manifest":1,"kind":"agent","name":"x","version":"1","api":"0.1.0",
        "permissions":[{"capability":"fs.read","pattern":"../**","reason":"to look around"}]}"#;
    let component = guests::with_section(agent.clone(), "longhaul:manifest", greedy.as_bytes());
    let text = inspect(&component).unwrap_err().to_string();
    assert!(text.contains("`../**` is not a file pattern"), "{text}");
    let huge = guests::with_section(agent, "longhaul:manifest", &vec![b' '; 300 << 10]);
    assert!(matches!(inspect(&huge), Err(PluginError::Manifest(_))));
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

/// Whether a section of the binary ends at `end`: a section is its number, its length as LEB128, its content.
fn ends_behind_a_section(whole: &[u8], end: usize) -> bool {
    let mut at = 8;
    while at < end {
        let (mut length, mut shift) = (0_usize, 0);
        at += 1;
        loop {
            let byte = whole[at];
            at += 1;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        at += length;
    }
    at == end
}

#[test]
fn a_truncated_component_is_refused_wherever_it_ends() {
    let whole = guests::built("hostile");
    let ends = (0..64).chain((0..300).map(|n| whole.len() * n / 300)).chain(whole.len() - 64..whole.len());
    for end in ends {
        match inspect(&whole[..end]) {
            Err(error) => assert!(!error.to_string().is_empty(), "{end}"),
            // Nothing is missing there but sections of names and notes.
            Ok(_) => {
                assert!(ends_behind_a_section(&whole, end), "{end} of {} bytes were taken for a whole", whole.len())
            }
        }
    }
    let sandbox = sandbox();
    run(async {
        for end in [0, 8, 100, whole.len() / 2, whole.len() - 1] {
            assert!(sandbox.load(&whole[..end]).await.is_err(), "{end}");
        }
    });
}

#[test]
fn damage_is_an_error_or_harmless_and_never_a_crash() {
    let whole = guests::built("hostile");
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut accepted = Vec::new();
    for round in 0..500 {
        let mut damaged = whole.clone();
        for _ in 0..=numbers.next(4) {
            // Half of the damage goes where the names and types are: to the beginning and the end.
            let zone = if round % 2 == 0 { damaged.len() } else { 4_096.min(damaged.len()) };
            let mut at = numbers.next(zone);
            if round % 4 == 1 {
                at = damaged.len() - 1 - at;
            }
            match numbers.next(3) {
                0 => damaged[at] ^= 1 << numbers.next(8),
                1 => damaged[at] = 0xff,
                _ => {
                    damaged.remove(at);
                }
            }
        }
        if inspect(&damaged).is_ok() && accepted.len() < 4 {
            accepted.push(damaged);
        }
    }
    // What still looks like a plugin goes on to the compiler, which is a process of its own.
    assert!(!accepted.is_empty(), "all of the damage was found at the first look: the rest of this test tests nothing");
    let sandbox = sandbox();
    run(async {
        let good = sandbox.load(&whole).await.unwrap();
        for damaged in accepted {
            if let Ok(plugin) = sandbox.load(&damaged).await {
                let _either = sandbox.run_agent(&plugin, Attempt::mode("good", limits()).job).await.ended().unwrap();
            }
            output(&sandbox.run_agent(&good, Attempt::mode("good", limits()).job).await.ended().unwrap());
        }
    });
}

#[test]
fn machine_code_that_cannot_be_kept_is_told_for_what_it_is() {
    let cache = tempfile::tempdir().unwrap();
    let good = guests::built("hostile");
    let load = |change: &dyn Fn(&mut SandboxConfig)| {
        let mut config = support::config();
        config.cache = cache.path().join("components");
        change(&mut config);
        run(Sandbox::new(config).unwrap().load(&good)).err().unwrap()
    };
    // A disk that is full.
    let error = load(&|config| {
        let compiler = config.worker.program.display().to_string();
        let script = format!("exec '{compiler}' \"$@\" > /dev/full");
        config.worker =
            CompileWorker { program: "/bin/sh".into(), args: vec!["-c".to_owned(), script, "sh".to_owned()] };
    });
    let PluginError::Cache { path, reason } = &error else { panic!("{error:?}") };
    assert!(path.starts_with(cache.path()) && reason.contains("No space left on device"), "{error}");
    let error = load(&|config| config.compile.output = 10_000);
    assert!(matches!(error, PluginError::CodeTooLarge { limit: 10_000 }), "{error:?}");
    let left: Vec<_> = std::fs::read_dir(cache.path().join("components")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A component whose single function keeps an optimising compiler busy: many variables, all of them alive across
/// many blocks.
fn compile_bomb() -> Vec<u8> {
    let mut text = String::from("(module (memory (export \"memory\") 1)\n");
    text.push_str("(func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (i32.const 0))\n");
    text.push_str("(func (export \"longhaul:plugin/work@0.1.0#run\") (param i32) (result i32)\n");
    let locals = 4_000;
    writeln!(text, "(local {})", "i64 ".repeat(locals)).unwrap();
    let depth = 800;
    text.push_str(&"(block ".repeat(depth));
    for n in 0..30_000 {
        let (a, b, c) = (1 + n % locals, 1 + n * 7 % locals, 1 + n * 13 % locals);
        write!(text, "(local.set {a} (i64.rotl (i64.mul (local.get {b}) (local.get {c})) (local.get {a})))").unwrap();
        writeln!(text, "(br_if {} (i32.wrap_i64 (local.get {b})))", n % depth).unwrap();
    }
    let labels: String = (0..depth).map(|n| format!("{n} ")).collect();
    writeln!(text, "(br_table {labels} (i32.wrap_i64 (local.get 1)))").unwrap();
    text.push_str(&")".repeat(depth));
    text.push_str("(i32.const 0)))");
    guests::with_manifest(guests::componentize(wat::parse_str(&text).unwrap()), "agent")
}

#[test]
fn a_compile_bomb_goes_off_in_a_process_of_its_own() {
    let cache = tempfile::tempdir().unwrap();
    let mut config = support::config();
    // The neighbour is compiled before, within ordinary limits.
    config.cache = cache.path().join("components");
    let patient = Sandbox::new(config.clone()).unwrap();
    let good = guests::built("hostile");
    run(patient.load(&good)).unwrap();
    config.compile = CompileLimits { time: Duration::from_secs(1), ..CompileLimits::default() };
    let sandbox = Sandbox::new(config).unwrap();
    let bomb = compile_bomb();
    run(async {
        let good = sandbox.load(&good).await.unwrap();
        let neighbour = sandbox.run_agent(&good, Attempt::mode("good", limits()).job);
        let (bombed, neighbours) = tokio::join!(sandbox.load(&bomb), neighbour);
        let error = bombed.err().expect("the bomb was compiled within a second: it is too small");
        assert!(matches!(error, PluginError::CompileLimit { .. }), "{error:?}");
        assert!(error.to_string().contains("1 s"), "{error}");
        output(&neighbours.ended().unwrap());
    });
    let left: Vec<_> =
        std::fs::read_dir(cache.path().join("components")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 1, "what was not finished is gone: {left:?}");
}

#[test]
fn a_compiler_that_may_have_little_memory_ends_with_its_limit() {
    let cache = tempfile::tempdir().unwrap();
    let mut config = support::config();
    config.cache = cache.path().join("components");
    config.compile = CompileLimits { memory: 48 << 20, ..CompileLimits::default() };
    let sandbox = Sandbox::new(config).unwrap();
    let error = run(sandbox.load(&compile_bomb())).err().expect("48 MiB were enough");
    assert!(matches!(error, PluginError::CompileLimit { .. } | PluginError::Compile(_)), "{error:?}");
}

#[test]
fn a_compiler_that_is_not_there_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let mut config = support::config();
    config.cache = cache.path().join("components");
    config.worker.program = cache.path().join("no-such-program");
    let error = run(Sandbox::new(config).unwrap().load(&guests::agent("output-good"))).err().unwrap();
    assert!(error.to_string().contains("no-such-program"), "{error}");
}

#[test]
fn the_same_component_loaded_many_times_at_once_is_one_plugin() {
    let cache = tempfile::tempdir().unwrap();
    let mut config = support::config();
    config.cache = cache.path().join("components");
    let sandbox = Sandbox::new(config).unwrap();
    let bytes = guests::agent("output-good");
    run(async {
        let load = || sandbox.load(&bytes);
        let (a, b, c, d) = tokio::join!(load(), load(), load(), load());
        for plugin in [a, b, c, d] {
            output(&sandbox.run_agent(&plugin.unwrap(), Attempt::mode("none", limits()).job).await.ended().unwrap());
        }
    });
}

#[test]
fn a_cache_that_others_can_write_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mut config = support::config();
    config.cache = folder.path().join("components");
    std::fs::create_dir(&config.cache).unwrap();
    std::fs::set_permissions(&config.cache, std::fs::Permissions::from_mode(0o777)).unwrap();
    let error = Sandbox::new(config).err().expect("anybody could put machine code there");
    assert!(error.to_string().contains("others can write it"), "{error}");
}
