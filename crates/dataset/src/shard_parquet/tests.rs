use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::*;
use crate::durable::sha256_hex;
use crate::samples;

#[test]
fn rows_come_back_as_they_were() {
    for rows in [Vec::new(), vec![samples::full()], vec![samples::bare()], samples::mixed(150)] {
        assert_eq!(decode_parquet(&encode_parquet(&rows).unwrap()).unwrap(), rows);
    }
}

#[test]
fn a_row_of_32_000_words_comes_back() {
    let rows = vec![samples::bare(), samples::ultra_long(), samples::full()];
    let bytes = encode_parquet(&rows).unwrap();
    assert_eq!(decode_parquet(&bytes).unwrap(), rows);
}

#[test]
fn same_rows_give_the_same_bytes() {
    let bytes = encode_parquet(&samples::mixed(150)).unwrap();
    assert_eq!(bytes, encode_parquet(&samples::mixed(150)).unwrap());
    let mut other = samples::mixed(150);
    other[149].variant += 1;
    assert_ne!(bytes, encode_parquet(&other).unwrap());
}

/// Shards of one dataset may be made by different machines and releases. If the second assertion fails after an update
/// of `parquet` or `zstd`, the update changes bytes: say so in the changelog and pin the new hash. The golden file stays,
/// for it stays readable.
#[test]
fn shards_of_row_schema_1_stay_readable_and_are_written_with_the_same_bytes() {
    let golden = include_bytes!("../../tests/golden/shard.v1.parquet");
    assert_eq!(decode_parquet(golden).unwrap(), samples::mixed(4));
    let bytes = encode_parquet(&samples::mixed(70)).unwrap();
    assert_eq!(sha256_hex(&bytes), "3fa2772c77c5f0a4528bd656a5d76976db442559efb45e5ffbe5e0a5aaf4673e");
}

#[test]
fn groups_writer_and_version_are_fixed() {
    let bytes = encode_parquet(&samples::mixed(ROWS_PER_GROUP * 2 + 1)).unwrap();
    let file = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
    let groups: Vec<i64> = file.metadata().row_groups().iter().map(RowGroupMetaData::num_rows).collect();
    assert_eq!(groups, [64, 64, 1]);
    assert_eq!(file.metadata().file_metadata().created_by(), Some(CREATED_BY));
    let compressions: Vec<_> =
        file.metadata().row_group(0).columns().iter().map(ColumnChunkMetaData::compression).collect();
    assert!(compressions.iter().all(|compression| matches!(compression, Compression::ZSTD(_))), "{compressions:?}");
}

#[test]
fn every_shard_has_the_same_schema_even_without_rows_or_values() {
    for rows in [Vec::new(), vec![samples::bare()], vec![samples::full()]] {
        let bytes = Bytes::from(encode_parquet(&rows).unwrap());
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
        assert_eq!(reader.schema().fields(), arrow_schema().fields());
    }
}

#[test]
fn long_texts_are_cut_into_pages_that_a_reader_can_hold() {
    let rows: Vec<Row> = (0..32).map(|_| samples::ultra_long()).collect();
    let file = SerializedFileReader::new(Bytes::from(encode_parquet(&rows).unwrap())).unwrap();
    let group = file.get_row_group(0).unwrap();
    let content = group.metadata().columns().iter().position(|column| column.column_path() == &long_texts()[0]);
    let pages: Vec<usize> =
        group.get_column_page_reader(content.unwrap()).unwrap().map(|page| page.unwrap().buffer().len()).collect();
    assert!(pages.len() > 4 && pages.iter().all(|page| *page < 4 << 20), "{pages:?}");
}

#[test]
fn a_score_that_json_cannot_hold_is_refused() {
    let mut rows = samples::mixed(3);
    rows[2].length_score = Some(f64::NAN);
    let error = encode_parquet(&rows).unwrap_err();
    assert!(matches!(&error, EncodeError::ScoreNotFinite { id, .. } if id == "row-2"), "{error}");
}

#[test]
fn files_of_others_are_refused_with_the_reason() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let foreign = |version: &str| {
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Utf8, false),
            Field::new("text", DataType::Utf8, false),
        ]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::clone(&text), Arc::clone(&text)]).unwrap();
        let pair = KeyValue::new(VERSION_KEY.to_owned(), version.to_owned());
        let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![pair])).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        decode_parquet(&writer.into_inner().unwrap()).unwrap_err().to_string()
    };
    assert_eq!(foreign("2"), "row schema is 2, this build reads 1");
    let error = foreign(ROW_SCHEMA_VERSION);
    assert!(error.starts_with("column sample_id is "), "{error}");
}

#[test]
fn a_damaged_file_is_an_error() {
    let bytes = encode_parquet(&samples::mixed(5)).unwrap();
    assert!(matches!(decode_parquet(&bytes[..bytes.len() - 9]), Err(DecodeError::Parquet(_))));
    assert!(matches!(decode_parquet(b""), Err(DecodeError::Parquet(_))));
}
