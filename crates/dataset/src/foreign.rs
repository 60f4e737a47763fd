//! Rows of Parquet files that other programs made, as JSON objects: the input side.
//!
//! Texts, numbers, booleans, dates, and lists and structs of them are read, whatever wrote the file. A null is left out,
//! so that a column that most rows don't have is a field that most rows don't have. A column of any other type is an
//! error that names it: an input field may not vanish.

use std::io::BufRead;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, ArrowTemporalType, Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, PrimitiveArray, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, TimeUnit};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use serde_json::{Map, Value};

use crate::DecodeError;
use crate::shard_name::ShardFormat;

/// The rows of any Parquet file with columns of texts, numbers, booleans, dates, and lists or structs of them, in order.
/// Nulls and numbers that JSON has no word for (NaN) are left out.
///
/// # Errors
/// A damaged file, a compression that this build doesn't have (it has zstd and snappy), or a column of another type.
pub fn read_rows(bytes: &[u8]) -> Result<Vec<Map<String, Value>>, DecodeError> {
    // Without the hints that Arrow writers leave, a text is a text, whichever of four ways its writer held it in memory.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(Bytes::copy_from_slice(bytes), options)?;
    for field in reader.schema().fields() {
        check(field, field.name())?;
    }
    let mut rows = Vec::new();
    for batch in reader.build()? {
        let batch = batch?;
        rows.extend((0..batch.num_rows()).map(|index| row(&batch, index)));
    }
    Ok(rows)
}

/// Rows of a file that could not be counted.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// The file cannot be read.
    #[error("it cannot be read")]
    Io(#[from] std::io::Error),
    /// Not Parquet, or a damaged file.
    #[error("it is not a readable Parquet file")]
    Parquet(#[from] parquet::errors::ParquetError),
}

/// Rows of anybody's file, without decoding them: what a Parquet file's footer says, lines of JSONL that are not blank.
pub fn count_rows(path: &std::path::Path, format: ShardFormat) -> Result<u64, CountError> {
    let file = std::fs::File::open(path)?;
    match format {
        ShardFormat::Parquet => {
            let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
            Ok(u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0))
        }
        ShardFormat::Jsonl => {
            let (mut rows, mut line) = (0, Vec::new());
            let mut reader = std::io::BufReader::new(file);
            while reader.read_until(b'\n', &mut line)? > 0 {
                rows += u64::from(!line.trim_ascii().is_empty());
                line.clear();
            }
            Ok(rows)
        }
    }
}

/// Refuses a column that [`value`] has no case for.
fn check(field: &Field, column: &str) -> Result<(), DecodeError> {
    match field.data_type() {
        DataType::List(item) => check(item, column),
        DataType::Struct(fields) => fields.iter().try_for_each(|field| check(field, column)),
        kind if is_plain(kind) => Ok(()),
        kind => Err(DecodeError::Column {
            column: column.to_owned(),
            found: kind.to_string(),
            expected: "text, number, boolean, date, list or struct".to_owned(),
        }),
    }
}

fn is_plain(kind: &DataType) -> bool {
    use DataType as T;
    kind.is_integer()
        || matches!(kind, T::Null | T::Boolean | T::Utf8 | T::Float32 | T::Float64 | T::Date32 | T::Date64)
        || matches!(kind, T::Timestamp(..) | T::Decimal128(..))
}

fn row(batch: &RecordBatch, index: usize) -> Map<String, Value> {
    let schema = batch.schema_ref();
    let columns = schema.fields().iter().zip(batch.columns());
    columns.filter_map(|(field, column)| Some((field.name().clone(), value(column, index)?))).collect()
}

/// None for a null.
fn value(array: &dyn Array, index: usize) -> Option<Value> {
    if array.is_null(index) {
        return None;
    }
    match array.data_type() {
        DataType::Boolean => Some(array.as_boolean().value(index).into()),
        DataType::Utf8 => Some(array.as_string::<i32>().value(index).into()),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(index);
            Some((0..items.len()).map(|index| value(&items, index).unwrap_or(Value::Null)).collect())
        }
        DataType::Struct(_) => Some(Value::Object(fields(array.as_struct(), index))),
        DataType::Int8 => number::<Int8Type>(array, index),
        DataType::Int16 => number::<Int16Type>(array, index),
        DataType::Int32 => number::<Int32Type>(array, index),
        DataType::Int64 => number::<Int64Type>(array, index),
        DataType::UInt8 => number::<UInt8Type>(array, index),
        DataType::UInt16 => number::<UInt16Type>(array, index),
        DataType::UInt32 => number::<UInt32Type>(array, index),
        DataType::UInt64 => number::<UInt64Type>(array, index),
        DataType::Float64 => number::<Float64Type>(array, index),
        // By its digits: 0.1 as a longer float would become 0.10000000149.
        DataType::Float32 => {
            array.as_primitive::<Float32Type>().value(index).to_string().parse::<f64>().ok().and_then(finite)
        }
        DataType::Decimal128(..) => Some(array.as_primitive::<Decimal128Type>().value_as_string(index).into()),
        kind => time(array, kind, index),
    }
}

fn fields(array: &StructArray, index: usize) -> Map<String, Value> {
    let columns = array.fields().iter().zip(array.columns());
    columns.filter_map(|(field, column)| Some((field.name().clone(), value(column, index)?))).collect()
}

fn number<T: ArrowPrimitiveType>(array: &dyn Array, index: usize) -> Option<Value>
where
    Value: From<T::Native>,
{
    // serde_json makes null of a float that JSON has no word for.
    Some(Value::from(array.as_primitive::<T>().value(index))).filter(|value| !value.is_null())
}

fn finite(number: f64) -> Option<Value> {
    Some(Value::from(number)).filter(|value| !value.is_null())
}

/// ISO 8601, without a zone.
fn time(array: &dyn Array, kind: &DataType, index: usize) -> Option<Value> {
    let text = match kind {
        DataType::Date32 => array.as_primitive::<Date32Type>().value_as_date(index)?.to_string(),
        DataType::Date64 => array.as_primitive::<Date64Type>().value_as_date(index)?.to_string(),
        DataType::Timestamp(TimeUnit::Second, _) => moment(array.as_primitive::<TimestampSecondType>(), index)?,
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            moment(array.as_primitive::<TimestampMillisecondType>(), index)?
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            moment(array.as_primitive::<TimestampMicrosecondType>(), index)?
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => moment(array.as_primitive::<TimestampNanosecondType>(), index)?,
        _ => return None,
    };
    Some(text.into())
}

fn moment<T: ArrowTemporalType>(array: &PrimitiveArray<T>, index: usize) -> Option<String>
where
    i64: From<T::Native>,
{
    array.value_as_datetime(index).map(|time| time.format("%Y-%m-%dT%H:%M:%S%.f").to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{ListBuilder, StringBuilder, StructBuilder};
    use arrow_array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int64Array, LargeStringArray,
        StringArray, StringViewArray, TimestampMillisecondArray, UInt8Array,
    };
    use arrow_schema::{Fields, Schema};
    use parquet::arrow::ArrowWriter;
    use parquet::basic::Compression;
    use parquet::file::properties::WriterProperties;
    use serde_json::json;

    use super::*;
    use crate::{encode_parquet, samples};

    fn file(columns: Vec<(&str, ArrayRef)>, compression: Compression) -> Vec<u8> {
        let fields: Vec<Field> =
            columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        let properties = WriterProperties::builder().set_compression(compression).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    }

    fn messages() -> ArrayRef {
        let fields = Fields::from(vec![
            Field::new("role", DataType::Utf8, true),
            Field::new("content", DataType::Utf8, true),
            Field::new("name", DataType::Utf8, true),
        ]);
        let mut list = ListBuilder::new(StructBuilder::from_fields(fields, 0));
        for (role, content) in [("system", "Be good."), ("user", "Write. 茶")] {
            let message = list.values();
            message.field_builder::<StringBuilder>(0).unwrap().append_value(role);
            message.field_builder::<StringBuilder>(1).unwrap().append_value(content);
            message.field_builder::<StringBuilder>(2).unwrap().append_null();
            message.append(true);
        }
        list.append(true);
        list.append(false);
        Arc::new(list.finish())
    }

    #[test]
    fn columns_of_many_types_in_their_order_and_nulls_left_out() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("prompt", Arc::new(StringArray::from(vec![Some("茶"), None]))),
            ("large", Arc::new(LargeStringArray::from(vec!["a", "b"]))),
            ("view", Arc::new(StringViewArray::from(vec!["c", "d"]))),
            ("n", Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))),
            ("u", Arc::new(UInt8Array::from(vec![7, 8]))),
            ("f", Arc::new(Float32Array::from(vec![0.1, f32::NAN]))),
            ("d", Arc::new(Float64Array::from(vec![2.5, f64::INFINITY]))),
            ("yes", Arc::new(BooleanArray::from(vec![true, false]))),
            ("day", Arc::new(Date32Array::from(vec![Some(19_000), None]))),
            ("at", Arc::new(TimestampMillisecondArray::from(vec![Some(1_700_000_000_123), None]))),
            ("messages", messages()),
        ];
        let rows = read_rows(&file(columns, Compression::SNAPPY)).unwrap();
        let first = json!({
            "prompt": "茶", "large": "a", "view": "c", "n": i64::MIN, "u": 7, "f": 0.1, "d": 2.5, "yes": true,
            "day": "2022-01-08", "at": "2023-11-14T22:13:20.123",
            "messages": [{"role": "system", "content": "Be good."}, {"role": "user", "content": "Write. 茶"}],
        });
        assert_eq!(Value::Object(rows[0].clone()).to_string(), first.to_string());
        let second = json!({"large": "b", "view": "d", "u": 8, "yes": false});
        assert_eq!(Value::Object(rows[1].clone()).to_string(), second.to_string());
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn a_column_that_json_cannot_hold_is_named() {
        let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"\0\x01"[..]]));
        let error = read_rows(&file(vec![("image", bytes)], Compression::UNCOMPRESSED)).unwrap_err();
        assert!(error.to_string().starts_with("column image is Binary"), "{error}");
        assert!(matches!(read_rows(b"PAR1 and nothing else"), Err(DecodeError::Parquet(_))));
    }

    #[test]
    fn our_own_shards_are_read_as_their_jsonl_twins_but_for_nulls() {
        let rows = samples::mixed(5);
        let read = read_rows(&encode_parquet(&rows).unwrap()).unwrap();
        for (row, read) in rows.iter().zip(read) {
            let mut twin = serde_json::to_value(row).unwrap();
            twin.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            if let Some(length) = twin.get_mut("required_length").and_then(Value::as_object_mut) {
                length.retain(|_, value| !value.is_null());
            }
            assert_eq!(Value::Object(read), twin);
        }
    }
}
