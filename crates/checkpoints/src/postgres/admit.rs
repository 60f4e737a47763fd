//! Admission: what stands, and the tasks of the admitted samples.

use std::collections::HashMap;
use std::time::Duration;

use agentwrite::chain;
use agentwrite::config::{Mode, RunConfig};
use agentwrite::ids::{Hash, RunId, SampleId, Timestamp};
use agentwrite::ports::{AdmissionCandidate, AdmissionView, Admit};
use agentwrite::task::{Kind, TaskKey};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::lock;
use super::rows::{Keys, column, maybe_hash, number};
use crate::columns::{hash, json};

/// A sample that waits longer than this for its due time gives its place up (DESIGN 4).
const GIVES_UP_ITS_PLACE: Duration = Duration::from_secs(5);

pub(super) async fn view(
    connection: &mut PgConnection,
    run: &RunId,
    window: u64,
    most: u32,
    now: Timestamp,
) -> Result<AdmissionView, sqlx::Error> {
    let row = sqlx::query(sql!("view_counts"))
        .bind(run.as_str())
        .bind(now.after(GIVES_UP_ITS_PLACE).0)
        .fetch_one(&mut *connection)
        .await?;
    let window_start: u64 = number(&row, "window_start")?;
    let end = i64::try_from(window_start.saturating_add(window)).unwrap_or(i64::MAX);
    let planned = candidates(connection, sql!("view_planned"), run, end, most, true).await?;
    let pending = candidates(connection, sql!("view_pending"), run, end, most, false).await?;
    Ok(AdmissionView {
        unfinished: row.try_get::<i64, _>("unfinished")?.max(0) as u64,
        writing: number(&row, "writing")?,
        planning: number(&row, "planning")?,
        window_start,
        planned,
        pending,
    })
}

async fn candidates(
    connection: &mut PgConnection,
    sql: &'static str,
    run: &RunId,
    end: i64,
    most: u32,
    planned: bool,
) -> Result<Vec<AdmissionCandidate>, sqlx::Error> {
    let rows = sqlx::query(sql).bind(run.as_str()).bind(end).bind(i64::from(most)).fetch_all(connection).await?;
    rows.into_iter()
        .map(|row| {
            Ok(AdmissionCandidate {
                sample: SampleId::new(row.try_get::<String, _>(0)?),
                ordinal: number(&row, 1)?,
                remaining: number(&row, 2)?,
                planned,
            })
        })
        .collect()
}

pub(super) async fn admit(
    connection: &mut PgConnection,
    run: &RunId,
    admits: &[Admit],
    ordered: bool,
) -> Result<u64, sqlx::Error> {
    lock::runs(connection, [run]).await?;
    sqlx::query(sql!("admit_ordered")).bind(run.as_str()).bind(ordered).execute(&mut *connection).await?;
    if admits.is_empty() {
        return Ok(0);
    }
    let rows = sqlx::query(sql!("admit_sample"))
        .bind(vec![run.as_str(); admits.len()])
        .bind(column(admits, |admit| admit.sample.as_str()))
        .bind(column(admits, |admit| if admit.write { "writing" } else { "planning" }))
        .bind(column(admits, |admit| if admit.write { "planned" } else { "pending" }))
        .fetch_all(&mut *connection)
        .await?;
    let mut configs = HashMap::new();
    let mut tasks = Vec::with_capacity(rows.len());
    for row in &rows {
        let config = config_of(connection, &mut configs, run, number(row, "config_version")?).await?;
        Admitted::read(row)?.tasks(connection, run, &config, &mut tasks).await?;
    }
    write_tasks(connection, &tasks).await?;
    Ok(rows.len() as u64)
}

/// Reads a version of the run's configuration once per intent.
pub(super) async fn config_of(
    connection: &mut PgConnection,
    configs: &mut HashMap<u32, (Hash, Mode)>,
    run: &RunId,
    version: u32,
) -> Result<(Hash, Mode), sqlx::Error> {
    if let Some(found) = configs.get(&version) {
        return Ok(*found);
    }
    let text: String = sqlx::query_scalar(sql!("run_config"))
        .bind(run.as_str())
        .bind(i64::from(version))
        .fetch_one(connection)
        .await?;
    let config: RunConfig = json(&text)?;
    let found = (config.text.hash(), config.text.mode);
    configs.insert(version, found);
    Ok(found)
}

/// A task of an admitted sample.
struct NewTask {
    key: TaskKey,
    context_hash: Hash,
    remaining: u32,
    ordinal: i64,
    generation: u32,
}

async fn write_tasks(connection: &mut PgConnection, tasks: &[NewTask]) -> Result<(), sqlx::Error> {
    if tasks.is_empty() {
        return Ok(());
    }
    Keys::of(tasks.iter().map(|task| &task.key))
        .bind(sqlx::query(sql!("admit_task")))
        .bind(column(tasks, |task| task.context_hash.to_hex()))
        .bind(column(tasks, |task| i64::from(task.remaining)))
        .bind(column(tasks, |task| task.ordinal))
        .bind(column(tasks, |task| i64::from(task.generation)))
        .execute(connection)
        .await?;
    Ok(())
}

struct Admitted {
    id: SampleId,
    write: bool,
    ordinal: i64,
    key: Hash,
    revision: u32,
    generation: u32,
    estimate: u32,
    places: u32,
    filled: u32,
    chain: Option<Hash>,
    model: Option<String>,
}

impl Admitted {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: SampleId::new(row.try_get::<String, _>("sample")?),
            write: row.try_get::<&str, _>("state")? == "writing",
            ordinal: row.try_get("ordinal")?,
            key: hash(row.try_get("key")?)?,
            revision: number(row, "revision")?,
            generation: number(row, "generation")?,
            estimate: number(row, "estimate")?,
            places: number(row, "places")?,
            filled: number(row, "filled")?,
            chain: maybe_hash(row, "chain")?,
            model: row.try_get("model")?,
        })
    }

    async fn tasks(
        &self,
        connection: &mut PgConnection,
        run: &RunId,
        config: &(Hash, Mode),
        tasks: &mut Vec<NewTask>,
    ) -> Result<(), sqlx::Error> {
        let kind = if self.write { Kind::SECTION } else { Kind::PLAN };
        for (place, context_hash, remaining) in self.places_to_work(connection, run, config).await? {
            let subject = self.id.as_str().to_owned();
            let key = TaskKey { run: run.clone(), kind: kind.clone(), subject, place, revision: self.revision };
            let (ordinal, generation) = (self.ordinal, self.generation);
            tasks.push(NewTask { key, context_hash, remaining, ordinal, generation });
        }
        Ok(())
    }

    /// The places to be worked on now, each with the hash of what its prompt will be made from and the calls that remain.
    async fn places_to_work(
        &self,
        connection: &mut PgConnection,
        run: &RunId,
        (text_config, mode): &(Hash, Mode),
    ) -> Result<Vec<(u32, Hash, u32)>, sqlx::Error> {
        if !self.write {
            let root = chain::root(self.key, *text_config, self.model.as_deref(), self.revision);
            return Ok(vec![(0, root, self.estimate + 1)]);
        }
        let Some(head) = self.chain else { return Ok(Vec::new()) };
        if *mode == Mode::Serial {
            return Ok(vec![(self.filled, head, self.places.saturating_sub(self.filled))]);
        }
        let taken: Vec<i64> = sqlx::query_scalar(sql!("filled_places"))
            .bind(run.as_str())
            .bind(self.id.as_str())
            .bind(i64::from(self.revision))
            .fetch_all(connection)
            .await?;
        let empty: Vec<u32> = (0..self.places).filter(|place| !taken.contains(&i64::from(*place))).collect();
        let remaining = empty.len() as u32;
        Ok(empty.into_iter().map(|place| (place, head, remaining)).collect())
    }
}
