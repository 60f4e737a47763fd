//! Crash points: named places at which a test build kills its own process, to prove that nothing is lost there.

/// Where to crash, by name and count. Empty in production builds.
#[derive(Debug, Clone, Default)]
pub struct CrashPoints {
    #[cfg(feature = "crash-points")]
    armed: Option<(String, std::sync::Arc<std::sync::atomic::AtomicI64>)>,
}

impl CrashPoints {
    /// The way of a task through a worker.
    pub const OF_A_TASK: [&'static str; 8] = [
        "after_deliver",
        "after_claim",
        "before_call",
        "after_answer",
        "before_commit",
        "after_commit",
        "before_ack",
        "after_ack",
    ];

    /// The other points: the planner's, between a confirmed message and the end of its outbox row, the packer's, and a worker's
    /// between two parts of an answer, which only a cut one has.
    pub const OF_SERVICES: [&'static str; 3] = ["after_publish", "after_shard_files", "after_part"];

    /// Whether there is such a point.
    pub fn is_named(name: &str) -> bool {
        Self::OF_A_TASK.contains(&name) || Self::OF_SERVICES.contains(&name)
    }

    /// Arms one point: `name:n` crashes the n-th time that it is passed.
    #[cfg(feature = "crash-points")]
    pub fn armed(text: &str) -> Option<Self> {
        let (name, count) = text.split_once(':').unwrap_or((text, "1"));
        if !Self::is_named(name) {
            return None;
        }
        let count = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(count.parse().ok()?));
        Some(Self { armed: Some((name.to_owned(), count)) })
    }

    /// Arms one point: there is none in a build without the feature.
    #[cfg(not(feature = "crash-points"))]
    pub fn armed(_text: &str) -> Option<Self> {
        None
    }

    /// Passes a point.
    #[cfg(feature = "crash-points")]
    pub fn pass(&self, name: &str) {
        if let Some((armed, left)) = &self.armed
            && armed == name
            && left.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) == 1
        {
            // No unwinding, no destructors, no flush: as close to `kill -9` as a process can do to itself.
            std::process::abort();
        }
    }

    /// Passes a point: nothing in a build without the feature.
    #[cfg(not(feature = "crash-points"))]
    #[inline]
    pub fn pass(&self, _name: &str) {}
}
