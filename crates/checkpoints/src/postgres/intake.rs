//! Input rows become samples, a page of them with few statements.

use std::collections::{BTreeSet, HashSet};

use agentwrite::ids::{RunId, SampleId};
use agentwrite::ports::{Added, Range};
use agentwrite::sample::Input;
use sqlx::PgConnection;

use super::lock;
use super::retry::open_range;
use super::rows::{column, remark};
use super::runs::read_run;
use crate::columns::to_json;

/// How much of an instruction is its title, in characters.
const TITLE: usize = 120;

struct NewSample<'a> {
    id: SampleId,
    ordinal: i64,
    range: i64,
    estimate: u32,
    input: &'a Input,
}

pub(super) async fn add_samples(
    connection: &mut PgConnection,
    run: &RunId,
    inputs: &[(Input, u32)],
) -> Result<Added, sqlx::Error> {
    lock::run_alone(connection, run).await?;
    let shard_size = read_run(connection, run).await?.ok_or(sqlx::Error::RowNotFound)?.config.shard_size.max(1);
    let first: i64 =
        sqlx::query_scalar(sql!("sample_next_ordinal")).bind(run.as_str()).fetch_one(&mut *connection).await?;
    let ids = column(inputs, |(input, _)| input.sample_id());
    let known: Vec<String> = sqlx::query_scalar(sql!("sample_known"))
        .bind(run.as_str())
        .bind(column(&ids, SampleId::as_str))
        .fetch_all(&mut *connection)
        .await?;
    let mut seen: HashSet<SampleId> = known.into_iter().map(SampleId::new).collect();
    let mut samples = Vec::with_capacity(inputs.len());
    for ((input, estimate), id) in inputs.iter().zip(ids) {
        if seen.insert(id.clone()) {
            let ordinal = first + samples.len() as i64;
            let range = Range::Main((ordinal as u64 / u64::from(shard_size)) as u32).number();
            samples.push(NewSample { id, ordinal, range, estimate: *estimate, input });
        }
    }
    leave_closed_ranges(connection, run, &mut samples).await?;
    insert(connection, run, &samples).await?;
    let added = samples.len() as u64;
    Ok(Added { added, present: inputs.len() as u64 - added })
}

/// A closed shard never changes (I7): rows whose range is closed share a supplementary one.
async fn leave_closed_ranges(
    connection: &mut PgConnection,
    run: &RunId,
    samples: &mut [NewSample<'_>],
) -> Result<(), sqlx::Error> {
    let ranges: BTreeSet<i64> = samples.iter().map(|sample| sample.range).collect();
    let closed: Vec<i64> = sqlx::query_scalar(sql!("closed_ranges"))
        .bind(run.as_str())
        .bind(ranges.into_iter().collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
    let mut supplement = None;
    for sample in samples.iter_mut().filter(|sample| closed.contains(&sample.range)) {
        sample.range = open_range(connection, run, sample.range, &mut supplement).await?;
    }
    Ok(())
}

async fn insert(connection: &mut PgConnection, run: &RunId, samples: &[NewSample<'_>]) -> Result<(), sqlx::Error> {
    if samples.is_empty() {
        return Ok(());
    }
    sqlx::query(sql!("sample_insert"))
        .bind(run.as_str())
        .bind(column(samples, |sample| sample.id.as_str()))
        .bind(column(samples, |sample| sample.ordinal))
        .bind(column(samples, |sample| sample.input.key().to_hex()))
        .bind(column(samples, |sample| sample.range))
        .bind(column(samples, |sample| i64::from(sample.estimate)))
        .execute(&mut *connection)
        .await?;
    let inputs = samples.iter().map(|sample| to_json(sample.input)).collect::<Result<Vec<_>, _>>()?;
    let title = |sample: &NewSample<'_>| remark(sample.input.instruction()).chars().take(TITLE).collect::<String>();
    sqlx::query(sql!("instruction_insert"))
        .bind(run.as_str())
        .bind(column(samples, |sample| sample.id.as_str()))
        .bind(inputs)
        .bind(column(samples, |sample| sample.input.id.as_deref().map(remark)))
        .bind(column(samples, title))
        .execute(connection)
        .await?;
    Ok(())
}
