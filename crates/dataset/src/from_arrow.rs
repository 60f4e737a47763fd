//! A record batch of the fixed schema back to rows.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt32Type};
use arrow_array::{Array, ListArray, RecordBatch, StringArray, StructArray, UInt32Array};
use arrow_schema::Schema;

use crate::DecodeError;
use crate::row::{Message, PlanStep, RequiredLength, Row};
use crate::row_schema::arrow_schema;

/// Refuses a file whose columns are not those of [`arrow_schema()`]; [`rows`] relies on it.
pub(crate) fn check_schema(found: &Schema) -> Result<(), DecodeError> {
    let expected = arrow_schema();
    for index in 0..expected.fields().len().max(found.fields().len()) {
        let (want, have) = (expected.fields().get(index), found.fields().get(index));
        if want != have {
            let in_words = |field: Option<&std::sync::Arc<arrow_schema::Field>>| {
                field.map_or_else(|| "missing".to_owned(), ToString::to_string)
            };
            return Err(DecodeError::Column {
                column: want.or(have).map(|field| field.name().clone()).unwrap_or_default(),
                found: in_words(have),
                expected: in_words(want),
            });
        }
    }
    Ok(())
}

/// All rows of a batch whose schema passed [`check_schema`].
pub(crate) fn rows(batch: &RecordBatch) -> Vec<Row> {
    (0..batch.num_rows()).map(|index| row(batch, index)).collect()
}

fn row(batch: &RecordBatch, index: usize) -> Row {
    let text = |name: &str| column(batch, name).as_string::<i32>().value(index).to_owned();
    let optional_text = |name: &str| optional(column(batch, name).as_string::<i32>(), index);
    let number = |name: &str| column(batch, name).as_primitive::<UInt32Type>().value(index);
    let list = |name: &str| list_at(column(batch, name).as_list::<i32>(), index);
    let score = column(batch, "length_score").as_primitive::<Float64Type>();
    Row {
        id: text("id"),
        sample_id: text("sample_id"),
        messages: messages(list("messages").as_struct()),
        plan: plan(list("plan").as_struct()),
        section_words: list("section_words").as_primitive::<UInt32Type>().values().to_vec(),
        required_length: required_length(column(batch, "required_length").as_struct(), index),
        words: number("words"),
        words_unicode: number("words_unicode"),
        length_score: score.is_valid(index).then(|| score.value(index)),
        language: optional_text("language"),
        flags: strings(list("flags").as_string::<i32>()),
        plan_model: text("plan_model"),
        write_model: text("write_model"),
        prompt_version: text("prompt_version"),
        layout: text("layout"),
        mode: text("mode"),
        variant: number("variant"),
        meta: optional_text("meta"),
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a dyn Array {
    batch.column_by_name(name).expect("the schema was checked").as_ref()
}

fn list_at(lists: &ListArray, index: usize) -> std::sync::Arc<dyn Array> {
    lists.value(index)
}

fn optional(strings: &StringArray, index: usize) -> Option<String> {
    strings.is_valid(index).then(|| strings.value(index).to_owned())
}

fn strings(array: &StringArray) -> Vec<String> {
    (0..array.len()).map(|index| array.value(index).to_owned()).collect()
}

fn messages(array: &StructArray) -> Vec<Message> {
    let (roles, contents) = (array.column(0).as_string::<i32>(), array.column(1).as_string::<i32>());
    (0..array.len())
        .map(|index| Message { role: roles.value(index).to_owned(), content: contents.value(index).to_owned() })
        .collect()
}

fn plan(array: &StructArray) -> Vec<PlanStep> {
    let (points, words) = (array.column(0).as_string::<i32>(), array.column(1).as_primitive::<UInt32Type>());
    (0..array.len())
        .map(|index| PlanStep { main_point: points.value(index).to_owned(), words: words.value(index) })
        .collect()
}

fn required_length(array: &StructArray, index: usize) -> Option<RequiredLength> {
    let edge = |column: usize| {
        let edges: &UInt32Array = array.column(column).as_primitive::<UInt32Type>();
        edges.is_valid(index).then(|| edges.value(index))
    };
    array.is_valid(index).then(|| RequiredLength {
        bound: array.column(0).as_string::<i32>().value(index).to_owned(),
        low: edge(1),
        high: edge(2),
        source: array.column(3).as_string::<i32>().value(index).to_owned(),
    })
}
