//! Keeps the leases of a process alive.

use std::sync::Arc;

use agentwrite::ids::OwnerId;
use agentwrite::ports::{Clock, TaskStore};
use agentwrite::task::LeaseTimes;
use tokio_util::sync::CancellationToken;

use crate::InHand;

/// Renews the leases of what `owner` has in hand at every heartbeat until cancelled.
pub async fn keep_leases(
    tasks: Arc<dyn TaskStore>,
    owner: OwnerId,
    in_hand: InHand,
    times: LeaseTimes,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let mut beat = tokio::time::interval(times.heartbeat);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = beat.tick() => {}
        }
        if let Err(error) = tasks.renew_leases(&owner, &in_hand.list(), times.lease, clock.now()).await {
            // A lease that lapses costs nothing but a second call: results are accepted by content.
            tracing::warn!(%error, "leases could not be renewed");
        }
    }
}
