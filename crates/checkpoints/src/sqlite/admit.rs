//! Admission: what stands, and the tasks of the admitted samples.

use std::collections::HashMap;
use std::time::Duration;

use agentwrite::chain;
use agentwrite::config::{Mode, RunConfig};
use agentwrite::ids::{Hash, RunId, SampleId, Timestamp};
use agentwrite::ports::{AdmissionCandidate, AdmissionView, Admit};
use agentwrite::task::Kind;
use rusqlite::{Connection, Row, params};

use super::statement::{all, execute, first, hash, hash_or_none, json, one};

/// A sample that waits longer than this for its due time gives its place up (DESIGN 4).
const GIVES_UP_ITS_PLACE: Duration = Duration::from_secs(5);

pub(super) fn view(
    connection: &Connection,
    run: &RunId,
    window: u64,
    most: u32,
    now: Timestamp,
) -> rusqlite::Result<AdmissionView> {
    let counted_until = now.after(GIVES_UP_ITS_PLACE).0;
    let counts = first(connection, sql!("view_counts"), params![run.as_str(), counted_until], |row| row.try_into())?;
    let (unfinished, writing, planning, window_start): (i64, u32, u32, i64) = counts.unwrap_or_default();
    let window_start = window_start as u64;
    let end = i64::try_from(window_start.saturating_add(window)).unwrap_or(i64::MAX);
    let planned = candidates(connection, sql!("view_planned"), run, end, most, true)?;
    let pending = candidates(connection, sql!("view_pending"), run, end, most, false)?;
    Ok(AdmissionView { unfinished: unfinished as u64, writing, planning, window_start, planned, pending })
}

fn candidates(
    connection: &Connection,
    sql: &'static str,
    run: &RunId,
    end: i64,
    most: u32,
    planned: bool,
) -> rusqlite::Result<Vec<AdmissionCandidate>> {
    if most == 0 {
        return Ok(Vec::new());
    }
    all(connection, sql, params![run.as_str(), end, most], |row| {
        Ok(AdmissionCandidate {
            sample: SampleId::new(row.get::<_, String>(0)?),
            ordinal: row.get::<_, i64>(1)? as u64,
            remaining: row.get(2)?,
            planned,
        })
    })
}

pub(super) fn admit(
    connection: &Connection,
    run: &RunId,
    admits: &[Admit],
    ordered: bool,
    _now: Timestamp,
) -> rusqlite::Result<u64> {
    execute(connection, sql!("admit_ordered"), params![run.as_str(), ordered])?;
    let mut configs = HashMap::new();
    let mut admitted = 0;
    for admit in admits {
        let (to, from) = if admit.write { ("writing", "planned") } else { ("planning", "pending") };
        let kind = if admit.write { Kind::SECTION } else { Kind::PLAN };
        let wanted = params![run.as_str(), admit.sample.as_str(), from];
        let Some(sample) = first(connection, sql!("admit_find"), wanted, Admitted::read)? else { continue };
        execute(connection, sql!("admit_sample"), params![sample.subject, to, sample.config_version])?;
        let config = config_of(connection, &mut configs, run, sample.config_version)?;
        for (place, context, remaining) in sample.places_to_work(connection, &config, admit.write)? {
            let task = params![
                sample.run,
                kind.as_str(),
                sample.subject,
                place,
                sample.revision,
                context.as_bytes(),
                remaining,
                sample.ordinal,
                sample.generation
            ];
            execute(connection, sql!("admit_task"), task)?;
        }
        admitted += 1;
    }
    Ok(admitted)
}

/// Reads a version of the run's configuration once per intent.
pub(super) fn config_of(
    connection: &Connection,
    configs: &mut HashMap<u32, (Hash, Mode)>,
    run: &RunId,
    version: u32,
) -> rusqlite::Result<(Hash, Mode)> {
    if let Some(found) = configs.get(&version) {
        return Ok(*found);
    }
    let config: RunConfig = one(connection, sql!("run_config"), params![run.as_str(), version], |row| json(row, 0))?;
    let found = (config.text.hash(), config.text.mode);
    configs.insert(version, found);
    Ok(found)
}

struct Admitted {
    subject: i64,
    run: i64,
    config_version: u32,
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
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            subject: row.get("subject")?,
            run: row.get("run")?,
            config_version: row.get("config_version")?,
            ordinal: row.get("ordinal")?,
            key: hash(row, "key")?,
            revision: row.get("revision")?,
            generation: row.get("generation")?,
            estimate: row.get("estimate")?,
            places: row.get("places")?,
            filled: row.get("filled")?,
            chain: hash_or_none(row, "chain")?,
            model: row.get("model")?,
        })
    }

    /// The places to be worked on now, each with the hash of what its prompt will be made from and the calls that remain.
    fn places_to_work(
        &self,
        connection: &Connection,
        (text_config, mode): &(Hash, Mode),
        write: bool,
    ) -> rusqlite::Result<Vec<(u32, Hash, u32)>> {
        if !write {
            let root = chain::root(self.key, *text_config, self.model.as_deref(), self.revision);
            return Ok(vec![(0, root, self.estimate + 1)]);
        }
        let Some(head) = self.chain else { return Ok(Vec::new()) };
        if *mode == Mode::Serial {
            return Ok(vec![(self.filled, head, self.places.saturating_sub(self.filled))]);
        }
        let taken: Vec<u32> =
            all(connection, sql!("filled_places"), params![self.subject, self.revision], |row| row.get(0))?;
        let empty: Vec<u32> = (0..self.places).filter(|place| !taken.contains(place)).collect();
        let remaining = empty.len() as u32;
        Ok(empty.into_iter().map(|place| (place, head, remaining)).collect())
    }
}
