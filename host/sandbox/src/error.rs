//! Why a plugin cannot be used.

use longhaul_core::digest::Digest;
use longhaul_core::manifest::{ManifestError, PluginKind};
use std::path::PathBuf;
use std::time::Duration;

/// A component that this host does not run. Each says what it is, and what its user can do.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The file cannot be read.
    #[error("cannot read the plugin file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than the host takes.
    #[error("it has {bytes} bytes, more than the {limit} that a plugin may have")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It is not WebAssembly at all.
    #[error(
        "it is not WebAssembly; build the plugin with `cargo build --target wasm32-wasip2` and give the .wasm file"
    )]
    NotWasm,
    /// It is a core module.
    #[error("it is a core module, not a component; build the plugin for the target `wasm32-wasip2`")]
    CoreModule,
    /// It is damaged, or uses what this host does not know.
    #[error("it is not a valid component: {0}")]
    Malformed(String),
    /// It needs WASI 0.3.
    #[error(
        "it imports `{import}`: WASI 0.3 is not supported by this host; build the plugin against WASI 0.2 (target `wasm32-wasip2`)"
    )]
    Wasi03 {
        /// The import.
        import: String,
    },
    /// It needs something that does not exist here.
    #[error(
        "it imports `{import}`, which this host does not have; a plugin may import `longhaul:plugin@0.1` and WASI 0.2 (cli, clocks, filesystem, io, random, sockets)"
    )]
    UnknownImport {
        /// The import.
        import: String,
    },
    /// It provides neither of the two worlds.
    #[error(
        "it exports neither `longhaul:plugin/work@0.1.0` nor `longhaul:plugin/recovery@0.1.0`, so it is no plugin; implement one with the attribute `#[longhaul_sdk::agent]` or `#[longhaul_sdk::strategy]`"
    )]
    WrongWorld,
    /// It is of the other kind than its manifest or its user says.
    #[error("it is {} {found}, and {} {expected} is needed here", article(*found), article(*expected))]
    WrongKind {
        /// The kind needed.
        expected: PluginKind,
        /// The kind found.
        found: PluginKind,
    },
    /// It was built against an interface that this host does not speak.
    #[error(
        "it was built for the plugin interface {found}, and this host speaks {supported}; rebuild it with a matching SDK"
    )]
    Api {
        /// The version found.
        found: String,
        /// The version spoken here.
        supported: &'static str,
    },
    /// It has no manifest.
    #[error("it has no manifest (custom section `longhaul:manifest`); the SDK's attribute adds one")]
    NoManifest,
    /// It has several manifests.
    #[error("it has {0} manifests and must have one")]
    ManyManifests(usize),
    /// Its manifest is not accepted.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It took too much to compile.
    #[error("compiling it took more than {limit}; a plugin that cannot be compiled within the limits is not run", limit = limit_text(*time, *memory))]
    CompileLimit {
        /// Wall time allowed.
        time: Duration,
        /// Bytes of memory allowed.
        memory: u64,
    },
    /// Its machine code is larger than the host keeps.
    #[error("it compiles to more than {limit} bytes of machine code; a plugin that large is not run")]
    CodeTooLarge {
        /// Bytes of machine code allowed.
        limit: u64,
    },
    /// The compiler refused it.
    #[error("it does not compile: {0}")]
    Compile(String),
    /// The compiler could not be run.
    #[error("cannot run the compiler process {program}: {source}")]
    Worker {
        /// The program.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The cache of compiled components cannot be used.
    #[error("cannot use the component cache {path}: {reason}")]
    Cache {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It does not fit the host's interfaces.
    #[error("it does not fit the host's interfaces: {0}")]
    Link(String),
    /// It is not the file that it was.
    #[error("its digest is {found}, and {expected} was expected; the file was changed")]
    Changed {
        /// The digest expected.
        expected: Digest,
        /// The digest found.
        found: Digest,
    },
}

fn article(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Agent => "an",
        PluginKind::Strategy => "a",
    }
}

fn limit_text(time: Duration, memory: u64) -> String {
    format!("{} s or {} MiB", time.as_secs(), memory >> 20)
}

/// The sandbox itself cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The runtime refuses its configuration.
    #[error("cannot set up the WebAssembly runtime: {0}")]
    Engine(String),
    /// The host's threads cannot be started.
    #[error("cannot start the threads for guests: {0}")]
    Threads(#[source] std::io::Error),
    /// The folders that guests work in cannot be used.
    #[error("cannot use the folder {path} for guests: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The second wall is required and not available.
    #[error("the second wall is required and cannot be put up: {0}")]
    NoWall(String),
}
