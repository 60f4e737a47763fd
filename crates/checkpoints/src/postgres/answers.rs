//! Texts, and answers kept beside the accepted ones.

use agentwrite::ids::Hash;
use agentwrite::ports::RecordResult;
use agentwrite::task::{KeptAnswer, TaskKey};
use sqlx::PgConnection;

use super::rows::{Keys, column, remark};

/// An answer to be kept.
pub(super) struct Kept<'a> {
    task: &'a TaskKey,
    attempt: &'a str,
    context_hash: Hash,
    answer: &'a KeptAnswer,
    hash: String,
}

impl<'a> Kept<'a> {
    pub(super) fn new(task: &'a TaskKey, attempt: &'a str, context_hash: Hash, answer: &'a KeptAnswer) -> Self {
        Self { task, attempt, context_hash, answer, hash: text_hash(&answer.raw) }
    }

    /// The answer that comes with a result, if one does.
    pub(super) fn of(record: &'a RecordResult) -> Option<Self> {
        let answer = record.answer.as_ref()?;
        Some(Self::new(&record.task, record.attempt.as_str(), record.context_hash, answer))
    }

    /// Its text, by hash.
    pub(super) fn text(&self) -> (String, &'a str) {
        (self.hash.clone(), &self.answer.raw)
    }
}

pub(super) fn text_hash(body: &str) -> String {
    Hash::of("text", &[body]).to_hex()
}

/// Texts in the order of their hashes, each once: so they are written, after all locks.
pub(super) fn in_order(mut texts: Vec<(String, &str)>) -> Vec<(String, &str)> {
    texts.sort_unstable();
    texts.dedup();
    texts
}

/// Writes texts.
pub(super) async fn write_texts(connection: &mut PgConnection, texts: Vec<(String, &str)>) -> Result<(), sqlx::Error> {
    if texts.is_empty() {
        return Ok(());
    }
    let texts = in_order(texts);
    sqlx::query(sql!("record_text"))
        .bind(column(&texts, |(hash, _)| hash.as_str()))
        .bind(column(&texts, |(_, body)| body.as_bytes()))
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps answers whose texts are written.
pub(super) async fn keep_answers(connection: &mut PgConnection, kept: &[Kept<'_>]) -> Result<(), sqlx::Error> {
    if kept.is_empty() {
        return Ok(());
    }
    Keys::of(kept.iter().map(|kept| kept.task))
        .bind(sqlx::query(sql!("record_answer")))
        .bind(column(kept, |kept| kept.attempt))
        .bind(column(kept, |kept| kept.hash.as_str()))
        .bind(column(kept, |kept| kept.answer.gate.as_str()))
        .bind(column(kept, |kept| remark(&kept.answer.evidence)))
        .bind(column(kept, |kept| kept.answer.candidate))
        .bind(column(kept, |kept| kept.context_hash.to_hex()))
        .bind(column(kept, |kept| kept.answer.reask.as_deref().map(remark)))
        .execute(connection)
        .await?;
    Ok(())
}
