//! Keeps keys where they belong: finds key-like names and values in what is stored with a run, and takes keys out of
//! what endpoints say.

use serde_json::{Map, Value};

use crate::endpoint::EndpointError;

/// Fields of the request that are the client's own.
const PROTECTED: &[&str] = &["model", "messages", "stream"];

/// Longest message kept of a failure, in characters.
const MAX_MESSAGE: usize = 500;

/// Refuses what must not stand in `extra_body`: names and values that look like keys (they would be stored with the
/// run), and the fields that the client itself sets (they would be ignored without a word).
pub fn check_extra_body(extra: &Map<String, Value>) -> Result<(), EndpointError> {
    for name in PROTECTED {
        if extra.contains_key(*name) {
            return Err(EndpointError::ProtectedField((*name).to_owned()));
        }
    }
    find_key(extra, "").map_or(Ok(()), |path| Err(EndpointError::KeyInExtraBody(path)))
}

/// Whether a field of `extra_body` is one that the client itself sets.
pub(crate) fn is_protected(name: &str) -> bool {
    PROTECTED.contains(&name)
}

fn find_key(fields: &Map<String, Value>, prefix: &str) -> Option<String> {
    fields.iter().find_map(|(name, value)| {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if is_key_name(name) { Some(path) } else { find_key_in(value, &path) }
    })
}

fn find_key_in(value: &Value, path: &str) -> Option<String> {
    match value {
        Value::String(text) if is_key_value(text) => Some(path.to_owned()),
        Value::Array(items) => items.iter().find_map(|item| find_key_in(item, path)),
        Value::Object(fields) => find_key(fields, path),
        _ => None,
    }
}

/// Whether a field's name says that its value is a secret. `max_tokens`, `prompt_cache_key` and `eos_token` are not.
pub(crate) fn is_key_name(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "key",
        "token",
        "secret",
        "password",
        "passwd",
        "bearer",
        "authorization",
        "auth",
        "credential",
        "credentials",
        "accesstoken",
        "authtoken",
        "bearertoken",
        "apitoken",
        "clientsecret",
        "apisecret",
        "secretkey",
        "accesskey",
        "privatekey",
        "subscriptionkey",
    ];
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
    NAMES.contains(&plain.as_str()) || plain.ends_with("apikey")
}

/// Whether a value has the form of a provider's key.
pub(crate) fn is_key_value(value: &str) -> bool {
    let value = value.trim_start();
    value.starts_with("sk-") || value.starts_with("Bearer ")
}

/// One line of at most 500 characters without control characters (they could steer a terminal), without `key` and
/// without anything else of a key's form.
pub(crate) fn clean_message(text: &str, key: Option<&str>) -> String {
    let without_key = match key {
        Some(key) if !key.is_empty() => text.replace(key, "[key]"),
        _ => text.to_owned(),
    };
    let mut clean = String::new();
    for word in without_key.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !clean.is_empty() {
            clean.push(' ');
        }
        match word.find("sk-") {
            Some(at) if is_long_token(&word[at..]) && !word[..at].ends_with(char::is_alphanumeric) => {
                clean.push_str(&word[..at]);
                clean.push_str("[key]");
            }
            _ => clean.push_str(word),
        }
        if clean.len() > 4 * MAX_MESSAGE {
            break;
        }
    }
    if let Some((end, _)) = clean.char_indices().nth(MAX_MESSAGE) {
        let keep = clean[..end].char_indices().next_back().map_or(0, |(at, _)| at);
        clean.truncate(keep);
        clean.push('…');
    }
    clean
}

fn is_long_token(word: &str) -> bool {
    word.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '*' | '.')).count() >= 12
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(value: Value) -> Result<(), String> {
        check_extra_body(value.as_object().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_in_extra_body_are_refused_by_name_and_by_value_at_any_depth() {
        for bad in [
            json!({"api_key": "x"}),
            json!({"X-API-Key": "x"}),
            json!({"provider": {"openai_api_key": "x"}}),
            json!({"metadata": {"note": "sk-abc"}}),
            json!({"list": [{"token": 1}]}),
            json!({"headers": {"Authorization": "Bearer abc"}}),
        ] {
            let error = check(bad.clone()).expect_err(&bad.to_string());
            assert!(!error.contains("sk-abc"), "{error}");
        }
        assert!(check(json!({"stream": false})).is_err());
    }

    #[test]
    fn fields_that_only_sound_like_keys_pass() {
        check(json!({
            "prompt_cache_key": "s1", "max_tokens": 5, "eos_token": "</s>", "stop_token_ids": [1], "skip_special_tokens": true,
            "grammar": "root ::= x", "chat_template_kwargs": {"enable_thinking": false}, "keyword": "a task-oriented text",
        }))
        .unwrap();
    }

    #[test]
    fn messages_lose_keys_control_characters_and_length() {
        let clean = clean_message(
            "bad key abc-123:\r\n\u{1b}[31mIncorrect API key provided: sk-proj-abcdefgh****wxyz.",
            Some("abc-123"),
        );
        assert_eq!(clean, "bad key [key]: [31mIncorrect API key provided: [key]");
        assert_eq!(clean_message("a risk-averse sk-i jump", None), "a risk-averse sk-i jump");
        let long = clean_message(&"é ".repeat(2000), None);
        assert_eq!(long.chars().count(), MAX_MESSAGE);
    }
}
