//! Reading samples whole, many at once: what prompts and rows are made from.

use agentwrite::ids::{AttemptId, RunId, SampleId};
use agentwrite::sample::{Candidate, SampleContext, Section};
use agentwrite::task::TaskKey;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::rows::{Keys, bind_key, body, column, number};
use super::transaction::Boxed;
use crate::columns::json;

/// Reads samples of a run with their input, standing plan and sections; those that are there, in the order given.
pub(super) async fn load_contexts(
    connection: &mut PgConnection,
    run: &RunId,
    samples: &[SampleId],
) -> Result<Vec<SampleContext>, sqlx::Error> {
    if samples.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(sql!("load_sample"))
        .bind(vec![run.as_str(); samples.len()])
        .bind(column(samples, SampleId::as_str))
        .fetch_all(&mut *connection)
        .await?;
    let found = with_sections(connection, &rows, samples.len()).await?;
    Ok(found.into_iter().flatten().collect())
}

/// Reads a sample; `None` if there is no such sample.
pub(super) async fn load_context(
    connection: &mut PgConnection,
    run: &RunId,
    sample: &SampleId,
) -> Result<Option<SampleContext>, sqlx::Error> {
    Ok(load_contexts(connection, run, std::slice::from_ref(sample)).await?.pop())
}

/// Reads what the prompts of tasks are made from: their samples, the tasks' candidates, the last prompts' tokens.
pub(super) fn load_for_tasks<'c>(
    connection: &'c mut PgConnection,
    tasks: &'c [TaskKey],
) -> Boxed<'c, Result<Vec<Option<SampleContext>>, sqlx::Error>> {
    Box::pin(async move {
        let rows = Keys::of(tasks).bind(sqlx::query(sql!("load_task"))).fetch_all(&mut *connection).await?;
        let mut found = with_sections(connection, &rows, tasks.len()).await?;
        for row in &rows {
            let index = position(row)?;
            let Some(context) = &mut found[index] else { continue };
            context.last_prompt_tokens = row.try_get::<Option<i64>, _>("last_prompt_tokens")?.map(|it| it as u64);
            if row.try_get("has_answers")? {
                load_answers(connection, &tasks[index], context).await?;
            }
        }
        Ok(found)
    })
}

/// Which of the things that were asked for a row is about.
pub(super) fn position(row: &PgRow) -> Result<usize, sqlx::Error> {
    Ok(number::<usize>(row, "position")?.saturating_sub(1))
}

async fn with_sections(
    connection: &mut PgConnection,
    rows: &[PgRow],
    asked: usize,
) -> Result<Vec<Option<SampleContext>>, sqlx::Error> {
    let mut found: Vec<Option<SampleContext>> = (0..asked).map(|_| None).collect();
    let mut written = Vec::new();
    for row in rows {
        let (index, context) = (position(row)?, context(row)?);
        if row.try_get("has_sections")? {
            written.push(index);
        }
        found[index] = Some(context);
    }
    let of = |index: &usize| found[*index].as_ref().expect("its row was read");
    if !written.is_empty() {
        let rows = sqlx::query(sql!("load_sections"))
            .bind(column(&written, |index| of(index).run.as_str()))
            .bind(column(&written, |index| of(index).sample.as_str()))
            .bind(column(&written, |index| i64::from(of(index).revision)))
            .fetch_all(connection)
            .await?;
        for row in rows {
            let index = written[position(&row)?];
            found[index].as_mut().expect("its row was read").sections.push(section(&row)?);
        }
    }
    Ok(found)
}

fn context(row: &PgRow) -> Result<SampleContext, sqlx::Error> {
    Ok(SampleContext {
        run: RunId::new(row.try_get::<String, _>("run")?),
        sample: SampleId::new(row.try_get::<String, _>("sample")?),
        ordinal: number(row, "ordinal")?,
        input: json(row.try_get("input")?)?,
        revision: number(row, "revision")?,
        config_version: number(row, "config_version")?,
        model: row.try_get("model")?,
        plan: row.try_get::<Option<&str>, _>("plan")?.map(json).transpose()?,
        sections: Vec::new(),
        candidates: Vec::new(),
        parts: Vec::new(),
        last_prompt_tokens: None,
    })
}

fn section(row: &PgRow) -> Result<Section, sqlx::Error> {
    Ok(Section {
        place: number(row, "place")?,
        text: body(row.try_get("body")?)?,
        words: number(row, "words")?,
        flags: json(row.try_get("flags")?)?,
        attempt: AttemptId::new(row.try_get::<String, _>("attempt")?),
    })
}

/// Answers to a task that failed a soft gate, and parts of one.
async fn load_answers(
    connection: &mut PgConnection,
    task: &TaskKey,
    context: &mut SampleContext,
) -> Result<(), sqlx::Error> {
    let rows = bind_key(sqlx::query(sql!("load_candidates")), task).fetch_all(connection).await?;
    for row in rows {
        let answer = Candidate { attempt: AttemptId::new(row.try_get::<String, _>(0)?), raw: body(row.try_get(1)?)? };
        let is_part: bool = row.try_get("part")?;
        if is_part { context.parts.push(answer) } else { context.candidates.push(answer) }
    }
    Ok(())
}
