//! Violations of the invariants that the store alone can show: I1, I3, I4, I5, I6, I8 (DESIGN 5).
//!
//! I2 needs the queue and I7 the files: `longhand doctor` and the tests add them.

use std::collections::HashMap;

use agentwrite::chain;
use agentwrite::config::Mode;
use agentwrite::ids::{Hash, RunId};
use agentwrite::plan::Plan;
use agentwrite::sample::Input;
use rusqlite::{Connection, Row, params};

use super::admit::config_of;
use super::statement::{all, hash, hash_or_none, json};

/// `(invariant, subject, what)`.
pub(super) type Violation = (String, String, String);

/// Each statement lists `(subject, what)` of every violation of its invariant.
const CHECKS: &[(&str, &str)] = &[
    ("I1", sql!("check_i1_places")),
    ("I1", sql!("check_i1_gaps")),
    ("I1", sql!("check_i1_attempts")),
    ("I3", sql!("check_i3")),
    ("I4", sql!("check_i4")),
    ("I5", sql!("check_i5")),
    ("I6", sql!("check_i6")),
    ("I6", sql!("check_i6_totals")),
    ("I8", sql!("check_i8_tasks")),
];

pub(super) fn violations(connection: &Connection, run: &RunId) -> rusqlite::Result<Vec<Violation>> {
    let mut found = Vec::new();
    for (name, sql) in CHECKS {
        found.extend(all(connection, sql, [run.as_str()], |row| Ok(((*name).to_owned(), row.get(0)?, row.get(1)?)))?);
    }
    found.extend(broken_chains(connection, run)?);
    Ok(found)
}

fn broken_chains(connection: &Connection, run: &RunId) -> rusqlite::Result<Vec<Violation>> {
    let mut configs: HashMap<u32, (Hash, Mode)> = HashMap::new();
    let found = all(connection, sql!("check_i8_samples"), [run.as_str()], |row| {
        let sample: String = row.get("name")?;
        let config = config_of(connection, &mut configs, run, row.get("config_version")?)?;
        let what = broken_chain(connection, row, config)?;
        Ok(what.map(|what| ("I8".to_owned(), sample, what)))
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// Where the chain of a sample does not recompute, if anywhere.
fn broken_chain(
    connection: &Connection,
    row: &Row<'_>,
    (text_config, mode): (Hash, Mode),
) -> rusqlite::Result<Option<String>> {
    let input: Input = json(row, "input")?;
    let revision: u32 = row.get("revision")?;
    let key = input.key();
    if key != hash(row, "key")? {
        return Ok(Some("the sample key is not the hash of its input".to_owned()));
    }
    let plan: Plan = json(row, "plan")?;
    let model: Option<String> = row.get("model")?;
    let mut head = chain::with_plan(chain::root(key, text_config, model.as_deref(), revision), &plan);
    if head != hash(row, "plan_chain")? {
        return Ok(Some("the chain does not recompute at the plan".to_owned()));
    }
    let sections =
        all(connection, sql!("check_i8_sections"), params![row.get::<_, i64>("subject")?, revision], |section| {
            let body = section.get_ref("body")?.as_str()?;
            if mode == Mode::Serial {
                head = chain::with_section(head, body);
            }
            let sound = head == hash(section, "chain")? && Hash::of("text", &[body]) == hash(section, "hash")?;
            Ok((section.get::<_, u32>("place")?, sound))
        })?;
    if let Some((place, _)) = sections.iter().find(|(_, sound)| !sound) {
        return Ok(Some(format!("the chain does not recompute at section {}", place + 1)));
    }
    let stands = hash_or_none(row, "chain")? == Some(head);
    Ok((!stands).then(|| "the sample's chain head is not the hash of what stands".to_owned()))
}
