//! Plays scripts, each in a runtime of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use checkpoints::memory::{Guards, MemoryStore};
use checkpoints::sqlite::SqliteStore;
use tempfile::TempDir;

use super::oracle::Tally;
use super::script::Script;
use super::store::Ground;
use super::world::World;

/// A guard that is taken away, to show that the simulation notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Tests of the store.
    Store(Guards),
    /// Messages are acked when they are handed out.
    EarlyAck,
}

/// What became of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The first violation: the invariant, and what was seen.
    pub violation: Option<(String, String)>,
    /// What happened, counted.
    pub tally: Tally,
    /// Calls repeated after a sound answer, as the endpoint counts them.
    pub repeats: u64,
    /// Requests, as the endpoint counts them.
    pub requests: u64,
    /// SHA-256 of the published files by name.
    pub shards: BTreeMap<String, String>,
    /// Virtual milliseconds.
    pub took_ms: u64,
}

/// Plays a script over the store in memory.
pub fn run(script: &Script) -> Report {
    run_with(script, None)
}

/// Plays a script over the store in memory, with a guard taken away.
pub fn run_with(script: &Script, mutant: Option<Mutant>) -> Report {
    play(script, mutant == Some(Mutant::EarlyAck), async |_| {
        Ground::immediate(match mutant {
            Some(Mutant::Store(guards)) => MemoryStore::with_guards(guards),
            _ => MemoryStore::new(),
        })
    })
}

/// Plays a script over SQLite.
pub fn run_on_sqlite(script: &Script) -> Report {
    play(script, false, async |dir| {
        let (go, parked) = std::sync::mpsc::channel::<()>();
        drop(tokio::task::spawn_blocking(move || parked.recv()));
        let store = SqliteStore::open(&dir.join("longhand.db")).await.expect("a fresh database opens");
        drop(go);
        Ground::threaded(store)
    })
}

fn play(script: &Script, acks_early: bool, ground: impl AsyncFnOnce(PathBuf) -> Ground) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime of one thread can be built");
    let dir = folder();
    let report = runtime.block_on(async {
        let ground = ground(dir.path().to_owned()).await;
        World::new(script, ground, acks_early, dir.path().to_owned()).play().await
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
    report
}

/// In memory where the system has a place for that: thousands of worlds sync thousands of small files.
fn folder() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder for temporary files")
}
