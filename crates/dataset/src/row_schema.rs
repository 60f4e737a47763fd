//! The one Arrow schema of all shards.
//!
//! Readers (`datasets`, pyarrow) take the types of the first shard for all others, so nothing may depend on the rows:
//! a column that happens to be all null in one shard has its type there too. Names and nullability of nested fields
//! are pinned; `element` is the name that the Parquet specification gives to a list's items.

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema};

/// Version of the row schema, in the metadata of every Parquet file under the key `longhand.row_schema`.
pub const ROW_SCHEMA_VERSION: &str = "1";

/// Key of the version in a Parquet file's metadata.
pub(crate) const VERSION_KEY: &str = "longhand.row_schema";

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::new(Schema::new(columns())));

/// The schema of a shard: columns in the order of [`crate::Row`]'s fields.
pub fn arrow_schema() -> Arc<Schema> {
    Arc::clone(&SCHEMA)
}

fn columns() -> Vec<Field> {
    vec![
        text("id"),
        text("sample_id"),
        list("messages", DataType::Struct(message_fields())),
        list("plan", DataType::Struct(plan_step_fields())),
        list("section_words", DataType::UInt32),
        Field::new("required_length", DataType::Struct(required_length_fields()), true),
        number("words"),
        number("words_unicode"),
        Field::new("length_score", DataType::Float64, true),
        Field::new("language", DataType::Utf8, true),
        list("flags", DataType::Utf8),
        text("plan_model"),
        text("write_model"),
        text("prompt_version"),
        text("layout"),
        text("mode"),
        number("variant"),
        Field::new("meta", DataType::Utf8, true),
    ]
}

/// Fields of one message.
pub(crate) fn message_fields() -> Fields {
    Fields::from(vec![text("role"), text("content")])
}

/// Fields of one plan step.
pub(crate) fn plan_step_fields() -> Fields {
    Fields::from(vec![text("main_point"), number("words")])
}

/// Fields of the required length.
pub(crate) fn required_length_fields() -> Fields {
    Fields::from(vec![
        text("bound"),
        Field::new("low", DataType::UInt32, true),
        Field::new("high", DataType::UInt32, true),
        text("source"),
    ])
}

/// The item field of every list: named `element`, never null.
pub(crate) fn element(item: DataType) -> FieldRef {
    Arc::new(Field::new("element", item, false))
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, false)
}

fn number(name: &str) -> Field {
    Field::new(name, DataType::UInt32, false)
}

fn list(name: &str, item: DataType) -> Field {
    Field::new(name, DataType::List(element(item)), false)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::samples;

    /// `name: type` with `?` on what may be null: the words of `row.arrow.txt`.
    fn in_words(field: &Field) -> String {
        let kind = match field.data_type() {
            DataType::Utf8 => "utf8".to_owned(),
            DataType::UInt32 => "uint32".to_owned(),
            DataType::Float64 => "float64".to_owned(),
            DataType::List(item) => format!("list<{}>", in_words(item)),
            DataType::Struct(fields) => {
                format!("struct<{}>", fields.iter().map(|field| in_words(field)).collect::<Vec<_>>().join(", "))
            }
            other => panic!("{} has a type the schema file has no word for: {other}", field.name()),
        };
        format!("{}: {kind}{}", field.name(), if field.is_nullable() { "?" } else { "" })
    }

    fn schema_file(name: &str) -> String {
        let path = format!("{}/../../schemas/dataset/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn row_json_schema() -> Value {
        serde_json::from_str(&schema_file("row.schema.json")).unwrap()
    }

    fn keys(value: &Value) -> Vec<String> {
        value.as_object().expect("an object").keys().cloned().collect()
    }

    fn field_names(fields: &Fields) -> Vec<String> {
        fields.iter().map(|field| field.name().clone()).collect()
    }

    #[test]
    fn golden_file_says_what_the_code_does() {
        let file = schema_file("row.arrow.txt");
        let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        let code: Vec<String> = arrow_schema().fields().iter().map(|field| in_words(field)).collect();
        assert_eq!(lines, code);
    }

    #[test]
    fn json_schema_names_the_same_fields_in_the_same_order() {
        let json = row_json_schema();
        assert_eq!(keys(&json["properties"]), field_names(arrow_schema().fields()));
        for (pointer, fields) in [
            ("/$defs/message/properties", message_fields()),
            ("/$defs/plan_step/properties", plan_step_fields()),
            ("/$defs/required_length/properties", required_length_fields()),
        ] {
            assert_eq!(keys(json.pointer(pointer).expect(pointer)), field_names(&fields), "{pointer}");
        }
    }

    #[test]
    fn json_schema_allows_null_exactly_where_arrow_does() {
        let json = row_json_schema();
        for field in arrow_schema().fields() {
            let property = &json["properties"][field.name()];
            let null_in_type = property["type"].as_array().is_some_and(|kinds| kinds.contains(&"null".into()));
            let null_in_any =
                property["anyOf"].as_array().is_some_and(|any| any.contains(&serde_json::json!({"type": "null"})));
            assert_eq!(null_in_type || null_in_any, field.is_nullable(), "{}", field.name());
        }
    }

    #[test]
    fn a_row_serialises_with_the_same_fields_in_the_same_order() {
        let row = serde_json::to_value(samples::full()).unwrap();
        assert_eq!(keys(&row), field_names(arrow_schema().fields()));
        assert_eq!(keys(&row["messages"][0]), field_names(&message_fields()));
        assert_eq!(keys(&row["plan"][0]), field_names(&plan_step_fields()));
        assert_eq!(keys(&row["required_length"]), field_names(&required_length_fields()));
        assert_eq!(row_json_schema()["required"], serde_json::json!(keys(&row)), "every field is always written");
    }
}
