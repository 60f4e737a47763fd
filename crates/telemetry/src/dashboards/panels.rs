//! What dashboards show.

use super::panel::Look::{Lines, Number, Stack};
use super::panel::{Dashboard, Panel, panel, q};

/// All dashboards.
pub const DASHBOARDS: &[Dashboard] = &[
    Dashboard { uid: "longhand-run", title: "Longhand: run", panels: RUN },
    Dashboard { uid: "longhand-pipeline", title: "Longhand: pipeline", panels: PIPELINE },
    Dashboard { uid: "longhand-endpoints", title: "Longhand: endpoints and cost", panels: ENDPOINTS },
    Dashboard { uid: "longhand-training", title: "Longhand: training", panels: super::training::PANELS },
];

/// Does it move, is it healthy, what does it cost, when does it end. Counts of a run are the store's: every process that
/// plans it shows the same, so the largest is taken.
const RUN: &[Panel] = &[
    panel(
        "Progress",
        Number,
        "percentunit",
        "Samples whose work has ended, of all.",
        &[q(
            "{{longhand_run_id}}",
            r#"sum by (longhand_run_id) (max by (longhand_run_id, state) (longhand_run_samples{longhand_run_id=~"$run",state=~"written|packed|rejected|failed|cancelled"})) / sum by (longhand_run_id) (max by (longhand_run_id, state) (longhand_run_samples{longhand_run_id=~"$run"}))"#,
        )],
    ),
    panel(
        "State",
        Number,
        "none",
        "Runs by state; a paused one says why in `longhand status`.",
        &[q(
            "{{state}}",
            r#"count by (state) (max by (longhand_run_id, state) (longhand_run_state{longhand_run_id=~"$run"}))"#,
        )],
    ),
    panel(
        "Time left",
        Number,
        "s",
        "At the pace of the last half hour; without a finished sample in it there is no estimate.",
        &[q(
            "left",
            r#"sum(max by (longhand_run_id, state) (longhand_run_samples{longhand_run_id=~"$run",state=~"pending|planning|planned|writing"})) / sum(rate(longhand_samples_total[30m]))"#,
        )],
    ),
    panel(
        "Spent",
        Number,
        "currencyUSD",
        "Settled cost, and what open calls and calls of dead workers may still cost.",
        &[q(
            "{{state}}",
            r#"sum by (state) (max by (longhand_run_id, state) (longhand_run_cost_usd{longhand_run_id=~"$run"}))"#,
        )],
    ),
    panel(
        "Samples by state",
        Stack,
        "short",
        "If nothing moves from left to right, see the pipeline.",
        &[q(
            "{{state}}",
            r#"sum by (state) (max by (longhand_run_id, state) (longhand_run_samples{longhand_run_id=~"$run"}))"#,
        )],
    ),
    panel(
        "Finished per hour",
        Lines,
        "short",
        "Samples whose work ended, by how.",
        &[q(
            "{{longhand_outcome}}",
            "sum by (longhand_outcome) (rate(longhand_samples_total[$__rate_interval])) * 3600",
        )],
    ),
    panel(
        "Budget used",
        Lines,
        "percentunit",
        "Of the cap of a run; `longhand limits RUN --max-cost USD` moves it.",
        &[q(
            "{{longhand_run_id}}",
            r#"sum by (longhand_run_id) (max by (longhand_run_id, state) (longhand_run_cost_usd{longhand_run_id=~"$run"})) / on (longhand_run_id) max by (longhand_run_id) (longhand_run_budget_usd{longhand_run_id=~"$run"})"#,
        )],
    ),
    panel(
        "Projected total",
        Lines,
        "currencyUSD",
        "Settled cost over the share of samples that is finished.",
        &[q(
            "{{longhand_run_id}}",
            r#"max by (longhand_run_id) (longhand_run_cost_usd{longhand_run_id=~"$run",state="settled"}) / (sum by (longhand_run_id) (max by (longhand_run_id, state) (longhand_run_samples{longhand_run_id=~"$run",state=~"written|packed|rejected|failed|cancelled"})) / sum by (longhand_run_id) (max by (longhand_run_id, state) (longhand_run_samples{longhand_run_id=~"$run"})))"#,
        )],
    ),
    panel(
        "Words",
        Lines,
        "short",
        "Words accepted.",
        &[q("{{longhand_run_id}}", r#"max by (longhand_run_id) (longhand_run_words{longhand_run_id=~"$run"})"#)],
    ),
    panel(
        "Sections",
        Lines,
        "short",
        "Sections accepted.",
        &[q("{{longhand_run_id}}", r#"max by (longhand_run_id) (longhand_run_sections{longhand_run_id=~"$run"})"#)],
    ),
    panel(
        "Words per minute",
        Lines,
        "short",
        "All runs together.",
        &[q("words", "sum(rate(longhand_output_words_total[$__rate_interval])) * 60")],
    ),
    panel(
        "Failed and rejected",
        Lines,
        "percentunit",
        "Of the samples whose work has ended; `longhand why RUN` names the causes.",
        &[q(
            "{{longhand_run_id}}",
            r#"sum by (longhand_run_id) (max by (longhand_run_id, state) (longhand_run_samples{longhand_run_id=~"$run",state=~"rejected|failed"})) / clamp_min(sum by (longhand_run_id) (max by (longhand_run_id, state) (longhand_run_samples{longhand_run_id=~"$run",state=~"written|packed|rejected|failed"})), 1)"#,
        )],
    ),
    panel(
        "Length against what was asked",
        Lines,
        "percentunit",
        "Words of whole texts over the words asked for; far below 1, the model writes too little.",
        &[
            q(
                "p10",
                "histogram_quantile(0.1, sum by (le) (rate(longhand_sample_length_ratio_bucket[$__rate_interval])))",
            ),
            q(
                "p50",
                "histogram_quantile(0.5, sum by (le) (rate(longhand_sample_length_ratio_bucket[$__rate_interval])))",
            ),
            q(
                "p90",
                "histogram_quantile(0.9, sum by (le) (rate(longhand_sample_length_ratio_bucket[$__rate_interval])))",
            ),
        ],
    ),
    panel(
        "Duration of a sample",
        Lines,
        "s",
        "From its first try to the end of its last.",
        &[
            q(
                "p50",
                "histogram_quantile(0.5, sum by (le) (rate(gen_ai_workflow_duration_seconds_bucket[$__rate_interval])))",
            ),
            q(
                "p95",
                "histogram_quantile(0.95, sum by (le) (rate(gen_ai_workflow_duration_seconds_bucket[$__rate_interval])))",
            ),
        ],
    ),
    panel(
        "Calls",
        Lines,
        "short",
        "Calls as the store counts them: all, and those that ended badly. Wasted ones were paid for twice.",
        &[q(
            "{{state}}",
            r#"sum by (state) (max by (longhand_run_id, state) (longhand_run_calls{longhand_run_id=~"$run"}))"#,
        )],
    ),
];

/// Queues, workers, store.
const PIPELINE: &[Panel] = &[
    panel(
        "Messages waiting",
        Lines,
        "short",
        "By queue. They wait for a free slot; a queue that grows without end has too few workers, or none.",
        &[q("{{queue}}", "max by (queue) (longhand_queue_ready)")],
    ),
    panel(
        "Consumers",
        Lines,
        "short",
        "By queue; none means that nobody works on it.",
        &[q("{{queue}}", "max by (queue) (longhand_queue_consumers)")],
    ),
    panel(
        "Dead letters",
        Number,
        "short",
        "Messages that were given up. The tasks themselves are safe in the store and are sent again.",
        &[q("dead letters", "max(longhand_queue_dead_letters)")],
    ),
    panel(
        "Messages in work",
        Lines,
        "short",
        "Unacked, as the broker counts them; ready ones beside.",
        &[
            q("{{queue}} unacked", r#"sum by (queue) (rabbitmq_detailed_queue_messages_unacked{queue=~"longhand.*"})"#),
            q("{{queue}} ready", r#"sum by (queue) (rabbitmq_detailed_queue_messages_ready{queue=~"longhand.*"})"#),
        ],
    ),
    panel(
        "Redelivered and returned",
        Lines,
        "short",
        "Per minute, of the whole broker. Redelivery is harmless; returned messages found no queue.",
        &[
            q("redelivered", "sum(rate(rabbitmq_global_messages_redelivered_total[$__rate_interval])) * 60"),
            q("returned", "sum(rate(rabbitmq_global_messages_unroutable_returned_total[$__rate_interval])) * 60"),
        ],
    ),
    panel(
        "Alarms of the broker",
        Number,
        "short",
        "Memory and disk; with either it takes no message, and the outbox holds them.",
        &[q("alarms", "max(rabbitmq_alarms_memory_used_watermark) + max(rabbitmq_alarms_free_disk_space_watermark)")],
    ),
    panel(
        "Busy slots",
        Lines,
        "percentunit",
        "By stage. Far below 1 with messages waiting, something keeps workers from them.",
        &[q(
            "{{longhand_stage}}",
            r#"sum by (longhand_stage) (longhand_worker_slots{state="busy"}) / sum by (longhand_stage) (longhand_worker_slots)"#,
        )],
    ),
    panel(
        "Oldest try in work",
        Lines,
        "s",
        "By stage; longer than the endpoint's own limits, a call hangs.",
        &[q("{{longhand_stage}}", "max by (longhand_stage) (longhand_inflight_oldest_age_seconds)")],
    ),
    panel(
        "Tries per second",
        Lines,
        "ops",
        "By how they ended.",
        &[q("{{longhand_outcome}}", "sum by (longhand_outcome) (rate(longhand_attempts_total[$__rate_interval]))")],
    ),
    panel(
        "Failed tries by cause",
        Lines,
        "ops",
        "Codes as in docs/OPERATIONS.md; `longhand why RUN` has examples.",
        &[q(
            "{{longhand_stage}} {{error_type}}",
            r#"sum by (longhand_stage, error_type) (rate(longhand_attempts_total{error_type!=""}[$__rate_interval]))"#,
        )],
    ),
    panel(
        "Sections per minute",
        Lines,
        "short",
        "Accepted, all runs together.",
        &[q("sections", "sum(rate(longhand_sections_total[$__rate_interval])) * 60")],
    ),
    panel(
        "Recording in the store",
        Lines,
        "s",
        "How long the end of a try takes to be recorded; long means a slow disk or database.",
        &[
            q(
                "p50",
                "histogram_quantile(0.5, sum by (le) (rate(longhand_record_duration_seconds_bucket[$__rate_interval])))",
            ),
            q(
                "p95",
                "histogram_quantile(0.95, sum by (le) (rate(longhand_record_duration_seconds_bucket[$__rate_interval])))",
            ),
        ],
    ),
    panel(
        "Rescued",
        Lines,
        "short",
        "Per minute: leases of dead workers, lost messages, tasks that died of it. Should be 0 unless processes were stopped hard.",
        &[q("{{what}}", "sum by (what) (rate(longhand_rescued_total[$__rate_interval])) * 60")],
    ),
    panel(
        "Relayed messages",
        Lines,
        "short",
        "Per minute: sent by the relay, for their own process had not within a second.",
        &[q("relayed", "sum(rate(longhand_outbox_relayed_total[$__rate_interval])) * 60")],
    ),
    panel(
        "Shards",
        Number,
        "short",
        "Published since the packers started.",
        &[q("shards", "sum(longhand_shards_total)")],
    ),
    panel(
        "Lost telemetry",
        Lines,
        "short",
        "Spans, log records and roots that did not reach the collector; the runs themselves lose nothing by it.",
        &[q("{{signal}}", "sum by (signal) (longhand_telemetry_lost_total)")],
    ),
];

/// Models: pace, faults, money.
const ENDPOINTS: &[Panel] = &[
    panel(
        "Calls per second",
        Lines,
        "reqps",
        "By model and stage.",
        &[q(
            "{{gen_ai_request_model}} {{longhand_stage}}",
            "sum by (gen_ai_request_model, longhand_stage) (rate(gen_ai_client_operation_duration_seconds_count[$__rate_interval]))",
        )],
    ),
    panel(
        "Calls in flight",
        Lines,
        "short",
        "By endpoint, all processes together.",
        &[q("{{longhand_endpoint}}", "sum by (longhand_endpoint) (longhand_endpoint_calls)")],
    ),
    panel(
        "Open endpoints",
        Lines,
        "percentunit",
        "Share of processes whose gate to the endpoint is open; closed by 429s and failed connections.",
        &[q("{{longhand_endpoint}}", "avg by (longhand_endpoint) (longhand_endpoint_open)")],
    ),
    panel(
        "Failed calls",
        Lines,
        "percentunit",
        "By endpoint, of all calls.",
        &[q(
            "{{longhand_endpoint}}",
            r#"(sum by (longhand_endpoint) (rate(gen_ai_client_operation_duration_seconds_count{error_type!=""}[$__rate_interval])) or 0 * sum by (longhand_endpoint) (rate(gen_ai_client_operation_duration_seconds_count[$__rate_interval]))) / sum by (longhand_endpoint) (rate(gen_ai_client_operation_duration_seconds_count[$__rate_interval]))"#,
        )],
    ),
    panel(
        "Failed calls by cause",
        Lines,
        "ops",
        "Codes as in docs/OPERATIONS.md.",
        &[q(
            "{{longhand_endpoint}} {{error_type}}",
            r#"sum by (longhand_endpoint, error_type) (rate(gen_ai_client_operation_duration_seconds_count{error_type!=""}[$__rate_interval]))"#,
        )],
    ),
    panel(
        "Duration of a call",
        Lines,
        "s",
        "Good calls, by stage.",
        &[
            q(
                "{{longhand_stage}} p50",
                r#"histogram_quantile(0.5, sum by (le, longhand_stage) (rate(gen_ai_client_operation_duration_seconds_bucket{error_type=""}[$__rate_interval])))"#,
            ),
            q(
                "{{longhand_stage}} p95",
                r#"histogram_quantile(0.95, sum by (le, longhand_stage) (rate(gen_ai_client_operation_duration_seconds_bucket{error_type=""}[$__rate_interval])))"#,
            ),
        ],
    ),
    panel(
        "Time to the first token",
        Lines,
        "s",
        "It rises before anything else when a server is asked for too much: lower the concurrency.",
        &[q(
            "{{longhand_endpoint}} p95",
            "histogram_quantile(0.95, sum by (le, longhand_endpoint) (rate(gen_ai_client_operation_time_to_first_chunk_seconds_bucket[$__rate_interval])))",
        )],
    ),
    panel(
        "Waiting before a call",
        Lines,
        "s",
        "For a place at the endpoint and under the limits; long means that limits, not the model, set the pace.",
        &[q(
            "{{longhand_endpoint}} p95",
            "histogram_quantile(0.95, sum by (le, longhand_endpoint) (rate(longhand_call_wait_duration_seconds_bucket[$__rate_interval])))",
        )],
    ),
    panel(
        "Tokens per second",
        Lines,
        "short",
        "By type; cache_read is part of input.",
        &[q(
            "{{gen_ai_token_type}}",
            "sum by (gen_ai_token_type) (rate(gen_ai_client_token_usage_sum[$__rate_interval]))",
        )],
    ),
    panel(
        "Prompt from the cache",
        Lines,
        "percentunit",
        "Share of the prompt's tokens. A chain's prompt grows at its end only: far below 0.9 on a server with a cache, samples are moved or evicted.",
        &[q(
            "{{longhand_stage}}",
            r#"sum by (longhand_stage) (rate(gen_ai_client_token_usage_sum{gen_ai_token_type="cache_read"}[$__rate_interval])) / sum by (longhand_stage) (rate(gen_ai_client_token_usage_sum{gen_ai_token_type="input"}[$__rate_interval]))"#,
        )],
    ),
    panel(
        "Answer tokens per call",
        Lines,
        "short",
        "By stage.",
        &[q(
            "{{longhand_stage}}",
            r#"sum by (longhand_stage) (rate(gen_ai_client_token_usage_sum{gen_ai_token_type="output"}[$__rate_interval])) / sum by (longhand_stage) (rate(gen_ai_client_token_usage_count{gen_ai_token_type="output"}[$__rate_interval]))"#,
        )],
    ),
    panel(
        "Cost per hour",
        Lines,
        "currencyUSD",
        "By model.",
        &[q(
            "{{gen_ai_request_model}}",
            "sum by (gen_ai_request_model) (rate(longhand_cost_usd_total[$__rate_interval])) * 3600",
        )],
    ),
    panel(
        "Cost by stage",
        Stack,
        "currencyUSD",
        "In the time shown.",
        &[q("{{longhand_stage}}", "sum by (longhand_stage) (increase(longhand_cost_usd_total[$__range]))")],
    ),
    panel(
        "Cost of 1,000 words",
        Lines,
        "currencyUSD",
        "Of accepted ones, with all that was paid for.",
        &[q(
            "cost",
            "1000 * sum(rate(longhand_cost_usd_total[$__rate_interval])) / sum(rate(longhand_output_words_total[$__rate_interval]))",
        )],
    ),
];
