//! JSON schema of `longhand.toml`, from the default settings: names, types, defaults.

use serde_json::{Value, json};

use super::{MemberSettings, Settings};

/// The schema.
pub fn json_schema() -> Value {
    let defaults = serde_json::to_value(Settings::default()).expect("the settings are plain values");
    let mut schema = of(&defaults, "");
    let member = serde_json::to_value(MemberSettings::default()).expect("the settings are plain values");
    schema["properties"]["endpoints"] = json!({"type": "object", "additionalProperties": of(&member, "")});
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("longhand.toml");
    schema
}

fn of(value: &Value, name: &str) -> Value {
    match value {
        Value::Object(fields) if name.ends_with("_extra_body") => json!({"type": "object", "default": fields}),
        Value::Object(fields) => {
            let properties: serde_json::Map<String, Value> =
                fields.iter().map(|(name, value)| (name.clone(), of(value, name))).collect();
            json!({"type": "object", "properties": properties, "additionalProperties": false})
        }
        Value::Bool(_) => json!({"type": "boolean", "default": value}),
        Value::Number(number) if number.is_f64() => json!({"type": "number", "default": value}),
        Value::Number(_) => json!({"type": "integer", "default": value}),
        Value::Array(_) => json!({"type": "array", "default": value}),
        Value::String(_) | Value::Null => json!({"type": "string", "default": value}),
    }
}
