//! `claim_task`: a conditional update and the attempt row, in one transaction.

use agentwrite::ids::Hash;
use agentwrite::ports::ClaimTask;
use agentwrite::task::ClaimedTask;
use sqlx::{Row, SqliteConnection};

use super::rows::{Query, chunks, with_rows};
use super::writer::Boxed;

pub(super) fn claim_tasks<'c>(
    connection: &'c mut SqliteConnection,
    claims: &'c [ClaimTask],
) -> Boxed<'c, Result<Vec<Option<ClaimedTask>>, sqlx::Error>> {
    Box::pin(async move {
        let mut claimed = Vec::with_capacity(claims.len());
        let mut starts = Vec::new();
        for claim in claims {
            let task = claim_one(connection, claim).await?;
            if let Some(task) = &task {
                starts.push(Start::of(task, claim.now.0));
            }
            claimed.push(task);
        }
        start_attempts(connection, &starts).await?;
        Ok(claimed)
    })
}

async fn claim_one(connection: &mut SqliteConnection, claim: &ClaimTask) -> Result<Option<ClaimedTask>, sqlx::Error> {
    let key = &claim.task;
    let row = sqlx::query(sql!("claim_task"))
        .bind(key.run.as_str())
        .bind(key.kind.as_str())
        .bind(&key.subject)
        .bind(key.place)
        .bind(key.revision)
        .bind(claim.now.0)
        .bind(claim.owner.as_str())
        .bind(claim.now.after(claim.lease).0)
        .bind(claim.attempt.as_str())
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        Ok(ClaimedTask {
            key: key.clone(),
            context_hash: hash(row.try_get("context_hash")?)?,
            owner: claim.owner.clone(),
            fence: row.try_get("fence")?,
            attempt: claim.attempt.clone(),
            generation: row.try_get("generation")?,
            failures: row.try_get("failures")?,
            bad_answers: row.try_get("bad_answers")?,
            crashes: row.try_get("crashes")?,
            hint: json(row.try_get("hint")?)?,
        })
    })
    .transpose()
}

/// Reads a hash column.
pub(super) fn hash(text: &str) -> Result<Hash, sqlx::Error> {
    Hash::from_hex(text).ok_or_else(|| sqlx::Error::Decode(format!("not a hash: {text:?}").into()))
}

/// Reads a JSON column.
pub(super) fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Writes a JSON column.
pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// An attempt to be started.
pub(super) struct Start {
    task: ClaimedTask,
    now: i64,
}

impl Start {
    pub(super) fn of(task: &ClaimedTask, now: i64) -> Self {
        Self { task: task.clone(), now }
    }

    fn bind<'q>(&'q self, query: Query<'q>) -> Query<'q> {
        let key = &self.task.key;
        query
            .bind(self.task.attempt.as_str())
            .bind(key.run.as_str())
            .bind(key.kind.as_str())
            .bind(&key.subject)
            .bind(key.place)
            .bind(key.revision)
            .bind(self.task.generation)
            .bind(self.task.fence)
            .bind(self.task.owner.as_str())
            .bind(self.now)
    }
}

pub(super) async fn start_attempts(connection: &mut SqliteConnection, starts: &[Start]) -> Result<(), sqlx::Error> {
    for chunk in chunks(starts) {
        let sql = with_rows(sql!("attempt_start"), chunk.len());
        let query = chunk.iter().fold(sqlx::query(sql), |query, start| start.bind(query));
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
