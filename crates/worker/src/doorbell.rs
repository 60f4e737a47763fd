//! Wakes a loop that otherwise looks by itself: a hint, never a message.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

/// A bell. Clones ring and hear the same one; rings while nobody listens are heard once.
#[derive(Clone, Default)]
pub struct Doorbell(Arc<Notify>);

impl Doorbell {
    /// A silent bell.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rings.
    pub fn ring(&self) {
        self.0.notify_one();
    }

    /// Waits for a ring, at most this long.
    pub async fn heard_within(&self, patience: Duration) {
        let _ = tokio::time::timeout(patience, self.0.notified()).await;
    }
}
