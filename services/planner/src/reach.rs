//! Whether the store has been reachable for so long that a lease which has lapsed means a dead worker.
//!
//! While the store is away nobody can prolong a lease. When it is back, every live worker needs its time to do so: a rescue
//! that came first would free work that is being done, and it would be paid for twice.

use std::time::Duration;

use agentwrite::ids::Timestamp;

/// What the looks of one loop say.
#[derive(Debug, Default)]
pub struct Reach {
    /// Since when every look has succeeded.
    since: Option<Timestamp>,
}

impl Reach {
    /// A look began and ended. One that succeeded but took longer than `slow` counts like one that failed: the store hung,
    /// and workers had to wait as well.
    pub fn looked(&mut self, began: Timestamp, ended: Timestamp, succeeded: bool, slow: Duration) {
        let in_time = ended.since(began) <= slow;
        match (succeeded && in_time, self.since) {
            (false, _) => self.since = None,
            (true, None) => self.since = Some(ended),
            (true, Some(_)) => {}
        }
    }

    /// Whether every look of the last `lease` has succeeded.
    pub fn has_lasted(&self, lease: Duration, now: Timestamp) -> bool {
        self.since.is_some_and(|since| now.since(since) >= lease)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(90);
    const SLOW: Duration = Duration::from_secs(20);

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000)
    }

    #[test]
    fn a_new_leader_waits_one_lease() {
        let mut reach = Reach::default();
        assert!(!reach.has_lasted(LEASE, at(1_000)), "it has not looked yet");
        reach.looked(at(1_000), at(1_000), true, SLOW);
        reach.looked(at(1_050), at(1_050), true, SLOW);
        assert!(!reach.has_lasted(LEASE, at(1_089)));
        assert!(reach.has_lasted(LEASE, at(1_090)));
    }

    #[test]
    fn after_an_outage_the_wait_begins_anew() {
        let mut reach = Reach::default();
        reach.looked(at(0), at(0), true, SLOW);
        reach.looked(at(100), at(100), false, SLOW);
        assert!(!reach.has_lasted(LEASE, at(101)));
        reach.looked(at(200), at(201), true, SLOW);
        assert!(!reach.has_lasted(LEASE, at(290)));
        assert!(reach.has_lasted(LEASE, at(291)));
    }

    #[test]
    fn a_store_that_hung_was_away() {
        let mut reach = Reach::default();
        reach.looked(at(0), at(0), true, SLOW);
        reach.looked(at(10), at(70), true, SLOW);
        assert!(!reach.has_lasted(LEASE, at(100)));
        reach.looked(at(70), at(70), true, SLOW);
        assert!(!reach.has_lasted(LEASE, at(159)));
        assert!(reach.has_lasted(LEASE, at(160)));
    }
}
