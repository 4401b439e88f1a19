//! Work outside on the host's own threads: those that run guests may not reach the network.

use longhaul_core::reach::ServiceError;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Does `work` on the threads of `host`. Where this is dropped before its end, the work ends soon.
///
/// # Errors
/// The work's own, and [`ServiceError::Failed`] where it came to no end.
pub(crate) async fn on<T: Send + 'static>(
    host: &Handle,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, ServiceError> {
    let mut task = AbortOnDrop(host.spawn(work));
    (&mut task.0)
        .await
        .map_err(|error| ServiceError::Failed(format!("the host failed while it asked outside: {error}")))
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
