//! Violations of the invariants that the store alone can show: I1, I3, I4, I5, I6, I8 (DESIGN 5).
//!
//! I2 needs the queue and I7 the files: `longhand doctor` and the tests add them.

use std::collections::HashMap;

use agentwrite::chain;
use agentwrite::config::Mode;
use agentwrite::ids::{Hash, RunId};
use agentwrite::plan::Plan;
use agentwrite::sample::Input;
use sqlx::{PgConnection, Row};

use super::rows::{body, number};
use crate::columns::{hash, json};

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

pub(super) async fn violations(connection: &mut PgConnection, run: &RunId) -> Result<Vec<Violation>, sqlx::Error> {
    let mut found = Vec::new();
    for (name, sql) in CHECKS {
        let rows: Vec<(String, String)> = sqlx::query_as(*sql).bind(run.as_str()).fetch_all(&mut *connection).await?;
        found.extend(rows.into_iter().map(|(subject, what)| ((*name).to_owned(), subject, what)));
    }
    found.extend(broken_chains(connection, run).await?);
    Ok(found)
}

async fn broken_chains(connection: &mut PgConnection, run: &RunId) -> Result<Vec<Violation>, sqlx::Error> {
    let mut found = Vec::new();
    let mut configs: HashMap<u32, (Hash, Mode)> = HashMap::new();
    let rows = sqlx::query(sql!("check_i8_samples")).bind(run.as_str()).fetch_all(&mut *connection).await?;
    for row in rows {
        let sample: String = row.try_get("sample")?;
        let version: u32 = number(&row, "config_version")?;
        let (text_config, mode) = super::admit::config_of(connection, &mut configs, run, version).await?;
        let input: Input = json(row.try_get("input")?)?;
        let key = input.key();
        let revision: u32 = number(&row, "revision")?;
        let mut report = |what: String| found.push(("I8".to_owned(), sample.clone(), what));
        if key != hash(row.try_get("key")?)? {
            report("the sample key is not the hash of its input".to_owned());
            continue;
        }
        let plan: Plan = json(row.try_get("plan")?)?;
        let root = chain::root(key, text_config, row.try_get("model")?, revision);
        let mut head = chain::with_plan(root, &plan);
        if head != hash(row.try_get("plan_chain")?)? {
            report("the chain does not recompute at the plan".to_owned());
            continue;
        }
        let sections = sqlx::query(sql!("check_i8_sections"))
            .bind(run.as_str())
            .bind(&sample)
            .bind(i64::from(revision))
            .fetch_all(&mut *connection)
            .await?;
        for section in sections {
            let text = body(section.try_get("body")?)?;
            let place: u32 = number(&section, "place")?;
            if mode == Mode::Serial {
                head = chain::with_section(head, &text);
            }
            let stored = hash(section.try_get("chain")?)?;
            let addressed = Hash::of("text", &[&text]) == hash(section.try_get("hash")?)?;
            if head != stored || !addressed {
                report(format!("the chain does not recompute at section {}", place + 1));
                break;
            }
        }
        if row.try_get::<Option<&str>, _>("chain")?.map(hash).transpose()? != Some(head) {
            report("the sample's chain head is not the hash of what stands".to_owned());
        }
    }
    Ok(found)
}
