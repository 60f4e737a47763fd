//! `record_result` of a run whose follow-ups wait to be dispatched (its tail, or more in work than it may have): the slot that a
//! commit frees takes the best task that waits, whatever its sample, if the run may use that slot still.

use std::collections::{BTreeMap, HashMap};

use agentwrite::ids::RunId;
use agentwrite::ports::{ClaimTask, RecordResult, Recorded};
use agentwrite::task::{Kind, TaskKey};
use sqlx::{PgConnection, Row};

use super::claim::claim_tasks;
use super::rows::number;

/// Claims for the accepted results of ordered runs that wish to go on what dispatch would choose, if it is of their kind.
pub(super) async fn claim_best(
    connection: &mut PgConnection,
    records: &[RecordResult],
    recorded: &mut [Recorded],
) -> Result<(), sqlx::Error> {
    let mut wishes: BTreeMap<&RunId, Vec<usize>> = BTreeMap::new();
    for (index, record) in records.iter().enumerate() {
        if record.claim_next.is_some() && matches!(recorded[index], Recorded::Accepted { next: None, .. }) {
            wishes.entry(&record.task.run).or_default().push(index);
        }
    }
    if wishes.is_empty() {
        return Ok(());
    }
    let ordered = ordered_runs(connection, wishes.keys().copied()).await?;
    for (run, mut indices) in wishes {
        let Some(slots) = ordered.get(run.as_str()) else { continue };
        if let Some(slots) = slots {
            indices.truncate(free(connection, run, *slots).await?);
            if indices.is_empty() {
                continue;
            }
        }
        let waiting = waiting(connection, run, indices.len(), records[indices[0]].now.0).await?;
        let (claims, indices) = matched(records, waiting, indices);
        for (claimed, index) in claim_tasks(connection, &claims).await?.into_iter().zip(indices) {
            if let Recorded::Accepted { next, .. } = &mut recorded[index] {
                *next = claimed;
            }
        }
    }
    Ok(())
}

/// Ordered runs, with the slots that they may use where that is known.
async fn ordered_runs(
    connection: &mut PgConnection,
    runs: impl Iterator<Item = &RunId>,
) -> Result<HashMap<String, Option<i64>>, sqlx::Error> {
    let runs: Vec<&str> = runs.map(RunId::as_str).collect();
    let modes: Vec<(String, String, bool, Option<i64>)> =
        sqlx::query_as(sql!("run_modes")).bind(runs).fetch_all(connection).await?;
    let ordered = modes.into_iter().filter(|(_, state, ordered, _)| state == "running" && *ordered);
    Ok(ordered.map(|(run, _, _, slots)| (run, slots)).collect())
}

/// Slots that a run may use and does not. Other processes count at the same moment and may fill the same one: the run then
/// has one too many for a call's time, and its next commit leaves it.
async fn free(connection: &mut PgConnection, run: &RunId, slots: i64) -> Result<usize, sqlx::Error> {
    let busy: i64 = sqlx::query_scalar(sql!("dispatch_count")).bind(run.as_str()).fetch_one(connection).await?;
    Ok(usize::try_from(slots - busy).unwrap_or(0))
}

/// The best tasks that wait, locked; at most as many as slots became free.
async fn waiting(
    connection: &mut PgConnection,
    run: &RunId,
    most: usize,
    now: i64,
) -> Result<Vec<TaskKey>, sqlx::Error> {
    let rows = sqlx::query(sql!("dispatch_choose"))
        .bind(run.as_str())
        .bind(now)
        .bind(most as i64)
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(TaskKey {
                run: run.clone(),
                kind: Kind::new(row.try_get::<String, _>(1)?),
                subject: row.try_get(2)?,
                place: number(row, 3)?,
                revision: number(row, 4)?,
            })
        })
        .collect()
}

/// Each task to a result of its kind, best first; a task of another kind is left to dispatch.
fn matched(records: &[RecordResult], waiting: Vec<TaskKey>, mut free: Vec<usize>) -> (Vec<ClaimTask>, Vec<usize>) {
    let (mut claims, mut takers) = (Vec::new(), Vec::new());
    for task in waiting {
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
