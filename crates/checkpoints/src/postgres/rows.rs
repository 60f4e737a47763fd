//! Rows in and out: columns as arrays for set-wise statements, numbers of any width from bigint.

use std::borrow::Cow;
use std::fmt::Display;

use agentwrite::ids::{Hash, RunId};
use agentwrite::task::{Kind, TaskKey};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{ColumnIndex, Postgres, Row};

use crate::columns::{Unsound, hash};

/// A query being bound.
pub(super) type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// One column of a set of rows.
pub(super) fn column<'a, I, T>(items: &'a [I], value: impl FnMut(&'a I) -> T) -> Vec<T> {
    items.iter().map(value).collect()
}

/// Task keys, column by column.
pub(super) struct Keys<'a> {
    runs: Vec<&'a str>,
    kinds: Vec<&'a str>,
    subjects: Vec<&'a str>,
    places: Vec<i64>,
    revisions: Vec<i64>,
}

impl<'a> Keys<'a> {
    pub(super) fn of(keys: impl IntoIterator<Item = &'a TaskKey>) -> Self {
        let keys: Vec<&TaskKey> = keys.into_iter().collect();
        Self {
            runs: column(&keys, |key| key.run.as_str()),
            kinds: column(&keys, |key| key.kind.as_str()),
            subjects: column(&keys, |key| key.subject.as_str()),
            places: column(&keys, |key| i64::from(key.place)),
            revisions: column(&keys, |key| i64::from(key.revision)),
        }
    }

    /// Binds the five columns that name a task.
    pub(super) fn bind(self, query: Query<'_>) -> Query<'_> {
        query.bind(self.runs).bind(self.kinds).bind(self.subjects).bind(self.places).bind(self.revisions)
    }
}

/// Binds the five values that name a task.
pub(super) fn bind_key<'q>(query: Query<'q>, key: &TaskKey) -> Query<'q> {
    query
        .bind(key.run.as_str())
        .bind(key.kind.as_str())
        .bind(key.subject.as_str())
        .bind(i64::from(key.place))
        .bind(i64::from(key.revision))
}

/// Reads run, kind, subject, place, revision from five columns.
pub(super) fn task_key(row: &PgRow, first: usize) -> Result<TaskKey, sqlx::Error> {
    Ok(TaskKey {
        run: RunId::new(row.try_get::<String, _>(first)?),
        kind: Kind::new(row.try_get::<String, _>(first + 1)?),
        subject: row.try_get(first + 2)?,
        place: number(row, first + 3)?,
        revision: number(row, first + 4)?,
    })
}

/// Reads a number.
pub(super) fn number<T: TryFrom<i64>>(
    row: &PgRow,
    column: impl ColumnIndex<PgRow> + Display + Copy,
) -> Result<T, sqlx::Error> {
    let value: i64 = row.try_get(column)?;
    Ok(T::try_from(value).map_err(|_| Unsound(format!("column {column} is out of range: {value}")))?)
}

/// Reads a hash that may be missing.
pub(super) fn maybe_hash(row: &PgRow, column: &str) -> Result<Option<Hash>, sqlx::Error> {
    Ok(row.try_get::<Option<&str>, _>(column)?.map(hash).transpose()?)
}

/// Reads a text that is stored as its bytes.
pub(super) fn body(bytes: Vec<u8>) -> Result<String, sqlx::Error> {
    String::from_utf8(bytes).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// A remark as PostgreSQL can store it: without U+0000, which stands in none of its texts.
pub(super) fn remark(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// Numbers that are 64 bits wide and unsigned with us are stored as they are: none comes near the sign.
pub(super) fn wide(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
