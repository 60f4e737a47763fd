//! Rows to one record batch of the fixed schema.

use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, ListBuilder, StringBuilder, StructBuilder, UInt32Builder};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{ArrowError, DataType, Fields};

use crate::row::Row;
use crate::row_schema::{arrow_schema, element, message_fields, plan_step_fields, required_length_fields};

/// The columns are listed in the schema's order; `try_new` checks type and nullability of each.
pub(crate) fn record_batch(rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    let columns = vec![
        text(rows, |row| &row.id),
        text(rows, |row| &row.sample_id),
        messages(rows),
        plan(rows),
        section_words(rows),
        required_length(rows),
        number(rows, |row| row.words),
        number(rows, |row| row.words_unicode),
        Arc::new(rows.iter().map(|row| row.length_score).collect::<Float64Array>()),
        optional_text(rows, |row| row.language.as_deref()),
        flags(rows),
        text(rows, |row| &row.plan_model),
        text(rows, |row| &row.write_model),
        text(rows, |row| &row.prompt_version),
        text(rows, |row| &row.layout),
        text(rows, |row| &row.mode),
        number(rows, |row| row.variant),
        optional_text(rows, |row| row.meta.as_deref()),
    ];
    RecordBatch::try_new(arrow_schema(), columns)
}

fn text<'a>(rows: &'a [Row], of: impl Fn(&'a Row) -> &'a str) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
}

fn optional_text<'a>(rows: &'a [Row], of: impl Fn(&'a Row) -> Option<&'a str>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<StringArray>())
}

fn number(rows: &[Row], of: impl Fn(&Row) -> u32) -> ArrayRef {
    Arc::new(UInt32Array::from_iter_values(rows.iter().map(of)))
}

fn messages(rows: &[Row]) -> ArrayRef {
    let said = || rows.iter().flat_map(|row| &row.messages);
    let content_bytes = said().map(|message| message.content.len()).sum();
    // With room for all: a group of long texts is a dozen megabytes, which a growing builder would copy again and again.
    let content = StringBuilder::with_capacity(said().count(), content_bytes);
    let columns: Vec<Box<dyn ArrayBuilder>> = vec![Box::new(StringBuilder::new()), Box::new(content)];
    let mut list = list_of(message_fields(), StructBuilder::new(message_fields(), columns));
    for row in rows {
        for message in &row.messages {
            child::<StringBuilder>(list.values(), 0).append_value(&message.role);
            child::<StringBuilder>(list.values(), 1).append_value(&message.content);
            list.values().append(true);
        }
        list.append(true);
    }
    Arc::new(list.finish())
}

fn plan(rows: &[Row]) -> ArrayRef {
    let mut list = struct_list(plan_step_fields());
    for row in rows {
        for step in &row.plan {
            child::<StringBuilder>(list.values(), 0).append_value(&step.main_point);
            child::<UInt32Builder>(list.values(), 1).append_value(step.words);
            list.values().append(true);
        }
        list.append(true);
    }
    Arc::new(list.finish())
}

fn required_length(rows: &[Row]) -> ArrayRef {
    let mut column = StructBuilder::from_fields(required_length_fields(), rows.len());
    for row in rows {
        let length = row.required_length.as_ref();
        // Under a null parent the children that are never null carry an empty placeholder, which no reader sees.
        child::<StringBuilder>(&mut column, 0).append_value(length.map_or("", |length| &length.bound));
        child::<UInt32Builder>(&mut column, 1).append_option(length.and_then(|length| length.low));
        child::<UInt32Builder>(&mut column, 2).append_option(length.and_then(|length| length.high));
        child::<StringBuilder>(&mut column, 3).append_value(length.map_or("", |length| &length.source));
        column.append(length.is_some());
    }
    Arc::new(column.finish())
}

fn section_words(rows: &[Row]) -> ArrayRef {
    let mut list = ListBuilder::new(UInt32Builder::new()).with_field(element(DataType::UInt32));
    for row in rows {
        list.values().append_slice(&row.section_words);
        list.append(true);
    }
    Arc::new(list.finish())
}

fn flags(rows: &[Row]) -> ArrayRef {
    let mut list = ListBuilder::new(StringBuilder::new()).with_field(element(DataType::Utf8));
    for row in rows {
        for flag in &row.flags {
            list.values().append_value(flag);
        }
        list.append(true);
    }
    Arc::new(list.finish())
}

fn struct_list(fields: Fields) -> ListBuilder<StructBuilder> {
    list_of(fields.clone(), StructBuilder::from_fields(fields, 0))
}

fn list_of(fields: Fields, values: StructBuilder) -> ListBuilder<StructBuilder> {
    ListBuilder::new(values).with_field(element(DataType::Struct(fields)))
}

fn child<B: ArrayBuilder>(parent: &mut StructBuilder, index: usize) -> &mut B {
    parent.field_builder(index).expect("the builder was made from the fields that fix this type")
}
