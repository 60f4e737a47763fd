//! Statements: prepared once, found again by their text; and reading columns that hold hashes and JSON.

use agentwrite::ids::Hash;
use rusqlite::{Connection, Params, Row, RowIndex};

use crate::columns;

/// Runs a statement; returns the number of rows changed.
pub(super) fn execute(connection: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(params)
}

/// Every row.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(params, read)?.collect()
}

/// The first row, if there is one.
pub(super) fn first<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    connection.prepare_cached(sql)?.query(params)?.next()?.map(read).transpose()
}

/// The first row, which is there.
pub(super) fn one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    first(connection, sql, params, read)?.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// Reads a hash column.
pub(super) fn hash(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Hash> {
    Ok(columns::hash_of_bytes(row.get_ref(column)?.as_blob()?)?)
}

/// Reads a hash column that may be empty.
pub(super) fn hash_or_none(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Option<Hash>> {
    Ok(row.get_ref(column)?.as_blob_or_null()?.map(columns::hash_of_bytes).transpose()?)
}

/// Reads a JSON column.
pub(super) fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<T> {
    Ok(columns::json(row.get_ref(column)?.as_str()?)?)
}

/// Reads a JSON column that may be empty.
pub(super) fn json_or_none<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    column: impl RowIndex,
) -> rusqlite::Result<Option<T>> {
    Ok(row.get_ref(column)?.as_str_or_null()?.map(columns::json).transpose()?)
}
