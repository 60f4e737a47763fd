//! The simulator behind the `ChatModel` port, without HTTP: for the deterministic simulation of the whole system. All
//! time is tokio's, so a paused clock works.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use agentwrite::call::{CallFailure, ChatAnswer, ChatRequest, Role, Usage};
use agentwrite::failure::ErrorCode;
use agentwrite::ports::ChatModel;
use agentwrite::rope::Rope;

use crate::simulator::{Answer, Ask, Broken, Rejection, Simulator, Turn, fingerprint};
use crate::tokens;

/// A pool of one simulated endpoint.
#[derive(Debug, Clone)]
pub struct InProcess {
    simulator: Arc<Simulator>,
    first_token_limit: Duration,
}

impl InProcess {
    /// `first_token_limit` ends calls that an endless keep-alive would hold for ever.
    pub fn new(simulator: Arc<Simulator>, first_token_limit: Duration) -> Self {
        Self { simulator, first_token_limit }
    }

    /// The simulator behind it.
    pub fn simulator(&self) -> &Arc<Simulator> {
        &self.simulator
    }

    async fn deliver(&self, answer: Answer, model: String, sent: Instant) -> Result<ChatAnswer, CallFailure> {
        let Answer { text, reasoning, finish, usage, broken, mut ticket, limits } = answer;
        let waits = self.simulator.config().waits(usage.completion_tokens, 2);
        if broken == Some(Broken::KeepAlive) {
            sleep(self.first_token_limit).await;
            ticket.break_off();
            return Err(CallFailure::new(ErrorCode::FirstTokenTimeout, "no first token within the limit"));
        }
        pause(waits[0]).await;
        let first_token = sent.elapsed();
        ticket.deliver(usage.completion_tokens / 2);
        if broken == Some(Broken::Reset) {
            ticket.break_off();
            return Err(broken_off(ErrorCode::Reset, "the connection broke", &text[..half(&text)], &usage));
        }
        pause(waits[1]).await;
        ticket.deliver(usage.completion_tokens - usage.completion_tokens / 2);
        ticket.complete();
        match broken {
            Some(Broken::Json) => Err(broken_off(ErrorCode::BadResponse, "the body is no JSON", &text, &usage)),
            Some(Broken::NoFinish) => {
                Err(broken_off(ErrorCode::Cut, "the stream ended without a finish reason", &text, &usage))
            }
            Some(Broken::Reset | Broken::KeepAlive) | None => Ok(ChatAnswer {
                usage: Self::seen(usage, &text),
                text,
                finish,
                had_reasoning: reasoning.is_some(),
                model: Some(model),
                response_id: None,
                first_token,
                total: sent.elapsed(),
                limits: limits.into(),
            }),
        }
    }

    /// What a client can know of the usage: an estimate, where the endpoint states none.
    fn seen(usage: Usage, text: &str) -> Usage {
        if usage.reported {
            return usage;
        }
        Usage { cached_tokens: 0, reasoning_tokens: 0, completion_tokens: tokens::estimate(text), ..usage }
    }
}

async fn pause(wait: Duration) {
    if !wait.is_zero() {
        sleep(wait).await;
    }
}

fn half(text: &str) -> usize {
    (text.len() / 2..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len())
}

fn broken_off(code: ErrorCode, message: &str, partial: &str, usage: &Usage) -> CallFailure {
    let completion_tokens = tokens::estimate(partial);
    let usage = Usage { completion_tokens, cached_tokens: 0, reported: false, ..*usage };
    CallFailure { usage, status: Some(200), partial: partial.to_owned(), ..CallFailure::new(code, message) }
}

fn failure(rejection: Rejection) -> CallFailure {
    let code = match rejection.status {
        429 => ErrorCode::RateLimited,
        401 | 403 => ErrorCode::Auth,
        503 => ErrorCode::Overloaded,
        500.. => ErrorCode::ServerError,
        _ if rejection.code == "context_length_exceeded" => ErrorCode::ContextTooSmall,
        _ => ErrorCode::BadRequest,
    };
    CallFailure {
        status: Some(rejection.status),
        retry_after: rejection.retry_after,
        limits: (*rejection.limits).into(),
        ..CallFailure::new(code, rejection.message)
    }
}

/// Everything that a body would state, so that two requests are the same exactly if their bodies would be.
fn request_fingerprint(request: &ChatRequest) -> u64 {
    let mut all = String::new();
    let ChatRequest { model, temperature, top_p, max_tokens, seed, schema, extra_body, affinity, messages, go_on } =
        request;
    write!(
        all,
        "{model}\0{temperature}\0{top_p:?}\0{max_tokens}\0{seed}\0{schema:?}\0{extra_body:?}\0{affinity}\0{go_on:?}"
    )
    .expect("writing to a string cannot fail");
    for message in messages {
        write!(all, "\0{:?}\0{}", message.role, message.content).expect("writing to a string cannot fail");
    }
    fingerprint(all.as_bytes())
}

#[async_trait]
impl ChatModel for InProcess {
    async fn chat(&self, request: ChatRequest) -> Result<ChatAnswer, CallFailure> {
        let sent = Instant::now();
        let turn = |message: &'_ agentwrite::call::Message<Rope>| {
            let role = match message.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            (role, message.content.to_string())
        };
        let turns = request.messages.iter().map(turn);
        let ask = Ask {
            model: Cow::Borrowed(&request.model),
            turns: turns
                .chain(request.go_on.iter().map(|go_on| ("user", go_on.clone())))
                .map(|(role, content)| Turn { role: Cow::Borrowed(role), content: Cow::Owned(content) })
                .collect(),
            max_tokens: Some(u64::from(request.max_tokens)),
            schema: request.schema.is_some(),
            fingerprint: request_fingerprint(&request),
        };
        let answer = self.simulator.answer(&ask).await.map_err(failure)?;
        self.deliver(answer, request.model.clone(), sent).await
    }
}
