//! The endpoint without HTTP: admission, cache, faults and the answer of a call.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use agentwrite::call::{Finish, Usage};

use crate::brain::{Asked, Begun, Brain, CallKey, Said};
use crate::cache::{Chain, HashedMap, PrefixCache};
use crate::config::{SimulatorConfig, WhenFull};
use crate::faults::FaultKind;
use crate::limits::{LimitState, Limits};
use crate::stats::{End, Snapshot, Stats};
use crate::ticket::Ticket;
use crate::tokens;

/// One message of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn<'a> {
    /// `system`, `user` or `assistant`; anything else is taken too.
    pub role: Cow<'a, str>,
    /// Its text.
    pub content: Cow<'a, str>,
}

/// One request, whichever way it came.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// The model's name.
    pub model: Cow<'a, str>,
    /// The conversation, oldest first.
    pub turns: Vec<Turn<'a>>,
    /// Upper limit of answer tokens.
    pub max_tokens: Option<u64>,
    /// Whether a JSON schema came with it.
    pub schema: bool,
    /// Hash of the whole request.
    pub fingerprint: u64,
}

/// Why a request got no answer.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// HTTP status.
    pub status: u16,
    /// `error.code`.
    pub code: &'static str,
    /// `error.type`.
    pub kind: &'static str,
    /// `error.param`: the field that is to blame.
    pub param: Option<String>,
    /// `error.message`.
    pub message: String,
    /// When to come back.
    pub retry_after: Option<Duration>,
    pub(crate) limits: Box<LimitState>,
}

impl Rejection {
    /// A request that is wrong in itself.
    pub(crate) fn invalid(code: &'static str, param: Option<&str>, message: impl Into<String>) -> Self {
        Self::new(400, code, "invalid_request_error", message).about(param)
    }

    pub(crate) fn new(status: u16, code: &'static str, kind: &'static str, message: impl Into<String>) -> Self {
        let (param, retry_after, limits) = (None, None, Box::default());
        Self { status, code, kind, param, message: message.into(), retry_after, limits }
    }

    fn about(mut self, param: Option<&str>) -> Self {
        self.param = param.map(str::to_owned);
        self
    }

    fn throttled(message: impl Into<String>, retry_after: Duration) -> Self {
        let mut rejection = Self::new(429, "rate_limit_exceeded", "rate_limit_error", message);
        rejection.retry_after = Some(retry_after);
        rejection
    }
}

/// How an answer breaks on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The connection ends in the middle.
    Reset,
    /// Comments for ever.
    KeepAlive,
    /// The body is no JSON.
    Json,
    /// No finish reason; only a stream can lack one.
    NoFinish,
}

/// An answer that is ready to be delivered.
#[derive(Debug)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// Reasoning beside the text.
    pub reasoning: Option<String>,
    /// Why it ends.
    pub finish: Finish,
    /// Its tokens.
    pub usage: Usage,
    /// How it breaks, if it does.
    pub broken: Option<Broken>,
    /// Must be completed by whoever delivers the answer.
    pub ticket: Ticket,
    pub(crate) limits: LimitState,
}

/// An OpenAI-compatible endpoint, without its HTTP.
#[derive(Debug)]
pub struct Simulator {
    config: SimulatorConfig,
    brain: Brain,
    slots: Option<Arc<Semaphore>>,
    limits: Mutex<Limits>,
    cache: Option<Mutex<PrefixCache>>,
    books: Mutex<Books>,
    started: Instant,
}

#[derive(Debug, Default)]
struct Books {
    stats: Stats,
    /// How often each call was seen, for the faults.
    seen: HashedMap<CallKey, u32>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Simulator {
    /// Starts the clock; must run inside a tokio runtime if calls are to wait.
    pub fn new(config: SimulatorConfig) -> Arc<Self> {
        let started = Instant::now();
        let limits = Limits::new(config.rpm, config.tpm, config.burst_ms, started);
        let cache = (config.cache_tokens > 0).then(|| Mutex::new(PrefixCache::new(config.cache_tokens)));
        Arc::new(Self {
            brain: Brain::new(config.seed),
            slots: config.concurrency.map(|slots| Arc::new(Semaphore::new(slots))),
            limits: Mutex::new(limits),
            cache,
            books: Mutex::default(),
            started,
            config,
        })
    }

    /// What it was made with.
    pub fn config(&self) -> &SimulatorConfig {
        &self.config
    }

    /// Answers one request: waits for a slot, not for the answer's latency, which whoever delivers it keeps.
    pub async fn answer(self: &Arc<Self>, ask: &Ask<'_>) -> Result<Answer, Rejection> {
        let (turns, begun) = Begun::find(&ask.turns);
        let asked = self.brain.read(turns, ask.schema);
        let key = self.brain.key(&asked, &ask.model);
        let mut ticket = Ticket::new(Arc::clone(self), ask.fingerprint, key);
        lock(&self.books).stats.open(ask.fingerprint, key, self.started.elapsed());
        match self.admit(ask, &mut ticket, &asked, key).await {
            Ok((prompt, fault)) => {
                let said = self.brain.say(&asked, &ask.model, begun, fault);
                Ok(self.say(ask, ticket, said, prompt, fault))
            }
            Err(mut rejection) => {
                rejection.limits = Box::new(self.limit_state());
                ticket.refuse(rejection.status);
                Err(rejection)
            }
        }
    }

    async fn admit(
        &self,
        ask: &Ask<'_>,
        ticket: &mut Ticket,
        asked: &Asked<'_>,
        key: CallKey,
    ) -> Result<(Chain, Option<(FaultKind, u64)>), Rejection> {
        self.check(ask)?;
        let prompt = self.measure(ask);
        if let Some(context) = self.config.context_tokens.filter(|&context| prompt.tokens() > context)
            && !self.config.drop_front
        {
            let message = format!(
                "This model's maximum context length is {context} tokens. However, your messages resulted in {} tokens.",
                prompt.tokens()
            );
            return Err(Rejection::invalid("context_length_exceeded", Some("messages"), message));
        }
        let charge = prompt.tokens() + ask.max_tokens.unwrap_or(1024);
        lock(&self.limits)
            .take(charge, Instant::now())
            .map_err(|wait| Rejection::throttled("Rate limit reached for requests or tokens per minute.", wait))?;
        ticket.charge(charge);
        self.take_slot(ticket).await?;
        let fault = self.draw(key, asked.is_plan());
        match fault {
            Some((FaultKind::Rate429, _)) => {
                Err(Rejection::throttled("Too many requests, slow down.", self.retry_after()))
            }
            Some((FaultKind::Rate500, _)) => {
                Err(Rejection::new(500, "internal_error", "server_error", "The server had an error."))
            }
            Some((FaultKind::Rate503, _)) => {
                Err(Rejection::new(503, "overloaded", "server_error", "The engine is overloaded, try again later."))
            }
            fault => Ok((prompt, fault)),
        }
    }

    fn check(&self, ask: &Ask<'_>) -> Result<(), Rejection> {
        if ask.turns.is_empty() {
            return Err(Rejection::invalid("missing_messages", Some("messages"), "messages must not be empty"));
        }
        if !self.config.models.is_empty() && self.config.models.iter().all(|model| *model != ask.model) {
            let message = format!("The model `{}` does not exist.", ask.model);
            return Err(Rejection::new(404, "model_not_found", "invalid_request_error", message).about(Some("model")));
        }
        if ask.schema && !self.config.json_schema {
            let message = "Unrecognized request argument supplied: response_format";
            return Err(Rejection::invalid("unsupported_parameter", Some("response_format"), message));
        }
        Ok(())
    }

    async fn take_slot(&self, ticket: &mut Ticket) -> Result<(), Rejection> {
        let Some(slots) = &self.slots else { return Ok(()) };
        if let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
            ticket.hold(slot);
            return Ok(());
        }
        if self.config.when_full == WhenFull::Reject {
            return Err(Rejection::throttled("Too many concurrent requests.", self.retry_after()));
        }
        let _queued = Queued::new(self);
        let slot = Arc::clone(slots).acquire_owned().await;
        ticket.hold(slot.expect("the semaphore is never closed"));
        Ok(())
    }

    fn draw(&self, key: CallKey, plan: bool) -> Option<(FaultKind, u64)> {
        let mut books = lock(&self.books);
        let nth = books.seen.entry(key).or_default();
        let fault = self.config.faults.draw(self.config.seed, key.mixed(), *nth, plan);
        *nth += 1;
        if let Some((kind, _)) = fault {
            books.stats.plant(kind);
        }
        fault
    }

    fn say(
        &self,
        ask: &Ask<'_>,
        mut ticket: Ticket,
        said: Said,
        mut prompt: Chain,
        fault: Option<(FaultKind, u64)>,
    ) -> Answer {
        let Said { mut text, reasoning, mut finish, broken } = said;
        let reasoning_tokens = reasoning.as_deref().map_or(0, tokens::estimate);
        let limit = ask.max_tokens.unwrap_or(u64::MAX).saturating_sub(reasoning_tokens);
        if tokens::estimate(&text) > limit {
            text.truncate(tokens::cut(&text, limit).len());
            finish = Finish::Length;
        }
        let completion = tokens::estimate(&text) + reasoning_tokens;
        let (mut prompt_tokens, mut cached) = (prompt.tokens(), 0);
        if let Some(cache) = &self.cache {
            let asked_blocks = prompt.blocks().len();
            prompt.feed(b"\0assistant\0");
            prompt.feed(text.as_bytes());
            let mut cache = lock(cache);
            let hit = cache.look_up(&prompt.blocks()[..asked_blocks]);
            cache.store(prompt.blocks());
            cached = hit.cached;
            lock(&self.books).stats.prompt(prompt_tokens, hit.cached, hit.cacheable);
        } else {
            lock(&self.books).stats.prompt(prompt_tokens, 0, 0);
        }
        if let Some((FaultKind::DropFront, _)) = fault {
            prompt_tokens /= 2;
        }
        if let Some(context) = self.config.context_tokens.filter(|&context| prompt_tokens > context) {
            prompt_tokens = context / 2;
        }
        cached = cached.min(prompt_tokens);
        ticket.expect(prompt_tokens, completion, fault.is_none(), broken == Some(Broken::KeepAlive));
        let usage = Usage {
            prompt_tokens,
            cached_tokens: cached,
            completion_tokens: completion,
            reasoning_tokens,
            reported: self.config.report_usage,
        };
        Answer { text, reasoning, finish, usage, broken, ticket, limits: self.limit_state() }
    }

    /// Cuts the prompt into cache blocks and counts its tokens, in one pass.
    fn measure(&self, ask: &Ask<'_>) -> Chain {
        let block = if self.cache.is_some() { self.config.cache_block_tokens.max(1) as usize * 4 } else { 0 };
        let mut chain = Chain::new(block);
        for turn in &ask.turns {
            chain.feed(b"\0");
            chain.feed(turn.role.as_bytes());
            chain.feed(b"\0");
            chain.feed(turn.content.as_bytes());
        }
        chain
    }

    fn retry_after(&self) -> Duration {
        Duration::from_millis(self.config.retry_after_ms)
    }

    /// Replaces the limits of a running simulator; both buckets start full.
    pub fn set_limits(&self, rpm: Option<u64>, tpm: Option<u64>) {
        *lock(&self.limits) = Limits::new(rpm, tpm, self.config.burst_ms, Instant::now());
    }

    fn limit_state(&self) -> LimitState {
        lock(&self.limits).state(Instant::now())
    }

    pub(crate) fn settle(&self, unused: u64) {
        if unused > 0 {
            lock(&self.limits).refund(unused, Instant::now());
        }
    }

    pub(crate) fn close(&self, fingerprint: u64, key: CallKey, end: End, tokens: (u64, u64)) {
        lock(&self.books).stats.close(fingerprint, key, end, tokens, self.started.elapsed());
    }

    /// The counts so far; `steps` adds those by instruction and step.
    pub fn stats(&self, steps: bool) -> Snapshot {
        lock(&self.books).stats.snapshot(steps)
    }

    /// Sets the counts to zero; the cache and the memory of seen calls stay.
    pub fn reset_stats(&self) {
        lock(&self.books).stats.reset();
    }
}

/// Counts a call as queued while it waits, also when it is dropped there.
struct Queued<'a>(&'a Simulator);

impl<'a> Queued<'a> {
    fn new(simulator: &'a Simulator) -> Self {
        lock(&simulator.books).stats.queue();
        Self(simulator)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        lock(&self.0.books).stats.leave_queue();
    }
}

/// The fingerprint of a request that came as bytes.
pub(crate) fn fingerprint(body: &[u8]) -> u64 {
    xxh3_64(body)
}
