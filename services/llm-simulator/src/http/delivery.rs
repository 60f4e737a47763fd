//! Hands an answer to its connection: at the right times, to the end, and no further than its fault allows.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::ticket::Ticket;
use crate::wire::Step;

/// What comes after the last step.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// The body ends.
    Complete,
    /// The connection breaks.
    Break,
    /// A line now and then, for ever.
    Never {
        /// The line.
        line: &'static [u8],
        /// How long between two.
        every: Duration,
    },
}

/// An answer on its way. Dropped before its end = the client went away; the ticket in it counts that.
pub(super) struct Delivery {
    steps: std::iter::Peekable<std::vec::IntoIter<Step>>,
    ending: Ending,
    ticket: Option<Ticket>,
    shutdown: CancellationToken,
}

impl Delivery {
    pub(super) fn new(steps: Vec<Step>, ending: Ending, ticket: Ticket, shutdown: CancellationToken) -> Self {
        Self { steps: steps.into_iter().peekable(), ending, ticket: Some(ticket), shutdown }
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        unfold(self, |mut delivery| async move { delivery.next().await.map(|item| (item, delivery)) })
    }

    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.ticket.as_ref()?;
        let Some(step) = self.steps.next() else { return self.finish().await };
        if let Err(gone) = self.wait(step.wait).await {
            return Some(Err(gone));
        }
        let mut tokens = step.tokens;
        let bytes = match self.steps.peek() {
            Some(next) if next.wait.is_zero() => {
                let mut all = BytesMut::from(step.bytes.as_ref());
                while let Some(more) = self.steps.next_if(|next| next.wait.is_zero()) {
                    all.extend_from_slice(&more.bytes);
                    tokens += more.tokens;
                }
                all.freeze()
            }
            _ => step.bytes,
        };
        if let Some(ticket) = &mut self.ticket {
            ticket.deliver(tokens);
        }
        Some(Ok(bytes))
    }

    async fn finish(&mut self) -> Option<io::Result<Bytes>> {
        match self.ending {
            Ending::Complete => {
                if let Some(ticket) = self.ticket.take() {
                    ticket.complete();
                }
                None
            }
            Ending::Break => {
                // The pause lets what was written leave before the connection breaks.
                let broken = self.wait(Duration::from_millis(1)).await.err();
                if let Some(ticket) = self.ticket.take() {
                    ticket.break_off();
                }
                Some(Err(broken.unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())))
            }
            Ending::Never { line, every } => match self.wait(every).await {
                Ok(()) => Some(Ok(Bytes::from_static(line))),
                Err(gone) => Some(Err(gone)),
            },
        }
    }

    /// Waits, unless the simulator is told to stop.
    async fn wait(&mut self, wait: Duration) -> io::Result<()> {
        if wait.is_zero() {
            return Ok(());
        }
        tokio::select! {
            () = sleep(wait) => Ok(()),
            () = self.shutdown.cancelled() => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}
