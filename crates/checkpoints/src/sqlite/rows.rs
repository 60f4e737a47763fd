//! SQL from files: statements whose `/*rows:N*/` stands for as many groups of N values as a batch has.

use std::fmt::Write as _;

use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Sqlite};

/// Most rows in one statement: keeps the number of different statements, and so the cache of prepared ones, small.
pub(super) const MOST_ROWS: usize = 64;

/// A statement for `rows` rows. Batches come in few sizes (powers of two down to one, see [`chunks`]), so that prepared
/// statements are found again.
pub(super) fn with_rows(sql: &'static str, rows: usize) -> AssertSqlSafe<String> {
    let open = sql.find("/*rows:").expect("the statement has a place for rows");
    let close = open + sql[open..].find("*/").expect("the place for rows is closed");
    let width: usize = sql[open + 7..close].parse().expect("the place for rows names its width");
    let mut out = String::with_capacity(sql.len() + rows * (width * 2 + 4));
    out.push_str(&sql[..open]);
    for row in 0..rows {
        out.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..width {
            out.push_str(if column == 0 { "?" } else { ", ?" });
        }
        out.push(')');
    }
    let _ = write!(out, "{}", &sql[close + 2..]);
    AssertSqlSafe(out)
}

/// Cuts a slice into pieces of 64, 32, 16, ... rows.
pub(super) fn chunks<T>(mut items: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        if items.is_empty() {
            return None;
        }
        let size = if items.len() >= MOST_ROWS { MOST_ROWS } else { 1 << items.len().ilog2() };
        let (head, tail) = items.split_at(size);
        items = tail;
        Some(head)
    })
}

/// A query being bound.
pub(super) type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::SqlSafeStr;

    #[test]
    fn rows_are_expanded_and_chunks_are_powers_of_two() {
        let sql = with_rows("insert into t values /*rows:2*/ on conflict do nothing", 2).into_sql_str();
        assert_eq!(sql.as_str(), "insert into t values (?, ?), (?, ?) on conflict do nothing");
        let items: Vec<u8> = (0..150).collect();
        let sizes: Vec<usize> = chunks(&items).map(<[u8]>::len).collect();
        assert_eq!(sizes, [64, 64, 16, 4, 2]);
    }
}
