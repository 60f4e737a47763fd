//! The store as the shard packer sees it, on PostgreSQL.

use std::collections::HashMap;

use agentwrite::failure::ErrorCode;
use agentwrite::ids::{RunId, SampleId, Timestamp};
use agentwrite::ports::{
    ClosedShard, CompleteSample, PackStore, PackedSample, PublishedShard, Range, ShardFile, StoreError, Verdict,
};
use agentwrite::sample::SampleContext;
use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::report::state;
use super::rows::{number, remark, wide};
use super::verdict::Judged;
use super::{PostgresStore, load, lock};
use crate::columns::{Unsound, json, to_json};

#[async_trait]
impl PackStore for PostgresStore {
    async fn unjudged(&self, run: &RunId, most: u32) -> Result<Vec<SampleContext>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("unjudged {run}"), error);
        let mut connection = self.readers.acquire().await.map_err(fail)?;
        let samples: Vec<String> = sqlx::query_scalar(sql!("unjudged"))
            .bind(run.as_str())
            .bind(i64::from(most))
            .fetch_all(&mut *connection)
            .await
            .map_err(fail)?;
        let samples: Vec<SampleId> = samples.into_iter().map(SampleId::new).collect();
        load::load_contexts(&mut connection, run, &samples).await.map_err(fail)
    }

    async fn record_verdict(
        &self,
        run: &RunId,
        sample: &SampleId,
        revision: u32,
        verdict: &Verdict,
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        self.verdicts.carry_out(Judged::new(run, sample, revision, verdict)?).await
    }

    async fn closable(&self, run: &RunId) -> Result<Vec<Range>, StoreError> {
        self.ranges(run, sql!("closable")).await
    }

    async fn range_samples(&self, run: &RunId, range: Range) -> Result<Vec<PackedSample>, StoreError> {
        self.packed(run, range, sql!("range_samples")).await
    }

    async fn close_range(
        &self,
        run: &RunId,
        range: Range,
        rejects: &[(SampleId, ErrorCode, String)],
        now: Timestamp,
    ) -> Result<Option<ClosedShard>, StoreError> {
        self.write("close_range", (run, range, rejects, now), |connection, (run, range, rejects, now)| {
            Box::pin(close(connection, run, *range, rejects, *now))
        })
        .await
    }

    async fn publish_shard(
        &self,
        run: &RunId,
        range: Range,
        fence: i64,
        rows: u64,
        files: &[ShardFile],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("publish_shard {run} {}", range.file_stem()), error);
        let done = sqlx::query(sql!("shard_publish"))
            .bind(run.as_str())
            .bind(range.number())
            .bind(fence)
            .bind(wide(rows))
            .bind(to_json(&files).map_err(|error| fail(error.into()))?)
            .bind(now.0)
            .execute(&self.writers)
            .await
            .map_err(fail)?;
        Ok(done.rows_affected() == 1)
    }

    async fn unpublished(&self, run: &RunId) -> Result<Vec<Range>, StoreError> {
        self.ranges(run, sql!("shard_unpublished")).await
    }

    async fn published(&self, run: &RunId) -> Result<Vec<PublishedShard>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("published {run}"), error);
        let rows =
            sqlx::query(sql!("shard_published")).bind(run.as_str()).fetch_all(&self.readers).await.map_err(fail)?;
        rows.into_iter()
            .map(|row| {
                Ok(PublishedShard {
                    range: Range::from_number(row.try_get(0)?),
                    rows: number(&row, 1)?,
                    ordinals: (number(&row, 2)?, number(&row, 3)?),
                    files: json(row.try_get(4)?)?,
                })
            })
            .collect::<Result<_, _>>()
            .map_err(fail)
    }

    async fn packed_samples(&self, run: &RunId, range: Range) -> Result<Vec<PackedSample>, StoreError> {
        self.packed(run, range, sql!("shard_members")).await
    }

    async fn complete_samples(
        &self,
        run: &RunId,
        after: Option<u64>,
        most: u32,
    ) -> Result<Vec<CompleteSample>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("complete samples of {run}"), error);
        let mut connection = self.readers.acquire().await.map_err(fail)?;
        let rows = sqlx::query(sql!("complete_samples"))
            .bind(run.as_str())
            .bind(after.map_or(-1, |after| after as i64))
            .bind(i64::from(most))
            .fetch_all(&mut *connection)
            .await
            .map_err(fail)?;
        complete(&mut connection, run, &rows).await.map_err(fail)
    }
}

impl PostgresStore {
    async fn ranges(&self, run: &RunId, sql: &'static str) -> Result<Vec<Range>, StoreError> {
        let numbers: Vec<i64> = sqlx::query_scalar(sql)
            .bind(run.as_str())
            .fetch_all(&self.readers)
            .await
            .map_err(|error| StoreError::new(format!("ranges of {run}"), error))?;
        Ok(numbers.into_iter().map(Range::from_number).collect())
    }

    async fn packed(&self, run: &RunId, range: Range, sql: &'static str) -> Result<Vec<PackedSample>, StoreError> {
        let fail = |error: sqlx::Error| StoreError::new(format!("samples of {run} {}", range.file_stem()), error);
        let mut connection = self.readers.acquire().await.map_err(fail)?;
        let rows =
            sqlx::query(sql).bind(run.as_str()).bind(range.number()).fetch_all(&mut *connection).await.map_err(fail)?;
        packed(&mut connection, run, &rows).await.map_err(fail)
    }
}

/// Reads the samples that rows name, each with its row.
async fn contexts<'r>(
    connection: &mut PgConnection,
    run: &RunId,
    rows: &'r [PgRow],
) -> Result<Vec<(SampleContext, &'r PgRow)>, sqlx::Error> {
    let ids: Vec<SampleId> = rows
        .iter()
        .map(|row| Ok(SampleId::new(row.try_get::<String, _>("sample")?)))
        .collect::<Result<_, sqlx::Error>>()?;
    let mut rows_of: HashMap<&SampleId, &PgRow> = ids.iter().zip(rows).collect();
    let found = load::load_contexts(connection, run, &ids).await?;
    let with_row = |context: SampleContext| rows_of.remove(&context.sample).map(|row| (context, row));
    Ok(found.into_iter().filter_map(with_row).collect())
}

async fn packed(connection: &mut PgConnection, run: &RunId, rows: &[PgRow]) -> Result<Vec<PackedSample>, sqlx::Error> {
    let packed_one = |(context, row): (SampleContext, &PgRow)| {
        let verdict = json(row.try_get("verdict")?)?;
        Ok(PackedSample { context, verdict, config_version: number(row, "config_version")? })
    };
    contexts(connection, run, rows).await?.into_iter().map(packed_one).collect()
}

async fn complete(
    connection: &mut PgConnection,
    run: &RunId,
    rows: &[PgRow],
) -> Result<Vec<CompleteSample>, sqlx::Error> {
    let complete_one = |(context, row): (SampleContext, &PgRow)| {
        let code: Option<&str> = row.try_get("code")?;
        Ok(CompleteSample {
            context,
            state: state(row)?,
            code: code.map(str::parse).transpose().map_err(|error| Unsound(format!("{error}")))?,
            config_version: number(row, "config_version")?,
        })
    };
    contexts(connection, run, rows).await?.into_iter().map(complete_one).collect()
}

async fn close(
    connection: &mut PgConnection,
    run: &RunId,
    range: Range,
    rejects: &[(SampleId, ErrorCode, String)],
    now: Timestamp,
) -> Result<Option<ClosedShard>, sqlx::Error> {
    lock::run_alone(connection, run).await?;
    let number = range.number();
    let again: Option<(i64, i64, i64)> =
        sqlx::query_as(sql!("close_again")).bind(run.as_str()).bind(number).fetch_optional(&mut *connection).await?;
    let (fence, first, last) = if let Some(found) = again {
        found
    } else {
        let open: (Option<i64>, Option<i64>, Option<i64>) =
            sqlx::query_as(sql!("closable_one")).bind(run.as_str()).bind(number).fetch_one(&mut *connection).await?;
        let (Some(first), Some(last), Some(0)) = open else { return Ok(None) };
        for (sample, code, reason) in rejects {
            sqlx::query(sql!("close_reject"))
                .bind(run.as_str())
                .bind(sample.as_str())
                .bind(code.as_str())
                .bind(remark(reason))
                .bind(number)
                .execute(&mut *connection)
                .await?;
        }
        for sql in [sql!("close_members"), sql!("close_pack")] {
            sqlx::query(sql).bind(run.as_str()).bind(number).execute(&mut *connection).await?;
        }
        sqlx::query(sql!("close_shard"))
            .bind(run.as_str())
            .bind(number)
            .bind(first)
            .bind(last)
            .bind(now.0)
            .execute(&mut *connection)
            .await?;
        (1, first, last)
    };
    let rows = sqlx::query(sql!("shard_members")).bind(run.as_str()).bind(number).fetch_all(connection).await?;
    let members =
        rows.iter().map(|row| Ok(SampleId::new(row.try_get::<String, _>(0)?))).collect::<Result<_, sqlx::Error>>()?;
    Ok(Some(ClosedShard { range, members, ordinals: (first as u64, last as u64), fence }))
}
