//! The conformance suite of the store ports: every adapter passes the same behaviours.
//!
//! A behaviour is one `async fn name<F: Fixture>()` in the file of its port; its doc comment fixes what the port means. To
//! add a behaviour: the function, and its name in the list below (one that is not listed is a warning). To add an adapter:
//! a [`Fixture`] and one line `conformance!(name, Fixture);`.

mod admission;
mod checks;
mod claims;
mod dispatch;
mod failures;
mod follow_ups;
mod guards;
mod kinds;
mod material;
mod numbers;
mod overview;
mod pack;
mod parts;
mod player;
mod postgres_connect;
mod postgres_faults;
mod postgres_fixture;
mod postgres_lead;
mod postgres_many;
mod postgres_room;
mod postgres_statements;
mod postgres_violations;
mod random_runs;
mod report;
mod rescue;
mod results;
mod retry;
mod runs;
mod scene;
mod sqlite_statements;
mod sqlite_violations;
mod traffic;
mod training;

use agentwrite::ports::{
    DispatchStore, PackStore, ReportStore, RunStore, TaskStore, TrafficStore, TrainingDesk, TrainingStore,
};
use checkpoints::memory::MemoryStore;
use checkpoints::sqlite::SqliteStore;
use postgres_fixture::PostgresFixture;

/// All store ports at once.
trait Stores:
    TaskStore + DispatchStore + RunStore + PackStore + TrafficStore + ReportStore + TrainingStore + TrainingDesk
{
}
impl<S> Stores for S where
    S: TaskStore + DispatchStore + RunStore + PackStore + TrafficStore + ReportStore + TrainingStore + TrainingDesk
{
}

/// An adapter with an empty store of its own for each behaviour.
trait Fixture: Sized {
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
                    a_wasted_attempt_is_not_accepted_later
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
                    an_ordered_runs_commit_claims_the_best
                    an_ordered_runs_commit_claims_no_other_kind
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
                parts:
                    a_part_is_no_failure
                    the_next_call_finds_its_parts
                    a_failed_continuation_keeps_the_parts
                    a_late_part_is_kept_and_moves_nothing
                    parts_do_not_cross_revisions
                    a_continuing_prompt_is_not_the_chains;
                rescue:
                    stalled_work_is_rescued
                    work_in_progress_is_left_alone
                    a_lapsed_claims_attempt_is_orphaned
                    rescuing_again_changes_nothing
                    too_many_crashes_kill_the_task
                    a_death_takes_lapsed_siblings_along
                    an_orphans_reservation_is_suspect
                    a_lost_message_is_sent_again
                    dead_owners_claims_are_freed
                    dead_owners_messages_are_forgotten
                    dead_owners_attempts_are_orphaned
                    another_kinds_death_leaves_the_sample_alone;
                admission:
                    the_view_shows_what_stands
                    the_view_keeps_to_the_window
                    a_long_wait_gives_the_place_up
                    an_unknown_run_has_an_empty_view
                    planning_is_admitted_with_the_root
                    serial_writing_is_admitted_with_the_first_place
                    parallel_writing_is_admitted_with_all_places
                    admitting_twice_admits_once
                    only_a_live_run_admits
                    a_sample_keeps_its_configuration;
                dispatch:
                    the_longest_goes_first
                    plans_go_before_sections
                    slots_bound_what_is_published
                    the_next_due_time_is_told
                    a_paused_run_publishes_nothing
                    the_outbox_is_taken_by_age
                    a_task_has_one_outbox_row
                    a_late_confirmation_deletes_nothing_newer
                    admission_sets_the_order;
                runs:
                    creating_a_run_is_repeatable
                    runs_are_listed_newest_first
                    samples_get_the_next_ordinals
                    starting_ends_the_intake
                    pausing_and_resuming_are_written_down
                    cancelling_stops_for_good
                    limits_change_at_any_time
                    configuring_makes_a_version
                    an_unknown_run_cannot_be_controlled
                    a_run_is_done_when_all_is_published
                    only_a_running_run_is_done
                    appended_rows_reopen_a_done_run
                    a_pause_costs_nothing;
                retry:
                    a_failed_sample_goes_on
                    a_new_generation_counts_anew
                    a_failed_plan_is_planned_again
                    from_a_section_on
                    from_section_zero_discards_the_plan
                    an_old_revisions_answer_is_wasted
                    another_model_is_a_new_revision
                    a_rejected_sample_discards_all
                    a_cancelled_run_goes_on
                    a_retry_can_be_narrowed
                    a_dry_run_changes_nothing
                    closed_ranges_are_left_for_a_supplement
                    parallel_sections_are_kept_by_place
                    a_retry_is_written_down
                    candidates_do_not_cross_revisions;
                pack:
                    written_samples_are_to_be_judged
                    a_verdict_is_repeatable
                    a_rejecting_verdict_rejects
                    a_verdict_is_for_the_standing_revision
                    a_settled_range_is_closable
                    closing_freezes_the_members
                    closing_can_reject
                    closing_again_returns_the_same
                    publishing_is_fenced
                    an_open_range_cannot_be_published
                    an_empty_range_is_recorded
                    a_packed_sample_is_in_one_shard;
                traffic:
                    without_limits_calls_start_at_once
                    requests_are_paced
                    runs_use_a_limit_by_weight
                    a_seconds_worth_starts_at_once
                    quiet_times_are_not_saved_up
                    concurrent_calls_are_paced
                    tokens_are_paced_and_settled
                    what_comes_back_moves_those_who_wait
                    endpoints_are_apart
                    new_limits_hold_at_once
                    a_gate_is_only_prolonged
                    a_gate_opens_onto_no_burst
                    the_cap_is_never_passed
                    a_cap_needs_a_price
                    a_reservation_ends_with_its_attempt
                    an_orphans_reservation_counts_on
                    reserving_again_replaces
                    only_open_attempts_reserve;
                report:
                    totals_equal_a_recount
                    an_unknown_run_is_empty
                    samples_page_by_key
                    samples_are_filtered
                    a_title_is_cut_by_characters
                    failures_are_grouped_by_cause
                    attempts_are_counted_by_code
                    statistics_have_ten_second_slots
                    a_sample_is_shown_whole
                    an_outline_is_the_sample_without_its_texts;
                kinds:
                    several_follow_ups_are_published
                    one_of_several_follow_ups_is_claimed
                    places_are_filled_in_any_order
                    a_shared_follow_up_is_made_once
                    a_dead_judge_dies_alone;
                training:
                    a_job_is_created_once
                    one_trainer_holds_a_job
                    the_same_owner_takes_a_job_again
                    a_round_is_frozen
                    a_later_round_leaves_taken_shards_out
                    jobs_are_apart
                    done_comes_with_the_checkpoint
                    a_repeated_checkpoint_is_the_same
                    going_back_undoes_what_came_after
                    a_model_is_registered_once
                    a_job_is_asked_to_stop
                    a_released_job_goes_on
                    of_many_takers_one_wins;
            );
        }
    };
}

conformance!(memory, MemoryFixture);
conformance!(sqlite, SqliteFixture);
conformance!(postgres, PostgresFixture);
