//! A script: what a simulated world is like and what happens to it, as plain values that can be printed, shrunk and
//! pasted into a test.

use serde::{Deserialize, Serialize};

use super::fate::Fate;

/// How the processes are set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edition {
    /// One process at a time; the queue dies with it; a start frees what the dead one held.
    Embedded,
    /// Two processes around one queue that outlives them; only lapsed leases free what the dead held.
    Fleet,
}

/// What happens, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Op {
    /// Virtual milliseconds after the start.
    pub at_ms: u64,
    /// What.
    pub what: What,
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// A process dies.
    Crash {
        /// Which.
        slot: usize,
    },
    /// A process dies the n-th time that it passes a named point, see [`POINTS`].
    CrashAt {
        /// Which.
        slot: usize,
        /// The point.
        point: String,
        /// From 1.
        nth: u32,
    },
    /// A first signal: the process drains and ends.
    Stop {
        /// Which.
        slot: usize,
    },
    /// A second signal: calls in flight are aborted.
    Abort {
        /// Which.
        slot: usize,
    },
    /// The process stands still, as under SIGSTOP or behind a cut network.
    Freeze {
        /// Which.
        slot: usize,
        /// For how long.
        for_ms: u64,
    },
    /// Its heartbeats do not arrive; everything else does.
    LoseHeartbeat {
        /// Which.
        slot: usize,
        /// For how long.
        for_ms: u64,
    },
    /// The store refuses all writes.
    DiskFull {
        /// For how long.
        for_ms: u64,
    },
    /// The clock jumps.
    JumpClock {
        /// By this.
        by_ms: i64,
    },
    /// All waiting messages are lost.
    WipeQueue,
    /// An operator pauses the run and resumes it.
    Pause {
        /// For how long.
        for_ms: u64,
    },
    /// An operator cancels the run.
    Cancel,
    /// An operator retries what stopped.
    Retry {
        /// Discarding from this section on.
        from_section: Option<u32>,
        /// With another model.
        model: bool,
    },
    /// An operator changes the number of slots.
    Concurrency {
        /// To this.
        slots: u32,
    },
    /// An operator adds input rows.
    Add {
        /// How many.
        rows: u32,
    },
    /// All processes stand still on their way out while an operator cancels the run, changes its configuration and
    /// retries it; new processes start; the old ones wake up later and deliver what they had in hand. Fleet only.
    Replan {
        /// How long the old processes stand still.
        for_ms: u64,
    },
}

/// Named points at which a process can die: before (`-`) and after (`+`) what it does at a port.
pub const POINTS: [&str; 24] = [
    "claim_task-",
    "claim_task+",
    "load_sample+",
    "chat-",
    "chat+",
    "record_result-",
    "record_result+",
    "record_failure-",
    "record_failure+",
    "publish-",
    "publish+",
    "deliver+",
    "ack-",
    "ack+",
    "delete_outbox-",
    "admit+",
    "dispatch_ready+",
    "rescue_stalled+",
    "record_verdict+",
    "close_range-",
    "close_range+",
    "publish_shard-",
    "publish_shard+",
    "finish_run-",
];

/// A whole script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// Decides every delay and every fault by chance.
    pub seed: u64,
    /// The edition.
    pub edition: Edition,
    /// Input rows.
    pub samples: u32,
    /// Ordinals per shard.
    pub shard_size: u32,
    /// Slots of each process.
    pub concurrency: u32,
    /// All sections of a sample at once.
    pub parallel: bool,
    /// Counted failures after which a task dies.
    pub attempts: u32,
    /// Whether the budgets of the traffic port are in use.
    pub budgets: bool,
    /// Faults of each kind at the endpoint, per mille.
    pub endpoint_faults: u32,
    /// Intents that the store refuses or whose answer it loses, per mille each.
    pub store_faults: u32,
    /// Messages that are lost, doubled or late, per mille each.
    pub queue_faults: u32,
    /// Longest usual answer time of the endpoint; a few calls take longer than a lease.
    pub latency_ms: u64,
    /// What happens.
    pub ops: Vec<Op>,
}

impl Script {
    /// The script of a seed.
    pub fn of_seed(seed: u64) -> Self {
        let fate = Fate::new(seed);
        let pick = |label: &str, of: &[u64]| of[fate.below(label, of.len() as u64) as usize];
        let edition = if fate.below("edition", 5) < 3 { Edition::Fleet } else { Edition::Embedded };
        let mut script = Self {
            seed,
            edition,
            samples: 3 + fate.below("samples", 10) as u32,
            shard_size: 2 + fate.below("shard size", 3) as u32,
            concurrency: pick("concurrency", &[1, 2, 3, 4, 6, 8]) as u32,
            parallel: fate.below("mode", 4) == 0,
            attempts: pick("attempts", &[6, 6, 3]) as u32,
            budgets: fate.below("budgets", 4) == 0,
            endpoint_faults: pick("endpoint faults", &[0, 0, 2, 10]) as u32,
            store_faults: pick("store faults", &[0, 0, 5, 30]) as u32,
            queue_faults: pick("queue faults", &[0, 20, 60]) as u32,
            latency_ms: pick("latency", &[20, 100, 400, 3_000]),
            ops: Vec::new(),
        };
        let count = fate.below("ops", 13);
        let when = || fate.below("op at", if fate.below("op early", 2) == 0 { 1_500 } else { 9_000 });
        let mut ops: Vec<Op> = (0..count).map(|_| Op { at_ms: when(), what: script.op(&fate) }).collect();
        ops.sort_by_key(|op| op.at_ms);
        script.ops = ops;
        script
    }

    fn op(&self, fate: &Fate) -> What {
        let slot = fate.below("op slot", self.slots() as u64) as usize;
        let for_ms = 200 + fate.below("op for", 3000);
        // Around the moment at which others take over, or long after it.
        let past_lease =
            5_500 + fate.below("op past lease", if fate.below("op soon", 2) == 0 { 2_500 } else { 10_000 });
        match fate.below("op", 26) {
            0..=3 => What::Crash { slot },
            4..=8 => What::CrashAt {
                slot,
                point: POINTS[fate.below("op point", POINTS.len() as u64) as usize].to_owned(),
                nth: 1 + fate.below("op nth", 5) as u32,
            },
            9 => What::Stop { slot },
            10 => What::Abort { slot },
            11 | 12 => What::Freeze { slot, for_ms: past_lease },
            13 => What::LoseHeartbeat { slot, for_ms: past_lease },
            14 => What::DiskFull { for_ms },
            15 => What::JumpClock { by_ms: [-60_000, -3_000, 7_000, 3_600_000][fate.below("op jump", 4) as usize] },
            16 => What::WipeQueue,
            17 => What::Pause { for_ms },
            18 => What::Cancel,
            19 | 20 => What::Retry {
                from_section: [None, Some(0), Some(2)][fate.below("op from", 3) as usize],
                model: fate.below("op model", 4) == 0,
            },
            21 => What::Concurrency { slots: 1 + fate.below("op slots", 8) as u32 },
            22 => What::Add { rows: 1 + fate.below("op rows", 3) as u32 },
            _ if self.edition == Edition::Fleet => What::Replan { for_ms: for_ms / 2 },
            _ => What::Abort { slot },
        }
    }

    /// Processes at once.
    pub fn slots(&self) -> usize {
        match self.edition {
            Edition::Embedded => 1,
            Edition::Fleet => 2,
        }
    }

    /// Whether its texts must be those of a world in which nothing happens.
    pub fn keeps_texts(&self) -> bool {
        let shapes =
            |op: &Op| matches!(op.what, What::Cancel | What::Retry { .. } | What::Add { .. } | What::Replan { .. });
        self.endpoint_faults == 0 && !self.ops.iter().any(shapes)
    }

    /// The same input in a world in which nothing happens.
    pub fn undisturbed(&self) -> Self {
        let quiet =
            Self { seed: 0, edition: Edition::Embedded, concurrency: 4, attempts: 6, budgets: false, ..self.clone() };
        Self { endpoint_faults: 0, store_faults: 0, queue_faults: 0, latency_ms: 20, ops: Vec::new(), ..quiet }
    }

    /// As JSON, for a reproduction.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a script is made of plain values")
    }

    /// Reads what [`Self::to_json`] gave.
    ///
    /// # Panics
    /// If the text is no script.
    pub fn from_json(text: &str) -> Self {
        serde_json::from_str(text).expect("a script in JSON")
    }
}
