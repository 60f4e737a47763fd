//! The instruments: what was told is counted and measured here; how things stand is read from the [`Board`].

use std::sync::Arc;
use std::time::Duration;

use agentwrite::failure::ErrorCode;
use agentwrite::ids::RunId;
use agentwrite::ports::{Rescued, RunState, RunView, SampleEnd, Try};
use agentwrite::sample::SampleState;
use agentwrite::task::{Kind, Outcome};
use opentelemetry::metrics::{Counter, Histogram, Meter, MeterProvider as _};
use opentelemetry::{KeyValue, StringValue, Value};
use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::Registry;

use crate::TelemetryError;
use crate::board::{Board, TrainingView};
use crate::names::{self, Metric, SCOPE, Sort, attribute};
use crate::otlp::exporter_error;
use crate::room::Losses;

/// The instruments of a process.
pub(crate) struct Metrics {
    provider: SdkMeterProvider,
    registry: Option<Registry>,
    call_duration: Histogram<f64>,
    first_chunk: Histogram<f64>,
    token_usage: Histogram<u64>,
    workflow_duration: Histogram<f64>,
    wait_duration: Histogram<f64>,
    record_duration: Histogram<f64>,
    length_ratio: Histogram<f64>,
    samples: Counter<u64>,
    attempts: Counter<u64>,
    sections: Counter<u64>,
    words: Counter<u64>,
    cost: Counter<f64>,
    shards: Counter<u64>,
    rescued: Counter<u64>,
    relayed: Counter<u64>,
}

impl Metrics {
    /// Makes them, with the ways out that are asked for.
    pub(crate) fn start(
        resource: &Resource,
        sends: bool,
        shows: bool,
        board: &Arc<Board>,
        losses: &Arc<Losses>,
    ) -> Result<Self, TelemetryError> {
        let mut builder = SdkMeterProvider::builder().with_resource(resource.clone());
        if sends {
            let exporter = MetricExporter::builder().with_http().build().map_err(exporter_error("metrics"))?;
            builder = builder.with_periodic_exporter(exporter);
        }
        let registry = shows.then(Registry::new);
        if let Some(registry) = &registry {
            let reader = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build();
            let reader =
                reader.map_err(|error| TelemetryError::Exporter { signal: "metrics", source: Box::new(error) })?;
            builder = builder.with_reader(reader);
        }
        let provider = builder.build();
        let meter = provider.meter(SCOPE);
        gauges(&meter, board);
        losses_counter(&meter, losses);
        let metrics = Self {
            call_duration: seconds(&meter, &names::CALL_DURATION),
            first_chunk: seconds(&meter, &names::FIRST_CHUNK),
            token_usage: meter
                .u64_histogram(names::TOKEN_USAGE.name)
                .with_unit(names::TOKEN_USAGE.unit)
                .with_description(names::TOKEN_USAGE.help)
                .with_boundaries(boundaries(&names::TOKEN_USAGE))
                .build(),
            workflow_duration: seconds(&meter, &names::WORKFLOW_DURATION),
            wait_duration: seconds(&meter, &names::WAIT_DURATION),
            record_duration: seconds(&meter, &names::RECORD_DURATION),
            length_ratio: seconds(&meter, &names::LENGTH_RATIO),
            samples: counter(&meter, &names::SAMPLES),
            attempts: counter(&meter, &names::ATTEMPTS),
            sections: counter(&meter, &names::SECTIONS),
            words: counter(&meter, &names::WORDS),
            cost: meter
                .f64_counter(names::COST.name)
                .with_unit(names::COST.unit)
                .with_description(names::COST.help)
                .build(),
            shards: counter(&meter, &names::SHARDS),
            rescued: counter(&meter, &names::RESCUED),
            relayed: counter(&meter, &names::RELAYED),
            provider,
            registry,
        };
        metrics.begin_at_zero();
        Ok(metrics)
    }

    /// A counter that appears with its first event has, for Prometheus, never grown.
    fn begin_at_zero(&self) {
        for outcome in ["accepted", "rejected", "failed"] {
            self.samples.add(0, &[label(attribute::OUTCOME, outcome)]);
        }
        for what in ["lease", "message", "died"] {
            self.rescued.add(0, &[label(attribute::WHAT, what)]);
        }
        for counter in [&self.sections, &self.words, &self.shards, &self.relayed] {
            counter.add(0, &[]);
        }
    }

    /// What `/metrics` shows, if there is one.
    pub(crate) fn registry(&self) -> Option<Registry> {
        self.registry.clone()
    }

    /// Sends what is left.
    pub(crate) fn shut_down(&self, patience: Duration) {
        // What could not be sent now is no loss that anybody could count: the counters end here.
        let _ = self.provider.shutdown_with_timeout(patience);
    }

    /// A try has ended.
    pub(crate) fn ended(&self, it: &Try<'_>) {
        let stage = shared(it.task.key.kind.as_str());
        let mut labels = vec![label(attribute::STAGE, stage.clone()), label(attribute::OUTCOME, it.outcome.as_str())];
        labels.extend(it.code.map(|code| label(attribute::ERROR_TYPE, code.as_str())));
        self.attempts.add(1, &labels);
        self.record_duration.record(it.recording.as_secs_f64(), &[label(attribute::STAGE, stage.clone())]);
        if it.outcome == Outcome::Committed && it.task.key.kind == Kind::SECTION {
            self.sections.add(1, &[]);
            self.words.add(u64::from(it.words), &[]);
        }
        if it.end.called {
            self.call(it, stage);
        }
    }

    fn call(&self, it: &Try<'_>, stage: StringValue) {
        let end = it.end;
        let whole = vec![
            label(attribute::OPERATION, "chat"),
            label(attribute::REQUEST_MODEL, shared(&end.model)),
            label(attribute::STAGE, stage),
            label(attribute::ENDPOINT, shared(&end.endpoint)),
        ];
        let call = Duration::from_millis(end.total_ms);
        let mut labels = whole.clone();
        labels.extend(it.code.filter(|_| !it.bad_answer).map(|code| label(attribute::ERROR_TYPE, code.as_str())));
        self.call_duration.record(call.as_secs_f64(), &labels);
        let wait = it.to.since(it.from).saturating_sub(call);
        self.wait_duration.record(wait.as_secs_f64(), &whole[1..]);
        if end.first_token_ms > 0 {
            self.first_chunk.record(end.first_token_ms as f64 / 1e3, &whole);
        }
        for (sort, tokens) in [
            ("input", end.usage.prompt_tokens),
            ("output", end.usage.completion_tokens),
            ("cache_read", end.usage.cached_tokens),
        ] {
            let mut labels = whole.clone();
            labels.push(label(attribute::TOKEN_TYPE, sort));
            self.token_usage.record(tokens, &labels);
        }
        if let Some(cost) = end.cost_nanousd {
            self.cost.add(cost as f64 / 1e9, &whole[1..]);
        }
    }

    /// A sample's work has ended.
    pub(crate) fn sample_ended(&self, end: SampleEnd) {
        let (outcome, code): (_, Option<ErrorCode>) = match end {
            SampleEnd::Accepted => ("accepted", None),
            SampleEnd::Rejected(code) => ("rejected", Some(code)),
            SampleEnd::Failed(code) => ("failed", Some(code)),
        };
        let mut labels = vec![label(attribute::OUTCOME, outcome)];
        labels.extend(code.map(|code| label(attribute::ERROR_TYPE, code.as_str())));
        self.samples.add(1, &labels);
    }

    /// What the store says of a sample whose work has ended.
    pub(crate) fn sample_measured(&self, duration: Option<Duration>, length_ratio: Option<f64>) {
        if let Some(duration) = duration {
            self.workflow_duration.record(duration.as_secs_f64(), &[]);
        }
        if let Some(ratio) = length_ratio {
            self.length_ratio.record(ratio, &[]);
        }
    }

    /// The relay sent messages.
    pub(crate) fn relayed(&self, messages: u64) {
        self.relayed.add(messages, &[]);
    }

    /// Stalled work was freed.
    pub(crate) fn rescued(&self, rescued: &Rescued) {
        for (what, count) in [("lease", rescued.leases), ("message", rescued.messages), ("died", rescued.died)] {
            if count > 0 {
                self.rescued.add(count, &[label(attribute::WHAT, what)]);
            }
        }
        for _ in 0..rescued.died {
            self.sample_ended(SampleEnd::Failed(ErrorCode::CrashLoop));
        }
    }

    /// A shard was published.
    pub(crate) fn shard_published(&self) {
        self.shards.add(1, &[]);
    }
}

/// A text that many labels hold: they share it.
fn shared(text: &str) -> StringValue {
    Arc::<str>::from(text).into()
}

fn label(name: &'static str, value: impl Into<Value>) -> KeyValue {
    KeyValue::new(name, value)
}

fn boundaries(metric: &Metric) -> Vec<f64> {
    match metric.sort {
        Sort::Histogram(boundaries) => boundaries.to_vec(),
        Sort::Counter | Sort::Gauge => Vec::new(),
    }
}

fn seconds(meter: &Meter, metric: &Metric) -> Histogram<f64> {
    meter
        .f64_histogram(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.help)
        .with_boundaries(boundaries(metric))
        .build()
}

fn counter(meter: &Meter, metric: &Metric) -> Counter<u64> {
    meter.u64_counter(metric.name).with_unit(metric.unit).with_description(metric.help).build()
}

/// A gauge whose values are read when somebody looks.
fn gauge(meter: &Meter, metric: &Metric, read: impl Fn() -> Vec<(f64, Vec<KeyValue>)> + Send + Sync + 'static) {
    meter
        .f64_observable_gauge(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.help)
        .with_callback(move |observer| {
            for (value, labels) in read() {
                observer.observe(value, &labels);
            }
        })
        .build();
}

fn losses_counter(meter: &Meter, losses: &Arc<Losses>) {
    let losses = Arc::clone(losses);
    meter
        .u64_observable_counter(names::LOST.name)
        .with_unit(names::LOST.unit)
        .with_description(names::LOST.help)
        .with_callback(move |observer| {
            for (signal, lost) in losses.by_signal() {
                observer.observe(lost, &[label(attribute::SIGNAL, signal)]);
            }
        })
        .build();
}

/// Values of a run, each with what is added to the run's label.
type OfRun = fn(&RunView) -> Vec<(f64, Option<(&'static str, &'static str)>)>;

fn gauges(meter: &Meter, board: &Arc<Board>) {
    let of_runs: &[(&Metric, OfRun)] = &[
        (&names::RUN_SAMPLES, |view| {
            let states = SampleState::ALL.iter().zip(view.totals.states);
            states.map(|(state, count)| (count as f64, Some((attribute::STATE, state.as_str())))).collect()
        }),
        (&names::RUN_STATE, |view| vec![(1.0, Some((attribute::STATE, view.state.as_str())))]),
        (&names::RUN_COST, |view| {
            let parts = [("settled", view.totals.settled_nanousd), ("reserved", view.totals.reserved_nanousd)];
            parts.map(|(part, nanousd)| (nanousd as f64 / 1e9, Some((attribute::STATE, part)))).to_vec()
        }),
        (&names::RUN_BUDGET, |view| {
            view.limits.max_cost_nanousd.map(|cap| (cap as f64 / 1e9, None)).into_iter().collect()
        }),
        (&names::RUN_SECTIONS, |view| vec![(view.totals.sections as f64, None)]),
        (&names::RUN_WORDS, |view| vec![(view.totals.words as f64, None)]),
        (&names::RUN_CALLS, |view| {
            let totals = &view.totals;
            let ends = [
                ("failed", totals.failed_calls),
                ("wasted", totals.wasted_calls),
                ("orphaned", totals.orphaned_calls),
                ("throttled", totals.throttled_calls),
            ];
            let mut all = ends.map(|(end, count)| (count as f64, Some((attribute::STATE, end)))).to_vec();
            all.push((totals.calls as f64, Some((attribute::STATE, "all"))));
            all
        }),
    ];
    for (metric, read) in of_runs {
        let (board, read) = (Arc::clone(board), *read);
        gauge(meter, metric, move || {
            let runs = board.runs();
            let values = runs.iter().flat_map(|(run, view)| {
                read(view).into_iter().map(move |(value, more)| {
                    let mut labels = vec![label(attribute::RUN, run.as_str().to_owned())];
                    labels.extend(more.map(|(name, text)| label(name, text)));
                    (value, labels)
                })
            });
            values.collect()
        });
    }
    let own = Arc::clone(board);
    gauge(meter, &names::RUN_PAUSED, move || {
        let paused = own.runs().into_iter().filter(|(_, view)| view.state == RunState::Paused);
        let labels = |run: RunId, reason: Option<String>| {
            let reason = reason.unwrap_or_else(|| "unknown".to_owned());
            vec![label(attribute::RUN, run.as_str().to_owned()), label(attribute::REASON, reason)]
        };
        paused.map(|(run, view)| (1.0, labels(run, view.reason))).collect()
    });
    of_process(meter, board);
    of_trainings(meter, board);
}

fn of_trainings(meter: &Meter, board: &Arc<Board>) {
    type OfTraining = fn(&TrainingView) -> Option<f64>;
    let job = |view: &TrainingView| label(attribute::TRAINING, view.job.clone());
    let own = Arc::clone(board);
    gauge(meter, &names::TRAINING_PHASE, move || {
        own.trainings().iter().map(|view| (1.0, vec![job(view), label(attribute::PHASE, view.phase)])).collect()
    });
    let values: &[(&Metric, OfTraining)] = &[
        (&names::TRAINING_STEP, |view| Some(view.step as f64)),
        (&names::TRAINING_STEPS, |view| view.steps.map(|steps| steps as f64)),
        (&names::TRAINING_CHECKPOINT, |view| view.checkpoint.map(|step| step as f64)),
        (&names::TRAINING_LOSS, |view| view.loss),
        (&names::TRAINING_RATE, |view| view.learning_rate),
        (&names::TRAINING_TOKENS, |view| Some(view.tokens as f64)),
        (&names::TRAINING_SPEED, |view| view.tokens_per_second),
        (&names::TRAINING_MEMORY, |view| view.memory_bytes.map(|bytes| bytes as f64)),
        (&names::TRAINING_SHARDS, |view| Some(view.shards as f64)),
        (&names::TRAINING_ROUND, |view| Some(f64::from(view.round))),
        (&names::TRAINING_SESSIONS, |view| Some(f64::from(view.sessions))),
        (&names::TRAINING_REDONE, |view| Some(view.redone_steps as f64)),
    ];
    for (metric, read) in values {
        let (own, read) = (Arc::clone(board), *read);
        gauge(meter, metric, move || {
            own.trainings().iter().filter_map(|view| Some((read(view)?, vec![job(view)]))).collect()
        });
    }
}

fn of_process(meter: &Meter, board: &Arc<Board>) {
    let stage = |stage: &str| label(attribute::STAGE, stage.to_owned());
    let own = Arc::clone(board);
    gauge(meter, &names::SLOTS, move || {
        let both = own.slots().into_iter().flat_map(|(name, busy, all)| {
            let busy = busy.min(all);
            [("busy", busy), ("free", all - busy)]
                .map(|(state, count)| (count as f64, vec![stage(&name), label(attribute::STATE, state)]))
        });
        both.collect()
    });
    let own = Arc::clone(board);
    gauge(meter, &names::OLDEST_AGE, move || {
        own.oldest().into_iter().map(|(name, age)| (age, vec![stage(&name)])).collect()
    });
    let endpoint = |name: String| vec![label(attribute::ENDPOINT, name)];
    let own = Arc::clone(board);
    gauge(meter, &names::ENDPOINT_CALLS, move || {
        own.endpoints().into_iter().map(|view| (f64::from(view.calls), endpoint(view.endpoint))).collect()
    });
    let own = Arc::clone(board);
    gauge(meter, &names::ENDPOINT_OPEN, move || {
        own.endpoints().into_iter().map(|view| (f64::from(u8::from(view.open)), endpoint(view.endpoint))).collect()
    });
    let queue = |kind: String| vec![label(attribute::QUEUE, kind)];
    let own = Arc::clone(board);
    gauge(meter, &names::QUEUE_READY, move || {
        let queues = own.queues().map_or(Vec::new(), |(queues, _)| queues);
        queues.into_iter().map(|view| (view.ready as f64, queue(view.kind))).collect()
    });
    let own = Arc::clone(board);
    gauge(meter, &names::QUEUE_CONSUMERS, move || {
        let queues = own.queues().map_or(Vec::new(), |(queues, _)| queues);
        queues.into_iter().map(|view| (view.consumers as f64, queue(view.kind))).collect()
    });
    let own = Arc::clone(board);
    gauge(meter, &names::DEAD_LETTERS, move || {
        own.queues().map(|(_, dead)| (dead as f64, Vec::new())).into_iter().collect()
    });
}
