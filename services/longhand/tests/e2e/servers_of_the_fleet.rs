//! `migrate` and `health` against real servers: what fits, what does not, and that no password is ever shown.

use harness::process::Run;
use servers::postgres::Postgres;
use servers::rabbitmq::RabbitMq;

use crate::{MOST, longhand, scratch};

fn command(args: &[&str], database: &str, queue: &str) -> Run {
    longhand(args).env("LONGHAND__DATABASE__URL", database).env("LONGHAND__QUEUE__URL", queue)
}

#[test]
fn a_database_is_migrated_and_then_healthy() {
    let database = Postgres::shared().database(None);
    let queue = RabbitMq::shared().url();
    let health = command(&["health", "--json"], &database.url(), &queue);
    let ended = health.finish(MOST).expect_error(3, "schema_version");
    assert!(ended.stderr.contains("schema version 0") && ended.stderr.contains("needs version 4"), "{}", ended.stderr);
    assert!(ended.stdout.contains(r#""healthy":false"#), "{}", ended.stdout);

    let migrate = command(&["migrate"], &database.url(), &queue);
    migrate.finish(MOST).expect_code(0).expect_stderr("schema version 4");
    migrate.finish(MOST).expect_code(0);
    let ended = health.finish(MOST).expect_code(0);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((&report["healthy"], &report["database"]["schema_version"]), (&true.into(), &4.into()), "{report}");

    database.sql("insert into _sqlx_migrations values (9, 'later', now(), true, '', 0)");
    migrate.finish(MOST).expect_error(3, "schema_version").expect_stderr("schema version 9");
}

#[test]
fn what_is_wrong_with_a_server_is_told_without_its_password() {
    let scratch = scratch();
    let database = Postgres::shared().database(None);
    let (good, queue) = (database.url(), RabbitMq::shared().url());
    // The server lets its own superuser in without asking, and nobody else.
    let wrong = Postgres::shared().url_as("nobody", "geheim", database.name());
    command(&["migrate"], &good, &queue).finish(MOST).expect_code(0);
    for (database, queue, exit, code) in [
        (wrong.as_str(), queue.as_str(), 4, "database_auth"),
        ("postgres://a:geheim@127.0.0.1:9/b", queue.as_str(), 3, "database_unreachable"),
        ("mysql://a:geheim@127.0.0.1:9/b", queue.as_str(), 2, "database_url"),
        (good.as_str(), "amqp://a:geheim@127.0.0.1:9/%2f", 3, "queue_unreachable"),
        (good.as_str(), "http://a:geheim@127.0.0.1:9/", 2, "queue_url"),
    ] {
        let ended = command(&["health"], database, queue).finish(MOST).expect_error(exit, code);
        assert!(!format!("{}{}", ended.stdout, ended.stderr).contains("geheim"), "{}{}", ended.stdout, ended.stderr);
    }
    longhand(&["migrate"]).within(scratch.path()).finish(MOST).expect_error(2, "no_url");
    let shown = command(&["config", "show"], "postgres://a:geheim@host/b", "amqp://c:geheim@host/%2f");
    let ended = shown.within(scratch.path()).finish(MOST).expect_code(0);
    assert!(ended.stdout.contains("postgres://***@host/b") && !ended.stdout.contains("geheim"), "{}", ended.stdout);
}

#[test]
fn an_address_may_stand_in_a_file() {
    let scratch = scratch();
    let database = Postgres::shared().database(None);
    let file = scratch.path().join("url");
    std::fs::write(&file, format!("{}\n", database.url())).expect("the test's folder can be written");
    let file = file.to_str().expect("a path");
    longhand(&["migrate"]).env("LONGHAND__DATABASE__URL_FILE", file).finish(MOST).expect_code(0);
}
