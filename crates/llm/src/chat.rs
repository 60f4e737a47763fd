//! One endpoint as a `ChatModel`: sends a request, watches its stream, says what came of it.
//!
//! Nothing is retried here but a call whose optional field the endpoint refused; all other retries belong to the
//! worker. Dropping the future closes the connection, which makes servers stop generating.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use agentwrite::call::{CallFailure, ChatAnswer, ChatRequest, StatedLimits, Usage};
use agentwrite::failure::ErrorCode;
use agentwrite::ports::ChatModel;
use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::ExposeSecret;
use tokio::time::Instant;

use crate::base_url::BaseUrl;
use crate::body::Body;
use crate::endpoint::{AffinityField, EndpointConfig, EndpointError, JsonSchema};
use crate::error_body::ErrorBody;
use crate::fields::{Field, Refused, refused_field};
use crate::headers::{retry_after, stated_limits};
use crate::http_client::http_client;
use crate::patience::Patience;
use crate::receiver::{Broken, Received, Receiver};
use crate::secrets::clean_message;

/// How often one call is sent again because a field was refused.
const MAX_REWRITES: usize = 4;

/// How much of an error's body is read, and for how long.
const MAX_ERROR_BYTES: usize = 64 << 10;
const ERROR_BODY_WAIT: Duration = Duration::from_secs(5);

/// How long usage may lag behind the finish reason; after it the answer counts without.
const USAGE_WAIT: Duration = Duration::from_secs(5);

/// How long the end of the body may lag behind `[DONE]`; a connection whose body was read to its end is used again.
const END_WAIT: Duration = Duration::from_millis(50);

/// The client of one endpoint.
pub struct HttpChat {
    config: EndpointConfig,
    base: BaseUrl,
    chat_url: Url,
    client: Client,
    affinity_header: Option<HeaderName>,
    refused: Refused,
    /// Learned from the endpoint; 0 = nothing yet.
    context_tokens: AtomicU32,
}

/// An answer and what only a preflight wants to know about it.
pub(crate) struct Reply {
    pub answer: ChatAnswer,
    pub cached_reported: bool,
}

impl HttpChat {
    /// A client with its own connections. Fails if URL, key or header name cannot be used; makes no call.
    pub fn new(config: EndpointConfig) -> Result<Self, EndpointError> {
        let base = BaseUrl::parse(&config.base_url)?;
        let client = http_client(&config, &base)?;
        let affinity_header = match &config.affinity {
            Some(AffinityField::Header(name)) => {
                Some(name.parse::<HeaderName>().map_err(|_| EndpointError::HeaderName(name.clone()))?)
            }
            _ => None,
        };
        Ok(Self {
            chat_url: base.join("chat/completions"),
            config,
            base,
            client,
            affinity_header,
            refused: Refused::default(),
            context_tokens: AtomicU32::new(0),
        })
    }

    /// The configuration.
    pub fn config(&self) -> &EndpointConfig {
        &self.config
    }

    /// The normalised URL.
    pub fn base_url(&self) -> &BaseUrl {
        &self.base
    }

    /// Tokens of prompt and answer together: configured, else as the endpoint has said so far.
    pub fn context_tokens(&self) -> Option<u32> {
        self.config.context_tokens.or_else(|| Some(self.context_tokens.load(Ordering::Relaxed)).filter(|n| *n > 0))
    }

    /// The optional fields that the endpoint has refused so far.
    pub fn dropped(&self) -> Vec<String> {
        self.refused.names(self.affinity_field())
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn learn_context(&self, tokens: Option<u32>) {
        if let Some(tokens) = tokens {
            self.context_tokens.store(tokens, Ordering::Relaxed);
        }
    }

    /// Words that may be shown and stored: short, one line, without the key.
    pub(crate) fn clean(&self, message: &str) -> String {
        clean_message(message, self.config.api_key.as_ref().map(|key| key.expose_secret().trim()))
    }

    fn affinity_field(&self) -> &str {
        match &self.config.affinity {
            Some(AffinityField::Body(name)) => name,
            _ => "",
        }
    }

    pub(crate) async fn ask(
        &self,
        request: ChatRequest,
        heard: &(dyn Fn() + Send + Sync),
    ) -> Result<Reply, CallFailure> {
        let mut body = Body::new(request, &self.config, self.refused.snapshot());
        for rewrites in 0.. {
            let started = Instant::now();
            let mut patience = Patience::new(self.config.timeouts.first_token);
            let response = self.send(&body, &mut patience).await?;
            if response.status().is_success() {
                let prompt_tokens = body.prompt_tokens;
                drop(body);
                return self.receive(response, patience, started, prompt_tokens, heard).await;
            }
            let failure = self.refusal(response, &body).await;
            match failure {
                Refusal::Field(field) if rewrites < MAX_REWRITES => {
                    let name = field.name(self.affinity_field());
                    tracing::warn!(
                        endpoint = self.config.name,
                        field = name,
                        "the endpoint refuses a field; going on without it"
                    );
                    self.refused.learn(field);
                    body.rewrite(&self.config, self.refused.snapshot());
                }
                Refusal::Field(_) => break,
                Refusal::Final(failure) => return Err(*failure),
            }
        }
        Err(self.failure(ErrorCode::BadRequest, "the endpoint refuses one optional field after another"))
    }

    async fn send(&self, body: &Body, patience: &mut Patience) -> Result<Response, CallFailure> {
        let mut call = self.client.post(self.chat_url.clone()).body(self.payload(body));
        if let (Some(name), Ok(value)) = (&self.affinity_header, HeaderValue::from_str(body.affinity())) {
            call = call.header(name, value);
        }
        let paid = Usage { prompt_tokens: body.prompt_tokens, ..Usage::default() };
        match patience.wait(call.send()).await {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) if error.is_connect() || error.is_timeout() || error.is_builder() => {
                Err(self.failure(ErrorCode::Connection, &describe(error)))
            }
            Some(Err(error)) => Err(CallFailure { usage: paid, ..self.failure(ErrorCode::Reset, &describe(error)) }),
            None => {
                Err(CallFailure { usage: paid, ..self.failure(ErrorCode::FirstTokenTimeout, &self.too_slow(None)) })
            }
        }
    }

    /// The body as it is sent. Over HTTP/2 in one piece: a server that closes a connection gracefully refuses streams, and
    /// the client may only send those again whose body it can copy.
    fn payload(&self, body: &Body) -> reqwest::Body {
        if body.has_shared() && !self.config.http2 { reqwest::Body::wrap(body.upload()) } else { body.bytes().into() }
    }

    /// Reads an answer with a status of success to its end.
    async fn receive(
        &self,
        mut response: Response,
        mut patience: Patience,
        started: Instant,
        prompt_tokens: u64,
        heard: &(dyn Fn() + Send + Sync),
    ) -> Result<Reply, CallFailure> {
        let status = response.status().as_u16();
        let headers = std::mem::take(response.headers_mut());
        let mut receiver = Receiver::new(self.config.max_answer_bytes);
        let (mut first_token, mut finished) = (None, false);
        let broken = loop {
            match patience.wait(response.chunk()).await {
                Some(Ok(Some(piece))) => {
                    let progress = receiver.push(&piece);
                    if progress.token && !finished {
                        first_token.get_or_insert_with(|| {
                            heard();
                            started.elapsed()
                        });
                        patience.renew(self.config.timeouts.idle);
                    }
                    if progress.done {
                        patience.renew(END_WAIT);
                        let _ = patience.wait(read_to_end(&mut response)).await;
                        break None;
                    }
                    // once: what comes after the finish reason buys no further time
                    if progress.finished && !std::mem::replace(&mut finished, true) {
                        patience.renew(USAGE_WAIT.min(self.config.timeouts.idle));
                    }
                }
                Some(Ok(None)) => break None,
                Some(Err(error)) => break Some(Broken::new(ErrorCode::Reset, describe(error))),
                None => {
                    let code =
                        if first_token.is_some() { ErrorCode::IdleTimeout } else { ErrorCode::FirstTokenTimeout };
                    break Some(Broken::new(code, self.too_slow(first_token)));
                }
            }
        };
        let outcome = receiver.finish(broken, prompt_tokens);
        let total = started.elapsed();
        self.reply(outcome, status, &headers, (first_token.unwrap_or(total), total)).map_err(|failure| *failure)
    }

    fn reply(
        &self,
        received: Received,
        status: u16,
        headers: &HeaderMap,
        (first_token, total): (Duration, Duration),
    ) -> Result<Reply, Box<CallFailure>> {
        let limits = stated_limits(headers);
        let finish = received.outcome.map_err(|broken| {
            Box::new(CallFailure {
                code: broken.code,
                status: Some(status),
                retry_after: retry_after(headers),
                message: self.clean(&broken.message),
                usage: received.usage,
                partial: received.text.clone(),
                limits,
            })
        })?;
        let answer = ChatAnswer {
            text: received.text,
            finish,
            usage: received.usage,
            had_reasoning: received.had_reasoning,
            model: received.model,
            response_id: received.id,
            first_token,
            total,
            limits,
        };
        Ok(Reply { answer, cached_reported: received.cached_reported })
    }

    /// Reads a refusal: a field that one can do without, or the end of this call.
    async fn refusal(&self, mut response: Response, body: &Body) -> Refusal {
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let mut error = ErrorBody::parse(&read_error(response).await);
        if status.is_redirection() {
            error.message = redirect_message(&headers, &self.base);
        }
        let code = error.classify(status.as_u16());
        if code == ErrorCode::ContextTooSmall {
            self.learn_context(error.context_tokens);
        }
        if code == ErrorCode::BadRequest
            && matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY)
            && let Some(field) = refused_field(&error, body.sent(), self.affinity_field())
            && !(field == Field::ResponseFormat && self.config.json_schema == JsonSchema::Yes)
        {
            return Refusal::Field(field);
        }
        let message = if error.message.is_empty() { format!("HTTP {status}") } else { error.message };
        Refusal::Final(Box::new(CallFailure {
            status: Some(status.as_u16()),
            retry_after: retry_after(&headers),
            limits: stated_limits(&headers),
            ..self.failure(code, &message)
        }))
    }

    fn failure(&self, code: ErrorCode, message: &str) -> CallFailure {
        CallFailure { limits: StatedLimits::default(), ..CallFailure::new(code, self.clean(message)) }
    }

    fn too_slow(&self, first_token: Option<Duration>) -> String {
        match first_token {
            None => format!("no token within {:?}", self.config.timeouts.first_token),
            Some(_) => format!("no further token within {:?}", self.config.timeouts.idle),
        }
    }
}

enum Refusal {
    Field(Field),
    Final(Box<CallFailure>),
}

#[async_trait]
impl ChatModel for HttpChat {
    async fn chat(&self, request: ChatRequest) -> Result<ChatAnswer, CallFailure> {
        Ok(self.ask(request, &|| ()).await?.answer)
    }

    async fn chat_heard(
        &self,
        request: ChatRequest,
        heard: &(dyn Fn() + Send + Sync),
    ) -> Result<ChatAnswer, CallFailure> {
        Ok(self.ask(request, heard).await?.answer)
    }
}

impl fmt::Debug for HttpChat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpChat")
            .field("name", &self.config.name)
            .field("base_url", &self.base.as_str())
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

async fn read_to_end(response: &mut Response) {
    while let Ok(Some(_)) = response.chunk().await {}
}

/// As much of an error's body as is worth reading.
async fn read_error(mut response: Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut patience = Patience::new(ERROR_BODY_WAIT);
    while let Some(Ok(Some(piece))) = patience.wait(response.chunk()).await {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MAX_ERROR_BYTES {
            bytes.truncate(MAX_ERROR_BYTES);
            break;
        }
    }
    bytes
}

fn redirect_message(headers: &HeaderMap, base: &BaseUrl) -> String {
    let target = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    // of the target only what cannot hold a secret
    let target = target
        .and_then(|text| base.join("chat/completions").join(text).ok())
        .map(|url| format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path()));
    let target = target.unwrap_or_else(|| "elsewhere".to_owned());
    format!("the endpoint redirects to {target}; redirects are not followed, put the final URL into base_url")
}

/// An error with its causes, without the URL.
pub(crate) fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
