//! The request's body: everything but the shared texts of its messages is serialised once; those are written while the body
//! is sent, so that a call holds no copy of its prompt.
//!
//! `{"model":...,"messages":[...]` comes first and stays byte for byte the same when the optional fields behind it have
//! to change.

use std::sync::Arc;

use agentwrite::call::{ChatRequest, Message};
use agentwrite::rope::{Piece, Rope};
use bytes::Bytes;
use serde::Serialize;

use crate::endpoint::{AffinityField, AssistantPrefix, EndpointConfig, JsonSchema};
use crate::escape::{escape, escaped_len};
use crate::estimate::prompt_tokens;
use crate::fields::{Field, FieldSet};
use crate::secrets::is_protected;
use crate::upload::{SharedText, Upload};

/// A body that can be sent again, and written again with other optional fields.
pub(crate) struct Body {
    /// The request without its messages.
    request: ChatRequest,
    /// All of the body but the shared texts.
    json: Bytes,
    /// The shared texts and where in `json` they belong.
    shared: Arc<[SharedText]>,
    /// Bytes of the shared texts as JSON.
    shared_len: usize,
    /// Length of the part of `json` with model and messages.
    fixed: usize,
    /// The optional fields in `json`.
    sent: FieldSet,
    /// Prompt tokens, estimated.
    pub prompt_tokens: u64,
}

impl Body {
    /// Serialises a request without the fields that its endpoint has refused.
    pub fn new(mut request: ChatRequest, config: &EndpointConfig, refused: FieldSet) -> Self {
        let mut messages = std::mem::take(&mut request.messages);
        if config.assistant_prefix == AssistantPrefix::None {
            messages.extend(request.go_on.take().map(Message::user));
        }
        let marked = request.go_on.is_some() && config.assistant_prefix == AssistantPrefix::Deepseek;
        let mut out = Vec::with_capacity(room_for(&messages));
        out.extend_from_slice(b"{\"model\":");
        write_json(&mut out, &request.model);
        out.extend_from_slice(b",\"messages\":");
        let shared = write_messages(&mut out, &messages, marked);
        let prompt_tokens = prompt_tokens(&messages);
        drop(messages);
        let fixed = out.len();
        let sent = write_fields(&mut out, &request, config, refused);
        let shared_len = shared.iter().map(|shared| escaped_len(shared.text.as_bytes())).sum();
        Self { request, json: out.into(), shared: shared.into(), shared_len, fixed, sent, prompt_tokens }
    }

    /// Writes the optional fields again.
    pub fn rewrite(&mut self, config: &EndpointConfig, refused: FieldSet) {
        let mut out = Vec::with_capacity(self.json.len() + 64);
        out.extend_from_slice(&self.json[..self.fixed]);
        self.sent = write_fields(&mut out, &self.request, config, refused);
        self.json = out.into();
    }

    /// The body in one piece.
    pub fn bytes(&self) -> Bytes {
        if self.shared.is_empty() { self.json.clone() } else { self.upload().into_bytes() }
    }

    /// The body for sending: the same bytes, made as the connection takes them.
    pub fn upload(&self) -> Upload {
        Upload::new(self.json.clone(), Arc::clone(&self.shared), self.json.len() + self.shared_len)
    }

    /// Whether there are texts that are only written while the body is sent.
    pub fn has_shared(&self) -> bool {
        !self.shared.is_empty()
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

/// Bytes that the body will need without its shared texts: growing by doubling would hold up to twice as much.
fn room_for(messages: &[Message<Rope>]) -> usize {
    let own = |piece: &Piece| match piece {
        Piece::Own(text) => escaped_len(text.as_bytes()),
        Piece::Shared(_) => 0,
    };
    let size = |message: &Message<Rope>| message.content.pieces().iter().map(own).sum::<usize>() + 48;
    messages.iter().map(size).sum::<usize>() + 768
}

/// Writes the messages as `serde_json` would, but for the shared texts, which it returns with their places. `marked`: the
/// last one is the beginning of the answer.
fn write_messages(out: &mut Vec<u8>, messages: &[Message<Rope>], marked: bool) -> Vec<SharedText> {
    let mut shared = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"[{\"role\":" } else { b",{\"role\":" });
        write_json(out, &message.role);
        out.extend_from_slice(b",\"content\":\"");
        for piece in message.content.pieces() {
            match piece {
                Piece::Own(text) => escape(text.as_bytes(), out),
                Piece::Shared(text) => shared.push(SharedText { at: out.len(), text: Arc::clone(text) }),
            }
        }
        let is_prefix = marked && index + 1 == messages.len();
        out.extend_from_slice(if is_prefix { b"\",\"prefix\":true}" } else { b"\"}" });
    }
    out.extend_from_slice(if messages.is_empty() { b"[]" } else { b"]" });
    shared
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
    if request.go_on.is_some() && config.assistant_prefix == AssistantPrefix::Vllm {
        fields.always("add_generation_prompt", &false);
        fields.always("continue_final_message", &true);
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
    use http_body::Body as _;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn request() -> ChatRequest {
        ChatRequest {
            model: "m".to_owned(),
            messages: vec![Message::user("say \"hi\"\n写"), Message::assistant("hi")],
            go_on: None,
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
        assert_eq!(body.bytes().len(), body.upload().into_bytes().len());
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
    fn a_cut_answer_goes_on_in_the_endpoints_own_way() {
        let cut = || ChatRequest { go_on: Some("Go on.".to_owned()), ..request() };
        let of = |assistant_prefix| {
            let config = EndpointConfig { assistant_prefix, ..config() };
            json_of(&Body::new(cut(), &config, FieldSet::default()))
        };
        let plain = json_of(&Body::new(request(), &config(), FieldSet::default()));
        let turn = of(AssistantPrefix::None);
        assert_eq!(turn["messages"][2], json!({"role": "user", "content": "Go on."}));
        assert_eq!(turn["messages"].as_array().unwrap()[..2], plain["messages"].as_array().unwrap()[..]);
        let vllm = of(AssistantPrefix::Vllm);
        assert_eq!(vllm["messages"], plain["messages"]);
        assert_eq!((&vllm["continue_final_message"], &vllm["add_generation_prompt"]), (&json!(true), &json!(false)));
        let deepseek = of(AssistantPrefix::Deepseek);
        assert_eq!(deepseek["messages"][0], plain["messages"][0]);
        assert_eq!(deepseek["messages"][1], json!({"role": "assistant", "content": "hi", "prefix": true}));
        assert_eq!(deepseek.get("continue_final_message"), None);
    }

    #[test]
    fn refused_fields_are_left_out_or_renamed_and_the_prompt_stays_byte_for_byte() {
        let mut request = request();
        request.schema = Some(json!({"type": "object"}).into());
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
    fn one_buffer_of_the_right_size_holds_a_long_prompt_and_none_a_shared_one() {
        let mut long = request();
        long.messages = vec![Message::user("A line of text.\n".repeat(7500))];
        let messages = room_for(&long.messages);
        let body = Body::new(long, &config(), FieldSet::default());
        assert!(body.json.len() <= messages && messages < body.json.len() + 1024);
        let mut shared = request();
        shared.messages = vec![Message::user(Rope::default())];
        shared.messages[0].content.push_shared(&"A line of text.\n".repeat(7500).into());
        let other = Body::new(shared, &config(), FieldSet::default());
        assert!(other.json.len() < 1024);
        assert_eq!(other.bytes(), body.bytes());
    }

    /// A text in pieces: whether each is shared, and what it says.
    fn content() -> impl Strategy<Value = Vec<(bool, String)>> {
        let odd = prop_oneof![
            Just("\"".to_owned()),
            Just("\\".to_owned()),
            Just("\u{2028}\u{2029}\u{7f}\u{85}".to_owned()),
            Just("🦀 写".to_owned()),
            "[\u{0}-\u{20}]{1,4}",
            "[ -~\n]{0,40}",
            any::<String>(),
        ];
        prop::collection::vec((any::<bool>(), prop::collection::vec(odd, 0..6).prop_map(|parts| parts.concat())), 0..6)
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_of_serde_json_whole_or_made_piece_by_piece(
            contents in prop::collection::vec(content(), 0..4),
            most in 1_usize..80,
        ) {
            let mut request = request();
            request.messages.clear();
            for pieces in &contents {
                let mut rope = Rope::default();
                for (shared, text) in pieces {
                    if *shared { rope.push_shared(&text.as_str().into()) } else { rope.push_str(text) }
                }
                request.messages.push(Message::user(rope));
            }
            let texts: Vec<Message> =
                request.messages.iter().map(|message| Message::user(message.content.to_string())).collect();
            let body = Body::new(request, &config(), FieldSet::default());
            let mut whole = b"{\"model\":\"m\",\"messages\":".to_vec();
            write_json(&mut whole, &texts);
            write_fields(&mut whole, &body.request, &config(), FieldSet::default());
            prop_assert_eq!(&body.bytes()[..], &whole[..]);
            let (mut upload, mut made) = (body.upload(), Vec::new());
            let left = |upload: &Upload| upload.size_hint().exact().unwrap() as usize;
            prop_assert_eq!(left(&upload), whole.len());
            while !upload.is_end_stream() {
                let before = made.len();
                upload.write(&mut made, before + most);
                prop_assert!(made.len() > before, "no progress");
                prop_assert_eq!(left(&upload), whole.len() - made.len());
            }
            prop_assert_eq!(made, whole);
        }
    }
}
