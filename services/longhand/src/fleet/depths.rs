//! How the queues stand, for whoever watches: every process that plans asks the broker now and then.

use std::sync::Arc;
use std::time::Duration;

use task_queue::RabbitMq;
use telemetry::{QueueView, Telemetry};
use tokio_util::sync::CancellationToken;

/// How often the broker is asked.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// Shows the queues until `stop`.
pub async fn show(queue: Arc<RabbitMq>, telemetry: Telemetry, stop: CancellationToken) {
    loop {
        match tokio::try_join!(queue.depths(), queue.dead_letters()) {
            Ok((depths, dead)) => {
                let view = |depth: task_queue::QueueDepth| QueueView {
                    kind: depth.kind.as_str().to_owned(),
                    ready: depth.ready.into(),
                    consumers: depth.consumers.into(),
                };
                telemetry.show_queues(depths.into_iter().map(view).collect(), dead.into());
            }
            Err(error) => tracing::debug!(%error, "the broker did not say how its queues stand"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(ASK_EVERY) => {}
        }
    }
}
