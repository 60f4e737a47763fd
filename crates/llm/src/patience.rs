//! One timer per call whose deadline moves with each sign of life.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Waits for things until a deadline that can be moved. Moving it costs nothing: the timer itself is only set anew when
/// it fires too early.
pub(crate) struct Patience {
    deadline: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    /// Patience for `limit` from now.
    pub fn new(limit: Duration) -> Self {
        let deadline = Instant::now() + limit;
        Self { deadline, timer: Box::pin(sleep_until(deadline)) }
    }

    /// Patience for `limit` from now on, longer or shorter than what was left.
    pub fn renew(&mut self, limit: Duration) {
        let deadline = Instant::now() + limit;
        if deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
        self.deadline = deadline;
    }

    /// Waits for a future; nothing if the deadline comes first.
    pub async fn wait<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(future);
        loop {
            tokio::select! {
                biased;
                output = &mut future => return Some(output),
                () = &mut self.timer => {
                    if Instant::now() >= self.deadline {
                        return None;
                    }
                    self.timer.as_mut().reset(self.deadline);
                }
            }
        }
    }
}
