//! Reading samples without their texts, many at once: three statements, however many they are.

use agentwrite::ids::{RunId, SampleId};
use agentwrite::ports::{SampleOutline, SectionOutline};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::load::position;
use super::report::{attempt_row, state};
use super::rows::{column, number};
use crate::columns::json;
use crate::outline;

/// Those samples of a run that are there, in the order given.
pub(super) async fn outlines(
    connection: &mut PgConnection,
    run: &RunId,
    samples: &[SampleId],
) -> Result<Vec<SampleOutline>, sqlx::Error> {
    let rows = sqlx::query(sql!("outline_samples"))
        .bind(run.as_str())
        .bind(column(samples, SampleId::as_str))
        .fetch_all(&mut *connection)
        .await?;
    let mut found: Vec<SampleOutline> = rows.iter().map(alone).collect::<Result<_, _>>()?;
    let sections = sqlx::query(sql!("outline_sections"))
        .bind(run.as_str())
        .bind(column(&found, |it| it.sample.as_str()))
        .bind(column(&found, |it| i64::from(it.revision)))
        .fetch_all(&mut *connection)
        .await?;
    for row in &sections {
        let section = SectionOutline { place: number(row, 1)?, words: number(row, 2)?, flags: json(row.try_get(3)?)? };
        found[position(row)?].sections.push(section);
    }
    let attempts = sqlx::query(sql!("outline_attempts"))
        .bind(run.as_str())
        .bind(column(&found, |it| it.sample.as_str()))
        .bind(column(&found, |it| i64::from(it.generation)))
        .fetch_all(connection)
        .await?;
    for row in &attempts {
        found[position(row)?].attempts.push(attempt_row(row)?);
    }
    Ok(found)
}

/// Without its sections and its tries.
fn alone(row: &PgRow) -> Result<SampleOutline, sqlx::Error> {
    let verdict: Option<&str> = row.try_get("verdict")?;
    Ok(SampleOutline {
        sample: SampleId::new(row.try_get::<String, _>("sample")?),
        ordinal: number(row, "ordinal")?,
        state: state(row)?,
        code: row.try_get("code")?,
        generation: number(row, "generation")?,
        revision: number(row, "revision")?,
        asked: outline::asked(row.try_get("input")?)?,
        steps: row.try_get::<Option<&str>, _>("plan")?.map(outline::steps).transpose()?,
        sections: Vec::new(),
        words: number(row, "words")?,
        length_score: verdict.map(outline::length_score).transpose()?.flatten(),
        attempts: Vec::new(),
    })
}
