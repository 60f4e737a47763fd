//! Seeded random runs: no invariant is ever violated, and all adapters see the same.

use checkpoints::memory::MemoryStore;

use crate::player::Player;
use crate::postgres_fixture::PostgresFixture;
use crate::{Fixture, SqliteFixture};

/// Runs on the store in memory, and acts in each.
const SEEDS: u64 = 200;
const ACTS: usize = 100;
/// Every so many acts the invariants are checked.
const CHECK_EVERY: usize = 5;
/// Runs that the adapters play as well.
const SHARED_SEEDS: u64 = 24;

/// What must have been seen at least once over all seeds, or the runs prove too little.
const WANTED: &[&str] = &[
    "accepted Some",
    "accepted None",
    "Wasted",
    "repeated Repeated",
    "repeated Wasted",
    "repeated false",
    "Dead: true",
    "RetryAt",
    "died: 1",
    "freed Rescued { leases: 1",
    "OverBudget",
    "Supplement(1)",
    "published true",
    "published false",
    "supplement: Some(",
    "Cancelled None",
    "Paused Some",
    "finish Done",
    "\"judge\"",
    "candidates: [Candidate",
    "parts: [Candidate",
];

#[tokio::test]
async fn random_runs_violate_nothing() {
    let mut missing: Vec<&str> = WANTED.to_vec();
    for seed in 0..SEEDS {
        let store = MemoryStore::new();
        let mut player = Player::new(&store, seed).await;
        for act in 0..ACTS {
            player.act().await;
            if act % CHECK_EVERY == 0 {
                let violations = player.violations().await;
                assert!(violations.is_empty(), "seed {seed}, act {act}: {violations:#?}\n{}", last(&player.seen));
            }
        }
        missing.retain(|wanted| !player.seen.iter().any(|line| line.contains(wanted)));
    }
    assert!(missing.is_empty(), "never seen: {missing:?}");
}

#[tokio::test]
async fn sqlite_sees_what_the_model_sees() {
    same_as_the_model::<SqliteFixture>(SHARED_SEEDS).await;
}

#[tokio::test]
async fn postgres_sees_what_the_model_sees() {
    same_as_the_model::<PostgresFixture>(SHARED_SEEDS / 2).await;
}

async fn same_as_the_model<F: Fixture>(seeds: u64) {
    for seed in 0..seeds {
        let (memory, fixture) = (MemoryStore::new(), F::fresh().await);
        let mut model = Player::new(&memory, seed).await;
        let mut tested = Player::new(fixture.store(), seed).await;
        for act in 0..ACTS {
            model.act().await;
            tested.act().await;
            assert_eq!(model.seen.last(), tested.seen.last(), "seed {seed}, act {act}, after:\n{}", last(&model.seen));
            if act % (2 * CHECK_EVERY) == 0 {
                let violations = tested.violations().await;
                assert!(violations.is_empty(), "seed {seed}, act {act}: {violations:#?}\n{}", last(&model.seen));
            }
        }
        let (wanted, found) = (model.report().await, tested.report().await);
        for (wanted, found) in wanted.iter().zip(&found) {
            assert_eq!(wanted, found, "seed {seed}");
        }
        assert_eq!(wanted.len(), found.len());
        assert_eq!(tested.violations().await, []);
    }
}

/// The last acts before something went wrong.
fn last(seen: &[String]) -> String {
    seen[seen.len().saturating_sub(12)..].join("\n")
}
