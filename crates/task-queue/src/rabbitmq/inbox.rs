//! What has been delivered to this process and is in nobody's hands yet; the broker's prefetch bounds it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use agentwrite::ports::TaskMessage;
use lapin::Acker;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A delivered message and the way to settle it.
pub(super) struct Item {
    pub(super) message: TaskMessage,
    pub(super) acker: Acker,
    /// When it came.
    pub(super) since: Instant,
}

/// Between a supervisor and its consumer.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Notify,
    asked: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Item>,
    /// Somebody waits for a message.
    wanted: bool,
    closed: bool,
}

impl Inbox {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each holder makes one change: a panic cannot leave it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, item: Item) {
        self.state().waiting.push_back(item);
        self.changed.notify_one();
    }

    /// The next message; `None` once closed. A message whose channel has died meanwhile is passed over: the broker has it
    /// back already and delivers it anew.
    pub(super) async fn take(&self) -> Option<Item> {
        loop {
            {
                let mut state = self.state();
                if state.closed {
                    return None;
                }
                while let Some(item) = state.waiting.pop_front() {
                    if item.acker.usable() {
                        return Some(item);
                    }
                }
            }
            let _asking = Asking::of(self);
            // `notify_one` leaves a permit where nobody waits yet, and there is one consumer: no arrival is missed.
            self.changed.notified().await;
        }
    }

    /// Since when the oldest message waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.state().waiting.front().map(|item| item.since)
    }

    /// Waits until somebody waits for a message.
    pub(super) async fn wanted(&self) {
        while !self.state().wanted {
            self.asked.notified().await;
        }
    }

    /// Takes everything out.
    pub(super) fn empty(&self) -> VecDeque<Item> {
        std::mem::take(&mut self.state().waiting)
    }

    /// No more messages.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_one();
    }
}

/// Somebody waits for a message for as long as this lives.
struct Asking<'a>(&'a Inbox);

impl<'a> Asking<'a> {
    fn of(inbox: &'a Inbox) -> Self {
        inbox.state().wanted = true;
        inbox.asked.notify_one();
        Self(inbox)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.state().wanted = false;
    }
}
