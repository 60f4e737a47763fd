//! What is said when a database cannot be used, and what the roles may do.

use agentwrite::ports::{ReportStore, RunStore, StoreError};
use checkpoints::postgres::{ConnectError, PostgresStore, SCHEMA_VERSION};
use servers::postgres::Postgres;

use crate::Fixture;
use crate::postgres_fixture::{PostgresFixture, migrated};
use crate::scene::Scene;

async fn refused(url: &str) -> StoreError {
    let error = PostgresStore::connect(url).await.expect_err("it is refused");
    assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
    error
}

fn cause(error: &StoreError) -> &ConnectError {
    error.source.downcast_ref().unwrap_or_else(|| panic!("{error:?}"))
}

#[tokio::test]
async fn a_wrong_password_is_named() {
    let server = Postgres::shared();
    server.sql("postgres", "create role longhand_guest login password 'right'");
    let error = refused(&server.url_as("longhand_guest", "secret", "postgres")).await;
    assert!(
        matches!(cause(&error), ConnectError::Authentication { user, .. } if user == "longhand_guest"),
        "{error:?}"
    );
    server.sql("postgres", "drop role longhand_guest");
    let error = refused(&server.url_as("nobody", "secret", "postgres")).await;
    assert!(matches!(cause(&error), ConnectError::Authentication { .. }), "{error:?}");
}

#[tokio::test]
async fn an_unreachable_server_is_named() {
    let error = refused("postgres://postgres:secret@127.0.0.1:1/postgres").await;
    assert!(matches!(cause(&error), ConnectError::Unreachable { .. }), "{error:?}");
    assert!(cause(&error).to_string().contains("127.0.0.1:1"), "{error:?}");
}

#[tokio::test]
async fn a_missing_database_is_named() {
    let error = refused(&Postgres::shared().url("not_there")).await;
    assert!(matches!(cause(&error), ConnectError::NoDatabase { database, .. } if database == "not_there"), "{error:?}");
}

#[tokio::test]
async fn another_schema_is_refused_and_migrating_helps() {
    let database = Postgres::shared().database(None);
    let error = refused(&database.url()).await;
    let said = cause(&error).to_string();
    assert!(matches!(cause(&error), ConnectError::Schema { found: 0, known: SCHEMA_VERSION, .. }), "{error:?}");
    assert!(said.contains("version 0") && said.contains("version 4") && said.contains("`longhand migrate`"), "{said}");

    // Two at once: one migrates, the other waits and finds it done.
    let (url, again) = (database.url(), database.url());
    let (one, other) = tokio::join!(PostgresStore::migrate(&url), PostgresStore::migrate(&again));
    one.and(other).expect("both are content");
    PostgresStore::connect(&url).await.expect("it connects").close().await;

    database.sql("update _sqlx_migrations set version = 9 where version = 4");
    let error = refused(&url).await;
    assert!(matches!(cause(&error), ConnectError::Schema { found: 9, .. }), "{error:?}");
    assert!(cause(&error).to_string().contains("newer"), "{error:?}");
    let error = PostgresStore::migrate(&url).await.expect_err("a newer schema stays as it is");
    assert!(matches!(cause(&error), ConnectError::Schema { found: 9, .. }), "{error:?}");
}

#[tokio::test]
async fn a_store_shows_no_password() {
    let fixture = PostgresFixture::fresh().await;
    let shown = format!("{:?}", fixture.store());
    assert!(shown.contains("127.0.0.1") && !shown.contains("secret"), "{shown}");
}

/// The application's role can do what the application does and no more; the reader's can look.
#[tokio::test]
async fn the_roles_are_enough_and_no_more() {
    let roles = include_str!("../../../../deploy/postgres/roles.sql");
    let database = Postgres::shared().database(None);
    database.sql(roles);
    database.sql(
        "alter role longhand_owner login password 'a'; alter role longhand login password 'b';
        alter role longhand_reader login password 'c'",
    );
    let server = Postgres::shared();
    let url = |role: &str, password: &str| server.url_as(role, password, database.name());
    PostgresStore::migrate(&url("longhand_owner", "a")).await.expect("the owner migrates");

    let store = PostgresStore::connect(&url("longhand", "b")).await.expect("the application connects");
    let scene = Scene::of(&store, 2).await;
    scene.judged(0, 2).await;
    scene.sound().await;
    store.close().await;
    let forbidden = sqlx::PgPool::connect(&url("longhand", "b")).await.expect("it connects");
    for statement in
        ["drop table sample", "delete from section", "update text set body = ''", "create table mine (n int)"]
    {
        let error = sqlx::query(statement).execute(&forbidden).await.expect_err(statement).to_string();
        assert!(error.contains("permission denied") || error.contains("must be owner"), "{statement}: {error}");
    }

    let reader = PostgresStore::connect(&url("longhand_reader", "c")).await.expect("the reader connects");
    assert_eq!(reader.totals(&scene.run).await.expect("totals").sections, 2);
    reader.start_run(&scene.run, scene.now()).await.expect_err("a reader writes nothing");
    reader.close().await;
    forbidden.close().await;
    assert!(!migrated().await.is_empty());
}
