//! The protocol's JSON: requests read, answers and errors written. Written by hand where it is hot: an answer of a few
//! thousand bytes must cost a few microseconds.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use agentwrite::call::{Finish, Usage};

use crate::simulator::{Ask, Broken, Rejection, Simulator, Turn, fingerprint};
use crate::tokens;

/// A request as it came, and how it wants its answer.
pub(crate) struct Call<'a> {
    pub(crate) ask: Ask<'a>,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    model: Cow<'a, str>,
    #[serde(borrow, default)]
    messages: Vec<BodyMessage<'a>>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    response_format: Option<ResponseFormat>,
}

#[derive(Deserialize)]
struct BodyMessage<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: Content<'a>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct ResponseFormat {
    r#type: String,
}

/// A string, a list of text parts, or null.
struct Content<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of text parts")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Content(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Content(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Content(Cow::Borrowed("")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        #[derive(Deserialize)]
        struct Part {
            #[serde(default)]
            text: String,
        }
        let mut all = String::new();
        while let Some(part) = parts.next_element::<Part>()? {
            all.push_str(&part.text);
        }
        Ok(Content(Cow::Owned(all)))
    }
}

/// Reads a request; `refused` = top-level fields that this endpoint does not take.
pub(crate) fn read<'a>(body: &'a [u8], refused: &[String]) -> Result<Call<'a>, Rejection> {
    let parsed: Body<'a> = serde_json::from_slice(body)
        .map_err(|error| Rejection::invalid("invalid_json", None, format!("We could not parse the body: {error}")))?;
    if !refused.is_empty() {
        let fields: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        if let Some(field) = refused.iter().find(|field| fields.contains_key(*field)) {
            let message = format!("Unsupported parameter: '{field}' is not supported with this model.");
            return Err(Rejection::invalid("unsupported_parameter", Some(field), message));
        }
    }
    let turn = |message: BodyMessage<'a>| Turn { role: message.role, content: message.content.0 };
    Ok(Call {
        ask: Ask {
            model: parsed.model,
            turns: parsed.messages.into_iter().map(turn).collect(),
            max_tokens: parsed.max_completion_tokens.or(parsed.max_tokens),
            schema: parsed.response_format.is_some_and(|format| format.r#type.starts_with("json")),
            fingerprint: fingerprint(body),
        },
        stream: parsed.stream.unwrap_or(false),
        include_usage: parsed.stream_options.is_some_and(|options| options.include_usage),
    })
}

/// Bytes to write after a wait, and the answer tokens in them.
pub(crate) struct Step {
    pub(crate) wait: Duration,
    pub(crate) bytes: Bytes,
    pub(crate) tokens: u64,
}

/// What an answer's writing needs to know.
pub(crate) struct Written<'a> {
    pub(crate) text: &'a str,
    pub(crate) reasoning: Option<&'a str>,
    pub(crate) finish: Finish,
    pub(crate) usage: &'a Usage,
    pub(crate) broken: Option<Broken>,
    pub(crate) model: &'a str,
    pub(crate) id: u64,
}

fn finish_text(finish: Finish) -> &'static str {
    match finish {
        Finish::Length => "length",
        Finish::ContentFilter => "content_filter",
        Finish::Stop | Finish::Other => "stop",
    }
}

fn push_json(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a string always becomes JSON, and memory can be written to");
}

fn usage_json(usage: &Usage) -> String {
    let Usage { prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, .. } = *usage;
    let total = prompt_tokens + completion_tokens;
    format!(
        "{{\"prompt_tokens\":{prompt_tokens},\"completion_tokens\":{completion_tokens},\"total_tokens\":{total},\
         \"prompt_tokens_details\":{{\"cached_tokens\":{cached_tokens}}},\
         \"completion_tokens_details\":{{\"reasoning_tokens\":{reasoning_tokens}}}}}"
    )
}

/// What stands at the front of every chunk and of every whole answer. `created` is no clock: answers have no date.
fn envelope(written: &Written<'_>, object: &str) -> Vec<u8> {
    let mut out = format!(
        "{{\"id\":\"chatcmpl-{:016x}\",\"object\":\"{object}\",\"created\":1735689600,\
         \"system_fingerprint\":\"synthetic\",\"model\":",
        written.id
    )
    .into_bytes();
    push_json(&mut out, written.model);
    out
}

/// A whole answer as one JSON object.
pub(crate) fn whole(written: &Written<'_>) -> Vec<u8> {
    let mut out = envelope(written, "chat.completion");
    out.extend_from_slice(b",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",");
    if let Some(reasoning) = written.reasoning {
        out.extend_from_slice(b"\"reasoning_content\":");
        push_json(&mut out, reasoning);
        out.push(b',');
    }
    out.extend_from_slice(b"\"content\":");
    push_json(&mut out, written.text);
    out.extend_from_slice(b"},\"finish_reason\":\"");
    out.extend_from_slice(finish_text(written.finish).as_bytes());
    out.extend_from_slice(b"\"}]");
    if written.usage.reported {
        out.extend_from_slice(b",\"usage\":");
        out.extend_from_slice(usage_json(written.usage).as_bytes());
    }
    out.push(b'}');
    out
}

/// Cuts a text into `parts` pieces at character boundaries; fewer if it is shorter.
fn pieces(text: &str, parts: usize) -> Vec<&str> {
    let size = text.len().div_ceil(parts.max(1)).max(1);
    let (mut all, mut rest) = (Vec::with_capacity(parts), text);
    while rest.len() > size {
        let cut = (size..rest.len()).find(|&at| rest.is_char_boundary(at)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(cut);
        all.push(piece);
        rest = after;
    }
    all.push(rest);
    all
}

/// An answer as server-sent events. The first delta carries the role and the last the finish reason; a usage chunk
/// without choices and `[DONE]` follow.
pub(crate) fn events(written: &Written<'_>, include_usage: bool, simulator: &Simulator) -> Vec<Step> {
    let parts = pieces(written.text, simulator.config().events);
    let waits = simulator.config().waits(written.usage.completion_tokens, parts.len());
    let front = envelope(written, "chat.completion.chunk");
    let last = parts.len() - 1;
    let mut steps = Vec::with_capacity(parts.len());
    for (at, (part, wait)) in parts.into_iter().zip(waits).enumerate() {
        let mut out = Vec::with_capacity(part.len() + front.len() * 3 + 512);
        if at == 0
            && let Some(reasoning) = written.reasoning
        {
            delta(&mut out, &front, "\"role\":\"assistant\",\"reasoning_content\":", reasoning, None);
        }
        let finish = (at == last && written.broken.is_none()).then(|| finish_text(written.finish));
        let field = if at == 0 { "\"role\":\"assistant\",\"content\":" } else { "\"content\":" };
        delta(&mut out, &front, field, part, finish);
        if at == last {
            close(&mut out, &front, written, include_usage);
        }
        steps.push(Step { wait, bytes: out.into(), tokens: tokens::estimate(part) });
    }
    if matches!(written.broken, Some(Broken::Reset | Broken::Json)) && steps.len() > 1 {
        steps.pop();
    }
    if written.broken == Some(Broken::Json) {
        let bytes = Bytes::from_static(b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"and\n\n");
        steps.push(Step { wait: Duration::ZERO, bytes, tokens: 1 });
    }
    steps
}

fn delta(out: &mut Vec<u8>, front: &[u8], field: &str, text: &str, finish: Option<&str>) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(front);
    out.extend_from_slice(b",\"choices\":[{\"index\":0,\"delta\":{");
    out.extend_from_slice(field.as_bytes());
    push_json(out, text);
    out.extend_from_slice(b"},\"finish_reason\":");
    match finish {
        Some(finish) => push_json(out, finish),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b"}]}\n\n");
}

fn close(out: &mut Vec<u8>, front: &[u8], written: &Written<'_>, include_usage: bool) {
    if matches!(written.broken, Some(Broken::Reset | Broken::Json)) {
        return;
    }
    if include_usage && written.usage.reported {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(front);
        out.extend_from_slice(b",\"choices\":[],\"usage\":");
        out.extend_from_slice(usage_json(written.usage).as_bytes());
        out.extend_from_slice(b"}\n\n");
    }
    out.extend_from_slice(b"data: [DONE]\n\n");
}

/// A rejection's body.
pub(crate) fn error(rejection: &Rejection) -> Value {
    let Rejection { message, kind, param, code, .. } = rejection;
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
}
