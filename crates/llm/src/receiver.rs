//! Makes one answer of the bytes that a server sends: a stream of events, or one JSON body where the server ignores
//! `stream`. Pure: it knows nothing of sockets and clocks.

use agentwrite::call::{Finish, Usage};
use agentwrite::failure::ErrorCode;

use crate::error_body::ErrorBody;
use crate::estimate::TextSize;
use crate::sse::{Event, SseParser};
use crate::think::ThinkFilter;
use crate::wire::{Chunk, Said, WireUsage};

/// What one piece of the body brought.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Text or reasoning came.
    pub token: bool,
    /// The finish reason has come (before or now): the answer is whole even if nothing follows.
    pub finished: bool,
    /// Nothing more will come.
    pub done: bool,
}

/// Why there is no complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// The code.
    pub code: ErrorCode,
    /// The endpoint's words or ours.
    pub message: String,
}

impl Broken {
    /// A code and words.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// An answer, or as much of one as came.
#[derive(Debug)]
pub(crate) struct Received {
    /// The text without reasoning.
    pub text: String,
    /// The finish reason, unless the answer is no good.
    pub outcome: Result<Finish, Broken>,
    /// Tokens; estimated if not reported.
    pub usage: Usage,
    /// Whether the endpoint said how many tokens were cached.
    pub cached_reported: bool,
    /// Whether reasoning came.
    pub had_reasoning: bool,
    /// The model as reported.
    pub model: Option<String>,
    /// The answer's id.
    pub id: Option<String>,
}

#[derive(Debug)]
enum Mode {
    /// Nothing but white space has come.
    Unknown,
    Events(SseParser),
    Json(Vec<u8>),
}

/// Takes a body piece by piece.
#[derive(Debug)]
pub(crate) struct Receiver {
    mode: Mode,
    max_bytes: usize,
    answer: Answer,
}

impl Receiver {
    /// A receiver for an answer of at most `max_bytes`, reasoning included.
    pub fn new(max_bytes: usize) -> Self {
        Self { mode: Mode::Unknown, max_bytes, answer: Answer { max_bytes, ..Answer::default() } }
    }

    /// Takes the next piece.
    pub fn push(&mut self, mut piece: &[u8]) -> Progress {
        if let Mode::Unknown = self.mode {
            // some servers send blank lines or comments while a request waits
            let came = piece.len();
            piece = piece.trim_ascii_start();
            self.answer.kept_waiting |= piece.len() < came || piece.first() == Some(&b':');
            match piece.first() {
                None => return self.answer.progress,
                Some(b'{') => self.mode = Mode::Json(Vec::new()),
                Some(b'<') => {
                    let page = ErrorBody::parse(piece).message;
                    self.answer.fail(ErrorCode::BadResponse, format!("{page} instead of an answer"));
                }
                Some(_) => self.mode = Mode::Events(SseParser::new(self.max_bytes)),
            }
        }
        self.answer.progress.token = false;
        match &mut self.mode {
            Mode::Unknown => {}
            Mode::Events(parser) => {
                let answer = &mut self.answer;
                if parser.push(piece, &mut |event| answer.take_event(event)).is_err() {
                    self.answer.fail(ErrorCode::BadResponse, "an event of the stream is too large");
                }
            }
            Mode::Json(body) => {
                body.extend_from_slice(piece);
                if body.len() > 2 * self.max_bytes {
                    self.answer.fail(ErrorCode::BadResponse, "the answer is too large");
                }
            }
        }
        self.answer.progress
    }

    /// The body is over: `broken` says how, if not by its own end.
    pub fn finish(mut self, broken: Option<Broken>, prompt_tokens: u64) -> Received {
        match std::mem::replace(&mut self.mode, Mode::Unknown) {
            Mode::Unknown if self.answer.failure.is_none() && broken.is_none() && !self.answer.kept_waiting => {
                self.answer.fail(ErrorCode::BadResponse, "an empty body instead of an answer");
            }
            Mode::Unknown => {}
            Mode::Events(mut parser) => parser.finish(&mut |event| self.answer.take_last_event(event)),
            Mode::Json(body) => self.answer.take_body(&body, broken.is_some()),
        }
        self.answer.finish(broken, prompt_tokens)
    }
}

/// What has been received of the answer.
#[derive(Debug, Default)]
struct Answer {
    max_bytes: usize,
    text: String,
    think: ThinkFilter,
    reasoning: TextSize,
    refusal: String,
    finish: Option<Result<Finish, ErrorCode>>,
    usage: Option<WireUsage>,
    model: String,
    id: String,
    /// Blank lines or comments came before anything else.
    kept_waiting: bool,
    saw_event: bool,
    saw_choice: bool,
    failure: Option<Broken>,
    progress: Progress,
}

impl Answer {
    fn fail(&mut self, code: ErrorCode, message: impl Into<String>) {
        // a complete answer stays one, whatever follows it
        if self.failure.is_none() && self.finish.is_none() {
            self.failure = Some(Broken::new(code, message));
        }
        self.progress.done = true;
    }

    fn take_event(&mut self, event: Event<'_>) {
        if self.progress.done {
            return;
        }
        if event.data.trim_ascii() == b"[DONE]" {
            self.saw_event = true;
            self.progress.done = true;
            return;
        }
        if event.name == b"error" {
            self.fail_with(&ErrorBody::parse(event.data));
            return;
        }
        match serde_json::from_slice::<Chunk<'_>>(event.data) {
            Ok(chunk) => self.take_chunk(chunk, event.data),
            Err(error) => self.fail(ErrorCode::BadResponse, format!("an event is not the protocol's JSON: {error}")),
        }
    }

    /// The last event may be torn: then it is the stream's end that counts, not the event's form.
    fn take_last_event(&mut self, event: Event<'_>) {
        if event.data.trim_ascii() == b"[DONE]" || serde_json::from_slice::<Chunk<'_>>(event.data).is_ok() {
            self.take_event(event);
        }
    }

    fn take_body(&mut self, body: &[u8], torn: bool) {
        if self.failure.is_some() {
            return;
        }
        match serde_json::from_slice::<Chunk<'_>>(body) {
            Ok(chunk) => {
                self.take_chunk(chunk, body);
                if !self.saw_choice && self.failure.is_none() {
                    self.fail_with(&ErrorBody::parse(body));
                    self.failure = self.failure.take().map(|broken| Broken { code: ErrorCode::BadResponse, ..broken });
                }
            }
            Err(_) if torn => {}
            Err(error) if error.is_eof() => self.fail(ErrorCode::Cut, "the body ended in the middle"),
            Err(error) => self.fail(ErrorCode::BadResponse, format!("the body is not the protocol's JSON: {error}")),
        }
    }

    fn take_chunk(&mut self, chunk: Chunk<'_>, raw: &[u8]) {
        self.saw_event = true;
        if let Some(error) = &chunk.error {
            self.fail_with(&ErrorBody::from_value(error));
            return;
        }
        if chunk.object.text == "error" {
            self.fail_with(&ErrorBody::parse(raw));
            return;
        }
        if self.id.is_empty() {
            self.id = chunk.id.text.into_owned();
        }
        if self.model.is_empty() {
            self.model = chunk.model.text.into_owned();
        }
        // some send zeros, or nothing but a running count, before the last chunk
        if let Some(usage) = chunk.usage.filter(|usage| usage.tokens().is_some()) {
            self.usage = Some(usage);
        }
        // `n` > 1 may come through extra_body: the first choice is the answer
        for choice in chunk.choices.into_iter().flatten().filter(|choice| choice.index.0.unwrap_or(0) == 0) {
            self.saw_choice = true;
            if let Some(said) = choice.delta.or(choice.message) {
                self.take_said(&said);
            }
            if !choice.finish_reason.text.is_empty() && self.finish.is_none() {
                self.finish = Some(finish_of(&choice.finish_reason.text));
                self.progress.finished = true;
            }
        }
    }

    fn take_said(&mut self, said: &Said<'_>) {
        let before = (self.text.len(), self.reasoning, self.think.removed, self.refusal.len());
        // at most one of the names is used at a time; a server that sends two of them sends the same text twice
        for reasoning in [&said.reasoning_content, &said.reasoning, &said.thinking] {
            if !reasoning.text.is_empty() {
                self.reasoning.add(&reasoning.text);
                break;
            }
        }
        if said.content.thinking != TextSize::default() {
            self.reasoning.join(said.content.thinking);
        }
        let content = &said.content.text;
        self.think.push(content, &mut self.text);
        self.refusal.push_str(&said.refusal.text);
        let after = (self.text.len(), self.reasoning, self.think.removed, self.refusal.len());
        self.progress.token |= before != after || !content.is_empty();
        if self.text.len() + self.reasoning.bytes() + self.think.removed.bytes() > self.max_bytes {
            self.fail(ErrorCode::BadResponse, format!("the answer is larger than {} bytes", self.max_bytes));
        }
    }

    fn fail_with(&mut self, error: &ErrorBody) {
        self.fail(error.classify(200), error.message.clone());
    }

    fn finish(mut self, broken: Option<Broken>, prompt_tokens: u64) -> Received {
        self.think.finish(&mut self.text);
        let mut reasoning = self.reasoning;
        reasoning.join(self.think.removed);
        let usage = self.usage.and_then(|usage| usage.tokens()).unwrap_or_else(|| Usage {
            prompt_tokens,
            cached_tokens: 0,
            completion_tokens: TextSize::of(&self.text).tokens() + reasoning.tokens(),
            reasoning_tokens: reasoning.tokens(),
            reported: false,
        });
        let had_reasoning = self.think.seen || reasoning.bytes() > 0;
        Received {
            outcome: self.outcome(broken, had_reasoning || usage.reasoning_tokens > 0),
            cached_reported: self.usage.is_some_and(|usage| usage.cached().is_some()),
            had_reasoning,
            model: Some(self.model).filter(|model| !model.is_empty()),
            id: Some(self.id).filter(|id| !id.is_empty()),
            text: self.text,
            usage,
        }
    }

    fn outcome(&self, broken: Option<Broken>, reasoned: bool) -> Result<Finish, Broken> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let no_text = self.text.trim().is_empty();
        match self.finish {
            Some(Ok(Finish::Length)) if no_text && reasoned => {
                Err(Broken::new(ErrorCode::ReasoningExhausted, "all tokens of the answer went into reasoning"))
            }
            Some(Ok(Finish::Stop)) if no_text && !self.refusal.is_empty() => {
                Err(Broken::new(ErrorCode::Refusal, self.refusal.clone()))
            }
            Some(Ok(finish)) => Ok(finish),
            Some(Err(code)) => Err(Broken::new(code, "the endpoint ended the answer as failed")),
            None => Err(broken.unwrap_or_else(|| {
                if self.saw_event {
                    Broken::new(ErrorCode::Cut, "the answer ended without a finish reason")
                } else if self.kept_waiting {
                    // DeepSeek closes a request that it has kept waiting for ten minutes
                    Broken::new(
                        ErrorCode::Overloaded,
                        "the endpoint kept the call waiting and closed it without an answer",
                    )
                } else {
                    Broken::new(ErrorCode::BadResponse, "the body holds neither events nor an answer")
                }
            })),
        }
    }
}

/// The finish reason in the words of several providers; some of them name a failure.
fn finish_of(reason: &str) -> Result<Finish, ErrorCode> {
    match reason {
        "stop" | "eos" | "eos_token" | "end_turn" | "stop_sequence" | "STOP" => Ok(Finish::Stop),
        "length" | "max_tokens" | "model_length" | "MAX_TOKENS" => Ok(Finish::Length),
        "content_filter" | "sensitive" | "SAFETY" => Ok(Finish::ContentFilter),
        // DeepSeek: the request was interrupted for want of capacity
        "insufficient_system_resource" => Err(ErrorCode::Overloaded),
        "error" | "network_error" => Err(ErrorCode::ServerError),
        "abort" | "cancelled" => Err(ErrorCode::Cut),
        _ => Ok(Finish::Other),
    }
}
