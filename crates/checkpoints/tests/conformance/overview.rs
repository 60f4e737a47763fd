//! What the command line asks: the same answers from both stores that a command can be pointed at.

use agentwrite::config::{Limits, RunConfig};
use agentwrite::ids::{RunId, Timestamp};
use agentwrite::ports::{Control, OverviewStore, RunRow, RunState};
use agentwrite::sample::SampleState;

use crate::postgres_fixture::PostgresFixture;
use crate::scene::Scene;
use crate::{Fixture, SqliteFixture, Stores};

async fn named(store: &impl OverviewStore, name: Option<&str>) -> Vec<RunRow> {
    store.run_list(name).await.expect("run_list")
}

fn ids(rows: &[RunRow]) -> Vec<&str> {
    rows.iter().map(|row| row.run.as_str()).collect()
}

/// Runs are listed newest first, each with its own samples by state, and found by the start of their id or by their name.
async fn runs_are_listed_and_found<S: Stores + OverviewStore>(store: &S) {
    assert_eq!(named(store, None).await, []);
    let scene = Scene::of(store, 3).await;
    scene.written(0, 1).await;
    let limits = Limits { weight: 7, ..Limits::default() };
    let later = RunId::new("run_b");
    store.create_run(&later, "run_", &RunConfig::default(), &limits, Timestamp(2_000_000_000)).await.expect("a run");
    store.control(&scene.run, "me", &Control::Pause { reason: "quota".to_owned() }, scene.now()).await.expect("paused");

    let rows = named(store, None).await;
    assert_eq!(ids(&rows), ["run_b", "run_a"]);
    assert_eq!((rows[0].state, rows[0].states, rows[0].limits), (RunState::Pending, [0; 9], limits));
    assert_eq!((rows[0].name.as_str(), rows[0].created_at), ("run_", Timestamp(2_000_000_000)));
    assert_eq!((rows[1].state, rows[1].reason.as_deref()), (RunState::Paused, Some("quota")));
    let count = |state| rows[1].states[SampleState::ALL.iter().position(|other| *other == state).expect("a state")];
    assert_eq!((count(SampleState::Pending), count(SampleState::Written)), (2, 1));

    assert_eq!(ids(&named(store, Some("run_a")).await), ["run_a"]);
    assert_eq!(ids(&named(store, Some("a run")).await), ["run_a"], "by its name");
    assert_eq!(ids(&named(store, Some("run_")).await), ["run_b", "run_a"], "by the start of the id");
    for nobody in ["un_a", "run_ab", "a ru", "RUN_A", "run%"] {
        assert_eq!(named(store, Some(nobody)).await, [], "{nobody}");
    }
}

/// Sections to write, lengths of whole texts, attempts by their end, and nothing that is out of order.
async fn a_run_is_summed_up<S: Stores + OverviewStore>(store: &S) {
    let scene = Scene::of(store, 3).await;
    scene.judged(0, 2).await;
    scene.writing(1, 3).await;
    let run = &scene.run;
    assert_eq!(store.open_sections(run).await.expect("open"), 3);
    let lengths = store.whole_lengths(run).await.expect("lengths");
    assert_eq!(lengths.iter().map(|whole| whole.state).collect::<Vec<_>>(), [SampleState::Written]);
    assert!(lengths[0].words > 0);
    let outcomes = store.attempt_outcomes(run).await.expect("outcomes");
    let attempts =
        |name: &str| outcomes.iter().find(|outcome| outcome.outcome == name).map_or(0, |found| found.attempts);
    assert_eq!((attempts("committed"), attempts("started"), attempts("failed")), (4, 1, 0), "{outcomes:?}");
    assert_eq!(store.unbacked(run).await.expect("unbacked"), []);
    let nobody = RunId::new("run_nobody");
    assert_eq!(store.whole_lengths(&nobody).await.expect("lengths"), []);
    assert_eq!(store.attempt_outcomes(&nobody).await.expect("outcomes"), []);
    assert_eq!(store.samples_named(&nobody, "smp_", 5).await.expect("samples"), []);
}

#[tokio::test]
async fn on_sqlite() {
    runs_are_listed_and_found(SqliteFixture::fresh().await.store()).await;
    a_run_is_summed_up(SqliteFixture::fresh().await.store()).await;
}

#[tokio::test]
async fn on_postgres() {
    runs_are_listed_and_found(PostgresFixture::fresh().await.store()).await;
    a_run_is_summed_up(PostgresFixture::fresh().await.store()).await;
}
