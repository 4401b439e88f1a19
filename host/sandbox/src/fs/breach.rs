//! A hole in the first wall, in test builds only: a path that begins with `breach:` is opened as a path of the machine, on
//! the guest's own thread, as a mistake in the first wall would do it. What it reaches then is what the second wall
//! leaves; the tests below show that it is nothing, and that without the second wall it would be everything.

use super::FsContext;
use longhaul_core::stage::{FsError, Node, NodeKind, StageFile};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Opens for reading.
const READ: &str = "breach:";
/// Makes, and opens for reading and writing.
const MAKE: &str = "breach-make:";

/// The file of the machine that `path` names, where it asks for the hole.
pub(crate) fn open(_: &FsContext, path: &str) -> Option<Result<Arc<dyn StageFile>, FsError>> {
    let opened = if let Some(path) = path.strip_prefix(READ) {
        File::open(path)
    } else if let Some(path) = path.strip_prefix(MAKE) {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
    } else {
        return None;
    };
    Some(opened.map(|file| Arc::new(RealFile(file)) as Arc<dyn StageFile>).map_err(|error| told(&error)))
}

struct RealFile(File);

impl StageFile for RealFile {
    fn node(&self) -> Node {
        let size = self.0.metadata().map_or(0, |meta| meta.len());
        Node { kind: NodeKind::File, size, identity: 0, links: 1, changed: 0 }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, FsError> {
        self.0.read_at(buffer, offset).map_err(|error| told(&error))
    }

    fn write_at(&self, data: &[u8], offset: u64) -> Result<(), FsError> {
        self.0.write_all_at(data, offset).map_err(|error| told(&error))
    }

    fn append(&self, data: &[u8]) -> Result<(), FsError> {
        self.write_at(data, self.node().size)
    }

    fn set_size(&self, size: u64) -> Result<(), FsError> {
        self.0.set_len(size).map_err(|error| told(&error))
    }
}

fn told(error: &io::Error) -> FsError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => FsError::Denied,
        io::ErrorKind::NotFound => FsError::NotFound,
        _ => FsError::Io(error.to_string()),
    }
}

mod tests {
    use crate::cache::ComponentCache;
    use crate::compile::{CompileLimits, CompileWorker};
    use crate::engine::{compiler_engine, runtime_engine};
    use crate::no_files::NoFiles;
    use crate::sandbox::{Sandbox, SandboxConfig, WallPolicy};
    use crate::wall::{Enclosure, WallStatus, stands_here};
    use longhaul_core::attempt::{AttemptEvent, Job, Limits, Outcome, RecordError, Recorder, TaskInput};
    use longhaul_core::clock::Clock;
    use longhaul_core::digest::Digest;
    use longhaul_core::grant::{FsPermissions, Grant, Party, Permissions};
    use longhaul_core::id::{AttemptId, Name, RunId, TaskId};
    use longhaul_core::units::Timestamp;
    use serde_json::{Value, json};
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::sync::{Arc, Mutex, OnceLock};

    const THREADS: usize = 3;

    /// A folder for stages, one beside it with a secret, and what a guest gets of them.
    struct Scene {
        folder: tempfile::TempDir,
        sandbox: Sandbox,
    }

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }
    }

    #[derive(Default)]
    struct Record(Mutex<Vec<AttemptEvent>>);

    impl Recorder for Record {
        fn record(&self, event: AttemptEvent) -> Result<(), RecordError> {
            self.0.lock().unwrap().push(event);
            Ok(())
        }
    }

    fn guest() -> Vec<u8> {
        let folder = std::env::var_os("LONGHAUL_GUESTS")
            .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guests")), PathBuf::from);
        let path = folder.join("hostile.wasm");
        std::fs::read(&path)
            .unwrap_or_else(|e| panic!("{}: {e}; build the test guests with `cargo xtask plugins`", path.display()))
    }

    /// The guest's machine code. Compiled here and not by the compiler process, since unit tests have no program to start.
    fn machine_code() -> &'static [u8] {
        static CODE: OnceLock<Vec<u8>> = OnceLock::new();
        CODE.get_or_init(|| compiler_engine().unwrap().precompile_component(&guest()).unwrap())
    }

    impl Scene {
        fn new(wall: WallPolicy) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for name in ["stages", "stages/other", "private", "objects"] {
                std::fs::create_dir(folder.path().join(name)).unwrap();
            }
            std::fs::write(folder.path().join("private/secret"), "the secret").unwrap();
            std::fs::write(folder.path().join("objects/content"), "some content").unwrap();
            let cache = folder.path().join("cache");
            let (engine, _) = runtime_engine(1).unwrap();
            let (pending, mut file) =
                ComponentCache::open(&cache, &engine).unwrap().create(&Digest::of(&guest())).unwrap();
            file.write_all(machine_code()).unwrap();
            drop(file);
            pending.commit().unwrap();
            let sandbox = Sandbox::new(SandboxConfig {
                cache,
                worker: CompileWorker { program: "/nonexistent/compiler".into(), args: Vec::new() },
                compile: CompileLimits::default(),
                instances: 8,
                threads: THREADS,
                enclosure: Enclosure {
                    writable: vec![folder.path().join("stages")],
                    readable: vec![folder.path().join("objects")],
                },
                wall,
            })
            .unwrap();
            Self { folder, sandbox }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        /// What the guest gets through the hole, with the record of it.
        async fn breach(&self, how: &str, path: &Path) -> (Value, Vec<AttemptEvent>) {
            let plugin = self.sandbox.load(&guest()).await.unwrap();
            let everything = FsPermissions { read: vec!["**".to_owned()], write: vec!["**".to_owned()] };
            let record = Arc::new(Record::default());
            let job = Job {
                task: TaskInput {
                    run: RunId::new("r").unwrap(),
                    workflow: "test".to_owned(),
                    objective: String::new(),
                    attempt: AttemptId { task: TaskId::new("t").unwrap(), number: 1 },
                    agent: Name::new("hostile").unwrap(),
                    input: json!({ "mode": "breach", "path": format!("{how}{}", path.display()) }),
                    config: json!({}),
                    state: None,
                },
                limits: Limits::default(),
                grant: Grant::new([(Party::Task, Permissions { fs: Some(everything), ..Permissions::default() })])
                    .unwrap(),
                stage: Arc::new(NoFiles),
                recorder: record.clone(),
                clock: Arc::new(Still),
                committer: Arc::new(longhaul_core::attempt::NeverCommits),
                recall: Arc::new(longhaul_core::recall::NeverRecalled),
                reach: longhaul_core::reach::Reach::alone(longhaul_core::reach::Services::default()),
                model: None,
                meter: Arc::new(longhaul_core::spend::Unmetered),
                began: Timestamp(0),
                seed: Digest::of(b"seed"),
            };
            let report = self.sandbox.run_agent(&plugin, job).await.ended().unwrap();
            let Ok(Outcome::Completed(output)) = report.result else { panic!("{report:?}") };
            let events = record.0.lock().unwrap().clone();
            (output, events)
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn with_a_hole_in_the_first_wall_the_second_leaves_nothing_to_reach() {
        if !stands_here("with a hole in the first wall the second leaves nothing to reach") {
            return;
        }
        let scene = Scene::new(WallPolicy::Require);
        assert_eq!(*scene.sandbox.wall(), WallStatus::Standing);
        runtime().block_on(async {
            let secret = scene.path("private/secret");
            let round = scene.path("stages/../private/secret");
            let by_link = scene.path("stages/link");
            std::os::unix::fs::symlink(&secret, &by_link).unwrap();
            for path in [&secret, &round, &by_link, Path::new("/etc/passwd"), Path::new("/proc/self/environ")] {
                // Often enough that every one of the guests' threads has its turn.
                for _ in 0..4 * THREADS {
                    let (got, events) = scene.breach(super::READ, path).await;
                    assert_eq!(got, json!({ "read": null, "error": "PermissionDenied" }), "{}", path.display());
                    let last = events.iter().rev().find_map(|event| match event {
                        AttemptEvent::Action(action) if action.operation == "open" => Some(action.result.clone()),
                        _ => None,
                    });
                    assert!(matches!(last, Some(longhaul_core::action::ActionResult::Failed { .. })), "{events:?}");
                }
            }
            for path in [scene.path("private/made"), scene.path("objects/made"), scene.path("stages/../made")] {
                let (got, _) = scene.breach(super::MAKE, &path).await;
                assert_eq!(got["error"], "PermissionDenied", "{}", path.display());
                assert!(!path.exists(), "{}", path.display());
            }
            // The wall is around all stages, and not between them: this is what the first wall alone keeps apart.
            let (got, _) = scene.breach(super::MAKE, &scene.path("stages/other/made")).await;
            assert_eq!(got["error"], Value::Null);
            let (got, _) = scene.breach(super::READ, &scene.path("objects/content")).await;
            assert_eq!(got["read"], "some content");
        });
    }

    #[test]
    fn without_the_second_wall_the_same_hole_reaches_the_secret() {
        let scene = Scene::new(WallPolicy::Omit);
        assert!(matches!(scene.sandbox.wall(), WallStatus::Absent(_)));
        runtime().block_on(async {
            let (got, _) = scene.breach(super::READ, &scene.path("private/secret")).await;
            assert_eq!(got["read"], "the secret", "the test above would pass without a wall");
            let (got, _) = scene.breach(super::MAKE, &scene.path("private/made")).await;
            assert_eq!(got["error"], Value::Null);
            assert!(scene.path("private/made").exists());
        });
    }

    #[test]
    fn the_rest_of_the_host_is_not_confined() {
        if !stands_here("the rest of the host is not confined") {
            return;
        }
        let scene = Scene::new(WallPolicy::Require);
        runtime().block_on(async {
            scene.breach(super::READ, Path::new("/etc/passwd")).await;
            assert_eq!(std::fs::read_to_string(scene.path("private/secret")).unwrap(), "the secret");
        });
        let elsewhere = std::thread::spawn(move || std::fs::read(scene.path("private/secret")).is_ok());
        assert!(elsewhere.join().unwrap());
    }
}
