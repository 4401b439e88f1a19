//! Where work is done that waits for the disk.

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

impl Place {
    /// Does `work`. The error says in words that it could not be brought to its end, because it panicked.
    pub(crate) async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
        match self {
            Place::Threads => tokio::task::spawn_blocking(work).await.map_err(|e| format!("the host failed: {e}")),
            Place::Inline => Ok(work()),
        }
    }
}
