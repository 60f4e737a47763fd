//! Why something failed, in one closed list of codes, and what a worker does about it.
//!
//! The same code stands in the store, on spans and metrics, in `why` and in `--error`. To add one: a variant here, its
//! row in [`ErrorCode::ALL`], its line in docs/OPERATIONS.md.

use serde::{Deserialize, Serialize};

/// What a worker does after a failed call; the only thing about a failure that the worker loop looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The endpoint is busy or unreachable: counts against no limit, closes the gate, tried again when it opens.
    Throttled,
    /// This answer is no good, another may be: counts against `attempts`.
    Faulty,
    /// No answer to this task can ever be good: the task dies now.
    Permanent,
    /// The work was cut short by us (drain, lost lease, crash): counts against `crash_limit`.
    Interrupted,
    /// No call of this run can succeed (wrong key, exhausted account): the run pauses, the task stays.
    Fatal,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal, $class:ident, $help:literal;)+) => {
        /// The closed list of error codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode { $($(#[doc = $doc])+ $variant,)+ }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)+];

            /// The code as stored and printed.
            pub fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$variant => $text,)+ }
            }

            /// What a worker does about it.
            pub fn class(self) -> FailureClass {
                match self { $(ErrorCode::$variant => FailureClass::$class,)+ }
            }

            /// What a person can do about it, one sentence.
            pub fn help(self) -> &'static str {
                match self { $(ErrorCode::$variant => $help,)+ }
            }
        }
    };
}

codes! {
    /// HTTP 429 or the provider's equivalent.
    RateLimited = "rate_limited", Throttled, "lower --rpm, --tpm or --concurrency; the run goes on by itself";
    /// HTTP 503, 529: overloaded.
    Overloaded = "overloaded", Throttled, "the endpoint is overloaded; the run goes on by itself";
    /// No connection could be made.
    Connection = "connection", Throttled, "check that the endpoint runs at the configured URL";
    /// HTTP 5xx other than overload.
    ServerError = "server_error", Faulty, "the endpoint failed; `longhand retry` asks again";
    /// The connection broke while the answer was on its way.
    Reset = "reset", Faulty, "the endpoint or a proxy drops connections; `longhand retry` asks again";
    /// No first token within the limit.
    FirstTokenTimeout = "first_token_timeout", Faulty, "raise [endpoint] first_token_seconds, or lower --concurrency";
    /// The stream stopped sending tokens.
    IdleTimeout = "idle_timeout", Faulty, "raise [endpoint] idle_seconds, or check the endpoint";
    /// The body was not the protocol's.
    BadResponse = "bad_response", Faulty, "the URL may not be an OpenAI-compatible endpoint; try `longhand doctor --endpoint`";
    /// The answer ended for length and could not be continued, or its stream ended without a reason.
    Cut = "cut", Faulty, "raise [sampling] write_max_tokens; `longhand retry` asks again";
    /// All tokens went into reasoning.
    ReasoningExhausted = "reasoning_exhausted", Faulty, "raise [sampling] reasoning_tokens, or switch reasoning off with extra_body";
    /// The answer has no text.
    Empty = "empty", Faulty, "`longhand retry` asks again; a model that often answers nothing is not fit for the role";
    /// The provider's filter stopped the answer.
    ContentFilter = "content_filter", Faulty, "change the instruction or the model: `longhand retry --model M`";
    /// The model declined.
    Refusal = "refusal", Faulty, "change the instruction or the model: `longhand retry --model M`";
    /// An error message came back as if it were text.
    ProviderError = "provider_error", Faulty, "a proxy answers errors with status 200; check the endpoint";
    /// Reasoning stands in the text.
    LeakedReasoning = "leaked_reasoning", Faulty, "switch reasoning off with extra_body, or set the server's reasoning parser";
    /// The answer repeats the plan.
    PlanEcho = "plan_echo", Faulty, "use a larger model for the role `write`";
    /// The answer repeats earlier text.
    TextEcho = "text_echo", Faulty, "use a larger model for the role `write`";
    /// The answer is a loop.
    Loop = "loop", Faulty, "use a larger model, or a repetition penalty in extra_body";
    /// Far from the target length.
    Length = "length", Faulty, "soft gate; widen [gates.section] length_min_ratio and length_max_ratio";
    /// A summary ends a section that is not the last.
    Recap = "recap", Faulty, "soft gate; [gates.section] recap = false switches it off";
    /// Text repeats inside the section.
    Repetition = "repetition", Faulty, "soft gate; widen [gates.section] repetition_max_share";
    /// Not the language asked for.
    Language = "language", Faulty, "soft gate; [gates.section] language = false switches it off";
    /// Chatter that stripping cannot mend.
    Chatter = "chatter", Faulty, "soft gate; [gates.section] chatter = false switches it off";
    /// The plan has no usable step.
    PlanEmpty = "plan_empty", Faulty, "try --plan-format json, or another --plan-model";
    /// The plan has too many steps.
    PlanTooLong = "plan_too_long", Faulty, "raise [plan.policy] max_steps, or shorten the required length";
    /// The plan's steps are placeholders.
    PlanPlaceholder = "plan_placeholder", Faulty, "use a larger --plan-model";
    /// Steps of the plan repeat.
    PlanRepeats = "plan_repeats", Faulty, "use a larger --plan-model";
    /// The plan's total is far from the required length.
    PlanTotal = "plan_total", Faulty, "state the length in the instruction, or use a larger --plan-model";
    /// The endpoint dropped the front of the prompt without saying so.
    PromptTruncated = "prompt_truncated", Faulty, "raise the server's context length; some servers cut the prompt silently";
    /// The sample does not fit the model's context.
    ContextTooSmall = "context_too_small", Permanent, "use a model with a longer context, or ask for a shorter text";
    /// HTTP 400, 404, 422: the request itself is wrong.
    BadRequest = "bad_request", Fatal, "read the endpoint's message; try `longhand doctor --endpoint`";
    /// HTTP 401, 403.
    Auth = "auth", Fatal, "check the key: --api-key-env names the variable that holds it";
    /// The account has no money left.
    Quota = "quota", Fatal, "top up the account, then `longhand resume`";
    /// The run's cap is reached.
    Budget = "budget", Fatal, "`longhand resume --max-cost N` raises the cap";
    /// The worker stopped while the call ran.
    Interrupted = "interrupted", Interrupted, "nothing: the task is done again";
    /// Work on this task ended in a crash too often.
    CrashLoop = "crash_loop", Permanent, "this task stops its worker; send its `inspect --json` to the developers";
    /// Sample gate: far from the required length.
    LengthScore = "length_score", Permanent, "`longhand repack --gate reject_length_score=N` applies another threshold, without a call";
    /// Sample gate: less than half of the plan's total.
    TooShort = "too_short", Permanent, "`longhand repack --gate min_plan_share=N` applies another threshold, without a call";
    /// Sample gate: too many sections with flags.
    TooManyFlags = "too_many_flags", Permanent, "`longhand repack --gate max_flagged_share=N` applies another threshold, without a call";
    /// Sample gate: the text repeats itself.
    SampleRepetition = "sample_repetition", Permanent, "`longhand repack --gate reject_repetition=N` applies another threshold, without a call";
    /// Sample gate: not the language asked for.
    SampleLanguage = "sample_language", Permanent, "`longhand repack --gate language=false` switches the gate off, without a call";
    /// Sample gate: overlaps an evaluation prompt.
    EvalOverlap = "eval_overlap", Permanent, "remove the instruction: it stands in an evaluation set";
    /// Sample gate: nearly the same text as an earlier sample of the shard.
    Duplicate = "duplicate", Permanent, "`longhand repack --gate max_similarity=1` switches the gate off, without a call";
    /// Cancelled by an operator.
    Cancelled = "cancelled", Permanent, "`longhand retry` starts it again";
    /// The store refused or failed.
    Storage = "storage", Interrupted, "check the disk; nothing that was paid for is lost";
    /// A defect of ours.
    Internal = "internal", Permanent, "a defect: please report it with the log";
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ErrorCode {
    type Err = UnknownCode;
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

/// A text that is no error code.
#[derive(Debug, thiserror::Error)]
#[error("unknown error code {0:?}")]
pub struct UnknownCode(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_from_its_text_and_serde_writes_the_same_text() {
        for code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse::<ErrorCode>().unwrap(), *code);
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        assert!("nonsense".parse::<ErrorCode>().is_err());
    }

    #[test]
    fn every_code_is_documented() {
        let operations = include_str!("../../../docs/OPERATIONS.md");
        for code in ErrorCode::ALL {
            assert!(operations.contains(&format!("| `{code}` |")), "{code} is missing in docs/OPERATIONS.md");
        }
    }
}
