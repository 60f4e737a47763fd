//! `record_result` of a run whose follow-ups wait to be dispatched (its tail, or more in work than it may have): the slot that a
//! commit frees takes the best task that waits, whatever its sample, if the run may use that slot still.

use std::collections::BTreeMap;

use agentwrite::ids::RunId;
use agentwrite::ports::{ClaimTask, RecordResult, Recorded};
use sqlx::PgConnection;

use super::claim::claim_locked;
use super::modes::Modes;
use super::room::{Room, Waiting};

/// Claims for the accepted results of ordered runs that wish to go on what dispatch would choose, if it is of their kind.
pub(super) async fn claim_best(
    connection: &mut PgConnection,
    records: &[RecordResult],
    recorded: &mut [Recorded],
    modes: &Modes,
) -> Result<(), sqlx::Error> {
    let mut wishes: BTreeMap<&RunId, Vec<usize>> = BTreeMap::new();
    for (index, record) in records.iter().enumerate() {
        if record.claim_next.is_some() && matches!(recorded[index], Recorded::Accepted { next: None, .. }) {
            wishes.entry(&record.task.run).or_default().push(index);
        }
    }
    for (run, mut indices) in wishes {
        let Some(slots) = modes.ordered_slots(run) else { continue };
        // Other processes count at the same moment and may fill the same slot: the run then has one too many for a call's
        // time, and its next commit leaves it.
        let room = Room::of(connection, run, slots).await?;
        indices.truncate(usize::try_from(room.free()).unwrap_or(usize::MAX));
        if indices.is_empty() {
            continue;
        }
        let waiting = room.choose(connection, run, indices.len() as i64, records[indices[0]].now).await?;
        let (claims, indices) = matched(records, waiting, indices);
        for (claimed, index) in claim_locked(connection, &claims).await?.into_iter().zip(indices) {
            if let Recorded::Accepted { next, .. } = &mut recorded[index] {
                *next = claimed;
            }
        }
    }
    Ok(())
}

/// Each task to a result of its kind, best first; a task of another kind is left to dispatch.
fn matched(records: &[RecordResult], waiting: Vec<Waiting>, mut free: Vec<usize>) -> (Vec<ClaimTask>, Vec<usize>) {
    let (mut claims, mut takers) = (Vec::new(), Vec::new());
    for Waiting { key: task, .. } in waiting {
        let Some(position) = free.iter().position(|index| records[*index].task.kind == task.kind) else { continue };
        let index = free.remove(position);
        let record = &records[index];
        let Some(wish) = &record.claim_next else { continue };
        claims.push(ClaimTask {
            task,
            owner: record.owner.clone(),
            attempt: wish.attempt.clone(),
            lease: wish.lease,
            now: record.now,
        });
        takers.push(index);
    }
    (claims, takers)
}
