//! The counters of a run, gathered over a batch and written in the same transaction, each batch as a row of its own.

use std::collections::BTreeMap;

use sqlx::{PgConnection, PgPool};

use super::transaction::{Boxed, Opening, transact};
use crate::added::Added;

/// Sums by run.
#[derive(Debug, Default)]
pub(super) struct Sums(BTreeMap<String, Added>);

impl Sums {
    pub(super) fn of(&mut self, run: &str) -> &mut Added {
        if !self.0.contains_key(run) {
            self.0.insert(run.to_owned(), Added::default());
        }
        self.0.get_mut(run).expect("inserted above")
    }

    pub(super) async fn write(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.0.is_empty() {
            return Ok(());
        }
        let column = |value: fn(&Added) -> i64| self.0.values().map(value).collect::<Vec<i64>>();
        sqlx::query(sql!("totals_add"))
            .bind(self.0.keys().map(String::as_str).collect::<Vec<&str>>())
            .bind(column(|added| added.sections))
            .bind(column(|added| added.words))
            .bind(column(|added| added.calls))
            .bind(column(|added| added.failed_calls))
            .bind(column(|added| added.wasted_calls))
            .bind(column(|added| added.orphaned_calls))
            .bind(column(|added| added.throttled_calls))
            .bind(column(|added| added.prompt_tokens))
            .bind(column(|added| added.cached_tokens))
            .bind(column(|added| added.completion_tokens))
            .bind(column(|added| added.settled_nanousd))
            .bind(column(|added| added.reserved_nanousd))
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// Folds the changes into the totals, so that reading them stays cheap. One process at a time; the sum never changes.
pub(super) fn fold(pool: &PgPool) -> Boxed<'_, Result<(), sqlx::Error>> {
    Box::pin(async move {
        // Nothing is lost with a fold that is lost.
        transact(pool, &Opening::plain().lax(), &(), |connection, ()| {
            Box::pin(async move {
                let mine: bool = sqlx::query_scalar(sql!("totals_fold_lock")).fetch_one(&mut *connection).await?;
                if mine {
                    sqlx::query(sql!("totals_fold")).execute(&mut *connection).await?;
                    sqlx::query(sql!("totals_fold_states")).execute(connection).await?;
                }
                Ok(())
            })
        })
        .await
    })
}
