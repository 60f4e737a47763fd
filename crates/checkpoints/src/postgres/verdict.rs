//! `record_verdict`, for a whole batch at once.

use agentwrite::ids::{RunId, SampleId};
use agentwrite::ports::{StoreError, Verdict};
use agentwrite::task::{Kind, TaskKey};
use sqlx::PgConnection;

use super::rows::{column, remark};
use super::transaction::Boxed;
use crate::columns::to_json;

/// A sample's verdict, as it is stored.
pub(super) struct Judged {
    /// No task of the store: names sample and revision to the lane.
    about: TaskKey,
    verdict: String,
    rejected: Option<(&'static str, String)>,
}

impl Judged {
    pub(super) fn new(run: &RunId, sample: &SampleId, revision: u32, verdict: &Verdict) -> Result<Self, StoreError> {
        let fail = |error| StoreError::new(format!("record_verdict {sample}"), error);
        let subject = sample.as_str().to_owned();
        Ok(Self {
            about: TaskKey { run: run.clone(), kind: Kind::new("verdict"), subject, place: 0, revision },
            verdict: to_json(verdict).map_err(fail)?,
            rejected: verdict.rejected.as_ref().map(|(code, why)| (code.as_str(), remark(why).into_owned())),
        })
    }

    pub(super) fn task(&self) -> &TaskKey {
        &self.about
    }
}

pub(super) fn record_verdicts<'c>(
    connection: &'c mut PgConnection,
    verdicts: &'c [Judged],
) -> Boxed<'c, Result<Vec<()>, sqlx::Error>> {
    Box::pin(async move {
        sqlx::query(sql!("verdict_set"))
            .bind(column(verdicts, |judged| judged.about.run.as_str()))
            .bind(column(verdicts, |judged| judged.about.subject.as_str()))
            .bind(column(verdicts, |judged| i64::from(judged.about.revision)))
            .bind(column(verdicts, |judged| judged.verdict.as_str()))
            .bind(column(verdicts, |judged| judged.rejected.as_ref().map(|(code, _)| *code)))
            .bind(column(verdicts, |judged| judged.rejected.as_ref().map(|(_, reason)| reason.as_str())))
            .execute(connection)
            .await?;
        Ok(vec![(); verdicts.len()])
    })
}
