//! Bounded room before an exporter, and what did not find any: lost, but counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// What did not reach the collector.
#[derive(Debug, Default)]
pub struct Losses {
    spans: AtomicU64,
    logs: AtomicU64,
    samples: AtomicU64,
}

/// What is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A span.
    Span,
    /// A log record.
    Log,
    /// The end of a sample: root and places of its trace.
    Sample,
}

impl Losses {
    /// Counts.
    pub fn count(&self, item: Item, lost: u64) {
        let counter = match item {
            Item::Span => &self.spans,
            Item::Log => &self.logs,
            Item::Sample => &self.samples,
        };
        counter.fetch_add(lost, Ordering::Relaxed);
    }

    /// By signal.
    pub fn by_signal(&self) -> [(&'static str, u64); 3] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [("span", read(&self.spans)), ("log", read(&self.logs)), ("sample", read(&self.samples))]
    }

    /// In all.
    pub fn all(&self) -> u64 {
        self.by_signal().iter().map(|(_, lost)| lost).sum()
    }
}

/// Room for so many items between who makes them and the exporter that sends them.
#[derive(Debug)]
pub struct Room {
    item: Item,
    most: usize,
    held: AtomicUsize,
    losses: Arc<Losses>,
}

impl Room {
    /// Empty.
    pub fn new(item: Item, most: usize, losses: &Arc<Losses>) -> Arc<Self> {
        Arc::new(Self { item, most, held: AtomicUsize::new(0), losses: Arc::clone(losses) })
    }

    /// Room for so many more; if there is none, they are counted as lost.
    pub fn enter(&self, count: usize) -> bool {
        if self.held.fetch_add(count, Ordering::Relaxed) + count <= self.most {
            return true;
        }
        self.held.fetch_sub(count, Ordering::Relaxed);
        self.losses.count(self.item, count as u64);
        false
    }

    /// So many have left, sent or lost.
    pub fn leave(&self, count: usize, sent: bool) {
        self.held.fetch_sub(count, Ordering::Relaxed);
        if !sent {
            self.losses.count(self.item, count as u64);
        }
    }

    /// The exporter has stopped: what is still here is lost.
    pub fn close(&self) {
        let left = self.held.swap(0, Ordering::Relaxed);
        self.losses.count(self.item, left as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_or_is_not_sent_is_counted() {
        let losses = Arc::default();
        let room = Room::new(Item::Span, 2, &losses);
        assert!(room.enter(1) && room.enter(1) && !room.enter(1));
        assert_eq!(losses.by_signal()[0], ("span", 1));
        room.leave(1, true);
        assert!(room.enter(1) && !room.enter(2));
        assert_eq!(losses.all(), 3);
        room.leave(1, false);
        assert_eq!(losses.all(), 4);
        room.close();
        assert_eq!(losses.all(), 5);
    }
}
