//! The protocol's answers as they stand on the wire: a chunk of a stream and a whole answer in one shape.
//!
//! Parsed leniently, field by field: a field of another type counts as absent, an unknown one is skipped. Texts are
//! borrowed from the event where it has no escapes.

use std::borrow::Cow;
use std::fmt;

use agentwrite::call::Usage;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::estimate::TextSize;

/// One event of a stream, or the body of an answer that was not streamed.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub id: Text<'a>,
    #[serde(borrow, default)]
    pub model: Text<'a>,
    #[serde(borrow, default)]
    pub object: Text<'a>,
    #[serde(borrow, default)]
    pub choices: Option<Vec<Choice<'a>>>,
    #[serde(default)]
    pub usage: Option<WireUsage>,
    #[serde(default)]
    pub error: Option<Value>,
}

/// One choice; `delta` in a stream, `message` in a whole answer.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Choice<'a> {
    #[serde(default)]
    pub index: Count,
    #[serde(borrow, default)]
    pub delta: Option<Said<'a>>,
    #[serde(borrow, default)]
    pub message: Option<Said<'a>>,
    #[serde(borrow, default)]
    pub finish_reason: Text<'a>,
}

/// What the model said; servers name its reasoning in three ways.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Said<'a> {
    #[serde(borrow, default)]
    pub content: Text<'a>,
    #[serde(borrow, default)]
    pub reasoning_content: Text<'a>,
    #[serde(borrow, default)]
    pub reasoning: Text<'a>,
    #[serde(borrow, default)]
    pub thinking: Text<'a>,
    #[serde(borrow, default)]
    pub refusal: Text<'a>,
}

/// A text, a list of content parts, or something else (absent).
#[derive(Debug, Default)]
pub(crate) struct Text<'a> {
    /// The text; empty if absent.
    pub text: Cow<'a, str>,
    /// Size of thinking parts in a list of parts.
    pub thinking: TextSize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text { text: Cow::Borrowed(text), thinking: TextSize::default() })
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text { text: Cow::Owned(text.to_owned()), thinking: TextSize::default() })
            }
            fn visit_string<E>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text { text: Cow::Owned(text), thinking: TextSize::default() })
            }
            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
            fn visit_bool<E>(self, _: bool) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
            fn visit_i64<E>(self, _: i64) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
            fn visit_u64<E>(self, _: u64) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
            fn visit_f64<E>(self, _: f64) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Text<'de>, A::Error> {
                let (mut text, mut thinking) = (String::new(), TextSize::default());
                while let Some(part) = parts.next_element::<Value>()? {
                    if let Some(piece) = part.get("text").and_then(Value::as_str) {
                        text.push_str(piece);
                    }
                    if let Some(thought) = part.get("thinking") {
                        thinking.add(thought.as_str().unwrap_or(&thought.to_string()));
                    }
                }
                Ok(Text { text: Cow::Owned(text), thinking })
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// A count, or something else (absent).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count(pub Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer)
            .map(|value| Self(value.as_u64().or_else(|| value.as_f64().map(|float| float.max(0.0) as u64))))
    }
}

/// The `usage` object in OpenAI's, DeepSeek's, Moonshot's and Anthropic's words.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
pub(crate) struct WireUsage {
    prompt_tokens: Count,
    completion_tokens: Count,
    input_tokens: Count,
    output_tokens: Count,
    cached_tokens: Count,
    prompt_cache_hit_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<AnswerDetails>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Count,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct AnswerDetails {
    reasoning_tokens: Count,
}

impl WireUsage {
    /// The tokens, or nothing if the endpoint counted none (some send zeros in every chunk but the last).
    pub fn tokens(&self) -> Option<Usage> {
        let cached = self.cached().unwrap_or(0);
        // Anthropic counts cached prompt tokens beside `input_tokens`, the others among `prompt_tokens`
        let beside = || self.input_tokens.0.map(|n| n + cached + self.cache_creation_input_tokens.0.unwrap_or(0));
        let prompt_tokens = self.prompt_tokens.0.or_else(beside)?;
        let completion_tokens = self.completion_tokens.0.or(self.output_tokens.0).unwrap_or(0);
        let reasoning = self.completion_tokens_details.and_then(|details| details.reasoning_tokens.0).unwrap_or(0);
        (prompt_tokens > 0).then_some(Usage {
            prompt_tokens,
            cached_tokens: cached.min(prompt_tokens),
            completion_tokens,
            reasoning_tokens: reasoning.min(completion_tokens),
            reported: true,
        })
    }

    /// Cached prompt tokens, or nothing if the endpoint does not say.
    pub fn cached(&self) -> Option<u64> {
        self.prompt_tokens_details
            .and_then(|details| details.cached_tokens.0)
            .or(self.prompt_cache_hit_tokens.0)
            .or(self.cache_read_input_tokens.0)
            .or(self.cached_tokens.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(json: &str) -> Option<Usage> {
        serde_json::from_str::<WireUsage>(json).unwrap().tokens()
    }

    #[test]
    fn texts_without_escapes_are_borrowed_and_odd_ones_are_absent() {
        let chunk: Chunk<'_> = serde_json::from_str(
            r#"{"id":7,"model":null,"system_fingerprint":{"a":[1]},"choices":[{"index":0,"delta":{"role":"assistant",
            "content":"plain","reasoning":{"x":1},"tool_calls":[]},"logprobs":null}],"usage":null,"error":null}"#,
        )
        .unwrap();
        let choices = chunk.choices.unwrap();
        let said = choices[0].delta.as_ref().unwrap();
        assert!(matches!(said.content.text, Cow::Borrowed("plain")));
        assert_eq!(said.reasoning.text, "");
        assert_eq!(chunk.id.text, "");
        assert!(chunk.error.is_none() && chunk.usage.is_none());
    }

    #[test]
    fn content_parts_are_joined_and_their_thinking_is_only_counted() {
        let said: Said<'_> = serde_json::from_str(
            r#"{"content":[{"type":"thinking","thinking":"let me see"},{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#,
        )
        .unwrap();
        assert_eq!(said.content.text, "ab");
        assert_eq!(said.content.thinking.bytes(), 10);
    }

    #[test]
    fn usage_is_read_in_every_providers_words() {
        let openai = r#"{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"prompt_tokens_details":{"cached_tokens":64,
            "audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":5}}"#;
        let expected =
            Usage { prompt_tokens: 100, cached_tokens: 64, completion_tokens: 20, reasoning_tokens: 5, reported: true };
        assert_eq!(usage(openai), Some(expected));
        let deepseek = r#"{"prompt_tokens":100,"completion_tokens":20,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}"#;
        assert_eq!(usage(deepseek), Some(Usage { reasoning_tokens: 0, ..expected }));
        let anthropic =
            r#"{"input_tokens":30,"output_tokens":20,"cache_read_input_tokens":64,"cache_creation_input_tokens":6}"#;
        assert_eq!(usage(anthropic), Some(Usage { reasoning_tokens: 0, ..expected }));
        assert_eq!(usage(r#"{"prompt_tokens":0,"completion_tokens":0}"#), None);
        assert_eq!(usage(r#"{"prompt_tokens":"many","completion_tokens":{}}"#), None);
        assert_eq!(usage(r#"{"prompt_tokens":10.0,"completion_tokens":2}"#).unwrap().prompt_tokens, 10);
    }
}
