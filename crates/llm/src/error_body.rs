//! Errors as endpoints word them, and which code each is.
//!
//! The envelopes of the table in `facts/real_parts.md` 1 are read: `{"error": {code, message, type, param}}` with the
//! code a number or a text, `{"error": "text"}`, FastAPI's `{"detail": text or list}`, Mistral's nested message, plain
//! text and HTML.

use agentwrite::failure::ErrorCode;
use serde_json::Value;

/// What an endpoint said when it refused or failed.
#[derive(Debug, Default)]
pub(crate) struct ErrorBody {
    /// The words for people.
    pub message: String,
    /// `code` and `type`, in lower case.
    pub codes: Vec<String>,
    /// The fields of the request that the error names.
    pub params: Vec<String>,
    /// An HTTP status inside the body, where a proxy answered 200.
    pub status: Option<u16>,
    /// The context length that the error states, in tokens.
    pub context_tokens: Option<u32>,
}

impl ErrorBody {
    /// Reads a body of any kind.
    pub fn parse(bytes: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => Self::from_value(&value),
            Err(_) => Self { message: plain_text(bytes), ..Self::default() },
        }
    }

    /// Reads the envelope, or what stands in its `error` field.
    pub fn from_value(value: &Value) -> Self {
        let mut body = Self::default();
        body.read(value);
        if body.message.is_empty() {
            body.message = value.to_string();
        }
        body.context_tokens = body.context_tokens.or_else(|| stated_context(&body.message));
        body
    }

    fn read(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.say(text),
            Value::Array(items) => items.iter().for_each(|item| self.read(item)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        ("code" | "type" | "status", Value::String(code)) => self.codes.push(code.to_lowercase()),
                        ("code" | "status" | "status_code", Value::Number(number)) => {
                            self.status = number.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| *n >= 300);
                        }
                        ("param", Value::String(param)) => self.params.push(param.clone()),
                        ("loc", Value::Array(path)) => self.params.extend(location(path)),
                        ("n_ctx", Value::Number(number)) => {
                            self.context_tokens = number.as_u64().and_then(|n| u32::try_from(n).ok());
                        }
                        ("msg", Value::String(text)) => self.say(text),
                        ("message" | "error" | "detail" | "innererror", _) => self.read(value),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn say(&mut self, text: &str) {
        if !self.message.is_empty() {
            self.message.push_str("; ");
        }
        self.message.push_str(text);
    }

    fn has_code(&self, part: &str) -> bool {
        self.codes.iter().any(|code| code.contains(part))
    }

    /// The code of a refusal with this HTTP status; of an error inside a 200 with its own status or words.
    pub fn classify(&self, http_status: u16) -> ErrorCode {
        let status = match http_status {
            200..=299 => self.status.unwrap_or(200),
            other => other,
        };
        let message = self.message.to_lowercase();
        let says = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
        let is = |parts: &[&str]| parts.iter().any(|part| self.has_code(part));
        // OpenAI and Gemini word a mere rate limit and an exhausted account alike: only codes decide between the two
        if status == 402
            || is(&["insufficient_quota", "spend_limit", "billing", "insufficient_balance", "insufficient_credit"])
            || says(&["insufficient balance", "credit balance is too low", "insufficient credits"])
        {
            return ErrorCode::Quota;
        }
        if matches!(status, 401 | 403) && !is(&["content"]) {
            return ErrorCode::Auth;
        }
        if status == 429 || is(&["rate_limit", "ratelimit", "too_many_requests", "resource_exhausted"]) {
            return ErrorCode::RateLimited;
        }
        if self.is_context(status, &message) {
            return ErrorCode::ContextTooSmall;
        }
        if is(&["content_filter", "content_policy", "responsibleai", "data_inspection", "safety"])
            || says(&["content management policy", "content exists risk"])
        {
            return ErrorCode::ContentFilter;
        }
        match status {
            503 | 529 => ErrorCode::Overloaded,
            408 | 409 | 425 | 500.. => ErrorCode::ServerError,
            300..=499 => ErrorCode::BadRequest,
            _ if is(&["overloaded", "unavailable"]) => ErrorCode::Overloaded,
            _ if is(&["authentication", "permission", "invalid_api_key", "unauthorized"]) => ErrorCode::Auth,
            _ if is(&["invalid_request", "badrequest", "bad_request", "not_found", "notfound"]) => {
                ErrorCode::BadRequest
            }
            _ => ErrorCode::ServerError,
        }
    }

    fn is_context(&self, status: u16, message: &str) -> bool {
        self.has_code("context_length_exceeded")
            || self.has_code("exceed_context_size")
            || self.params.iter().any(|param| param == "input_tokens")
            || status == 413
            || [
                "maximum context length",
                "exceeds the context",
                "exceed context",
                "exceeds the available context",
                "exceed the context",
                "context length exceeded",
                "context window",
                "context size",
                "model's context length",
                "prompt is too long",
                "input is too long",
                "input token count",
            ]
            .iter()
            .any(|text| message.contains(text))
    }
}

/// The field of a FastAPI location such as `["body", "seed"]`.
fn location(path: &[Value]) -> Option<String> {
    path.iter().filter_map(Value::as_str).find(|part| *part != "body").map(str::to_owned)
}

/// The number after the words for a context length.
fn stated_context(message: &str) -> Option<u32> {
    let lower = message.to_lowercase();
    ["maximum context length is ", "available context size (", "context window of ", "context length of "]
        .iter()
        .find_map(|words| lower.find(words).map(|at| &lower[at + words.len()..]))
        .and_then(|rest| {
            let digits: String =
                rest.chars().take_while(|c| c.is_ascii_digit() || *c == ',').filter(|c| *c != ',').collect();
            digits.parse().ok()
        })
}

/// Text of a body that is not JSON; of an HTML page its title.
fn plain_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(8192)]);
    let text = text.trim();
    if !text.starts_with('<') {
        return text.to_owned();
    }
    let title = text.find("<title>").and_then(|at| text[at + 7..].split('<').next()).unwrap_or("without a title");
    format!("an HTML page: {title}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorCode::{Auth, BadRequest, ContentFilter, ContextTooSmall, Overloaded, Quota, RateLimited, ServerError};

    #[test]
    fn every_known_wording_has_its_code() {
        let rows: &[(u16, &str, ErrorCode)] = &[
            (
                429,
                r#"{"error":{"message":"Rate limit reached for requests","type":"requests","code":"rate_limit_exceeded"}}"#,
                RateLimited,
            ),
            (
                429,
                r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
                Quota,
            ),
            (
                429,
                r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details","status":"RESOURCE_EXHAUSTED","code":429}}"#,
                RateLimited,
            ),
            (429, r#"{"type":"error","error":{"type":"enforced_spend_limit_reached","message":"limit"}}"#, Quota),
            (429, r#"{"error":{"code":"billing_hard_limit_reached","message":"x"}}"#, Quota),
            (429, "slow down", RateLimited),
            (402, r#"{"error":{"message":"Insufficient Balance","type":"unknown_error"}}"#, Quota),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#,
                Quota,
            ),
            (401, r#"{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}"#, Auth),
            (403, r#"{"detail":"Forbidden"}"#, Auth),
            (404, r#"{"detail":"Not Found"}"#, BadRequest),
            (404, "<html><head><title>404 Not Found</title></head></html>", BadRequest),
            (422, r#"{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required"}]}"#, BadRequest),
            (413, "<html><title>413 Request Entity Too Large</title></html>", ContextTooSmall),
            (
                400,
                r#"{"error":{"message":"blocked","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
                ContentFilter,
            ),
            (400, r#"{"error":{"message":"Content Exists Risk","type":"invalid_request_error"}}"#, ContentFilter),
            (
                400,
                r#"{"error":{"message":"prompt is too long: 210000 tokens > 200000 maximum","type":"invalid_request_error"}}"#,
                ContextTooSmall,
            ),
            (500, "Internal Server Error", ServerError),
            (502, "<html><title>502 Bad Gateway</title></html>", ServerError),
            (503, r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#, Overloaded),
            (529, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, Overloaded),
            (200, r#"{"error":{"message":"Provider returned error","code":502}}"#, ServerError),
            (200, r#"{"error":{"message":"Overloaded","type":"overloaded_error"}}"#, Overloaded),
            (200, r#"{"error":{"message":"limit","code":"rate_limit_exceeded"}}"#, RateLimited),
            (200, r#"{"error":{"message":"no","type":"authentication_error"}}"#, Auth),
            (200, r#"{"error":{"message":"no","type":"BadRequestError","code":400}}"#, BadRequest),
            (200, r#"{"error":"upstream gave up"}"#, ServerError),
            (302, "", BadRequest),
        ];
        for (status, body, code) in rows {
            assert_eq!(ErrorBody::parse(body.as_bytes()).classify(*status), *code, "{status} {body}");
        }
    }

    #[test]
    fn the_context_is_learned_from_the_words_or_the_field() {
        let learned = |body: &str| ErrorBody::parse(body.as_bytes()).context_tokens;
        assert_eq!(learned(r#"{"error":{"message":"too long","n_prompt_tokens":900,"n_ctx":512}}"#), Some(512));
        assert_eq!(
            learned(r#"{"error":{"message":"This model's maximum context length is 8,192 tokens. However"}}"#),
            Some(8192)
        );
        assert_eq!(learned(r#"{"error":{"message":"no number"}}"#), None);
    }

    #[test]
    fn messages_are_found_in_every_envelope() {
        let message = |body: &str| ErrorBody::parse(body.as_bytes()).message;
        assert_eq!(message(r#"{"error":{"message":"a"}}"#), "a");
        assert_eq!(message(r#"{"error":"a"}"#), "a");
        assert_eq!(message(r#"{"detail":"a"}"#), "a");
        assert_eq!(message(r#"{"object":"error","message":{"detail":[{"loc":["body","seed"],"msg":"a"}]}}"#), "a");
        assert_eq!(message("<html><title>a</title>"), "an HTML page: a");
        assert_eq!(message(r#"{"odd":1}"#), r#"{"odd":1}"#);
    }
}
