//! Admission: what stands, and the tasks of the admitted samples.

use std::collections::HashMap;
use std::time::Duration;

use agentwrite::chain;
use agentwrite::config::{Mode, RunConfig};
use agentwrite::ids::{Hash, RunId, SampleId, Timestamp};
use agentwrite::ports::{AdmissionCandidate, AdmissionView, Admit};
use agentwrite::task::Kind;
use sqlx::{Row, SqliteConnection};

use super::claim::{hash, json};

/// A sample that waits longer than this for its due time gives its place up (DESIGN 4).
const GIVES_UP_ITS_PLACE: Duration = Duration::from_secs(5);

pub(super) async fn view(
    connection: &mut SqliteConnection,
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
    let window_start = row.try_get::<i64, _>("window_start")? as u64;
    let end = i64::try_from(window_start.saturating_add(window)).unwrap_or(i64::MAX);
    let planned = candidates(connection, sql!("view_planned"), run, end, most, true).await?;
    let pending = candidates(connection, sql!("view_pending"), run, end, most, false).await?;
    Ok(AdmissionView {
        unfinished: row.try_get::<i64, _>("unfinished")? as u64,
        writing: row.try_get("writing")?,
        planning: row.try_get("planning")?,
        window_start,
        planned,
        pending,
    })
}

async fn candidates(
    connection: &mut SqliteConnection,
    sql: &'static str,
    run: &RunId,
    end: i64,
    most: u32,
    planned: bool,
) -> Result<Vec<AdmissionCandidate>, sqlx::Error> {
    let rows = sqlx::query(sql).bind(run.as_str()).bind(end).bind(most).fetch_all(connection).await?;
    rows.into_iter()
        .map(|row| {
            Ok(AdmissionCandidate {
                sample: SampleId::new(row.try_get::<String, _>(0)?),
                ordinal: row.try_get::<i64, _>(1)? as u64,
                remaining: row.try_get(2)?,
                planned,
            })
        })
        .collect()
}

pub(super) async fn admit(
    connection: &mut SqliteConnection,
    run: &RunId,
    admits: &[Admit],
    ordered: bool,
    _now: Timestamp,
) -> Result<u64, sqlx::Error> {
    sqlx::query(sql!("admit_ordered")).bind(run.as_str()).bind(ordered).execute(&mut *connection).await?;
    let mut configs = HashMap::new();
    let mut admitted = 0;
    for admit in admits {
        let (to, from) = if admit.write { ("writing", "planned") } else { ("planning", "pending") };
        let row = sqlx::query(sql!("admit_sample"))
            .bind(run.as_str())
            .bind(admit.sample.as_str())
            .bind(to)
            .bind(from)
            .fetch_optional(&mut *connection)
            .await?;
        let Some(row) = row else { continue };
        let version: u32 = row.try_get("config_version")?;
        let config = config_of(connection, &mut configs, run, version).await?;
        let sample = Admitted::read(&row, &admit.sample)?;
        for (place, context, remaining) in sample.places_to_work(connection, run, &config, admit.write).await? {
            sqlx::query(sql!("admit_task"))
                .bind(run.as_str())
                .bind(if admit.write { Kind::SECTION } else { Kind::PLAN }.as_str())
                .bind(sample.id.as_str())
                .bind(place)
                .bind(sample.revision)
                .bind(context.to_hex())
                .bind(remaining)
                .bind(sample.ordinal)
                .bind(sample.generation)
                .execute(&mut *connection)
                .await?;
        }
        admitted += 1;
    }
    Ok(admitted)
}

/// Reads a version of the run's configuration once per intent.
pub(super) async fn config_of(
    connection: &mut SqliteConnection,
    configs: &mut HashMap<u32, (Hash, Mode)>,
    run: &RunId,
    version: u32,
) -> Result<(Hash, Mode), sqlx::Error> {
    if let Some(found) = configs.get(&version) {
        return Ok(*found);
    }
    let text: String =
        sqlx::query_scalar(sql!("run_config")).bind(run.as_str()).bind(version).fetch_one(connection).await?;
    let config: RunConfig = json(&text)?;
    let found = (config.text.hash(), config.text.mode);
    configs.insert(version, found);
    Ok(found)
}

struct Admitted {
    id: SampleId,
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
    fn read(row: &sqlx::sqlite::SqliteRow, id: &SampleId) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: id.clone(),
            ordinal: row.try_get("ordinal")?,
            key: hash(row.try_get("key")?)?,
            revision: row.try_get("revision")?,
            generation: row.try_get("generation")?,
            estimate: row.try_get("estimate")?,
            places: row.try_get("places")?,
            filled: row.try_get("filled")?,
            chain: row.try_get::<Option<&str>, _>("chain")?.map(hash).transpose()?,
            model: row.try_get("model")?,
        })
    }

    /// The places to be worked on now, each with the hash of what its prompt will be made from and the calls that remain.
    async fn places_to_work(
        &self,
        connection: &mut SqliteConnection,
        run: &RunId,
        (text_config, mode): &(Hash, Mode),
        write: bool,
    ) -> Result<Vec<(u32, Hash, u32)>, sqlx::Error> {
        if !write {
            let root = chain::root(self.key, *text_config, self.model.as_deref(), self.revision);
            return Ok(vec![(0, root, self.estimate + 1)]);
        }
        let Some(head) = self.chain else { return Ok(Vec::new()) };
        if *mode == Mode::Serial {
            return Ok(vec![(self.filled, head, self.places.saturating_sub(self.filled))]);
        }
        let taken: Vec<u32> = sqlx::query_scalar(sql!("filled_places"))
            .bind(run.as_str())
            .bind(self.id.as_str())
            .bind(self.revision)
            .fetch_all(connection)
            .await?;
        let empty: Vec<u32> = (0..self.places).filter(|place| !taken.contains(place)).collect();
        let remaining = empty.len() as u32;
        Ok(empty.into_iter().map(|place| (place, head, remaining)).collect())
    }
}
