//! Reading a sample whole: what prompts and rows are made from.

use agentwrite::ids::{AttemptId, RunId, SampleId};
use agentwrite::sample::{Candidate, SampleContext, Section};
use agentwrite::task::TaskKey;
use sqlx::{PgConnection, Row};

use super::rows::{bind_key, body, number};
use crate::columns::json;

/// Reads a sample's input, standing plan and sections; `None` if there is no such sample.
pub(super) async fn load_context(
    connection: &mut PgConnection,
    run: &RunId,
    sample: &SampleId,
) -> Result<Option<SampleContext>, sqlx::Error> {
    let row = sqlx::query(sql!("load_sample"))
        .bind(run.as_str())
        .bind(sample.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let revision: u32 = number(&row, "revision")?;
    Ok(Some(SampleContext {
        run: run.clone(),
        sample: sample.clone(),
        ordinal: number(&row, "ordinal")?,
        input: json(row.try_get("input")?)?,
        revision,
        config_version: number(&row, "config_version")?,
        model: row.try_get("model")?,
        plan: row.try_get::<Option<&str>, _>("plan")?.map(json).transpose()?,
        sections: load_sections(connection, run, sample, revision).await?,
        candidates: Vec::new(),
        parts: Vec::new(),
        last_prompt_tokens: None,
    }))
}

async fn load_sections(
    connection: &mut PgConnection,
    run: &RunId,
    sample: &SampleId,
    revision: u32,
) -> Result<Vec<Section>, sqlx::Error> {
    let rows = sqlx::query(sql!("load_sections"))
        .bind(run.as_str())
        .bind(sample.as_str())
        .bind(i64::from(revision))
        .fetch_all(connection)
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Section {
                place: number(&row, 0)?,
                text: body(row.try_get(1)?)?,
                words: number(&row, 2)?,
                flags: json(row.try_get(3)?)?,
                attempt: AttemptId::new(row.try_get::<String, _>(4)?),
            })
        })
        .collect()
}

/// Reads what a task's prompt is made from: the sample, the task's candidates, the last prompt's tokens.
pub(super) async fn load_for_task(
    connection: &mut PgConnection,
    task: &TaskKey,
) -> Result<Option<SampleContext>, sqlx::Error> {
    let sample = SampleId::new(task.subject.clone());
    let Some(mut context) = load_context(connection, &task.run, &sample).await? else { return Ok(None) };
    let rows = bind_key(sqlx::query(sql!("load_candidates")), task).fetch_all(&mut *connection).await?;
    for row in rows {
        let answer = Candidate { attempt: AttemptId::new(row.try_get::<String, _>(0)?), raw: body(row.try_get(1)?)? };
        let is_part: bool = row.try_get("part")?;
        if is_part { context.parts.push(answer) } else { context.candidates.push(answer) }
    }
    let tokens: Option<i64> = sqlx::query_scalar(sql!("load_last_prompt"))
        .bind(task.run.as_str())
        .bind(&task.subject)
        .bind(i64::from(context.revision))
        .bind(task.kind.as_str())
        .fetch_optional(connection)
        .await?;
    context.last_prompt_tokens = tokens.map(|tokens| tokens as u64);
    Ok(Some(context))
}
