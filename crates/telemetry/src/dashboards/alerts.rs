//! What Prometheus watches, and what to do when it calls.

/// How urgent it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing moves, or money runs out: now.
    Critical,
    /// Today.
    Warning,
}

impl Severity {
    /// As the label says.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
        }
    }
}

/// An alert.
#[derive(Debug, Clone, Copy)]
pub struct Alert {
    /// Its name.
    pub name: &'static str,
    /// How urgent it is.
    pub severity: Severity,
    /// PromQL; it calls while there is a result.
    pub expression: &'static str,
    /// For how long there must be one.
    pub lasts: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// The first look.
    pub look: &'static str,
    /// What to do.
    pub act: &'static str,
}

use Severity::{Critical, Warning};

/// All alerts.
pub const ALERTS: &[Alert] = &[
    Alert {
        name: "LonghandRunStalled",
        severity: Critical,
        expression: r#"max by (longhand_run_id) (longhand_run_state{state="running"}) == 1 and on (longhand_run_id) max by (longhand_run_id) (longhand_run_sections) == max by (longhand_run_id) (longhand_run_sections offset 15m) and on (longhand_run_id) sum by (longhand_run_id) (max by (longhand_run_id, state) (longhand_run_samples{state=~"pending|planning"})) == sum by (longhand_run_id) (max by (longhand_run_id, state) (longhand_run_samples{state=~"pending|planning"} offset 15m))"#,
        lasts: "5m",
        meaning: "A run is running, but for 15 minutes no section was accepted and no sample got a plan.",
        look: "the dashboard Pipeline: busy slots, consumers, oldest try; the dashboard Endpoints: open endpoints.",
        act: "start workers if there are none; if calls fail, see the alerts of endpoints; `longhand why RUN` names what fails.",
    },
    Alert {
        name: "LonghandRunPaused",
        severity: Critical,
        expression: r#"max by (longhand_run_id, reason) (longhand_run_paused{reason!="user"}) == 1"#,
        lasts: "1m",
        meaning: "A run has paused itself and waits for somebody: its cap is reached, the key is refused, the account is empty, or most samples fail for one cause.",
        look: "`longhand status RUN`: the reason; for yield:CODE also `longhand why RUN`.",
        act: "take the cause away (`longhand limits RUN --max-cost USD`, the key, the account, what `why` says), then `longhand resume RUN`.",
    },
    Alert {
        name: "LonghandTrainingStalled",
        severity: Warning,
        expression: r#"max by (longhand_training_id) (longhand_training_phase{phase="training"}) == 1 and on (longhand_training_id) max by (longhand_training_id) (longhand_training_step) == max by (longhand_training_id) (longhand_training_step offset 30m)"#,
        lasts: "5m",
        meaning: "A training job has made no step for half an hour.",
        look: "`longhand train logs JOB`; the dashboard Training: steps, starts of the backend.",
        act: "if the backend hangs, `longhand train stop JOB` and `start`: it goes on from the last checkpoint.",
    },
    Alert {
        name: "LonghandBudgetNearlyUsed",
        severity: Warning,
        expression: "sum by (longhand_run_id) (max by (longhand_run_id, state) (longhand_run_cost_usd)) / on (longhand_run_id) max by (longhand_run_id) (longhand_run_budget_usd) > 0.8",
        lasts: "0m",
        meaning: "Over 80 % of a run's cap is spent or reserved. At the cap the run pauses; it never passes it.",
        look: "the dashboard Run: progress against budget used.",
        act: "`longhand limits RUN --max-cost USD` raises the cap; otherwise the run pauses by itself and `longhand resume` goes on later.",
    },
    Alert {
        name: "LonghandBudgetProjectedOver",
        severity: Warning,
        expression: r#"max by (longhand_run_id) (longhand_run_cost_usd{state="settled"}) / (sum by (longhand_run_id) (max by (longhand_run_id, state) (longhand_run_samples{state=~"written|packed|rejected|failed|cancelled"})) / sum by (longhand_run_id) (max by (longhand_run_id, state) (longhand_run_samples))) > on (longhand_run_id) 1.2 * max by (longhand_run_id) (longhand_run_budget_usd) and on (longhand_run_id) sum by (longhand_run_id) (max by (longhand_run_id, state) (longhand_run_samples{state=~"written|packed|rejected|failed|cancelled"})) >= 20"#,
        lasts: "10m",
        meaning: "At the cost of the samples finished so far, the whole run would cost over 1.2 times its cap.",
        look: "the dashboard Run: projected total; `longhand report RUN`: tokens, wasted calls.",
        act: "decide now: a higher cap, a cheaper model for new samples, or fewer samples; the run stops at its cap in any case.",
    },
    Alert {
        name: "LonghandManySamplesFail",
        severity: Warning,
        expression: r#"sum(increase(longhand_samples_total{longhand_outcome=~"failed|rejected"}[30m])) / sum(increase(longhand_samples_total[30m])) > 0.1 and sum(increase(longhand_samples_total[30m])) > 20"#,
        lasts: "5m",
        meaning: "Over a tenth of the samples of the last half hour failed or were rejected.",
        look: "`longhand why RUN`: causes, an example each, the command that helps.",
        act: "what `why` says. If most samples fail for one cause, the run pauses by itself.",
    },
    Alert {
        name: "LonghandEndpointDown",
        severity: Critical,
        expression: r#"sum by (longhand_endpoint) (rate(gen_ai_client_operation_duration_seconds_count{error_type!=""}[5m])) / sum by (longhand_endpoint) (rate(gen_ai_client_operation_duration_seconds_count[5m])) > 0.95"#,
        lasts: "5m",
        meaning: "Nearly every call to an endpoint fails.",
        look: "the dashboard Endpoints: failed calls by cause; `longhand doctor --endpoint`.",
        act: "bring the endpoint back; runs go on by themselves. With another member in the pool its samples are there already.",
    },
    Alert {
        name: "LonghandEndpointFails",
        severity: Warning,
        expression: r#"sum by (longhand_endpoint) (rate(gen_ai_client_operation_duration_seconds_count{error_type!=""}[10m])) / sum by (longhand_endpoint) (rate(gen_ai_client_operation_duration_seconds_count[10m])) > 0.25"#,
        lasts: "10m",
        meaning: "Over a quarter of the calls to an endpoint fail.",
        look: "the dashboard Endpoints: failed calls by cause.",
        act: "by the code, as listed above: for rate_limited and overloaded lower `--rpm`, `--tpm` or `--concurrency`.",
    },
    Alert {
        name: "LonghandEndpointRefusesKey",
        severity: Critical,
        expression: r#"sum by (longhand_endpoint, error_type) (increase(gen_ai_client_operation_duration_seconds_count{error_type=~"auth|quota"}[5m])) > 0"#,
        lasts: "0m",
        meaning: "An endpoint refused the key, or its account is empty. The run has paused itself, or goes on with the others of a pool.",
        look: "`longhand status RUN`: the reason.",
        act: "mend the key or top up the account, then `longhand resume RUN`.",
    },
    Alert {
        name: "LonghandDeadLetters",
        severity: Warning,
        expression: "max(longhand_queue_dead_letters) > 0",
        lasts: "1m",
        meaning: "The broker gave messages up: returned too often, or no task messages at all. No work is lost, for the store sends what is due again.",
        look: "the queue `longhand.dead` in the broker's management page; `longhand health --json`.",
        act: "if they name tasks, look for a worker that dies with them (rescued, crash_loop); then purge the queue.",
    },
    Alert {
        name: "LonghandQueueWithoutConsumers",
        severity: Critical,
        expression: "max by (queue) (longhand_queue_ready) > 0 and on (queue) max by (queue) (longhand_queue_consumers) == 0",
        lasts: "2m",
        meaning: "Messages wait in a queue that nobody consumes.",
        look: "whether the processes of that kind run: plans are the planner's, sections the section writers'.",
        act: "start them; what waits is taken at once.",
    },
    Alert {
        name: "LonghandTryHangs",
        severity: Warning,
        expression: "max by (longhand_stage) (longhand_inflight_oldest_age_seconds) > 1800",
        lasts: "5m",
        meaning: "A try has been in work for over half an hour.",
        look: "the dashboard Endpoints: waiting before a call, open endpoints.",
        act: "if it waits for a limit, raise it; if the call hangs, lower [endpoint] idle_seconds and restart that process.",
    },
    Alert {
        name: "LonghandMessagesRelayed",
        severity: Warning,
        expression: "sum(rate(longhand_outbox_relayed_total[5m])) > 1",
        lasts: "5m",
        meaning: "Processes do not get their own messages out, and the relay sends them: the broker is away or slow.",
        look: "the dashboard Pipeline: alarms of the broker, messages waiting; `longhand health`.",
        act: "mend the broker; nothing is lost meanwhile.",
    },
    Alert {
        name: "LonghandTasksDie",
        severity: Warning,
        expression: r#"sum(increase(longhand_rescued_total{what="died"}[15m])) > 0"#,
        lasts: "0m",
        meaning: "Tasks died because every process that worked on them ended.",
        look: "why processes end: memory limits, `longhand why RUN` (crash_loop).",
        act: "mend the cause, then `longhand retry RUN --error crash_loop`.",
    },
    Alert {
        name: "LonghandTextsTooShort",
        severity: Warning,
        expression: "histogram_quantile(0.5, sum by (le) (rate(longhand_sample_length_ratio_bucket[1h]))) < 0.75",
        lasts: "30m",
        meaning: "Half of the texts of the last hour have less than three quarters of the words asked for.",
        look: "`longhand report RUN`: lengths; `longhand inspect --random 3 --in RUN --text`.",
        act: "another model for the role `write`, or shorter requirements; `longhand repack` applies other thresholds without a call.",
    },
    Alert {
        name: "LonghandBrokerAlarm",
        severity: Critical,
        expression: "max(rabbitmq_alarms_memory_used_watermark) + max(rabbitmq_alarms_free_disk_space_watermark) > 0",
        lasts: "1m",
        meaning: "The broker has run out of memory or disk and takes no messages; the outbox holds them.",
        look: "its disk and its memory limit.",
        act: "give it room; what was held is sent within seconds.",
    },
    Alert {
        name: "LonghandProcessDown",
        severity: Critical,
        expression: r#"up{job=~"longhand.*|rabbitmq.*"} == 0"#,
        lasts: "2m",
        meaning: "A process does not answer Prometheus.",
        look: "whether it runs (`docker compose ps`), and its log.",
        act: "start it again; leases of a dead process lapse and its work goes on elsewhere.",
    },
    Alert {
        name: "LonghandTelemetryLost",
        severity: Warning,
        expression: "sum by (signal) (increase(longhand_telemetry_lost_total[10m])) > 0",
        lasts: "0m",
        meaning: "Spans, log records or roots of traces did not reach the collector. Runs lose nothing by it.",
        look: "whether the collector at OTEL_EXPORTER_OTLP_ENDPOINT answers.",
        act: "mend it, or record a share of the samples only: OTEL_TRACES_SAMPLER=traceidratio, OTEL_TRACES_SAMPLER_ARG=0.1.",
    },
];
