//! Work that keeps a core or the disk busy, off the threads that carry calls.

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::PackError;

/// Runs `work` where blocking is allowed. A runtime of one thread is a simulation, in which everything happens in one
/// order: there it runs in place.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PackError> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    Ok(tokio::task::spawn_blocking(work).await?)
}
