//! The conformance suite of the store ports: every adapter passes the same behaviours.
//!
//! A behaviour is one `async fn name<F: Fixture>()` in the file of its port; its doc comment fixes what the port means. To
//! add a behaviour: the function, and its name in the list below (one that is not listed is a warning). To add an adapter:
//! a [`Fixture`] and one line `conformance!(name, Fixture);`.

mod checks;
mod claims;
mod failures;
mod follow_ups;
mod results;
mod scene;

use agentwrite::ports::{DispatchStore, PackStore, ReportStore, RunStore, TaskStore, TrafficStore};
use checkpoints::memory::MemoryStore;
use checkpoints::sqlite::SqliteStore;

/// All store ports at once.
pub trait Stores: TaskStore + DispatchStore + RunStore + PackStore + TrafficStore + ReportStore {}
impl<S: TaskStore + DispatchStore + RunStore + PackStore + TrafficStore + ReportStore> Stores for S {}

/// An adapter with an empty store of its own for each behaviour.
pub trait Fixture: Sized {
    /// The adapter.
    type Store: Stores;
    /// An empty store.
    async fn fresh() -> Self;
    /// The store.
    fn store(&self) -> &Self::Store;
}

/// The store in memory.
pub struct MemoryFixture(MemoryStore);

impl Fixture for MemoryFixture {
    type Store = MemoryStore;
    async fn fresh() -> Self {
        Self(MemoryStore::new())
    }
    fn store(&self) -> &MemoryStore {
        &self.0
    }
}

/// The store on SQLite, in a folder that goes with the fixture.
pub struct SqliteFixture {
    store: SqliteStore,
    folder: tempfile::TempDir,
}

impl SqliteFixture {
    /// Where the database is, for looking at it behind the store's back.
    pub fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("longhand.db")
    }
}

impl Fixture for SqliteFixture {
    type Store = SqliteStore;
    async fn fresh() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let store = SqliteStore::open(&folder.path().join("longhand.db")).await.expect("a fresh database opens");
        Self { store, folder }
    }
    fn store(&self) -> &SqliteStore {
        &self.store
    }
}

macro_rules! instantiate {
    ($fixture:ident; $($file:ident: $($name:ident)+;)+) => {
        $(mod $file {
            $(#[tokio::test]
            async fn $name() {
                crate::$file::$name::<crate::$fixture>().await;
            })+
        })+
    };
}

/// Puts an adapter through every behaviour.
macro_rules! conformance {
    ($adapter:ident, $fixture:ident) => {
        mod $adapter {
            instantiate!($fixture;
                claims:
                    a_ready_task_is_claimed
                    an_attempt_starts_with_the_claim
                    a_known_attempt_id_is_refused
                    a_claimed_task_is_not_claimable
                    a_lapsed_lease_is_not_claimable
                    the_fence_grows
                    a_task_is_not_claimable_before_it_is_due
                    unknown_tasks_and_runs_are_nothing_to_claim
                    a_paused_run_gives_no_claims
                    a_cancelled_run_gives_no_claims
                    of_fifty_claims_at_once_one_wins
                    renewing_prolongs_the_owners_leases
                    renewing_does_not_return_what_is_gone;
                results:
                    a_result_for_the_standing_context_is_accepted
                    a_result_for_a_ready_task_is_accepted
                    the_first_of_two_owners_wins
                    a_result_for_another_context_is_wasted
                    a_wasted_answer_keeps_its_price
                    a_second_result_for_a_place_is_wasted
                    a_result_for_an_unknown_task_is_wasted
                    a_repeated_result_changes_nothing
                    a_repeated_plan_changes_nothing
                    an_earlier_candidate_can_be_accepted
                    an_orphaned_attempt_is_settled_later
                    flags_and_kept_answers_are_stored
                    candidates_belong_to_the_standing_context
                    the_last_prompt_is_of_the_same_chain
                    an_unknown_sample_loads_as_nothing
                    a_paused_run_records_results
                    a_cancelled_samples_result_is_wasted
                    of_two_results_at_once_one_is_accepted
                    a_conflict_among_two_hundred_stays_alone
                    parallel_places_are_filled_at_once;
                follow_ups:
                    a_plan_makes_the_sample_planned
                    the_last_place_makes_the_sample_written
                    a_claimed_follow_up_starts_its_attempt
                    a_claimed_follow_up_has_a_lease
                    an_unclaimed_follow_up_is_published
                    an_ordered_runs_follow_up_waits
                    a_paused_runs_follow_up_waits
                    the_follow_up_continues_the_chain
                    runs_are_apart;
                failures:
                    a_stale_fence_ends_the_attempt_only
                    a_failed_attempt_has_its_reason_and_price
                    throttling_is_counted
                    each_failure_counts_as_it_says
                    a_retry_time_delays_the_task
                    the_hint_comes_with_the_next_claim
                    a_dead_task_fails_its_sample
                    a_dead_task_takes_its_siblings_along
                    a_repeated_failure_changes_nothing
                    a_rejected_answer_is_kept
                    a_failure_of_an_unknown_task_holds_nothing;
            );
        }
    };
}

conformance!(memory, MemoryFixture);
conformance!(sqlite, SqliteFixture);
