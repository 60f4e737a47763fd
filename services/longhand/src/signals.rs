//! Signals: the first Ctrl-C or SIGTERM drains, the second stops at once; SIGTERM has a deadline.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::panel::BesidePanel;

/// Which signal stopped the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// Listens for signals for as long as it lives.
pub struct Stop {
    seen: Arc<AtomicU8>,
    _listener: AbortOnDropHandle<()>,
}

impl Stop {
    /// Starts listening. The first signal cancels `drain`; a second one, or `grace` after the first, cancels `abort`.
    pub fn listen(drain: CancellationToken, abort: CancellationToken, grace: Duration) -> Self {
        let message = format!(
            "\nfinishing the calls in flight (up to {} s); Ctrl-C again stops now. What is done stays done.\n",
            grace.as_secs()
        );
        Self::listen_saying(drain, abort, grace, message)
    }

    /// The same, with what is said at the first signal.
    #[expect(clippy::disallowed_methods, reason = "the listener ends with its handle")]
    pub fn listen_saying(drain: CancellationToken, abort: CancellationToken, grace: Duration, message: String) -> Self {
        let seen = Arc::new(AtomicU8::new(0));
        let listener = tokio::spawn(listen(Arc::clone(&seen), drain, abort, grace, message));
        Self { seen, _listener: AbortOnDropHandle::new(listener) }
    }

    /// The first signal, if there was one.
    pub fn stopped(&self) -> Option<Stopped> {
        match self.seen.load(Ordering::Relaxed) {
            1 => Some(Stopped::Interrupt),
            2 => Some(Stopped::Terminate),
            _ => None,
        }
    }
}

async fn listen(
    seen: Arc<AtomicU8>,
    drain: CancellationToken,
    abort: CancellationToken,
    grace: Duration,
    message: String,
) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::warn!("signals cannot be heard: a stop loses the calls in flight");
        return;
    };
    let first = tokio::select! {
        _ = interrupt.recv() => 1,
        _ = terminate.recv() => 2,
    };
    seen.store(first, Ordering::Relaxed);
    if !drain.is_cancelled() {
        // A stderr that cannot be written is no reason not to drain.
        let _ = BesidePanel.write_all(message.as_bytes());
    }
    drain.cancel();
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = tokio::time::sleep(grace) => {}
    }
    abort.cancel();
}
