//! The oracle: watches every port from below the faults, so it knows what truly happened, and says what may never be.
//!
//! Beyond the invariants that the store checks itself (`violations`): a task has one holder at a time and none once it
//! is done; an acked message was looked at and what it asked for was sent to the store (I2); a published shard never
//! changes (I7); calls are repeated only if they were in flight at a crash, an expiry or an operator's stop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use agentwrite::ids::{AttemptId, OwnerId, Timestamp};
use agentwrite::ports::{Range, Recorded, ShardFile};
use agentwrite::task::{ClaimedTask, TaskKey};

/// Who works on a task.
#[derive(Debug, Clone)]
struct Holder {
    owner: OwnerId,
    fence: i64,
    lease_until: Timestamp,
    /// Its call was counted as interrupted.
    counted: bool,
}

/// A delivery that is not acked.
#[derive(Debug)]
struct Open {
    owner: OwnerId,
    task: TaskKey,
    looked: bool,
    nothing_there: bool,
    attempts: Vec<AttemptId>,
}

/// What happened so far.
#[derive(Debug, Default)]
struct Books {
    holders: BTreeMap<TaskKey, Holder>,
    done: BTreeSet<TaskKey>,
    tried: BTreeSet<AttemptId>,
    open: BTreeMap<u64, Open>,
    deliveries: u64,
    shards: BTreeMap<Range, Vec<ShardFile>>,
    tally: Tally,
    violations: Vec<(String, String)>,
}

/// What happened, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Processes that died.
    pub crashes: u64,
    /// Calls that may be repeated: in flight at a crash, an expiry, an operator's stop.
    pub interrupted: u64,
    /// Intents that the store refused or whose answer it lost, messages lost, doubled or late.
    pub faults: u64,
    /// Leases freed by rescue.
    pub rescued: u64,
    /// Parts of cut answers that were kept.
    pub parts: u64,
    /// Results that came too late.
    pub wasted: u64,
    /// Letters of the dead that arrived.
    pub letters: u64,
    /// Intents that reached the store.
    pub steps: u64,
}

/// The oracle of one world.
#[derive(Debug)]
pub struct Oracle {
    books: Mutex<Books>,
    /// Off where intents overlap in real time, so that their order is not known.
    knows_order: bool,
}

impl Oracle {
    /// Knows nothing yet.
    pub fn new(knows_order: bool) -> Self {
        Self { books: Mutex::default(), knows_order }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that may never be.
    pub fn violated(&self, invariant: &str, what: impl Into<String>) {
        self.books().violations.push((invariant.to_owned(), what.into()));
    }

    /// The first thing that may never be.
    pub fn violation(&self) -> Option<(String, String)> {
        self.books().violations.first().cloned()
    }

    /// The counts.
    pub fn tally(&self) -> Tally {
        self.books().tally
    }

    /// A fault struck.
    pub fn fault(&self) {
        self.books().tally.faults += 1;
    }

    /// A part of an answer is kept.
    pub fn part(&self) {
        self.books().tally.parts += 1;
    }

    /// A letter of the dead arrives.
    pub fn letter(&self) {
        self.books().tally.letters += 1;
    }

    /// An intent reaches the store; returns how many have.
    pub fn step(&self) -> u64 {
        let mut books = self.books();
        books.tally.steps += 1;
        books.tally.steps
    }

    /// A process died.
    pub fn died(&self, owner: &OwnerId) {
        let mut books = self.books();
        books.tally.crashes += 1;
        books.interrupt(|_, holder| holder.owner == *owner);
        books.open.retain(|_, open| open.owner != *owner);
    }

    /// The calls of a process are aborted.
    pub fn aborted(&self, owner: &OwnerId) {
        self.books().interrupt(|_, holder| holder.owner == *owner);
    }

    /// The run was cancelled.
    pub fn cancelled(&self) {
        let mut books = self.books();
        books.interrupt(|_, _| true);
        books.holders.clear();
    }

    /// A claim was answered.
    pub fn claimed(&self, owner: &OwnerId, task: &TaskKey, claimed: Option<&ClaimedTask>, until: Timestamp) {
        let mut books = self.books();
        for open in books.open.values_mut().filter(|open| open.owner == *owner && open.task == *task) {
            open.looked = true;
            match claimed {
                Some(claimed) => open.attempts.push(claimed.attempt.clone()),
                None => open.nothing_there = true,
            }
        }
        if let Some(claimed) = claimed {
            books.grant(claimed, until, self.knows_order);
        }
    }

    /// The outcome of an attempt is on its way to the store.
    pub fn tried(&self, attempt: &AttemptId) {
        self.books().tried.insert(attempt.clone());
    }

    /// A result was recorded.
    pub fn recorded(&self, task: &TaskKey, recorded: &Recorded, until: Timestamp) {
        let mut books = self.books();
        match recorded {
            Recorded::Accepted { next, .. } => {
                if !books.done.insert(task.clone()) {
                    books.violate("I1", format!("a second result for {} {}", task.subject, task.place));
                }
                books.holders.remove(task);
                if let Some(next) = next {
                    books.grant(next, until, self.knows_order);
                }
            }
            Recorded::Repeated => {}
            Recorded::Wasted => books.tally.wasted += 1,
        }
    }

    /// A failure was recorded.
    pub fn failed(&self, task: &TaskKey, fence: i64, dead: bool) {
        let mut books = self.books();
        if books.holders.get(task).is_some_and(|holder| holder.fence == fence) {
            books.holders.remove(task);
            if dead {
                books.interrupt(|key, _| key.subject == task.subject);
                books.holders.retain(|key, _| key.subject != task.subject);
            }
        }
    }

    /// Leases were prolonged.
    pub fn renewed(&self, held: &[(TaskKey, i64)], until: Timestamp) {
        let mut books = self.books();
        for (key, fence) in held {
            if let Some(holder) = books.holders.get_mut(key).filter(|holder| holder.fence == *fence) {
                holder.lease_until = until;
            }
        }
    }

    /// Lapsed leases were freed.
    pub fn rescued(&self, leases: u64, now: Timestamp) {
        let mut books = self.books();
        books.tally.rescued += leases;
        books.interrupt(|_, holder| holder.lease_until < now);
        books.holders.retain(|_, holder| holder.lease_until >= now);
    }

    /// Everything that others held was freed.
    pub fn freed(&self, owner: &OwnerId) {
        let mut books = self.books();
        books.interrupt(|_, holder| holder.owner != *owner);
        books.holders.retain(|_, holder| holder.owner == *owner);
    }

    /// A message was handed out. Returns the delivery's number.
    pub fn delivered(&self, owner: &OwnerId, task: &TaskKey) -> u64 {
        let mut books = self.books();
        books.deliveries += 1;
        let number = books.deliveries;
        let (owner, task) = (owner.clone(), task.clone());
        books.open.insert(number, Open { owner, task, looked: false, nothing_there: false, attempts: Vec::new() });
        number
    }

    /// A message was given back.
    pub fn returned(&self, number: u64) {
        self.books().open.remove(&number);
    }

    /// A message was acked.
    pub fn acked(&self, number: u64) {
        let mut books = self.books();
        let Some(open) = books.open.remove(&number) else { return };
        if !open.looked {
            books.violate("I2", format!("acked before anybody looked at {} {}", open.task.subject, open.task.place));
        } else if !open.nothing_there && !open.attempts.iter().any(|attempt| books.tried.contains(attempt)) {
            // Another delivery of the same message may have claimed it again meanwhile: one attempt must be through.
            books.violate("I2", format!("acked before a commit of {} {}", open.task.subject, open.task.place));
        }
    }

    /// A shard was published.
    pub fn published(&self, range: Range, files: &[ShardFile]) {
        let mut books = self.books();
        let before = books.shards.entry(range).or_insert_with(|| files.to_vec());
        if before != files {
            books.violate("I7", format!("{} changed after it was published", range.file_stem()));
        }
    }
}

impl Books {
    fn violate(&mut self, invariant: &str, what: String) {
        self.violations.push((invariant.to_owned(), what));
    }

    /// Calls that these holders have in flight may be repeated. Counted once per holder.
    fn interrupt(&mut self, gone: impl Fn(&TaskKey, &Holder) -> bool) {
        for (key, holder) in &mut self.holders {
            if !holder.counted && gone(key, holder) {
                holder.counted = true;
                self.tally.interrupted += 1;
            }
        }
    }

    fn grant(&mut self, claimed: &ClaimedTask, until: Timestamp, knows_order: bool) {
        let (owner, fence) = (claimed.owner.clone(), claimed.fence);
        let what = || format!("{} {} {}", claimed.key.kind.as_str(), claimed.key.subject, claimed.key.place);
        let before =
            self.holders.insert(claimed.key.clone(), Holder { owner, fence, lease_until: until, counted: false });
        if !knows_order {
            return;
        }
        if let Some(before) = before {
            let now = claimed.owner.as_str();
            self.violate("lease", format!("{} was claimed by {now} while {} held it", what(), before.owner));
        }
        if self.done.contains(&claimed.key) {
            self.violate("lease", format!("{} was claimed after it was done", what()));
        }
    }
}
