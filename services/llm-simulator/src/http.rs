//! The simulator over HTTP/1.1: `/v1/chat/completions`, `/v1/models`, `/stats`, `/reset`, `/limits`, `/health`.

mod delivery;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::SimulatorConfig;
use crate::limits::LimitState;
use crate::simulator::{Answer, Broken, Rejection, Simulator};
use crate::stats::Snapshot;
use crate::wire::{self, Call, Step, Written};
use delivery::{Delivery, Ending};

/// Longest request body in bytes.
const BODY_LIMIT: usize = 64 << 20;

#[derive(Clone)]
struct App {
    simulator: Arc<Simulator>,
    shutdown: CancellationToken,
    ids: Arc<AtomicU64>,
}

/// Serves a new simulator until `shutdown`; answers under way then break off.
pub async fn serve(listener: TcpListener, config: SimulatorConfig, shutdown: CancellationToken) -> io::Result<()> {
    serve_simulator(listener, Simulator::new(config), shutdown).await
}

/// Serves a simulator that others hold too.
pub async fn serve_simulator(
    listener: TcpListener,
    simulator: Arc<Simulator>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let app = App { simulator, shutdown: shutdown.clone(), ids: Arc::default() };
    let router = Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/models", get(models))
        .route("/stats", get(stats))
        .route("/reset", post(reset))
        .route("/limits", post(limits))
        .route("/health", get(async || "ok\n"))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(app);
    let listener = listener.tap_io(|connection| {
        // Without it the delayed acknowledgements of the client cost up to 40 ms per event. Its failure means the
        // connection is gone already.
        let _ = connection.set_nodelay(true);
    });
    axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// A simulator that serves in the background.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// The simulator itself.
    pub simulator: Arc<Simulator>,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    /// The base URL for clients, without a slash at its end.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Breaks off what is under way, closes the port and waits for both.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Starts a simulator on `address` (port 0 = any free one).
pub async fn spawn(config: SimulatorConfig, address: SocketAddr) -> io::Result<Running> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let (simulator, shutdown, tasks) = (Simulator::new(config), CancellationToken::new(), TaskTracker::new());
    tasks.spawn(serve_simulator(listener, Arc::clone(&simulator), shutdown.clone()));
    Ok(Running { address, simulator, shutdown, tasks })
}

async fn chat(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(rejection) = authorize(&app.simulator, &headers) {
        return reject(&rejection);
    }
    let call = match wire::read(&body, &app.simulator.config().refused_fields) {
        Ok(call) => call,
        Err(rejection) => return reject(&rejection),
    };
    let answered = tokio::select! {
        biased;
        answered = app.simulator.answer(&call.ask) => answered,
        () = app.shutdown.cancelled() => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    match answered {
        Ok(answer) => deliver(&app, &call, answer),
        Err(rejection) => reject(&rejection),
    }
}

fn authorize(simulator: &Simulator, headers: &HeaderMap) -> Result<(), Rejection> {
    let Some(key) = &simulator.config().api_key else { return Ok(()) };
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given.and_then(|value| value.strip_prefix("Bearer ")) == Some(key) {
        return Ok(());
    }
    Err(Rejection::new(401, "invalid_api_key", "authentication_error", "Incorrect API key provided."))
}

fn deliver(app: &App, call: &Call<'_>, answer: Answer) -> Response {
    let Answer { text, reasoning, finish, usage, broken, ticket, limits } = answer;
    // A whole answer always states a finish reason.
    let broken = broken.filter(|&broken| call.stream || broken != Broken::NoFinish);
    let id = app.ids.fetch_add(1, Ordering::Relaxed);
    let written = Written {
        text: &text,
        reasoning: reasoning.as_deref(),
        finish,
        usage: &usage,
        broken,
        model: &call.ask.model,
        id,
    };
    let keep_alive = Duration::from_millis(app.simulator.config().keep_alive_ms);
    let (steps, ending) = match broken {
        Some(Broken::KeepAlive) => {
            let line: &'static [u8] = if call.stream { b": keep-alive\n\n" } else { b"\n" };
            (Vec::new(), Ending::Never { line, every: keep_alive })
        }
        Some(Broken::Reset) => (steps(app, call, &written), Ending::Break),
        Some(Broken::Json | Broken::NoFinish) | None => (steps(app, call, &written), Ending::Complete),
    };
    let delivery = Delivery::new(steps, ending, ticket, app.shutdown.clone());
    let mut response = Response::new(Body::from_stream(delivery.into_stream()));
    let headers = response.headers_mut();
    let kind = if call.stream { "text/event-stream" } else { "application/json" };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    state_limits(headers, &limits);
    response
}

fn steps(app: &App, call: &Call<'_>, written: &Written<'_>) -> Vec<Step> {
    if call.stream {
        return wire::events(written, call.include_usage, &app.simulator);
    }
    let mut body = wire::whole(written);
    if matches!(written.broken, Some(Broken::Reset | Broken::Json)) {
        body.truncate(body.len() * 2 / 3);
    }
    let tokens = written.usage.completion_tokens;
    let wait = app.simulator.config().waits(tokens, 1)[0];
    vec![Step { wait, bytes: body.into(), tokens }]
}

fn reject(rejection: &Rejection) -> Response {
    let status = StatusCode::from_u16(rejection.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(wire::error(rejection))).into_response();
    let headers = response.headers_mut();
    if let Some(wait) = rejection.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_millis().div_ceil(1000).max(1) as u64));
        headers.insert(HeaderName::from_static("retry-after-ms"), HeaderValue::from(wait.as_millis().max(1) as u64));
    }
    state_limits(headers, &rejection.limits);
    response
}

/// `x-ratelimit-*` as OpenAI writes them; resets as `1.250s`.
fn state_limits(headers: &mut HeaderMap, limits: &LimitState) {
    const REQUESTS: [&str; 3] =
        ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"];
    const TOKENS: [&str; 3] = ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"];
    for (names, state) in [(REQUESTS, limits.requests), (TOKENS, limits.tokens)] {
        let Some((limit, left, reset)) = state else { continue };
        let reset = HeaderValue::from_str(&format!("{:.3}s", reset.as_secs_f64()));
        let values =
            [HeaderValue::from(limit), HeaderValue::from(left), reset.unwrap_or(HeaderValue::from_static("0s"))];
        for (name, value) in names.into_iter().zip(values) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// The models with their context, as vLLM (`max_model_len`) and as llama.cpp (`meta.n_ctx`) state it.
async fn models(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Err(rejection) = authorize(&app.simulator, &headers) {
        return reject(&rejection);
    }
    let config = app.simulator.config();
    let any = ["simulated".to_owned()];
    let names = if config.models.is_empty() { any.as_slice() } else { &config.models };
    let model = |name: &String| {
        let mut model = json!({"id": name, "object": "model", "created": 1_735_689_600, "owned_by": "llm-simulator"});
        if let Some(context) = config.context_tokens {
            model["max_model_len"] = context.into();
            model["meta"] = json!({ "n_ctx": context });
        }
        model
    };
    Json(json!({"object": "list", "data": names.iter().map(model).collect::<Vec<Value>>()})).into_response()
}

#[derive(Deserialize)]
struct StatsQuery {
    #[serde(default)]
    steps: u8,
}

async fn stats(State(app): State<App>, Query(query): Query<StatsQuery>) -> Json<Snapshot> {
    Json(app.simulator.stats(query.steps > 0))
}

async fn reset(State(app): State<App>) -> Json<Value> {
    app.simulator.reset_stats();
    Json(json!({"schema": 1}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLimits {
    rpm: Option<u64>,
    tpm: Option<u64>,
}

async fn limits(State(app): State<App>, Json(new): Json<NewLimits>) -> Json<Value> {
    app.simulator.set_limits(new.rpm, new.tpm);
    Json(json!({"schema": 1, "rpm": new.rpm, "tpm": new.tpm}))
}
