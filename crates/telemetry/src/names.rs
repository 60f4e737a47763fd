//! Every name that leaves the process: of spans, of their attributes, of metrics. The conventions of GenAI are still moving
//! (state of 1.41.1, plus the workflow's duration): this is the one place that follows them.
//!
//! Ids stand on spans and log lines, never on metrics; but for the run's and the training job's, on the gauges of what is at
//! work.

/// The instrumentation scope.
pub const SCOPE: &str = "longhand";
/// `service.namespace` of every process.
pub const NAMESPACE: &str = "longhand";

/// Names of spans.
pub mod span {
    /// A sample, from its first try to its last.
    pub const ROOT: &str = "invoke_workflow agentwrite";
    /// The place of a plan.
    pub const PLAN: &str = "plan";
    /// One try.
    pub const ATTEMPT: &str = "attempt";
    /// Its call; the model's name follows.
    pub const CHAT: &str = "chat";
}

/// Attributes of spans, log records and metrics.
#[expect(missing_docs, reason = "each is what it says; the conventions of GenAI describe theirs")]
pub mod attribute {
    pub const OPERATION: &str = "gen_ai.operation.name";
    pub const PROVIDER: &str = "gen_ai.provider.name";
    pub const WORKFLOW: &str = "gen_ai.workflow.name";
    pub const CONVERSATION: &str = "gen_ai.conversation.id";
    pub const REQUEST_MODEL: &str = "gen_ai.request.model";
    pub const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
    pub const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
    pub const CACHED_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
    pub const REASONING_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
    pub const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
    pub const FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
    pub const TOKEN_TYPE: &str = "gen_ai.token.type";
    pub const HTTP_STATUS: &str = "http.response.status_code";
    pub const ERROR_TYPE: &str = "error.type";
    pub const RUN: &str = "longhand.run.id";
    pub const SAMPLE: &str = "longhand.sample.id";
    pub const GENERATION: &str = "longhand.sample.generation";
    pub const ORDINAL: &str = "longhand.sample.ordinal";
    pub const SAMPLE_STATE: &str = "longhand.sample.state";
    pub const SAMPLE_WORDS: &str = "longhand.sample.words";
    pub const LENGTH_SCORE: &str = "longhand.sample.length_score";
    pub const SECTIONS: &str = "longhand.sample.sections";
    pub const SECTION: &str = "longhand.section.index";
    pub const SECTION_WORDS: &str = "longhand.section.words";
    pub const SECTION_TARGET: &str = "longhand.section.target_words";
    pub const SECTION_FLAGS: &str = "longhand.section.flags";
    pub const REVISION: &str = "longhand.revision";
    pub const ATTEMPT: &str = "longhand.attempt.id";
    pub const ENDPOINT: &str = "longhand.endpoint";
    pub const OUTCOME: &str = "longhand.outcome";
    pub const COST: &str = "longhand.cost.usd";
    pub const STAGE: &str = "longhand.stage";
    pub const STATE: &str = "state";
    pub const QUEUE: &str = "queue";
    pub const SIGNAL: &str = "signal";
    pub const WHAT: &str = "what";
    pub const REASON: &str = "reason";
    pub const TRAINING: &str = "longhand.training.id";
    pub const PHASE: &str = "phase";
    /// What Phoenix goes by for spans that it has no rule for.
    pub const OPENINFERENCE_KIND: &str = "openinference.span.kind";
}

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sort {
    /// Only grows, from the start of the process.
    Counter,
    /// How it stands now.
    Gauge,
    /// Distribution over buckets.
    Histogram(&'static [f64]),
}

/// A metric: as OpenTelemetry names it and as Prometheus shows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// OpenTelemetry's name.
    pub name: &'static str,
    /// Its unit. What is no unit of UCUM stands in braces: the ways to Prometheus agree on the name only then.
    pub unit: &'static str,
    /// What it is.
    pub sort: Sort,
    /// What it tells.
    pub help: &'static str,
    /// Prometheus' name; of a histogram without `_bucket`, `_sum`, `_count`.
    pub prometheus: &'static str,
}

/// Calls of models take up to minutes, a queue of a busy server longer: the conventions' buckets end at 82 s.
const CALL_SECONDS: &[f64] = &[
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36,
    1310.72,
];
const SHORT_SECONDS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
const SAMPLE_SECONDS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0,
    259_200.0,
];
const TOKENS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    2048.0,
    4096.0,
    8192.0,
    16384.0,
    32768.0,
    65536.0,
    131_072.0,
    262_144.0,
    1_048_576.0,
];
const RATIO: &[f64] = &[0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.3, 1.5, 2.0, 3.0];

macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $id:ident = $name:literal, $unit:literal, $sort:expr, $prometheus:literal;)+) => {
        $($(#[doc = $doc])+ pub const $id: Metric = Metric {
            name: $name, unit: $unit, sort: $sort, help: concat!($($doc),+).trim_ascii(), prometheus: $prometheus,
        };)+
        /// All metrics.
        pub const METRICS: &[Metric] = &[$($id,)+];
    };
}

metrics! {
    /// Duration of a model call, from sending to the end of the answer.
    CALL_DURATION = "gen_ai.client.operation.duration", "s", Sort::Histogram(CALL_SECONDS), "gen_ai_client_operation_duration_seconds";
    /// From sending a model call to the first token of its answer.
    FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk", "s", Sort::Histogram(CALL_SECONDS), "gen_ai_client_operation_time_to_first_chunk_seconds";
    /// Tokens of a model call by type; cached ones are among the input.
    TOKEN_USAGE = "gen_ai.client.token.usage", "{token}", Sort::Histogram(TOKENS), "gen_ai_client_token_usage";
    /// From the first try at a sample to the end of its last.
    WORKFLOW_DURATION = "gen_ai.workflow.duration", "s", Sort::Histogram(SAMPLE_SECONDS), "gen_ai_workflow_duration_seconds";
    /// Time of a try that was not its call: waiting for a place at the endpoint and under the limits, prompt and gates.
    WAIT_DURATION = "longhand.call.wait.duration", "s", Sort::Histogram(CALL_SECONDS), "longhand_call_wait_duration_seconds";
    /// How long the store took to record the end of a try.
    RECORD_DURATION = "longhand.record.duration", "s", Sort::Histogram(SHORT_SECONDS), "longhand_record_duration_seconds";
    /// Words of a whole text over the words asked for.
    LENGTH_RATIO = "longhand.sample.length_ratio", "{ratio}", Sort::Histogram(RATIO), "longhand_sample_length_ratio";
    /// Samples whose work ended, by how.
    SAMPLES = "longhand.samples", "{sample}", Sort::Counter, "longhand_samples_total";
    /// Tries that ended, by how.
    ATTEMPTS = "longhand.attempts", "{attempt}", Sort::Counter, "longhand_attempts_total";
    /// Sections accepted.
    SECTIONS = "longhand.sections", "{section}", Sort::Counter, "longhand_sections_total";
    /// Words accepted.
    WORDS = "longhand.output.words", "{word}", Sort::Counter, "longhand_output_words_total";
    /// Settled cost of calls by stage and model.
    COST = "longhand.cost.usd", "{USD}", Sort::Counter, "longhand_cost_usd_total";
    /// Shards published.
    SHARDS = "longhand.shards", "{shard}", Sort::Counter, "longhand_shards_total";
    /// Stalled work that was freed: leases that lapsed, messages that were lost, tasks that died of it.
    RESCUED = "longhand.rescued", "{task}", Sort::Counter, "longhand_rescued_total";
    /// Messages that the relay sent, for their own process had not within a second.
    RELAYED = "longhand.outbox.relayed", "{message}", Sort::Counter, "longhand_outbox_relayed_total";
    /// Spans, log records and ended samples that did not reach the collector.
    LOST = "longhand.telemetry.lost", "{item}", Sort::Counter, "longhand_telemetry_lost_total";
    /// Samples of a run by state, as the store counts them.
    RUN_SAMPLES = "longhand.run.samples", "{sample}", Sort::Gauge, "longhand_run_samples";
    /// 1 for the state that a run is in.
    RUN_STATE = "longhand.run.state", "{run}", Sort::Gauge, "longhand_run_state";
    /// 1 for a run that is paused, by why.
    RUN_PAUSED = "longhand.run.paused", "{run}", Sort::Gauge, "longhand_run_paused";
    /// Cost of a run as the store counts it: settled, and reserved by calls that are open or whose worker is gone.
    RUN_COST = "longhand.run.cost.usd", "{USD}", Sort::Gauge, "longhand_run_cost_usd";
    /// Most that a run may cost; absent without a cap.
    RUN_BUDGET = "longhand.run.budget.usd", "{USD}", Sort::Gauge, "longhand_run_budget_usd";
    /// Sections of a run that are accepted, as the store counts them.
    RUN_SECTIONS = "longhand.run.sections", "{section}", Sort::Gauge, "longhand_run_sections";
    /// Words of a run that are accepted, as the store counts them.
    RUN_WORDS = "longhand.run.words", "{word}", Sort::Gauge, "longhand_run_words";
    /// Calls of a run by how they ended, as the store counts them.
    RUN_CALLS = "longhand.run.calls", "{call}", Sort::Gauge, "longhand_run_calls";
    /// Slots of a process: busy with a try, or free.
    SLOTS = "longhand.worker.slots", "{slot}", Sort::Gauge, "longhand_worker_slots";
    /// Age of the oldest try that is in work; 0 without one.
    OLDEST_AGE = "longhand.inflight.oldest_age", "s", Sort::Gauge, "longhand_inflight_oldest_age_seconds";
    /// Calls in flight at an endpoint, of this process.
    ENDPOINT_CALLS = "longhand.endpoint.calls", "{call}", Sort::Gauge, "longhand_endpoint_calls";
    /// 1 if an endpoint may be called, 0 while its gate is closed.
    ENDPOINT_OPEN = "longhand.endpoint.open", "{endpoint}", Sort::Gauge, "longhand_endpoint_open";
    /// Messages that wait in a queue, as the broker counts them.
    QUEUE_READY = "longhand.queue.ready", "{message}", Sort::Gauge, "longhand_queue_ready";
    /// Consumers of a queue, as the broker counts them.
    QUEUE_CONSUMERS = "longhand.queue.consumers", "{consumer}", Sort::Gauge, "longhand_queue_consumers";
    /// Messages that were given up, as the broker counts them.
    DEAD_LETTERS = "longhand.queue.dead_letters", "{message}", Sort::Gauge, "longhand_queue_dead_letters";
    /// 1 for what the trainer of a job is doing.
    TRAINING_PHASE = "longhand.training.phase", "{job}", Sort::Gauge, "longhand_training_phase";
    /// Optimizer steps of a training job that are done, of all rounds.
    TRAINING_STEP = "longhand.training.step", "{step}", Sort::Gauge, "longhand_training_step";
    /// Optimizer steps of a training job up to the end of its round, once that is planned.
    TRAINING_STEPS = "longhand.training.steps", "{step}", Sort::Gauge, "longhand_training_steps";
    /// Step of the last checkpoint of a training job; what came after it is lost with its process.
    TRAINING_CHECKPOINT = "longhand.training.checkpoint_step", "{step}", Sort::Gauge, "longhand_training_checkpoint_step";
    /// Loss of a training job at its last step.
    TRAINING_LOSS = "longhand.training.loss", "{loss}", Sort::Gauge, "longhand_training_loss";
    /// Learning rate of a training job at its last step.
    TRAINING_RATE = "longhand.training.learning_rate", "{rate}", Sort::Gauge, "longhand_training_learning_rate";
    /// Tokens trained in the round of a training job.
    TRAINING_TOKENS = "longhand.training.tokens", "{token}", Sort::Gauge, "longhand_training_tokens";
    /// Tokens a second of a training job, as its backend says.
    TRAINING_SPEED = "longhand.training.tokens_per_second", "{token}", Sort::Gauge, "longhand_training_tokens_per_second";
    /// Peak memory of the busiest device of a training job.
    TRAINING_MEMORY = "longhand.training.memory", "By", Sort::Gauge, "longhand_training_memory_bytes";
    /// Shards in the round of a training job.
    TRAINING_SHARDS = "longhand.training.shards", "{shard}", Sort::Gauge, "longhand_training_shards";
    /// Round of a training job, from 1.
    TRAINING_ROUND = "longhand.training.round", "{round}", Sort::Gauge, "longhand_training_round";
    /// Starts of the backend of a training job.
    TRAINING_SESSIONS = "longhand.training.sessions", "{session}", Sort::Gauge, "longhand_training_sessions";
    /// Steps of a training job that were done again.
    TRAINING_REDONE = "longhand.training.redone_steps", "{step}", Sort::Gauge, "longhand_training_redone_steps";
}

/// What others measure and dashboards show: RabbitMQ's own, and Prometheus' of its targets.
pub const FOREIGN: &[&str] = &[
    "rabbitmq_detailed_queue_messages_ready",
    "rabbitmq_detailed_queue_messages_unacked",
    "rabbitmq_global_messages_redelivered_total",
    "rabbitmq_global_messages_unroutable_returned_total",
    "rabbitmq_alarms_memory_used_watermark",
    "rabbitmq_alarms_free_disk_space_watermark",
    "up",
];
