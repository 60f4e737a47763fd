//! The shard's JSONL twin: one row as a JSON object a line, fields in the order of the schema, every field always
//! there, characters outside ASCII as they are.

use crate::row::Row;
use crate::shard_parquet::check_finite;
use crate::{DecodeError, EncodeError};

/// The rows as JSON lines, each ending in `\n`; no rows give no bytes.
///
/// # Errors
/// A `length_score` that is not finite: JSON has no word for it.
pub fn encode_jsonl(rows: &[Row]) -> Result<Vec<u8>, EncodeError> {
    let mut lines = Vec::new();
    write_lines(&mut lines, rows)?;
    Ok(lines)
}

/// Appends the lines of rows.
pub(crate) fn write_lines(lines: &mut Vec<u8>, rows: &[Row]) -> Result<(), EncodeError> {
    check_finite(rows)?;
    for row in rows {
        serde_json::to_writer(&mut *lines, row).map_err(|source| EncodeError::Json { id: row.id.clone(), source })?;
        lines.push(b'\n');
    }
    Ok(())
}

/// The rows of a file that [`encode_jsonl`] made. Only `\n` ends a line: texts may hold U+2028 and U+0085.
///
/// # Errors
/// The first line that is not a row, counted from 1.
pub fn decode_jsonl(bytes: &[u8]) -> Result<Vec<Row>, DecodeError> {
    let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    lines
        .split(|byte| *byte == b'\n')
        .zip(1..)
        .map(|(text, line)| serde_json::from_slice(text).map_err(|source| DecodeError::Line { line, source }))
        .collect()
}

#[cfg(test)]
mod tests;
