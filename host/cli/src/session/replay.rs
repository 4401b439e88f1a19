//! A run that is done again along its record, without effects.

use super::Session;
use crate::failure::{Exit, Failure};
use crate::state;
use crate::wiring::open_workspace;
use longhaul_engine::ports::{Ports, Unobserved};
use longhaul_engine::{Engine, History, Replayed};
use longhaul_store::{Reader, StateLock};
use longhaul_wiring::{HooksPort, MachineTime, MemoryPort, PastJournal, Place, unreached};
use std::path::Path;
use std::sync::Arc;

impl Session {
    /// Replays the run of `history`; `on` is told of each try. Nothing is recorded, and nobody outside is asked.
    pub(crate) async fn replay(
        self,
        root: &Path,
        lock: StateLock,
        history: &History,
        on: impl FnMut(Replayed),
    ) -> Result<(), Failure> {
        let Self { given, state, plugins, services, .. } = self;
        let workspace = Arc::new(open_workspace(root, &Arc::new(lock), &given.workflow.workspace)?);
        let unread = |e| Failure::of(Exit::Internal, format!("read the record in {}", state.display()), &e);
        let memories = MemoryPort::new(&state, Place::Threads)
            .map_err(|e| Failure::of(Exit::Internal, "start the thread that reads memory", &e))?;
        let services = unreached(&services);
        let ports = Ports {
            hooks: Arc::new(HooksPort { workspace: Arc::clone(&workspace) as _, services: services.clone() }),
            services,
            plugins: Arc::new(plugins),
            workspace,
            journal: Arc::new(PastJournal::new(Reader::open(&state).map_err(unread)?, Place::Threads)),
            memories: Arc::new(memories),
            time: Arc::new(MachineTime::new(state::now())),
            observer: Arc::new(Unobserved),
        };
        let replayed = Engine::new(ports).replay(history, &given.workflow, on).await;
        replayed.map_err(|e| Failure::of(Exit::Internal, format!("replay {}", history.run), &e))
    }
}
