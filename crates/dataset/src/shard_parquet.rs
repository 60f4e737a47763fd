//! A shard as Parquet bytes, the same bytes for the same rows.
//!
//! Whatever the writer would take from its surroundings is fixed here: the writer's name, the compression level, the
//! size of row groups and pages. Nothing carries a time. Only a new version of the Parquet library may change bytes.

use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;

use crate::row::Row;
use crate::row_schema::{ROW_SCHEMA_VERSION, VERSION_KEY, arrow_schema};
use crate::{DecodeError, EncodeError, from_arrow, to_arrow};

/// The writer named in every file; free of version numbers that change with a release.
pub const CREATED_BY: &str = "longhand version 1.0.0 (build row-schema-1)";

/// Rows in a row group. At 10,000 words a row a group is a few megabytes, which is what a streaming reader holds.
pub const ROWS_PER_GROUP: usize = 64;

/// The paper's Zstandard level: about 1 GB/s, and higher ones win little on prose.
const ZSTD_LEVEL: i32 = 3;

/// The rows as one Parquet file in memory, in the order given.
///
/// # Errors
/// A `length_score` that is not finite (the JSONL twin could not hold it), or a failure of the Parquet writer.
pub fn encode_parquet(rows: &[Row]) -> Result<Vec<u8>, EncodeError> {
    let mut writer = writer()?;
    for group in rows.chunks(ROWS_PER_GROUP) {
        write_group(&mut writer, group)?;
    }
    Ok(writer.into_inner()?)
}

/// A writer of an empty file.
pub(crate) fn writer() -> Result<ArrowWriter<Vec<u8>>, EncodeError> {
    Ok(ArrowWriter::try_new(Vec::new(), arrow_schema(), Some(properties()?))?)
}

/// Adds one row group.
pub(crate) fn write_group(writer: &mut ArrowWriter<Vec<u8>>, group: &[Row]) -> Result<(), EncodeError> {
    check_finite(group)?;
    Ok(writer.write(&to_arrow::record_batch(group)?)?)
}

/// The rows of a Parquet file that [`encode_parquet`] made.
///
/// # Errors
/// A damaged file, another schema version, or columns that differ from [`arrow_schema()`].
pub fn decode_parquet(bytes: &[u8]) -> Result<Vec<Row>, DecodeError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::copy_from_slice(bytes))?;
    check_version(reader.metadata())?;
    from_arrow::check_schema(reader.schema())?;
    let mut rows = Vec::new();
    for batch in reader.with_batch_size(ROWS_PER_GROUP).build()? {
        rows.extend(from_arrow::rows(&batch?));
    }
    Ok(rows)
}

/// Both encoders refuse what only one of them could hold.
pub(crate) fn check_finite(rows: &[Row]) -> Result<(), EncodeError> {
    for row in rows {
        if let Some(score) = row.length_score.filter(|score| !score.is_finite()) {
            return Err(EncodeError::ScoreNotFinite { id: row.id.clone(), score });
        }
    }
    Ok(())
}

fn check_version(metadata: &ParquetMetaData) -> Result<(), DecodeError> {
    let found = metadata
        .file_metadata()
        .key_value_metadata()
        .and_then(|pairs| pairs.iter().find(|pair| pair.key == VERSION_KEY))
        .and_then(|pair| pair.value.as_deref())
        .unwrap_or("missing");
    if found == ROW_SCHEMA_VERSION {
        return Ok(());
    }
    Err(DecodeError::Version { found: found.to_owned(), expected: ROW_SCHEMA_VERSION })
}

fn properties() -> Result<WriterProperties, EncodeError> {
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(vec![KeyValue::new(VERSION_KEY.to_owned(), ROW_SCHEMA_VERSION.to_owned())]));
    for path in long_texts() {
        // No two long texts are equal: a dictionary would be built, grow too large and be thrown away.
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_statistics_enabled(path, EnabledStatistics::None);
    }
    Ok(properties.build())
}

fn long_texts() -> Vec<ColumnPath> {
    let in_list = |list: &str, field: &str| {
        ColumnPath::new([list, "list", "element", field].into_iter().map(str::to_owned).collect())
    };
    vec![in_list("messages", "content"), in_list("plan", "main_point"), ColumnPath::from("meta")]
}

#[cfg(test)]
mod tests;
