//! Where work is done that waits for the disk.

use tokio::runtime::Handle;

/// Where work is done that waits for the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Place {
    /// On a thread made for waiting, while the executor's own go on. Needs a Tokio runtime.
    #[default]
    Threads,
    /// Where it is asked for, which holds up everything else on that thread: for programs that do one thing, and for a
    /// simulation, whose clock must not move while the disk is busy.
    Inline,
}

/// A place, with the threads that belong to it.
///
/// Whoever asks may run on threads that the kernel confines, and a thread that such a one starts is confined as well. So work is
/// always done on threads of the runtime that the yard was made on.
#[derive(Debug, Clone)]
pub(crate) struct Yard {
    place: Place,
    home: Option<Handle>,
}

impl Yard {
    /// The yard of whoever makes it.
    pub(crate) fn here(place: Place) -> Self {
        Self { place, home: Handle::try_current().ok() }
    }

    /// Does `work`. The error says in words that it could not be brought to its end, because it panicked.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
        let failed = |error: tokio::task::JoinError| format!("the host failed: {error}");
        match (self.place, &self.home) {
            (Place::Inline, _) => Ok(work()),
            (Place::Threads, Some(home)) if Handle::try_current().is_ok_and(|here| here.id() == home.id()) => {
                tokio::task::spawn_blocking(work).await.map_err(failed)
            }
            // A thread for waiting is started by the one that asks for it, so that has to be one of home's own.
            (Place::Threads, Some(home)) => {
                let done = home.spawn(async { tokio::task::spawn_blocking(work).await }).await;
                done.map_err(failed)?.map_err(failed)
            }
            (Place::Threads, None) => tokio::task::spawn_blocking(work).await.map_err(failed),
        }
    }
}
