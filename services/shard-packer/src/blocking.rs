//! Work that keeps a core or the disk busy, off the threads that carry calls.

use crate::PackError;

/// Runs `work` where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PackError> {
    Ok(tokio::task::spawn_blocking(work).await?)
}
