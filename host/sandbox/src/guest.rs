//! The state of one instance: everything that its host functions reach, and nothing else.

use crate::audit::Audit;
use crate::clock::{RecordedClock, SeededRandom};
use crate::fs::{FsContext, FsView, HasFs};
use crate::host::millis;
use crate::meter::Meter;
use crate::model::Conversation;
use crate::sockets::{HasSockets, Sockets};
use crate::stdio::Output;
use crate::waits::{HasWaits, Timers, Waits};
use longhaul_core::attempt::{Committer, Limits, Recorder};
use longhaul_core::clock::Clock;
use longhaul_core::digest::Digest;
use longhaul_core::grant::Grant;
use longhaul_core::model::Asker;
use longhaul_core::reach::Reach;
use longhaul_core::recall::Recall;
use longhaul_core::spend::Meter as Spending;
use longhaul_core::stage::Stage;
use longhaul_core::units::Timestamp;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// The most bytes of random numbers in one call.
const MAX_RANDOM: u64 = 64 << 10;
/// Places in the handle table beside those of files: streams, listings, timers, one for each and some to spare.
const SPARE_HANDLES: usize = 1_024;
/// The most bytes that one read hands over.
const MAX_READ: u64 = 1 << 20;

/// What an instance is made of.
pub(crate) struct GuestConfig {
    pub(crate) limits: Limits,
    pub(crate) grant: Grant,
    pub(crate) stage: Arc<dyn Stage>,
    pub(crate) recorder: Arc<dyn Recorder>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) committer: Arc<dyn Committer>,
    pub(crate) recall: Arc<dyn Recall>,
    pub(crate) reach: Reach,
    /// Who works in it; nobody where it reaches no services.
    pub(crate) asker: Option<Asker>,
    /// The model that it works with where it names none.
    pub(crate) model: Option<String>,
    /// Told what models cost.
    pub(crate) spending: Arc<dyn Spending>,
    /// When the attempt began.
    pub(crate) began: Timestamp,
    /// Where its random numbers come from.
    pub(crate) seed: Digest,
    /// Whether a long wait suspends it.
    pub(crate) suspends: bool,
}

/// One instance's state.
pub(crate) struct Guest {
    wasi: WasiCtx,
    table: ResourceTable,
    fs: FsContext,
    pub(crate) meter: Meter,
    pub(crate) audit: Arc<Audit>,
    pub(crate) stderr: Output,
    pub(crate) clock: RecordedClock,
    pub(crate) timers: Timers,
    pub(crate) committer: Arc<dyn Committer>,
    pub(crate) recall: Arc<dyn Recall>,
    pub(crate) reach: Reach,
    pub(crate) asker: Option<Asker>,
    pub(crate) model: Option<String>,
    pub(crate) spending: Arc<dyn Spending>,
    /// The conversation of the last request to a model.
    pub(crate) conversation: Conversation,
    pub(crate) limits: Limits,
}

impl Guest {
    pub(crate) fn new(config: GuestConfig) -> Self {
        let GuestConfig { limits, grant, stage, recorder, clock, committer, recall, reach, began, seed, .. } = config;
        let GuestConfig { asker, model, spending, suspends, .. } = config;
        let audit = Audit::new(recorder, limits.events, limits.log);
        let meter = Meter::new(&limits);
        let bill = || meter.bill();
        let clock = RecordedClock::new(clock, Arc::clone(&audit), began);
        let stderr = Output::new("stderr", Arc::clone(&audit), bill());
        // No environment, no arguments, no standard input, no network: nothing is inherited, and WASI denies sockets by
        // default. What is set here only replaces the real clocks and random numbers.
        let wasi = WasiCtx::builder()
            .stdout(Output::new("stdout", Arc::clone(&audit), bill()))
            .stderr(stderr.clone())
            .wall_clock(clock.clone())
            .monotonic_clock(clock.clone())
            .secure_random(SeededRandom::new(seed, bill()))
            .insecure_random(SeededRandom::new(Digest::of(seed.as_bytes()), bill()))
            .insecure_random_seed(SeededRandom::first(&seed))
            .max_random_size(MAX_RANDOM)
            .build();
        let timers = Timers::new(suspends.then(|| Timestamp(began.0.saturating_add(millis(limits.time)))));
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles as usize * 3 + SPARE_HANDLES);
        let max_read = usize::try_from(limits.call_bytes.0.min(MAX_READ)).unwrap_or(usize::MAX);
        let fs = FsContext::new(stage, grant, Arc::clone(&audit), bill(), max_read, limits.handles);
        let conversation = Conversation::default();
        Self {
            wasi,
            table,
            fs,
            meter,
            audit,
            stderr,
            clock,
            timers,
            committer,
            recall,
            reach,
            asker,
            model,
            spending,
            conversation,
            limits,
        }
    }

    fn files(&mut self) -> FsView<'_> {
        self.meter.charge_call(0);
        FsView { fs: &self.fs, table: &mut self.table }
    }

    fn waits(&mut self) -> Waits<'_> {
        self.meter.charge_call(0);
        Waits {
            timers: &mut self.timers,
            clock: &self.clock,
            audit: &self.audit,
            children: self.reach.children.as_ref(),
            table: &mut self.table,
        }
    }

    fn sockets(&mut self) -> Sockets<'_> {
        self.meter.charge_call(0);
        Sockets { audit: &self.audit, table: &mut self.table }
    }

    pub(crate) fn grant(&self) -> &Grant {
        &self.fs.grant
    }
}

impl WasiView for Guest {
    /// Every function of WASI comes through here once a call, and is charged for it.
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.meter.charge_call(0);
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

/// Adds WASI 0.2 with the stage's files in place of WASI's own.
pub(crate) fn add_wasi(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    use wasmtime_wasi::cli::{WasiCli, WasiCliView};
    use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
    use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io, random, sockets};
    use wasmtime_wasi::random::WasiRandom;
    use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};

    let l = linker;
    io::error::add_to_linker::<_, HasTable>(l, |g| g.ctx().table)?;
    io::poll::add_to_linker::<_, HasWaits>(l, Guest::waits)?;
    io::streams::add_to_linker::<_, HasTable>(l, |g| g.ctx().table)?;
    filesystem::types::add_to_linker::<_, HasFs>(l, Guest::files)?;
    filesystem::preopens::add_to_linker::<_, HasFs>(l, Guest::files)?;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(l, WasiClocksView::clocks)?;
    clocks::monotonic_clock::add_to_linker::<_, HasWaits>(l, Guest::waits)?;
    random::random::add_to_linker::<_, WasiRandom>(l, |g| g.ctx().ctx.random())?;
    random::insecure::add_to_linker::<_, WasiRandom>(l, |g| g.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(l, |g| g.ctx().ctx.random())?;
    cli::exit::add_to_linker::<_, WasiCli>(l, WasiCliView::cli)?;
    cli::environment::add_to_linker::<_, WasiCli>(l, WasiCliView::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(l, WasiCliView::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(l, WasiCliView::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(l, WasiCliView::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, WasiCliView::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, WasiCliView::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, WasiCliView::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, WasiCliView::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, WasiCliView::cli)?;
    sockets::tcp::add_to_linker::<_, WasiSockets>(l, WasiSocketsView::sockets)?;
    sockets::udp::add_to_linker::<_, WasiSockets>(l, WasiSocketsView::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<_, HasSockets>(l, Guest::sockets)?;
    sockets::udp_create_socket::add_to_linker::<_, HasSockets>(l, Guest::sockets)?;
    sockets::instance_network::add_to_linker::<_, WasiSockets>(l, WasiSocketsView::sockets)?;
    sockets::network::add_to_linker::<_, WasiSockets>(
        l,
        &sockets::network::LinkOptions::default(),
        WasiSocketsView::sockets,
    )?;
    sockets::ip_name_lookup::add_to_linker::<_, HasSockets>(l, Guest::sockets)?;
    Ok(())
}
