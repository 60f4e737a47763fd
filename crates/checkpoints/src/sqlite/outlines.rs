//! Reading samples without their texts. No statement touches a text, so none of the pages that a long row spills over is read.

use agentwrite::ids::{RunId, SampleId};
use agentwrite::ports::{SampleOutline, SectionOutline};
use rusqlite::{Connection, Row, params};

use super::report::attempt_row;
use super::statement::{all, first, json};
use crate::columns::sample_state;
use crate::outline;

/// Those samples of a run that are there, in the order given.
pub(super) fn outlines(
    connection: &Connection,
    run: &RunId,
    samples: &[SampleId],
) -> rusqlite::Result<Vec<SampleOutline>> {
    samples.iter().filter_map(|sample| outline(connection, run, sample).transpose()).collect()
}

fn outline(connection: &Connection, run: &RunId, sample: &SampleId) -> rusqlite::Result<Option<SampleOutline>> {
    let key = params![run.as_str(), sample.as_str()];
    let found = first(connection, sql!("outline_sample"), key, |row| Ok((row.get::<_, i64>(0)?, alone(sample, row)?)))?;
    let Some((subject, mut outline)) = found else { return Ok(None) };
    outline.sections = all(connection, sql!("outline_sections"), params![subject, outline.revision], |row| {
        Ok(SectionOutline { place: row.get(0)?, words: row.get(1)?, flags: json(row, 2)? })
    })?;
    outline.attempts = all(connection, sql!("outline_attempts"), params![subject, outline.generation], attempt_row)?;
    Ok(Some(outline))
}

/// Without its sections and its tries. Columns are found by their place: by name each would cost as much as reading it.
fn alone(sample: &SampleId, row: &Row<'_>) -> rusqlite::Result<SampleOutline> {
    let text = |column: usize| row.get_ref(column)?.as_str_or_null().map_err(rusqlite::Error::from);
    Ok(SampleOutline {
        sample: sample.clone(),
        ordinal: row.get::<_, i64>(1)? as u64,
        state: sample_state(row.get_ref(2)?.as_str()?)?,
        code: row.get(3)?,
        generation: row.get(4)?,
        revision: row.get(5)?,
        asked: outline::asked(row.get_ref(7)?.as_str()?)?,
        steps: text(8)?.map(outline::steps).transpose()?,
        sections: Vec::new(),
        words: row.get::<_, i64>(6)? as u64,
        length_score: text(9)?.map(outline::length_score).transpose()?.flatten(),
        attempts: Vec::new(),
    })
}
