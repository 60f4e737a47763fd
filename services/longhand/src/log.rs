//! Messages for people: on stderr, for stdout holds data only; above the panel, if one is drawn there.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use telemetry::LogLayer;
use tracing::callsite::Identifier;
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::cli::LogFormat;
use crate::panel::{BesidePanel, Surface};

/// The log of the process, of which there is one: how it looks, and where it is sent besides.
struct Log {
    format: LogFormat,
    sent: OnceLock<LogLayer>,
}

static LOG: OnceLock<Log> = OnceLock::new();

/// Whether log lines are JSON objects.
pub fn is_json() -> bool {
    LOG.get().is_some_and(|log| log.format == LogFormat::Json)
}

/// Sends the lines of the log here too, from now on.
pub fn send_to(layer: LogLayer) {
    if let Some(log) = LOG.get() {
        // Telemetry is set up once in a process.
        let _ = log.sent.set(layer);
    }
}

/// Passes on to where the log is sent, once that is known: settings are read when the log has long begun.
struct Sending;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Sending {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(layer) = LOG.get().and_then(|log| log.sent.get()) {
            layer.on_new_span(attributes, id, context);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if let Some(layer) = LOG.get().and_then(|log| log.sent.get()) {
            layer.on_event(event, context);
        }
    }
}

/// Starts the log. `level` as `--log-level` takes it.
pub fn start(level: &str, format: LogFormat) {
    let _ = LOG.set(Log { format, sent: OnceLock::new() });
    // The queue's client reports as an error what its caller expects or mends; the adapter says what matters.
    let filter = EnvFilter::try_new(format!("lapin=off,{level}")).unwrap_or_default();
    let log = tracing_subscriber::registry().with(filter).with(Sparing::default()).with(Sending);
    let colour = matches!(Surface::of_stderr(), Surface::Terminal { colour: true, .. });
    let lines = fmt::layer().with_writer(|| BesidePanel).with_ansi(colour);
    match format {
        LogFormat::Pretty => log.with(lines.with_target(false)).init(),
        LogFormat::Json => log.with(lines.json().flatten_event(true).with_span_list(false)).init(),
    }
}

/// Warnings of one place in the code that are shown within [`WINDOW`]: a full disk or a server that is away makes as many
/// as there are tasks, and all but the first say nothing new.
const SHOWN: u32 = 5;
const WINDOW: Duration = Duration::from_secs(10);

/// Holds repeated warnings back and says how many there were.
#[derive(Default)]
struct Sparing {
    places: Mutex<HashMap<Identifier, Place>>,
}

/// One place in the code.
struct Place {
    since: Instant,
    events: u32,
}

impl Sparing {
    /// Counts an event. Whether it is to be shown, and how many were held back in the window that it ends.
    fn count(&self, place: Identifier, now: Instant) -> (bool, u32) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = places.entry(place).or_insert(Place { since: now, events: 0 });
        let mut held_back = 0;
        if now.duration_since(entry.since) >= WINDOW {
            held_back = entry.events.saturating_sub(SHOWN);
            *entry = Place { since: now, events: 0 };
        }
        entry.events += 1;
        (entry.events <= SHOWN, held_back)
    }
}

impl<S: Subscriber> Layer<S> for Sparing {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() != Level::WARN || metadata.target() == module_path!() {
            return true;
        }
        let (shown, held_back) = self.count(metadata.callsite(), Instant::now());
        if held_back > 0 {
            tracing::warn!("{held_back} more warnings like the next one were not shown");
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Counts what arrives.
    struct Arrived(Arc<AtomicU32>);

    impl<S: Subscriber> Layer<S> for Arrived {
        fn on_event(&self, _event: &Event<'_>, _context: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn of_many_equal_warnings_the_first_are_shown() {
        let arrived = Arc::new(AtomicU32::new(0));
        let log = tracing_subscriber::registry().with(Sparing::default()).with(Arrived(Arc::clone(&arrived)));
        tracing::subscriber::with_default(log, || {
            for _ in 0..100 {
                tracing::warn!("the same again");
            }
            tracing::warn!("another");
            for _ in 0..7 {
                tracing::error!("errors are always shown");
            }
        });
        assert_eq!(arrived.load(Ordering::Relaxed), SHOWN + 1 + 7);
    }

    #[test]
    fn a_new_window_says_how_many_were_held_back() {
        struct Here;
        impl tracing::callsite::Callsite for Here {
            fn set_interest(&self, _: tracing::subscriber::Interest) {}
            fn metadata(&self) -> &tracing::Metadata<'_> {
                unreachable!("nobody asks")
            }
        }
        static HERE: Here = Here;
        let (sparing, now) = (Sparing::default(), Instant::now());
        let place = || Identifier(&HERE);
        let shown = (0..20).filter(|_| sparing.count(place(), now).0).count();
        assert_eq!(shown, SHOWN as usize);
        assert_eq!(sparing.count(place(), now + WINDOW), (true, 15));
        assert_eq!(sparing.count(place(), now + WINDOW), (true, 0));
    }
}
