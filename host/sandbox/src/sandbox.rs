//! The sandbox as the host uses it: load plugins, run agents, ask strategies.

use crate::cache::{Cached, ComponentCache};
use crate::compile::{CompileLimits, CompileWorker, compile};
use crate::engine::{Allocation, Ticker, runtime_engine};
use crate::error::{PluginError, SandboxError};
use crate::inspect::inspect;
use crate::plugin::{Linkers, Plugin};
use crate::wall::{Enclosure, Wall, WallStatus};
use crate::{agent, strategy};
use longhaul_core::attempt::{AttemptReport, Job, Ran, Recorder, Usage};
use longhaul_core::digest::Digest;
use longhaul_core::incident::{Decision, IncidentClass, Problem, Situation};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use wasmtime::Engine;

/// How a sandbox is set up.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// The folder of the component cache, for the host's user alone.
    pub cache: PathBuf,
    /// The compiler process.
    pub worker: CompileWorker,
    /// What a compilation may take.
    pub compile: CompileLimits,
    /// Instances at a time.
    pub instances: u32,
    /// Threads that run guests.
    pub threads: usize,
    /// What those threads may touch. The folders have to be there when the first guest is run, and not before.
    pub enclosure: Enclosure,
    /// What to do where the kernel cannot confine them.
    pub wall: WallPolicy,
}

/// What to do about the second wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WallPolicy {
    /// Put it up where the kernel can; say so where it cannot.
    BestEffort,
    /// Refuse to run without it.
    Require,
    /// Leave it out, to show what the first wall does alone.
    Omit,
}

/// Runs plugins. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

/// What the runs share.
pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) ticker: Ticker,
    allocation: Allocation,
    linkers: Linkers,
    cache: ComponentCache,
    worker: CompileWorker,
    compile: CompileLimits,
    wall: Arc<Wall>,
    places: Arc<Semaphore>,
    loaded: Mutex<HashMap<Digest, Plugin>>,
    threads: usize,
    /// Started with the first guest, in words why not. Taken out when the sandbox goes away: a runtime must not be dropped
    /// where it might block.
    guests: OnceLock<Result<Runtime, String>>,
}

impl Sandbox {
    /// Sets up a sandbox.
    ///
    /// # Errors
    /// [`SandboxError`] where the machine does not give what is needed.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let (engine, allocation) = runtime_engine(config.instances)?;
        let linkers = Linkers::new(&engine).map_err(|e| SandboxError::Engine(format!("{e:#}")))?;
        let wall = match config.wall {
            WallPolicy::Omit => Wall::none("it was left out on demand"),
            WallPolicy::BestEffort | WallPolicy::Require => Wall::probe(config.enclosure),
        };
        if let (WallPolicy::Require, WallStatus::Absent(reason)) = (config.wall, wall.status()) {
            return Err(SandboxError::NoWall(reason.clone()));
        }
        let cache = ComponentCache::open(&config.cache, &engine).map_err(|e| SandboxError::Engine(e.to_string()))?;
        let inner = Inner {
            ticker: Ticker::start(&engine)?,
            engine,
            allocation,
            linkers,
            cache,
            worker: config.worker,
            compile: config.compile,
            wall,
            places: Arc::new(Semaphore::new(config.instances as usize)),
            loaded: Mutex::default(),
            threads: config.threads,
            guests: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether the second wall stands.
    pub fn wall(&self) -> &WallStatus {
        self.inner.wall.status()
    }

    /// How instances are allocated.
    pub fn allocation(&self) -> Allocation {
        self.inner.allocation
    }

    /// Whether a component was compiled before, so that loading it takes no time to speak of.
    pub fn is_compiled(&self, component: &[u8]) -> bool {
        let digest = Digest::of(component);
        lock(&self.inner.loaded).contains_key(&digest) || self.inner.cache.contains(&digest)
    }

    /// Makes a plugin ready to run. A component that was never seen is compiled by the compiler process.
    ///
    /// # Errors
    /// [`PluginError`] where it is not a plugin for this host.
    pub async fn load(&self, component: &[u8]) -> Result<Plugin, PluginError> {
        let inner = &self.inner;
        let digest = Digest::of(component);
        if let Some(plugin) = lock(&inner.loaded).get(&digest) {
            return Ok(plugin.clone());
        }
        let inspection = inspect(component)?;
        let compiled = match inner.cache.load(&inner.engine, &digest)? {
            Cached::Ready(compiled) => compiled,
            // What an earlier version left, or a disk damaged, is compiled anew.
            Cached::Unusable(_) | Cached::Absent => {
                let (pending, file) = inner.cache.create(&digest)?;
                compile(&inner.worker, inner.compile, component, (&pending, file)).await?;
                pending.commit()?;
                match inner.cache.load(&inner.engine, &digest)? {
                    Cached::Ready(compiled) => compiled,
                    Cached::Unusable(reason) => {
                        return Err(PluginError::Compile(format!("what the compiler made cannot be loaded: {reason}")));
                    }
                    Cached::Absent => {
                        return Err(PluginError::Compile("what the compiler made is gone from the cache".to_owned()));
                    }
                }
            }
        };
        let plugin = inner.linkers.link(&compiled, inspection)?;
        lock(&inner.loaded).insert(digest, plugin.clone());
        Ok(plugin)
    }

    /// Runs an agent on a task. Dropping the future ends the attempt.
    pub async fn run_agent(&self, plugin: &Plugin, job: Job) -> Ran {
        let (inner, plugin) = (Arc::clone(&self.inner), plugin.clone());
        let ran = self.on_guest_thread(async move { agent::run(&inner, &plugin, job).await }).await;
        ran.unwrap_or_else(|problem| Ran::Ended(AttemptReport { result: Err(problem), usage: Usage::default() }))
    }

    /// Asks a strategy. Its log lines go to `recorder`.
    ///
    /// # Errors
    /// Why it could not answer.
    pub async fn decide(
        &self,
        plugin: &Plugin,
        situation: Situation,
        recorder: Arc<dyn Recorder>,
    ) -> Result<Option<Decision>, String> {
        let (inner, plugin) = (Arc::clone(&self.inner), plugin.clone());
        let asked =
            self.on_guest_thread(async move { strategy::decide(&inner, &plugin, situation, recorder).await }).await;
        asked.unwrap_or_else(|problem| Err(problem.message))
    }

    async fn on_guest_thread<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Problem> {
        let fatal = |message: &str| Problem::new(IncidentClass::Fatal, message);
        let guests = self.inner.guests().map_err(fatal)?;
        let place = Arc::clone(&self.inner.places).acquire_owned().await;
        let wall = Arc::clone(&self.inner.wall);
        let running = AbortOnDrop(guests.spawn(async move {
            let _place = place;
            // Checked on the guest's own thread, after that thread has entered.
            if wall.is_breached() {
                return Err(Problem::new(
                    IncidentClass::Fatal,
                    "a thread for guests could not be confined; no guest is run",
                ));
            }
            Ok(work.await)
        }));
        match running.join().await {
            Ok(result) => result,
            Err(error) => Err(fatal(&format!("the host failed while it ran the component: {error}"))),
        }
    }
}

impl Inner {
    /// The threads that run guests, behind the wall.
    fn guests(&self) -> Result<&Runtime, &str> {
        let started = self.guests.get_or_init(|| {
            let entrance = Arc::clone(&self.wall);
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(self.threads.max(1))
                .thread_name("longhaul-guest")
                .enable_time()
                .on_thread_start(move || entrance.enter())
                .build()
                .map_err(|error| format!("cannot start the threads for guests: {error}"))
        });
        started.as_ref().map_err(String::as_str)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(Ok(guests)) = self.guests.take() {
            guests.shutdown_background();
        }
    }
}

/// A task that ends with its handle.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> AbortOnDrop<T> {
    async fn join(mut self) -> Result<T, tokio::task::JoinError> {
        (&mut self.0).await
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
