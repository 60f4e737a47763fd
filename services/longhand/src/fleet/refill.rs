//! A broker that comes back may have forgotten everything (a new disk, a deleted virtual host): what the store holds for
//! published and nobody has taken is published again, once after each reconnection. Where the broker forgot nothing, a task
//! has two messages then, and the second finds nothing to claim.

use std::sync::Arc;
use std::time::Duration;

use checkpoints::postgres::PostgresStore;
use task_queue::RabbitMq;
use tokio_util::sync::CancellationToken;
use worker::Doorbell;

/// How often the connections are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Watches the queue's connections until `stop`; for processes that plan.
pub async fn refill(queue: Arc<RabbitMq>, store: Arc<PostgresStore>, planner: Doorbell, stop: CancellationToken) {
    let mut answered = queue.counts().reconnects;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let seen = queue.counts().reconnects;
        if seen == answered {
            continue;
        }
        match store.send_again().await {
            Ok(messages) => {
                tracing::info!(messages, "the broker is back: tasks that nobody has taken are published again");
                answered = seen;
                planner.ring();
            }
            Err(error) => tracing::warn!(%error, "the broker is back, but the store is away; trying again"),
        }
    }
}
