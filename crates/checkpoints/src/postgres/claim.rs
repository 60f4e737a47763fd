//! `claim_task`: a conditional update and the attempt row, in one statement for a whole set of claims.

use std::collections::HashMap;

use agentwrite::ports::ClaimTask;
use agentwrite::task::ClaimedTask;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::rows::{Keys, column, number};
use super::transaction::Boxed;
use crate::columns::{hash, json};

pub(super) fn claim_tasks<'c>(
    connection: &'c mut PgConnection,
    claims: &'c [ClaimTask],
) -> Boxed<'c, Result<Vec<Option<ClaimedTask>>, sqlx::Error>> {
    Box::pin(claim_locked(connection, claims))
}

/// The runs are locked.
pub(super) async fn claim_locked(
    connection: &mut PgConnection,
    claims: &[ClaimTask],
) -> Result<Vec<Option<ClaimedTask>>, sqlx::Error> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Keys::of(claims.iter().map(|claim| &claim.task))
        .bind(sqlx::query(sql!("claim_task")))
        .bind(column(claims, |claim| claim.now.0))
        .bind(column(claims, |claim| claim.owner.as_str()))
        .bind(column(claims, |claim| claim.now.after(claim.lease).0))
        .bind(column(claims, |claim| claim.attempt.as_str()))
        .fetch_all(connection)
        .await?;
    let by_attempt: HashMap<&str, &PgRow> =
        rows.iter().map(|row| Ok((row.try_get(0)?, row))).collect::<Result<_, sqlx::Error>>()?;
    claims
        .iter()
        .map(|claim| by_attempt.get(claim.attempt.as_str()).map(|row| claimed(claim, row)).transpose())
        .collect()
}

fn claimed(claim: &ClaimTask, row: &PgRow) -> Result<ClaimedTask, sqlx::Error> {
    Ok(ClaimedTask {
        key: claim.task.clone(),
        context_hash: hash(row.try_get("context_hash")?)?,
        owner: claim.owner.clone(),
        fence: row.try_get("fence")?,
        attempt: claim.attempt.clone(),
        generation: number(row, "generation")?,
        failures: number(row, "failures")?,
        bad_answers: number(row, "bad_answers")?,
        crashes: number(row, "crashes")?,
        hint: json(row.try_get("hint")?)?,
    })
}
