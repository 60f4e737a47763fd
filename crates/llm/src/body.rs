//! The request's body: serialised once, straight from the messages, which are then let go.
//!
//! `{"model":...,"messages":[...]` comes first and stays byte for byte the same when the optional fields behind it have
//! to change, so one copy of the prompt is all that a call holds.

use agentwrite::call::{ChatRequest, Message};
use bytes::Bytes;
use serde::Serialize;

use crate::endpoint::{AffinityField, EndpointConfig, JsonSchema};
use crate::estimate::prompt_tokens;
use crate::fields::{Field, FieldSet};
use crate::secrets::is_protected;

/// A body that can be written again with other optional fields.
pub(crate) struct Body {
    /// The request without its messages.
    request: ChatRequest,
    bytes: Bytes,
    /// Length of the part with model and messages.
    fixed: usize,
    /// The optional fields in `bytes`.
    sent: FieldSet,
    /// Prompt tokens, estimated.
    pub prompt_tokens: u64,
}

impl Body {
    /// Serialises a request without the fields that its endpoint has refused.
    pub fn new(mut request: ChatRequest, config: &EndpointConfig, refused: FieldSet) -> Self {
        let messages = std::mem::take(&mut request.messages);
        let mut out = Vec::with_capacity(room_for(&messages));
        out.extend_from_slice(b"{\"model\":");
        write_json(&mut out, &request.model);
        out.extend_from_slice(b",\"messages\":");
        write_json(&mut out, &messages);
        let prompt_tokens = prompt_tokens(&messages);
        drop(messages);
        let fixed = out.len();
        let sent = write_fields(&mut out, &request, config, refused);
        Self { request, bytes: out.into(), fixed, sent, prompt_tokens }
    }

    /// Writes the optional fields again.
    pub fn rewrite(&mut self, config: &EndpointConfig, refused: FieldSet) {
        let mut out = Vec::with_capacity(self.bytes.len() + 64);
        out.extend_from_slice(&self.bytes[..self.fixed]);
        self.sent = write_fields(&mut out, &self.request, config, refused);
        self.bytes = out.into();
    }

    /// The body; a reference to the one copy.
    pub fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// The optional fields in it.
    pub fn sent(&self) -> FieldSet {
        self.sent
    }

    /// What groups the request with others.
    pub fn affinity(&self) -> &str {
        &self.request.affinity
    }
}

/// Bytes that the body will need: growing by doubling would hold up to twice the prompt.
fn room_for(messages: &[Message]) -> usize {
    let escapes = |text: &str| text.bytes().filter(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).count();
    let size = |message: &Message| message.content.len() + escapes(&message.content) + 48;
    messages.iter().map(size).sum::<usize>() + 768
}

/// Writes the fields after the messages and the closing brace; says which optional ones are in.
fn write_fields(out: &mut Vec<u8>, request: &ChatRequest, config: &EndpointConfig, refused: FieldSet) -> FieldSet {
    let mut fields = Fields { out, request, refused, sent: FieldSet::default() };
    fields.always("stream", &true);
    fields.optional(Field::StreamOptions, "stream_options", &StreamOptions { include_usage: true });
    fields.optional(Field::Temperature, "temperature", &request.temperature);
    if let Some(top_p) = request.top_p {
        fields.optional(Field::TopP, "top_p", &top_p);
    }
    fields.max_tokens();
    fields.optional(Field::Seed, "seed", &narrow_seed(request.seed));
    if let (Some(schema), true) = (&request.schema, config.json_schema != JsonSchema::No) {
        let format = ResponseFormat {
            r#type: "json_schema",
            json_schema: JsonSchemaFormat { name: "answer", strict: true, schema },
        };
        fields.optional(Field::ResponseFormat, "response_format", &format);
    }
    if let Some(AffinityField::Body(name)) = &config.affinity {
        fields.optional(Field::Affinity, name, &request.affinity);
    }
    for (name, value) in request.extra_body.iter().filter(|(name, _)| !is_protected(name)) {
        fields.always(name, value);
    }
    let sent = fields.sent;
    out.push(b'}');
    sent
}

struct Fields<'a> {
    out: &'a mut Vec<u8>,
    request: &'a ChatRequest,
    refused: FieldSet,
    sent: FieldSet,
}

impl Fields<'_> {
    fn always(&mut self, name: &str, value: &impl Serialize) {
        self.out.push(b',');
        write_json(self.out, name);
        self.out.push(b':');
        write_json(self.out, value);
    }

    /// `extra_body` wins over a field of the same name, and then its refusal is the user's to see.
    fn optional(&mut self, field: Field, name: &str, value: &impl Serialize) {
        if self.refused.has(field) || self.request.extra_body.contains_key(name) {
            return;
        }
        self.always(name, value);
        self.sent.insert(field);
    }

    fn max_tokens(&mut self) {
        let extra = &self.request.extra_body;
        if extra.contains_key("max_tokens") || extra.contains_key("max_completion_tokens") {
            return;
        }
        if self.refused.has(Field::MaxTokens) {
            self.optional(Field::MaxCompletionTokens, "max_completion_tokens", &self.request.max_tokens);
        } else {
            self.optional(Field::MaxTokens, "max_tokens", &self.request.max_tokens);
        }
    }
}

/// 31 bits of the seed: some servers read it as a signed or a 32-bit number and refuse or wrap a larger one.
fn narrow_seed(seed: u64) -> u64 {
    (seed ^ (seed >> 32)) & 0x7fff_ffff
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct ResponseFormat<'a> {
    r#type: &'static str,
    json_schema: JsonSchemaFormat<'a>,
}

#[derive(Serialize)]
struct JsonSchemaFormat<'a> {
    name: &'static str,
    strict: bool,
    schema: &'a serde_json::Value,
}

fn write_json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("strings, numbers and JSON values always serialise, and a Vec takes all");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn request() -> ChatRequest {
        ChatRequest {
            model: "m".to_owned(),
            messages: vec![Message::user("say \"hi\"\n写"), Message::assistant("hi")],
            temperature: 0.5,
            top_p: None,
            max_tokens: 100,
            seed: u64::MAX - 5,
            schema: None,
            extra_body: serde_json::Map::new(),
            affinity: "smp_1".to_owned(),
        }
    }

    fn config() -> EndpointConfig {
        let mut config = EndpointConfig::new("e", "http://localhost");
        config.affinity = Some(AffinityField::prompt_cache_key());
        config
    }

    fn json_of(body: &Body) -> Value {
        serde_json::from_slice(&body.bytes()).unwrap()
    }

    #[test]
    fn a_request_is_the_protocols_json() {
        let body = Body::new(request(), &config(), FieldSet::default());
        assert_eq!(
            json_of(&body),
            json!({
                "model": "m",
                "messages": [{"role": "user", "content": "say \"hi\"\n写"}, {"role": "assistant", "content": "hi"}],
                "stream": true, "stream_options": {"include_usage": true}, "temperature": 0.5, "max_tokens": 100,
                "seed": 5, "prompt_cache_key": "smp_1",
            })
        );
        assert_eq!(body.bytes().len(), body.bytes.len());
    }

    #[test]
    fn extra_body_passes_and_wins_but_not_over_protected_fields() {
        let mut request = request();
        request.extra_body = json!({
            "grammar": "root ::= x", "temperature": 0.9, "max_completion_tokens": 7, "model": "other", "stream": false,
            "messages": [],
        })
        .as_object()
        .unwrap()
        .clone();
        let body = Body::new(request, &config(), FieldSet::default());
        let text = String::from_utf8(body.bytes().to_vec()).unwrap();
        let json = json_of(&body);
        assert_eq!(json["grammar"], "root ::= x");
        assert_eq!(json["temperature"], 0.9);
        assert_eq!((json["max_completion_tokens"].clone(), json.get("max_tokens")), (json!(7), None));
        assert_eq!((json["model"].clone(), json["stream"].clone()), (json!("m"), json!(true)));
        assert_eq!(text.matches("\"temperature\"").count(), 1);
        assert!(!body.sent().has(Field::Temperature), "a refusal of the user's own field is not ours to mend");
    }

    #[test]
    fn refused_fields_are_left_out_or_renamed_and_the_prompt_stays_byte_for_byte() {
        let mut request = request();
        request.schema = Some(json!({"type": "object"}));
        let mut body = Body::new(request, &config(), FieldSet::default());
        assert_eq!(json_of(&body)["response_format"]["json_schema"]["schema"]["type"], "object");
        let before = body.bytes();
        let mut refused = FieldSet::default();
        for field in [Field::MaxTokens, Field::Seed, Field::ResponseFormat, Field::Affinity, Field::StreamOptions] {
            refused.insert(field);
        }
        body.rewrite(&config(), refused);
        let json = json_of(&body);
        assert_eq!(json["max_completion_tokens"], 100);
        for name in ["max_tokens", "seed", "response_format", "prompt_cache_key", "stream_options"] {
            assert!(json.get(name).is_none(), "{name}");
        }
        assert_eq!(before[..body.fixed], body.bytes()[..body.fixed]);
    }

    #[test]
    fn one_buffer_of_the_right_size_holds_a_long_prompt() {
        let mut long = request();
        long.messages = vec![Message::user("A line of text.\n".repeat(7500))];
        let messages = room_for(&long.messages);
        let body = Body::new(long, &config(), FieldSet::default());
        assert!(body.bytes.len() <= messages && messages < body.bytes.len() + 1024);
    }
}
