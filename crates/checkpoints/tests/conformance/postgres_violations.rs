//! `violations` on PostgreSQL names what is broken: each invariant is broken by hand, behind the store's back.

use agentwrite::ports::ReportStore;
use checkpoints::postgres::PostgresStore;
use servers::postgres::Postgres;

use crate::Fixture;
use crate::material::sample;
use crate::postgres_fixture::PostgresFixture;
use crate::sqlite_violations::{BROKEN, busy_run};

/// The statement of the list in PostgreSQL's words, and whether it did something.
fn breaking(what: &str, statement: &str, index: u64) -> String {
    let statement = match what {
        // Texts are bytes here, found by their hash.
        "a text was edited" => {
            statement.replace("'!'", "'!'::bytea").replace("where id = (select text", "where hash = (select hash")
        }
        // Nothing was folded yet, so the counters of states stand in their changes.
        "a state is miscounted" => statement.replace("run_state_total", "run_state_delta"),
        _ => statement.to_owned(),
    };
    let statement = statement.replace("?1", &format!("'{}'", sample(index)));
    format!("with done as ({statement} returning 1) select count(*) > 0 from done")
}

#[tokio::test]
async fn each_broken_invariant_is_named() {
    let fixture = PostgresFixture::fresh().await;
    let run = busy_run(&fixture).await.run.clone();
    // A database that is copied has no connections.
    fixture.store().close().await;
    for (invariant, index, what, statement) in BROKEN {
        let copy = Postgres::shared().database(Some(fixture.database().name()));
        let done = copy.sql(&breaking(what, statement, *index));
        assert_eq!(done.trim(), "t", "{what}: nothing was broken");
        let store = PostgresStore::connect(&copy.url()).await.expect("the copy connects");
        let named = store.violations(&run).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert!(named.iter().any(|(name, _, _)| name == invariant), "{what}: named {named:?}");
        store.close().await;
    }
}

/// A second membership is impossible: the key of the table forbids it (I3).
#[tokio::test]
async fn a_second_membership_is_refused_by_the_schema() {
    let fixture = PostgresFixture::fresh().await;
    busy_run(&fixture).await;
    let added = fixture.database().sql(&format!(
        "with added as (insert into shard_member (run, sample, range, revision) values ('run_v', '{}', 7, 0)
          on conflict do nothing returning 1) select count(*) from added",
        sample(0)
    ));
    assert_eq!(added.trim(), "0");
}
