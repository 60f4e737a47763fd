//! `--where meta.FIELD=VALUE`: compares a field of the input row as text.

use serde_json::Value;

use crate::fault::Fault;

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Where {
    field: String,
    value: String,
}

impl Where {
    /// Reads `meta.FIELD=VALUE`.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let parts = text.strip_prefix("meta.").and_then(|rest| rest.split_once('='));
        match parts.filter(|(field, _)| !field.is_empty()) {
            Some((field, value)) => Ok(Self { field: field.to_owned(), value: value.to_owned() }),
            None => Err(Fault::usage("bad_where", format!("--where {text} cannot be read"))
                .help("write --where meta.FIELD=VALUE, as in --where meta.topic=rome")),
        }
    }

    /// Whether a row's other fields meet the condition. A text is compared as it is, anything else as its JSON.
    pub(super) fn admits(&self, meta: Option<&str>) -> bool {
        let meta: Option<Value> = meta.and_then(|meta| serde_json::from_str(meta).ok());
        let found = meta.as_ref().and_then(|meta| meta.get(&self.field));
        let text = found.map(|found| found.as_str().map_or_else(|| found.to_string(), str::to_owned));
        text.as_deref() == Some(self.value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_compared_as_text() {
        let meta = Some(r#"{"topic":"rome","year":44,"draft":false,"a.b":"c=d"}"#);
        for (text, admitted) in [
            ("meta.topic=rome", true),
            ("meta.topic=Rome", false),
            ("meta.year=44", true),
            ("meta.draft=false", true),
            ("meta.a.b=c=d", true),
            ("meta.other=", false),
        ] {
            assert_eq!(Where::parse(text).unwrap().admits(meta), admitted, "{text}");
        }
        assert!(!Where::parse("meta.topic=rome").unwrap().admits(None));
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in ["topic=rome", "meta.topic", "meta.=x"] {
            assert_eq!(Where::parse(text).unwrap_err().code, "bad_where", "{text}");
        }
    }
}
