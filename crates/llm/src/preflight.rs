//! Looks at an endpoint before a run spends money on it: one `GET /models` and one tiny chat call.

use std::time::Duration;

use agentwrite::call::{ChatRequest, Message};
use agentwrite::failure::ErrorCode;
use reqwest::Url;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::chat::{HttpChat, Reply, describe};
use crate::endpoint::{JsonSchema, Prices};
use crate::error_body::ErrorBody;
use crate::patience::Patience;

/// How long the list of models may take, and how large it may be.
const LIST_WAIT: Duration = Duration::from_secs(15);
const MAX_LIST_BYTES: usize = 8 << 20;

/// Models named to people.
const MAX_NAMED: usize = 10;

/// What an endpoint turned out to be.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Preflight {
    /// Host and port.
    pub host: String,
    /// Where the key came from; the key itself stands nowhere.
    pub key_source: String,
    /// Whether the model is in the endpoint's list; unknown if it has none.
    pub model_listed: Option<bool>,
    /// Up to ten models of the list.
    pub models: Vec<String>,
    /// The model's name in the answer.
    pub reported_model: Option<String>,
    /// Tokens of prompt and answer together.
    pub context_tokens: Option<u32>,
    /// Whether the stream told the tokens used.
    pub streaming_usage: bool,
    /// Whether an answer kept to a JSON schema; not tried unless asked for.
    pub json_schema: Option<bool>,
    /// Whether the endpoint says how many prompt tokens came from its cache.
    pub cached_tokens_reported: bool,
    /// From sending to the first token, in milliseconds.
    pub first_token_ms: Option<u64>,
    /// List prices, if configured.
    pub prices: Option<Prices>,
    /// Optional fields that the endpoint refuses and that are no longer sent.
    pub dropped: Vec<String>,
    /// Why the chat call failed, if it did: no run can start.
    pub failure: Option<ErrorCode>,
    /// What a person should know, most important first.
    pub problems: Vec<String>,
}

/// Looks at an endpoint without a chat call: `GET /models` alone. A failure is named only where it is certain (no
/// connection, a refused key): endpoints without a list of models are none.
pub async fn look(chat: &HttpChat, model: &str) -> Preflight {
    let config = chat.config();
    let mut report = Preflight {
        host: chat.base_url().host(),
        key_source: config.key_source.clone(),
        prices: config.prices,
        ..Preflight::default()
    };
    let listed_context = look_at_list(chat, model, &mut report).await;
    chat.learn_context(listed_context);
    report.context_tokens = chat.context_tokens();
    report
}

/// Looks at `model` on an endpoint. What is learned (refused fields, context) stays with `chat`. With `try_schema` the
/// chat call asks for JSON by schema.
pub async fn preflight(chat: &HttpChat, model: &str, try_schema: bool) -> Preflight {
    let config = chat.config();
    let mut report = Preflight {
        host: chat.base_url().host(),
        key_source: config.key_source.clone(),
        prices: config.prices,
        ..Preflight::default()
    };
    let listed_context = look_at_list(chat, model, &mut report).await;
    chat.learn_context(listed_context);
    match chat.ask(tiny_request(model, try_schema), &|| ()).await {
        Ok(reply) => report.take_reply(chat, &reply, try_schema),
        // the endpoint works; a model that reasons just needs more room than this
        Err(failure) if failure.code == ErrorCode::ReasoningExhausted => {
            report.streaming_usage = failure.usage.reported;
            report
                .problems
                .push("the model reasons before it answers: give it room with [sampling] reasoning_tokens".into());
        }
        Err(failure) => {
            report.failure = Some(failure.code);
            report.problems.insert(0, failure.to_string());
        }
    }
    report.context_tokens = chat.context_tokens();
    report.dropped = chat.dropped();
    report.add_warnings(chat, model);
    report
}

impl Preflight {
    fn take_reply(&mut self, chat: &HttpChat, reply: &Reply, try_schema: bool) {
        let answer = &reply.answer;
        self.reported_model.clone_from(&answer.model);
        self.streaming_usage = answer.usage.reported;
        self.cached_tokens_reported = reply.cached_reported;
        self.first_token_ms = Some(answer.first_token.as_millis() as u64);
        let sends_schema = try_schema && chat.config().json_schema != JsonSchema::No;
        self.json_schema = sends_schema.then(|| {
            let kept = serde_json::from_str::<Value>(answer.text.trim()).is_ok_and(|value| value.get("ok").is_some());
            kept && !chat.dropped().iter().any(|field| field == "response_format")
        });
    }

    fn add_warnings(&mut self, chat: &HttpChat, model: &str) {
        if self.model_listed == Some(false) {
            self.problems
                .push(format!("the endpoint does not list the model {model:?}; it lists {}", self.models.join(", ")));
        }
        if self.failure.is_none() && !self.streaming_usage {
            self.problems
                .push("the endpoint reports no token usage: tokens and cost are estimated from the text".into());
        }
        if self.context_tokens.is_none() {
            self.problems.push("the endpoint does not tell its context length; set context_tokens".into());
        }
        let warnings = chat.base_url().warnings(chat.config().api_key.is_some());
        self.problems.extend(warnings.iter().map(ToString::to_string));
    }
}

fn tiny_request(model: &str, try_schema: bool) -> ChatRequest {
    let (prompt, schema) = if try_schema {
        let schema = json!({
            "type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": false,
        });
        ("Answer with the JSON object {\"ok\": true} and nothing else.", Some(schema.into()))
    } else {
        ("Answer with the word OK and nothing else.", None)
    };
    ChatRequest {
        model: model.to_owned(),
        messages: vec![Message::user(prompt)],
        go_on: None,
        temperature: 1.0,
        top_p: None,
        max_tokens: 32,
        seed: 1,
        schema,
        extra_body: Map::new(),
        affinity: "preflight".to_owned(),
    }
}

/// Reads the list of models into the report; gives the context length if the endpoint tells it.
async fn look_at_list(chat: &HttpChat, model: &str, report: &mut Preflight) -> Option<u32> {
    let list = match get_json(chat, chat.base_url().join("models")).await {
        Ok(list) => list,
        Err(problem) => {
            report.failure = problem.failure;
            report.problems.push(format!("GET {}: {}", chat.base_url().join("models"), problem.what));
            return None;
        }
    };
    let entries = list.get("data").or_else(|| list.get("models")).and_then(Value::as_array)?;
    let id = |entry: &Value| entry.get("id").or_else(|| entry.get("name")).and_then(Value::as_str).map(str::to_owned);
    report.model_listed = Some(entries.iter().any(|entry| id(entry).as_deref() == Some(model)));
    report.models = entries.iter().filter_map(id).take(MAX_NAMED).collect();
    // a server with one model answers for it under any name
    let entry = entries.iter().find(|entry| id(entry).as_deref() == Some(model)).or(match entries.as_slice() {
        [only] => Some(only),
        _ => None,
    });
    if let Some(tokens) = entry.and_then(listed_context) {
        return Some(tokens);
    }
    let is_llama_cpp = entry.is_some_and(|entry| entry.get("meta").is_some() || entry["owned_by"] == "llamacpp");
    let of_slot = if is_llama_cpp { slot_context(chat).await } else { None };
    of_slot.or_else(|| entry.and_then(|entry| tokens_at(entry, "/meta/n_ctx_train")))
}

fn listed_context(entry: &Value) -> Option<u32> {
    ["/max_model_len", "/context_length", "/context_window", "/max_context_length", "/meta/n_ctx"]
        .iter()
        .find_map(|path| tokens_at(entry, path))
}

/// llama.cpp tells the context of one slot, which is what a request gets, beside the protocol.
async fn slot_context(chat: &HttpChat) -> Option<u32> {
    let props = get_json(chat, chat.base_url().at_root("props")).await.ok()?;
    tokens_at(&props, "/default_generation_settings/n_ctx")
}

fn tokens_at(value: &Value, path: &str) -> Option<u32> {
    value.pointer(path).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0)
}

/// Why a page could not be read.
struct Problem {
    what: String,
    failure: Option<ErrorCode>,
}

impl Problem {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), failure: None }
    }
}

async fn get_json(chat: &HttpChat, url: Url) -> Result<Value, Problem> {
    let mut patience = Patience::new(LIST_WAIT);
    let late = || Problem { what: "no answer in time".to_owned(), failure: Some(ErrorCode::Connection) };
    let answer = patience.wait(chat.client().get(url).send()).await.ok_or_else(late)?;
    let mut response =
        answer.map_err(|error| Problem { what: chat.clean(&describe(error)), failure: Some(ErrorCode::Connection) })?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(piece) =
        patience.wait(response.chunk()).await.ok_or_else(late)?.map_err(|error| Problem::new(describe(error)))?
    {
        body.extend_from_slice(&piece);
        if body.len() > MAX_LIST_BYTES {
            return Err(Problem::new("the answer is too large"));
        }
    }
    if !status.is_success() {
        let refused = matches!(status.as_u16(), 401 | 403).then_some(ErrorCode::Auth);
        let what = chat.clean(&format!("HTTP {status}: {}", ErrorBody::parse(&body).message));
        return Err(Problem { what, failure: refused });
    }
    serde_json::from_slice(&body).map_err(|error| Problem::new(format!("not JSON: {error}")))
}
