//! The store as the shard packer sees it, on SQLite.

use agentwrite::failure::ErrorCode;
use agentwrite::ids::{RunId, SampleId, Timestamp};
use agentwrite::ports::{
    ClosedShard, CompleteSample, PackStore, PackedSample, PublishedShard, Range, ShardFile, StoreError, Verdict,
};
use agentwrite::sample::SampleContext;
use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::report::state;
use super::statement::{all, execute, first, json, one};
use super::{SqliteStore, load};
use crate::columns::{Unsound, to_json};

#[async_trait]
impl PackStore for SqliteStore {
    async fn unjudged(&self, run: &RunId, most: u32) -> Result<Vec<SampleContext>, StoreError> {
        let run = run.clone();
        self.writer
            .run("unjudged", move |connection| {
                let samples: Vec<String> =
                    all(connection, sql!("unjudged"), params![run.as_str(), most], |row| row.get(0))?;
                let mut contexts = Vec::with_capacity(samples.len());
                for sample in samples {
                    contexts.extend(load::load_context(connection, &run, &SampleId::new(sample))?);
                }
                Ok(contexts)
            })
            .await
    }

    async fn record_verdict(
        &self,
        run: &RunId,
        sample: &SampleId,
        revision: u32,
        verdict: &Verdict,
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        let (run, sample, verdict) = (run.clone(), sample.clone(), verdict.clone());
        self.writer
            .run("record_verdict", move |connection| {
                let rejected = verdict.rejected.as_ref();
                let (code, reason) = rejected.map(|(code, reason)| (code.as_str(), reason.as_str())).unzip();
                let parameters = params![run.as_str(), sample.as_str(), revision, code, reason];
                if execute(connection, sql!("verdict_set"), parameters)? > 0 {
                    let parameters = params![run.as_str(), sample.as_str(), to_json(&verdict)?];
                    execute(connection, sql!("verdict_write"), parameters)?;
                }
                Ok(())
            })
            .await
    }

    async fn closable(&self, run: &RunId) -> Result<Vec<Range>, StoreError> {
        self.ranges(run, "closable", sql!("closable")).await
    }

    async fn range_samples(&self, run: &RunId, range: Range) -> Result<Vec<PackedSample>, StoreError> {
        self.packed(run, range, "range_samples", sql!("range_samples")).await
    }

    async fn close_range(
        &self,
        run: &RunId,
        range: Range,
        rejects: &[(SampleId, ErrorCode, String)],
        now: Timestamp,
    ) -> Result<Option<ClosedShard>, StoreError> {
        let (run, rejects) = (run.clone(), rejects.to_vec());
        self.writer.run("close_range", move |connection| close(connection, &run, range, &rejects, now)).await
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
        let (run, files) = (run.clone(), files.to_vec());
        self.writer
            .run("publish_shard", move |connection| {
                let parameters = params![run.as_str(), range.number(), fence, rows as i64, to_json(&files)?, now.0];
                Ok(execute(connection, sql!("shard_publish"), parameters)? == 1)
            })
            .await
    }

    async fn unpublished(&self, run: &RunId) -> Result<Vec<Range>, StoreError> {
        self.ranges(run, "unpublished", sql!("shard_unpublished")).await
    }

    async fn published(&self, run: &RunId) -> Result<Vec<PublishedShard>, StoreError> {
        let run = run.clone();
        self.reader
            .run("published", move |connection| {
                all(connection, sql!("shard_published"), [run.as_str()], |row| {
                    Ok(PublishedShard {
                        range: Range::from_number(row.get(0)?),
                        rows: row.get::<_, i64>(1)? as u64,
                        ordinals: (row.get::<_, i64>(2)? as u64, row.get::<_, i64>(3)? as u64),
                        files: json(row, 4)?,
                    })
                })
            })
            .await
    }

    async fn packed_samples(&self, run: &RunId, range: Range) -> Result<Vec<PackedSample>, StoreError> {
        self.packed(run, range, "packed_samples", sql!("shard_members")).await
    }

    async fn complete_samples(
        &self,
        run: &RunId,
        after: Option<u64>,
        most: u32,
    ) -> Result<Vec<CompleteSample>, StoreError> {
        let run = run.clone();
        let after = after.map_or(-1, |after| after as i64);
        self.reader
            .run("complete_samples", move |connection| {
                let samples = all(connection, sql!("complete_samples"), params![run.as_str(), after, most], |row| {
                    complete_one(connection, &run, row)
                })?;
                Ok(samples.into_iter().flatten().collect())
            })
            .await
    }
}

impl SqliteStore {
    async fn ranges(&self, run: &RunId, intent: &'static str, sql: &'static str) -> Result<Vec<Range>, StoreError> {
        let run = run.clone();
        self.reader
            .run(intent, move |connection| {
                all(connection, sql, [run.as_str()], |row| Ok(Range::from_number(row.get(0)?)))
            })
            .await
    }

    async fn packed(
        &self,
        run: &RunId,
        range: Range,
        intent: &'static str,
        sql: &'static str,
    ) -> Result<Vec<PackedSample>, StoreError> {
        let run = run.clone();
        self.reader
            .run(intent, move |connection| {
                let samples = all(connection, sql, params![run.as_str(), range.number()], |row| {
                    packed_one(connection, &run, row)
                })?;
                Ok(samples.into_iter().flatten().collect())
            })
            .await
    }
}

fn packed_one(connection: &Connection, run: &RunId, row: &Row<'_>) -> rusqlite::Result<Option<PackedSample>> {
    let sample = SampleId::new(row.get::<_, String>(0)?);
    let Some(context) = load::load_context(connection, run, &sample)? else { return Ok(None) };
    Ok(Some(PackedSample { context, verdict: json(row, 1)?, config_version: row.get(2)? }))
}

fn complete_one(connection: &Connection, run: &RunId, row: &Row<'_>) -> rusqlite::Result<Option<CompleteSample>> {
    let sample = SampleId::new(row.get::<_, String>("name")?);
    let Some(context) = load::load_context(connection, run, &sample)? else { return Ok(None) };
    let code: Option<String> = row.get("code")?;
    Ok(Some(CompleteSample {
        context,
        state: state(row)?,
        code: code.as_deref().map(str::parse).transpose().map_err(|error| Unsound(format!("{error}")))?,
        config_version: row.get("config_version")?,
    }))
}

fn close(
    connection: &Connection,
    run: &RunId,
    range: Range,
    rejects: &[(SampleId, ErrorCode, String)],
    now: Timestamp,
) -> rusqlite::Result<Option<ClosedShard>> {
    let number = range.number();
    let key = params![run.as_str(), number];
    let again: Option<(i64, i64, i64)> = first(connection, sql!("close_again"), key, |row| row.try_into())?;
    let (fence, from, to) = if let Some(found) = again {
        found
    } else {
        let open: (Option<i64>, Option<i64>, Option<i64>) =
            one(connection, sql!("closable_one"), key, |row| row.try_into())?;
        let (Some(from), Some(to), Some(0)) = open else { return Ok(None) };
        for (sample, code, reason) in rejects {
            let parameters = params![run.as_str(), sample.as_str(), code.as_str(), reason, number];
            execute(connection, sql!("close_reject"), parameters)?;
        }
        for sql in [sql!("close_members"), sql!("close_pack")] {
            execute(connection, sql, key)?;
        }
        execute(connection, sql!("close_shard"), params![run.as_str(), number, from, to, now.0])?;
        (1, from, to)
    };
    let members = all(connection, sql!("shard_members"), key, |row| Ok(SampleId::new(row.get::<_, String>(0)?)))?;
    Ok(Some(ClosedShard { range, members, ordinals: (from as u64, to as u64), fence }))
}
